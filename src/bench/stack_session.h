/* Many jobs for one stack: by its `serve` where it has one, so that the engine starts once, else by one `run`
 * each (docs/stacks.md). */
#ifndef WEIR_BENCH_STACK_SESSION_H
#define WEIR_BENCH_STACK_SESSION_H

#include "bench/stack.h"

struct stack_session;

/* How a job ended. */
struct stack_answer {
    int code;            /* its exit code; -1: a signal, too long, or `serve` ended under it */
    const char *message; /* what it said on standard error, at most a few KiB, in the caller's arena */
};

/* Starts nothing yet. What the stack prints is kept in an unnamed file in tmp_dir. The stack must outlive it.
 */
int stack_session_open(const struct stack *s, const char *tmp_dir, struct stack_session **out, struct err *e);

/* Whether jobs go to `serve`. */
bool stack_session_serves(const struct stack_session *s);

/* Run one JOB.json; a job that takes longer than `seconds` is stopped. Fails only when nothing can be run, or
 * with ERR_INTERRUPTED. */
int stack_session_run(struct stack_session *s, const char *job, unsigned seconds, struct arena *arena,
                      struct stack_answer *out, struct err *e);

/* Ends `serve` by closing its input; after ten seconds by signal. May be NULL. */
void stack_session_close(struct stack_session *s);

#endif
