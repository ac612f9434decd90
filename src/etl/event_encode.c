/* event_group.h: the rows of a group as the columns of a row group, ordered by session. */
#include "etl/event_group.h"

#include "etl/event_row.h"
#include "format/timestamp.h"

#include <stdio.h>

enum { DICTIONARY_SEQ_MAX = 1 << 16 };

/* One encoding under way; all of it in the scratch arena. */
struct encode {
    const struct event_group *g;
    struct arena *a;
    uint32_t *order; /* order[i]: the row that stands at i */
    struct parquet_values values[EV_MAX];
};

/* Stable counting sort by session number: users in order of first appearance, a session's rows in input
 * order. */
static int order_rows(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    uint32_t *at = arena_zalloc(x->a, ((size_t)g->sessions.count + 1) * sizeof *at);
    x->order = arena_alloc(x->a, g->rows * sizeof *x->order);
    if (!at || !x->order) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) at[g->row[i].session + 1]++;
    for (uint32_t s = 0; s < g->sessions.count; s++) at[s + 1] += at[s];
    for (uint32_t i = 0; i < g->rows; i++) x->order[at[g->row[i].session]++] = i;
    return 0;
}

static struct str *dictionary(struct encode *x, const struct intern *t) {
    struct str *d = arena_alloc(x->a, t->count * sizeof *d);
    for (uint32_t i = 0; d && i < t->count; i++) d[i] = intern_get(t, i);
    return d;
}

/* Allocate the arrays of an indexed string column. */
static uint32_t *indexed(struct encode *x, int column, const struct str *strings, uint32_t count) {
    uint32_t *index = strings ? arena_alloc(x->a, x->g->rows * sizeof *index) : NULL;
    x->values[column] =
        (struct parquet_values){.strings = strings, .index = index, .dictionary_count = count};
    return index;
}

static int encode_text(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    struct str *ids = arena_alloc(x->a, g->rows * sizeof *ids),
               *urls = arena_alloc(x->a, g->rows * sizeof *urls);
    int64_t *times = arena_alloc(x->a, g->rows * sizeof *times);
    if (!ids || !urls || !times) return err_nomem(e);
    const char *text = (const char *)g->text.data;
    for (uint32_t i = 0; i < g->rows; i++) {
        const struct event_row *r = &g->row[x->order[i]];
        ids[i] = (struct str){text + r->event_id, r->event_id_len};
        urls[i] = r->page_url_len == UINT32_MAX ? (struct str){0}
                                                : (struct str){text + r->page_url, r->page_url_len};
        times[i] = r->time_us;
    }
    x->values[EV_EVENT_ID].strings = ids;
    x->values[EV_PAGE_URL].strings = urls;
    x->values[EV_EVENT_TIME].int64s = times;
    return 0;
}

static int encode_sessions(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    uint32_t n = g->sessions.count;
    struct str *ids = arena_alloc(x->a, n * sizeof *ids);
    int64_t *starts = arena_alloc(x->a, n * sizeof *starts);
    uint32_t *users = indexed(x, EV_USER_ID, dictionary(x, &g->users), g->users.count);
    uint32_t *sessions = indexed(x, EV_SESSION_ID, ids, n);
    if (!ids || !starts || !users || !sessions) return err_nomem(e);
    for (uint32_t s = 0; s < n; s++) {
        /* 3.4: user_id, '-', milliseconds */
        struct str user = intern_get(&g->users, (uint32_t)g->sessions.entries[s].offset);
        starts[s] = (int64_t)g->sessions.entries[s].extra;
        char number[24];
        int digits = snprintf(number, sizeof number, "-%lld", (long long)timestamp_ms(starts[s]));
        char *id = arena_alloc(x->a, user.len + (size_t)digits);
        if (!id) return err_nomem(e);
        memcpy(id, user.ptr, user.len);
        memcpy(id + user.len, number, (size_t)digits);
        ids[s] = (struct str){id, user.len + (uint32_t)digits};
    }
    for (uint32_t i = 0; i < g->rows; i++) {
        uint32_t s = g->row[x->order[i]].session;
        sessions[i] = s;
        users[i] = (uint32_t)g->sessions.entries[s].offset;
    }
    x->values[EV_SESSION_START] =
        (struct parquet_values){.int64s = starts, .index = sessions, .dictionary_count = n};
    return 0;
}

/* event_seq: few distinct small numbers, unless a robot's session is among them. */
static int encode_seq(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    int32_t *plain = arena_alloc(x->a, g->rows * sizeof *plain);
    if (!plain) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) plain[i] = (int32_t)g->row[x->order[i]].seq;
    x->values[EV_EVENT_SEQ].int32s = plain;
    if (g->max_seq > DICTIONARY_SEQ_MAX) return 0;
    uint32_t *number = arena_zalloc(x->a, ((size_t)g->max_seq + 1) * sizeof *number), count = 0;
    int32_t *entries = arena_alloc(x->a, ((size_t)g->max_seq + 1) * sizeof *entries);
    if (!number || !entries) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) number[plain[i]] = 1;
    for (uint32_t s = 0; s <= g->max_seq; s++)
        if (number[s]) {
            entries[count] = (int32_t)s;
            number[s] = count++;
        }
    uint32_t *index = (uint32_t *)plain;
    for (uint32_t i = 0; i < g->rows; i++) index[i] = number[plain[i]];
    x->values[EV_EVENT_SEQ] =
        (struct parquet_values){.int32s = entries, .index = index, .dictionary_count = count};
    return 0;
}

/* Address and country; addresses that are none (2.7) are not in the dictionary. */
static int encode_ips(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    uint32_t countries = mmdb_country_count(g->mmdb), used = 0, ip_count = 0;
    struct str *names = arena_alloc(x->a, countries * sizeof *names);
    uint32_t *number = arena_alloc(x->a, countries * sizeof *number);
    uint32_t *ip_number = arena_alloc(x->a, g->ips.count * sizeof *ip_number);
    struct str *ips = arena_alloc(x->a, g->ips.count * sizeof *ips);
    uint32_t *ip = indexed(x, EV_IP_ADDRESS, ips, 0), *country = indexed(x, EV_COUNTRY, names, 0);
    if (!names || !number || !ip_number || !ips || !ip || !country) return err_nomem(e);
    for (uint32_t c = 0; c < countries; c++) number[c] = UINT32_MAX;
    for (uint32_t i = 0; i < g->ips.count; i++) {
        bool shown = g->ip[i].valid && !g->pipeline->drop_ip;
        ip_number[i] = shown ? ip_count : UINT32_MAX;
        if (shown) ips[ip_count++] = intern_get(&g->ips, i);
    }
    for (uint32_t i = 0; i < g->rows; i++) {
        uint32_t n = g->row[x->order[i]].ip;
        uint32_t c = n == UINT32_MAX ? 0 : g->ip[n].country;
        if (number[c] == UINT32_MAX) {
            names[used] = mmdb_country_name(g->mmdb, (uint16_t)c);
            number[c] = used++;
        }
        country[i] = number[c];
        ip[i] = n == UINT32_MAX ? UINT32_MAX : ip_number[n];
    }
    x->values[EV_IP_ADDRESS].dictionary_count = ip_count;
    x->values[EV_COUNTRY].dictionary_count = used;
    return 0;
}

static int encode_small(struct encode *x, struct err *e) {
    const struct event_group *g = x->g;
    uint32_t *referrer = indexed(x, EV_REFERRER, dictionary(x, &g->referrers), g->referrers.count);
    uint32_t *device = indexed(x, EV_DEVICE, dictionary(x, &g->devices), g->devices.count);
    if (!referrer || !device) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) {
        referrer[i] = g->row[x->order[i]].referrer;
        device[i] = g->row[x->order[i]].device;
    }
    return 0;
}

static int encode_keep(struct encode *x, unsigned k, struct err *e) {
    const struct event_group *g = x->g;
    struct parquet_values *v = &x->values[EV_COLUMNS + k];
    const struct event_keep *keep = &g->keep[k];
    if (g->pipeline->keep[k].type == KEEP_STRING) {
        uint32_t *index =
            indexed(x, (int)(EV_COLUMNS + k), dictionary(x, &keep->strings), keep->strings.count);
        if (!index) return err_nomem(e);
        for (uint32_t i = 0; i < g->rows; i++) index[i] = keep->values.index[x->order[i]];
        return 0;
    }
    int64_t *values = arena_alloc(x->a, g->rows * sizeof *values); /* a double's bits move the same */
    uint8_t *null = arena_alloc(x->a, g->rows);
    if (!values || !null) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) {
        values[i] = keep->values.i[x->order[i]];
        null[i] = keep->null[x->order[i]];
    }
    v->null = null;
    if (g->pipeline->keep[k].type == KEEP_LONG)
        v->int64s = values;
    else
        v->doubles = (const double *)values;
    return 0;
}

int event_group_encode(const struct event_group *g, struct parquet_encoder *encoder,
                       const struct parquet_column *columns, struct arena *scratch, struct buf *out,
                       struct arena *meta, struct parquet_row_group **group, struct err *e) {
    arena_clear(scratch);
    struct encode x = {.g = g, .a = scratch};
    TRY(order_rows(&x, e));
    TRY(encode_text(&x, e));
    TRY(encode_sessions(&x, e));
    TRY(encode_seq(&x, e));
    TRY(encode_ips(&x, e));
    TRY(encode_small(&x, e));
    for (unsigned k = 0; k < g->pipeline->keep_count; k++) TRY(encode_keep(&x, k, e));
    return parquet_encode_row_group(encoder, columns, EV_COLUMNS + g->pipeline->keep_count, x.values, g->rows,
                                    out, meta, group, e);
}
