/* Is what a run left behind right? Its events, its result file, its ledger and its tables are held against
 * each other, against what is known of the data, and against the result that came first. */
#ifndef WEIR_BENCH_CHECK_H
#define WEIR_BENCH_CHECK_H

#include "bench/job.h"
#include "bench/runner.h"

/* The first right result over the same data and parsing; all others must be equal to it. */
struct check_reference {
    bool set;
    char digest[256];                 /* of the events, of the rejects */
    char stack[64];                   /* whose it is */
    int64_t sessions, users;          /* counted in its table */
    char events[4096], rejects[4096]; /* their metadata files, while they are kept; "" : removed */
};

struct check_request {
    const struct job *job;
    const struct run_outcome *outcome;
    const json_t *truth; /* what the data must give (weir gen); NULL: not known */
    const char *home;    /* where DuckDB is looked for first */
    const char *tmp_dir;
};

enum { CHECK_ERROR = 1024 };

struct check_verdict {
    const char *status;      /* ok, failed, timeout, oom, unverified, lied, different */
    char error[CHECK_ERROR]; /* why not ok */
    bool verified;
    char digest[256];
    char events[4096], rejects[4096]; /* metadata files */
    json_t *ledger, *seen;            /* of the result file; may be NULL */
};

/* Fills *v; release it. `reference` is set by the first right result. Only an interrupt is an error. */
int check_run(const struct check_request *q, struct check_reference *reference, struct check_verdict *v,
              struct err *e);
void check_release(struct check_verdict *v);

/* Of the Parquet files below the job's warehouse: how many, their bytes, their row groups (-1: not known). */
struct check_output {
    uint64_t bytes, files;
    int64_t row_groups;
};

void check_output(const struct check_request *q, struct check_output *out);

#endif
