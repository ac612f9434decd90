#include "etl/event_group.h"

#include "base/hugepage.h"

#include <stdlib.h>

enum { FIRST_ROWS = 1024 };

struct event_group *event_group_new(const struct pipeline *p) {
    struct event_group *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->pipeline = p;
    buf_init(&g->text, UINT32_MAX);
    return g;
}

void event_group_free(struct event_group *g) {
    if (!g) return;
    buf_release(&g->text);
    free(g->row);
    free(g->keep);
    free(g->keep_null);
    free(g);
}

void event_group_clear(struct event_group *g) {
    buf_clear(&g->text);
    g->rows = g->session_count = 0;
}

static const enum column text_column[TEXT_COUNT] = {COL_EVENT_ID, COL_USER_ID, COL_PAGE_URL,
                                                    COL_REFERRER, COL_DEVICE,  COL_IP};

static int grow(struct event_group *g, uint32_t rows, struct err *e) {
    uint32_t to = g->cap ? g->cap : FIRST_ROWS;
    while (to < rows) to += to / 2;
    unsigned keep_count = g->pipeline->keep_count;
    struct event_row *row = realloc(g->row, to * sizeof *row);
    if (!row) return err_nomem(e);
    g->row = row;
    hugepage_hint(row, to * sizeof *row);
    if (keep_count) {
        union event_keep_value *keep = realloc(g->keep, (size_t)to * keep_count * sizeof *keep);
        if (!keep) return err_nomem(e);
        g->keep = keep;
        uint8_t *null = realloc(g->keep_null, (size_t)to * keep_count);
        if (!null) return err_nomem(e);
        g->keep_null = null;
    }
    g->cap = to;
    return 0;
}

/* Copy a slice; up to 64 bytes after it are read, and written after `to`, which is far cheaper than a call of
 * memcpy(3) for each short text (both have the room: scan.h, SCAN_PADDING). */
static inline uint8_t *put(uint8_t *to, struct str s) {
    if (s.len <= 16)
        memcpy(to, s.ptr, 16);
    else if (s.len <= SCAN_PADDING)
        memcpy(to, s.ptr, SCAN_PADDING);
    else
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

static int add_keep(struct event_group *g, const struct scan_row *r, struct err *e) {
    const struct pipeline *p = g->pipeline;
    union event_keep_value *out = &g->keep[(size_t)g->rows * p->keep_count];
    for (unsigned i = 0; i < p->keep_count; i++) {
        const struct scan_keep_value *v = &r->keep[i];
        g->keep_null[(size_t)g->rows * p->keep_count + i] = v->null;
        out[i].i = 0;
        if (v->null) continue;
        if (p->keep[i].type == KEEP_LONG)
            out[i].i = v->i;
        else if (p->keep[i].type == KEEP_DOUBLE)
            out[i].d = v->d;
        else {
            out[i].text.offset = (uint32_t)g->text.len;
            out[i].text.len = v->text.len;
            TRY(buf_add(&g->text, v->text.ptr, v->text.len, e));
        }
    }
    return 0;
}

int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e) {
    if (g->rows == g->cap) TRY(grow(g, g->rows + 1, e));
    struct event_row *row = &g->row[g->rows];
    size_t bytes = 0;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[text_column[i]];
        row->len[i] = s.ptr ? s.len : UINT32_MAX;
        bytes += s.ptr ? s.len : 0;
    }
    TRY(buf_reserve(&g->text, bytes + SCAN_PADDING, e));
    row->time_us = r->time_us;
    row->start_us = session_start_us;
    row->seq = seq;
    row->session = UINT32_MAX;
    row->text = (uint32_t)g->text.len;
    uint8_t *to = g->text.data + g->text.len;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[text_column[i]];
        if (s.ptr) to = put(to, s);
    }
    g->text.len += bytes;
    if (g->pipeline->keep_count) TRY(add_keep(g, r, e));
    g->rows++;
    return 0;
}

int event_group_append(struct event_group *to, const struct event_group *from, struct err *e) {
    unsigned keep_count = to->pipeline->keep_count;
    if (to->cap - to->rows < from->rows) TRY(grow(to, to->rows + from->rows, e));
    uint32_t base = (uint32_t)to->text.len;
    TRY(buf_add(&to->text, from->text.data, from->text.len, e));
    for (uint32_t i = 0; i < from->rows; i++) {
        struct event_row *row = &to->row[to->rows + i];
        *row = from->row[i];
        row->text += base;
        if (row->session != UINT32_MAX) row->session += to->session_count;
    }
    size_t at = (size_t)to->rows * keep_count;
    for (size_t i = 0; i < (size_t)from->rows * keep_count; i++) {
        to->keep_null[at + i] = from->keep_null[i];
        to->keep[at + i] = from->keep[i];
        if (to->pipeline->keep[i % keep_count].type == KEEP_STRING) to->keep[at + i].text.offset += base;
    }
    to->session_count += from->session_count;
    to->rows += from->rows;
    return 0;
}

void event_group_read(const struct event_group *g, uint32_t i, struct scan_row *out,
                      struct scan_keep_value *keep) {
    const struct event_row *row = &g->row[i];
    const struct pipeline *p = g->pipeline;
    const char *text = (const char *)g->text.data, *at = text + row->text;
    *out = (struct scan_row){.reason = REASON_NONE, .time_us = row->time_us, .keep = keep};
    for (int t = 0; t < TEXT_COUNT; t++) {
        if (row->len[t] == UINT32_MAX) continue;
        out->field[text_column[t]] = (struct str){at, row->len[t]};
        at += row->len[t];
    }
    for (unsigned k = 0; k < p->keep_count; k++) {
        const union event_keep_value *v = &g->keep[(size_t)i * p->keep_count + k];
        keep[k] = (struct scan_keep_value){.null = g->keep_null[(size_t)i * p->keep_count + k]};
        if (keep[k].null) continue;
        if (p->keep[k].type == KEEP_LONG)
            keep[k].i = v->i;
        else if (p->keep[k].type == KEEP_DOUBLE)
            keep[k].d = v->d;
        else
            keep[k].text = (struct str){text + v->text.offset, v->text.len};
    }
}

void event_group_compact(struct event_group *g) {
    unsigned keep_count = g->pipeline->keep_count;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->rows; i++) {
        if (!g->row[i].seq) continue;
        if (kept < i) {
            g->row[kept] = g->row[i];
            if (keep_count) {
                memmove(&g->keep[(size_t)kept * keep_count], &g->keep[(size_t)i * keep_count],
                        keep_count * sizeof *g->keep);
                memmove(&g->keep_null[(size_t)kept * keep_count], &g->keep_null[(size_t)i * keep_count],
                        keep_count);
            }
        }
        kept++;
    }
    g->rows = kept;
}
