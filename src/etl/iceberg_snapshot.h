/* One attempt at a snapshot: its manifests, manifest list and metadata file, written but in no catalog. */
#ifndef WEIR_ETL_ICEBERG_SNAPSHOT_H
#define WEIR_ETL_ICEBERG_SNAPSHOT_H

#include "etl/iceberg_lake.h"

struct iceberg_attempt {
    struct iceberg_writer *w;
    const struct iceberg_commit *commit;
    unsigned number;
    int64_t snapshot_id;
    const char *uuid; /* of the commit, in file names */

    struct arena arena;
    json_t *metadata;         /* being changed */
    struct iceberg_plan plan; /* against this state */
    const char *folder;       /* of metadata files, a location */
    int64_t sequence_number, timestamp_ms;
    struct iceberg_manifest *manifests;
    size_t manifest_count, manifest_cap;
    unsigned manifest_number;
    const char **written; /* locations, to be removed when it is given up */
    size_t written_count, written_cap;
    const char *metadata_location; /* the result */

    struct iceberg_totals {
        int64_t files, rows, bytes; /* data files */
        int64_t position_files, position_rows, equality_files, equality_rows, delete_bytes;
    } added, removed;
    struct buf *partitions; /* keys of the partitions touched */
    size_t partition_count, partition_cap;
};

/* Write everything that the snapshot needs on top of w->state, durably. */
int iceberg_attempt_write(struct iceberg_attempt *a, struct err *e);

/* Remove what was written. */
void iceberg_attempt_undo(struct iceberg_attempt *a);
void iceberg_attempt_release(struct iceberg_attempt *a);

/* The snapshot's summary (iceberg_summary.c). */
int iceberg_attempt_summary(struct iceberg_attempt *a, json_t **out, struct err *e);

#endif
