#include "etl/users.h"

#include "base/hugepage.h"

#include <stdlib.h>

/* PROBE_MAX: a slot is sought no farther than this from its place; with three quarters of the slots taken
 * runs are a few dozen long. */
enum { FIRST_BITS = 12, PROBE_MAX = 4096 };

static uint64_t slots_of(unsigned bits) {
    return ((uint64_t)1 << bits) + PROBE_MAX;
}

static struct user_state *slots_new(unsigned bits) {
    struct user_state *slots = calloc(slots_of(bits), sizeof *slots);
    if (slots) hugepage_hint(slots, slots_of(bits) * sizeof *slots);
    return slots;
}

int users_init(struct users *u, uint64_t memory_limit, struct err *e) {
    *u = (struct users){.bits = FIRST_BITS, .memory_limit = memory_limit};
    u->slots = slots_new(u->bits);
    return u->slots ? 0 : err_nomem(e);
}

void users_release(struct users *u) {
    free(u->slots);
    *u = (struct users){0};
}

/* Its slot or the free one where it belongs; NULL when neither is near. */
static struct user_state *seek(struct user_state *slots, unsigned bits, uint64_t hi, uint32_t lo) {
    struct user_state *s = &slots[hi >> (64 - bits)], *end = s + PROBE_MAX;
    for (; s < end; s++)
        if (!s->seq || (s->user_hi == hi && s->user_lo == lo)) return s;
    return NULL;
}

static int grow(struct users *u, struct err *e) {
    unsigned bits = u->bits + 1;
    if ((slots_of(bits) + slots_of(u->bits)) * sizeof *u->slots > u->memory_limit)
        return 0; /* while it grows */
    struct user_state *slots = slots_new(bits);
    if (!slots) return err_nomem(e);
    for (uint64_t i = 0; i < slots_of(u->bits); i++) {
        const struct user_state *from = &u->slots[i];
        if (!from->seq) continue;
        struct user_state *to = seek(slots, bits, from->user_hi, from->user_lo);
        if (!to) {
            free(slots);
            return 0;
        }
        *to = *from;
    }
    free(u->slots);
    u->slots = slots;
    u->bits = bits;
    return 0;
}

struct user_state *users_find(struct users *u, uint64_t user_hi, uint32_t user_lo, struct err *e) {
    struct user_state *s = seek(u->slots, u->bits, user_hi, user_lo);
    if (s && s->seq) return s;
    uint64_t limit = ((uint64_t)1 << u->bits) / 4 * 3;
    if (!s || u->count >= limit) {
        unsigned bits = u->bits;
        if (grow(u, e) || u->bits == bits) return NULL;
        s = seek(u->slots, u->bits, user_hi, user_lo);
        if (!s) return NULL;
    }
    u->count++;
    *s = (struct user_state){.user_hi = user_hi, .user_lo = user_lo};
    return s;
}
