/* Statements run in an SQLite file that is another's catalog: how the conformance kit disturbs and watches a
 * stack's commits. */
#ifndef WEIR_EDGE_SQLITE_SCRIPT_H
#define WEIR_EDGE_SQLITE_SCRIPT_H

#include "base/err.h"

/* Called with the first column of each row, as text or NULL; nonzero stops and is returned. */
typedef int sqlite_script_fn(void *ctx, const char *value, struct err *e);

/* Run all of `sql`; fn may be NULL. What SQLite refuses is ERR_OUTSIDE. */
int sqlite_script_run(const char *path, const char *sql, sqlite_script_fn *fn, void *ctx, struct err *e);

#endif
