#include "etl/ties.h"

#include <stdlib.h>

int tie_reader_init(struct tie_reader *t, const struct keys *k, const struct ingest *in, struct err *e) {
    *t = (struct tie_reader){.keys = k, .in = in};
    arena_init(&t->arena);
    t->scanner = scanner_new(in->pipeline, SCAN_FULL);
    return t->scanner ? 0 : err_nomem(e);
}

void tie_reader_release(struct tie_reader *t) {
    scanner_free(t->scanner);
    ingest_buffer_release(&t->buffer);
    arena_release(&t->arena);
    free(t->records);
    *t = (struct tie_reader){0};
}

static int fetch(struct tie_reader *t, uint64_t id, struct record *out, struct err *e) {
    const struct pipeline *p = t->in->pipeline;
    uint32_t chunk = (uint32_t)(id >> KEY_ROW_BITS), row = (uint32_t)(id & ((1u << KEY_ROW_BITS) - 1));
    uint32_t stride = t->keys->anchor_stride, anchor = row / stride;
    const struct chunk_rows *c = &t->keys->chunks[chunk];
    uint32_t file = t->in->chunks[chunk].file, begin = c->anchors[anchor];
    uint32_t end = (uint64_t)(anchor + 1) * stride < c->rows ? c->anchors[anchor + 1] : c->len;
    TRY(ingest_read_span(t->in, file, c->first + begin, end - begin, &t->buffer, e));
    TRY(scanner_begin(t->scanner, &t->in->files[file].layout, t->buffer.data, end - begin, e));
    struct scan_row r;
    for (uint32_t i = anchor * stride; scanner_next(t->scanner, &r); i++)
        if (i == row && r.reason == REASON_NONE) {
            out->row = id;
            return record_copy(p, &r, &t->arena, out, e);
        }
    return ingest_changed(t->in, file, e);
}

int tie_resolve(struct tie_reader *t, const struct key *keys, uint32_t n, struct record **records,
                struct err *e) {
    arena_clear(&t->arena);
    if (n > t->cap) {
        free(t->records);
        t->cap = 0;
        uint32_t cap = n < 1024 ? 1024 : n;
        t->records = malloc(cap * sizeof *t->records);
        if (!t->records) return err_nomem(e);
        t->cap = cap;
    }
    for (uint32_t i = 0; i < n; i++) TRY(fetch(t, key_row(&keys[i]), &t->records[i], e));
    record_sort(t->in->pipeline, t->records, n);
    *records = t->records;
    return 0;
}
