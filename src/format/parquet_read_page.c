/* Pages of a column chunk: headers (PageHeader of parquet.thrift), bodies, levels. */
#include "format/parquet_read_values.h"

#include "format/thrift_read.h"

#include <stdlib.h>
#include <zlib.h>

enum { DATA_PAGE = 0, DICTIONARY_PAGE = 2, DATA_PAGE_V2 = 3 };
enum { ENCODING_RLE = 3 };
enum { HEADER_FIRST = 256, HEADER_MAX = 16 << 20 }; /* statistics may hold two values of any length */

struct page_header {
    int32_t type, uncompressed, compressed, values, encoding, level_encoding, level_bytes, repetition_bytes;
    uint32_t crc;
    bool has_crc, stored; /* stored: v2, not compressed whatever the codec */
};

struct parquet_column_reader {
    const struct parquet_source *source;
    struct parquet_shared *shared;
    const struct parquet_field *field;
    int32_t codec;
    uint64_t offset; /* of the next page */
    uint64_t left;   /* rows of the chunk not yet in a page read */
    uint32_t page_left;
    bool has_dictionary;
    struct buf page, dictionary_page;
    struct value_dictionary dictionary;
    struct value_reader values;
    struct rle_reader levels;
    struct str texts[PARQUET_WINDOW];
    int64_t numbers[PARQUET_WINDOW];
    double reals[PARQUET_WINDOW];
    uint8_t present[PARQUET_WINDOW];
};

int parquet_shared_init(struct parquet_shared *s, struct err *e) {
    buf_init(&s->compressed, 0);
    s->decompressor = decompressor_new();
    return s->decompressor ? 0 : err_nomem(e);
}

void parquet_shared_release(struct parquet_shared *s) {
    decompressor_free(s->decompressor);
    buf_release(&s->compressed);
}

static size_t page_max(const struct parquet_source *s) {
    return s->page_max ? s->page_max : PARQUET_PAGE_MAX;
}

struct parquet_column_reader *parquet_column_reader_new(const struct parquet_source *source,
                                                        struct parquet_shared *shared) {
    struct parquet_column_reader *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->source = source;
    r->shared = shared;
    buf_init(&r->page, 0);
    buf_init(&r->dictionary_page, 0);
    value_reader_init(&r->values, page_max(source));
    return r;
}

void parquet_column_reader_free(struct parquet_column_reader *r) {
    if (!r) return;
    buf_release(&r->page);
    buf_release(&r->dictionary_page);
    value_dictionary_release(&r->dictionary);
    value_reader_release(&r->values);
    free(r);
}

int parquet_column_begin(struct parquet_column_reader *r, const struct parquet_field *field,
                         const struct parquet_read_group *group, struct err *e) {
    const struct parquet_read_chunk *c = &group->chunks[field->leaf];
    r->field = field;
    r->left = group->rows;
    r->page_left = 0;
    r->has_dictionary = false;
    if (field->kind == PARQUET_KIND_NULL) return 0;
    if (!c->readable) return err_set(e, ERR_INPUT, "it %s, which cannot be read here", c->problem);
    if (!decompress_knows(c->codec))
        return decompress(r->shared->decompressor, c->codec, NULL, 0, NULL, 0, e);
    if (c->physical != field->physical || c->values != group->rows)
        return err_set(e, ERR_INPUT, "the footer contradicts itself about its %s",
                       c->physical != field->physical ? "type" : "number of values");
    r->codec = c->codec;
    r->offset = c->offset;
    return 0;
}

/* ---- headers */

static void read_details(struct thrift_reader *t, struct page_header *h, bool v2, bool dictionary) {
    struct thrift_field f = {0};
    while (thrift_read_field(t, &f)) {
        int id = f.id;
        if (f.type == THRIFT_I32) {
            int32_t v = thrift_read_i32(t);
            if (id == 1)
                h->values = v;
            else if (id == (v2 ? 4 : 2))
                h->encoding = v;
            else if (id == 3 && !v2 && !dictionary)
                h->level_encoding = v;
            else if (id == 5 && v2)
                h->level_bytes = v;
            else if (id == 6 && v2)
                h->repetition_bytes = v;
        } else {
            if (v2 && id == 7) h->stored = !f.truth;
            thrift_skip(t, f.type);
        }
    }
}

static void parse_header(struct thrift_reader *t, struct page_header *h) {
    struct thrift_field f = {0};
    *h = (struct page_header){
        .type = -1, .uncompressed = -1, .compressed = -1, .values = -1, .level_encoding = ENCODING_RLE};
    while (thrift_read_field(t, &f)) {
        if (f.id <= 4 && f.type == THRIFT_I32) {
            int32_t v = thrift_read_i32(t);
            if (f.id == 1) h->type = v;
            if (f.id == 2) h->uncompressed = v;
            if (f.id == 3) h->compressed = v;
            if (f.id == 4) {
                h->crc = (uint32_t)v;
                h->has_crc = true;
            }
        } else if ((f.id == 5 || f.id == 7 || f.id == 8) && f.type == THRIFT_STRUCT) {
            read_details(t, h, f.id == 8, f.id == 7);
        } else {
            thrift_skip(t, f.type);
        }
    }
}

static int bad_header(const struct parquet_column_reader *r, struct err *e) {
    return err_set(e, ERR_INPUT, "the page at byte %llu has a corrupt header", (unsigned long long)r->offset);
}

/* Read the next page's header and go behind it. */
static int read_header(struct parquet_column_reader *r, struct page_header *h, struct err *e) {
    const struct parquet_source *s = r->source;
    struct buf *b = &r->shared->compressed;
    if (r->offset >= s->end)
        return err_set(e, ERR_INPUT, "its pages end before its rows do, %llu of them are missing",
                       (unsigned long long)r->left);
    for (size_t want = HEADER_FIRST;; want *= 8) {
        size_t len = s->end - r->offset < want ? (size_t)(s->end - r->offset) : want;
        buf_clear(b);
        TRY(buf_reserve(b, len, e));
        TRY(s->read(s->ctx, r->offset, len, b->data, e));
        struct thrift_reader t = thrift_read(b->data, len);
        parse_header(&t, h);
        if (t.failed && t.ran_out && len == want && want < HEADER_MAX) continue;
        bool wanted = h->type == DATA_PAGE || h->type == DICTIONARY_PAGE || h->type == DATA_PAGE_V2;
        if (t.failed || h->uncompressed < 0 || h->compressed < 0 || (wanted && h->values < 0))
            return bad_header(r, e);
        r->offset += (uint64_t)(t.at - b->data);
        break;
    }
    if ((uint64_t)h->compressed > s->end - r->offset) return bad_header(r, e);
    if ((size_t)h->uncompressed > page_max(s) || (size_t)h->compressed > page_max(s))
        return err_set(e, ERR_INPUT, "a page of %u bytes is larger than 1 GiB, which cannot be read here",
                       (unsigned)(h->uncompressed > h->compressed ? h->uncompressed : h->compressed));
    return 0;
}

/* ---- bodies */

/* The page's body, decompressed, into *out; the first `plain` bytes are never compressed. Goes behind it. */
static int read_body(struct parquet_column_reader *r, const struct page_header *h, size_t plain,
                     struct buf *out, struct err *e) {
    size_t stored = (size_t)h->compressed, bytes = (size_t)h->uncompressed;
    bool compressed = r->codec != PARQUET_UNCOMPRESSED && !h->stored;
    struct buf *b = compressed ? &r->shared->compressed : out;
    if (!compressed && stored != bytes) return bad_header(r, e);
    buf_clear(b);
    buf_clear(out);
    TRY(buf_reserve(out, bytes + PARQUET_TEXT_SLACK, e));
    if (compressed) TRY(buf_reserve(b, stored, e));
    TRY(r->source->read(r->source->ctx, r->offset, stored, b->data, e));
    if (h->has_crc && (uint32_t)crc32(crc32(0, NULL, 0), b->data, (uInt)stored) != h->crc)
        return err_set(e, ERR_INPUT, "the page at byte %llu is corrupt: its checksum is another",
                       (unsigned long long)r->offset);
    if (compressed) {
        if (plain) memcpy(out->data, b->data, plain);
        if (stored > plain || bytes > plain)
            TRY(decompress(r->shared->decompressor, r->codec, b->data + plain, stored - plain,
                           out->data + plain, bytes - plain, e));
    }
    memset(out->data + bytes, 0, PARQUET_TEXT_SLACK);
    out->len = bytes;
    r->offset += stored;
    return 0;
}

static int read_dictionary(struct parquet_column_reader *r, const struct page_header *h, struct err *e) {
    enum { PLAIN = 0, PLAIN_DICTIONARY = 2 };
    if (r->has_dictionary) return err_set(e, ERR_INPUT, "it has two dictionaries");
    if (h->encoding != PLAIN && h->encoding != PLAIN_DICTIONARY)
        return err_set(e, ERR_INPUT, "its dictionary has encoding %d, which cannot be read here",
                       (int)h->encoding);
    TRY(read_body(r, h, 0, &r->dictionary_page, e));
    r->has_dictionary = true;
    return value_dictionary_read(&r->dictionary, &r->values, r->field, (uint32_t)h->values,
                                 r->dictionary_page.data, r->dictionary_page.len, e);
}

/* Where the definition levels of a page stand in it, and the values behind them. */
static int split_page(struct parquet_column_reader *r, const struct page_header *h, size_t *levels,
                      size_t *levels_len, size_t *values, struct err *e) {
    *levels = *levels_len = *values = 0;
    if (h->type == DATA_PAGE_V2) {
        *levels = (size_t)h->repetition_bytes;
        *levels_len = (size_t)h->level_bytes;
        *values = *levels + *levels_len;
    } else if (r->field->optional) {
        uint32_t len;
        if (h->level_encoding != ENCODING_RLE)
            return err_set(e, ERR_INPUT, "its levels have encoding %d, which cannot be read here",
                           (int)h->level_encoding);
        if (r->page.len < 4) return bad_header(r, e);
        memcpy(&len, r->page.data, 4);
        if (len > r->page.len - 4) return bad_header(r, e);
        *levels = 4;
        *levels_len = len;
        *values = 4 + (size_t)len;
    }
    return 0;
}

static int read_data(struct parquet_column_reader *r, const struct page_header *h, struct err *e) {
    size_t plain = 0, levels, levels_len, values;
    if ((uint64_t)h->values > r->left)
        return err_set(e, ERR_INPUT, "its pages hold more rows than the footer says");
    if (h->type == DATA_PAGE_V2) {
        if (h->level_bytes < 0 || h->repetition_bytes < 0) return bad_header(r, e);
        plain = (size_t)h->level_bytes + (size_t)h->repetition_bytes;
        if (plain > (size_t)h->compressed || plain > (size_t)h->uncompressed) return bad_header(r, e);
    }
    TRY(read_body(r, h, plain, &r->page, e));
    TRY(split_page(r, h, &levels, &levels_len, &values, e));
    rle_reader_init(&r->levels, r->page.data + levels, levels_len, 1);
    TRY(value_reader_begin(&r->values, r->field, h->encoding, r->page.data + values, r->page.len - values,
                           r->has_dictionary ? &r->dictionary : NULL, e));
    r->page_left = (uint32_t)h->values;
    r->left -= r->page_left;
    return 0;
}

static int next_page(struct parquet_column_reader *r, struct err *e) {
    struct page_header h;
    TRY(read_header(r, &h, e));
    if (h.type == DICTIONARY_PAGE) return read_dictionary(r, &h, e);
    if (h.type == DATA_PAGE || h.type == DATA_PAGE_V2) return read_data(r, &h, e);
    r->offset += (uint64_t)h.compressed; /* an index, or what later versions add */
    return 0;
}

/* ---- windows */

/* Values stand together at the front: each to its row. */
static void spread(struct parquet_column_reader *r, uint32_t rows, uint32_t values) {
    enum parquet_kind kind = r->field->kind;
    for (uint32_t i = rows, j = values; i-- > 0;) {
        if (r->present[i]) j--;
        if (kind == PARQUET_KIND_TEXT)
            r->texts[i] = r->present[i] ? r->texts[j] : (struct str){0};
        else if (kind == PARQUET_KIND_REAL)
            r->reals[i] = r->present[i] ? r->reals[j] : 0;
        else
            r->numbers[i] = r->present[i] ? r->numbers[j] : 0;
    }
}

static int fill(struct parquet_column_reader *r, uint32_t rows, struct err *e) {
    const struct value_cells cells = {r->texts, r->numbers, r->reals};
    bool all = true;
    uint32_t values = rows;
    if (r->field->optional) {
        if (!rle_read_flags(&r->levels, r->present, rows, &all))
            return err_set(e, ERR_INPUT, "a page's definition levels are corrupt");
        if (!all) {
            values = 0;
            for (uint32_t i = 0; i < rows; i++) values += r->present[i];
        }
    } else {
        memset(r->present, 1, rows);
    }
    TRY(value_read(&r->values, &cells, values, e));
    if (!all) spread(r, rows, values);
    return 0;
}

int parquet_column_next(struct parquet_column_reader *r, struct parquet_window *w, struct err *e) {
    *w = (struct parquet_window){
        .texts = r->texts, .numbers = r->numbers, .reals = r->reals, .present = r->present};
    if (r->field->kind == PARQUET_KIND_NULL) {
        w->count = r->left < PARQUET_WINDOW ? (uint32_t)r->left : PARQUET_WINDOW;
        memset(r->present, 0, sizeof r->present);
        memset(r->texts, 0, sizeof r->texts);
        r->left -= w->count;
        return 0;
    }
    while (!r->page_left && r->left) TRY(next_page(r, e));
    w->count = r->page_left < PARQUET_WINDOW ? r->page_left : PARQUET_WINDOW;
    r->page_left -= w->count;
    return w->count ? fill(r, w->count, e) : 0;
}
