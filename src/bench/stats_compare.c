/* Two samples: ratio of medians with its bootstrap interval, the rank test, the verdict, its error rate. */
#include "base/random.h"
#include "bench/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EXACT_PAIRS = 10000 }; /* up to these the exact distribution of U is counted out */

/* ---- Mann and Whitney ---- */

/* P(U <= u) without ties: the number of ways in which n of n + m ranks give each U, by adding one rank of the
 * larger sample after another (Mann and Whitney 1947). Ways are counted as shares, so that none overflows. */
static int exact_below(size_t n, size_t m, size_t u, double *p, struct err *e) {
    size_t top = n * m;
    double *ways = calloc(top + 1, sizeof *ways);
    if (!ways) return err_nomem(e);
    /* The generating function of U: the product over i of (1 - x^(m+i)) / (1 - x^i), i = 1 … n. */
    ways[0] = 1;
    for (size_t i = 1; i <= n; i++) {
        for (size_t k = top + 1; k-- > m + i;) ways[k] -= ways[k - m - i];
        for (size_t k = i; k <= top; k++) ways[k] += ways[k - i];
        double scale = (double)i / (double)(m + i); /* keeps the sum at 1 */
        for (size_t k = 0; k <= top; k++) ways[k] *= scale;
    }
    double sum = 0;
    for (size_t k = 0; k <= u && k <= top; k++) sum += ways[k];
    free(ways);
    *p = sum;
    return 0;
}

/* U of a, doubled so that ties count whole, and the sum of t^3 - t over the ties of both. */
static void rank(const double *a, size_t n, const double *b, size_t m, uint64_t *u2, double *ties) {
    size_t i = 0, j = 0;
    *u2 = 0;
    *ties = 0;
    while (i < n || j < m) {
        double v = j >= m || (i < n && a[i] <= b[j]) ? a[i] : b[j];
        size_t in_a = 0, in_b = 0;
        while (i < n && a[i] == v) i++, in_a++;
        size_t below = j;
        while (j < m && b[j] == v) j++, in_b++;
        *u2 += in_a * (2 * below + in_b);
        double t = (double)(in_a + in_b);
        *ties += t * t * t - t;
    }
}

static int mann_whitney_sorted(const double *a, size_t n, const double *b, size_t m, double *p, double *u,
                               bool *exact, struct err *e) {
    uint64_t u2;
    double ties;
    rank(a, n, b, m, &u2, &ties);
    double x = (double)n, y = (double)m, all = x + y;
    if (u) *u = (double)u2 / 2;
    bool counted = ties == 0 && n * m <= EXACT_PAIRS;
    if (exact) *exact = counted;
    if (counted) {
        size_t whole = (size_t)(u2 / 2), other = n * m - whole;
        TRY(exact_below(n < m ? n : m, n < m ? m : n, whole < other ? whole : other, p, e));
        *p = fmin(1, 2 * *p);
        return 0;
    }
    double variance = x * y / 12 * (all + 1 - ties / (all * (all - 1)));
    double off = fmax(0, fabs((double)u2 / 2 - x * y / 2) - 0.5);
    *p = variance > 0 ? erfc(off / sqrt(variance) / sqrt(2)) : 1;
    return 0;
}

int stats_mann_whitney(const double *a, size_t n, const double *b, size_t m, double *p, double *u,
                       bool *exact, struct err *e) {
    double *copy = malloc((n + m) * sizeof *copy);
    if (!copy) return err_nomem(e);
    memcpy(copy, a, n * sizeof *copy);
    memcpy(copy + n, b, m * sizeof *copy);
    stats_sort(copy, n);
    stats_sort(copy + n, m);
    int rc = mann_whitney_sorted(copy, n, copy + n, m, p, u, exact, e);
    free(copy);
    return rc;
}

/* ---- the bootstrap ---- */

/* The median of n values drawn with replacement: counted per place, so that nothing is sorted. */
static double drawn_median(const double *sorted, size_t n, uint32_t *times, struct rng *r) {
    memset(times, 0, n * sizeof *times);
    for (size_t i = 0; i < n; i++) times[rng_below(r, n)]++;
    size_t seen = 0, i = 0;
    while (seen + times[i] < (n + 1) / 2) seen += times[i++];
    if (n % 2 || seen + times[i] > n / 2) return sorted[i];
    size_t next = i + 1;
    while (!times[next]) next++;
    return (sorted[i] + sorted[next]) / 2;
}

static int ratio_interval(const double *a, size_t n, const double *b, size_t m, double level,
                          struct stats_interval *out, struct err *e) {
    double *ratios = malloc(STATS_RESAMPLES * sizeof *ratios);
    uint32_t *times = malloc((n > m ? n : m) * sizeof *times);
    if (!ratios || !times) {
        free(ratios);
        free(times);
        return err_nomem(e);
    }
    struct rng r;
    rng_init(&r, 1, 0);
    for (size_t i = 0; i < STATS_RESAMPLES; i++)
        ratios[i] = drawn_median(b, m, times, &r) / drawn_median(a, n, times, &r);
    stats_sort(ratios, STATS_RESAMPLES);
    double tail = (1 - level) / 2;
    *out = (struct stats_interval){true, stats_quantile(ratios, STATS_RESAMPLES, tail),
                                   stats_quantile(ratios, STATS_RESAMPLES, 1 - tail), level};
    free(ratios);
    free(times);
    return 0;
}

/* ---- the verdict ---- */

static bool spans_one(const struct stats_interval *i) {
    return i->low <= 1 && i->high >= 1;
}

int stats_compare(const double *a, size_t n, const double *b, size_t m, double level,
                  struct stats_comparison *out, struct err *e) {
    struct stats_comparison c = {.n_a = n, .n_b = m, .ratio = NAN, .p = 1, .verdict = STATS_FEW};
    *out = c;
    if (!n || !m) return 0;
    if (a[0] <= 0 || b[0] <= 0) {
        out->verdict = STATS_NONE;
        return 0;
    }
    c.ratio = stats_median(b, m) / stats_median(a, n);
    if (n >= STATS_INTERVAL_MIN && m >= STATS_INTERVAL_MIN) {
        TRY(ratio_interval(a, n, b, m, level, &c.interval, e));
        TRY(mann_whitney_sorted(a, n, b, m, &c.p, NULL, NULL, e));
    }
    if (n >= STATS_VERDICT_MIN && m >= STATS_VERDICT_MIN) {
        bool differs = !spans_one(&c.interval) && c.p < 1 - level;
        c.verdict = !differs ? STATS_TIE : c.interval.high < 1 ? STATS_LESS : STATS_MORE;
    }
    *out = c;
    return 0;
}

int stats_false_rate(const double *a, size_t n, const double *b, size_t m, size_t trials, size_t *differences,
                     struct err *e) {
    double *pool = malloc((n + m) * 2 * sizeof *pool), *dealt = pool + n + m;
    if (!pool) return err_nomem(e);
    memcpy(pool, a, n * sizeof *pool);
    memcpy(pool + n, b, m * sizeof *pool);
    struct rng r;
    rng_init(&r, 2, 0);
    int rc = 0;
    *differences = 0;
    for (size_t t = 0; t < trials && !rc; t++) {
        for (size_t i = n + m - 1; i > 0; i--) {
            size_t j = rng_below(&r, i + 1);
            double swap = pool[i];
            pool[i] = pool[j];
            pool[j] = swap;
        }
        memcpy(dealt, pool, (n + m) * sizeof *dealt);
        stats_sort(dealt, n);
        stats_sort(dealt + n, m);
        /* The rank test first: where it sees nothing, the bootstrap need not be asked. */
        double p;
        struct stats_comparison c = {0};
        rc = mann_whitney_sorted(dealt, n, dealt + n, m, &p, NULL, NULL, e);
        if (!rc && p < 1 - STATS_LEVEL) rc = stats_compare(dealt, n, dealt + n, m, STATS_LEVEL, &c, e);
        if (c.verdict == STATS_LESS || c.verdict == STATS_MORE) ++*differences;
    }
    free(pool);
    return rc;
}
