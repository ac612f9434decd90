/* The SQL catalog: which metadata file is a table's current one (Iceberg Java's JdbcCatalog and PyIceberg's
 * SqlCatalog share its two tables, iceberg_tables and iceberg_namespace_properties; V0 without and V1 with
 * the column iceberg_type). One small vtable: SQLite here, PostgreSQL beside it. */
#ifndef WEIR_EDGE_CATALOG_H
#define WEIR_EDGE_CATALOG_H

#include "base/err.h"

#include <stdbool.h>

struct catalog;

/* What became of a compare-and-swap. */
enum catalog_outcome {
    CATALOG_SWAPPED,
    CATALOG_LOST,    /* the table is not (any more) at `old`: nothing changed */
    CATALOG_BUSY,    /* the catalog was locked for too long: nothing changed */
    CATALOG_UNKNOWN, /* it failed, and whether it took effect could not be found out; *e says how */
};

/* Called for each row of a listing; nonzero stops it and is returned. */
typedef int catalog_row_fn(void *ctx, const char *namespace_name, const char *table,
                           const char *metadata_location, struct err *e);

struct catalog_ops {
    void (*close)(struct catalog *c);
    int (*find)(struct catalog *c, const char *namespace_name, const char *table, char **metadata_location,
                struct err *e);
    int (*swap)(struct catalog *c, const char *namespace_name, const char *table, const char *old,
                const char *new_location, enum catalog_outcome *outcome, struct err *e);
    int (*list)(struct catalog *c, bool all_catalogs, catalog_row_fn *fn, void *ctx, struct err *e);
    int (*namespace_location)(struct catalog *c, const char *namespace_name, char **location, struct err *e);
};

struct catalog {
    const struct catalog_ops *ops;
};

/* Open `sqlite:///abs/path` (also `sqlite:/abs/path`); rows of `name` only are seen. `create`: make the file
 * and the two tables (V1) when missing; else a missing one is ERR_INPUT. */
int catalog_open(const char *uri, const char *name, bool create, struct catalog **out, struct err *e);

static inline void catalog_close(struct catalog *c) {
    if (c) c->ops->close(c);
}

/* The table's metadata location as the catalog has it, from malloc; NULL when there is no such table. A view
 * of that name is ERR_INPUT. */
static inline int catalog_find(struct catalog *c, const char *namespace_name, const char *table,
                               char **metadata_location, struct err *e) {
    return c->ops->find(c, namespace_name, table, metadata_location, e);
}

/* Put new_location in the place of `old`, durably, in one transaction; old NULL: make the table (and its
 * namespace when that is missing). Returns nonzero only together with CATALOG_UNKNOWN, or for an error after
 * which nothing has changed (then *outcome is CATALOG_LOST). */
static inline int catalog_swap(struct catalog *c, const char *namespace_name, const char *table,
                               const char *old, const char *new_location, enum catalog_outcome *outcome,
                               struct err *e) {
    return c->ops->swap(c, namespace_name, table, old, new_location, outcome, e);
}

/* Every table, ordered by namespace and name; views left out. all_catalogs: also those under other catalog
 * names. */
static inline int catalog_list(struct catalog *c, bool all_catalogs, catalog_row_fn *fn, void *ctx,
                               struct err *e) {
    return c->ops->list(c, all_catalogs, fn, ctx, e);
}

/* The namespace's property `location`, from malloc; NULL when it has none. */
static inline int catalog_namespace_location(struct catalog *c, const char *namespace_name, char **location,
                                             struct err *e) {
    return c->ops->namespace_location(c, namespace_name, location, e);
}

#endif
