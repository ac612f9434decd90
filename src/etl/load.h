/* Scan 2: the input once more, every column, with what the sessions say of each row, into data files. */
#ifndef WEIR_ETL_LOAD_H
#define WEIR_ETL_LOAD_H

#include "base/progress.h"
#include "edge/mmdb.h"
#include "etl/data_files.h"
#include "etl/keys.h"
#include "etl/results.h"

struct load_options {
    const struct ingest *in;
    const struct keys *keys; /* chunks' row numbers */
    const struct results *results;
    const struct mmdb *mmdb;
    struct data_files *events, *rejects; /* NULL: that table already holds the run */
    unsigned threads;
    uint64_t group_bytes; /* a row group's size in memory */
    uint64_t pool_bytes;  /* all unfinished row groups of one thread */
    struct arena *meta;   /* one a thread: row group metadata, for the commit */
    struct progress *progress;
};

struct load_counts {
    uint64_t kept, rejected[REASON_COUNT], nulled[KEEP_MAX];
};

int load(const struct load_options *o, struct load_counts *out, struct err *e);

#endif
