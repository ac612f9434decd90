/* Are two results equal? Two events tables and the rejects of their runs, read through DuckDB over the
 * Iceberg metadata, never through a stack's own code (docs/verify.md). Nothing here writes to a lake. */
#ifndef WEIR_BENCH_VERIFY_H
#define WEIR_BENCH_VERIFY_H

#include "edge/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A table is `namespace.table`, `table` in the namespace web, either of them with `@RUN-ID` for the snapshot
 * of that run instead of the current one, or the path of a metadata file. */
struct verify_request {
    const char *catalog_uri, *catalog_name; /* where names are looked up */
    struct store_options store;
    const char *tables[2];  /* A and B */
    const char *rejects[2]; /* NULL: those that the snapshot's summary names */
    const char *home;       /* where DuckDB is looked for first; may be NULL */
    const char *tmp_dir;    /* absolute; for what does not fit into memory */
    uint64_t memory_bytes;  /* for DuckDB */
    bool quick;             /* digests of columns only where the tables differ */
};

/* The report as docs/verify.md describes it, the caller's to json_decref; *equal: the tables hold the same
 * rows and no ledger is wrong. A table that is not there or cannot be read: ERR_INPUT. */
int verify_run(const struct verify_request *r, json_t **report, bool *equal, struct err *e);

#endif
