/* What the pipeline must find in generated data: summed from the plan's tallies, printed as truth.json.
 * Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_TRUTH_H
#define WEIR_ETL_GEN_TRUTH_H

#include "etl/gen_out.h"
#include "etl/gen_row.h"

/* Add the tallies of all threads into the first, and fill in the result's ledger, sessions and users. */
void gen_truth_sum(const struct gen_plan *p, struct gen_tally *const *tallies, unsigned count,
                   unsigned countries, struct gen_result *out);

int gen_truth_print(const struct gen_options *o, const struct gen_plan *p, const struct gen_rows *rows,
                    const struct mmdb *db, const struct gen_tally *sum, const struct gen_out *files,
                    const struct gen_result *result, struct buf *out, struct err *e);

#endif
