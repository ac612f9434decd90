/* Parquet files: any bytes are read or refused. What is read is within its bounds, and read again it is the
 * same. */
#include "format/parquet_read.h"
#include "format/utf8.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WINDOWS_MAX = 64, GROUPS_MAX = 4, PAGE_MAX = 1 << 20 };

struct input {
    const uint8_t *data;
    size_t size;
};

static void must(bool ok) {
    if (!ok) abort();
}

static void check(int rc, const struct err *e) {
    must(!rc || ((rc == ERR_INPUT || rc == ERR_OUTSIDE) && *e->msg));
}

static int read_input(void *ctx, uint64_t offset, size_t len, uint8_t *out, struct err *e) {
    const struct input *in = ctx;
    (void)e;
    must(offset <= in->size && len <= in->size - offset);
    if (len) memcpy(out, in->data + offset, len);
    return 0;
}

static uint64_t mix(uint64_t sum, uint64_t v) {
    return (sum ^ v) * 0x9e3779b97f4a7c15u;
}

static uint64_t take_window(enum parquet_kind kind, const struct parquet_window *w, uint64_t sum) {
    must(w->count <= PARQUET_WINDOW);
    for (uint32_t i = 0; i < w->count; i++) {
        if (kind == PARQUET_KIND_TEXT) {
            struct str s = w->texts[i];
            must((s.ptr != NULL) == (w->present[i] != 0));
            must(!s.ptr || utf8_valid((const uint8_t *)s.ptr, s.len));
            volatile char last = s.ptr ? s.ptr[s.len + PARQUET_TEXT_SLACK - 1] : 0;
            (void)last;
            for (uint32_t b = 0; b < s.len; b++) sum = mix(sum, (uint8_t)s.ptr[b]);
            sum = mix(sum, s.len);
        } else if (w->present[i]) {
            uint64_t v;
            memcpy(&v, kind == PARQUET_KIND_REAL ? (const void *)&w->reals[i] : &w->numbers[i], 8);
            sum = mix(sum, v);
        }
    }
    return mix(sum, w->count);
}

/* A digest of what a column of a group holds, and of how its reading ended. */
static uint64_t read_column(struct parquet_column_reader *r, const struct parquet_field *f,
                            const struct parquet_read_group *g) {
    struct err e = {0};
    struct parquet_window w;
    uint64_t sum = 0, rows = 0;
    int rc = parquet_column_begin(r, f, g, &e);
    for (unsigned i = 0; !rc && i < WINDOWS_MAX; i++) {
        rc = parquet_column_next(r, &w, &e);
        if (rc) break;
        if (!w.count) {
            must(rows == g->rows);
            break;
        }
        rows += w.count;
        must(rows <= g->rows);
        sum = take_window(f->kind, &w, sum);
    }
    check(rc, &e);
    return mix(sum, (uint64_t)rc);
}

static void read_fields(const struct input *in, const struct parquet_meta *meta) {
    struct parquet_source source = {read_input, (void *)in, meta->data_end, PAGE_MAX};
    struct parquet_shared shared;
    struct err e;
    if (parquet_shared_init(&shared, &e)) return;
    struct parquet_column_reader *r = parquet_column_reader_new(&source, &shared);
    for (uint32_t i = 0; r && i < meta->field_count; i++) {
        const struct parquet_field *f = &meta->fields[i];
        must(f->type != NULL);
        if (f->kind == PARQUET_KIND_NESTED || f->kind == PARQUET_KIND_OTHER) continue;
        must(f->leaf < meta->leaf_count);
        for (uint32_t g = 0; g < meta->group_count && g < GROUPS_MAX; g++)
            must(read_column(r, f, &meta->groups[g]) == read_column(r, f, &meta->groups[g]));
    }
    parquet_column_reader_free(r);
    parquet_shared_release(&shared);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct input in = {data, size};
    struct err e = {0};
    struct arena arena;
    struct parquet_meta meta;
    uint32_t len;
    if (size < PARQUET_TAIL_BYTES) return 0;
    int rc = parquet_read_tail(data + size - PARQUET_TAIL_BYTES, size, &len, &e);
    check(rc, &e);
    if (rc) return 0;
    arena_init(&arena);
    rc = parquet_read_footer(data + size - PARQUET_TAIL_BYTES - len, len, size, &arena, &meta, &e);
    check(rc, &e);
    if (!rc) read_fields(&in, &meta);
    arena_release(&arena);
    return 0;
}
