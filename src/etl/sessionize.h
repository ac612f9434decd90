/* Between the scans: each partition of keys is sorted by user and time, duplicates are dropped, sessions
 * numbered, and the outcome put to every row's place in the results (pipeline.md 3). */
#ifndef WEIR_ETL_SESSIONIZE_H
#define WEIR_ETL_SESSIONIZE_H

#include "etl/keys.h"
#include "etl/results.h"

struct sessionize_counts {
    uint64_t users, sessions, kept, duplicates;
};

/* Read the partitions of k. sort_memory: bytes a thread may use to
 * sort; a larger partition is sorted piecewise and merged. */
int sessionize(struct keys *k, const struct ingest *in, struct results *results, unsigned threads,
               uint64_t sort_memory, const char *tmp_dir, struct progress *progress,
               struct sessionize_counts *out, struct err *e);

#endif
