#include "format/parquet_page.h"

#include "format/rle.h"

#include <math.h>

enum {
    MAX_STRING = 1 << 30, /* a page's length is an int32 */
    MAX_ROWS = 1 << 20,   /* a page; levels and indices take memory even where values take no bytes */
    PREFETCH_ROWS = 64,
};

void page_scratch_init(struct page_scratch *s) {
    buf_init(&s->page, INT32_MAX);
    buf_init(&s->present, 0);
    buf_init(&s->index, 0);
    s->bounds.any = false;
}

void page_scratch_release(struct page_scratch *s) {
    buf_release(&s->page);
    buf_release(&s->present);
    buf_release(&s->index);
}

static unsigned fixed_width(enum parquet_type type) {
    switch (type) {
    case PARQUET_STRING: return 0;
    case PARQUET_INT32: return 4;
    case PARQUET_INT64:
    case PARQUET_DOUBLE:
    case PARQUET_TIMESTAMPTZ: return 8;
    }
    return 0;
}

static const void *fixed_values(const struct page_source *src) {
    const struct parquet_values *v = src->values;
    switch (src->column->type) {
    case PARQUET_STRING: return NULL;
    case PARQUET_INT32: return v->int32s;
    case PARQUET_INT64:
    case PARQUET_TIMESTAMPTZ: return v->int64s;
    case PARQUET_DOUBLE: return v->doubles;
    }
    return NULL;
}

/* A string page: as many whole values as fit. */
static int cut_strings(const struct page_source *src, uint32_t target, struct page_rows *r, struct err *e) {
    const struct str *strings = src->values->strings;
    const uint32_t *index = src->values->index;
    uint64_t bytes = 0;
    uint32_t missing = 0, i = r->begin;
    for (; i < src->rows; i++) {
        if (index && index[i] == UINT32_MAX) {
            missing++;
            continue;
        }
        const struct str *s = &strings[index ? index[i] : i];
        if (!s->ptr) {
            missing++;
            continue;
        }
        if (s->len > MAX_STRING)
            return err_set(e, ERR_OUTSIDE, "a value of column \"%s\" is too long for Parquet: %u bytes",
                           src->column->name, s->len);
        if (bytes && bytes + 4 + s->len > target) break;
        bytes += 4 + (uint64_t)s->len;
    }
    r->end = i;
    r->nulls = missing;
    r->bytes = bytes;
    return 0;
}

static bool is_null(const struct page_source *src, uint32_t row) {
    const struct parquet_values *v = src->values;
    if (v->index) return v->index[row] == UINT32_MAX;
    if (src->column->type == PARQUET_STRING) return !v->strings[row].ptr;
    return v->null && v->null[row];
}

int page_cut(const struct page_source *src, uint32_t target, struct page_rows *r, struct err *e) {
    const struct parquet_values *v = src->values;
    if (src->column->type == PARQUET_STRING && !src->dictionary) {
        TRY(cut_strings(src, target, r, e));
    } else {
        unsigned bits = src->dictionary ? src->width : 8 * fixed_width(src->column->type);
        uint64_t take = (uint64_t)target * 8 / (bits ? bits : 1);
        if (take < 8) take = 8;
        if (take > MAX_ROWS) take = MAX_ROWS;
        r->end = take < src->rows - r->begin ? r->begin + (uint32_t)take : src->rows;
        uint32_t missing = 0;
        if (v->index) {
            for (uint32_t i = r->begin; i < r->end; i++) missing += v->index[i] == UINT32_MAX;
        } else if (v->null) {
            for (uint32_t i = r->begin; i < r->end; i++) missing += v->null[i] != 0;
        }
        r->nulls = missing;
        r->bytes = 0;
    }
    if (r->nulls && !src->column->optional) {
        uint32_t row = r->begin;
        while (!is_null(src, row)) row++;
        return err_set(e, ERR_OUTSIDE, "required column \"%s\" has a null in row %u", src->column->name, row);
    }
    return 0;
}

/* Definition levels of an optional column: the length of what follows, then runs of 0 (null) and 1. */
static int add_levels(const struct page_source *src, const struct page_rows *r, struct page_scratch *s,
                      struct err *e) {
    const struct parquet_values *v = src->values;
    uint32_t begin = r->begin, rows = r->end - begin, nulls = r->nulls;
    TRY(buf_reserve(&s->page, 4 + rle_bound(rows, 1), e));
    uint8_t *out = s->page.data + s->page.len;
    uint32_t n;
    if (nulls == 0 || nulls == rows) {
        n = (uint32_t)rle_encode_run(nulls == 0, rows, 1, out + 4);
    } else {
        buf_clear(&s->present);
        TRY(buf_reserve(&s->present, rows, e));
        uint8_t *present = s->present.data;
        if (v->index) {
            for (uint32_t i = 0; i < rows; i++) present[i] = v->index[begin + i] != UINT32_MAX;
        } else if (src->column->type == PARQUET_STRING) {
            for (uint32_t i = 0; i < rows; i++) present[i] = v->strings[begin + i].ptr != NULL;
        } else {
            for (uint32_t i = 0; i < rows; i++) present[i] = !v->null[begin + i];
        }
        n = (uint32_t)rle_encode_flags(present, rows, out + 4);
    }
    memcpy(out, &n, 4);
    s->page.len += 4 + n;
    return 0;
}

static int add_indices(const struct page_source *src, const struct page_rows *r, struct page_scratch *s,
                       struct err *e) {
    const uint32_t *index = src->values->index + r->begin;
    uint32_t rows = r->end - r->begin, count = rows - r->nulls;
    if (r->nulls) {
        buf_clear(&s->index);
        TRY(buf_reserve(&s->index, (size_t)rows * sizeof *index, e));
        uint32_t *kept = (uint32_t *)(void *)s->index.data;
        uint32_t n = 0;
        for (uint32_t i = 0; i < rows; i++) {
            kept[n] = index[i];
            n += index[i] != UINT32_MAX;
        }
        index = kept;
    }
    TRY(buf_reserve(&s->page, 1 + rle_bound(count, src->width), e));
    s->page.data[s->page.len++] = (uint8_t)src->width;
    s->page.len += rle_encode(index, count, src->width, s->page.data + s->page.len);
    return 0;
}

/* Copy a string in overlapping words; most are of 8 to 64 bytes, where memcpy's dispatch costs more. */
static inline void copy_string(uint8_t *to, const char *from, uint32_t len) {
    if (len >= 16) {
        if (len > 256) {
            memcpy(to, from, len);
            return;
        }
        for (uint32_t i = 0; i < len - 16; i += 16) memcpy(to + i, from + i, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else {
        for (uint32_t i = 0; i < len; i++) to[i] = (uint8_t)from[i];
    }
}

static inline void prefetch(const struct str *s) {
    __builtin_prefetch(s->ptr);
    __builtin_prefetch((const void *)((uintptr_t)s->ptr + s->len)); /* often another cache line */
}

/* PLAIN strings, `bytes` in all: for each its length in four bytes, then its bytes. `index` NULL: strings[i]
 * themselves. Rows are not in the order in which their text lies in memory: fetched ahead, 8 M event_ids and
 * page_urls take .25 s rather than .40. */
static int add_strings(const struct str *strings, const uint32_t *index, uint32_t count, uint64_t bytes,
                       struct page_scratch *s, struct err *e) {
    TRY(buf_reserve(&s->page, bytes + STRING_BOUNDS_SLACK, e));
    uint8_t *out = s->page.data + s->page.len;
    for (uint32_t i = 0; i < count; i++) {
        const struct str *v = &strings[i];
        if (index) {
            if (index[i] == UINT32_MAX) continue;
            v = &strings[index[i]];
        } else if (i + PREFETCH_ROWS < count) {
            prefetch(&strings[i + PREFETCH_ROWS]);
        }
        if (!v->ptr) continue;
        memcpy(out, &v->len, 4);
        copy_string(out + 4, v->ptr, v->len);
        string_bounds_add(&s->bounds, out + 4, v->len);
        out += 4 + v->len;
    }
    s->page.len = (size_t)(out - s->page.data);
    return 0;
}

static void fixed_bounds(enum parquet_type type, const void *values, size_t count,
                         struct parquet_chunk_meta *meta) {
    if (type == PARQUET_INT32)
        int32_bounds(values, count, meta);
    else if (type == PARQUET_DOUBLE)
        double_bounds(values, count, meta);
    else
        int64_bounds(values, count, meta);
}

static int add_fixed(const struct page_source *src, const struct page_rows *r, struct page_scratch *s,
                     struct parquet_chunk_meta *meta, struct err *e) {
    const struct parquet_values *v = src->values;
    uint32_t begin = r->begin, end = r->end, rows = end - begin, nulls = r->nulls, count = rows - nulls;
    unsigned size = fixed_width(src->column->type);
    const uint8_t *values = fixed_values(src);
    TRY(buf_reserve(&s->page, (size_t)rows * size, e));
    uint8_t *out = s->page.data + s->page.len;
    if (!v->index && !nulls) {
        memcpy(out, values + (size_t)begin * size, (size_t)rows * size);
    } else {
        for (uint32_t i = begin; i < end; i++) {
            if (v->index ? v->index[i] == UINT32_MAX : v->null[i] != 0) continue;
            memcpy(out, values + (size_t)(v->index ? v->index[i] : i) * size, size);
            out += size;
        }
    }
    /* Behind levels of odd length the copy is not aligned: take the bounds from the source where one can. */
    if (!v->index && !nulls) {
        fixed_bounds(src->column->type, values + (size_t)begin * size, count, meta);
    } else {
        uint64_t block[256];
        const uint8_t *p = s->page.data + s->page.len;
        for (uint32_t done = 0; done < count;) {
            uint32_t n = count - done < 256 ? count - done : 256;
            memcpy(block, p + (size_t)done * size, (size_t)n * size);
            fixed_bounds(src->column->type, block, n, meta);
            done += n;
        }
    }
    s->page.len += (size_t)count * size;
    return 0;
}

int page_fill(const struct page_source *src, const struct page_rows *r, struct page_scratch *s,
              struct parquet_chunk_meta *meta, struct err *e) {
    const struct parquet_values *v = src->values;
    buf_clear(&s->page);
    if (src->column->optional) TRY(add_levels(src, r, s, e));
    s->start = s->page.len;
    if (src->dictionary) return add_indices(src, r, s, e);
    if (src->column->type != PARQUET_STRING) return add_fixed(src, r, s, meta, e);
    return add_strings(v->index ? v->strings : v->strings + r->begin, v->index ? v->index + r->begin : NULL,
                       r->end - r->begin, r->bytes, s, e);
}

/* A dictionary's NaNs count once a row. */
static void count_nans(const struct page_source *src, struct parquet_chunk_meta *meta) {
    const struct parquet_values *v = src->values;
    if (src->column->type != PARQUET_DOUBLE || !meta->nan_count) return;
    meta->nan_count = 0;
    for (uint32_t i = 0; i < src->rows; i++)
        meta->nan_count += v->index[i] != UINT32_MAX && isnan(v->doubles[v->index[i]]);
}

int page_fill_dictionary(const struct page_source *src, struct page_scratch *s,
                         struct parquet_chunk_meta *meta, struct err *e) {
    const struct parquet_values *v = src->values;
    uint32_t count = v->dictionary_count;
    buf_clear(&s->page);
    s->start = 0;
    if (src->column->type == PARQUET_STRING) {
        for (uint32_t i = 0; i < count; i++) {
            if (!v->strings[i].ptr)
                return err_set(e, ERR_OUTSIDE, "the dictionary of column \"%s\" holds a null",
                               src->column->name);
        }
        return add_strings(v->strings, NULL, count, page_dictionary_bytes(src), s, e);
    }
    TRY(buf_add(&s->page, fixed_values(src), (size_t)count * fixed_width(src->column->type), e));
    fixed_bounds(src->column->type, fixed_values(src), count, meta);
    count_nans(src, meta);
    return 0;
}

uint64_t page_dictionary_bytes(const struct page_source *src) {
    const struct parquet_values *v = src->values;
    if (src->column->type != PARQUET_STRING)
        return (uint64_t)v->dictionary_count * fixed_width(src->column->type);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < v->dictionary_count; i++) bytes += 4 + (uint64_t)v->strings[i].len;
    return bytes;
}
