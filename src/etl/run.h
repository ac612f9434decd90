/* One pipeline run of the native engine: inputs in, two Iceberg snapshots out (pipeline.md). */
#ifndef WEIR_ETL_RUN_H
#define WEIR_ETL_RUN_H

#include "etl/iceberg.h"
#include "etl/pipeline.h"

struct run_options {
    const struct pipeline *pipeline;
    const char *const *inputs; /* plain files, "-" for standard input; globs and folders already expanded,
                                  sorted, without repeats */
    unsigned input_count;
    const char *mmdb_path;
    struct lake_options lake;
    enum iceberg_mode mode;
    const char *run_id;     /* required */
    const char *stack_name; /* weir.stack */
    unsigned threads;       /* 0: what the process may use */
    uint64_t memory_bytes;  /* budget of anonymous memory; 0: the default */
    const char *tmp_dir;    /* spill; NULL: TMPDIR or /tmp */
    bool progress;          /* bars on standard error when it is a terminal */
    bool two_scans;         /* even where one pass would do; for tests and measurements */
    /* Called at "ready" and "committed" (stack-contract.md: events_file); may be NULL. */
    void (*on_event)(void *ctx, const char *event);
    void *event_ctx;
};

struct run_table_result {
    bool skipped;
    int64_t snapshot_id;
    char metadata_location[4096];
};

struct run_result {
    uint64_t rows_in, rows_out;
    uint64_t rejected[REASON_COUNT];
    uint64_t nulled[KEEP_MAX]; /* by keep column */
    uint64_t sessions, users;
    uint64_t input_bytes, output_bytes, output_files;
    struct run_table_result events, rejects;
    double seconds;
    uint64_t peak_memory_bytes; /* anonymous, of this process */
    unsigned threads;
    unsigned passes;       /* how often the input was read: 1 or 2; 0: the run was there already */
    uint64_t memory_bytes; /* the budget in force */
};

/* Run it. On an error each table is as it was (4.7), apart from rejects of a run whose events commit failed
 * (4.5). */
int run_pipeline(const struct run_options *o, struct run_result *out, struct err *e);

#endif
