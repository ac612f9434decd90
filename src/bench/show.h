/* What people see while a benchmark runs: on a terminal a line that moves, elsewhere a line a sample. All on
 * standard error. */
#ifndef WEIR_BENCH_SHOW_H
#define WEIR_BENCH_SHOW_H

#include "bench/plan.h"
#include "bench/runner.h"
#include "bench/tally.h"

struct show {
    bool terminal;
    const struct plan *plan;
    const struct tally *tally;
    unsigned total, done, busy;
    double left_s; /* the rest, estimated; 0: not known */
    int64_t next_ns;
    const char *stack, *name;
    char last[200]; /* the median so far of the stack that ran last */
};

/* Both must outlive it. */
void show_start(struct show *s, const struct plan *plan, const struct tally *tally, unsigned total);
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
};

void show_sample(struct show *s, const struct show_sample *x);

/* A remark on a line of its own. */
void show_note(struct show *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* At the end: what the reader of the results should know. */
void show_remarks(struct show *s);

#endif
