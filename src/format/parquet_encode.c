#include "format/parquet.h"

#include "format/compress.h"
#include "format/parquet_page.h"
#include "format/rle.h"
#include "format/thrift.h"

#include <assert.h>
#include <stdlib.h>

enum {
    PAGE_BYTES = (256 - 1) * 1024, /* two zstd blocks of whole rows; stays in the second-level cache */
    DICTIONARY_MAX = 64 << 20,     /* bytes of a dictionary page; readers hold one in memory whole */
};

struct parquet_encoder {
    struct parquet_options options;
    struct compressor *compressor;
    struct page_scratch scratch;
    struct buf header;
};

const uint8_t parquet_magic[PARQUET_MAGIC_BYTES] = {'P', 'A', 'R', '1'};

struct parquet_encoder *parquet_encoder_new(const struct parquet_options *o) {
    struct parquet_encoder *enc = calloc(1, sizeof *enc);
    if (!enc) return NULL;
    if (o) enc->options = *o;
    if (!enc->options.page_bytes) enc->options.page_bytes = PAGE_BYTES;
    page_scratch_init(&enc->scratch);
    buf_init(&enc->header, 4096);
    enc->compressor = compressor_new(enc->options.zstd_level ? enc->options.zstd_level : 1);
    if (!enc->compressor) {
        parquet_encoder_free(enc);
        return NULL;
    }
    return enc;
}

void parquet_encoder_free(struct parquet_encoder *enc) {
    if (!enc) return;
    compressor_free(enc->compressor);
    page_scratch_release(&enc->scratch);
    buf_release(&enc->header);
    free(enc);
}

/* PageHeader (parquet.thrift) into enc->header. */
static int page_header(struct parquet_encoder *enc, enum parquet_page_type type, size_t uncompressed,
                       size_t compressed, uint32_t values, enum parquet_encoding encoding, struct err *e) {
    struct thrift t;
    buf_clear(&enc->header);
    thrift_begin(&t, &enc->header, e);
    thrift_i32(&t, 1, type);
    thrift_i32(&t, 2, (int32_t)uncompressed);
    thrift_i32(&t, 3, (int32_t)compressed);
    thrift_struct_begin(&t, type == PARQUET_DATA_PAGE ? 5 : 7);
    thrift_i32(&t, 1, (int32_t)values);
    thrift_i32(&t, 2, encoding);
    if (type == PARQUET_DATA_PAGE) {
        thrift_i32(&t, 3, PARQUET_RLE); /* definition levels */
        thrift_i32(&t, 4, PARQUET_RLE); /* repetition levels, of which a flat schema has none */
    }
    thrift_struct_end(&t);
    return thrift_end(&t);
}

/* Append the page in scratch to *out, compressed, behind its header. The compressed bytes are written where
 * they will stand if the header's length is guessed right, which it is for all but odd sizes. */
static int put_page(struct parquet_encoder *enc, enum parquet_page_type type, uint32_t values,
                    enum parquet_encoding encoding, const struct compress_way *way, struct buf *out,
                    struct parquet_chunk_meta *meta, struct err *e) {
    const struct buf *page = &enc->scratch.page;
    size_t bound = compress_bound(page->len), room = 64, n = 0;
    if (bound > INT32_MAX) return err_set(e, ERR_OUTSIDE, "a page of %zu bytes is too large", page->len);
    TRY(page_header(enc, type, page->len, page->len / 2, values, encoding, e));
    size_t guess = enc->header.len;
    TRY(buf_reserve(out, room + bound, e));
    uint8_t *start = out->data + out->len;
    TRY(compress_page(enc->compressor, way, page->data, page->len, enc->scratch.start, start + guess, bound,
                      &n, e));
    TRY(page_header(enc, type, page->len, n, values, encoding, e));
    size_t head = enc->header.len;
    if (head != guess) memmove(start + head, start + guess, n);
    memcpy(start, enc->header.data, head);
    out->len += head + n;
    meta->compressed_bytes += head + n;
    meta->uncompressed_bytes += head + page->len;
    return 0;
}

/* How to compress pages of PLAIN values like the one in scratch. */
static struct compress_way choose_way(struct parquet_encoder *enc, enum parquet_type type) {
    enum page_layout layout = type == PARQUET_STRING  ? LAYOUT_STRINGS
                              : type == PARQUET_INT32 ? LAYOUT_BYTES
                                                      : LAYOUT_FIXED8;
    const struct buf *page = &enc->scratch.page;
    if (enc->options.plain_zstd) layout = LAYOUT_BYTES;
    return compress_choose(enc->compressor, layout, page->data, page->len, enc->scratch.start);
}

/* Whether a dictionary takes fewer bytes than the values themselves; entries' mean length stands for the
 * rows'. */
static bool dictionary_pays(const struct page_source *src) {
    uint32_t count = src->values->dictionary_count;
    if (!count) return false;
    uint64_t entries = page_dictionary_bytes(src);
    if (entries > DICTIONARY_MAX) return false;
    uint64_t indices = (uint64_t)src->rows * src->width / 8;
    uint64_t plain = (uint64_t)((double)entries / count * src->rows);
    return entries + indices < plain;
}

static int encode_chunk(struct parquet_encoder *enc, const struct parquet_column *column,
                        const struct parquet_values *values, uint32_t rows, uint64_t group_start,
                        struct buf *out, struct parquet_chunk_meta *meta, struct err *e) {
    struct page_source src = {.column = column, .values = values, .rows = rows};
    if (values->index) {
        src.width = rle_width(values->dictionary_count ? values->dictionary_count - 1 : 0);
        src.dictionary = dictionary_pays(&src);
    }
    meta->dictionary_offset = UINT64_MAX;
    meta->dictionary_encoded = src.dictionary;
    enc->scratch.bounds.any = false;
    if (src.dictionary) {
        meta->dictionary_offset = out->len - group_start;
        TRY(page_fill_dictionary(&src, &enc->scratch, meta, e));
        struct compress_way way = choose_way(enc, column->type);
        TRY(put_page(enc, PARQUET_DICTIONARY_PAGE, values->dictionary_count, PARQUET_PLAIN, &way, out, meta,
                     e));
    }
    meta->data_offset = out->len - group_start;
    enum parquet_encoding encoding = src.dictionary ? PARQUET_RLE_DICTIONARY : PARQUET_PLAIN;
    struct compress_way way = {.layout = LAYOUT_BYTES};
    for (struct page_rows r = {.begin = 0}; r.begin < rows; r.begin = r.end) {
        TRY(page_cut(&src, enc->options.page_bytes, &r, e));
        TRY(page_fill(&src, &r, &enc->scratch, meta, e));
        if (r.begin == 0 && !src.dictionary) way = choose_way(enc, column->type);
        TRY(put_page(enc, PARQUET_DATA_PAGE, r.end - r.begin, encoding, &way, out, meta, e));
        meta->null_count += r.nulls;
        meta->data_pages++;
    }
    if (column->type == PARQUET_STRING) string_bounds_finish(&enc->scratch.bounds, meta);
    return 0;
}

static void shrink(struct buf *b, uint64_t limit) {
    if (b->cap > limit) buf_release(b);
}

int parquet_encode_row_group(struct parquet_encoder *enc, const struct parquet_column *columns,
                             uint32_t column_count, const struct parquet_values *values, uint32_t rows,
                             struct buf *out, struct arena *arena, struct parquet_row_group **group,
                             struct err *e) {
    assert(rows >= 1);
    struct parquet_row_group *g = arena_zalloc(arena, sizeof *g);
    if (!g) return err_nomem(e);
    g->columns = arena_zalloc(arena, column_count * sizeof *g->columns);
    if (!g->columns) return err_nomem(e);
    size_t start = out->len;
    for (uint32_t i = 0; i < column_count; i++) {
        int rc = encode_chunk(enc, &columns[i], &values[i], rows, start, out, &g->columns[i], e);
        if (rc) {
            out->len = start;
            return rc;
        }
        g->uncompressed_bytes += g->columns[i].uncompressed_bytes;
    }
    g->rows = rows;
    g->bytes = out->len - start;
    if (enc->options.memory_limit) {
        shrink(&enc->scratch.page, enc->options.memory_limit);
        shrink(&enc->scratch.index, enc->options.memory_limit);
        shrink(&enc->scratch.present, enc->options.memory_limit);
    }
    *group = g;
    return 0;
}
