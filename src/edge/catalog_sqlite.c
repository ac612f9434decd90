#include "base/files.h"
#include "edge/catalog.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUSY_MS = 5000 }; /* other writers hold the lock for milliseconds */

struct catalog_sqlite {
    struct catalog base;
    sqlite3 *db;
    char *name;
    bool empty; /* an opened database without any table: its making was cut off */
    char path[PATH_MAX];
};

static struct catalog_sqlite *sqlite_of(struct catalog *c) {
    return (struct catalog_sqlite *)c;
}

static int fail(struct catalog_sqlite *c, const char *what, struct err *e) {
    int rc = sqlite3_errcode(c->db) & 0xff;
    if (rc == SQLITE_BUSY || rc == SQLITE_LOCKED)
        return err_set(e, ERR_OUTSIDE, "could not %s: catalog \"%s\" is locked by another process", what,
                       c->path);
    return err_set(e, rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT ? ERR_INPUT : ERR_OUTSIDE,
                   "could not %s: catalog \"%s\": %s", what, c->path, sqlite3_errmsg(c->db));
}

static int prepare(struct catalog_sqlite *c, const char *sql, sqlite3_stmt **out, const char *what,
                   struct err *e) {
    return sqlite3_prepare_v2(c->db, sql, -1, out, NULL) == SQLITE_OK ? 0 : fail(c, what, e);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text) {
    if (text)
        sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(s, at);
}

/* Other writers may add the column at any time (Spark's V1), so it is looked for each time. */
static int has_type_column(struct catalog_sqlite *c, bool *has, struct err *e) {
    sqlite3_stmt *s;
    TRY(prepare(c, "SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'", &s,
                "read the catalog's form", e));
    int rc = sqlite3_step(s);
    *has = rc == SQLITE_ROW;
    int result = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(c, "read the catalog's form", e);
    sqlite3_finalize(s);
    return result;
}

static int sqlite_find(struct catalog *base, const char *namespace_name, const char *table,
                       char **metadata_location, struct err *e) {
    struct catalog_sqlite *c = sqlite_of(base);
    bool typed = false;
    *metadata_location = NULL;
    if (c->empty) return 0;
    TRY(has_type_column(c, &typed, e));
    sqlite3_stmt *s;
    TRY(prepare(c,
                typed ? "SELECT metadata_location, iceberg_type FROM iceberg_tables WHERE catalog_name = ?1 "
                        "AND table_namespace = ?2 AND table_name = ?3"
                      : "SELECT metadata_location, NULL FROM iceberg_tables WHERE catalog_name = ?1 AND "
                        "table_namespace = ?2 AND table_name = ?3",
                &s, "look for the table", e));
    bind_text(s, 1, c->name);
    bind_text(s, 2, namespace_name);
    bind_text(s, 3, table);
    int rc = sqlite3_step(s), result = 0;
    if (rc == SQLITE_ROW) {
        const char *location = (const char *)sqlite3_column_text(s, 0);
        const char *type = (const char *)sqlite3_column_text(s, 1);
        if (type && strcmp(type, "TABLE") != 0)
            result = err_set(e, ERR_INPUT, "%s.%s is a %s, not a table, in catalog \"%s\"", namespace_name,
                             table, type, c->path);
        else if (!location)
            result = err_set(e, ERR_INPUT, "%s.%s has no metadata location in catalog \"%s\"", namespace_name,
                             table, c->path);
        else if (!(*metadata_location = strdup(location)))
            result = err_nomem(e);
    } else if (rc != SQLITE_DONE) {
        result = fail(c, "look for the table", e);
    }
    sqlite3_finalize(s);
    return result;
}

static int sqlite_list(struct catalog *base, bool all_catalogs, catalog_row_fn *fn, void *ctx,
                       struct err *e) {
    struct catalog_sqlite *c = sqlite_of(base);
    bool typed = false;
    if (c->empty) return 0;
    TRY(has_type_column(c, &typed, e));
    sqlite3_stmt *s;
    TRY(prepare(
        c,
        typed ? "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE "
                "(catalog_name = ?1 OR ?2) AND (iceberg_type IS NULL OR iceberg_type = 'TABLE') ORDER BY 1, 2"
              : "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE "
                "(catalog_name = ?1 OR ?2) ORDER BY 1, 2",
        &s, "list the tables", e));
    bind_text(s, 1, c->name);
    sqlite3_bind_int(s, 2, all_catalogs);
    int rc, result = 0;
    while (!result && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        const char *location = (const char *)sqlite3_column_text(s, 2);
        if (rc != SQLITE_ROW)
            result = fail(c, "list the tables", e);
        else if (location)
            result = fn(ctx, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1),
                        location, e);
    }
    sqlite3_finalize(s);
    return result;
}

static int sqlite_namespace_location(struct catalog *base, const char *namespace_name, char **location,
                                     struct err *e) {
    struct catalog_sqlite *c = sqlite_of(base);
    sqlite3_stmt *s;
    *location = NULL;
    if (c->empty) return 0;
    TRY(prepare(c,
                "SELECT property_value FROM iceberg_namespace_properties WHERE catalog_name = ?1 AND "
                "namespace = ?2 AND property_key = 'location'",
                &s, "read the namespace", e));
    bind_text(s, 1, c->name);
    bind_text(s, 2, namespace_name);
    int rc = sqlite3_step(s), result = 0;
    if (rc == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        if (text && *text && !(*location = strdup(text))) result = err_nomem(e);
    } else if (rc != SQLITE_DONE) {
        result = fail(c, "read the namespace", e);
    }
    sqlite3_finalize(s);
    return result;
}

/* ---- compare-and-swap ---- */

static int make_namespace(struct catalog_sqlite *c, const char *namespace_name) {
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(
        c->db,
        "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
        "SELECT ?1, ?2, 'exists', 'true' WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties WHERE "
        "catalog_name = ?1 AND namespace = ?2)",
        -1, &s, NULL);
    if (rc != SQLITE_OK) return rc;
    bind_text(s, 1, c->name);
    bind_text(s, 2, namespace_name);
    rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The statement of the swap, by form of the catalog: [creating][typed]. */
static const char *const swap_sql[2][2] = {
    {"UPDATE iceberg_tables SET metadata_location = ?4, previous_metadata_location = ?5 WHERE catalog_name = "
     "?1 AND table_namespace = ?2 AND table_name = ?3 AND metadata_location = ?5",
     "UPDATE iceberg_tables SET metadata_location = ?4, previous_metadata_location = ?5 WHERE catalog_name = "
     "?1 AND table_namespace = ?2 AND table_name = ?3 AND metadata_location = ?5 AND (iceberg_type IS NULL "
     "OR iceberg_type = 'TABLE')"},
    {"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
     "previous_metadata_location) VALUES (?1, ?2, ?3, ?4, ?5)",
     "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
     "previous_metadata_location, iceberg_type) VALUES (?1, ?2, ?3, ?4, ?5, 'TABLE')"},
};

/* Within the transaction: SQLITE_OK with *swapped, or SQLite's code. */
static int swap_row(struct catalog_sqlite *c, const char *namespace_name, const char *table, const char *old,
                    const char *new_location, bool typed, bool *swapped) {
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(c->db, swap_sql[old == NULL][typed], -1, &s, NULL);
    if (rc != SQLITE_OK) return rc;
    bind_text(s, 1, c->name);
    bind_text(s, 2, namespace_name);
    bind_text(s, 3, table);
    bind_text(s, 4, new_location);
    bind_text(s, 5, old);
    rc = sqlite3_step(s);
    *swapped = rc == SQLITE_DONE && sqlite3_changes(c->db) == 1;
    sqlite3_finalize(s);
    if (rc == SQLITE_CONSTRAINT) return SQLITE_OK; /* someone else made the table */
    if (rc != SQLITE_DONE) return rc;
    return *swapped && !old ? make_namespace(c, namespace_name) : SQLITE_OK;
}

/* The transaction failed at its end: did it take effect? */
static void settle(struct catalog_sqlite *c, const char *namespace_name, const char *table,
                   const char *new_location, enum catalog_outcome *outcome) {
    struct err ignored;
    char *now = NULL;
    if (!sqlite3_get_autocommit(c->db)) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
    if (sqlite_find(&c->base, namespace_name, table, &now, &ignored))
        *outcome = CATALOG_UNKNOWN;
    else
        *outcome = now && strcmp(now, new_location) == 0 ? CATALOG_SWAPPED : CATALOG_LOST;
    free(now);
}

static bool busy(int rc) {
    return (rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED;
}

static int sqlite_swap(struct catalog *base, const char *namespace_name, const char *table, const char *old,
                       const char *new_location, enum catalog_outcome *outcome, struct err *e) {
    struct catalog_sqlite *c = sqlite_of(base);
    bool typed = false, swapped = false;
    *outcome = CATALOG_LOST;
    int rc = sqlite3_exec(c->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (busy(rc)) *outcome = CATALOG_BUSY;
    if (rc != SQLITE_OK) return busy(rc) ? 0 : fail(c, "write to the catalog", e);
    int failed = has_type_column(c, &typed, e);
    if (!failed) {
        rc = swap_row(c, namespace_name, table, old, new_location, typed, &swapped);
        if (rc != SQLITE_OK) failed = fail(c, "write to the catalog", e);
    }
    if (failed || !swapped) {
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return failed;
    }
    rc = sqlite3_exec(c->db, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        *outcome = CATALOG_SWAPPED;
        return 0;
    }
    failed = fail(c, "commit to the catalog", e);
    if (busy(rc)) { /* readers hold it: the transaction is still open and nothing is written */
        sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        *outcome = CATALOG_BUSY;
        return 0;
    }
    settle(c, namespace_name, table, new_location, outcome);
    return *outcome == CATALOG_SWAPPED ? 0 : failed;
}

/* ---- opening ---- */

static void sqlite_close(struct catalog *base) {
    struct catalog_sqlite *c = sqlite_of(base);
    sqlite3_close(c->db);
    free(c->name);
    free(c);
}

static const struct catalog_ops sqlite_ops = {sqlite_close, sqlite_find, sqlite_swap, sqlite_list,
                                              sqlite_namespace_location};

/* How many of the two tables there are, and how many in all. */
static int count_tables(struct catalog_sqlite *c, int *count, int *all, struct err *e) {
    sqlite3_stmt *s;
    TRY(prepare(c,
                "SELECT count(*) FILTER (WHERE name IN ('iceberg_tables', 'iceberg_namespace_properties')), "
                "count(*) FROM sqlite_master",
                &s, "open the catalog", e));
    int rc = sqlite3_step(s);
    *count = rc == SQLITE_ROW ? sqlite3_column_int(s, 0) : 0;
    *all = rc == SQLITE_ROW ? sqlite3_column_int(s, 1) : 0;
    int result = rc == SQLITE_ROW ? 0 : fail(c, "open the catalog", e);
    sqlite3_finalize(s);
    return result;
}

/* As PyIceberg 0.12 and Iceberg 1.12 (V1) make them. */
static const char create_sql[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace "
    "VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
    "previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, "
    "table_namespace, table_name));"
    "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, namespace "
    "VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000) NOT NULL, "
    "PRIMARY KEY (catalog_name, namespace, property_key));"
    "COMMIT;";

static int prepare_database(struct catalog_sqlite *c, bool create, struct err *e) {
    sqlite3_busy_timeout(c->db, BUSY_MS);
    /* EXTRA is FULL and an fsync of the folder after the journal is gone: a commit that we report survives a
     * power loss. The journal mode stays what it is. */
    if (sqlite3_exec(c->db, "PRAGMA synchronous = EXTRA", NULL, NULL, NULL) != SQLITE_OK)
        return fail(c, "open the catalog", e);
    int count = 0, all = 0;
    TRY(count_tables(c, &count, &all, e));
    c->empty = all == 0 && !create;
    if (count == 2 || c->empty) return 0;
    if (!create)
        return err_set(e, ERR_INPUT, "\"%s\" is no Iceberg catalog: it has no table iceberg_tables", c->path);
    if (sqlite3_exec(c->db, create_sql, NULL, NULL, NULL) != SQLITE_OK) {
        int rc = fail(c, "make the catalog's tables", e);
        if (!sqlite3_get_autocommit(c->db)) sqlite3_exec(c->db, "ROLLBACK", NULL, NULL, NULL);
        return rc;
    }
    return 0;
}

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
    return prepare_database(c, create, e);
}

int catalog_open(const char *uri, const char *name, bool create, struct catalog **out, struct err *e) {
    static const char scheme[] = "sqlite:";
    if (strncmp(uri, scheme, sizeof scheme - 1) != 0 || uri[sizeof scheme - 1] != '/')
        return err_set(e, ERR_INPUT, "catalog \"%s\": write sqlite:///absolute/path/catalog.db", uri);
    const char *path = uri + sizeof scheme - 1;
    while (path[1] == '/') path++; /* sqlite:///x, and SQLAlchemy's sqlite:////x */
    struct catalog_sqlite *c = calloc(1, sizeof *c);
    if (!c) return err_nomem(e);
    c->base.ops = &sqlite_ops;
    int rc = 0;
    if ((size_t)snprintf(c->path, sizeof c->path, "%s", path) >= sizeof c->path)
        rc = err_set(e, ERR_INPUT, "catalog path too long: \"%s\"", path);
    if (!rc && !(c->name = strdup(name))) rc = err_nomem(e);
    if (!rc) rc = open_database(c, create, e);
    if (rc)
        sqlite_close(&c->base);
    else
        *out = &c->base;
    return rc;
}
