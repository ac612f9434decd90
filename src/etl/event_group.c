#include "etl/event_group.h"

#include "etl/event_row.h"

#include <stdlib.h>

enum { FIRST_ROWS = 1024 };

static const uint32_t NONE = UINT32_MAX;

struct event_group *event_group_new(const struct pipeline *p, const struct mmdb *m) {
    struct event_group *g = calloc(1, sizeof *g + p->keep_count * sizeof *g->keep);
    if (!g) return NULL;
    g->pipeline = p;
    g->mmdb = m;
    buf_init(&g->text, UINT32_MAX);
    struct intern *all[] = {&g->users, &g->sessions, &g->referrers, &g->devices, &g->raw_devices, &g->ips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) intern_init(all[i]);
    for (unsigned i = 0; i < p->keep_count; i++) intern_init(&g->keep[i].strings);
    g->no_device = NONE;
    return g;
}

void event_group_free(struct event_group *g) {
    if (!g) return;
    struct intern *all[] = {&g->users, &g->sessions, &g->referrers, &g->devices, &g->raw_devices, &g->ips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) intern_release(all[i]);
    for (unsigned i = 0; i < g->pipeline->keep_count; i++) {
        intern_release(&g->keep[i].strings);
        free(g->keep[i].values.i);
        free(g->keep[i].null);
    }
    buf_release(&g->text);
    free(g->row);
    free(g->session);
    free(g->ip);
    free(g->device);
    free(g);
}

void event_group_clear(struct event_group *g) {
    struct intern *all[] = {&g->users, &g->sessions, &g->referrers, &g->devices, &g->raw_devices, &g->ips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) intern_clear(all[i]);
    for (unsigned i = 0; i < g->pipeline->keep_count; i++) intern_clear(&g->keep[i].strings);
    buf_clear(&g->text);
    g->rows = 0;
    g->max_seq = 0;
    g->no_device = NONE;
}

static int grow_array(void *array, uint32_t *cap, uint32_t need, size_t size, struct err *e) {
    if (need <= *cap) return 0;
    uint32_t to = *cap ? *cap + *cap / 2 : 256;
    if (to < need) to = need;
    void **p = array, *grown = realloc(*p, to * size);
    if (!grown) return err_nomem(e);
    *p = grown;
    *cap = to;
    return 0;
}

static int grow_rows(struct event_group *g, struct err *e) {
    uint32_t to = g->cap ? g->cap + g->cap / 2 : FIRST_ROWS;
    struct event_row *row = realloc(g->row, to * sizeof *row);
    if (!row) return err_nomem(e);
    g->row = row;
    for (unsigned i = 0; i < g->pipeline->keep_count; i++) {
        struct event_keep *k = &g->keep[i];
        bool text = g->pipeline->keep[i].type == KEEP_STRING;
        void *values = realloc(k->values.i, to * (text ? sizeof *k->values.index : sizeof *k->values.i));
        if (!values) return err_nomem(e);
        k->values.i = values;
        if (text) continue;
        uint8_t *null = realloc(k->null, to);
        if (!null) return err_nomem(e);
        k->null = null;
    }
    g->cap = to;
    return 0;
}

static int add_keep(struct event_group *g, const struct scan_row *r, struct err *e) {
    for (unsigned i = 0; i < g->pipeline->keep_count; i++) {
        const struct scan_keep_value *v = &r->keep[i];
        struct event_keep *k = &g->keep[i];
        if (g->pipeline->keep[i].type == KEEP_STRING) {
            uint32_t n = v->null ? NONE : intern_str(&k->strings, v->text, e);
            if (n == NONE && !v->null) return e->code;
            k->values.index[g->rows] = n;
            continue;
        }
        k->null[g->rows] = v->null;
        if (g->pipeline->keep[i].type == KEEP_LONG)
            k->values.i[g->rows] = v->null ? 0 : v->i;
        else
            k->values.d[g->rows] = v->null ? 0 : v->d;
    }
    return 0;
}

static int device_of(struct event_group *g, struct event_session *s, struct str raw, uint32_t *out,
                     struct err *e) {
    if (!raw.ptr) {
        if (g->no_device == NONE) g->no_device = intern_str(&g->devices, STR("unknown"), e);
        *out = g->no_device;
        return g->no_device == NONE ? e->code : 0;
    }
    if (s->raw_device != NONE && str_eq(intern_get(&g->raw_devices, s->raw_device), raw)) {
        *out = g->device[s->raw_device];
        return 0;
    }
    uint32_t known = g->raw_devices.count, n = intern_str(&g->raw_devices, raw, e);
    if (n == NONE) return e->code;
    s->raw_device = n;
    if (n == known) {
        TRY(grow_array(&g->device, &g->device_cap, n + 1, sizeof *g->device, e));
        TRY(buf_reserve(&g->text, raw.len + 1, e)); /* as scratch, not kept */
        g->device[n] = intern_str(&g->devices, scan_device(raw, (char *)g->text.data + g->text.len), e);
        if (g->device[n] == NONE) return e->code;
    }
    *out = g->device[n];
    return 0;
}

static int ip_of(struct event_group *g, struct str raw, uint32_t *out, struct err *e) {
    uint32_t known = g->ips.count, n = intern_str(&g->ips, raw, e);
    if (n == NONE) return e->code;
    if (n == known) {
        struct ip_addr addr;
        TRY(grow_array(&g->ip, &g->ip_cap, n + 1, sizeof *g->ip, e));
        bool valid = ip_parse(raw, &addr);
        g->ip[n] = (struct event_ip){valid ? mmdb_country(g->mmdb, &addr) : 0, valid};
    }
    *out = n;
    return 0;
}

/* The session's number; most of its rows have the address of the one before, which then need not be looked
 * up. */
static int session_of(struct event_group *g, const struct scan_row *r, int64_t start_us,
                      struct event_row *row, struct err *e) {
    uint32_t user = intern_str(&g->users, r->field[COL_USER_ID], e);
    if (user == NONE) return e->code;
    uint32_t known = g->sessions.count;
    row->session = intern_pair(&g->sessions, user, (uint64_t)start_us, e);
    if (row->session == NONE) return e->code;
    if (row->session == known) {
        TRY(grow_array(&g->session, &g->session_cap, known + 1, sizeof *g->session, e));
        g->session[known] = (struct event_session){NONE, NONE};
    }
    struct event_session *s = &g->session[row->session];
    struct str ip = r->field[COL_IP];
    row->ip = NONE;
    if (!ip.ptr) return 0;
    if (s->ip == NONE || !str_eq(intern_get(&g->ips, s->ip), ip)) TRY(ip_of(g, ip, &s->ip, e));
    row->ip = s->ip;
    return 0;
}

int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e) {
    if (g->rows == g->cap) TRY(grow_rows(g, e));
    struct event_row *row = &g->row[g->rows];
    row->time_us = r->time_us;
    row->seq = seq;
    if (seq > g->max_seq) g->max_seq = seq;
    TRY(session_of(g, r, session_start_us, row, e));
    TRY(device_of(g, &g->session[row->session], r->field[COL_DEVICE], &row->device, e));
    struct str referrer = r->field[COL_REFERRER], id = r->field[COL_EVENT_ID], url = r->field[COL_PAGE_URL];
    row->referrer = referrer.ptr ? intern_str(&g->referrers, referrer, e) : NONE;
    if (referrer.ptr && row->referrer == NONE) return e->code;
    TRY(buf_reserve(&g->text, (size_t)id.len + url.len + 1, e));
    row->event_id = (uint32_t)g->text.len;
    row->event_id_len = id.len;
    memcpy(g->text.data + g->text.len, id.ptr, id.len);
    g->text.len += id.len;
    row->page_url = (uint32_t)g->text.len;
    row->page_url_len = url.ptr ? url.len : NONE;
    if (url.ptr) memcpy(g->text.data + g->text.len, url.ptr, url.len);
    g->text.len += url.len;
    if (g->pipeline->keep_count) TRY(add_keep(g, r, e));
    g->rows++;
    return 0;
}

uint64_t event_group_bytes(const struct event_group *g) {
    uint64_t bytes = g->rows * sizeof *g->row + g->text.len + intern_memory(&g->users) +
                     intern_memory(&g->sessions) + intern_memory(&g->ips) + intern_memory(&g->referrers);
    for (unsigned i = 0; i < g->pipeline->keep_count; i++)
        bytes += g->rows * sizeof(int64_t) + intern_memory(&g->keep[i].strings);
    return bytes;
}
