/* Pages of a column chunk before compression: which rows a page takes, definition levels, values
 * (parquet-format Encodings.md: PLAIN, RLE_DICTIONARY, RLE; README, "Data pages"). */
#ifndef WEIR_FORMAT_PARQUET_PAGE_H
#define WEIR_FORMAT_PARQUET_PAGE_H

#include "format/parquet_bounds.h"

/* parquet.thrift */
enum parquet_encoding { PARQUET_PLAIN = 0, PARQUET_RLE = 3, PARQUET_RLE_DICTIONARY = 8 };
enum parquet_page_type { PARQUET_DATA_PAGE = 0, PARQUET_DICTIONARY_PAGE = 2 };

/* A column chunk being cut into pages. */
struct page_source {
    const struct parquet_column *column;
    const struct parquet_values *values;
    uint32_t rows;
    bool dictionary; /* data pages hold indices; false with `values->index`: entries are looked up */
    unsigned width;  /* of an index, bits */
};

/* Scratch of one thread, reused from page to page. */
struct page_scratch {
    size_t start;    /* of the values in the page */
    struct buf page; /* the page; readable and writable STRING_BOUNDS_SLACK bytes beyond its end */
    struct buf present;
    struct buf index;
    struct string_bounds bounds;
};

void page_scratch_init(struct page_scratch *s);
void page_scratch_release(struct page_scratch *s);

/* The rows [begin, end) that one data page takes. */
struct page_rows {
    uint32_t begin, end;
    uint32_t nulls; /* among them */
    uint64_t bytes; /* PLAIN, of the strings; 0 for other values */
};

/* Set the end, nulls and bytes of a page of about `target` bytes, at least one row, that begins at r->begin.
 * ERR_OUTSIDE for a null in a required column and for a value no page can hold. */
int page_cut(const struct page_source *src, uint32_t target, struct page_rows *r, struct err *e);

/* Assemble the data page of these rows in s->page. PLAIN values are taken into the bounds. */
int page_fill(const struct page_source *src, const struct page_rows *r, struct page_scratch *s,
              struct parquet_chunk_meta *meta, struct err *e);

/* Assemble the dictionary page in s->page, and take its entries into the bounds. */
int page_fill_dictionary(const struct page_source *src, struct page_scratch *s,
                         struct parquet_chunk_meta *meta, struct err *e);

/* Bytes that the dictionary's entries take, PLAIN. */
uint64_t page_dictionary_bytes(const struct page_source *src);

#endif
