/* What this machine lets a benchmark measure, what not, why, and what to do about it. */
#ifndef WEIR_BENCH_DOCTOR_H
#define WEIR_BENCH_DOCTOR_H

#include "bench/runner.h"

/* {"name", "ok", "what", "why", "do"} in a list: each thing tried, not guessed. `home`, `stacks_root`, `mmdb`
 * may be NULL: not found. NULL: out of memory. */
json_t *doctor_look(const struct runner *r, const char *home, const char *stacks_root, const char *mmdb);

/* End processes and remove control groups that killed benchmarks have left; those of benchmarks that run are
 * left alone. Returns how many groups. */
unsigned doctor_clean(const struct runner *r);

#endif
