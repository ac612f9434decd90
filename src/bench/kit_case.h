/* One case of the conformance kit while it runs: what the two halves of a kit run, running (kit_run.c) and
 * judging (kit_judge.c), share. */
#ifndef WEIR_BENCH_KIT_CASE_H
#define WEIR_BENCH_KIT_CASE_H

#include "bench/kit.h"
#include "bench/stack_session.h"
#include "bench/verify_tables.h"

enum { KIT_EVENTS, KIT_REJECTS, KIT_TABLES };

struct kit_case {
    const json_t *spec; /* of the kit */
    const char *id, *folder;
    const char *catalog_path, *catalog_uri, *warehouse; /* in folder */
    const char *needs;                                  /* skipped: the feature that the stack lacks */
    json_t *pipeline;                                   /* the whole of it, as the job has it */
    bool ran;                                           /* up to its last run */
    struct stack_answer answer;                         /* of the last run */
    json_t *result;                                     /* its result file; NULL: none */
    char *before[KIT_TABLES];               /* metadata locations before the last run; from malloc */
    char *after[KIT_TABLES];                /* and after it; NULL: no such table */
    struct verify_table tables[KIT_TABLES]; /* those of `after` */
    json_t *rows[KIT_TABLES];               /* what DuckDB read in them; NULL: not read */
    json_t *files[KIT_TABLES];              /* {"count", "compression", "days"} of their files */
    json_t *problems;                       /* texts; empty: all is as it should be */
};

/* Append a line to the case's problems, cut to a readable length. */
int kit_problem(struct kit_case *c, struct err *e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "events", "rejects". */
extern const char *const kit_table_names[KIT_TABLES];

/* Find both tables in the case's catalog: their locations, from malloc, or NULL. */
int kit_locate(const struct kit_case *c, char *locations[KIT_TABLES], struct err *e);

/* Read the tables of `count` cases that ran, with one DuckDB process; a case whose tables cannot be read gets
 * a problem. */
int kit_read_tables(const struct kit_request *r, struct kit_case *cases, size_t count, struct err *e);

/* Compare what is read with what the case expects. */
int kit_judge(const struct kit_request *r, struct kit_case *c, struct err *e);

/* The case's entry in the report; NULL when out of memory. */
json_t *kit_report_case(const struct kit_request *r, const struct kit_case *c);

/* Have the case's catalog refuse every commit to `table` (NULL: to none any more). */
int kit_catalog_forbid(const struct kit_case *c, const char *table, struct err *e);

/* Have it write down in which order tables change from now on, and read that: an array of their names. */
int kit_catalog_log(const struct kit_case *c, struct err *e);
int kit_catalog_logged(const struct kit_case *c, json_t **names, struct err *e);

#endif
