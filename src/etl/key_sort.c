#include "etl/key_sort.h"

#include <stdlib.h>

enum { SMALL = 24 };

static void insertion_sort(struct key *a, uint32_t n) {
    for (uint32_t i = 1; i < n; i++) {
        if (!key_less(&a[i], &a[i - 1])) continue;
        struct key x = a[i];
        uint32_t j = i;
        do {
            a[j] = a[j - 1];
            j--;
        } while (j && key_less(&x, &a[j - 1]));
        a[j] = x;
    }
}

static uint32_t run_end(const struct key *a, uint32_t i, uint32_t n) {
    for (i++; i < n && !key_less(&a[i], &a[i - 1]);) i++;
    return i;
}

static void merge(const struct key *a, const struct key *a_end, const struct key *b, const struct key *b_end,
                  struct key *out) {
    while (a < a_end && b < b_end) {
        bool take_b = key_less(b, a);
        *out++ = *(take_b ? b : a);
        b += take_b;
        a += !take_b;
    }
    while (a < a_end) *out++ = *a++;
    while (b < b_end) *out++ = *b++;
}

/* Natural merge sort: a user's keys come in few ascending runs when the log is time-ordered. Insertion sort
 * makes runs of at least SMALL first, so that shuffled input costs no more than a plain merge sort. */
static void merge_sort(struct key *a, struct key *scratch, uint32_t n) {
    for (uint32_t i = 0; i < n;) {
        uint32_t end = run_end(a, i, n);
        if (end - i < SMALL && end < n) {
            end = n - i < SMALL ? n : i + SMALL;
            insertion_sort(a + i, end - i);
        }
        i = end;
    }
    struct key *from = a, *to = scratch;
    for (;;) {
        uint32_t runs = 0;
        for (uint32_t i = 0; i < n; runs++) {
            uint32_t mid = run_end(from, i, n), end = mid < n ? run_end(from, mid, n) : n;
            merge(from + i, from + mid, from + mid, from + end, to + i);
            i = end;
        }
        struct key *swap = from;
        from = to;
        to = swap;
        if (runs <= 1) break;
    }
    if (from != a) memcpy(a, from, n * sizeof *a);
}

void key_sort(struct key *keys, struct key *out, uint32_t n, unsigned partition_bits, uint32_t *counters) {
    unsigned bits = 1;
    while (bits < 16 && n >> (bits + 2)) bits++;
    uint32_t buckets = 1u << bits;
    memset(counters, 0, (buckets + 1) * sizeof *counters);
    for (uint32_t i = 0; i < n; i++) counters[(keys[i].user_hi << partition_bits >> (64 - bits)) + 1]++;
    for (uint32_t b = 0; b < buckets; b++) counters[b + 1] += counters[b];
    for (uint32_t i = 0; i < n; i++)
        out[counters[keys[i].user_hi << partition_bits >> (64 - bits)]++] = keys[i];
    /* counters[b] is now the end of bucket b; keys[] is free as scratch. */
    for (uint32_t b = 0, begin = 0; b < buckets; b++) {
        uint32_t count = counters[b] - begin;
        if (count > SMALL)
            merge_sort(out + begin, keys, count);
        else if (count > 1)
            insertion_sort(out + begin, count);
        begin = counters[b];
    }
}
