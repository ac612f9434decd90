/* Two tables that `weir verify` compares: the columns that they have in common, and what came of it. */
#ifndef WEIR_BENCH_VERIFY_PAIR_H
#define WEIR_BENCH_VERIFY_PAIR_H

#include "bench/verify_tables.h"

/* A column that both tables have; c0, c1, … in SQL, in the order of A. */
struct verify_column {
    const char *name;
    bool is_text, is_time, is_key;
};

struct verify_pair {
    const char *what; /* "events", "rejects" */
    struct verify_table tables[2];
    struct verify_column *columns; /* in an arena */
    size_t column_count;           /* 0: there is nothing to compare */
    int reason, raw;               /* columns of rejects; -1 */
    json_t *report;                /* borrowed */
    int64_t rows[2];               /* in the tables */
    bool same_columns;             /* neither has one that the other lacks */
    bool same_rows;                /* of the common columns */
    json_t *rejected[2];           /* rejects: {reason: n} */
};

/* Finds the columns that both tables have; what differs goes to the report. source_file of rejects may be
 * either copy's (pipeline.md 4.2), so it is none of them. ERR_INPUT: none or too many in common. */
int verify_pair_match(struct verify_pair *p, bool is_rejects, struct arena *arena, struct err *e);

#endif
