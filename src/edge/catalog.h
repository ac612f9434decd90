/* The SQL catalog: which metadata file is a table's current one. Iceberg Java's JdbcCatalog and PyIceberg's
 * SqlCatalog share its two tables, iceberg_tables and iceberg_namespace_properties; V0 without and V1 with
 * the column iceberg_type. Its rules are here; the databases that hold it, SQLite and PostgreSQL, stand
 * behind catalog_driver.h. Not for several threads at once. */
#ifndef WEIR_EDGE_CATALOG_H
#define WEIR_EDGE_CATALOG_H

#include "base/err.h"

#include <stdbool.h>

struct catalog;

/* What became of a compare-and-swap. */
enum catalog_outcome {
    CATALOG_SWAPPED,
    CATALOG_LOST, /* the table is not (any more) at `old`: nothing changed */
    CATALOG_BUSY, /* the catalog was locked for too long: nothing changed */
    /* The database failed in the middle, and the table is at neither `old` nor `new_location` now: if its
     * metadata builds on new_location, the swap took effect; if not, it did not and never will. */
    CATALOG_OVERTAKEN,
    CATALOG_UNKNOWN, /* it failed, and whether it took effect could not be found out; *e says how */
};

/* Called for each row of a listing; nonzero stops it and is returned. */
typedef int catalog_row_fn(void *ctx, const char *namespace_name, const char *table,
                           const char *metadata_location, struct err *e);

/* Open `sqlite:///abs/path` or `postgresql://user@host:port/database?option=…` (catalog_uri.h; libpq's
 * variables and password file hold too); rows of `name` only are seen. `create`: make the SQLite file and the
 * two tables (V1) when missing; else a missing one is ERR_INPUT, as are a missing database, a wrong password
 * and missing rights; a server that does not answer is ERR_OUTSIDE. */
int catalog_open(const char *uri, const char *name, bool create, struct catalog **out, struct err *e);

void catalog_close(struct catalog *c);

/* The table's metadata location as the catalog has it, from malloc; NULL when there is no such table. A view
 * of that name is ERR_INPUT. */
int catalog_find(struct catalog *c, const char *namespace_name, const char *table, char **metadata_location,
                 struct err *e);

/* Put new_location in the place of `old`, durably, in one transaction; old NULL: make the table (and its
 * namespace when that is missing). new_location must never have been current before. When the database fails
 * in the middle, the swap is repeated or read back until its outcome is known (PostgreSQL: for half a minute
 * when the server is away). Returns nonzero only together with CATALOG_UNKNOWN, or for an error after which
 * nothing has changed (then *outcome is CATALOG_LOST). */
int catalog_swap(struct catalog *c, const char *namespace_name, const char *table, const char *old,
                 const char *new_location, enum catalog_outcome *outcome, struct err *e);

/* Every table, ordered by namespace and name, bytewise; views left out. all_catalogs: also those under other
 * catalog names. */
int catalog_list(struct catalog *c, bool all_catalogs, catalog_row_fn *fn, void *ctx, struct err *e);

/* Forget a namespace and the tables in it, durably; their files stay. No such namespace: success. */
int catalog_drop(struct catalog *c, const char *namespace_name, struct err *e);

/* The namespace's property `location`, from malloc; NULL when it has none. */
int catalog_namespace_location(struct catalog *c, const char *namespace_name, char **location, struct err *e);

#endif
