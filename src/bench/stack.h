/* Stacks: folders that keep the stack contract (docs/stacks.md), found by name and run as child processes.
 * Nothing here knows any engine. */
#ifndef WEIR_BENCH_STACK_H
#define WEIR_BENCH_STACK_H

#include "base/arena.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

enum { STACK_LIST_MAX = 32 };

/* What stack.yaml says. All memory is in `arena`. */
struct stack {
    struct arena arena;
    char dir[PATH_MAX]; /* absolute */
    const char *folder; /* its last part: name, but for variants */
    const char *name, *title, *url, *made_by, *colour;
    const char *profiler;  /* perf, py-spy or jfr; NULL: none */
    const char **versions; /* a command and its arguments, NULL at the end; NULL: none given */
    const char *backends[STACK_LIST_MAX + 1], *features[STACK_LIST_MAX + 1]; /* NULL at the end */
    const char *variants[STACK_LIST_MAX + 1];                                /* their names */
    /* Of a variant: "NAME=value" to set for its programs, NULL at the end; what its results must be read
     * with. */
    const char *env[STACK_LIST_MAX + 1], *note;
};

/* Read <root>/<name>/stack.yaml, or the stack of which `name` is a variant. No such folder or variant,
 * unknown keys, wrong types, a name that is not the folder's: ERR_INPUT. Release it in any case. */
int stack_read(struct stack *s, const char *root, const char *name, struct err *e);
bool stack_has_feature(const struct stack *s, const char *name);
void stack_release(struct stack *s);

/* The names of the folders of `root` that hold a stack.yaml, sorted, in `arena`. */
int stack_names(const char *root, struct arena *arena, const char ***names, size_t *count, struct err *e);

/* How a child process ended. */
struct stack_exit {
    int code;     /* exit code, or -1 when a signal ended it */
    int signal;   /* that signal, else 0 */
    long peak_kb; /* ru_maxrss of its largest process */
};

/* Run argv[0] (a path; relative to the stack's folder) in that folder, its own process group, standard input
 * empty, its output on our standard error, or collected in *out when that is not NULL (64 KiB at most;
 * NUL-terminated, in `arena`). SIGINT and SIGTERM are passed on as SIGTERM; after ten seconds it is killed,
 * and ERR_INTERRUPTED returned. A command that cannot be started: ERR_OUTSIDE. `watch` is called some times a
 * second meanwhile; NULL: nobody watches. */
struct stack_watch {
    void (*look)(void *ctx);
    void *ctx;
};
int stack_spawn(const struct stack *s, const char *const *argv, const struct stack_watch *watch,
                struct arena *arena, const char **out, struct stack_exit *end, struct err *e);

/* Descriptors for a child's streams; -1: nothing to read, our standard error for the other two. */
struct stack_streams {
    int in, out, err;
};

/* The same without waiting: the caller reaps it. Its process group is its own pid. */
int stack_start(const struct stack *s, const char *const *argv, const struct stack_streams *to, pid_t *pid,
                struct err *e);

/* What its `versions` command prints, a JSON object, into *found (the caller's to json_decref); or NULL
 * there, and the reason in *why. Only an interrupt is an error. */
int stack_versions(struct stack *s, json_t **found, const char **why, struct err *e);

#endif
