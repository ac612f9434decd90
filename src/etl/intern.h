/* Interning: distinct strings (or pairs of numbers) numbered from 0 in order of first appearance; a row
 * group's dictionaries. */
#ifndef WEIR_ETL_INTERN_H
#define WEIR_ETL_INTERN_H

#include "base/buf.h"

struct intern_entry {
    uint64_t offset; /* in bytes; for pairs: the first number */
    uint64_t extra;  /* for pairs: the second number */
    uint32_t len, hash;
};

/* Owns copies of the strings. All zero bytes: empty. */
struct intern {
    uint32_t *slots;     /* entry + 1; 0: free */
    uint32_t slot_count; /* a power of 2 */
    struct intern_entry *entries;
    uint32_t count, cap;
    struct buf bytes;
};

void intern_release(struct intern *t);

/* Forget all entries, keep the memory. */
void intern_clear(struct intern *t);

/* The number of a string that is not null; UINT32_MAX with *e filled when out of memory. */
uint32_t intern_str(struct intern *t, struct str s, struct err *e);

/* The numbers of n ≤ INTERN_BLOCK strings, UINT32_MAX for null. Together they wait for memory once, not each
 * for itself: 5 % of a shuffled run. */
enum { INTERN_BLOCK = 32 };
int intern_strs(struct intern *t, const struct str *s, uint32_t n, uint32_t *numbers, struct err *e);

/* The number of a pair. */
uint32_t intern_pair(struct intern *t, uint64_t a, uint64_t b, struct err *e);

/* The string of a number; valid until the next intern_str. */
static inline struct str intern_get(const struct intern *t, uint32_t i) {
    return (struct str){(const char *)t->bytes.data + t->entries[i].offset, t->entries[i].len};
}

/* Are n bytes equal? memcmp(3) costs a call; most strings here are short. */
static inline bool intern_equal(const void *a, const void *b, uint32_t n) {
    uint64_t x[2], y[2];
    if (n < 8 || n > 16) return memcmp(a, b, n) == 0;
    memcpy(&x[0], a, 8);
    memcpy(&y[0], b, 8);
    memcpy(&x[1], (const uint8_t *)a + n - 8, 8);
    memcpy(&y[1], (const uint8_t *)b + n - 8, 8);
    return x[0] == y[0] && x[1] == y[1];
}

/* Is it the string of this number? */
static inline bool intern_is(const struct intern *t, uint32_t i, struct str s) {
    struct str own = intern_get(t, i);
    return own.len == s.len && intern_equal(own.ptr, s.ptr, s.len);
}

#endif
