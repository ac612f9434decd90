/* The native engine as a stack: a job in, a result object out. */
#ifndef WEIR_CLI_NATIVE_H
#define WEIR_CLI_NATIVE_H

#include "bench/job.h"
#include "etl/run.h"

struct native_options {
    uint64_t memory_bytes; /* budget of anonymous memory; 0: the engine's default */
    unsigned threads;      /* 0: the engine's default */
    bool progress;
    struct lake_options lake;
};

/* Run it and describe it as the contract's result file does, with `seconds` and `peak_memory_bytes` besides.
 * "ready" and "committed" go to the job's events file. */
int native_run(const struct job *job, const struct pipeline *p, const struct native_options *o,
               json_t **result, struct err *e);

/* {"weir": "…", "zstd": "…", …}: what made the result. NULL: out of memory. */
json_t *native_versions(void);

#endif
