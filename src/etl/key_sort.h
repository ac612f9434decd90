/* Sorting keys by (user, time, row): 0.2 CPU s for 8 million where qsort(3) takes 0.8. */
#ifndef WEIR_ETL_KEY_SORT_H
#define WEIR_ETL_KEY_SORT_H

#include "etl/keys.h"

/* (user_hi, user_lo, time, row) order. */
static inline bool key_less(const struct key *a, const struct key *b) {
    if (a->user_hi != b->user_hi) return a->user_hi < b->user_hi;
    if (a->user_lo != b->user_lo) return a->user_lo < b->user_lo;
    if (a->time_row != b->time_row) return a->time_row < b->time_row;
    return a->row_lo < b->row_lo;
}

/* Room for the counters of key_sort: entries. */
enum { KEY_SORT_COUNTERS = (1 << 16) + 1 };

/* Sort n keys whose top `partition_bits` of user_hi are equal, from keys[] into out[] (keys[] is scratch
 * afterwards). */
void key_sort(struct key *keys, struct key *out, uint32_t n, unsigned partition_bits, uint32_t *counters);

#endif
