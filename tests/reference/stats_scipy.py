"""Prints src/bench/stats_scipy_test.h: samples, and what SciPy and NumPy compute from them.

Run by hand where SciPy is installed (the recorded values are of 1.17.1):
    python tests/reference/stats_scipy.py > src/bench/stats_scipy_test.h && clang-format -i src/bench/stats_scipy_test.h
"""

import numpy as np
import scipy
from scipy import stats

# name, sizes, ratio of the medians that is planted, spread of the logarithm, decimals
CASES = [
    ("small", 6, 8, 1.1, 0.05, 6),
    ("ten", 10, 10, 1.05, 0.02, 6),
    ("same", 10, 10, 1.0, 0.05, 6),
    ("tied", 12, 10, 1.02, 0.05, 1),
    ("uneven", 7, 40, 1.04, 0.05, 6),
    ("large", 60, 50, 1.01, 0.05, 6),
    ("many", 120, 100, 1.01, 0.05, 6),
]


def array(values: np.ndarray) -> str:
    return "{" + ", ".join(repr(float(v)) for v in values) + "}"


def median_interval(values: np.ndarray) -> tuple[float, float, float]:
    """By the binomial distribution: the largest k whose coverage is at least 95 %."""
    n, ordered = len(values), np.sort(values)
    k = max(k for k in range(1, n // 2 + 1) if 1 - 2 * stats.binom.cdf(k - 1, n, 0.5) >= 0.95)
    return ordered[k - 1], ordered[n - k], 1 - 2 * stats.binom.cdf(k - 1, n, 0.5)


def main() -> None:
    rng = np.random.default_rng(20)
    print("/* Made by tests/reference/stats_scipy.py: samples, and what SciPy computes from them. */")
    print(
        "#ifndef WEIR_BENCH_STATS_SCIPY_TEST_H\n#define WEIR_BENCH_STATS_SCIPY_TEST_H\n\n#include <stdbool.h>\n#include <stddef.h>\n"
    )
    print(f'static const char scipy_version[] = "{scipy.__version__}";\n')
    print("static const struct scipy_case {\nconst char *name; size_t n, m; double a[128], b[128];")
    print("double median, mad, p90, low, high, coverage; /* of a */")
    print("double u, p; bool exact; /* Mann and Whitney's */")
    print("double ratio, ratio_low, ratio_high; /* percentile bootstrap, 200,000 resamples */")
    print("} scipy_cases[] = {")
    for name, n, m, ratio, spread, decimals in CASES:
        a = np.exp(rng.normal(np.log(20), spread, n)).round(decimals)
        b = np.exp(rng.normal(np.log(20 * ratio), spread, m)).round(decimals)
        exact = len({*a, *b}) == n + m and n * m <= 10000
        test = stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic")
        low, high, coverage = median_interval(a)
        boot = stats.bootstrap(
            (a, b),
            lambda x, y, axis: np.median(y, axis=axis) / np.median(x, axis=axis),
            n_resamples=200_000,
            method="percentile",
            rng=rng,
            batch=10_000,
        ).confidence_interval
        numbers = [np.median(a), stats.median_abs_deviation(a), np.quantile(a, 0.9), low, high, coverage]
        numbers += [test.statistic, test.pvalue]
        print(f'{{"{name}", {n}, {m}, {array(a)}, {array(b)},')
        print(", ".join(repr(float(v)) for v in numbers) + f", {str(exact).lower()},")
        print(", ".join(repr(float(v)) for v in (np.median(b) / np.median(a), boot.low, boot.high)) + "},")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
