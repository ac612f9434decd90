/* The row scanner: CSV bytes, or rows copied from Parquet (row_format.h), in, cleansed records out
 * (pipeline.md 1.2–1.6, 2). The one parser of all scans.
 *
 * `strict: false` (1.7) changes nothing here: this reader's own idea of a malformed record is the strict one.
 * The delimiter is neither a quote nor CR nor LF. Records may be longer than SCAN_RECORD_MAX: who cuts a file
 * into chunks refuses them (1.4). */
#ifndef WEIR_ETL_SCAN_H
#define WEIR_ETL_SCAN_H

#include "etl/pipeline.h"

/* What follows the last byte of a chunk must be readable, whatever its values. */
enum { SCAN_PADDING = 64, SCAN_RECORD_MAX = 16 << 20 };

/* Where a file's header puts the columns (1.3). */
struct scan_layout {
    bool rows;                     /* no CSV but rows of row_format.h: nothing below matters */
    uint32_t field_count;          /* fields of the header, which every record must have */
    uint32_t column[COLUMN_COUNT]; /* field number of each, from 0 */
    uint32_t keep[KEEP_MAX];       /* of each keep column */
    size_t body;                   /* byte where the first record may begin */
};

/* Read the header from the first bytes of a file (BOM skipped, blank lines before it too). `whole`: these
 * bytes are the whole file; else ERR_INPUT when the header does not end within them. `file` names it in
 * errors: no header, malformed header, a missing column (the message lists the names that are there), a
 * needed column named twice. One input column may stand behind several of the pipeline's: each then reads it.
 */
int scan_header(const struct pipeline *p, const uint8_t *data, size_t len, bool whole, const char *file,
                struct scan_layout *out, struct err *e);

struct scan_keep_value {
    bool null;       /* null in the output */
    bool misfit;     /* … because the text did not fit the type: counted as weir.nulled.<column> */
    struct str text; /* KEEP_STRING */
    int64_t i;       /* KEEP_LONG */
    double d;        /* KEEP_DOUBLE */
};

/* One record. Slices point into the chunk or the scanner's scratch and hold until the next record. */
struct scan_row {
    enum reason reason; /* anything but REASON_DUPLICATE_EVENT */
    /* After 2.3: unquoted, trimmed, null tokens null (ptr NULL). Of a malformed row all are null. device is
     * not yet lower-cased and ip_address not yet checked: the caller does it, by scan_device (2.6) and
     * ip_parse (2.7), and may cache. */
    struct str field[COLUMN_COUNT]; /* a timestamp that was no text is given one, as in 4.2, only in SCAN_FULL
                                       and where there is a reason; else it is empty */
    int64_t time_us;                /* when REASON_NONE */
    uint32_t offset;                /* where the record begins in the chunk */
    uint32_t length;                /* without its line end: the raw text. (A line feed inside a quote that
                                       the file's end leaves open is part of it.) */
    const struct scan_keep_value *keep; /* keep_count values; only in SCAN_FULL and when REASON_NONE */
};

enum scan_mode {
    SCAN_KEYS, /* reason, user_id, event_id and time_us are right; other fields unspecified */
    SCAN_FULL
};

struct scanner;

/* A scanner for one thread. The pipeline must outlive it. NULL when out of memory. */
struct scanner *scanner_new(const struct pipeline *p, enum scan_mode mode);
void scanner_free(struct scanner *s);

/* Begin a chunk of whole records (the last may lack its line end); it and SCAN_PADDING bytes after it must
 * stay readable. The layout is that of its file and must outlive the chunk. len < 4 GiB. */
int scanner_begin(struct scanner *s, const struct scan_layout *layout, const uint8_t *data, size_t len,
                  struct err *e);

/* The next record; false at the chunk's end. Lines of zero bytes are passed over. */
bool scanner_next(struct scanner *s, struct scan_row *row);

/* Records in the chunk, counted by line structure (of rows: by their lengths) alone, independently of
 * classification (5.1). */
uint64_t scanner_count_records(const struct pipeline *p, const struct scan_layout *layout,
                               const uint8_t *data, size_t len);

/* `multiline: true`: where a record that begins at data ends (the byte after its LF), or 0 when it does not
 * end within len. With `eof` the end of the data ends it. A blank line counts as a record here. */
size_t scan_multiline_record_end(const struct pipeline *p, const uint8_t *data, size_t len, bool eof);

/* 2.6: ASCII lower case, "unknown" for null. `scratch` has room for in.len bytes; the result may be `in`
 * itself. */
struct str scan_device(struct str in, char *scratch);

#endif
