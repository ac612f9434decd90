/* Parquet reading: the footer, and the values of flat columns a window at a time; no I/O of its own
 * (parquet-format 2.x: pages v1 and v2; PLAIN, dictionaries, RLE levels, DELTA_BINARY_PACKED,
 * DELTA_LENGTH_BYTE_ARRAY, DELTA_BYTE_ARRAY, BYTE_STREAM_SPLIT; the codecs of decompress.h).
 *
 * The bytes may be anybody's: whatever they say is checked before it is believed, and what a column reader
 * holds is a page, a dictionary and a window, each within PARQUET_PAGE_MAX. All errors about the bytes are
 * ERR_INPUT and say what is wrong, not in which file: the caller adds that. */
#ifndef WEIR_FORMAT_PARQUET_READ_H
#define WEIR_FORMAT_PARQUET_READ_H

#include "base/arena.h"
#include "base/buf.h"
#include "format/decompress.h"

/* What a column's values are, as far as anything here wants to read them. */
enum parquet_kind {
    PARQUET_KIND_TEXT,         /* BYTE_ARRAY: STRING, ENUM, JSON, or not annotated */
    PARQUET_KIND_INT,          /* INT32, INT64: signed, or not annotated */
    PARQUET_KIND_UINT,         /* INT32, INT64: unsigned */
    PARQUET_KIND_REAL,         /* FLOAT, DOUBLE */
    PARQUET_KIND_TIMESTAMP_MS, /* INT64, with or without "adjusted to UTC" */
    PARQUET_KIND_TIMESTAMP_US,
    PARQUET_KIND_TIMESTAMP_NS,
    PARQUET_KIND_INT96,  /* a timestamp */
    PARQUET_KIND_NULL,   /* the type of a column without any value */
    PARQUET_KIND_NESTED, /* a group, a list, a map */
    PARQUET_KIND_OTHER
};

/* A field directly below the schema's root. */
struct parquet_field {
    struct str name;
    enum parquet_kind kind;
    const char *type; /* in words, for messages: "a decimal" */
    int32_t physical; /* enum parquet_physical */
    bool optional;
    uint32_t leaf; /* its column's number in each row group; of a nested field its first */
};

/* parquet.thrift: Type */
enum parquet_physical {
    PARQUET_PHYSICAL_BOOLEAN = 0,
    PARQUET_PHYSICAL_INT32 = 1,
    PARQUET_PHYSICAL_INT64 = 2,
    PARQUET_PHYSICAL_INT96 = 3,
    PARQUET_PHYSICAL_FLOAT = 4,
    PARQUET_PHYSICAL_DOUBLE = 5,
    PARQUET_PHYSICAL_BYTE_ARRAY = 6,
    PARQUET_PHYSICAL_FIXED = 7,
};

/* A column of a row group. */
struct parquet_read_chunk {
    bool readable;       /* false: its metadata is not in the footer (encrypted, or in another file) */
    const char *problem; /* then: why */
    int32_t physical, codec;
    uint64_t values;
    uint64_t offset; /* of its first page in the file */
};

struct parquet_read_group {
    uint64_t rows;
    struct parquet_read_chunk *chunks; /* leaf_count */
};

/* What a footer says. In the arena it was read into, apart from the names, which are slices of the footer. */
struct parquet_meta {
    struct parquet_field *fields;
    uint32_t field_count, leaf_count, group_count;
    struct parquet_read_group *groups;
    uint64_t rows;
    uint64_t data_end; /* of the file, where the footer begins */
};

enum { PARQUET_TAIL_BYTES = 8, PARQUET_PAGE_MAX = 1 << 30, PARQUET_WINDOW = 1024 };

/* The footer's length from the last PARQUET_TAIL_BYTES of a file of `file_bytes`. */
int parquet_read_tail(const uint8_t tail[PARQUET_TAIL_BYTES], uint64_t file_bytes, uint32_t *footer_bytes,
                      struct err *e);

/* Read the footer, which stood before the tail. */
int parquet_read_footer(const uint8_t *footer, uint32_t footer_bytes, uint64_t file_bytes, struct arena *a,
                        struct parquet_meta *out, struct err *e);

/* Where bytes come from. */
struct parquet_source {
    int (*read)(void *ctx, uint64_t offset, size_t len, uint8_t *out, struct err *e);
    void *ctx;
    uint64_t end;    /* no byte from here on belongs to pages */
    size_t page_max; /* bytes of a page, of a window's text; 0: PARQUET_PAGE_MAX */
};

/* The values of a column chunk. */
struct parquet_column_reader;

/* Contexts and buffers that a thread's column readers share; a reader holds none of its own between calls. */
struct parquet_shared {
    struct decompressor *decompressor;
    struct buf compressed;
};

int parquet_shared_init(struct parquet_shared *s, struct err *e);
void parquet_shared_release(struct parquet_shared *s);

/* A reader without a chunk. Source and shared must outlive it. NULL: out of memory. */
struct parquet_column_reader *parquet_column_reader_new(const struct parquet_source *source,
                                                        struct parquet_shared *shared);
void parquet_column_reader_free(struct parquet_column_reader *r);

/* Begin the field's column of a group. Not for nested fields and other kinds. */
int parquet_column_begin(struct parquet_column_reader *r, const struct parquet_field *field,
                         const struct parquet_read_group *group, struct err *e);

/* Values of consecutive rows, valid until the next window. */
struct parquet_window {
    uint32_t count;          /* at most PARQUET_WINDOW; 0: the chunk has no more */
    const struct str *texts; /* TEXT: ptr NULL is null; UTF-8, checked; PARQUET_TEXT_SLACK bytes after
                                each may be read */
    const int64_t *numbers;  /* INT, UINT (bit for bit), TIMESTAMP_*; INT96 in µs, floored, saturated */
    const double *reals;     /* REAL */
    const uint8_t *present;  /* all but TEXT: a byte a row, 0 is null (the value is then unspecified) */
};

enum { PARQUET_TEXT_SLACK = 64 };

/* The next window. */
int parquet_column_next(struct parquet_column_reader *r, struct parquet_window *w, struct err *e);

#endif
