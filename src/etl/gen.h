/* Click data made from a seed, with an exact account of what the pipeline must say about it (cli.md: weir
 * gen; docs/generator.md tells how the account is known by construction). */
#ifndef WEIR_ETL_GEN_H
#define WEIR_ETL_GEN_H

#include "etl/pipeline.h"

enum gen_format { GEN_CSV, GEN_PARQUET };
enum gen_dirt { GEN_DIRT_NONE, GEN_DIRT_SOME, GEN_DIRT_MUCH };

enum { GEN_DAYS_MAX = 3660, GEN_FILES_MAX = 100000, GEN_ROBOT_PERCENT_MAX = 90 };

struct gen_options {
    uint64_t rows;       /* exactly so many; 0: by size */
    uint64_t size_bytes; /* about so large in all, within a few percent; when rows is 0 */
    uint64_t seed;
    enum gen_format format;
    unsigned files; /* of equal row counts; 0 is 1 */
    bool daily;     /* one file a day instead */
    unsigned days;  /* what the data spans, from 2025-03-03 on */
    enum gen_dirt dirt;
    double robot_percent; /* share of all rows that robots make; the first makes two thirds of them */
    bool plain;           /* only the seven columns, without status, bytes, user_agent, load_time */
    const char *mmdb_path;
    const char *out_dir; /* made when missing; may hold an earlier gen's output, which is replaced */
    unsigned threads;    /* 0: all; the bytes do not depend on it */
    bool progress;
};

struct gen_result {
    uint64_t rows_in, rows_out;
    uint64_t rejected[REASON_COUNT];
    uint64_t sessions, users;
    uint64_t bytes;
    unsigned files;
    double seconds;
};

/* The defaults of weir gen, without mmdb_path and out_dir. */
void gen_options_init(struct gen_options *o);

/* Make the files and truth.json in out_dir: all of them, or, on any error or interrupt, none. A folder that
 * holds something else than an earlier gen's output: ERR_INPUT. Rows and sizes too large to address:
 * ERR_USAGE. */
int gen_run(const struct gen_options *o, struct gen_result *out, struct err *e);

#endif
