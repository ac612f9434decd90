/* The catalog in a PostgreSQL database. */
#include "base/threads.h"
#include "edge/catalog_driver.h"
#include "edge/postgres.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATIENCE_MS = 30000, /* for a server that went away under us: a restart takes a few seconds */
    TRIES = 3,           /* of a query whose connection is lost */
    COLUMNS_MAX = 4,
};

struct catalog_postgres {
    struct catalog_driver base;
    struct postgres server;
};

static struct postgres *server_of(struct catalog_driver *d) {
    return &((struct catalog_postgres *)d)->server;
}

static int take_rows(const PGresult *r, catalog_values_fn *fn, void *ctx, struct err *e) {
    for (int row = 0; row < PQntuples(r); row++) {
        const char *values[COLUMNS_MAX] = {0};
        for (int i = 0; i < PQnfields(r) && i < COLUMNS_MAX; i++)
            if (!PQgetisnull(r, row, i)) values[i] = PQgetvalue(r, row, i);
        TRY(fn(ctx, values, e));
    }
    return 0;
}

static int postgres_query(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                          catalog_values_fn *fn, void *ctx, struct err *e) {
    struct postgres *p = server_of(d);
    PGresult *r = NULL;
    enum postgres_failure f = POSTGRES_UNAVAILABLE;
    for (int i = 0; i < TRIES && f == POSTGRES_UNAVAILABLE; i++) {
        if (i) TRY(interrupt_check(e));
        TRY(postgres_connect(p, PATIENCE_MS, e));
        f = postgres_run(p, what, s->sql, s->parameters, s->count, &r, e);
    }
    if (f != POSTGRES_NONE) return e->code;
    int rc = take_rows(r, fn, ctx, e);
    PQclear(r);
    return rc;
}

/* One statement of a transaction whose rows do not matter, but for how many changed. */
static enum postgres_failure step(struct postgres *p, const char *what, const struct catalog_statement *s,
                                  struct err *e) {
    PGresult *r = NULL;
    enum postgres_failure f = postgres_run(p, what, s->sql, s->parameters, s->count, &r, e);
    if (f != POSTGRES_NONE) return f;
    if (s->must_change && atoi(PQcmdTuples(r)) == 0) f = POSTGRES_CONFLICT;
    if (strcmp(PQcmdStatus(r), "ROLLBACK") == 0) f = POSTGRES_CONFLICT; /* the answer to a COMMIT */
    PQclear(r);
    return f;
}

/* *sent: COMMIT was, so that without an answer the end is in doubt. */
static enum postgres_failure transact(struct postgres *p, const char *what, const struct catalog_statement *s,
                                      unsigned count, bool *sent, struct err *e) {
    static const struct catalog_statement begin = {.sql = "BEGIN ISOLATION LEVEL READ COMMITTED"},
                                          commit = {.sql = "COMMIT"}, rollback = {.sql = "ROLLBACK"};
    enum postgres_failure f = step(p, what, &begin, e);
    for (unsigned i = 0; f == POSTGRES_NONE && i < count; i++) f = step(p, what, &s[i], e);
    *sent = f == POSTGRES_NONE;
    if (*sent) f = step(p, what, &commit, e);
    struct err ignored; /* a connection that cannot roll back is dropped, and so does */
    if (f != POSTGRES_NONE && f != POSTGRES_UNAVAILABLE) step(p, what, &rollback, &ignored);
    return f;
}

static int postgres_change(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                           unsigned count, enum catalog_end *end, struct err *e) {
    struct postgres *p = server_of(d);
    enum postgres_failure f = POSTGRES_UNAVAILABLE;
    bool sent = false;
    *end = CATALOG_CONFLICT;
    for (int i = 0; i < TRIES && f == POSTGRES_UNAVAILABLE && !sent; i++) {
        if (i) TRY(interrupt_check(e));
        TRY(postgres_connect(p, PATIENCE_MS, e));
        f = transact(p, what, s, count, &sent, e);
    }
    if (f == POSTGRES_NONE) *end = CATALOG_COMMITTED;
    if (f == POSTGRES_LOCKED) *end = CATALOG_LOCKED;
    if (f == POSTGRES_UNAVAILABLE && sent) *end = CATALOG_DOUBT;
    return f == POSTGRES_ERROR || f == POSTGRES_UNAVAILABLE ? e->code : 0;
}

static void postgres_close(struct catalog_driver *d) {
    postgres_release(server_of(d));
    free(d);
}

static const struct catalog_driver_ops postgres_ops = {
    .count_sql = "SELECT (to_regclass('iceberg_tables') IS NOT NULL)::int + "
                 "(to_regclass('iceberg_namespace_properties') IS NOT NULL)::int, 1",
    .typed_sql = "SELECT 1 FROM pg_attribute WHERE attrelid = to_regclass('iceberg_tables') AND attname = "
                 "'iceberg_type' AND NOT attisdropped",
    .bytewise = "COLLATE \"C\"",
    .repeats = true,
    .close = postgres_close,
    .query = postgres_query,
    .change = postgres_change,
};

int catalog_postgres_open(const char *uri, const char *password, struct catalog_driver **out, struct err *e) {
    struct catalog_postgres *c = calloc(1, sizeof *c);
    if (!c) return err_nomem(e);
    int rc = postgres_init(&c->server, uri, password, e);
    c->base = (struct catalog_driver){&postgres_ops, c->server.uri};
    if (!rc) rc = postgres_connect(&c->server, 0, e);
    if (rc)
        postgres_close(&c->base);
    else
        *out = &c->base;
    return rc;
}
