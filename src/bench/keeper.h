/* A run's processes, kept together: started in a control group, and none left when the run is over.
 *
 * Between weir and the run stands a small process of ours, the keeper. Whatever loses its parent becomes the
 * keeper's child, so nothing escapes; it waits for all of them, so that their I/O and CPU time add up in its
 * own account; and it ends them all when weir itself is killed. */
#ifndef WEIR_BENCH_KEEPER_H
#define WEIR_BENCH_KEEPER_H

#include "base/err.h"
#include "edge/group.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

struct keeper_request {
    const char *const *argv;   /* NULL at the end; argv[0] relative to dir, or found in PATH */
    const char *const *env;    /* "NAME=value" to set in addition, NULL at the end; may be NULL */
    const char *dir;           /* NULL: stay here */
    int input_end;             /* the caller's end of input, a pipe, which the keeper closes; -1 */
    int input, output;         /* descriptors; input -1: empty. Errors go to output too */
    const struct group *group; /* NULL: none can be made */
    const cpu_set_t *cpus;     /* NULL: as it is */
    unsigned grace_ms;         /* between SIGTERM and SIGKILL */
};

/* What the keeper says at the end. Times: CLOCK_REALTIME. */
struct keeper_report {
    int start_errno;             /* the command could not be started */
    int status;                  /* as waitpid gives it */
    int64_t request_ns, exit_ns; /* just before fork; when its end was seen */
    uint64_t cpu_ns;             /* of all its processes, those that were waited for */
    uint64_t read_chars, written_chars, read_bytes, written_bytes;
    unsigned left_behind; /* processes that outlived the command and were ended */
};

struct keeper {
    pid_t pid;
    int from; /* the report comes here */
};

/* Start it. The caller must have no other threads. ERR_OUTSIDE: no process. */
int keeper_start(struct keeper *k, const struct keeper_request *r, struct err *e);

/* Wait at most `timeout_ms`. True: it is over, *report holds (start_errno is -1 when the keeper itself was
 * killed). */
bool keeper_wait(struct keeper *k, int timeout_ms, struct keeper_report *report);

/* Ask the run to end: SIGTERM, and SIGKILL for all that is left after the grace. Then keeper_wait. */
void keeper_stop(const struct keeper *k);

#endif
