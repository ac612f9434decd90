/* Statistics against SciPy's values, and their error rates on samples whose truth is known. */
#include "bench/stats.h"

#include "base/random.h"
#include "bench/stats_scipy_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { TRIALS = 2000, N_MAX = 128 };

static void close_to(double got, double want, double relative, const char *what) {
    if (fabs(got - want) <= relative * fabs(want)) return;
    fail_msg("%s: %.17g, expected %.17g", what, got, want);
}

static void test_scipy(void **state) {
    (void)state;
    assert_string_equal(scipy_version, "1.17.1");
    for (size_t i = 0; i < sizeof scipy_cases / sizeof *scipy_cases; i++) {
        const struct scipy_case *c = &scipy_cases[i];
        double a[N_MAX], b[N_MAX], mad = 0, p = 0, u = 0;
        bool exact;
        struct err e = {0};
        memcpy(a, c->a, sizeof a);
        memcpy(b, c->b, sizeof b);
        assert_int_equal(stats_mann_whitney(a, c->n, b, c->m, &p, &u, &exact, &e), 0);
        assert_int_equal(exact, c->exact);
        close_to(u, c->u, 0, c->name);
        close_to(p, c->p, 1e-9, c->name);
        stats_sort(a, c->n);
        stats_sort(b, c->m);
        assert_int_equal(stats_mad(a, c->n, &mad, &e), 0);
        close_to(stats_median(a, c->n), c->median, 1e-15, c->name);
        close_to(mad, c->mad, 1e-12, c->name);
        close_to(stats_quantile(a, c->n, 0.9), c->p90, 1e-12, c->name);
        struct stats_interval in = stats_median_interval(a, c->n, 0.95);
        assert_true(in.known);
        close_to(in.low, c->low, 0, c->name);
        close_to(in.high, c->high, 0, c->name);
        close_to(in.coverage, c->coverage, 1e-12, c->name);
        struct stats_comparison k;
        assert_int_equal(stats_compare(a, c->n, b, c->m, 0.95, &k, &e), 0);
        close_to(k.ratio, c->ratio, 1e-12, c->name);
        close_to(k.p, c->p, 1e-9, c->name);
        /* Two bootstraps agree within what 10,000 draws leave open. */
        close_to(k.interval.low, c->ratio_low, 0.003, c->name);
        close_to(k.interval.high, c->ratio_high, 0.003, c->name);
    }
}

static void test_limits(void **state) {
    (void)state;
    double x[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, y[] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, zero[] = {0, 1, 2};
    struct stats_comparison c;
    struct err e = {0};
    assert_true(isnan(stats_median(x, 0)));
    assert_false(stats_median_interval(x, 5, 0.95).known);
    struct stats_interval six = stats_median_interval(x, 6, 0.95);
    assert_true(six.known && six.low == 1 && six.high == 6);
    close_to(six.coverage, 1 - 2.0 / 64, 1e-12, "six");
    /* Six values cannot give 99 %. */
    assert_false(stats_median_interval(x, 6, 0.99).known);
    assert_int_equal(stats_compare(x, 9, y, 10, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_FEW);
    assert_true(c.interval.known);
    assert_int_equal(stats_compare(x, 10, y, 5, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_FEW);
    assert_false(c.interval.known);
    assert_int_equal(stats_compare(x, 10, y, 0, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_FEW);
    assert_int_equal(stats_compare(x, 10, zero, 3, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_NONE);
    assert_int_equal(stats_compare(x, 10, x, 10, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_TIE);
    /* Values that are all the same, and apart: a difference, and an interval without width. */
    double twos[10], threes[10];
    for (int i = 0; i < 10; i++) twos[i] = 2, threes[i] = 3;
    assert_int_equal(stats_compare(twos, 10, threes, 10, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_MORE);
    assert_true(c.interval.low == 1.5 && c.interval.high == 1.5);
    assert_int_equal(stats_compare(threes, 10, twos, 10, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_LESS);
    assert_int_equal(stats_compare(twos, 10, twos, 10, 0.95, &c, &e), 0);
    assert_int_equal(c.verdict, STATS_TIE);
    close_to(stats_level_of(1), 0.95, 1e-15, "one");
    close_to(stats_level_of(3), 1 - 0.05 / 3, 1e-15, "three");
}

static void test_outliers(void **state) {
    (void)state;
    double x[] = {10, 10.1, 10.2, 10.3, 10.4, 10.5, 14}, mad = 0;
    struct err e = {0};
    assert_int_equal(stats_mad(x, 7, &mad, &e), 0);
    double median = stats_median(x, 7);
    for (int i = 0; i < 6; i++) assert_false(stats_is_outlier(x[i], median, mad));
    assert_true(stats_is_outlier(14, median, mad));
    assert_true(stats_is_outlier(7, median, mad));
    assert_false(stats_is_outlier(99, 10, 0));
}

static void test_stop(void **state) {
    (void)state;
    struct stats_stop_rule narrow = {.least = 6, .width = 0.05}, budget = {.least = 6, .budget_s = 1000};
    double x[10];
    for (int i = 0; i < 10; i++) x[i] = 100 + i;
    assert_true(stats_width(x, 5) > 1e300);
    assert_true(fabs(stats_width(x, 10) - 7 / 104.5) < 1e-12);         /* from the second to the ninth */
    assert_int_equal(stats_stop(9, 0.01, 0, 0, &narrow), STATS_GO_ON); /* no verdict could be said */
    assert_int_equal(stats_stop(10, 0.05, 0, 0, &narrow), STATS_NARROW);
    assert_int_equal(stats_stop(10, 0.051, 0, 0, &narrow), STATS_GO_ON);
    narrow.least = 12;
    assert_int_equal(stats_stop(11, 0.01, 0, 0, &narrow), STATS_GO_ON);
    assert_int_equal(stats_stop(6, 0.01, 900, 99, &budget), STATS_GO_ON);
    assert_int_equal(stats_stop(6, 0.01, 900, 101, &budget), STATS_SPENT);
    assert_int_equal(stats_stop(5, 0.01, 2000, 1, &budget), STATS_GO_ON);
}

/* ---- error rates ---- */

static double normal(struct rng *r) {
    double u = rng_double(r), v = rng_double(r);
    return sqrt(-2 * log(1 - u)) * cos(2 * 3.14159265358979323846 * v);
}

/* What times of programs look like. */
enum shape { SMOOTH, SKEWED, TWO_HUMPS, COARSE };

static double draw(enum shape shape, double spread, struct rng *r) {
    double z = normal(r);
    switch (shape) {
    case SMOOTH: return exp(spread * z);
    case SKEWED: return 1 - spread * log(1 - rng_double(r));
    case TWO_HUMPS: return exp(spread * (z / 4 + (rng_below(r, 3) == 0 ? 3 : 0)));
    case COARSE: return round(exp(spread * z) * 50) / 50;
    }
    return 0;
}

static void fill(double *x, size_t n, enum shape shape, double spread, double factor, struct rng *r) {
    for (size_t i = 0; i < n; i++) x[i] = factor * draw(shape, spread, r);
    stats_sort(x, n);
}

static double percent(size_t hits, size_t trials) {
    return 100.0 * (double)hits / (double)trials;
}

static void test_median_coverage(void **state) {
    (void)state;
    struct rng r;
    size_t covered = 0;
    rng_init(&r, 12, 0);
    for (int t = 0; t < TRIALS; t++) {
        double x[10];
        fill(x, 10, SMOOTH, 0.3, 1, &r);
        struct stats_interval i = stats_median_interval(x, 10, 0.95);
        covered += i.low <= 1 && 1 <= i.high;
    }
    print_message("n=10: the interval covers the median in %.2f %%\n", percent(covered, TRIALS));
    /* 97.85 % exactly, give or take four standard deviations. */
    assert_in_range(covered, (size_t)(0.9655 * TRIALS), (size_t)(0.9915 * TRIALS));
}

/* What stopping does: samples are added one by one to both of two equal stacks until neither interval is
 * wider than `width`, 40 at most. How often does an interval still cover the median, and how often does the
 * rule see a difference? */
static void test_stopping(void **state) {
    (void)state;
    enum { MOST = 40 };
    static const struct stats_stop_rule rule = {.least = 6, .width = 0.05};
    size_t covered = 0, different = 0, taken = 0;
    struct rng r;
    struct err e = {0};
    rng_init(&r, 15, 0);
    for (int t = 0; t < TRIALS; t++) {
        double a[MOST], b[MOST], p = 1, widest = INFINITY;
        struct stats_comparison c;
        size_t n = 0;
        for (; n < MOST && stats_stop(n, widest, 0, 0, &rule) == STATS_GO_ON; n++) {
            fill(a + n, 1, SMOOTH, 0.05, 1, &r);
            fill(b + n, 1, SMOOTH, 0.05, 1, &r);
            stats_sort(a, n + 1);
            stats_sort(b, n + 1);
            widest = fmax(stats_width(a, n + 1), stats_width(b, n + 1));
        }
        struct stats_interval i = stats_median_interval(a, n, 0.95);
        covered += i.low <= 1 && 1 <= i.high;
        taken += n;
        assert_int_equal(stats_mann_whitney(a, n, b, n, &p, NULL, NULL, &e), 0);
        if (p >= 0.05) continue;
        assert_int_equal(stats_compare(a, n, b, n, 0.95, &c, &e), 0);
        different += c.verdict != STATS_TIE;
    }
    print_message("stopped at a width of 5 %%, 5 %% noise: n=%.1f, covers in %.2f %%, different in %.2f %%\n",
                  (double)taken / TRIALS, percent(covered, TRIALS), percent(different, TRIALS));
    assert_in_range(covered, TRIALS * 92 / 100, TRIALS - 1); /* less than without the rule, and this much */
    assert_in_range(different, 1, TRIALS / 20);
}

struct rates {
    size_t less, more;
};

/* The rank test comes first: where it sees nothing the verdict is a tie, and the bootstrap can be spared. */
static struct rates rates_of(enum shape shape, size_t n, double spread, double factor, int trials) {
    struct rates out = {0};
    struct rng r;
    struct err e = {0};
    rng_init(&r, 11, (uint64_t)shape * 1000 + n);
    for (int t = 0; t < trials; t++) {
        double a[N_MAX], b[N_MAX], p = 1;
        struct stats_comparison c;
        fill(a, n, shape, spread, 1, &r);
        fill(b, n, shape, spread, factor, &r);
        assert_int_equal(stats_mann_whitney(a, n, b, n, &p, NULL, NULL, &e), 0);
        if (p >= 0.05) continue;
        assert_int_equal(stats_compare(a, n, b, n, 0.95, &c, &e), 0);
        out.less += c.verdict == STATS_LESS;
        out.more += c.verdict == STATS_MORE;
    }
    return out;
}

static void test_false_differences(void **state) {
    (void)state;
    static const char *const names[] = {"smooth", "skewed", "two humps", "coarse"};
    for (enum shape s = SMOOTH; s <= COARSE; s++) {
        struct rates r = rates_of(s, 10, 0.05, 1, TRIALS);
        struct stats_interval i = stats_proportion(r.less + r.more, TRIALS);
        print_message("n=10, %s: %.2f %% false differences [%.2f, %.2f]\n", names[s],
                      percent(r.less + r.more, TRIALS), 100 * i.low, 100 * i.high);
        assert_in_range(r.less + r.more, 1, TRIALS / 20);
    }
}

static void test_ratio_coverage(void **state) {
    (void)state;
    enum { FEWER = 500 };
    size_t covered = 0;
    struct rng r;
    struct err e = {0};
    rng_init(&r, 14, 0);
    for (int t = 0; t < FEWER; t++) {
        double a[10], b[10];
        struct stats_comparison c;
        fill(a, 10, SMOOTH, 0.05, 1, &r);
        fill(b, 10, SMOOTH, 0.05, 1.3, &r);
        assert_int_equal(stats_compare(a, 10, b, 10, 0.95, &c, &e), 0);
        covered += c.interval.low <= 1.3 && 1.3 <= c.interval.high;
    }
    print_message("n=10: the interval covers the ratio in %.1f %%\n", percent(covered, FEWER));
    assert_in_range(covered, FEWER * 92 / 100, FEWER);
}

static void test_planted_difference(void **state) {
    (void)state;
    enum { FEWER = 400 };
    static const struct {
        size_t n;
        double spread;
        size_t least; /* % of the trials that must find it */
    } cases[] = {{10, 0.02, 97}, {20, 0.03, 97}, {40, 0.05, 90}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rates r = rates_of(SMOOTH, cases[i].n, cases[i].spread, 1.05, FEWER);
        print_message("5 %% slower, spread %.0f %%, n=%zu: found %.1f %%\n", 100 * cases[i].spread,
                      cases[i].n, percent(r.more, FEWER));
        assert_int_equal(r.less, 0);
        assert_in_range(r.more * 100, cases[i].least * FEWER, 100 * FEWER);
    }
}

static void test_false_rate(void **state) {
    (void)state;
    double a[10], b[10];
    struct rng r;
    struct err e = {0};
    size_t differences = 0;
    rng_init(&r, 13, 0);
    fill(a, 10, SMOOTH, 0.05, 1, &r);
    fill(b, 10, SMOOTH, 0.05, 1, &r);
    assert_int_equal(stats_false_rate(a, 10, b, 10, TRIALS, &differences, &e), 0);
    print_message("relabelled twins: %zu of %d differ\n", differences, TRIALS);
    assert_true(differences > 0 && differences <= TRIALS / 20);
    struct stats_interval i = stats_proportion(0, TRIALS);
    assert_true(i.low < 1e-9 && i.high > 0 && i.high < 0.003);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scipy),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_outliers),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stopping),
        cmocka_unit_test(test_median_coverage),
        cmocka_unit_test(test_ratio_coverage),
        cmocka_unit_test(test_false_differences),
        cmocka_unit_test(test_planted_difference),
        cmocka_unit_test(test_false_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
