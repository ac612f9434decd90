/* event_group.h: the rows of a group as the columns of a row group, ordered by session.
 *
 * In that order user, session and address become short runs of dictionary numbers: files are a fifth smaller
 * than in input order. */
#include "etl/event_group.h"

#include "format/timestamp.h"

#include <stdlib.h>

enum { DICTIONARY_SEQ_MAX = 1 << 16, IPS_AT_ONCE = 16 };

static const uint32_t NONE = UINT32_MAX;

/* A row's numbers in the dictionaries. */
struct numbered {
    uint32_t session, referrer, ip, device;
};

/* What the latest row of a session had: mostly the next has it too, and need not be looked up. */
struct latest {
    uint32_t raw_device, ip; /* numbers in raw_devices and ips; NONE: null, or no row yet */
};

struct event_encoder {
    const struct pipeline *pipeline;
    const struct mmdb *mmdb;
    struct intern users, sessions, referrers, raw_devices, devices, ips;
    struct intern keep[KEEP_MAX];
    struct arena arena; /* one encoding's arrays */
    /* From here on, in the arena. */
    const struct event_group *g;
    struct latest *latest; /* by session */
    uint32_t *known;       /* number in sessions by the group's own; NONE: not met yet */
    uint32_t *device;      /* number in devices by number in raw_devices */
    struct numbered *row;
    uint32_t *order; /* order[i]: the row that stands at i */
    uint32_t *ip;    /* by place: number in ips, NONE: null */
    struct parquet_values values[EV_MAX];
};

struct event_encoder *event_encoder_new(const struct pipeline *p, const struct mmdb *m) {
    struct event_encoder *x = calloc(1, sizeof *x);
    if (!x) return NULL;
    x->pipeline = p;
    x->mmdb = m;
    arena_init(&x->arena);
    return x;
}

void event_encoder_free(struct event_encoder *x) {
    if (!x) return;
    struct intern *all[] = {&x->users, &x->sessions, &x->referrers, &x->raw_devices, &x->devices, &x->ips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) intern_release(all[i]);
    for (unsigned i = 0; i < x->pipeline->keep_count; i++) intern_release(&x->keep[i]);
    arena_release(&x->arena);
    free(x);
}

static void begin(struct event_encoder *x, const struct event_group *g) {
    struct intern *all[] = {&x->users, &x->sessions, &x->referrers, &x->raw_devices, &x->devices, &x->ips};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) intern_clear(all[i]);
    arena_clear(&x->arena);
    x->g = g;
    memset(x->values, 0, sizeof x->values);
}

static int find_session(struct event_encoder *x, uint32_t user, int64_t start_us, uint32_t *out,
                        struct err *e) {
    uint32_t before = x->sessions.count;
    *out = intern_pair(&x->sessions, user, (uint64_t)start_us, e);
    if (*out == NONE) return e->code;
    if (*out == before) x->latest[before] = (struct latest){NONE, NONE};
    return 0;
}

/* The sessions of n rows: by the group's own numbers where it has them, so that users are looked up once a
 * session. */
static int number_sessions(struct event_encoder *x, struct event_row *const *row, const struct str *user,
                           uint32_t n, struct numbered *out, struct err *e) {
    uint32_t users[INTERN_BLOCK];
    bool known = x->g->session_count > 0;
    if (!known) TRY(intern_strs(&x->users, user, n, users, e));
    for (uint32_t i = 0; i < n; i++) {
        uint32_t *own = row[i]->session == NONE ? NULL : &x->known[row[i]->session];
        if (own && *own != NONE) {
            out[i].session = *own;
            continue;
        }
        uint32_t number = known ? intern_str(&x->users, user[i], e) : users[i];
        if (number == NONE) return e->code;
        TRY(find_session(x, number, row[i]->start_us, &out[i].session, e));
        if (own) *own = out[i].session;
    }
    return 0;
}

static int number_device(struct event_encoder *x, uint32_t *last, struct str raw, uint32_t *out,
                         struct err *e) {
    if (!raw.ptr) raw = STR("unknown"); /* 2.6 */
    if (*last == NONE || !intern_is(&x->raw_devices, *last, raw)) {
        uint32_t before = x->raw_devices.count, n = intern_str(&x->raw_devices, raw, e);
        if (n == NONE) return e->code;
        if (n == before) {
            char *lower = arena_alloc(&x->arena, raw.len);
            if (!lower) return err_nomem(e);
            x->device[n] = intern_str(&x->devices, scan_device(raw, lower), e);
            if (x->device[n] == NONE) return e->code;
        }
        *last = n;
    }
    *out = x->device[*last];
    return 0;
}

/* The addresses of n rows, those unlike their session's latest looked up together. */
static int number_ips(struct event_encoder *x, const struct str *ip, uint32_t n, struct numbered *out,
                      struct err *e) {
    struct str unlike[INTERN_BLOCK];
    uint32_t row[INTERN_BLOCK], numbers[INTERN_BLOCK], count = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t latest = x->latest[out[i].session].ip;
        out[i].ip = ip[i].ptr ? latest : NONE;
        if (!ip[i].ptr || (latest != NONE && intern_is(&x->ips, latest, ip[i]))) continue;
        unlike[count] = ip[i];
        row[count++] = i;
    }
    TRY(intern_strs(&x->ips, unlike, count, numbers, e));
    for (uint32_t i = 0; i < count; i++) {
        out[row[i]].ip = numbers[i];
        x->latest[out[row[i]].session].ip = numbers[i];
    }
    return 0;
}

static int number_block(struct event_encoder *x, uint32_t from, uint32_t n, struct numbered *out,
                        struct err *e) {
    struct event_row *row[INTERN_BLOCK];
    struct str user[INTERN_BLOCK], referrer[INTERN_BLOCK], device[INTERN_BLOCK], ip[INTERN_BLOCK];
    uint32_t referrers[INTERN_BLOCK];
    for (uint32_t i = 0; i < n; i++) {
        row[i] = event_group_row(x->g, from + i);
        const char *at = row[i]->text;
        struct str text[TEXT_COUNT];
        for (int t = 0; t < TEXT_COUNT; t++) {
            text[t] = row[i]->len[t] == NONE ? (struct str){0} : (struct str){at, row[i]->len[t]};
            at += text[t].len;
        }
        user[i] = text[TEXT_USER_ID];
        referrer[i] = text[TEXT_REFERRER];
        device[i] = text[TEXT_DEVICE];
        ip[i] = text[TEXT_IP];
    }
    TRY(number_sessions(x, row, user, n, out, e));
    for (uint32_t i = 0; i < n; i++)
        TRY(number_device(x, &x->latest[out[i].session].raw_device, device[i], &out[i].device, e));
    TRY(number_ips(x, ip, n, out, e));
    TRY(intern_strs(&x->referrers, referrer, n, referrers, e));
    for (uint32_t i = 0; i < n; i++) out[i].referrer = referrers[i];
    return 0;
}

static int number_rows(struct event_encoder *x, struct err *e) {
    uint32_t rows = x->g->rows, sessions = x->g->session_count;
    x->latest = arena_alloc(&x->arena, rows * sizeof *x->latest);
    x->known = arena_alloc(&x->arena, sessions * sizeof *x->known);
    x->device = arena_alloc(&x->arena, rows * sizeof *x->device);
    x->row = arena_alloc(&x->arena, rows * sizeof *x->row);
    if (!x->latest || !x->known || !x->device || !x->row) return err_nomem(e);
    memset(x->known, 0xff, sessions * sizeof *x->known); /* NONE */
    for (uint32_t i = 0; i < rows; i += INTERN_BLOCK) {
        uint32_t n = rows - i < INTERN_BLOCK ? rows - i : INTERN_BLOCK;
        TRY(number_block(x, i, n, &x->row[i], e));
    }
    return 0;
}

/* Stable counting sort by session number: users in order of first appearance, a session's rows in input
 * order. */
static int order_rows(struct event_encoder *x, struct err *e) {
    uint32_t rows = x->g->rows, sessions = x->sessions.count;
    uint32_t *at = arena_zalloc(&x->arena, ((size_t)sessions + 1) * sizeof *at);
    x->order = arena_alloc(&x->arena, rows * sizeof *x->order);
    if (!at || !x->order) return err_nomem(e);
    for (uint32_t i = 0; i < rows; i++) at[x->row[i].session + 1]++;
    for (uint32_t s = 0; s < sessions; s++) at[s + 1] += at[s];
    for (uint32_t i = 0; i < rows; i++) x->order[at[x->row[i].session]++] = i;
    return 0;
}

static struct str *dictionary(struct event_encoder *x, const struct intern *t) {
    struct str *d = arena_alloc(&x->arena, t->count * sizeof *d);
    for (uint32_t i = 0; d && i < t->count; i++) d[i] = intern_get(t, i);
    return d;
}

/* Set up an indexed string column; returns its index array to be filled, NULL when out of memory. */
static uint32_t *indexed(struct event_encoder *x, int column, const struct str *strings, uint32_t count) {
    uint32_t *index = strings ? arena_alloc(&x->arena, x->g->rows * sizeof *index) : NULL;
    x->values[column] =
        (struct parquet_values){.strings = strings, .index = index, .dictionary_count = count};
    return index;
}

/* One walk over the rows in their new order fills every column: they are met at random, so once is enough. */
static int gather(struct event_encoder *x, struct err *e) {
    enum { AHEAD = 12 };
    const struct event_group *g = x->g;
    struct str *ids = arena_alloc(&x->arena, g->rows * sizeof *ids);
    struct str *urls = arena_alloc(&x->arena, g->rows * sizeof *urls);
    int64_t *times = arena_alloc(&x->arena, g->rows * sizeof *times);
    int32_t *seqs = arena_alloc(&x->arena, g->rows * sizeof *seqs);
    uint32_t *sessions = arena_alloc(&x->arena, g->rows * sizeof *sessions);
    uint32_t *referrers = indexed(x, EV_REFERRER, dictionary(x, &x->referrers), x->referrers.count);
    uint32_t *devices = indexed(x, EV_DEVICE, dictionary(x, &x->devices), x->devices.count);
    x->ip = arena_alloc(&x->arena, g->rows * sizeof *x->ip);
    if (!ids || !urls || !times || !seqs || !sessions || !referrers || !devices || !x->ip)
        return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) {
        if (i + AHEAD < g->rows) {
            __builtin_prefetch(event_group_row(g, x->order[i + AHEAD]));
            __builtin_prefetch(&x->row[x->order[i + AHEAD]]);
        }
        const struct event_row *r = event_group_row(g, x->order[i]);
        const struct numbered *n = &x->row[x->order[i]];
        uint32_t id = r->len[TEXT_EVENT_ID], url = r->len[TEXT_PAGE_URL];
        ids[i] = (struct str){r->text, id};
        urls[i] = url == NONE ? (struct str){0} : (struct str){r->text + id + r->len[TEXT_USER_ID], url};
        times[i] = r->time_us;
        seqs[i] = (int32_t)r->seq;
        sessions[i] = n->session;
        referrers[i] = n->referrer;
        devices[i] = n->device;
        x->ip[i] = n->ip;
    }
    x->values[EV_EVENT_ID].strings = ids;
    x->values[EV_PAGE_URL].strings = urls;
    x->values[EV_EVENT_TIME].int64s = times;
    x->values[EV_EVENT_SEQ].int32s = seqs;
    x->values[EV_SESSION_ID].index = sessions;
    return 0;
}

/* 3.4: user_id, '-', milliseconds. */
static int session_id(struct event_encoder *x, struct str user, int64_t start_us, struct str *out,
                      struct err *e) {
    char number[24], *end = number + sizeof number,
                     *at = end; /* snprintf(3) here took 3 % of a shuffled run */
    int64_t ms = timestamp_ms(start_us);
    uint64_t rest = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
    do *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (ms < 0) *--at = '-';
    *--at = '-';
    size_t digits = (size_t)(end - at);
    char *id = arena_alloc(&x->arena, user.len + digits);
    if (!id) return err_nomem(e);
    memcpy(id, user.ptr, user.len);
    memcpy(id + user.len, at, digits);
    *out = (struct str){id, user.len + (uint32_t)digits};
    return 0;
}

static int encode_sessions(struct event_encoder *x, struct err *e) {
    uint32_t n = x->sessions.count;
    const struct intern_entry *entry = x->sessions.entries; /* (user, start) */
    struct str *ids = arena_alloc(&x->arena, n * sizeof *ids);
    int64_t *starts = arena_alloc(&x->arena, n * sizeof *starts);
    uint32_t *users = indexed(x, EV_USER_ID, dictionary(x, &x->users), x->users.count);
    const uint32_t *sessions = x->values[EV_SESSION_ID].index;
    if (!ids || !starts || !users) return err_nomem(e);
    for (uint32_t s = 0; s < n; s++) {
        starts[s] = (int64_t)entry[s].extra;
        TRY(session_id(x, intern_get(&x->users, (uint32_t)entry[s].offset), starts[s], &ids[s], e));
    }
    for (uint32_t i = 0; i < x->g->rows; i++) users[i] = (uint32_t)entry[sessions[i]].offset;
    x->values[EV_SESSION_ID] =
        (struct parquet_values){.strings = ids, .index = sessions, .dictionary_count = n};
    x->values[EV_SESSION_START] =
        (struct parquet_values){.int64s = starts, .index = sessions, .dictionary_count = n};
    return 0;
}

/* event_seq: few distinct small numbers, unless a robot's session is among them. */
static int encode_seq(struct event_encoder *x, struct err *e) {
    uint32_t rows = x->g->rows, max = 0, count = 0;
    const int32_t *plain = x->values[EV_EVENT_SEQ].int32s;
    for (uint32_t i = 0; i < rows; i++) max = (uint32_t)plain[i] > max ? (uint32_t)plain[i] : max;
    if (max > DICTIONARY_SEQ_MAX) return 0;
    uint32_t *number = arena_zalloc(&x->arena, ((size_t)max + 1) * sizeof *number);
    int32_t *entries = arena_alloc(&x->arena, ((size_t)max + 1) * sizeof *entries);
    uint32_t *index = arena_alloc(&x->arena, rows * sizeof *index);
    if (!number || !entries || !index) return err_nomem(e);
    for (uint32_t i = 0; i < rows; i++) number[plain[i]] = 1;
    for (uint32_t s = 0; s <= max; s++)
        if (number[s]) {
            entries[count] = (int32_t)s;
            number[s] = count++;
        }
    for (uint32_t i = 0; i < rows; i++) index[i] = number[plain[i]];
    x->values[EV_EVENT_SEQ] =
        (struct parquet_values){.int32s = entries, .index = index, .dictionary_count = count};
    return 0;
}

/* Addresses and countries, each address looked up once; those that are none (2.7) have no country and are not
 * shown. */
static int encode_ips(struct event_encoder *x, struct err *e) {
    uint32_t countries = mmdb_country_count(x->mmdb), used = 0, shown = 0, ip_count = x->ips.count;
    struct str *names = arena_alloc(&x->arena, countries * sizeof *names);
    struct str *ips = arena_alloc(&x->arena, ip_count * sizeof *ips);
    uint32_t *country_number = arena_alloc(&x->arena, countries * sizeof *country_number);
    uint32_t *ip_number = arena_alloc(&x->arena, ip_count * sizeof *ip_number);
    uint16_t *ip_country = arena_alloc(&x->arena, ip_count * sizeof *ip_country);
    uint32_t *ip = indexed(x, EV_IP_ADDRESS, ips, 0), *country = indexed(x, EV_COUNTRY, names, 0);
    if (!names || !ips || !country_number || !ip_number || !ip_country || !ip || !country)
        return err_nomem(e);
    for (uint32_t from = 0; from < ip_count; from += IPS_AT_ONCE) {
        struct ip_addr addr[IPS_AT_ONCE];
        bool valid[IPS_AT_ONCE];
        uint32_t n = ip_count - from < IPS_AT_ONCE ? ip_count - from : IPS_AT_ONCE;
        for (uint32_t i = 0; i < n; i++) valid[i] = ip_parse(intern_get(&x->ips, from + i), &addr[i]);
        for (uint32_t i = 0; i < n; i++)
            if (valid[i]) mmdb_prefetch(x->mmdb, &addr[i]);
        for (uint32_t i = 0; i < n; i++) {
            ip_country[from + i] = valid[i] ? mmdb_country(x->mmdb, &addr[i]) : 0;
            ip_number[from + i] = valid[i] && !x->pipeline->drop_ip ? shown : NONE;
            if (ip_number[from + i] != NONE) ips[shown++] = intern_get(&x->ips, from + i);
        }
    }
    for (uint32_t c = 0; c < countries; c++) country_number[c] = NONE;
    for (uint32_t i = 0; i < x->g->rows; i++) {
        uint32_t n = x->ip[i];
        uint16_t c = n == NONE ? 0 : ip_country[n];
        if (country_number[c] == NONE) {
            names[used] = mmdb_country_name(x->mmdb, c);
            country_number[c] = used++;
        }
        country[i] = country_number[c];
        ip[i] = n == NONE ? NONE : ip_number[n];
    }
    x->values[EV_IP_ADDRESS].dictionary_count = shown;
    x->values[EV_COUNTRY].dictionary_count = used;
    return 0;
}

static int encode_keep_string(struct event_encoder *x, unsigned k, struct err *e) {
    const struct event_group *g = x->g;
    struct intern *strings = &x->keep[k];
    uint32_t *index = arena_alloc(&x->arena, g->rows * sizeof *index);
    if (!index) return err_nomem(e);
    intern_clear(strings);
    for (uint32_t i = 0; i < g->rows; i++) {
        const struct event_row *r = event_group_row(g, x->order[i]);
        index[i] = NONE;
        if (event_row_keep_null(x->pipeline, r)[k]) continue;
        struct str s = {r->text + r->keep[k].text.offset, r->keep[k].text.len};
        if ((index[i] = intern_str(strings, s, e)) == NONE) return e->code;
    }
    struct str *entries = dictionary(x, strings);
    if (!entries) return err_nomem(e);
    x->values[EV_COLUMNS + k] =
        (struct parquet_values){.strings = entries, .index = index, .dictionary_count = strings->count};
    return 0;
}

static int encode_keep_number(struct event_encoder *x, unsigned k, struct err *e) {
    const struct event_group *g = x->g;
    struct parquet_values *v = &x->values[EV_COLUMNS + k];
    int64_t *values = arena_alloc(&x->arena, g->rows * sizeof *values); /* a double's bits move the same */
    uint8_t *null = arena_alloc(&x->arena, g->rows);
    if (!values || !null) return err_nomem(e);
    for (uint32_t i = 0; i < g->rows; i++) {
        const struct event_row *r = event_group_row(g, x->order[i]);
        values[i] = r->keep[k].i;
        null[i] = event_row_keep_null(x->pipeline, r)[k];
    }
    v->null = null;
    if (x->pipeline->keep[k].type == KEEP_LONG)
        v->int64s = values;
    else
        v->doubles = (const double *)values;
    return 0;
}

int event_encode(struct event_encoder *x, const struct event_group *g, struct parquet_encoder *encoder,
                 const struct parquet_column *columns, struct buf *out, struct arena *meta,
                 struct parquet_row_group **group, struct err *e) {
    begin(x, g);
    TRY(number_rows(x, e));
    TRY(order_rows(x, e));
    TRY(gather(x, e));
    TRY(encode_sessions(x, e));
    TRY(encode_seq(x, e));
    TRY(encode_ips(x, e));
    for (unsigned k = 0; k < x->pipeline->keep_count; k++)
        TRY(x->pipeline->keep[k].type == KEEP_STRING ? encode_keep_string(x, k, e)
                                                     : encode_keep_number(x, k, e));
    return parquet_encode_row_group(encoder, columns, EV_COLUMNS + x->pipeline->keep_count, x->values,
                                    g->rows, out, meta, group, e);
}
