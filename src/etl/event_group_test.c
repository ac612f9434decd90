#include "etl/event_group.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char padded[2 * SLAB_BYTES] = {0};

/* Row i's page is so long that rows end at all places of a piece; a few are longer than a slab. */
static size_t page_bytes(uint32_t i) {
    return i % 97 == 96 ? SLAB_BYTES + 100 : i * 37 % 400;
}

static void add(struct event_group *g, uint32_t i) {
    struct err e;
    char id[SCAN_PADDING + 16] = {0}, page[2 * SLAB_BYTES];
    struct scan_keep_value keep[KEEP_MAX] = {{0}};
    snprintf(id, sizeof id, "e%u", i);
    memcpy(page, padded, sizeof page);
    memset(page, 'a' + (int)(i % 26), page_bytes(i));
    struct scan_row r = {.time_us = i, .keep = keep};
    r.field[COL_EVENT_ID] = str_of(id);
    r.field[COL_PAGE_URL] = (struct str){page, (uint32_t)page_bytes(i)};
    for (unsigned k = 0; k < g->pipeline->keep_count; k++) keep[k].i = (int64_t)i * 1000 + k;
    assert_int_equal(event_group_add(g, &r, 0, i + 1, &e), 0);
}

static void check(const struct event_group *g, uint32_t i, const struct event_row *row) {
    char id[16];
    struct scan_row r;
    struct scan_keep_value keep[KEEP_MAX];
    snprintf(id, sizeof id, "e%u", i);
    event_row_read(g->pipeline, row, &r, keep);
    assert_int_equal(r.time_us, i);
    assert_true(str_eq(r.field[COL_EVENT_ID], str_of(id)));
    assert_int_equal(r.field[COL_PAGE_URL].len, page_bytes(i));
    for (size_t at = 0; at < page_bytes(i); at++)
        assert_int_equal(r.field[COL_PAGE_URL].ptr[at], 'a' + (int)(i % 26));
    for (unsigned k = 0; k < g->pipeline->keep_count; k++) assert_int_equal(keep[k].i, (int64_t)i * 1000 + k);
}

/* As many rows as fill several slabs, whatever a row takes: each stays where it was put. */
static void rows_stay(unsigned keep_count) {
    enum { ROWS = 1300 };
    struct err e;
    struct pipeline p;
    struct slabs slabs;
    struct keep_column keep[KEEP_MAX];
    static const struct event_row *row[ROWS];
    assert_int_equal(pipeline_init(&p, &e), 0);
    for (unsigned k = 0; k < keep_count; k++) keep[k] = (struct keep_column){"n", KEEP_LONG};
    p.keep = keep;
    p.keep_count = keep_count;
    slabs_init(&slabs);
    struct event_group *g = event_group_new(&p, &slabs), *to = event_group_new(&p, &slabs);
    assert_true(g && to);
    for (int again = 0; again < 2; again++) { /* a cleared group is like a new one */
        for (uint32_t i = 0; i < ROWS; i++) {
            add(g, i);
            row[i] = event_group_row(g, i);
        }
        for (uint32_t i = 0; i < ROWS; i++) {
            assert_ptr_equal(event_group_row(g, i), row[i]);
            check(g, i, row[i]);
        }
        assert_true(event_group_memory(g) >= event_group_bytes(g));
        assert_int_equal(event_group_append(to, g, &e), 0);
        event_group_clear(g);
        assert_int_equal(event_group_memory(g), 0);
    }
    assert_int_equal(to->rows, 2 * ROWS);
    for (uint32_t i = 0; i < 2 * ROWS; i++) check(to, i % ROWS, event_group_row(to, i));
    event_group_free(g);
    event_group_free(to);
    slabs_release(&slabs);
    pipeline_release(&p);
}

static void test_rows_stay(void **state) {
    (void)state;
    rows_stay(0);
}

static void test_long_rows_stay(void **state) {
    (void)state;
    rows_stay(KEEP_MAX);
}

/* Thousands of days may each have a few rows. */
static void test_few_rows_take_little(void **state) {
    (void)state;
    struct err e;
    struct pipeline p;
    struct slabs slabs;
    assert_int_equal(pipeline_init(&p, &e), 0);
    slabs_init(&slabs);
    struct event_group *g = event_group_new(&p, &slabs);
    assert_non_null(g);
    assert_int_equal(event_group_memory(g), 0);
    for (uint32_t i = 0; i < 90; i++) {
        add(g, i);
        assert_in_range(event_group_memory(g), event_group_bytes(g), 2 * event_group_bytes(g) + 2000);
    }
    event_group_free(g);
    slabs_release(&slabs);
    pipeline_release(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_stay),
        cmocka_unit_test(test_long_rows_stay),
        cmocka_unit_test(test_few_rows_take_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
