/* Parquet writing: columns of a row group in, bytes and metadata out; no I/O (parquet-format 2.x; v1 data
 * pages, PLAIN and RLE_DICTIONARY, zstd, statistics, field ids).
 *
 * A row group's bytes do not depend on where in the file they will stand: threads encode row groups by
 * themselves, and whoever writes the file places them and then builds the footer. */
#ifndef WEIR_FORMAT_PARQUET_H
#define WEIR_FORMAT_PARQUET_H

#include "base/arena.h"
#include "base/buf.h"

enum parquet_type {
    PARQUET_STRING, /* BYTE_ARRAY, UTF8 */
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_DOUBLE,
    PARQUET_TIMESTAMPTZ, /* INT64, TIMESTAMP(MICROS, isAdjustedToUTC=true) */
};

struct parquet_column {
    const char *name;
    int32_t field_id;
    enum parquet_type type;
    bool optional;
};

/* A column's values for one row group: either one value a row (plain), or a dictionary and one index a row.
 * The encoder chooses the encoding: a dictionary that does not pay is written PLAIN, and fixed-width plain
 * values are never given a dictionary. */
struct parquet_values {
    const uint8_t *null;       /* a byte a row, nonzero: null; NULL: no nulls. Ignored for strings and
                                  dictionaries: there a null is ptr NULL or index UINT32_MAX */
    const struct str *strings; /* STRING: dictionary entries if `index`, else one a row */
    const int64_t *int64s;     /* INT64, TIMESTAMPTZ: likewise */
    const int32_t *int32s;     /* INT32: likewise */
    const double *doubles;     /* DOUBLE: likewise */
    const uint32_t *index;     /* one a row into the dictionary; UINT32_MAX: null. NULL: plain */
    uint32_t dictionary_count; /* entries, distinct, each used at least once */
};

/* Bounds of strings are kept whole up to 16 code points and then truncated as Iceberg's truncate[16] metrics
 * mode does: the lower to its first 16, the upper likewise and rounded up. 16 code points take up to 64
 * bytes.
 */
enum { PARQUET_BOUND_CHARS = 16, PARQUET_BOUND = 4 * PARQUET_BOUND_CHARS };

struct parquet_chunk_meta { /* one column of one row group */
    uint64_t dictionary_offset,
        data_offset; /* from the row group's first byte; dictionary_offset UINT64_MAX: none */
    uint64_t compressed_bytes, uncompressed_bytes; /* page headers included */
    uint64_t null_count, nan_count;
    bool has_bounds; /* false: no value, or nothing but NaN */
    uint8_t lower[PARQUET_BOUND],
        upper[PARQUET_BOUND]; /* as Iceberg's single-value serialization (and Parquet PLAIN) */
    uint8_t lower_len, upper_len;
    bool lower_exact,
        upper_exact; /* false: truncated (upper then rounded up; has_upper false when that is impossible) */
    bool has_upper;
    bool dictionary_encoded;
    uint32_t data_pages;
};

struct parquet_row_group {
    uint32_t rows;
    uint64_t bytes;  /* length in the file */
    uint64_t offset; /* in the file: set by the caller once placed */
    uint64_t uncompressed_bytes;
    struct parquet_chunk_meta *columns; /* one a column */
};

/* An encoder for one thread: compression contexts and scratch. */
struct parquet_encoder;

struct parquet_options {
    int zstd_level;        /* 1 */
    bool plain_zstd;       /* true: no tuning per column, for comparison */
    uint32_t page_bytes;   /* target of an uncompressed data page; 0: the default */
    uint64_t memory_limit; /* unused rows of scratch are freed beyond this; 0: no limit */
};

/* `o` NULL: all defaults. NULL: out of memory. */
struct parquet_encoder *parquet_encoder_new(const struct parquet_options *o);
void parquet_encoder_free(struct parquet_encoder *);

/* Encode one row group of `rows` ≥ 1 rows: its bytes are appended to *out, its metadata is placed in `arena`.
 */
int parquet_encode_row_group(struct parquet_encoder *, const struct parquet_column *columns,
                             uint32_t column_count, const struct parquet_values *values, uint32_t rows,
                             struct buf *out, struct arena *arena, struct parquet_row_group **group,
                             struct err *e);

/* The four bytes that begin a file. */
enum { PARQUET_MAGIC_BYTES = 4 };
extern const uint8_t parquet_magic[PARQUET_MAGIC_BYTES];

/* Append the footer (FileMetaData, its length, magic) of a file with these row groups, in order of `offset`.
 * `created_by` like "weir version 0.1.0". */
int parquet_footer(const struct parquet_column *columns, uint32_t column_count,
                   struct parquet_row_group *const *groups, uint32_t group_count, const char *created_by,
                   struct buf *out, struct err *e);

#endif
