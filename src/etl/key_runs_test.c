/* key_sort.h and key_runs.h against qsort. */
#include "base/random.h"
#include "etl/key_runs.h"
#include "etl/key_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static int compare(const void *a, const void *b) {
    return key_less(a, b) ? -1 : key_less(b, a);
}

/* `users` users of one partition (top bits 1), times ascending with `jitter`, ties among them. */
static struct key *make_keys(uint32_t n, uint32_t users, uint64_t jitter, struct rng *rng) {
    struct key *keys = malloc((n + 1) * sizeof *keys);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t user = rng_below(rng, users) * rng_below(rng, 2), mixed = random_mix64(user);
        keys[i] =
            (struct key){(mixed & ~(63ull << 58)) | 1ull << 58,
                         (i / 3 + (jitter ? rng_below(rng, jitter) : 0)) << 10, (uint32_t)(mixed * 31), i};
    }
    return keys;
}

static void check_sort(uint32_t n, uint32_t users, uint64_t jitter) {
    struct rng rng;
    rng_init(&rng, n, users);
    struct key *keys = make_keys(n, users, jitter, &rng), *expected = malloc((n + 1) * sizeof *expected),
               *out = malloc((n + 1) * sizeof *out);
    uint32_t *counters = malloc(KEY_SORT_COUNTERS * sizeof *counters);
    memcpy(expected, keys, n * sizeof *keys);
    qsort(expected, n, sizeof *expected, compare);
    key_sort(keys, out, n, 6, counters);
    assert_memory_equal(out, expected, n * sizeof *out);
    free(counters);
    free(keys);
    free(expected);
    free(out);
}

static void sorts_as_qsort_does(void **state) {
    (void)state;
    static const uint32_t sizes[] = {1, 2, 23, 24, 25, 100, 1000, 30000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_sort(sizes[i], 1, 0);
        check_sort(sizes[i], 1, 1000000);
        check_sort(sizes[i], 50, 100);
        check_sort(sizes[i], 100000, 1000000);
    }
}

struct seen {
    struct key *keys;
    uint32_t n;
    bool hold_back; /* leave the last tie, as sessionize does */
};

static int collect(void *ctx, const struct key *keys, uint32_t n, bool final, uint32_t *used, struct err *e) {
    (void)e;
    struct seen *s = ctx;
    *used = n;
    if (s->hold_back && !final)
        while (*used && keys[*used - 1].time_row == keys[n - 1].time_row) (*used)--;
    memcpy(s->keys + s->n, keys, *used * sizeof *keys);
    s->n += *used;
    return 0;
}

/* A partition handed over in full, sorted at once or as runs that are merged. */
static void check_runs(uint32_t n, uint32_t sort_records, bool hold_back) {
    struct err e;
    struct keys k = {.partition_bits = 6};
    struct spill_writer w;
    struct slabs slabs;
    slabs_init(&slabs);
    struct rng rng;
    struct threads_group group = {0};
    rng_init(&rng, n, sort_records);
    struct key *keys = make_keys(n, 40, 500, &rng);
    assert_int_equal(spill_init(&k.spill, sizeof(struct key), 16384, 64, &slabs, 100000, "/tmp", &e), 0);
    assert_int_equal(spill_writer_init(&w, &k.spill, &e), 0);
    for (uint32_t i = 0; i < n; i++) *(struct key *)spill_writer_slot(&w, 1, &e) = keys[i];
    assert_int_equal(spill_writer_end(&w, &e), 0);
    spill_writer_release(&w);
    qsort(keys, n, sizeof *keys, compare);
    struct seen seen = {.keys = malloc((n + 1) * sizeof *keys), .hold_back = hold_back};
    struct key_sorter sorter;
    assert_int_equal(key_sorter_init(&sorter, &k, sort_records, "/tmp", &e), 0);
    assert_int_equal(key_sorter_run(&sorter, 1, &group, collect, &seen, &e), 0);
    assert_int_equal(seen.n, n);
    assert_memory_equal(seen.keys, keys, n * sizeof *keys);
    key_sorter_release(&sorter);
    spill_release(&k.spill);
    slabs_release(&slabs);
    free(seen.keys);
    free(keys);
}

static void hands_over_in_order(void **state) {
    (void)state;
    check_runs(1, 0, false);
    check_runs(10000, 1 << 20, true);
    check_runs(200000, 1 << 20, true);
    check_runs(200000, 0, false);
    check_runs(200000, 0, true);
    check_runs(100001, 20000, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sorts_as_qsort_does),
                                       cmocka_unit_test(hands_over_in_order)};
    return cmocka_run_group_tests_name("key_runs", tests, NULL, NULL);
}
