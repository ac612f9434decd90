#include "edge/catalog.h"

#include "edge/catalog_driver.h"
#include "edge/catalog_uri.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REPEATS = 4 }; /* of a swap in doubt: each waits for the server and for locks */

struct catalog {
    struct catalog_driver *driver;
    char *name;
    bool empty; /* without any table: its making was cut off */
    bool typed; /* has the column iceberg_type; it is never dropped again */
};

/* ---- reading ---- */

static int query(struct catalog *c, const char *what, const char *sql, const char *const *parameters,
                 unsigned count, catalog_values_fn *fn, void *ctx, struct err *e) {
    const struct catalog_statement s = {.sql = sql, .parameters = parameters, .count = count};
    return c->driver->ops->query(c->driver, what, &s, fn, ctx, e);
}

static int set_flag(void *ctx, const char *const *values, struct err *e) {
    (void)values, (void)e;
    *(bool *)ctx = true;
    return 0;
}

/* Other writers may add the column at any time (Spark's V1), so until then it is looked for each time. */
static int look_for_type(struct catalog *c, struct err *e) {
    if (c->typed) return 0;
    return query(c, "read the catalog's form", c->driver->ops->typed_sql, NULL, 0, set_flag, &c->typed, e);
}

struct sought {
    const struct catalog *c;
    const char *namespace_name, *table;
    char **metadata_location;
};

static int take_table(void *ctx, const char *const *values, struct err *e) {
    const struct sought *s = ctx;
    const char *location = values[0], *type = values[1];
    if (type && strcmp(type, "TABLE") != 0)
        return err_set(e, ERR_INPUT, "%s.%s is a %s, not a table, in catalog \"%s\"", s->namespace_name,
                       s->table, type, s->c->driver->name);
    if (!location)
        return err_set(e, ERR_INPUT, "%s.%s has no metadata location in catalog \"%s\"", s->namespace_name,
                       s->table, s->c->driver->name);
    return (*s->metadata_location = strdup(location)) ? 0 : err_nomem(e);
}

int catalog_find(struct catalog *c, const char *namespace_name, const char *table, char **metadata_location,
                 struct err *e) {
    const char *const parameters[] = {c->name, namespace_name, table};
    struct sought s = {c, namespace_name, table, metadata_location};
    *metadata_location = NULL;
    if (c->empty) return 0;
    TRY(look_for_type(c, e));
    return query(c, "look for the table",
                 c->typed ? "SELECT metadata_location, iceberg_type FROM iceberg_tables WHERE catalog_name = "
                            "$1 AND table_namespace = $2 AND table_name = $3"
                          : "SELECT metadata_location, NULL FROM iceberg_tables WHERE catalog_name = $1 AND "
                            "table_namespace = $2 AND table_name = $3",
                 parameters, 3, take_table, &s, e);
}

struct listing {
    catalog_row_fn *fn;
    void *ctx;
};

static int take_listed(void *ctx, const char *const *values, struct err *e) {
    const struct listing *l = ctx;
    return values[2] ? l->fn(l->ctx, values[0], values[1], values[2], e) : 0;
}

int catalog_list(struct catalog *c, bool all_catalogs, catalog_row_fn *fn, void *ctx, struct err *e) {
    const char *const parameters[] = {c->name, all_catalogs ? "all" : "one"};
    const char *bytewise = c->driver->ops->bytewise;
    struct listing l = {fn, ctx};
    char sql[512];
    if (c->empty) return 0;
    TRY(look_for_type(c, e));
    snprintf(
        sql, sizeof sql,
        "SELECT table_namespace, table_name, metadata_location FROM iceberg_tables WHERE (catalog_name = "
        "$1 OR $2 = 'all')%s ORDER BY table_namespace %s, table_name %s",
        c->typed ? " AND (iceberg_type IS NULL OR iceberg_type = 'TABLE')" : "", bytewise, bytewise);
    return query(c, "list the tables", sql, parameters, 2, take_listed, &l, e);
}

static int take_location(void *ctx, const char *const *values, struct err *e) {
    if (!values[0] || !*values[0]) return 0;
    return (*(char **)ctx = strdup(values[0])) ? 0 : err_nomem(e);
}

int catalog_namespace_location(struct catalog *c, const char *namespace_name, char **location,
                               struct err *e) {
    const char *const parameters[] = {c->name, namespace_name};
    *location = NULL;
    if (c->empty) return 0;
    return query(c, "read the namespace",
                 "SELECT property_value FROM iceberg_namespace_properties WHERE catalog_name = $1 AND "
                 "namespace = $2 AND property_key = 'location'",
                 parameters, 2, take_location, location, e);
}

/* ---- compare-and-swap ---- */

/* The statement of the swap, by form of the catalog: [creating][typed]. */
static const char *const swap_sql[2][2] = {
    {"UPDATE iceberg_tables SET metadata_location = $4, previous_metadata_location = $5 WHERE catalog_name = "
     "$1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $5",
     "UPDATE iceberg_tables SET metadata_location = $4, previous_metadata_location = $5 WHERE catalog_name = "
     "$1 AND table_namespace = $2 AND table_name = $3 AND metadata_location = $5 AND (iceberg_type IS NULL "
     "OR iceberg_type = 'TABLE')"},
    {"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
     "previous_metadata_location) VALUES ($1, $2, $3, $4, $5)",
     "INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location, "
     "previous_metadata_location, iceberg_type) VALUES ($1, $2, $3, $4, $5, 'TABLE')"},
};

static const char namespace_sql[] =
    "INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) "
    "SELECT $1, $2, 'exists', 'true' WHERE NOT EXISTS (SELECT 1 FROM iceberg_namespace_properties WHERE "
    "catalog_name = $1 AND namespace = $2)";

struct swap {
    struct catalog *c;
    const char *parameters[5]; /* catalog, namespace, table, new location, old location */
};

static int attempt(const struct swap *s, enum catalog_end *end, struct err *e) {
    bool creating = !s->parameters[4];
    const struct catalog_statement statements[] = {
        {swap_sql[creating][s->c->typed], s->parameters, 5, true},
        {namespace_sql, s->parameters, 2, false},
    };
    struct catalog_driver *d = s->c->driver;
    return d->ops->change(d, "commit to the catalog", statements, creating ? 2 : 1, end, e);
}

/* In PostgreSQL a lost session's transaction may still end: repeating the swap settles it, as one of the two
 * at most finds `old` in its place. *settled: what the table is at now will tell. */
static int repeat(const struct swap *s, bool *swapped, bool *settled, struct err *e) {
    enum catalog_end end = CATALOG_DOUBT;
    *swapped = *settled = false;
    for (int i = 0; i < REPEATS && (end == CATALOG_DOUBT || end == CATALOG_LOCKED); i++) {
        int rc = attempt(s, &end, e);
        if (rc && end != CATALOG_DOUBT) return rc;
    }
    *swapped = end == CATALOG_COMMITTED;
    *settled = end == CATALOG_CONFLICT;
    return 0;
}

/* Whether a swap in doubt took effect. *e holds why it is in doubt, and is left so. */
static int settle(const struct swap *s, enum catalog_outcome *outcome, struct err *e) {
    const char *new_location = s->parameters[3], *old = s->parameters[4];
    bool swapped = false, settled = true;
    struct err problem;
    char *now = NULL;
    *outcome = CATALOG_UNKNOWN;
    if (s->c->driver->ops->repeats && repeat(s, &swapped, &settled, &problem)) return e->code;
    if (!swapped && catalog_find(s->c, s->parameters[1], s->parameters[2], &now, &problem)) return e->code;
    bool at_old = now && old ? strcmp(now, old) == 0 : !now && !old;
    if (swapped || (now && strcmp(now, new_location) == 0))
        *outcome = CATALOG_SWAPPED;
    else if (!at_old)
        *outcome = CATALOG_OVERTAKEN;
    else if (settled)
        *outcome = CATALOG_LOST;
    free(now);
    return *outcome == CATALOG_SWAPPED || *outcome == CATALOG_OVERTAKEN ? 0 : e->code;
}

int catalog_swap(struct catalog *c, const char *namespace_name, const char *table, const char *old,
                 const char *new_location, enum catalog_outcome *outcome, struct err *e) {
    const struct swap s = {c, {c->name, namespace_name, table, new_location, old}};
    enum catalog_end end = CATALOG_CONFLICT;
    *outcome = CATALOG_LOST;
    TRY(look_for_type(c, e));
    int rc = attempt(&s, &end, e);
    if (end == CATALOG_DOUBT) return settle(&s, outcome, e);
    if (rc) return rc;
    *outcome = end == CATALOG_COMMITTED ? CATALOG_SWAPPED
               : end == CATALOG_LOCKED  ? CATALOG_BUSY
                                        : CATALOG_LOST;
    return 0;
}

/* ---- dropping ---- */

int catalog_drop(struct catalog *c, const char *namespace_name, struct err *e) {
    const char *const parameters[] = {c->name, namespace_name};
    const struct catalog_statement statements[] = {
        {"DELETE FROM iceberg_tables WHERE catalog_name = $1 AND table_namespace = $2", parameters, 2, false},
        {"DELETE FROM iceberg_namespace_properties WHERE catalog_name = $1 AND namespace = $2", parameters, 2,
         false},
    };
    enum catalog_end end = CATALOG_LOCKED;
    if (c->empty) return 0;
    for (int i = 0; i < REPEATS && end != CATALOG_COMMITTED; i++) {
        int rc = c->driver->ops->change(c->driver, "drop a namespace", statements, 2, &end, e);
        if (rc && end != CATALOG_DOUBT) return rc; /* dropping again does no harm */
    }
    return end == CATALOG_COMMITTED
               ? 0
               : err_set(e, ERR_OUTSIDE, "could not drop \"%s\": catalog \"%s\" stays locked", namespace_name,
                         c->driver->name);
}

/* ---- opening ---- */

struct table_counts {
    int ours, all;
};

static int take_counts(void *ctx, const char *const *values, struct err *e) {
    (void)e;
    struct table_counts *n = ctx;
    n->ours = values[0] ? atoi(values[0]) : 0;
    n->all = values[1] ? atoi(values[1]) : 0;
    return 0;
}

static int count_tables(struct catalog *c, struct table_counts *n, struct err *e) {
    *n = (struct table_counts){0};
    return query(c, "open the catalog", c->driver->ops->count_sql, NULL, 0, take_counts, n, e);
}

/* As PyIceberg 0.12 and Iceberg 1.12 (V1) make them. */
static const struct catalog_statement create[] = {
    {.sql = "CREATE TABLE IF NOT EXISTS iceberg_tables (catalog_name VARCHAR(255) NOT NULL, table_namespace "
            "VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
            "previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), PRIMARY KEY (catalog_name, "
            "table_namespace, table_name))"},
    {.sql = "CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (catalog_name VARCHAR(255) NOT NULL, "
            "namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value "
            "VARCHAR(1000) NOT NULL, PRIMARY KEY (catalog_name, namespace, property_key))"},
};

/* Another that makes the tables at the same time is as good: what counts is that they are there. */
static int create_tables(struct catalog *c, struct err *e) {
    struct catalog_driver *d = c->driver;
    struct table_counts n;
    enum catalog_end end = CATALOG_CONFLICT;
    for (int i = 0; i < REPEATS; i++) {
        int rc = d->ops->change(d, "make the catalog's tables", create, 2, &end, e);
        if (!rc && end == CATALOG_COMMITTED) return 0;
        struct err ignored;
        if (!count_tables(c, &n, &ignored) && n.ours == 2) return 0;
        if (rc && end != CATALOG_DOUBT) return rc;
    }
    return end == CATALOG_DOUBT
               ? e->code
               : err_set(e, ERR_OUTSIDE, "could not make the catalog's tables: catalog \"%s\" stays locked",
                         d->name);
}

static int prepare(struct catalog *c, bool make, struct err *e) {
    struct table_counts n;
    TRY(count_tables(c, &n, e));
    c->empty = n.all == 0 && !make;
    if (n.ours == 2 || c->empty) return 0;
    if (make) return create_tables(c, e);
    return err_set(e, ERR_INPUT,
                   "\"%s\" is no Iceberg catalog yet: it has no table iceberg_tables (weir run makes it)",
                   c->driver->name);
}

static int open_driver(const char *uri, bool make, struct catalog_driver **out, struct err *e) {
    struct arena arena;
    struct catalog_uri u;
    arena_init(&arena);
    int rc = catalog_uri_parse(uri, &arena, &u, e);
    if (!rc)
        rc = u.path ? catalog_sqlite_open(u.path, make, out, e)
                    : catalog_postgres_open(u.text, u.password, out, e);
    arena_release(&arena);
    return rc;
}

int catalog_open(const char *uri, const char *name, bool create_missing, struct catalog **out,
                 struct err *e) {
    struct catalog *c = calloc(1, sizeof *c);
    if (!c) return err_nomem(e);
    int rc = (c->name = strdup(name)) ? 0 : err_nomem(e);
    if (!rc) rc = open_driver(uri, create_missing, &c->driver, e);
    if (!rc) rc = prepare(c, create_missing, e);
    if (rc)
        catalog_close(c);
    else
        *out = c;
    return rc;
}

void catalog_close(struct catalog *c) {
    if (!c) return;
    if (c->driver) c->driver->ops->close(c->driver);
    free(c->name);
    free(c);
}
