#include "etl/results.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ROWS = 400000 };

static int64_t time_of(uint64_t row) {
    return (int64_t)row * 1000003 - 5000000;
}

/* Rows put in a scattered order, every 13th never, some with sessions too long to pack. */
static void round_trip(uint64_t memory_limit) {
    struct err e;
    struct results r;
    struct results_writer w = {0};
    struct results_reader rd;
    assert_int_equal(results_init(&r, ROWS, memory_limit, "/tmp", &e), 0);
    assert_int_equal(r.memory != NULL, memory_limit >= ROWS * 8);
    assert_int_equal(results_writer_init(&w, &r, &e), 0);
    for (uint64_t i = 0; i < ROWS; i++) {
        uint64_t row = i * 7919 % ROWS, packed;
        if (row % 13 == 0) continue;
        int64_t start = time_of(row) - (row % 1001 == 0 ? (int64_t)1 << 41 : (int64_t)row);
        uint32_t seq = row % 997 == 0 ? INT32_MAX : (uint32_t)row + 1;
        assert_int_equal(results_pack(&r, time_of(row), start, seq, &packed, &e), 0);
        assert_int_not_equal(packed, 0);
        assert_int_equal(results_put(&w, row, packed, &e), 0);
    }
    assert_int_equal(results_writer_end(&w, &e), 0);
    results_writer_release(&w);
    assert_int_equal(results_reader_init(&rd, &r, &e), 0);
    const uint64_t *values = NULL;
    uint64_t have = 0;
    for (uint64_t row = 0; row < ROWS; row++) {
        if (!have) assert_int_equal(results_read(&rd, row, &values, &have, &e), 0);
        uint64_t packed = *values++;
        have--;
        assert_int_equal(packed == 0, row % 13 == 0);
        if (!packed) continue;
        int64_t start;
        uint32_t seq;
        results_unpack(&r, packed, time_of(row), &start, &seq);
        assert_int_equal(start, time_of(row) - (row % 1001 == 0 ? (int64_t)1 << 41 : (int64_t)row));
        assert_int_equal(seq, row % 997 == 0 ? INT32_MAX : (uint32_t)row + 1);
    }
    results_reader_release(&rd);
    results_release(&r);
}

static void in_memory(void **state) {
    (void)state;
    round_trip(ROWS * 8);
}

static void spilled(void **state) {
    (void)state;
    round_trip(ROWS);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_memory), cmocka_unit_test(spilled)};
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
