#include "bench/keeper.h"

#include "base/clock.h"
#include "edge/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the run's first process, between fork and exec ---- */

static _Noreturn void become(const struct keeper_request *r, pid_t parent, int trouble) {
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    int rc = r->group ? group_enter(r->group) : 0;
    if (!rc && r->cpus && sched_setaffinity(0, sizeof *r->cpus, r->cpus)) rc = errno;
    int input = r->input >= 0 ? r->input : open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (!rc && (dup2(input, 0) < 0 || dup2(r->output, 1) < 0 || dup2(r->output, 2) < 0)) rc = errno;
    if (!rc && r->dir && chdir(r->dir)) rc = errno;
    for (const char *const *v = r->env; v && *v; v++) putenv((char *)*v);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!rc) {
        execvp(r->argv[0], (char *const *)r->argv);
        rc = errno;
    }
    if (write(trouble, &rc, sizeof rc) < 0) _exit(126);
    _exit(127);
}

/* ---- the keeper ---- */

/* All processes of the run but the keeper: by the group where there is one, and by descent. */
static unsigned kill_all(const struct keeper_request *r, bool *any) {
    enum { PIDS = 4096 };
    static pid_t pids[PIDS];
    unsigned in_group = r->group ? group_kill(r->group) : 0;
    unsigned below = proc_below(getpid(), pids, PIDS), alive = 0;
    for (unsigned i = 0; i < below; i++) {
        struct proc p;
        if (proc_read(pids[i], &p) && p.state != 'Z') alive++;
        kill(pids[i], SIGKILL);
    }
    *any = below > 0;
    return in_group > alive ? in_group : alive;
}

struct watch {
    const struct keeper_request *request;
    struct keeper_report *report;
    pid_t run, weir;
    bool over; /* the run's first process has ended */
};

/* Take all that has ended. False: no child is left. */
static bool reap(struct watch *w) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG);
        if (pid == 0) return true;
        if (pid < 0) return errno != ECHILD;
        if (pid != w->run) continue;
        w->report->exit_ns = clock_real_ns();
        w->report->status = status;
        w->over = true;
    }
}

/* Until the first process has ended: whoever outlives it is not part of the run any more. */
static void watch_run(struct watch *w, const sigset_t *signals) {
    int64_t deadline = INT64_MAX;
    while (reap(w) && !w->over) {
        const struct timespec tick = {.tv_nsec = 200000000};
        bool any, orphaned = getppid() != w->weir;
        int sig = sigtimedwait(signals, NULL, &tick);
        if (orphaned || clock_mono_ns() > deadline) {
            kill_all(w->request, &any);
        } else if (sig == SIGTERM && deadline == INT64_MAX) {
            deadline = clock_mono_ns() + w->request->grace_ms * INT64_C(1000000);
            kill(-w->run, SIGTERM);
        }
    }
}

static void end_the_rest(struct watch *w) {
    bool any = true;
    while (reap(w) && any) {
        unsigned n = kill_all(w->request, &any);
        if (n > w->report->left_behind) w->report->left_behind = n;
        const struct timespec t = {.tv_nsec = 2000000};
        nanosleep(&t, NULL);
    }
}

static void account(struct keeper_report *report) {
    struct rusage u;
    struct proc_io io;
    getrusage(RUSAGE_CHILDREN, &u);
    report->cpu_ns = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * UINT64_C(1000000000) +
                     (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
    proc_io_self(&io);
    report->read_chars = io.read_chars;
    report->written_chars = io.written_chars;
    report->read_bytes = io.read_bytes;
    report->written_bytes = io.written_bytes;
}

static void start_run(struct watch *w) {
    int trouble[2];
    if (pipe2(trouble, O_CLOEXEC)) {
        w->report->start_errno = errno;
        return;
    }
    pid_t self = getpid();
    w->report->request_ns = clock_real_ns();
    w->run = fork();
    if (w->run == 0) become(w->request, self, trouble[1]);
    if (w->run < 0) w->report->start_errno = errno;
    setpgid(w->run, w->run);
    close(trouble[1]);
    int rc;
    if (w->run > 0 && read(trouble[0], &rc, sizeof rc) == sizeof rc) w->report->start_errno = rc;
    close(trouble[0]);
}

static _Noreturn void keep(const struct keeper_request *r, pid_t weir, int to) {
    struct keeper_report report = {0};
    struct watch w = {.request = r, .report = &report, .weir = weir};
    sigset_t signals;
    if (r->input_end >= 0) close(r->input_end); /* the run must see it end */
    setpgid(0, 0);                              /* the terminal's Ctrl-C is for weir, which then asks */
    prctl(PR_SET_NAME, "weir-keeper");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* wakes it up; that its parent is gone it sees itself */
    start_run(&w);
    if (w.run > 0) {
        watch_run(&w, &signals);
        end_the_rest(&w);
    }
    account(&report);
    _exit(write(to, &report, sizeof report) == sizeof report ? 0 : 1);
}

/* ---- weir's side ---- */

int keeper_start(struct keeper *k, const struct keeper_request *r, struct err *e) {
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC)) return err_errno(e, ERR_OUTSIDE, "could not make a pipe");
    pid_t weir = getpid();
    fflush(NULL);
    k->pid = fork();
    if (k->pid == 0) {
        close(pipes[0]);
        keep(r, weir, pipes[1]);
    }
    close(pipes[1]);
    k->from = pipes[0];
    if (k->pid > 0) return 0;
    close(pipes[0]);
    return err_errno(e, ERR_OUTSIDE, "could not start a process");
}

bool keeper_wait(struct keeper *k, int timeout_ms, struct keeper_report *report) {
    struct pollfd p = {.fd = k->from, .events = POLLIN};
    if (poll(&p, 1, timeout_ms) <= 0) return false;
    ssize_t n = read(k->from, report, sizeof *report);
    if (n < 0 && errno == EINTR) return false;
    if (n != sizeof *report) *report = (struct keeper_report){.start_errno = -1};
    close(k->from);
    while (waitpid(k->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    return true;
}

void keeper_stop(const struct keeper *k) {
    kill(k->pid, SIGTERM);
}
