#include "bench/tally.h"

#include <stdlib.h>
#include <string.h>

static size_t pair_of(const struct tally *t, unsigned case_index, unsigned stack_index) {
    return (size_t)case_index * t->plan->stack_count + stack_index;
}

static double *values_of(const struct tally *t, size_t pair) {
    return t->values + pair * t->plan->repetitions;
}

int tally_init(struct tally *t, const struct plan *plan, struct err *e) {
    size_t pairs = (size_t)plan->case_count * plan->stack_count;
    *t = (struct tally){.plan = plan};
    t->values = calloc(pairs * plan->repetitions, sizeof *t->values);
    t->counts = calloc(pairs, sizeof *t->counts);
    return t->values && t->counts ? 0 : err_nomem(e);
}

void tally_release(struct tally *t) {
    free(t->values);
    free(t->counts);
    *t = (struct tally){0};
}

void tally_add(struct tally *t, unsigned case_index, unsigned stack_index, double job_s) {
    size_t pair = pair_of(t, case_index, stack_index), n = t->counts[pair];
    double *v = values_of(t, pair);
    if (n == t->plan->repetitions) return;
    while (n > 0 && v[n - 1] > job_s) v[n] = v[n - 1], n--;
    v[n] = job_s;
    t->counts[pair]++;
}

unsigned tally_median(const struct tally *t, unsigned case_index, unsigned stack_index, double *median,
                      struct stats_interval *interval) {
    size_t pair = pair_of(t, case_index, stack_index);
    *median = stats_median(values_of(t, pair), t->counts[pair]);
    *interval = stats_median_interval(values_of(t, pair), t->counts[pair], STATS_LEVEL);
    return t->counts[pair];
}

double tally_width(const struct tally *t, unsigned case_index, unsigned stack_index) {
    size_t pair = pair_of(t, case_index, stack_index);
    return stats_width(values_of(t, pair), t->counts[pair]);
}
