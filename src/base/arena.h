/* An arena: allocations that share one lifetime and are freed together. Not thread-safe. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include "base/err.h"
#include "base/str.h"

#include <stdarg.h>

struct arena_block;

struct arena {
    struct arena_block *first, *current;
    size_t used;        /* within the current block */
    size_t bytes;       /* reserved from malloc in all */
    size_t first_block; /* bytes to reserve first: what was in use before the last clear */
};

/* An empty arena; allocates nothing. */
void arena_init(struct arena *a);
void arena_release(struct arena *a);

/* Forget all allocations; the next ones get as much memory again in one block. */
void arena_clear(struct arena *a);

/* `size` bytes aligned to 16, uninitialised; NULL when out of memory. `size` 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t size);

/* The same, zeroed. */
void *arena_zalloc(struct arena *a, size_t size);

/* A copy of len bytes followed by a NUL; NULL when out of memory. */
char *arena_copy(struct arena *a, const void *data, size_t len);

/* Formatted text; NULL when out of memory. */
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

#endif
