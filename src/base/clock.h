/* Clocks, in nanoseconds. */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_REALTIME, nanoseconds since 1970 (contract: `t_ns`). */
int64_t clock_real_ns(void);

/* CLOCK_MONOTONIC, nanoseconds; for durations. */
int64_t clock_mono_ns(void);

#endif
