#include "etl/reject_group.h"

#include "etl/record.h"
#include "format/timestamp.h"
#include "format/utf8.h"

#include <stdlib.h>

struct span {
    uint32_t offset, len; /* in text; len UINT32_MAX: null */
};

struct reject_row {
    uint8_t reason;
    uint32_t file;
    struct span field[COLUMN_COUNT], raw;
};

void reject_group_init(struct reject_group *g, const struct pipeline *p, const struct str *source_files,
                       uint32_t source_count) {
    *g = (struct reject_group){.pipeline = p, .source_files = source_files, .source_count = source_count};
    buf_init(&g->text, UINT32_MAX);
}

void reject_group_release(struct reject_group *g) {
    free(g->row);
    buf_release(&g->text);
    g->row = NULL;
    g->rows = g->cap = 0;
}

void reject_group_clear(struct reject_group *g) {
    g->rows = 0;
    buf_clear(&g->text);
}

static int add_text(struct reject_group *g, struct str s, struct span *out, struct err *e) {
    *out = (struct span){(uint32_t)g->text.len, s.ptr ? s.len : UINT32_MAX};
    return s.ptr ? buf_add(&g->text, s.ptr, s.len, e) : 0;
}

/* The record as read, each byte that is not part of UTF-8 as U+FFFD. */
static int add_raw(struct reject_group *g, const uint8_t *p, uint32_t len, struct span *out, struct err *e) {
    out->offset = (uint32_t)g->text.len;
    TRY(buf_reserve(&g->text, 3 * (size_t)len + 1, e));
    for (uint32_t i = 0; i < len;) {
        unsigned n = p[i] < 0x80 ? 1 : utf8_sequence(p + i, len - i);
        TRY(n ? buf_add(&g->text, p + i, n, e) : buf_add(&g->text, "\xEF\xBF\xBD", 3, e));
        i += n ? n : 1;
    }
    out->len = (uint32_t)g->text.len - out->offset;
    return 0;
}

/* What a duplicate shows: the cleansed values. `scratch` has room for the device. */
static void cleansed(struct scan_row *r, char *scratch, char time[TIMESTAMP_TEXT]) {
    timestamp_print(r->time_us, time);
    r->field[COL_TIMESTAMP] = str_of(time);
    r->field[COL_DEVICE] = scan_device(r->field[COL_DEVICE], scratch);
    r->field[COL_IP] = record_ip(r->field[COL_IP]);
}

int reject_group_add(struct reject_group *g, enum reason reason, const struct scan_row *r,
                     const uint8_t *chunk, uint32_t file, struct err *e) {
    if (g->rows == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 64;
        struct reject_row *row = realloc(g->row, cap * sizeof *row);
        if (!row) return err_nomem(e);
        g->row = row;
        g->cap = cap;
    }
    struct reject_row *out = &g->row[g->rows];
    *out = (struct reject_row){.reason = (uint8_t)reason, .file = file, .raw.len = UINT32_MAX};
    if (reason == REASON_MALFORMED_ROW) {
        for (int c = 0; c < COLUMN_COUNT; c++) out->field[c].len = UINT32_MAX;
        TRY(add_raw(g, chunk + r->offset, r->length, &out->raw, e));
        g->rows++;
        return 0;
    }
    struct scan_row row = *r;
    char time[TIMESTAMP_TEXT];
    char *scratch = malloc(row.field[COL_DEVICE].len + 1);
    if (!scratch) return err_nomem(e);
    if (reason == REASON_DUPLICATE_EVENT) cleansed(&row, scratch, time);
    if (g->pipeline->drop_ip) row.field[COL_IP] = (struct str){0};
    int rc = 0;
    for (int c = 0; c < COLUMN_COUNT && !rc; c++) rc = add_text(g, row.field[c], &out->field[c], e);
    free(scratch);
    if (!rc) g->rows++;
    return rc;
}

uint64_t reject_group_bytes(const struct reject_group *g) {
    return g->rows * sizeof *g->row + g->text.len;
}

static struct str text_at(const struct reject_group *g, struct span s) {
    if (s.len == UINT32_MAX) return (struct str){0};
    return (struct str){s.len ? (const char *)g->text.data + s.offset : "", s.len};
}

int reject_group_encode(const struct reject_group *g, struct parquet_encoder *encoder,
                        const struct parquet_column *columns, struct arena *scratch, struct buf *out,
                        struct arena *meta, struct parquet_row_group **group, struct err *e) {
    arena_clear(scratch);
    struct parquet_values values[RJ_COLUMNS] = {0};
    for (int c = 0; c < RJ_COLUMNS; c++) {
        struct str *v = arena_alloc(scratch, g->rows * sizeof *v);
        if (!v) return err_nomem(e);
        for (uint32_t i = 0; i < g->rows; i++) {
            const struct reject_row *r = &g->row[i];
            v[i] = c == RJ_REASON        ? str_of(reason_names[r->reason])
                   : c == RJ_RAW         ? text_at(g, r->raw)
                   : c == RJ_SOURCE_FILE ? g->source_files[r->file]
                                         : text_at(g, r->field[c - RJ_FIELD]);
        }
        values[c].strings = v;
    }
    return parquet_encode_row_group(encoder, columns, RJ_COLUMNS, values, g->rows, out, meta, group, e);
}
