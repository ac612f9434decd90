/* The values of a data page by its encoding, nulls left out (parquet-format Encodings.md): what
 * parquet_read_page.c does not know about pages. */
#ifndef WEIR_FORMAT_PARQUET_READ_VALUES_H
#define WEIR_FORMAT_PARQUET_READ_VALUES_H

#include "format/parquet_read.h"
#include "format/rle_read.h"

/* Values of one of the three forms that windows have; only that array is set. */
struct value_cells {
    struct str *texts;
    int64_t *numbers;
    double *reals;
};

/* A dictionary's entries. The texts point into the page they were read from. */
struct value_dictionary {
    struct value_cells cells;
    uint32_t count;
    uint64_t cap;
};

void value_dictionary_release(struct value_dictionary *d);

struct value_reader {
    enum parquet_kind kind;
    int32_t physical, encoding;
    const uint8_t *at, *end; /* the bytes not yet read, where the encoding reads them in order */
    const struct value_dictionary *dictionary;
    struct rle_reader index;
    struct delta_reader lengths, prefixes; /* lengths: of texts, or numbers themselves */
    uint64_t position, total;              /* BYTE_STREAM_SPLIT: values read, and in all */
    struct buf text, last;                 /* DELTA_BYTE_ARRAY: of a window, and the value before */
    size_t text_max;
    uint32_t scratch[PARQUET_WINDOW];
    int64_t length[PARQUET_WINDOW], prefix[PARQUET_WINDOW];
};

void value_reader_init(struct value_reader *v, size_t text_max);
void value_reader_release(struct value_reader *v);

/* Begin a page's values of `field`, encoded so; PARQUET_TEXT_SLACK bytes after them are readable. ERR_INPUT:
 * the encoding does not suit the type, or is unknown. */
int value_reader_begin(struct value_reader *v, const struct parquet_field *field, int32_t encoding,
                       const uint8_t *data, size_t len, const struct value_dictionary *dictionary,
                       struct err *e);

/* The next `count` values, at most PARQUET_WINDOW; those of texts hold until the next call or page. */
int value_read(struct value_reader *v, const struct value_cells *out, uint32_t count, struct err *e);

/* Read `count` PLAIN entries from a dictionary page that outlives them. */
int value_dictionary_read(struct value_dictionary *d, struct value_reader *v,
                          const struct parquet_field *field, uint32_t count, const uint8_t *data, size_t len,
                          struct err *e);

#endif
