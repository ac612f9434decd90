/* Watching one run until it is over, process or container: a look at fixed moments, its end at the deadline
 * or on an interrupt, and what was used meanwhile. */
#ifndef WEIR_BENCH_WATCH_H
#define WEIR_BENCH_WATCH_H

#include "bench/runner.h"

struct watch {
    const struct run_request *request;
    struct run_outcome *out;
    const struct group *group;    /* what was used is read there at the end; NULL: nothing is */
    const struct group *pressure; /* NULL: the whole machine's */
    bool (*wait)(void *ctx, int timeout_ms, struct run_outcome *out); /* true: it is over */
    bool (*look)(void *ctx,
                 struct run_outcome *out); /* before the sampler does; false: not this time; may be NULL */
    void (*stop)(void *ctx);               /* ask it to end; it is made to after RUNNER_GRACE_MS */
    void (*give_up)(void *ctx);            /* it did not */
    void *ctx;
    int64_t start_ns; /* CLOCK_MONOTONIC */
    uint64_t busy_ns;
    int64_t before_us[PRESSURES];
};

/* Just before the run begins. */
void watch_begin(struct watch *w);

/* ERR_INTERRUPTED: the user's; the run was ended. ERR_OUTSIDE: it was, and does not end. */
int watch_run(struct watch *w, struct err *e);

#endif
