/* Profilers that take samples of where the CPU time of a stack goes: perf (perf-record(1)) for native code,
 * py-spy for Python, the JDK's Flight Recorder (JEP 328) for the JVM. Which one a stack takes says its
 * stack.yaml. */
#ifndef WEIR_BENCH_PROFILER_H
#define WEIR_BENCH_PROFILER_H

#include "base/arena.h"

#include <limits.h>
#include <stdbool.h>

enum { PROFILER_ARGV_MAX = 24 };

struct profiler {
    const char *name;       /* as in stack.yaml */
    const char *code;       /* what it sees into */
    const char *how;        /* how to get it */
    const char *ends;       /* of its file's name: "data" */
    char program[PATH_MAX]; /* empty: it is not there */
};

/* All of them, one after the other, looked for in home/.venv/bin (home may be NULL) and on PATH. False: there
 * are no more. */
bool profiler_at(size_t i, const char *home, struct profiler *out);

/* By its name in stack.yaml. False: there is no such profiler. */
bool profiler_find(const char *name, const char *home, struct profiler *out);

/* The command that runs `./run job` under it and writes `file`; argv and env end with NULL, and are in
 * `arena`. */
int profiler_command(const struct profiler *p, const char *file, const char *job, struct arena *arena,
                     const char *argv[PROFILER_ARGV_MAX], const char *env[2], struct err *e);

/* The command that prints what `file` holds, as profiler_read wants it. False: the file is such text itself.
 */
bool profiler_print(const struct profiler *p, const char *file, const char *argv[PROFILER_ARGV_MAX]);

struct profile_function {
    const char *name;
    double percent; /* of all samples: in the function itself, not in what it calls */
};

/* The functions with the most samples, at most `cap`, from such a text. *samples 0: it holds none. */
int profiler_read(const struct profiler *p, const char *text_file, struct arena *arena,
                  struct profile_function *out, size_t cap, size_t *count, long long *samples, struct err *e);

#endif
