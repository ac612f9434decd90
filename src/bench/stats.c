/* One sample: median, spread, interval, outliers, when it is enough. */
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void stats_sort(double *values, size_t n) {
    if (n) qsort(values, n, sizeof *values, by_value);
}

double stats_median(const double *sorted, size_t n) {
    if (!n) return NAN;
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double stats_quantile(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    if (i + 1 >= n) return sorted[n - 1];
    return sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]);
}

int stats_mad(const double *sorted, size_t n, double *mad, struct err *e) {
    double median = stats_median(sorted, n), *off = malloc((n + 1) * sizeof *off);
    if (!off) return err_nomem(e);
    for (size_t i = 0; i < n; i++) off[i] = fabs(sorted[i] - median);
    stats_sort(off, n);
    *mad = stats_median(off, n);
    free(off);
    return 0;
}

struct stats_interval stats_median_interval(const double *sorted, size_t n, double level) {
    struct stats_interval out = {0};
    if (n < STATS_INTERVAL_MIN) return out;
    /* P(the median lies below the k-th smallest) = P(Binomial(n, 1/2) < k). */
    double below = 0;
    size_t k = 0;
    for (; k < n / 2; k++) {
        double term = exp(lgamma((double)n + 1) - lgamma((double)k + 1) - lgamma((double)(n - k) + 1) -
                          (double)n * log(2));
        if (1 - 2 * (below + term) < level) break;
        below += term;
    }
    if (k == 0) return out; /* not even from the smallest to the largest */
    out.known = true;
    out.low = sorted[k - 1];
    out.high = sorted[n - k];
    out.coverage = 1 - 2 * below;
    return out;
}

bool stats_is_outlier(double x, double median, double mad) {
    return mad > 0 && 0.6745 * fabs(x - median) / mad > 3.5;
}

struct stats_interval stats_proportion(size_t hits, size_t trials) {
    static const double z = 1.959963984540054;
    double n = (double)trials, share = (double)hits / n, scale = 1 + z * z / n;
    double middle = (share + z * z / (2 * n)) / scale;
    double half = z / scale * sqrt(share * (1 - share) / n + z * z / (4 * n * n));
    return (struct stats_interval){true, fmax(0, middle - half), fmin(1, middle + half), STATS_LEVEL};
}

double stats_level_of(size_t comparisons) {
    return comparisons > 1 ? 1 - (1 - STATS_LEVEL) / (double)comparisons : STATS_LEVEL;
}

double stats_width(const double *sorted, size_t n) {
    struct stats_interval i = stats_median_interval(sorted, n, STATS_LEVEL);
    double median = stats_median(sorted, n);
    return i.known && median > 0 ? (i.high - i.low) / median : INFINITY;
}

enum stats_stop stats_stop(size_t n, double widest, double spent_s, double next_s,
                           const struct stats_stop_rule *rule) {
    size_t enough = rule->least > STATS_VERDICT_MIN ? rule->least : STATS_VERDICT_MIN;
    if (rule->width > 0 && n >= enough && widest <= rule->width) return STATS_NARROW;
    if (rule->budget_s > 0 && n >= rule->least && spent_s + next_s > rule->budget_s) return STATS_SPENT;
    return STATS_GO_ON;
}
