/* Iceberg v2 tables in a SQL catalog: open for writing, commit one snapshot, inspect, clean (Iceberg table
 * spec, format version 2; pipeline.md 4). Shared with PyIceberg's SqlCatalog and Iceberg Java's JdbcCatalog
 * (V0 and V1 schemas). */
#ifndef WEIR_ETL_ICEBERG_H
#define WEIR_ETL_ICEBERG_H

#include "edge/store.h"
#include "format/parquet.h"

/* Where the tables are: catalog and storage together. */
struct lake_options {
    const char *catalog_uri;  /* sqlite:///abs/path or postgresql://…, as catalog_open takes it */
    const char *catalog_name; /* "weir" */
    const char *warehouse;    /* file:///abs/path, s3://bucket/prefix */
    struct store_options store;
};

struct lake;

/* `create`: make the catalog file and the warehouse folder where they are missing; else a missing one is
 * ERR_INPUT. */
int lake_open(const struct lake_options *o, bool create, struct lake **out, struct err *e);
void lake_close(struct lake *l);

/* A column that the caller will write; `field_id` is what the caller prefers for a new table. */
struct iceberg_column {
    const char *name;
    int32_t field_id;
    enum parquet_type type;
    bool required;
};

/* A table opened for writing: it need not exist yet; nothing is made before the commit. */
struct iceberg_writer;

/* Find the table, check that `columns` can be written to it (by name; missing optional columns will be added
 * to its schema by the commit), and that its partitioning is day(<partition column>) or none.
 * partition_column −1: unpartitioned, else an index into columns. The options must outlive the writer's open
 * call only. */
int iceberg_writer_open(struct lake *l, const char *namespace_name, const char *table,
                        const struct iceberg_column *columns, uint32_t column_count, int partition_column,
                        struct iceberg_writer **out, struct err *e);
void iceberg_writer_free(struct iceberg_writer *w);

/* The field id to write for columns[i] in this table. */
int32_t iceberg_writer_field_id(const struct iceberg_writer *w, uint32_t i);

/* True when the table wants its data files split by day of the partition column. */
bool iceberg_writer_partitioned(const struct iceberg_writer *w);

/* True when a snapshot in the table's history carries this `weir.run-id` (4.6). */
bool iceberg_writer_has_run(const struct iceberg_writer *w, const char *run_id);

/* The snapshot's summary value for `key` of the run's snapshot in this table, NULL when there is none. */
const char *iceberg_writer_run_property(const struct iceberg_writer *w, const char *run_id, const char *key);

/* Folder for new data files: a local path without scheme, or s3://… (made by the first caller who needs it).
 * Files are named by the caller under it; partitioned ones go to <folder>/<partition column>_day=YYYY-MM-DD/.
 */
const char *iceberg_writer_data_dir(const struct iceberg_writer *w);

/* Where they are put. */
struct store *iceberg_writer_store(const struct iceberg_writer *w);

/* A finished data file, fsynced by the caller together with its folder. */
struct iceberg_file {
    const char *path;                        /* local path without scheme, or s3://… */
    int32_t day;                             /* partition value, when partitioned */
    uint64_t bytes;                          /* of the file */
    struct parquet_row_group *const *groups; /* offset set; metrics and split offsets come from them */
    uint32_t group_count;
};

struct iceberg_property {
    const char *key, *value;
};

enum iceberg_mode { ICEBERG_OVERWRITE, ICEBERG_APPEND };

struct iceberg_commit {
    enum iceberg_mode mode;
    const char *run_id;
    const struct iceberg_file *files; /* may be none: a snapshot is written all the same (4.4) */
    uint32_t file_count;
    const struct iceberg_property *summary; /* added to the snapshot's summary (5.2) */
    uint32_t summary_count;
};

struct iceberg_result {
    bool skipped; /* the run-id was there already: nothing was done */
    bool unknown; /* with an error: the commit may have taken effect, so its data files must stay */
    int64_t snapshot_id;
    char *metadata_location; /* as the catalog has it; owned by the writer */
};

/* Commit one snapshot: manifests, manifest list and metadata written and fsynced, then compare-and-swap in
 * the catalog, retried with the table's newest state when another writer won. ERR_OUTSIDE when it cannot; the
 * table is then as before (files that it wrote are removed as far as possible, unless the outcome is
 * unknown). */
int iceberg_commit(struct iceberg_writer *w, const struct iceberg_commit *c, struct iceberg_result *out,
                   struct err *e);

#endif
