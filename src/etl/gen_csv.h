/* A generated row as CSV, well-formed or not. Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_CSV_H
#define WEIR_ETL_GEN_CSV_H

#include "base/buf.h"
#include "etl/gen_row.h"

/* Append the header of `fields` columns, after a BOM if wanted. */
int gen_csv_header(unsigned fields, bool bom, struct buf *out, struct err *e);

/* Append the row of an event, with its line end unless it is the `last` of its file and is to lack it. */
int gen_csv_row(const struct gen_event *v, const struct gen_row *row, unsigned fields, bool last,
                struct buf *out, struct err *e);

#endif
