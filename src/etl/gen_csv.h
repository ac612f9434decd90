/* A generated row as CSV, well-formed or not. Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_CSV_H
#define WEIR_ETL_GEN_CSV_H

#include "base/buf.h"
#include "etl/gen_row.h"

/* How a file is laid out. */
struct gen_csv_layout {
    unsigned fields;
    uint8_t order[GEN_FIELD_COUNT]; /* which field stands where */
    bool bom, padded;               /* padded: spaces around the header's names */
};

/* The layout of file i: the usual one, but with much dirt every second file has another order (1.1, 1.3). */
void gen_csv_layout_init(struct gen_csv_layout *l, unsigned fields, enum gen_dirt dirt, unsigned i);

int gen_csv_header(const struct gen_csv_layout *l, struct buf *out, struct err *e);

/* Append the row of an event, with its line end unless it is the `last` of its file and is to lack it. */
int gen_csv_row(const struct gen_csv_layout *l, const struct gen_event *v, const struct gen_row *row,
                bool last, struct buf *out, struct err *e);

#endif
