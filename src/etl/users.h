/* Every visitor's last event and session, for sessions made while the input is read once. Not thread-safe.
 *
 * Open addressing by the top bits of the hash: keys sorted by user meet the slots in order. */
#ifndef WEIR_ETL_USERS_H
#define WEIR_ETL_USERS_H

#include "base/err.h"

#include <stdint.h>

struct user_state {
    uint64_t user_hi; /* as in struct key */
    uint32_t user_lo;
    uint32_t seq; /* of the last event; 0: a free slot */
    int64_t last_us, start_us;
};

struct users {
    struct user_state *slots;
    unsigned bits; /* 1 << bits slots, and room to probe beyond the last */
    uint64_t count, memory_limit;
};

int users_init(struct users *u, uint64_t memory_limit, struct err *e);
void users_release(struct users *u);

static inline void users_prefetch(const struct users *u, uint64_t user_hi) {
    __builtin_prefetch(&u->slots[user_hi >> (64 - u->bits)], 1);
}

/* The user's state; of a new user zero but for the hash, to be filled. NULL: the memory limit is reached, or,
 * with *e filled, there is no memory. Valid until the next call. */
struct user_state *users_find(struct users *u, uint64_t user_hi, uint32_t user_lo, struct err *e);

#endif
