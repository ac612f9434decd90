/* One run of one stack under limits, watched: the process backend. Judges nothing; what the run left behind
 * is the caller's. */
#ifndef WEIR_BENCH_RUNNER_H
#define WEIR_BENCH_RUNNER_H

#include "bench/keeper.h"
#include "bench/sampler.h"

enum { RUNNER_INTERVAL_MS = 50 };

/* The stack's own events (docs/stacks.md), nanoseconds of CLOCK_REALTIME; 0: did not come. */
struct run_events {
    int64_t start, ready, committed, done;
    uint64_t rows; /* of the last progress */
};

/* As far as the file holds whole lines. What is no event of the contract is passed over. */
void run_events_read(const char *path, struct run_events *out);

/* What this machine lets us do; found once. */
struct runner {
    struct group_place place;
    cpu_set_t cpus; /* that weir may use */
    unsigned cpu_count;
    bool sampling_by_group, cpu_limit, memory_limit, can_drop_caches;
};

void runner_init(struct runner *r);

struct run_request {
    const char *const *argv;
    const char *const *env; /* to set in addition; may be NULL */
    const char *dir;
    const int *input; /* a pipe's two ends: what the run reads, and the caller's; NULL: nothing to read */
    const char *events_file; /* NULL: none */
    const char *output_file; /* what it prints is appended */
    const char *flush_dir;   /* its file system is flushed afterwards; NULL: not */
    const char *name;        /* of the control group */
    double cpus;             /* 0: all */
    uint64_t memory_bytes;   /* 0: no limit */
    double timeout_s;        /* 0: none */
    void (*tick)(void *ctx, const struct run_events *events, double seconds); /* may be NULL */
    void *ctx;
};

struct run_outcome {
    struct keeper_report end;
    struct run_events events;
    struct sampler *sampler;
    double total_s, flush_s; /* flush_s -1: not done */
    uint64_t cpu_ns, peak_bytes, oom_kills;
    int64_t pressure_us[PRESSURES]; /* of the run, or of the machine meanwhile; -1: not known */
    double busy_percent;            /* of one CPU, that others used meanwhile */
    double cost_share;              /* of one CPU, that looking took */
    bool timed_out;
};

/* ERR_INTERRUPTED: the user's; the run was ended. ERR_OUTSIDE: it could not be begun. Release the outcome
 * in any case. */
int runner_run(const struct runner *r, const struct run_request *q, struct run_outcome *out, struct err *e);
void run_outcome_release(struct run_outcome *out);

/* Write out what is dirty of the file system that holds `dir`; seconds that it took, -1: it failed. */
double runner_flush(const char *dir);

/* Write out what is dirty and forget the page cache. ERR_OUTSIDE: not allowed. */
int runner_drop_caches(struct err *e);

#endif
