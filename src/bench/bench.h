/* A benchmark: the plan's samples taken in their order, each checked, and written down (docs/bench.md). */
#ifndef WEIR_BENCH_BENCH_H
#define WEIR_BENCH_BENCH_H

#include "bench/data.h"
#include "bench/plan.h"
#include "bench/runner.h"
#include "edge/docker.h"

/* Where the samples' tables go instead of a folder beside the results; catalog NULL: there. Text without
 * passwords. */
struct bench_lake {
    const char *catalog, *warehouse, *s3_endpoint;
};

struct bench_request {
    const struct plan *plan;
    const struct runner *runner;
    const struct docker *engine; /* for a plan of containers; else NULL */
    const char *out;             /* the result file, absolute */
    bool resume;
    struct bench_lake lake;
    const char *stacks_root;
    const char *home;           /* where DuckDB is looked for first; may be NULL */
    const char *pipeline;       /* JSON object */
    bool own_pipeline;          /* not the default one: what is known of made data does not hold */
    const char *const *command; /* as typed, NULL at the end */
    struct data_request data;
    uint64_t input_bytes; /* of the user's own files; 0: data are made */
};

/* Take all samples that the result file does not hold yet. Interrupted: ERR_INTERRUPTED; what is finished
 * stays. *bad: samples that are not ok. */
int bench_run(const struct bench_request *q, unsigned *bad, struct err *e);

/* What would run, and about how long it takes, on standard output. */
void bench_list(const struct bench_request *q);

#endif
