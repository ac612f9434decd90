#include "etl/event_group.h"

#include "etl/copy_short.h"

#include <assert.h>
#include <stdlib.h>

static_assert(sizeof(struct event_row) == 64, "a row without keep columns is one cache line");
static_assert(GROUP_FIRST << (GROUP_PIECES - 1) >= SLAB_BYTES / (int)sizeof(struct event_row),
              "pieces hold as many rows as a slab");

enum { TEXT_FIRST = 1 << 10 };

static const enum column text_column[TEXT_COUNT] = {COL_EVENT_ID, COL_USER_ID, COL_PAGE_URL,
                                                    COL_REFERRER, COL_DEVICE,  COL_IP};

struct event_group *event_group_new(const struct pipeline *p, struct slabs *slabs) {
    struct event_group *g = calloc(1, sizeof *g);
    if (!g) return NULL;
    g->pipeline = p;
    g->slabs = slabs;
    uint32_t keep_bytes = p->keep_count * (uint32_t)(sizeof(union event_keep_value) + 1);
    g->row_bytes = (uint32_t)sizeof(struct event_row) + (keep_bytes + 7) / 8 * 8;
    while (2u * g->row_bytes << g->row_shift <= SLAB_BYTES) g->row_shift++;
    return g;
}

void event_group_free(struct event_group *g) {
    if (!g) return;
    event_group_clear(g);
    free(g->row_slabs);
    free(g->text_slabs);
    free(g->own_texts);
    free(g);
}

void event_group_clear(struct event_group *g) {
    for (uint32_t i = 0; i < g->row_slab_count; i++) slabs_give(g->slabs, g->row_slabs[i]);
    for (uint32_t i = 0; i < g->text_slab_count; i++) slabs_give(g->slabs, g->text_slabs[i]);
    for (uint32_t i = 0; i < g->own_count; i++) free(g->own_texts[i]);
    for (unsigned i = 0; i < GROUP_PIECES && g->few_rows[i]; i++) {
        free(g->few_rows[i]);
        g->few_rows[i] = NULL;
    }
    g->row_slab_count = g->text_slab_count = g->own_count = 0;
    g->rows = g->session_count = 0;
    g->text = g->text_end = NULL;
    g->text_bytes = g->own_bytes = 0;
}

/* Add a piece of memory to one of the group's lists. */
static int add_piece(uint8_t ***list, uint32_t *count, uint32_t *cap, uint8_t *piece, struct err *e) {
    if (!piece) return err_nomem(e);
    if (*count == *cap) {
        uint32_t more = *cap ? *cap * 2 : 16;
        uint8_t **grown = realloc(*list, more * sizeof *grown);
        if (!grown) return err_nomem(e);
        *list = grown;
        *cap = more;
    }
    (*list)[(*count)++] = piece;
    return 0;
}

static int add_slab(struct event_group *g, uint8_t ***list, uint32_t *count, uint32_t *cap, struct err *e) {
    uint8_t *slab = slabs_take(g->slabs);
    int rc = add_piece(list, count, cap, slab, e);
    if (rc && slab) slabs_give(g->slabs, slab);
    return rc;
}

static int add_own_rows(struct event_group *g, struct err *e) {
    uint32_t first, slab_rows = 1u << g->row_shift;
    unsigned piece = event_group_piece(g->rows, &first);
    if (g->few_rows[piece]) return 0;
    uint32_t rows = first ? first : GROUP_FIRST < slab_rows ? GROUP_FIRST : slab_rows;
    g->few_rows[piece] = malloc((size_t)rows * g->row_bytes);
    if (!g->few_rows[piece]) return err_nomem(e);
    g->own_bytes += (uint64_t)rows * g->row_bytes;
    return 0;
}

/* Room for a row. */
static int next_row(struct event_group *g, struct event_row **out, struct err *e) {
    uint32_t slab = g->rows >> g->row_shift;
    if (!slab)
        TRY(add_own_rows(g, e));
    else if (slab > g->row_slab_count)
        TRY(add_slab(g, &g->row_slabs, &g->row_slab_count, &g->row_slab_cap, e));
    *out = event_group_row(g, g->rows);
    return 0;
}

static int add_own_text(struct event_group *g, size_t bytes, uint8_t **out, struct err *e) {
    *out = malloc(bytes);
    int rc = add_piece(&g->own_texts, &g->own_count, &g->own_cap, *out, e);
    if (rc)
        free(*out);
    else
        g->own_bytes += bytes;
    return rc;
}

/* A piece for texts of at most a slab's bytes: half as large as all that came before, until slabs do. */
static int add_text_piece(struct event_group *g, size_t bytes, struct err *e) {
    size_t piece = g->text_bytes / 2 > TEXT_FIRST ? g->text_bytes / 2 : TEXT_FIRST;
    if (piece < bytes) piece = bytes;
    if (!g->text_slab_count && piece <= SLAB_BYTES / 2) {
        TRY(add_own_text(g, piece, &g->text, e));
    } else {
        piece = SLAB_BYTES;
        TRY(add_slab(g, &g->text_slabs, &g->text_slab_count, &g->text_slab_cap, e));
        g->text = g->text_slabs[g->text_slab_count - 1];
    }
    g->text_end = g->text + piece;
    return 0;
}

/* Room for a row's text and SCAN_PADDING bytes more. */
static int next_text(struct event_group *g, size_t bytes, uint8_t **out, struct err *e) {
    size_t padded = bytes + SCAN_PADDING;
    if (padded > SLAB_BYTES) {
        TRY(add_own_text(g, padded, out, e));
    } else {
        if (!g->text || (size_t)(g->text_end - g->text) < padded) TRY(add_text_piece(g, padded, e));
        *out = g->text;
        g->text += bytes;
    }
    g->text_bytes += bytes;
    return 0;
}

static uint64_t keep_text_bytes(const struct pipeline *p, const struct scan_row *r) {
    uint64_t bytes = 0;
    for (unsigned i = 0; i < p->keep_count; i++)
        if (p->keep[i].type == KEEP_STRING && !r->keep[i].null) bytes += r->keep[i].text.len;
    return bytes;
}

/* `text`: where the first keep column's goes. */
static void add_keep(const struct pipeline *p, const struct scan_row *r, struct event_row *row,
                     uint8_t *text) {
    uint8_t *null = event_row_keep_null(p, row);
    for (unsigned i = 0; i < p->keep_count; i++) {
        const struct scan_keep_value *v = &r->keep[i];
        union event_keep_value *out = &row->keep[i];
        null[i] = v->null;
        out->i = 0;
        if (v->null) continue;
        switch (p->keep[i].type) {
        case KEEP_LONG: out->i = v->i; break;
        case KEEP_DOUBLE: out->d = v->d; break;
        case KEEP_STRING:
            out->text.offset = (uint32_t)(text - (const uint8_t *)row->text);
            out->text.len = v->text.len;
            memcpy(text, v->text.ptr, v->text.len);
            text += v->text.len;
        }
    }
}

int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e) {
    struct event_row *row;
    uint8_t *to;
    TRY(next_row(g, &row, e));
    uint64_t bytes = 0;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[text_column[i]];
        row->len[i] = s.ptr ? s.len : UINT32_MAX;
        bytes += s.ptr ? s.len : 0;
    }
    if (g->pipeline->keep_count) bytes += keep_text_bytes(g->pipeline, r);
    if (bytes > UINT32_MAX) return err_set(e, ERR_INPUT, "a row has more than 4 GiB of text");
    TRY(next_text(g, bytes, &to, e));
    row->text = (const char *)to;
    row->text_bytes = (uint32_t)bytes;
    row->time_us = r->time_us;
    row->start_us = session_start_us;
    row->seq = seq;
    row->session = UINT32_MAX;
    for (int i = 0; i < TEXT_COUNT; i++) {
        struct str s = r->field[text_column[i]];
        if (s.ptr) to = copy_short(to, s);
    }
    if (g->pipeline->keep_count) add_keep(g->pipeline, r, row, to);
    g->rows++;
    return 0;
}

/* Numbers of sessions take memory of their own: a few rows out of many sessions, or ever more of them, are
 * better looked up. */
static bool numbers_pay(const struct event_group *to, const struct event_group *from) {
    enum { SESSIONS_MAX = 1 << 17 };
    return from->session_count <= from->rows &&
           (uint64_t)to->session_count + from->session_count <= SESSIONS_MAX;
}

int event_group_append(struct event_group *to, const struct event_group *from, struct err *e) {
    bool numbered = numbers_pay(to, from);
    for (uint32_t i = 0; i < from->rows; i++) {
        const struct event_row *source = event_group_row(from, i);
        struct event_row *row;
        uint8_t *text;
        TRY(next_row(to, &row, e));
        TRY(next_text(to, source->text_bytes, &text, e));
        memcpy(row, source, to->row_bytes);
        memcpy(text, source->text, source->text_bytes);
        row->text = (const char *)text;
        if (!numbered)
            row->session = UINT32_MAX;
        else if (row->session != UINT32_MAX)
            row->session += to->session_count;
        to->rows++;
    }
    if (numbered) to->session_count += from->session_count;
    return 0;
}

void event_row_read(const struct pipeline *p, const struct event_row *row, struct scan_row *out,
                    struct scan_keep_value *keep) {
    const char *at = row->text;
    *out = (struct scan_row){.reason = REASON_NONE, .time_us = row->time_us, .keep = keep};
    for (int t = 0; t < TEXT_COUNT; t++) {
        if (row->len[t] == UINT32_MAX) continue;
        out->field[text_column[t]] = (struct str){at, row->len[t]};
        at += row->len[t];
    }
    for (unsigned k = 0; k < p->keep_count; k++) {
        const union event_keep_value *v = &row->keep[k];
        keep[k] = (struct scan_keep_value){.null = event_row_keep_null(p, row)[k]};
        if (keep[k].null) continue;
        switch (p->keep[k].type) {
        case KEEP_LONG: keep[k].i = v->i; break;
        case KEEP_DOUBLE: keep[k].d = v->d; break;
        case KEEP_STRING: keep[k].text = (struct str){row->text + v->text.offset, v->text.len};
        }
    }
}

void event_group_compact(struct event_group *g) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < g->rows; i++) {
        const struct event_row *row = event_group_row(g, i);
        if (!row->seq) continue;
        if (kept < i) memcpy(event_group_row(g, kept), row, g->row_bytes);
        kept++;
    }
    g->rows = kept;
}
