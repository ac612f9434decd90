#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *next;
    size_t cap;
    _Alignas(16) uint8_t data[];
};

enum { FIRST_BLOCK = 4096, LARGEST_STEP = 1 << 20 };

void arena_init(struct arena *a) {
    *a = (struct arena){0};
}

void arena_release(struct arena *a) {
    for (struct arena_block *b = a->first, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    arena_init(a);
}

void arena_clear(struct arena *a) {
    if (a->first && a->first->next) { /* next time one block holds it all */
        size_t bytes = a->bytes;
        arena_release(a);
        a->first_block = bytes;
    }
    a->current = a->first;
    a->used = 0;
}

void *arena_alloc(struct arena *a, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size = size ? (size + 15) & ~(size_t)15 : 16;
    if (!a->current || size > a->current->cap - a->used) {
        size_t cap = a->current ? a->current->cap * 2 : FIRST_BLOCK;
        if (cap > LARGEST_STEP) cap = LARGEST_STEP;
        if (!a->current && a->first_block > cap) cap = a->first_block;
        if (cap < size) cap = size;
        struct arena_block *b = malloc(sizeof *b + cap);
        if (!b) return NULL;
        b->next = NULL;
        b->cap = cap;
        if (a->current)
            a->current->next = b;
        else
            a->first = b;
        a->current = b;
        a->used = 0;
        a->bytes += cap;
    }
    void *p = a->current->data + a->used;
    a->used += size;
    return p;
}

void *arena_zalloc(struct arena *a, size_t size) {
    void *p = arena_alloc(a, size);
    if (p) memset(p, 0, size);
    return p;
}

char *arena_copy(struct arena *a, const void *data, size_t len) {
    char *p = arena_alloc(a, len + 1);
    if (!p) return NULL;
    if (len) memcpy(p, data, len);
    p[len] = 0;
    return p;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) {
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p) vsnprintf(p, (size_t)n + 1, fmt, again);
    va_end(again);
    return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *p = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return p;
}
