/* How long runs of a stack took on this machine, kept from one benchmark to the next, so that it can be said
 * beforehand how long the next one will take. A help for planning; no result depends on it. */
#ifndef WEIR_BENCH_PACE_H
#define WEIR_BENCH_PACE_H

#include "bench/plan.h"

#include <limits.h>

struct pace {
    char path[PATH_MAX];
    json_t *known; /* stack → case without its data → [[bytes, seconds], …], ascending */
};

/* Read what is kept in the folder `root`, as pace.json. None yet, or one that cannot be read: nothing is
 * known. Release it. */
void pace_open(struct pace *p, const char *root);
void pace_release(struct pace *p);

/* Bytes of the data as if it were CSV; `own` bytes of one's own files, else 0. */
double pace_bytes(const struct plan_data *d, uint64_t own);

/* Remember a run over so many bytes, checking and preparing included. */
void pace_add(struct pace *p, const char *stack, const struct plan_case *c, const char *format, double bytes,
              double seconds);

enum pace_source { PACE_GUESS, PACE_LIKE, PACE_SAME };

/* Seconds for one run: as the same one took, else as the stack's most similar runs did, else a rough guess by
 * size. */
double pace_of(const struct pace *p, const char *stack, const struct plan_case *c, const char *format,
               double bytes, enum pace_source *source);

/* Write it down. Failing to is no failure of the benchmark. */
void pace_keep(const struct pace *p);

#endif
