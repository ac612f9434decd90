/* Progress on standard error: a bar on a terminal, nothing elsewhere. */
#ifndef WEIR_BASE_PROGRESS_H
#define WEIR_BASE_PROGRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool enabled;
    const char *label; /* what is being done; the caller's memory */
    uint64_t total;    /* bytes; 0: unknown */
    atomic_uint_fast64_t done;
    atomic_int_fast64_t next_ns; /* when to draw again */
    int64_t start_ns;
};

/* Begin a phase; enabled only where standard error is a terminal and `wanted`. */
void progress_start(struct progress *p, bool wanted, const char *label, uint64_t total);

/* Count `bytes` more; draws at most ten times a second. Any thread. */
void progress_add(struct progress *p, uint64_t bytes);

/* Erase the line. */
void progress_end(struct progress *p);

#endif
