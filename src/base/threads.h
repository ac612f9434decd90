/* Threads: run one function on N threads; they share work by one atomic counter of their own. */
#ifndef WEIR_BASE_THREADS_H
#define WEIR_BASE_THREADS_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdbool.h>

/* What a group of threads shares: whether to stop, and the first error. */
struct threads_group {
    atomic_bool stop; /* set on the first error or an interrupt: leave soon */
    atomic_int failed;
    struct err err; /* of the first that failed */
};

/* Runs on thread `index` of `count`, with its own `struct err`. */
typedef int threads_fn(void *ctx, unsigned index, struct threads_group *g, struct err *e);

/* Call fn on `count` threads (the caller's is one of them) and wait for all; returns the first error. */
int threads_run(unsigned count, threads_fn *fn, void *ctx, struct err *e);

/* True when the group should stop: an error elsewhere or an interrupt. */
bool threads_stopping(const struct threads_group *g);

/* CPUs this process may use: the smaller of its affinity and its cgroup's quota is the caller's business;
 * affinity here. */
unsigned threads_cpu_count(void);

/* The calling thread, when it may go on, no longer takes the CPU from another at once, but waits for its turn
 * (SCHED_BATCH): for work in the background. One that runs under another policy than the usual one, idle or
 * real-time, was meant to, and keeps it. */
void threads_be_patient(void);

/* SIGINT and SIGTERM set a flag from now on instead of ending the process. */
void interrupt_install(void);

/* 0, or ERR_INTERRUPTED with a message when an interrupt was seen. */
int interrupt_check(struct err *e);

/* For what is tidied up after an interrupt: none was seen, from here on; only another one counts. True when
 * one had been: then call interrupt_bring_back when done, which makes interrupt_check tell of it again. */
bool interrupt_put_aside(void);
void interrupt_bring_back(void);

#endif
