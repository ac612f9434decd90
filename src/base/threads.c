#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

static atomic_bool interrupted; /* set by a handler, which any thread may run, and read by all */

struct job {
    threads_fn *fn;
    void *ctx;
    unsigned index;
    struct threads_group *group;
};

static void *run_job(void *arg) {
    struct job *j = arg;
    struct err e = {0};
    if (j->fn(j->ctx, j->index, j->group, &e)) {
        int expected = 0;
        if (atomic_compare_exchange_strong(&j->group->failed, &expected, 1)) j->group->err = e;
        atomic_store(&j->group->stop, true);
    }
    return NULL;
}

int threads_run(unsigned count, threads_fn *fn, void *ctx, struct err *e) {
    struct threads_group group = {0};
    struct job *jobs = calloc(count, sizeof *jobs);
    pthread_t *ids = calloc(count, sizeof *ids);
    if (!jobs || !ids) {
        free(jobs);
        free(ids);
        return err_nomem(e);
    }
    unsigned started = 1;
    for (unsigned i = 0; i < count; i++) jobs[i] = (struct job){fn, ctx, i, &group};
    /* A machine that refuses more threads still finishes: the work is shared by counter, not by index. */
    while (started < count && pthread_create(&ids[started], NULL, run_job, &jobs[started]) == 0) started++;
    run_job(&jobs[0]);
    for (unsigned i = 1; i < started; i++) pthread_join(ids[i], NULL);
    free(jobs);
    free(ids);
    if (atomic_load(&group.failed)) {
        *e = group.err;
        return e->code;
    }
    return interrupt_check(e);
}

bool threads_stopping(const struct threads_group *g) {
    return atomic_load_explicit(&((struct threads_group *)g)->stop, memory_order_relaxed) ||
           atomic_load(&interrupted);
}

unsigned threads_cpu_count(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0) return (unsigned)CPU_COUNT(&set);
    return 1;
}

void threads_be_patient(void) {
    const struct sched_param none = {0};
    if (sched_getscheduler(0) != SCHED_OTHER) return;
    (void)pthread_setschedparam(pthread_self(), SCHED_BATCH, &none); /* if it fails, it is only slower */
}

static void on_signal(int sig) {
    (void)sig;
    atomic_store(&interrupted, true);
}

void interrupt_install(void) {
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGINT, &sa, NULL);
    sigaction(SIGTERM, &sa, NULL);
}

int interrupt_check(struct err *e) {
    return atomic_load(&interrupted) ? err_set(e, ERR_INTERRUPTED, "interrupted; nothing was committed") : 0;
}

bool interrupt_put_aside(void) {
    return atomic_exchange(&interrupted, false);
}

void interrupt_bring_back(void) {
    atomic_store(&interrupted, true);
}
