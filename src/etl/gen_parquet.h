/* Generated rows as Parquet row groups. Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_PARQUET_H
#define WEIR_ETL_GEN_PARQUET_H

#include "etl/gen_row.h"
#include "format/parquet.h"

extern const struct parquet_column gen_parquet_columns[GEN_FIELD_COUNT];

struct gen_columns; /* rows collected for one row group, by one thread */

struct gen_columns *gen_columns_new(void); /* NULL: out of memory */
void gen_columns_free(struct gen_columns *c);

int gen_columns_add(struct gen_columns *c, const struct gen_row *row, unsigned fields, struct err *e);

/* Encode what was collected (one row at least) and forget it: bytes to *out, metadata into `arena`. */
int gen_columns_encode(struct gen_columns *c, unsigned fields, struct buf *out, struct arena *arena,
                       struct parquet_row_group **group, struct err *e);

#endif
