/* The generator's plan: which visitor does what when (docs/generator.md). Internal to gen*.c.
 *
 * The span of time is cut into slices of two hours; the visitors into groups. A cell is what one group's
 * visitors begin in one slice; it is made from its own random stream, so that any thread may make it. */
#ifndef WEIR_ETL_GEN_PLAN_H
#define WEIR_ETL_GEN_PLAN_H

#include "base/arena.h"
#include "etl/gen.h"

#include <stdatomic.h>

#define GEN_SECOND    INT64_C(1000000)
#define GEN_SLICE_US  (INT64_C(7200) * GEN_SECOND)
#define GEN_DAY_US    (INT64_C(86400) * GEN_SECOND)
#define GEN_GAP_US    (INT64_C(1800) * GEN_SECOND)
#define GEN_ONE_TIMER (UINT64_C(1) << 63)
#define GEN_ROBOT     (UINT64_C(1) << 62)
#define GEN_EDGE      (UINT64_C(1) << 61)

enum { GEN_SLICES_PER_DAY = 12, GEN_ROBOTS = 3, GEN_PAGES = 4096, GEN_EDGES = 8 };

/* What a row is. The first two are kept by the pipeline, the others rejected. */
enum gen_kind {
    GEN_KEPT,
    GEN_AT_EDGE, /* kept; a visitor of one event at an odd end of time */
    GEN_MALFORMED,
    GEN_NO_EVENT_ID,
    GEN_NO_USER_ID,
    GEN_NO_TIME,
    GEN_BAD_TIME,
    GEN_COPY,           /* duplicate, byte for byte */
    GEN_COPY_RESPELT,   /* duplicate: the same values written otherwise */
    GEN_COPY_DIFFERENT, /* duplicate: same user, time and event_id on another page */
    GEN_KIND_COUNT
};

enum { GEN_HAS_COPY = 1, GEN_EXTERNAL = 2 }; /* flags */

struct gen_event {
    int64_t time_us;     /* when it happened */
    uint64_t number;     /* unique among events; a copy has its original's */
    uint64_t user;       /* rank, or one of the marks above with a number */
    uint32_t delay_ms;   /* how much later it stands in the log */
    uint16_t page, from; /* from: the page before, unless GEN_EXTERNAL: a source outside */
    uint16_t detail;     /* of its dirt */
    uint8_t kind, flags;
};

/* What the plan's cells add up to, by thread. */
struct gen_tally {
    uint64_t kinds[GEN_KIND_COUNT];
    uint64_t sessions, once_users;
    uint64_t edges[GEN_EDGES];
    uint64_t *days;      /* rows out by day of the span */
    uint64_t *countries; /* rows out by country; used by rows */
    uint64_t nulled[3];  /* status, bytes, load_time: values that do not fit; used by rows */
};

struct gen_plan {
    uint64_t seed, rows, human_rows, robot_rows[GEN_ROBOTS];
    unsigned robot_first[GEN_ROBOTS], robot_slices[GEN_ROBOTS]; /* when it is at work */
    enum gen_dirt dirt;
    bool typed; /* Parquet: no malformed rows, no unreadable timestamps */
    int64_t start_us;
    unsigned days, slices, groups, buckets;
    uint64_t *weight_sum;    /* slices + 1 */
    uint64_t users_per_cell; /* recurring visitors that a cell draws from */
    double users_log2;
    _Atomic uint64_t *seen; /* a bit a recurring visitor */
    size_t seen_words;
};

/* One group's events of one slice, by bucket: those of its own slice, then those of the next. */
struct gen_cell {
    struct gen_event *events;
    uint32_t *bucket; /* 2 × buckets + 1 */
    uint32_t count;
    size_t cap;
};

/* Scratch of one thread. */
struct gen_maker {
    struct gen_event *events;
    size_t count, cap;
    uint64_t *used;
    struct gen_tally tally;
};

int gen_plan_init(struct gen_plan *p, const struct gen_options *o, uint64_t rows, struct arena *a,
                  struct err *e);
void gen_plan_release(struct gen_plan *p);

int gen_maker_init(struct gen_maker *m, const struct gen_plan *p, struct err *e);
void gen_maker_release(struct gen_maker *m);

/* Make a cell; its memory is reused. Any thread. */
int gen_cell_make(const struct gen_plan *p, struct gen_maker *m, unsigned slice, unsigned group,
                  struct gen_cell *out, struct err *e);
void gen_cell_release(struct gen_cell *c);

/* Where an event stands in the log. */
static inline int64_t gen_position(const struct gen_event *v) {
    return v->time_us + (int64_t)v->delay_ms * 1000;
}

/* Visitors seen, one-timers and edges apart. */
uint64_t gen_plan_seen(const struct gen_plan *p);

/* Sessions and visitors that robots make. */
unsigned gen_plan_robots(const struct gen_plan *p);

extern const int64_t gen_edge_times[GEN_EDGES]; /* µs since 1970 */

/* −log2(u) for u in (0, 1], and 2^x for x in [0, 63], near enough, and the same on every machine. */
double gen_minus_log2(double u);
double gen_exp2(double x);

#endif
