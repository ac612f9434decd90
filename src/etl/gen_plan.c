#include "etl/gen_plan.h"

#include "base/random.h"

#include <stdlib.h>

enum {
    CELL_ROWS = 16384, /* aimed at */
    BUCKET_ROWS_CSV = 16384,
    BUCKET_ROWS_PARQUET = 131072,
    ROWS_PER_USER = 40,
    ROBOT_ROWS_PER_SLICE = 9, /* at least: then no gap reaches 30 minutes */
    LUMP_ROWS = 32,
    PER = 10000,
};

/* A visitor may begin a session in every second slice, and it ends 30 minutes and a second before the next
 * such slice. */
#define SESSION_SPAN_US (2 * GEN_SLICE_US - GEN_GAP_US - GEN_SECOND)

const int64_t gen_edge_times[GEN_EDGES] = {
    -2208988800000000, /* 1900-01-01T00:00:00Z */
    -2209053600000000, /* 1900-01-01T00:00:00+18:00, in 1899 by UTC */
    -1,                /* 1969-12-31T23:59:59.999999Z */
    0,
    -999999,          /* its millisecond is floored to −1000 */
    951782400000000,  /* 2000-02-29T00:00:00Z */
    4107542399999999, /* 2100-02-28T23:59:59.999999Z, in no leap year */
    9214646399999999, /* 2261-12-31T23:59:59.999999Z */
};

/* Extra rows after each kept one, out of PER, by kind. */
static const unsigned rates[3][GEN_KIND_COUNT] = {
    [GEN_DIRT_SOME] = {[GEN_MALFORMED] = 25,
                       [GEN_NO_EVENT_ID] = 10,
                       [GEN_NO_USER_ID] = 10,
                       [GEN_NO_TIME] = 10,
                       [GEN_BAD_TIME] = 20,
                       [GEN_COPY] = 30,
                       [GEN_COPY_RESPELT] = 10,
                       [GEN_COPY_DIFFERENT] = 10},
    [GEN_DIRT_MUCH] = {[GEN_AT_EDGE] = 3,
                       [GEN_MALFORMED] = 250,
                       [GEN_NO_EVENT_ID] = 100,
                       [GEN_NO_USER_ID] = 100,
                       [GEN_NO_TIME] = 100,
                       [GEN_BAD_TIME] = 200,
                       [GEN_COPY] = 200,
                       [GEN_COPY_RESPELT] = 100,
                       [GEN_COPY_DIFFERENT] = 100},
};

/* Visits begin by this rhythm: two-hour slices of a day, UTC. */
static const unsigned rhythm[GEN_SLICES_PER_DAY] = {5, 3, 3, 6, 12, 18, 20, 19, 20, 22, 17, 9};

double gen_minus_log2(double u) {
    union {
        double d;
        uint64_t bits;
    } v = {u};
    double exponent = (double)(int)(v.bits >> 52) - 1023;
    v.bits = (v.bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000;
    double m = v.d;
    double x = -(exponent - 2.1536207 + m * (3.0478842 + m * (-1.0518750 + m * 0.1582487)));
    return x > 0 ? x : 0;
}

double gen_exp2(double x) {
    int whole = (int)x;
    double f = x - whole;
    return (double)(1ull << whole) * (1 + f * (0.6565 + f * 0.3435));
}

static uint64_t share(uint64_t total, uint64_t part, uint64_t whole) {
    return (uint64_t)((unsigned __int128)total * part / whole);
}

/* What of `total` falls into part i of n. */
static uint64_t piece(uint64_t total, uint64_t i, uint64_t n) {
    return share(total, i + 1, n) - share(total, i, n);
}

/* People's rows before a slice: by weight, in lumps, so that few rows over many days still make visits of
 * several events. */
static uint64_t human_rows_before(const struct gen_plan *p, unsigned slice) {
    uint64_t n = share(p->human_rows, p->weight_sum[slice], p->weight_sum[p->slices]);
    n = (n + LUMP_ROWS - 1) / LUMP_ROWS * LUMP_ROWS;
    return n < p->human_rows ? n : p->human_rows;
}

static uint64_t human_rows_of(const struct gen_plan *p, unsigned slice, unsigned group) {
    return piece(human_rows_before(p, slice + 1) - human_rows_before(p, slice), group, p->groups);
}

int gen_plan_init(struct gen_plan *p, const struct gen_options *o, uint64_t rows, struct arena *a,
                  struct err *e) {
    *p = (struct gen_plan){.seed = random_mix64(o->seed ^ 0x77656972), /* "weir" */
                           .rows = rows,
                           .dirt = o->dirt,
                           .typed = o->format == GEN_PARQUET,
                           .start_us = 20150 * GEN_DAY_US, /* 2025-03-03, a Monday */
                           .days = o->days,
                           .slices = o->days * GEN_SLICES_PER_DAY};
    p->human_rows = rows;
    uint64_t robot_rows = (uint64_t)((double)rows * o->robot_percent / 100);
    for (unsigned k = 0; k < GEN_ROBOTS; k++) {
        static const unsigned sixths[GEN_ROBOTS] = {4, 1, 1};
        uint64_t n = share(robot_rows, sixths[k], 6), most = n / ROBOT_ROWS_PER_SLICE;
        if (most == 0) continue;
        /* Not at work in the last slice: nothing begins there. */
        unsigned slices = most < p->slices - 1 ? (unsigned)most : p->slices - 1;
        p->robot_rows[k] = n;
        p->robot_slices[k] = slices;
        p->robot_first[k] = (unsigned)(random_mix64(p->seed + 100 + k) % (p->slices - slices));
        p->human_rows -= n;
    }
    p->weight_sum = arena_alloc(a, (p->slices + 1) * sizeof *p->weight_sum);
    if (!p->weight_sum) return err_nomem(e);
    p->weight_sum[0] = 0;
    for (unsigned s = 0; s < p->slices; s++) {
        unsigned weight = rhythm[s % GEN_SLICES_PER_DAY] * (s / GEN_SLICES_PER_DAY % 7 < 5 ? 10 : 7);
        if (s == p->slices - 1) weight = 0;
        p->weight_sum[s + 1] = p->weight_sum[s] + weight;
    }
    uint64_t a_slice = rows / p->slices;
    uint64_t bucket_rows = p->typed ? BUCKET_ROWS_PARQUET : BUCKET_ROWS_CSV;
    uint64_t groups = a_slice / CELL_ROWS + 1, buckets = a_slice / bucket_rows + 1;
    if (groups > 4096)
        return err_set(e, ERR_USAGE, "too many rows for so few days: at most 805 million a day");
    p->groups = (unsigned)groups;
    p->buckets = (unsigned)buckets;
    /* Enough that a busy cell finds visitors who are not at it yet. */
    uint64_t wanted = rows / ROWS_PER_USER / (2 * groups) + 1, busy = 2 * a_slice / groups;
    p->users_per_cell = wanted > busy / 2 ? wanted : busy / 2;
    if (p->users_per_cell < 16) p->users_per_cell = 16;
    p->users_log2 = gen_minus_log2(1.0 / (double)(p->users_per_cell + 1));
    p->seen_words = (size_t)(2 * groups * p->users_per_cell / 64 + 1);
    p->seen = calloc(p->seen_words, sizeof *p->seen);
    return p->seen ? 0 : err_nomem(e);
}

void gen_plan_release(struct gen_plan *p) {
    free(p->seen);
    p->seen = NULL;
}

uint64_t gen_plan_seen(const struct gen_plan *p) {
    uint64_t n = 0;
    for (size_t i = 0; i < p->seen_words; i++) n += (uint64_t)__builtin_popcountll(p->seen[i]);
    return n;
}

unsigned gen_plan_robots(const struct gen_plan *p) {
    unsigned n = 0;
    for (unsigned k = 0; k < GEN_ROBOTS; k++) n += p->robot_rows[k] > 0;
    return n;
}

int gen_maker_init(struct gen_maker *m, const struct gen_plan *p, struct err *e) {
    *m = (struct gen_maker){0};
    m->used = calloc((size_t)(p->users_per_cell / 64 + 1), sizeof *m->used);
    m->tally.days = calloc(p->days, sizeof *m->tally.days);
    return m->used && m->tally.days ? 0 : err_nomem(e);
}

void gen_maker_release(struct gen_maker *m) {
    free(m->events);
    free(m->used);
    free(m->tally.days);
}

void gen_cell_release(struct gen_cell *c) {
    free(c->events);
    free(c->bucket);
}

/* ---- a cell ---- */

struct cell_state {
    const struct gen_plan *p;
    struct gen_maker *m;
    struct rng rng;
    uint64_t left;   /* rows still to make */
    uint64_t number; /* of the next event */
    unsigned slice, group;
    int64_t slice_us;
};

static struct gen_event *put(struct cell_state *c, const struct gen_event *v) {
    struct gen_maker *m = c->m;
    m->tally.kinds[v->kind]++;
    if (v->kind == GEN_KEPT) m->tally.days[(v->time_us - c->p->start_us) / GEN_DAY_US]++;
    c->left--;
    m->events[m->count] = *v;
    return &m->events[m->count++];
}

static double exponential(struct rng *r, double mean) {
    return mean * 0.6931472 * gen_minus_log2(1 - rng_double(r));
}

/* One that few are: the rank's density falls as 1/rank (Zipf's law, exponent 1). */
static uint64_t zipf(struct rng *r, uint64_t n, double n_log2) {
    uint64_t rank = (uint64_t)gen_exp2(rng_double(r) * n_log2) - 1;
    return rank < n ? rank : n - 1;
}

static uint16_t draw_page(struct rng *r) {
    return (uint16_t)zipf(r, GEN_PAGES, 12);
}

/* A visitor who begins no other session within four hours: a recurring one not yet drawn in this cell, else
 * one who comes once. */
static uint64_t draw_user(struct cell_state *c) {
    const struct gen_plan *p = c->p;
    if (rng_below(&c->rng, 100) >= 12) {
        for (int tries = 0; tries < 12; tries++) {
            uint64_t rank = zipf(&c->rng, p->users_per_cell, p->users_log2);
            /* The crowd at the top is soon all here: look further down, evenly. */
            if (tries >= 4) rank = rng_below(&c->rng, p->users_per_cell);
            if (c->m->used[rank / 64] >> rank % 64 & 1) continue;
            c->m->used[rank / 64] |= 1ull << rank % 64;
            uint64_t user = (rank * p->groups + c->group) * 2 + c->slice % 2;
            atomic_fetch_or_explicit(&p->seen[user / 64], 1ull << user % 64, memory_order_relaxed);
            return user;
        }
    }
    c->m->tally.once_users++;
    return GEN_ONE_TIMER | c->number;
}

/* The rows of dirt that follow a kept event. */
static void put_dirt(struct cell_state *c, struct gen_event *kept) {
    uint64_t r = rng_below(&c->rng, PER);
    unsigned kind = 0;
    for (; kind < GEN_KIND_COUNT && r >= rates[c->p->dirt][kind]; kind++) r -= rates[c->p->dirt][kind];
    if (kind == GEN_KIND_COUNT || (kind == GEN_MALFORMED && c->p->typed)) return;
    struct gen_event v = *kept;
    v.kind = (uint8_t)kind;
    v.detail = (uint16_t)rng_next(&c->rng);
    v.delay_ms = 0;
    if (kind >= GEN_COPY) {
        kept->flags |= GEN_HAS_COPY;
        v.flags |= GEN_HAS_COPY;
        /* Mostly at once, as a collector that tries again does; some minutes later. */
        v.delay_ms = (uint32_t)rng_below(&c->rng, rng_below(&c->rng, 8) ? 2000 : 600000);
        if (kind == GEN_COPY_DIFFERENT) v.page = (uint16_t)((v.page + 1 + v.detail % 7) % GEN_PAGES);
    } else {
        v.number = c->number++;
        v.time_us += (int64_t)rng_below(&c->rng, 5000) * 1000;
    }
    if (kind == GEN_AT_EDGE) {
        v.user = GEN_EDGE | v.number;
        v.flags = GEN_EXTERNAL;
        v.detail %= GEN_EDGES;
        if (c->p->typed && v.detail == 1) v.detail = 0; /* within 1900 only as it is written */
        c->m->tally.edges[v.detail]++;
        c->m->tally.sessions++;
    }
    put(c, &v);
    /* Once in a while a copy of the copy. */
    if (kind >= GEN_COPY && v.detail % 16 == 0 && c->left) put(c, &v);
}

/* The time from one event of a session to the next; `*split`: it ends the session. */
static int64_t draw_gap(struct cell_state *c, bool *split) {
    unsigned odd = c->p->dirt == GEN_DIRT_MUCH ? 200 : 2000;
    uint64_t r = rng_below(&c->rng, odd);
    *split = r == 1;
    if (r < 2) return GEN_GAP_US + (int64_t)r; /* exactly 30 minutes, and a microsecond more */
    if (rng_below(&c->rng, 100) == 0) return 0;
    double seconds = rng_below(&c->rng, 12) ? 1 + exponential(&c->rng, 40) : 30 + exponential(&c->rng, 300);
    if (seconds > 1500) seconds = 1500;
    return (int64_t)(seconds * 1e6);
}

/* Collectors differ in how finely they write the time. */
static int64_t round_down(struct cell_state *c, int64_t t) {
    static const int32_t units[16] = {1000, 1000, 1000,    1000,    1000,   1000,  1000, 1000,
                                      1000, 1000, 1000000, 1000000, 100000, 10000, 100,  1};
    return t - t % units[rng_below(&c->rng, 16)];
}

static void make_visit(struct cell_state *c) {
    struct gen_event v = {.user = draw_user(c), .kind = GEN_KEPT, .flags = GEN_EXTERNAL};
    int64_t begin = c->slice_us + (int64_t)rng_below(&c->rng, GEN_SLICE_US);
    v.time_us = begin - begin % 1000;
    int64_t last = c->slice_us + SESSION_SPAN_US;
    unsigned events = 1 + (unsigned)exponential(&c->rng, v.user & GEN_ONE_TIMER ? 2.5 : 8);
    if (events > 300) events = 300;
    v.page = draw_page(&c->rng);
    v.from = (uint16_t)rng_next(&c->rng);
    bool split = true;
    for (unsigned i = 0; i < events && c->left; i++) {
        c->m->tally.sessions += split;
        v.number = c->number++;
        /* A few lines reach the log late. */
        v.delay_ms = rng_below(&c->rng, 1024) ? 0 : (uint32_t)rng_below(&c->rng, 30000);
        struct gen_event *kept = put(c, &v);
        if (c->p->dirt != GEN_DIRT_NONE && c->left) put_dirt(c, kept);
        int64_t gap = draw_gap(c, &split), t = v.time_us + gap;
        if (gap < GEN_GAP_US) t = round_down(c, t);
        if (t > last) break;
        if (t > v.time_us) v.time_us = t;
        v.from = v.page;
        v.flags = 0;
        v.page = draw_page(&c->rng);
    }
}

/* A robot's n rows of a slice stand one in each n-th of it, somewhere; the group makes its part of them. */
static void make_robot(struct cell_state *c, unsigned k) {
    const struct gen_plan *p = c->p;
    unsigned at = c->slice - p->robot_first[k];
    if (c->slice < p->robot_first[k] || at >= p->robot_slices[k]) return;
    uint64_t n = piece(p->robot_rows[k], at, p->robot_slices[k]);
    uint64_t i = share(n, c->group, p->groups), end = share(n, c->group + 1, p->groups);
    struct gen_event v = {.user = GEN_ROBOT | k, .kind = GEN_KEPT, .flags = GEN_EXTERNAL};
    for (; i < end; i++) {
        int64_t from = (int64_t)share(GEN_SLICE_US, i, n), to = (int64_t)share(GEN_SLICE_US, i + 1, n);
        v.time_us = c->slice_us + from + (int64_t)rng_below(&c->rng, (uint64_t)(to - from));
        v.number = c->number++;
        v.from = v.page;
        v.page = (uint16_t)rng_below(&c->rng, GEN_PAGES);
        put(c, &v);
    }
    if (at == 0 && c->group == 0) c->m->tally.sessions++;
}

static unsigned bucket_of(const struct gen_plan *p, const struct gen_event *v, int64_t slice_us) {
    return (unsigned)share((uint64_t)(gen_position(v) - slice_us), p->buckets, GEN_SLICE_US);
}

static int sort_into(const struct gen_plan *p, struct gen_maker *m, int64_t slice_us, struct gen_cell *out,
                     struct err *e) {
    unsigned buckets = 2 * p->buckets;
    if (!out->bucket && !(out->bucket = malloc((buckets + 1) * sizeof *out->bucket))) return err_nomem(e);
    if (out->cap < m->count) {
        free(out->events);
        out->cap = 0;
        out->events = malloc(m->count * sizeof *out->events);
        if (!out->events) return err_nomem(e);
        out->cap = m->count;
    }
    memset(out->bucket, 0, (buckets + 1) * sizeof *out->bucket);
    for (size_t i = 0; i < m->count; i++) out->bucket[bucket_of(p, &m->events[i], slice_us) + 1]++;
    for (unsigned b = 0; b < buckets; b++) out->bucket[b + 1] += out->bucket[b];
    for (size_t i = 0; i < m->count; i++)
        out->events[out->bucket[bucket_of(p, &m->events[i], slice_us)]++] = m->events[i];
    /* Each now holds where the next begins. */
    for (unsigned b = buckets; b > 0; b--) out->bucket[b] = out->bucket[b - 1];
    out->bucket[0] = 0;
    out->count = (uint32_t)m->count;
    return 0;
}

int gen_cell_make(const struct gen_plan *p, struct gen_maker *m, unsigned slice, unsigned group,
                  struct gen_cell *out, struct err *e) {
    struct cell_state c = {.p = p, .m = m, .slice = slice, .group = group};
    uint64_t cell = (uint64_t)slice * p->groups + group;
    rng_init(&c.rng, p->seed, cell);
    c.number = cell << 32;
    c.slice_us = p->start_us + slice * GEN_SLICE_US;
    c.left = human_rows_of(p, slice, group);
    uint64_t most = c.left;
    for (unsigned k = 0; k < GEN_ROBOTS; k++)
        if (p->robot_slices[k]) most += p->robot_rows[k] / p->robot_slices[k] / p->groups + 2;
    if (most > UINT32_MAX) return err_set(e, ERR_USAGE, "too many rows for so few days");
    if (m->cap < most) {
        free(m->events);
        m->cap = 0;
        m->events = malloc(most * sizeof *m->events);
        if (!m->events) return err_nomem(e);
        m->cap = most;
    }
    m->count = 0;
    memset(m->used, 0, (size_t)(p->users_per_cell / 64 + 1) * sizeof *m->used);
    while (c.left) make_visit(&c);
    c.left = UINT64_MAX; /* robots count for themselves */
    for (unsigned k = 0; k < GEN_ROBOTS; k++) make_robot(&c, k);
    return sort_into(p, m, c.slice_us, out, e);
}
