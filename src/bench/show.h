/* What people see while a benchmark runs: on a terminal a line that moves, elsewhere a line a sample. All on
 * standard error. */
#ifndef WEIR_BENCH_SHOW_H
#define WEIR_BENCH_SHOW_H

#include "bench/plan.h"
#include "bench/runner.h"

enum { SHOW_KEPT = 4096 };

struct show {
    bool terminal;
    const struct plan *plan;
    unsigned total, done, busy;
    double left_s; /* the rest, estimated; 0: not known */
    int64_t next_ns;
    const char *stack, *name;
    double *job_s;    /* [case][stack][SHOW_KEPT], of samples that are ok */
    unsigned *counts; /* [case][stack] */
};

int show_start(struct show *s, const struct plan *plan, unsigned total, struct err *e);
void show_end(struct show *s);

/* "preparing data", "reading input", … */
void show_doing(struct show *s, const char *what);

/* A sample runs: for the runner's tick. */
void show_run(struct show *s, const char *stack, const char *case_name);
void show_tick(void *show, const struct run_events *events, double seconds);

struct show_sample {
    unsigned case_index, stack_index;
    const char *status, *error;
    double job_s, busy_percent;
    uint64_t peak_bytes;
    bool counts; /* into the medians: not the twin */
};

void show_sample(struct show *s, const struct show_sample *x);

/* A remark on a line of its own. */
void show_note(struct show *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* At the end: what the reader of the results should know. */
void show_remarks(struct show *s);

#endif
