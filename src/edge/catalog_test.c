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
#include <libpq-fe.h>
#include <sqlite3.h>

/* The same cases on both databases: an SQLite file, and a PostgreSQL server that this test starts and ends
 * (tests/tools/postgres.py; skipped where Debian's package postgresql is missing). */
struct fixture {
    bool postgres;
    char dir[64], path[128], uri[200];
};

/* The server: started once, its catalog emptied for each test. */
static char server_dir[64], server_uri[200];

static int run_command(const char *format, const char *text) {
    char command[300];
    snprintf(command, sizeof command, format, text);
    return system(command);
}

static int start_server(void **state) {
    (void)state;
    char command[200];
    snprintf(server_dir, sizeof server_dir, "/tmp/weir-catalog-pg-XXXXXX");
    if (!mkdtemp(server_dir)) return -1;
    snprintf(command, sizeof command, "python3 tests/tools/postgres.py start %s", server_dir);
    FILE *out = popen(command, "r");
    if (!out) return -1;
    if (!fgets(server_uri, sizeof server_uri, out)) *server_uri = 0;
    server_uri[strcspn(server_uri, "\n")] = 0;
    if (pclose(out)) *server_uri = 0;
    return 0;
}

static int stop_server(void **state) {
    (void)state;
    if (*server_uri) return run_command("python3 tests/tools/postgres.py stop %s", server_dir);
    return run_command("rm -rf %s", server_dir);
}

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
    int rc = f ? run_command("rm -rf '%s'", f->dir) : 0;
    free(f);
    return rc;
}

static void run_sql(const struct fixture *f, const char *sql);

static int setup_postgres(void **state) {
    if (!*server_uri) return 0;
    if (setup(state)) return -1;
    struct fixture *f = *state;
    f->postgres = true;
    snprintf(f->uri, sizeof f->uri, "%s", server_uri);
    run_sql(f, "SET client_min_messages = error; DROP TABLE IF EXISTS iceberg_tables, "
               "iceberg_namespace_properties");
    return 0;
}

/* The test's fixture; skipped without a server. */
static struct fixture *fixture_of(void **state) {
    if (!*state) {
        print_message("PostgreSQL's server is not installed: scripts/setup --dev\n");
        skip();
    }
    return *state;
}

static struct catalog *open_catalog(struct fixture *f, const char *name) {
    struct catalog *c = NULL;
    struct err e = {0};
    if (catalog_open(f->uri, name, true, &c, &e)) fail_msg("%s", e.msg);
    return c;
}

/* Run it; the first column of the first row, or "". */
static void query_sqlite(const char *path, const char *sql, char out[100]) {
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    *out = 0;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    for (; *sql; sqlite3_finalize(s)) {
        assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, &sql), SQLITE_OK);
        int rc = sqlite3_step(s);
        if (rc == SQLITE_ROW) snprintf(out, 100, "%s", (const char *)sqlite3_column_text(s, 0));
        assert_true(rc == SQLITE_ROW || rc == SQLITE_DONE);
    }
    sqlite3_close(db);
}

static void query_postgres(const char *uri, const char *sql, char out[100]) {
    PGconn *db = PQconnectdb(uri);
    PGresult *r = PQexec(db, sql);
    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(db));
    snprintf(out, 100, "%s", PQntuples(r) ? PQgetvalue(r, 0, 0) : "");
    PQclear(r);
    PQfinish(db);
}

static void query(const struct fixture *f, const char *sql, char out[100]) {
    if (f->postgres)
        query_postgres(f->uri, sql, out);
    else
        query_sqlite(f->path, sql, out);
}

static void run_sql(const struct fixture *f, const char *sql) {
    char ignored[100];
    query(f, sql, ignored);
}

static void expect_sql(const struct fixture *f, const char *sql, const char *expected) {
    char got[100];
    query(f, sql, got);
    assert_string_equal(got, expected);
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
    struct fixture *f = fixture_of(state);
    struct catalog *c = open_catalog(f, "weir");
    expect_location(c, "t", NULL);
    assert_int_equal(swap(c, "t", "none", "a"), CATALOG_LOST);
    assert_int_equal(swap(c, "t", NULL, "a"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", NULL, "b"), CATALOG_LOST); /* someone else made it */
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", "a", "c"), CATALOG_LOST);
    expect_location(c, "t", "b");
    expect_sql(f, "SELECT previous_metadata_location || iceberg_type FROM iceberg_tables", "aTABLE");
    expect_sql(f, "SELECT namespace || property_key || property_value FROM iceberg_namespace_properties",
               "webexiststrue");
    if (!f->postgres) expect_sql(f, "PRAGMA journal_mode", "delete");

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
    struct fixture *f = fixture_of(state);
    struct err e = {0};
    char dir[80];
    snprintf(dir, sizeof dir, "%s/sub", f->dir);
    assert_int_equal(file_make_dirs(dir, &e), 0);
    run_sql(f, v0);
    struct catalog *c = open_catalog(f, "weir");
    assert_int_equal(swap(c, "t", NULL, "a"), CATALOG_SWAPPED);
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    run_sql(f, "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)");
    expect_location(c, "t", "b");
    assert_int_equal(swap(c, "t", "b", "c"), CATALOG_SWAPPED); /* its type is NULL */
    assert_int_equal(swap(c, "u", NULL, "u1"), CATALOG_SWAPPED);
    expect_sql(f, "SELECT iceberg_type FROM iceberg_tables WHERE table_name = 'u'", "TABLE");
    run_sql(f, "UPDATE iceberg_tables SET iceberg_type = 'VIEW' WHERE table_name = 'u'");
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
    struct fixture *f = fixture_of(state);
    struct catalog *c = open_catalog(f, "weir"), *other = open_catalog(f, "other");
    struct err e;
    char seen[200] = "", *location = NULL;
    swap(c, "b", NULL, "1");
    swap(c, "a", NULL, "2");
    swap(c, "B", NULL, "4");
    swap(other, "c", NULL, "3");
    run_sql(f, "UPDATE iceberg_tables SET iceberg_type = NULL WHERE table_name = 'a'");
    assert_int_equal(catalog_list(c, false, count_row, seen, &e), 0);
    assert_string_equal(seen, "web.B=4 web.a=2 web.b=1 ");
    *seen = 0;
    assert_int_equal(catalog_list(c, true, count_row, seen, &e), 0);
    assert_string_equal(seen, "web.B=4 web.a=2 web.b=1 web.c=3 ");
    assert_int_equal(catalog_namespace_location(c, "web", &location, &e), 0);
    assert_null(location);
    run_sql(f, "INSERT INTO iceberg_namespace_properties VALUES ('weir', 'web', 'location', 'file:/x')");
    assert_int_equal(catalog_namespace_location(c, "web", &location, &e), 0);
    assert_string_equal(location, "file:/x");
    free(location);
    catalog_close(c);
    catalog_close(other);
}

static void test_open_errors(void **state) {
    struct fixture *f = fixture_of(state);
    struct catalog *c;
    struct err e = {0};
    char uri[200];
    assert_int_equal(catalog_open(f->uri, "weir", false, &c, &e), ERR_INPUT);
    assert_int_equal(catalog_open("mysql://x", "weir", true, &c, &e), ERR_INPUT);
    assert_int_equal(catalog_open("sqlite:relative.db", "weir", true, &c, &e), ERR_INPUT);
    snprintf(uri, sizeof uri, "sqlite://%s/garbage.db", f->dir);
    assert_int_equal(file_replace(uri + 9, "this is no database, by no means at all.", 40, &e), 0);
    assert_int_equal(catalog_open(uri, "weir", true, &c, &e), ERR_INPUT);
    snprintf(uri, sizeof uri, "sqlite://%s/empty.db", f->dir);
    char ignored[100];
    query_sqlite(uri + 9, "CREATE TABLE t (x)", ignored);
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

/* A lock held by another is CATALOG_BUSY for the swap, and changes nothing. */
static void test_locked_file(void **state) {
    struct fixture *f = fixture_of(state);
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

static void test_locked_row(void **state) {
    struct fixture *f = fixture_of(state);
    struct catalog *c = open_catalog(f, "weir");
    struct err e;
    enum catalog_outcome outcome;
    swap(c, "t", NULL, "a");
    PGconn *db = PQconnectdb(f->uri);
    PQclear(PQexec(db, "BEGIN"));
    PQclear(PQexec(db, "SELECT 1 FROM iceberg_tables FOR UPDATE"));
    assert_int_equal(catalog_swap(c, "web", "t", "a", "b", &outcome, &e), 0);
    assert_int_equal(outcome, CATALOG_BUSY);
    expect_location(c, "t", "a");
    PQfinish(db);
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    catalog_close(c);
}

/* Sessions that the server ends: the next call connects anew. */
static void test_lost_session(void **state) {
    struct fixture *f = fixture_of(state);
    struct catalog *c = open_catalog(f, "weir");
    swap(c, "t", NULL, "a");
    static const char end[] =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
        "application_name = 'weir'";
    expect_sql(f, end, "1");
    assert_int_equal(swap(c, "t", "a", "b"), CATALOG_SWAPPED);
    expect_sql(f, end, "1");
    expect_location(c, "t", "b");
    expect_sql(f, end, "1");
    assert_int_equal(swap(c, "t", "a", "c"), CATALOG_LOST);
    catalog_close(c);
}

/* What is wrong is said, as configuration where it is, and never with the password. */
static void expect_refused(const char *uri, int code, const char *said) {
    struct catalog *c;
    struct err e = {0};
    assert_int_equal(catalog_open(uri, "weir", true, &c, &e), code);
    if (!strstr(e.msg, said)) fail_msg("%s", e.msg);
    assert_null(strstr(e.msg, "pw-"));
}

static void test_refused(void **state) {
    struct fixture *f = fixture_of(state);
    char uri[300];
    const char *at = strchr(f->uri, '@');
    struct catalog *c;
    struct err e = {0};
    assert_int_equal(catalog_open(f->uri, "weir", false, &c, &e), ERR_INPUT); /* no tables yet */
    assert_non_null(strstr(e.msg, "is no Iceberg catalog yet"));
    unsetenv("PGPASSWORD");
    setenv("PGPASSFILE", "/nonexistent", 1);
    snprintf(uri, sizeof uri, "postgresql://weir_test:pw-wrong%s", at);
    expect_refused(uri, ERR_INPUT, "password authentication failed for user");
    snprintf(uri, sizeof uri, "postgresql://weir_test%s", at);
    expect_refused(uri, ERR_INPUT, "it wants a password; set PGUSER, and PGPASSWORD or ~/.pgpass");
    snprintf(uri, sizeof uri, "%.*s/nowhere", (int)(strrchr(f->uri, '/') - f->uri), f->uri);
    expect_refused(uri, ERR_INPUT, "database \"nowhere\" does not exist; make it first");
    expect_refused("postgresql://me:pw-x@127.0.0.1:1/lake", ERR_OUTSIDE, "Connection refused");
    expect_refused("postgresql://me:pw-x@127.0.0.1:pw-y/lake", ERR_INPUT, "is not understood");
    snprintf(uri, sizeof uri, "%s?sslmode=require", f->uri);
    expect_refused(uri, ERR_OUTSIDE, "SSL");
}

static void test_rights(void **state) {
    struct fixture *f = fixture_of(state);
    char uri[300];
    struct err e = {0};
    struct catalog *c;
    enum catalog_outcome outcome;
    run_sql(f, "SET client_min_messages = error; DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN "
               "PASSWORD 'pw-reader'");
    snprintf(uri, sizeof uri, "postgresql://reader:pw-reader%s", strchr(f->uri, '@'));
    expect_refused(uri, ERR_INPUT, "permission denied for schema public; the role needs CREATE");
    catalog_close(open_catalog(f, "weir"));
    run_sql(f, "GRANT SELECT ON iceberg_tables, iceberg_namespace_properties TO reader");
    assert_int_equal(catalog_open(uri, "weir", true, &c, &e), 0);
    assert_int_equal(catalog_swap(c, "web", "t", NULL, "a", &outcome, &e), ERR_INPUT);
    assert_int_equal(outcome, CATALOG_LOST);
    assert_non_null(strstr(e.msg, "permission denied for table iceberg_tables; the role needs"));
    expect_location(c, "t", NULL);
    catalog_close(c);
}

/* Of many writers that swap from the same state, one wins each time. */
static void test_race(void **state) {
    struct fixture *f = fixture_of(state);
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

/* Several open a new database at once: each finds or makes the two tables. */
static void test_made_at_once(void **state) {
    struct fixture *f = fixture_of(state);
    enum { OPENERS = 6 };
    pid_t children[OPENERS];
    for (int i = 0; i < OPENERS; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct catalog *c;
            struct err e;
            if (catalog_open(f->uri, "weir", true, &c, &e)) _exit(1);
            catalog_close(c);
            _exit(0);
        }
    }
    for (int i = 0; i < OPENERS; i++) {
        int status;
        waitpid(children[i], &status, 0);
        assert_int_equal(status, 0);
    }
    expect_sql(f, "SELECT count(*) FROM iceberg_tables", "0");
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define BOTH(test)                                                                                           \
    {#test " on SQLite", test, setup, teardown, NULL},                                                       \
        {#test " on PostgreSQL", test, setup_postgres, teardown, NULL}
        BOTH(test_swap),
        BOTH(test_v0),
        BOTH(test_list),
        BOTH(test_race),
        BOTH(test_made_at_once),
        cmocka_unit_test_setup_teardown(test_open_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_locked_row, setup_postgres, teardown),
        cmocka_unit_test_setup_teardown(test_lost_session, setup_postgres, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup_postgres, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup_postgres, teardown),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
