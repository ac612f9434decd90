/* Statistics of few, skewed, positive measurements. Method and sources: docs/statistics.md.
 *
 * Nothing here assumes a distribution: medians with order-statistic intervals, ratios of medians with
 * bootstrap intervals, and a rank test that is exact for small samples. All is deterministic: the bootstrap
 * draws from a fixed seed. Functions that take `sorted` want ascending order without NaN (stats_sort). */
#ifndef WEIR_BENCH_STATS_H
#define WEIR_BENCH_STATS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    STATS_INTERVAL_MIN = 6,  /* below, no order-statistic interval of 95 % exists: none is given */
    STATS_VERDICT_MIN = 10,  /* below, on either side, there is no verdict */
    STATS_RESAMPLES = 10000, /* of a bootstrap */
};

/* Confidence level of all that is shown, before it is divided among several comparisons. */
#define STATS_LEVEL 0.95

struct stats_interval {
    bool known;       /* false: too few values */
    double low, high; /* low <= high */
    double coverage;  /* what it covers exactly (order statistics), or nominally (bootstrap) */
};

void stats_sort(double *values, size_t n);

/* The median; NaN for n 0. */
double stats_median(const double *sorted, size_t n);

/* The q-quantile by linear interpolation (Hyndman and Fan's type 7, NumPy's default); n > 0. */
double stats_quantile(const double *sorted, size_t n, double q);

/* The median absolute deviation from the median, unscaled. */
int stats_mad(const double *sorted, size_t n, double *mad, struct err *e);

/* The interval of the median between the k-th smallest and k-th largest value, k as large as a coverage of at
 * least `level` allows, by the binomial distribution: exact for every continuous distribution. */
struct stats_interval stats_median_interval(const double *sorted, size_t n, double level);

/* Iglewicz and Hoaglin's rule: 0.6745 |x - median| / MAD > 3.5. Never with MAD 0. */
bool stats_is_outlier(double x, double median, double mad);

/* Mann and Whitney's two-sided p of "neither sample tends to be larger": exact without ties up to 10,000
 * pairs of values, else the normal approximation with correction for ties and continuity. n, m > 0. Whether
 * it was exact goes to *exact unless NULL; U of the first sample to *u unless NULL. */
int stats_mann_whitney(const double *a, size_t n, const double *b, size_t m, double *p, double *u,
                       bool *exact, struct err *e);

/* Wilson's interval of a proportion seen `hits` times in `trials` > 0, at 95 %. */
struct stats_interval stats_proportion(size_t hits, size_t trials);

/* ---- comparing two samples ---- */

enum stats_verdict {
    STATS_FEW,  /* not enough samples to say */
    STATS_NONE, /* no ratio exists: a value is not positive */
    STATS_TIE,  /* the interval of the ratio spans 1, or the rank test does not agree */
    STATS_LESS, /* b is less than a */
    STATS_MORE, /* b is more than a */
};

struct stats_comparison {
    size_t n_a, n_b;
    double ratio;                   /* median of b / median of a; NaN when there is none */
    struct stats_interval interval; /* of the ratio; from STATS_INTERVAL_MIN values on each side */
    double p;                       /* of the rank test; 1 when not run */
    enum stats_verdict verdict;
};

/* The ratio of the medians, b / a, its percentile bootstrap interval at `level`, and the verdict: a
 * difference when both have STATS_VERDICT_MIN values, the interval does not span 1, and the rank test rejects
 * at 1 - level. The rank test's exactness keeps the rate of false differences below 1 - level. */
int stats_compare(const double *sorted_a, size_t n, const double *sorted_b, size_t m, double level,
                  struct stats_comparison *out, struct err *e);

/* The level for each of `comparisons` so that all hold together at STATS_LEVEL (Bonferroni). */
double stats_level_of(size_t comparisons);

/* How often stats_compare would find a difference where there is none: `a` and `b`, two samples of the same,
 * are pooled and dealt out at random `trials` times. */
int stats_false_rate(const double *a, size_t n, const double *b, size_t m, size_t trials, size_t *differences,
                     struct err *e);

/* ---- when to stop ---- */

/* How wide the interval of the median is, (high - low) / median; INFINITY while there is none. */
double stats_width(const double *sorted, size_t n);

struct stats_stop_rule {
    size_t least;    /* repetitions that are taken whatever the budget */
    double width;    /* enough when no interval is wider; 0: never */
    double budget_s; /* seconds; 0: no limit */
};

enum stats_stop { STATS_GO_ON, STATS_NARROW, STATS_SPENT };

/* After `n` repetitions in `spent_s`, another one being expected to take `next_s`. STATS_NARROW: the widest
 * of the intervals is narrow enough; never before STATS_VERDICT_MIN, for stopping earlier would forgo
 * verdicts. STATS_SPENT: `least` are done and another one would exceed the budget. The rule looks at widths
 * only, never at who leads: stopping when a difference shows would make differences of noise. What it does to
 * intervals: docs/statistics.md. */
enum stats_stop stats_stop(size_t n, double widest, double spent_s, double next_s,
                           const struct stats_stop_rule *rule);

#endif
