/* One run of one stack under limits, watched: as a process of its own here, as a container by container.h.
 * Judges nothing; what the run left behind is the caller's. */
#ifndef WEIR_BENCH_RUNNER_H
#define WEIR_BENCH_RUNNER_H

#include "bench/keeper.h"
#include "bench/sampler.h"

enum { RUNNER_INTERVAL_MS = 50, RUNNER_GRACE_MS = 10000 };

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

/* The last `wanted` of the CPUs that we may use (0: all), as a set and as "0,1": the first one serves most
 * interrupts. */
void runner_choose_cpus(const struct runner *r, double wanted, cpu_set_t *set, char *list, size_t cap);

struct run_container; /* container.h */

struct run_request {
    const struct run_container *container; /* NULL: a process */
    const char *const *argv;
    const char *const *env; /* to set in addition; may be NULL */
    const char *dir;
    const int *input; /* a pipe's two ends: what the run reads, and the caller's; NULL: nothing to read */
    const char *events_file; /* NULL: none */
    const char *output_file; /* what it prints is appended */
    const char *flush_dir;   /* its file system is flushed afterwards; NULL: not */
    const char *name;        /* of the control group, and of the container */
    double cpus;             /* 0: all */
    uint64_t memory_bytes;   /* 0: no limit */
    double timeout_s;        /* 0: none */
    void (*tick)(void *ctx, const struct run_events *events, double seconds); /* may be NULL */
    void *ctx;
};

/* What a container's run adds. Seconds -1: not measured. */
struct run_image {
    int64_t create_ns; /* CLOCK_REALTIME of the create request; 0: no container */
    double pull_s, download_s, extract_s;
    uint64_t pull_bytes; /* compressed, of the layers that came */
    unsigned layers, layers_present;
    uint64_t engine_peak_bytes; /* by the engine's own statistics; 0: not told */
    double engine_cpu_s;
    bool own_group; /* peak and CPU time by a group of ours, that outlived the container */
};

struct run_outcome {
    struct keeper_report end;
    struct run_image image;
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
