/* Memory in equal pieces that many growing things share: what one gives back, another takes, and nothing is
 * moved when it grows. Any thread. Owns the memory; it goes back to the system at the end only. */
#ifndef WEIR_BASE_SLABS_H
#define WEIR_BASE_SLABS_H

#include <pthread.h>
#include <stddef.h>

enum { SLAB_BYTES = 32 << 10 };

struct slab; /* a free one */
struct slabs_block;

struct slabs {
    pthread_mutex_t lock;
    struct slab *free;
    struct slabs_block *blocks;
};

void slabs_init(struct slabs *s);
void slabs_release(struct slabs *s);

/* SLAB_BYTES aligned to 64 bytes, not cleared; NULL: out of memory. */
void *slabs_take(struct slabs *s);
void slabs_give(struct slabs *s, void *slab);

#endif
