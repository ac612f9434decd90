#include "etl/spill.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Three writers, ten partitions, little memory: every record comes back once, in its partition. */
static void fill_and_check(uint64_t memory_limit) {
    enum { RECORDS = 10000, PARTITIONS = 10, WRITERS = 3 };
    struct err e;
    struct spill s;
    struct spill_writer w[WRITERS] = {0};
    struct slabs slabs;
    slabs_init(&slabs);
    assert_int_equal(spill_init(&s, 12, 1200, PARTITIONS, &slabs, memory_limit, "/tmp", &e), 0);
    assert_int_equal(s.page_records, 100);
    for (int i = 0; i < WRITERS; i++) assert_int_equal(spill_writer_init(&w[i], &s, &e), 0);
    for (uint32_t i = 0; i < RECORDS; i++) {
        uint32_t *slot = spill_writer_slot(&w[i % WRITERS], i * 7 % PARTITIONS, &e);
        assert_non_null(slot);
        slot[0] = i;
        slot[1] = i * 7 % PARTITIONS;
        slot[2] = ~i;
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(spill_writer_end(&w[i], &e), 0);
        spill_writer_release(&w[i]);
    }
    assert_true(s.memory_used <= memory_limit);
    assert_int_equal(s.fd >= 0, memory_limit < (uint64_t)RECORDS * 12);
    uint8_t *seen = calloc(RECORDS, 1);
    uint32_t page[300], total = 0;
    for (uint32_t p = 0; p < PARTITIONS; p++) {
        for (uint32_t i = 0; i < s.partitions[p].page_count; i++) {
            assert_int_equal(spill_read(&s, p, i, page, &e), 0);
            for (uint32_t r = 0; r < s.partitions[p].pages[i].records; r++, total++) {
                assert_int_equal(page[r * 3 + 1], p);
                assert_int_equal(page[r * 3 + 2], ~page[r * 3]);
                assert_int_equal(seen[page[r * 3]]++, 0);
            }
        }
    }
    assert_int_equal(total, RECORDS);
    free(seen);
    spill_release(&s);
    slabs_release(&slabs);
}

static void keeps_all_in_memory(void **state) {
    (void)state;
    fill_and_check(1 << 20);
}

static void keeps_all_in_a_file(void **state) {
    (void)state;
    fill_and_check(0);
}

static void keeps_some_of_each(void **state) {
    (void)state;
    fill_and_check(50000);
}

static void says_where_it_cannot_spill(void **state) {
    (void)state;
    struct err e;
    struct spill s;
    struct spill_writer w;
    assert_int_equal(spill_init(&s, 8, 8, 1, NULL, 0, "/nonexistent", &e), 0);
    assert_int_equal(spill_writer_init(&w, &s, &e), 0);
    assert_non_null(spill_writer_slot(&w, 0, &e));
    assert_null(spill_writer_slot(&w, 0, &e));
    assert_int_equal(e.code, ERR_OUTSIDE);
    assert_non_null(strstr(e.msg, "/nonexistent"));
    spill_writer_release(&w);
    spill_release(&s);
}

static void says_that_it_was_spilling(void **state) {
    (void)state;
    struct err e;
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(spill_pwrite(fd, "x", 1, 0, "/tmp", &e), ERR_OUTSIDE);
    assert_string_equal(e.msg,
                        "while spilling to a temporary file (see --tmp-dir): could not write \"/tmp\": "
                        "No space left on device");
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_all_in_memory),       cmocka_unit_test(keeps_all_in_a_file),
        cmocka_unit_test(keeps_some_of_each),        cmocka_unit_test(says_where_it_cannot_spill),
        cmocka_unit_test(says_that_it_was_spilling),
    };
    return cmocka_run_group_tests_name("spill", tests, NULL, NULL);
}
