/* The catalog in an SQLite file. */
#include "base/files.h"
#include "edge/catalog_driver.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000, COLUMNS_MAX = 4 }; /* other writers hold the lock for milliseconds */

struct catalog_sqlite {
    struct catalog_driver base;
    sqlite3 *db;
    char path[PATH_MAX];
};

static struct catalog_sqlite *sqlite_of(struct catalog_driver *d) {
    return (struct catalog_sqlite *)d;
}

static bool is_busy(int rc) {
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
}

static int fail(struct catalog_sqlite *c, const char *what, struct err *e) {
    int rc = sqlite3_errcode(c->db) & 0xff;
    if (is_busy(rc))
        return err_set(e, ERR_OUTSIDE, "could not %s: catalog \"%s\" is locked by another process", what,
                       c->path);
    return err_set(e, rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? ERR_INPUT : ERR_OUTSIDE,
                   "could not %s: catalog \"%s\": %s", what, c->path, sqlite3_errmsg(c->db));
}

static int prepare(struct catalog_sqlite *c, const struct catalog_statement *s, sqlite3_stmt **out) {
    int rc = sqlite3_prepare_v2(c->db, s->sql, -1, out, NULL);
    for (unsigned i = 0; rc == SQLITE_OK && i < s->count; i++) {
        char name[16]; /* to SQLite, $1 is a name */
        snprintf(name, sizeof name, "$%u", i + 1);
        int at = sqlite3_bind_parameter_index(*out, name);
        if (at && s->parameters[i]) rc = sqlite3_bind_text(*out, at, s->parameters[i], -1, SQLITE_STATIC);
    }
    return rc;
}

static int sqlite_query(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                        catalog_values_fn *fn, void *ctx, struct err *e) {
    struct catalog_sqlite *c = sqlite_of(d);
    sqlite3_stmt *stmt = NULL;
    int result = 0;
    int rc = prepare(c, s, &stmt);
    while (rc == SQLITE_OK && !result) {
        const char *values[COLUMNS_MAX] = {0};
        int step = sqlite3_step(stmt), columns = sqlite3_column_count(stmt);
        if (step == SQLITE_DONE) break;
        if (step != SQLITE_ROW) rc = step;
        for (int i = 0; rc == SQLITE_OK && i < columns && i < COLUMNS_MAX; i++)
            values[i] = (const char *)sqlite3_column_text(stmt, i);
        if (rc == SQLITE_OK) result = fn(ctx, values, e);
    }
    if (rc != SQLITE_OK) result = fail(c, what, e);
    sqlite3_finalize(stmt);
    return result;
}

/* Within the transaction: SQLite's code, or SQLITE_CONSTRAINT where a row should have changed. */
static int run(struct catalog_sqlite *c, const struct catalog_statement *s) {
    sqlite3_stmt *stmt = NULL;
    int rc = prepare(c, s, &stmt);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(stmt);
        if (rc == SQLITE_DONE) rc = s->must_change && !sqlite3_changes(c->db) ? SQLITE_CONSTRAINT : SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc;
}

static int sqlite_change(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                         unsigned count, enum catalog_end *end, struct err *e) {
    struct catalog_sqlite *c = sqlite_of(d);
    int failed = 0;
    *end = CATALOG_CONFLICT;
    int rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (unsigned i = 0; rc == SQLITE_OK && i < count; i++) rc = run(c, &s[i]);
    if (rc == SQLITE_OK) {
        rc = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
        if (rc == SQLITE_OK || !is_busy(rc)) *end = rc == SQLITE_OK ? CATALOG_COMMITTED : CATALOG_DOUBT;
    }
    if (is_busy(rc)) /* also where readers hold up the commit: nothing is written yet */
        *end = CATALOG_LOCKED;
    else if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_CONSTRAINT)
        failed = fail(c, what, e);
    if (!sqlite3_get_autocommit(c->db)) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    return failed;
}

static void sqlite_close(struct catalog_driver *d) {
    struct catalog_sqlite *c = sqlite_of(d);
    sqlite3_close(c->db);
    free(c);
}

static const struct catalog_driver_ops sqlite_ops = {
    .count_sql = "SELECT count(*) FILTER (WHERE name IN ('iceberg_tables', 'iceberg_namespace_properties')), "
                 "count(*) FROM sqlite_master",
    .typed_sql = "SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'",
    .bytewise = "COLLATE BINARY",
    .repeats = false, /* what failed is rolled back, here or by who opens the file next */
    .close = sqlite_close,
    .query = sqlite_query,
    .change = sqlite_change,
};

static int make_parent(const char *path, struct err *e) {
    char dir[PATH_MAX];
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (!slash || slash == dir) return 0;
    *slash = 0;
    return file_make_dirs(dir, e);
}

static int open_database(struct catalog_sqlite *c, bool create, struct err *e) {
    if (!file_exists(c->path)) {
        if (!create) return err_set(e, ERR_INPUT, "there is no catalog \"%s\"", c->path);
        TRY(make_parent(c->path, e));
    }
    int flags = SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(c->path, &c->db, flags, NULL) != SQLITE_OK)
        return err_set(e, ERR_OUTSIDE, "could not open catalog \"%s\": %s", c->path,
                       c->db ? sqlite3_errmsg(c->db) : "out of memory");
    sqlite3_busy_timeout(c->db, BUSY_MS);
    /* EXTRA is FULL and an fsync of the folder after the journal is gone: a commit that we report survives a
     * power loss. The journal mode stays what it is. */
    if (sqlite3_exec(c->db, "PRAGMA synchronous = EXTRA", NULL, NULL, NULL) != SQLITE_OK)
        return fail(c, "open the catalog", e);
    return 0;
}

int catalog_sqlite_open(const char *path, bool create, struct catalog_driver **out, struct err *e) {
    struct catalog_sqlite *c = calloc(1, sizeof *c);
    if (!c) return err_nomem(e);
    c->base = (struct catalog_driver){&sqlite_ops, c->path};
    int rc = 0;
    if ((size_t)snprintf(c->path, sizeof c->path, "%s", path) >= sizeof c->path)
        rc = err_set(e, ERR_INPUT, "catalog path too long: \"%s\"", path);
    if (!rc) rc = open_database(c, create, e);
    if (rc)
        sqlite_close(&c->base);
    else
        *out = &c->base;
    return rc;
}
