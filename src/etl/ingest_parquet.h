/* Parquet input: its row groups are copied, decoded, to an unnamed temporary file of rows (row_format.h),
 * which both scans then read like any other (pipeline.md 1.5, 1.6).
 *
 * Threads take row groups of all files from one counter. A thread holds a page, a dictionary and a window of
 * each column it needs, and a chunk of rows: never a whole row group. */
#ifndef WEIR_ETL_INGEST_PARQUET_H
#define WEIR_ETL_INGEST_PARQUET_H

#include "etl/ingest_source.h"
#include "etl/scan.h"

/* A Parquet file whose footer was read; owns all it points at but the source and the path. */
struct ingest_parquet;

/* Whether these are the first and last four bytes of a Parquet file. */
bool ingest_parquet_magic(const struct ingest_source *s);

/* Read the footer of a source and find the columns; what cannot be read is ERR_INPUT, naming file and column.
 * The path must outlive it. */
int ingest_parquet_open(const struct pipeline *p, const struct ingest_source *s, struct ingest_parquet **out,
                        struct err *e);
void ingest_parquet_free(struct ingest_parquet *f);

/* Whole rows in the copy. */
struct ingest_span {
    uint64_t begin, end;
};

/* Copy all rows of these files (NULL ones are passed over) to one new temporary file; its descriptor in
 * *copy. Spans of about `span_bytes` each are then to be had from each file, in the order of its rows. */
int ingest_parquet_copy(const struct pipeline *p, struct ingest_parquet *const *files, uint32_t count,
                        size_t span_bytes, unsigned threads, const char *tmp_dir, bool show_progress,
                        int *copy, struct err *e);

/* The next span of a copied file; false when there are no more. *group and *index begin as 0. */
bool ingest_parquet_span(const struct ingest_parquet *f, uint32_t *group, uint32_t *index,
                         struct ingest_span *out);

#endif
