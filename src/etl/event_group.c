#include "etl/event_group.h"

#include "base/hugepage.h"
#include "etl/copy_short.h"

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
    g->rows = 0;
}

static int grow(struct event_group *g, struct err *e) {
    uint32_t to = g->cap ? g->cap + g->cap / 2 : FIRST_ROWS;
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
    static const enum column from[TEXT_COUNT] = {COL_EVENT_ID, COL_USER_ID, COL_PAGE_URL,
                                                 COL_REFERRER, COL_DEVICE,  COL_IP};
    if (g->rows == g->cap) TRY(grow(g, e));
    struct event_row *row = &g->row[g->rows];
    size_t bytes = 0;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[from[i]];
        row->len[i] = s.ptr ? s.len : UINT32_MAX;
        bytes += s.ptr ? s.len : 0;
    }
    TRY(buf_reserve(&g->text, bytes + SCAN_PADDING, e));
    row->time_us = r->time_us;
    row->start_us = session_start_us;
    row->seq = seq;
    row->text = (uint32_t)g->text.len;
    uint8_t *to = g->text.data + g->text.len;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[from[i]];
        if (s.ptr) to = copy_short(to, s);
    }
    g->text.len += bytes;
    if (g->pipeline->keep_count) TRY(add_keep(g, r, e));
    g->rows++;
    return 0;
}
