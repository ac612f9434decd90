/* Whether tables hold what the runs that made them claim (pipeline.md 5.2). */
#ifndef WEIR_BENCH_VERIFY_LEDGER_H
#define WEIR_BENCH_VERIFY_LEDGER_H

#include "bench/verify_pair.h"

/* Of one side, after its rows were counted. *out is new: {"right", "problems": [text], "uncheckable": [text],
 * and where it is known "runs", "rows_in", "rows_out"}. */
int verify_ledger(const struct verify_pair *events, const struct verify_pair *rejects, int side,
                  struct arena *arena, bool *right, json_t **out, struct err *e);

#endif
