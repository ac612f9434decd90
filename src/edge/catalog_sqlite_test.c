#include "base/files.h"
#include "edge/catalog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

struct fixture {
    char dir[64], path[128], uri[160];
};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "/tmp/weir-catalog-XXXXXX");
    if (!f || !mkdtemp(f->dir)) return -1;
    snprintf(f->path, sizeof f->path, "%s/sub/catalog.db", f->dir);
    snprintf(f->uri, sizeof f->uri, "sqlite://%s", f->path);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    char command[160];
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    int rc = system(command);
    free(f);
    return rc;
}

static struct catalog *open_catalog(struct fixture *f, const char *name) {
    struct catalog *c = NULL;
    struct err e = {0};
    if (catalog_open(f->uri, name, true, &c, &e)) fail_msg("%s", e.msg);
    return c;
}

static void run_sql(const char *path, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* The first column of the first row, as text. */
static void expect_sql(const char *path, const char *sql, const char *expected) {
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(s, 0), expected);
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static void expect_location(struct catalog *c, const char *table, const char *expected) {
    struct err e;
    char *location = NULL;
    assert_int_equal(catalog_find(c, "web", table, &location, &e), 0);
    if (expected)
        assert_string_equal(location, expected);
    else
        assert_null(location);
    free(location);
}

static enum catalog_outcome swap(struct catalog *c, const char *table, const char *old, const char *next) {
    struct err e = {0};
    enum catalog_outcome outcome;
    if (catalog_swap(c, "web", table, old, next, &outcome, &e)) fail_msg("%s", e.msg);
    return outcome;
}

static void test_swap(void **state) {
    struct fixture *f = *state;
    struct catalog *c = open_catalog(f, "weir");
    expect_location(c, "t", NULL);
    assert_int_equal(swap(c, "t", "none", "a"), CATALOG_LOST);
    assert_int_equal(swap(c, "t", NULL, "a"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", NULL, "b"), CATALOG_LOST); /* someone else made it */
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", "a", "c"), CATALOG_LOST);
    expect_location(c, "t", "b");
    expect_sql(f->path, "SELECT previous_metadata_location || iceberg_type FROM iceberg_tables", "aTABLE");
    expect_sql(f->path,
               "SELECT namespace || property_key || property_value FROM iceberg_namespace_properties",
               "webexiststrue");
    expect_sql(f->path, "PRAGMA journal_mode", "delete");

    struct catalog *other = open_catalog(f, "other"); /* another catalog in the same file */
    expect_location(other, "t", NULL);
    assert_int_equal(swap(other, "t", NULL, "z"), CATALOG_SWAPPED);
    expect_location(c, "t", "b");
    catalog_close(other);
    catalog_close(c);
}

static const char v0[] =
    "CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
    "table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), previous_metadata_location "
    "VARCHAR(1000), PRIMARY KEY (catalog_name, table_namespace, table_name));"
    "CREATE TABLE iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) "
    "NOT "
    "NULL, property_key VARCHAR(255), property_value VARCHAR(1000), PRIMARY KEY (catalog_name, namespace, "
    "property_key));";

/* Iceberg Java's older form, then the column added by another writer while we are connected. */
static void test_v0(void **state) {
    struct fixture *f = *state;
    struct err e = {0};
    char dir[80];
    snprintf(dir, sizeof dir, "%s/sub", f->dir);
    assert_int_equal(file_make_dirs(dir, &e), 0);
    run_sql(f->path, v0);
    struct catalog *c = open_catalog(f, "weir");
    assert_int_equal(swap(c, "t", NULL, "a"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    run_sql(f->path, "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)");
    expect_location(c, "t", "b");
    assert_int_equal(swap(c, "t", "b", "c"), CATALOG_SWAPPED); /* its type is NULL */
    assert_int_equal(swap(c, "u", NULL, "u1"), CATALOG_SWAPPED);
    expect_sql(f->path, "SELECT iceberg_type FROM iceberg_tables WHERE table_name = 'u'", "TABLE");
    run_sql(f->path, "UPDATE iceberg_tables SET iceberg_type = 'VIEW' WHERE table_name = 'u'");
    char *location = NULL;
    assert_int_equal(catalog_find(c, "web", "u", &location, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "web.u is a VIEW"));
    assert_int_equal(swap(c, "u", "u1", "u2"), CATALOG_LOST);
    catalog_close(c);
}

static int count_row(void *ctx, const char *namespace_name, const char *table, const char *location,
                     struct err *e) {
    (void)e;
    char *seen = ctx;
    sprintf(seen + strlen(seen), "%s.%s=%s ", namespace_name, table, location);
    return 0;
}

static void test_list(void **state) {
    struct fixture *f = *state;
    struct catalog *c = open_catalog(f, "weir"), *other = open_catalog(f, "other");
    struct err e;
    char seen[200] = "", *location = NULL;
    swap(c, "b", NULL, "1");
    swap(c, "a", NULL, "2");
    swap(other, "c", NULL, "3");
    run_sql(f->path, "UPDATE iceberg_tables SET iceberg_type = NULL WHERE table_name = 'a'");
    assert_int_equal(catalog_list(c, false, count_row, seen, &e), 0);
    assert_string_equal(seen, "web.a=2 web.b=1 ");
    *seen = 0;
    assert_int_equal(catalog_list(c, true, count_row, seen, &e), 0);
    assert_string_equal(seen, "web.a=2 web.b=1 web.c=3 ");
    assert_int_equal(catalog_namespace_location(c, "web", &location, &e), 0);
    assert_null(location);
    run_sql(f->path,
            "INSERT INTO iceberg_namespace_properties VALUES ('weir', 'web', 'location', 'file:/x')");
    assert_int_equal(catalog_namespace_location(c, "web", &location, &e), 0);
    assert_string_equal(location, "file:/x");
    free(location);
    catalog_close(c);
    catalog_close(other);
}

static void test_open_errors(void **state) {
    struct fixture *f = *state;
    struct catalog *c;
    struct err e = {0};
    char uri[200];
    assert_int_equal(catalog_open(f->uri, "weir", false, &c, &e), ERR_INPUT);
    assert_int_equal(catalog_open("postgres://x", "weir", true, &c, &e), ERR_INPUT);
    assert_int_equal(catalog_open("sqlite:relative.db", "weir", true, &c, &e), ERR_INPUT);
    snprintf(uri, sizeof uri, "sqlite://%s/garbage.db", f->dir);
    assert_int_equal(file_replace(uri + 9, "this is no database, by no means at all.", 40, &e), 0);
    assert_int_equal(catalog_open(uri, "weir", true, &c, &e), ERR_INPUT);
    snprintf(uri, sizeof uri, "sqlite://%s/empty.db", f->dir);
    run_sql(uri + 9, "CREATE TABLE t (x)");
    assert_int_equal(catalog_open(uri, "weir", false, &c, &e), ERR_INPUT);
    snprintf(uri, sizeof uri, "sqlite://%s/cut.db", f->dir); /* its making was cut off: no tables yet */
    assert_int_equal(file_replace(uri + 9, "", 0, &e), 0);
    assert_int_equal(catalog_open(uri, "weir", false, &c, &e), 0);
    expect_location(c, "t", NULL);
    catalog_close(c);
    snprintf(uri, sizeof uri, "sqlite:///%s/sub/ok.db", f->dir); /* SQLAlchemy's four slashes */
    assert_int_equal(catalog_open(uri, "weir", true, &c, &e), 0);
    catalog_close(c);
}

/* A lock held by another is CATALOG_BUSY for the swap, an error for reading, and changes nothing. */
static void test_locked(void **state) {
    struct fixture *f = *state;
    struct catalog *c = open_catalog(f, "weir");
    struct err e;
    enum catalog_outcome outcome;
    sqlite3 *db;
    char *location;
    swap(c, "t", NULL, "a");
    assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(catalog_swap(c, "web", "t", "a", "b", &outcome, &e), 0);
    assert_int_equal(outcome, CATALOG_BUSY);
    assert_int_equal(catalog_find(c, "web", "t", &location, &e), ERR_OUTSIDE);
    assert_non_null(strstr(e.msg, "locked by another process"));
    sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(db);
    expect_location(c, "t", "a");
    catalog_close(c);
}

/* Of many writers that swap from the same state, one wins each time. */
static void test_race(void **state) {
    struct fixture *f = *state;
    enum { WRITERS = 4, ROUNDS = 30 };
    struct catalog *c = open_catalog(f, "weir");
    swap(c, "t", NULL, "0");
    catalog_close(c);
    pid_t children[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        children[w] = fork();
        if (children[w] == 0) {
            struct err e;
            enum catalog_outcome outcome;
            if (catalog_open(f->uri, "weir", true, &c, &e)) _exit(1);
            for (int won = 0; won < ROUNDS;) {
                char *old, next[32];
                if (catalog_find(c, "web", "t", &old, &e)) _exit(2);
                snprintf(next, sizeof next, "%d", atoi(old) + 1);
                if (catalog_swap(c, "web", "t", old, next, &outcome, &e)) _exit(3);
                won += outcome == CATALOG_SWAPPED;
                free(old);
            }
            catalog_close(c);
            _exit(0);
        }
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        waitpid(children[w], &status, 0);
        assert_int_equal(status, 0);
    }
    c = open_catalog(f, "weir");
    char total[16];
    snprintf(total, sizeof total, "%d", WRITERS * ROUNDS);
    expect_location(c, "t", total);
    catalog_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_swap, setup, teardown),
        cmocka_unit_test_setup_teardown(test_v0, setup, teardown),
        cmocka_unit_test_setup_teardown(test_list, setup, teardown),
        cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked, setup, teardown),
        cmocka_unit_test_setup_teardown(test_race, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
