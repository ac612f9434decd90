/* Rejected rows on their way to a row group of `rejects` (pipeline.md 4.2). */
#ifndef WEIR_ETL_REJECT_GROUP_H
#define WEIR_ETL_REJECT_GROUP_H

#include "etl/scan.h"
#include "etl/tables.h"

struct reject_row; /* reject_group.c */

struct reject_group {
    const struct pipeline *pipeline;
    const struct str *source_files; /* by file number */
    uint32_t source_count;
    struct reject_row *row;
    uint32_t rows, cap;
    struct buf text;
};

/* The source file names must outlive the group. */
void reject_group_init(struct reject_group *g, const struct pipeline *p, const struct str *source_files,
                       uint32_t source_count);
void reject_group_release(struct reject_group *g);
void reject_group_clear(struct reject_group *g);

/* Add a record: `reason` is r->reason, or REASON_DUPLICATE_EVENT for one that had none. `chunk` are the bytes
 * r points into. */
int reject_group_add(struct reject_group *g, enum reason reason, const struct scan_row *r,
                     const uint8_t *chunk, uint32_t file, struct err *e);

uint64_t reject_group_bytes(const struct reject_group *g);

/* Encode the rows (at least one): bytes appended to *out, metadata placed in `meta`; `scratch` is cleared and
 * used. */
int reject_group_encode(const struct reject_group *g, struct parquet_encoder *encoder,
                        const struct parquet_column *columns, struct arena *scratch, struct buf *out,
                        struct arena *meta, struct parquet_row_group **group, struct err *e);

#endif
