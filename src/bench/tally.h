/* What a benchmark has seen so far: the job times of each stack in each case, while it runs. */
#ifndef WEIR_BENCH_TALLY_H
#define WEIR_BENCH_TALLY_H

#include "bench/plan.h"
#include "bench/stats.h"

struct tally {
    const struct plan *plan;
    double *values;   /* [case][stack][plan's repetitions], each list ascending */
    unsigned *counts; /* [case][stack] */
};

int tally_init(struct tally *t, const struct plan *plan, struct err *e);
void tally_release(struct tally *t);

/* One more right sample; twins are not counted, so that n is the same for all stacks. */
void tally_add(struct tally *t, unsigned case_index, unsigned stack_index, double job_s);

/* How many there are; with at least one, their median and its interval. */
unsigned tally_median(const struct tally *t, unsigned case_index, unsigned stack_index, double *median,
                      struct stats_interval *interval);

/* stats_width of them. */
double tally_width(const struct tally *t, unsigned case_index, unsigned stack_index);

#endif
