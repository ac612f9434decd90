#include "base/slabs.h"

#include "base/hugepage.h"

#include <stdlib.h>

enum { BLOCK_BYTES = 2 << 20, SLABS_A_BLOCK = BLOCK_BYTES / SLAB_BYTES };

struct slab {
    struct slab *next;
};

struct slabs_block {
    struct slabs_block *next;
    unsigned char *memory;
};

void slabs_init(struct slabs *s) {
    *s = (struct slabs){0};
    pthread_mutex_init(&s->lock, NULL);
}

void slabs_release(struct slabs *s) {
    for (struct slabs_block *b = s->blocks, *next; b; b = next) {
        next = b->next;
        free(b->memory);
        free(b);
    }
    pthread_mutex_destroy(&s->lock);
    *s = (struct slabs){0};
}

static void add_block(struct slabs *s) {
    struct slabs_block *b = malloc(sizeof *b);
    if (!b) return;
    b->memory = aligned_alloc(BLOCK_BYTES, BLOCK_BYTES);
    if (!b->memory) {
        free(b);
        return;
    }
    hugepage_hint(b->memory, BLOCK_BYTES);
    b->next = s->blocks;
    s->blocks = b;
    for (int i = SLABS_A_BLOCK; i--;) {
        struct slab *slab = (void *)(b->memory + (size_t)i * SLAB_BYTES);
        slab->next = s->free;
        s->free = slab;
    }
}

void *slabs_take(struct slabs *s) {
    pthread_mutex_lock(&s->lock);
    if (!s->free) add_block(s);
    struct slab *slab = s->free;
    if (slab) s->free = slab->next;
    pthread_mutex_unlock(&s->lock);
    return slab;
}

void slabs_give(struct slabs *s, void *slab) {
    struct slab *free_slab = slab;
    pthread_mutex_lock(&s->lock);
    free_slab->next = s->free;
    s->free = free_slab;
    pthread_mutex_unlock(&s->lock);
}
