/* What runs cost: times as measured, prices as assumed (metrics.md, Cost). A run costs its budget, CPUs and
 * memory, from the request to the exit. So money is linear in total time: its median and interval are the
 * total time's, and so is the verdict. */
#ifndef WEIR_BENCH_COST_H
#define WEIR_BENCH_COST_H

#include "bench/summary.h"

struct cost_prices {
    struct arena arena;
    const char *currency, *source; /* source: where the prices are from, in words */
    double cpu_hour, gb_hour;      /* of one CPU, of 10^9 bytes */
    double runs_per_month;         /* the schedule */
    bool own;                      /* the user's, not the defaults */
};

/* Of one stack in one case, in the prices' currency. */
struct cost {
    double run, low, high;    /* low, high: 95 %; equal to run when the total time has no interval */
    double per_gb, per_month; /* per_gb 0: the size of the data is not known */
};

/* A published list price, hourly runs. Release them in any case. */
void cost_prices_default(struct cost_prices *p);

/* Over the defaults: a YAML file of `currency`, `source`, `cpu_hour`, `gb_hour`, `runs_per_month`. ERR_INPUT
 * names file and key. */
int cost_prices_read(struct cost_prices *p, const char *path, struct err *e);
void cost_prices_release(struct cost_prices *p);

/* False when the case has no budget or the stack no total time. */
bool cost_of(const struct cost_prices *p, const struct summary_case *c, const struct summary_stack *s,
             struct cost *out);

#endif
