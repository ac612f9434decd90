/* What a database does for the SQL catalog (catalog.c): statements with text parameters, and transactions
 * whose end it can tell. One driver a database: catalog_sqlite.c, catalog_postgres.c. */
#ifndef WEIR_EDGE_CATALOG_DRIVER_H
#define WEIR_EDGE_CATALOG_DRIVER_H

#include "base/err.h"

#include <stdbool.h>

struct catalog_driver;

/* SQL that both databases understand; parameters are $1, $2, … */
struct catalog_statement {
    const char *sql;
    const char *const *parameters; /* NULL ones are SQL's NULL */
    unsigned count;                /* of parameters */
    bool must_change;              /* a change of no row ends the transaction: CATALOG_CONFLICT */
};

/* How a transaction ended. */
enum catalog_end {
    CATALOG_COMMITTED,
    CATALOG_CONFLICT, /* another was first; rolled back */
    CATALOG_LOCKED,   /* another holds a lock for too long; rolled back */
    CATALOG_DOUBT,    /* it failed in the middle, *e says how: it may have taken effect */
};

/* One row of a result; NULL values are SQL's NULL. Nonzero stops it and is returned. */
typedef int catalog_values_fn(void *ctx, const char *const *values, struct err *e);

struct catalog_driver_ops {
    const char *count_sql; /* how many of the two tables there are, how many tables in all */
    const char *typed_sql; /* one row when iceberg_tables has the column iceberg_type */
    const char *bytewise;  /* the COLLATE clause for bytewise order */
    bool repeats; /* after CATALOG_DOUBT the transaction may still take effect, and can be tried again */

    void (*close)(struct catalog_driver *d);
    /* `what` for messages: could not <what>: … */
    int (*query)(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                 catalog_values_fn *fn, void *ctx, struct err *e);
    /* All statements in one durable transaction. Nonzero: an error, and nothing has changed; except that with
     * CATALOG_DOUBT the error's code is returned too. */
    int (*change)(struct catalog_driver *d, const char *what, const struct catalog_statement *s,
                  unsigned count, enum catalog_end *end, struct err *e);
};

struct catalog_driver {
    const struct catalog_driver_ops *ops;
    const char *name; /* how messages call the catalog: a path, or a URI without password */
};

int catalog_sqlite_open(const char *path, bool create, struct catalog_driver **out, struct err *e);

/* `uri` and `password` as catalog_uri_parse gives them. */
int catalog_postgres_open(const char *uri, const char *password, struct catalog_driver **out, struct err *e);

#endif
