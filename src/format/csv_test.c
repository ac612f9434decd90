#include "format/csv.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static size_t fill(struct rng *r, uint8_t *data, size_t max) {
    static const char common[] = "abc,\"\n\r;,,\n\n\r\r\"\t\xc3\xa9";
    size_t len = rng_below(r, max);
    uint64_t kind = rng_below(r, 5), density = 1 + rng_below(r, 20);
    for (size_t i = 0; i < len; i++) {
        if (kind == 0)
            data[i] = (uint8_t)rng_next(r);
        else if (kind == 1)
            data[i] = ",\n\"\r"[rng_below(r, 4)];
        else
            data[i] = rng_below(r, density) ? 'x' : (uint8_t)common[rng_below(r, sizeof common - 1)];
    }
    return len;
}

static void every_kernel_indexes_as_the_portable_one(void **state) {
    (void)state;
    const struct csv_kernels *all[4];
    unsigned n = csv_kernels_all(all);
    struct rng r;
    rng_init(&r, 10, 0);
    enum { MAX = 3000 };
    uint32_t *expected = malloc((MAX + CSV_BLOCK) * 4), *out = malloc((MAX + CSV_BLOCK) * 4);
    for (int i = 0; i < 20000; i++) {
        uint8_t data[MAX];
        size_t len = fill(&r, data, i % 8 ? 300 : MAX);
        /* Exact memory but for what the contract grants, which holds what must not be seen. */
        size_t granted = (len + CSV_BLOCK - 1) / CSV_BLOCK * CSV_BLOCK;
        uint8_t *exact = malloc(granted + 1);
        memset(exact, i % 2 ? '\n' : 0xff, granted);
        memcpy(exact, data, len);
        char delimiter = ",;\t|\""[rng_below(&r, 5)];
        /* By the definition. */
        size_t count = 0;
        bool high = false;
        for (size_t k = 0; k < len; k++) {
            high |= data[k] > 127;
            if (data[k] == '\n' || data[k] == '"' || data[k] == (uint8_t)delimiter)
                expected[count++] = (uint32_t)k | (data[k] == '\n' ? CSV_LF : data[k] == '"' ? CSV_QUOTE : 0);
        }
        for (unsigned k = 0; k < n; k++) {
            struct csv_index_result got = all[k]->index(exact, len, delimiter, out);
            if (got.count != count || got.high_bits != high || memcmp(out, expected, count * 4))
                fail_msg("%s differs on %zu bytes", all[k]->name, len);
        }
        free(exact);
    }
    free(expected);
    free(out);
}

static uint64_t count_naively(const uint8_t *d, size_t len) {
    uint64_t n = 0;
    for (size_t from = 0; from < len;) {
        size_t to = from;
        while (to < len && d[to] != '\n') to++;
        size_t end = to > from && d[to - 1] == '\r' ? to - 1 : to;
        n += end > from;
        from = to + 1;
    }
    return n;
}

static void clause_1_2_every_kernel_counts_lines(void **state) {
    (void)state;
    const struct csv_kernels *all[4];
    unsigned n = csv_kernels_all(all);
    struct rng r;
    rng_init(&r, 11, 0);
    for (int i = 0; i < 20000; i++) {
        uint8_t data[3000];
        size_t len = fill(&r, data, i % 8 ? 40 : sizeof data);
        uint8_t *exact = malloc(len ? len : 1);
        memcpy(exact, data, len);
        uint64_t expected = count_naively(data, len);
        for (unsigned k = 0; k < n; k++)
            if (all[k]->count_lines(exact, len) != expected)
                fail_msg("%s differs on %zu bytes", all[k]->name, len);
        free(exact);
    }
    /* More than any narrow counter inside holds. */
    enum { MANY = 400000 };
    uint8_t *many = malloc(MANY);
    for (size_t i = 0; i < MANY; i++) many[i] = i % 2 ? '\n' : 'x';
    for (unsigned k = 0; k < n; k++) assert_int_equal(all[k]->count_lines(many, MANY), MANY / 2);
    free(many);
}

static void the_environment_forces_a_kernel(void **state) {
    (void)state;
    const struct csv_kernels *all[4];
    unsigned n = csv_kernels_all(all);
    assert_string_equal(all[0]->name, "portable");
    for (unsigned k = 0; k < n; k++) {
        setenv("WEIR_SIMD", all[k]->name, 1);
        assert_ptr_equal(csv_kernels(), all[k]);
    }
    setenv("WEIR_SIMD", "no such thing", 1);
    assert_ptr_equal(csv_kernels(), all[0]);
    unsetenv("WEIR_SIMD");
    assert_ptr_equal(csv_kernels(), all[n - 1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kernel_indexes_as_the_portable_one),
        cmocka_unit_test(clause_1_2_every_kernel_counts_lines),
        cmocka_unit_test(the_environment_forces_a_kernel),
    };
    return cmocka_run_group_tests_name("csv", tests, NULL, NULL);
}
