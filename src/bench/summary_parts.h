/* What the files of summary share. */
#ifndef WEIR_BENCH_SUMMARY_PARTS_H
#define WEIR_BENCH_SUMMARY_PARTS_H

#include "bench/summary.h"

/* The values of these samples, ascending, in the summary's arena. */
int summary_values(struct summary *s, const struct results_sample *const *samples, size_t count,
                   enum summary_metric_id m, double **sorted, size_t *n, struct err *e);

/* Seals, comparisons and verdicts of all cases, whose cells are filled. */
int summary_judge(struct summary *s, struct err *e);

#endif
