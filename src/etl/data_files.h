/* The data files of one table in one run: row groups of many threads placed into one file a day (or one
 * file), rolled at 512 MiB. Local files are written in place; others (S3) are uploaded while they grow, and
 * finished early when too much of them gathers in memory: a day may then have more files. */
#ifndef WEIR_ETL_DATA_FILES_H
#define WEIR_ETL_DATA_FILES_H

#include "etl/iceberg.h"

#include <pthread.h>

struct data_file; /* one file being written */

struct data_files {
    const struct parquet_column *columns;
    uint32_t column_count;
    struct store *store;
    const char *dir, *partition_column; /* partition_column NULL: unpartitioned */
    const char *prefix;                 /* of file names; unique to the run */
    struct data_file **files;
    uint32_t count, cap;
    struct iceberg_file *finished; /* filled by data_files_finish */
    uint64_t rows, bytes;
    pthread_mutex_t lock;
};

/* Nothing is made on disk before the first row group. All pointers must outlive it. */
void data_files_init(struct data_files *d, const struct parquet_column *columns, uint32_t column_count,
                     struct store *store, const char *dir, const char *partition_column, const char *prefix);
void data_files_release(struct data_files *d);

/* Write a row group's bytes to the day's file. `group` must live until the commit. Any thread. */
int data_files_add(struct data_files *d, int32_t day, const struct buf *bytes,
                   struct parquet_row_group *group, struct err *e);

/* Footers, then fsync of files and folders, on `threads` threads. Then `finished` describes the files for
 * iceberg_commit. */
int data_files_finish(struct data_files *d, unsigned threads, struct err *e);

/* Remove the files: the run failed. */
void data_files_discard(struct data_files *d);

#endif
