/* What a chain of snapshots claims that the table holds. */
#include "bench/verify_tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

static json_t *snapshot(int id, int parent, const char *operation, const char *total) {
    json_t *s = json_pack("{s:i,s:{s:s,s:s}}", "snapshot-id", id, "summary", "operation", operation,
                          "total-records", total);
    if (parent) json_object_set_new(s, "parent-snapshot-id", json_integer(parent));
    return s;
}

static json_t *run(json_t *s, const char *run_id, const char *in, const char *out, const char *malformed) {
    json_t *more = json_pack("{s:s,s:s,s:s,s:s}", "weir.run-id", run_id, "weir.rows-in", in, "weir.rows-out",
                             out, "weir.rejected.malformed_row", malformed);
    json_object_update(json_object_get(s, "summary"), more);
    json_decref(more);
    return s;
}

/* The claim of the last of these snapshots. */
static struct verify_claim claim(struct arena *arena, size_t count, json_t **snapshots) {
    struct verify_table t = {.name = "t", .metadata = json_pack("{s:[]}", "snapshots")};
    for (size_t i = 0; i < count; i++)
        json_array_append_new(json_object_get(t.metadata, "snapshots"), snapshots[i]);
    t.snapshot = snapshots[count - 1];
    struct verify_claim c;
    struct err e = {0};
    assert_int_equal(verify_claimed(&t, arena, &c, &e), 0);
    verify_table_release(&t);
    return c;
}
#define CLAIM(...)                                                                                           \
    claim(&arena, sizeof(json_t *[]){__VA_ARGS__} / sizeof(json_t *), (json_t *[]){__VA_ARGS__})

static void test_sums(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    /* Appends add up, back to the overwrite. */
    struct verify_claim c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "9", "9", "0"),
                                  run(snapshot(2, 1, "overwrite", "5"), "b", "6", "5", "1"),
                                  run(snapshot(3, 2, "append", "8"), "c", "5", "3", "2"));
    assert_null(c.unknown);
    assert_null(c.unbalanced);
    assert_int_equal(c.runs, 2);
    assert_int_equal(c.rows_in, 11);
    assert_int_equal(c.rows_out, 8);
    assert_int_equal(c.rejected[0], 3);
    /* A compaction changes no rows. */
    c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "9", "9", "0"), snapshot(2, 1, "replace", "9"));
    assert_null(c.unknown);
    assert_int_equal(c.rows_out, 9);
    /* PyIceberg's overwrite: a delete of all, then an append, both with the run's ledger. */
    c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "9", "9", "0"),
              run(snapshot(2, 1, "delete", "0"), "b", "5", "5", "0"),
              run(snapshot(3, 2, "append", "5"), "b", "5", "5", "0"));
    assert_null(c.unknown);
    assert_int_equal(c.rows_out, 5);
    /* Rows in that went nowhere. */
    c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "10", "9", "0"),
              run(snapshot(2, 1, "append", "9"), "b", "0", "0", "0"));
    assert_non_null(c.unbalanced); /* text of the metadata, gone by now */
    arena_release(&arena);
}

static void test_unknown(void **state) {
    (void)state;
    struct arena arena;
    arena_init(&arena);
    struct verify_claim c = CLAIM(snapshot(1, 0, "append", "9"));
    assert_non_null(strstr(c.unknown, "snapshot 1 (append) carries no weir.*"));
    c = CLAIM(snapshot(1, 0, "append", "4"), run(snapshot(2, 1, "append", "9"), "a", "5", "5", "0"));
    assert_non_null(strstr(c.unknown, "snapshot 1 (append)"));
    c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "9", "9", "0"), snapshot(2, 1, "delete", "4"));
    assert_non_null(strstr(c.unknown, "snapshot 2 (delete)"));
    c = CLAIM(run(snapshot(2, 1, "append", "9"), "a", "5", "5", "0"));
    assert_non_null(strstr(c.unknown, "expired"));
    c = CLAIM(run(snapshot(2, 2, "append", "9"), "a", "5", "5", "0"));
    assert_non_null(strstr(c.unknown, "among its parents"));
    c = CLAIM(run(snapshot(1, 0, "append", "9"), "a", "5", "-5", "0"));
    assert_non_null(strstr(c.unknown, "carries no weir.rows-in"));
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sums), cmocka_unit_test(test_unknown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
