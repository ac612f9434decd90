/* The SQL that compares two tables, for DuckDB's command line: each statement an argument `-cmd`. Each answer
 * is one JSON text in a line. */
#ifndef WEIR_BENCH_VERIFY_SQL_H
#define WEIR_BENCH_VERIFY_SQL_H

#include "base/arena.h"
#include "base/buf.h"
#include "bench/verify_pair.h"

extern const char *const verify_sides[2]; /* "a", "b" */

/* A statement in the making, and the arguments made so far. */
struct verify_script {
    struct arena *arena;
    struct buf args; /* of const char *, in the arena */
    struct buf sql;
};

/* ERR_NOMEM for NULL. */
int verify_script_arg(struct verify_script *s, const char *arg, struct err *e);

/* What is in s->sql becomes an argument. */
int verify_script_end(struct verify_script *s, struct err *e);

/* CREATE VIEW events_a: the columns to compare of a table at its snapshot. */
int verify_sql_view(struct verify_script *s, const struct verify_pair *p, int side, struct err *e);

/* One line {"rows", "digest", "columns": [digest, …]}; without `columns` that list is empty. */
int verify_sql_digests(struct verify_script *s, const struct verify_pair *p, int side, bool columns,
                       struct err *e);

/* One line {reason: n}. */
int verify_sql_reasons(struct verify_script *s, const struct verify_pair *p, int side, struct err *e);

/* One line [hash of each column], without keys: which columns hold other values. */
int verify_sql_hashes(struct verify_script *s, const struct verify_pair *p, int side, struct err *e);

/* The rows that one side has more often, for verify_sql_first; one line [rows in A only, in B only]. */
int verify_sql_surplus(struct verify_script *s, const struct verify_pair *p, struct err *e);

/* Lines [times, value, …]: the first ten rows of one side's surplus, ordered by key and all columns; then a
 * line []. */
int verify_sql_first(struct verify_script *s, const struct verify_pair *p, int side, struct err *e);
#endif
