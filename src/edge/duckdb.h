/* The DuckDB command with its Iceberg extension, run as a child process; weir has no SQL of its own. */
#ifndef WEIR_EDGE_DUCKDB_H
#define WEIR_EDGE_DUCKDB_H

#include "base/buf.h"
#include "edge/store.h"

#include <limits.h>
#include <stdbool.h>

struct duckdb {
    char command[PATH_MAX];
    char avro[PATH_MAX], iceberg[PATH_MAX],
        httpfs[PATH_MAX]; /* extension files; "": DuckDB finds them by name */
};

/* Look in WEIR_DUCKDB (the command, or a folder that Python packages are installed in), <home>/.venv,
 * <home>/duckdb, ~/.cache/weir/duckdb, and for `duckdb` in PATH. `home` may be NULL. ERR_INPUT, saying how to
 * get it, when there is none. */
int duckdb_find(const char *home, struct duckdb *out, struct err *e);

/* SQL that loads the extensions and shows times in UTC, appended. */
int duckdb_prepare_sql(const struct duckdb *d, struct buf *sql, struct err *e);

/* SQL that lets it read s3://…, appended. Keys are not in it: DuckDB takes them from the environment. */
int duckdb_prepare_s3(const struct duckdb *d, const struct store_options *o, struct buf *sql, struct err *e);

/* Append text as an SQL identifier ("a""b") or literal ('a''b'). */
int duckdb_add_identifier(struct buf *sql, const char *text, struct err *e);
int duckdb_add_literal(struct buf *sql, const char *text, struct err *e);

/* Become DuckDB with these arguments (NULL-terminated, the command's name not among them): a shell. Returns
 * only on failure. */
int duckdb_exec(const struct duckdb *d, const char *const *args, struct err *e);

/* Run it and wait; its streams are ours. Ended by a signal: 128 + its number. */
int duckdb_run(const struct duckdb *d, const char *const *args, int *exit_code, struct err *e);

/* Run it and wait, what it prints appended to *out. When DuckDB refuses, ERR_INPUT with the beginning of what
 * it said; ended by a signal, ERR_INTERRUPTED or ERR_OUTSIDE. Its messages pass through an unnamed file in
 * tmp_dir. */
int duckdb_capture(const struct duckdb *d, const char *const *args, const char *tmp_dir, struct buf *out,
                   struct err *e);

#endif
