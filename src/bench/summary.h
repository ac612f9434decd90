/* What result files say: for each case, each stack's medians with intervals, and a verdict for each metric.
 * The one derivation behind the tables, the page and the JSON of `weir report`, and behind `weir compare`.
 * Rules: docs/statistics.md. */
#ifndef WEIR_BENCH_SUMMARY_H
#define WEIR_BENCH_SUMMARY_H

#include "bench/results_read.h"
#include "bench/stats.h"

enum { SUMMARY_STACKS_MAX = 32, SUMMARY_RELABELINGS = 2000 };

enum summary_metric_id {
    METRIC_IMAGE_PULL,
    METRIC_CONTAINER_START,
    METRIC_INIT,
    METRIC_EXECUTION,
    METRIC_JOB, /* the headline, declared before anything is measured */
    METRIC_TOTAL,
    METRIC_PEAK_MEMORY,
    METRIC_CPU,
    METRIC_CPU_SHARE,
    METRIC_IN_TABLE, /* those before are the comparison table's */
    METRIC_FLUSH = METRIC_IN_TABLE,
    METRIC_PEAK_CGROUP,
    METRIC_PEAK_CACHE,
    METRIC_READ,
    METRIC_WRITTEN,
    METRIC_OUTPUT_BYTES,
    METRIC_OUTPUT_FILES,
    METRIC_OUTPUT_ROW_GROUPS,
    METRIC_PRESSURE_CPU,
    METRIC_PRESSURE_IO,
    METRIC_PRESSURE_MEMORY,
    METRICS
};

struct summary_metric {
    const char *key;   /* in a sample's metrics */
    const char *label; /* "Job Time (s)" */
    const char *noun;  /* within a sentence: "job time" */
    double scale;      /* stored value × scale = shown value */
    bool judged;       /* less is better, so there can be a winner */
};

extern const struct summary_metric summary_metrics[METRICS];

/* One stack's values of one metric. */
struct summary_cell {
    double *sorted; /* as stored, ascending */
    size_t n, outliers;
    double median, mad;
    struct stats_interval interval;
    const char *unavailable; /* why, when n is 0 */
};

struct summary_stack {
    const char *name, *title, *made_by, *colour;
    bool ours;                             /* made by weir's authors: never a winner */
    const json_t *record;                  /* its "stack" record */
    const struct results_sample **samples; /* all of the case, twins 'b' apart */
    size_t count, usable;
    struct summary_cell cells[METRICS];
};

struct summary_pair {
    size_t a, b; /* indices of stacks, a < b */
    struct stats_comparison c;
};

enum summary_outcome { SUMMARY_NONE, SUMMARY_TIE, SUMMARY_WINNER };

struct summary_verdict {
    enum summary_outcome outcome;
    size_t winner;   /* with SUMMARY_WINNER */
    const char *why; /* with SUMMARY_NONE: why not; with SUMMARY_TIE of more than two: whose */
    struct summary_pair *pairs;
    size_t pair_count;
    struct stats_comparison twins; /* A against A of this case; n_a 0: not run here */
};

enum summary_seal { SEAL_HOLDS, SEAL_BROKEN, SEAL_UNKNOWN };

struct summary_case {
    const struct results_file *file;
    const struct results_run *run; /* the first; the environment is the same for all of the case */
    size_t file_index;
    const char *name, *data, *format, *cache;
    bool strict, strict_known;
    double cpus, memory_bytes; /* 0: not said */
    double rows, bytes;        /* of its data; 0: not said */
    const json_t *data_record; /* NULL */
    const char *machine, *first_date, *last_date;
    struct summary_stack stacks[SUMMARY_STACKS_MAX]; /* independent ones first */
    size_t stack_count, independent;
    size_t n_least, n_most; /* usable samples of a stack that has any; 0 */
    struct summary_verdict verdicts[METRICS];
    const char *twin_stack;          /* of A against A; NULL: not run here */
    const struct summary_case *gate; /* the case whose A against A gates; NULL: none in the file */
    size_t false_differences;        /* of SUMMARY_RELABELINGS of the twins' job times */
    bool false_rate_known;
    enum summary_seal equal, tie, budgets;
    bool digests_differ; /* among verified runs: no verdicts at all */
    const char *equal_why, *tie_why, *budgets_why;
};

struct cost_prices;

struct summary {
    struct arena arena;
    const struct cost_prices *prices; /* the caller's, set after summary_make; NULL: no money is named */
    const struct results_file *files; /* the caller's, who keeps them alive */
    size_t file_count;
    struct summary_case *cases;
    size_t case_count;
};

/* ERR_INPUT when a stack has samples but no "stack" record: it must be known who made it. Release it in any
 * case.
 */
int summary_make(struct summary *s, const struct results_file *files, size_t count, struct err *e);
void summary_release(struct summary *s);

/* The comparison of stacks a and b (any order; the ratio is b / a). n_a 0 when there is none. */
struct stats_comparison summary_pair_of(const struct summary_verdict *v, size_t a, size_t b);

/* Why a case has fewer repetitions than planned: its last "stop" record; NULL: it has all, or nobody said. */
const json_t *summary_stop(const struct summary_case *c);

/* One sentence that the samples bear out, and which samples those are. In an arena. */
struct summary_sentence {
    const char *text, *samples;
};

enum { SUMMARY_SENTENCES_MAX = 3 * SUMMARY_STACKS_MAX + 2 };

/* What the case says in words: the headline among independent stacks, ours beside it, memory, who wins what,
 * what failed. */
int summary_sentences(const struct summary_case *c, struct arena *arena,
                      struct summary_sentence out[SUMMARY_SENTENCES_MAX], size_t *count, struct err *e);

/* "1.6 GB · 8.0 M rows · 2 CPU · 4 GB · n=10 · verified equal · <machine, date>". In `arena`; NULL: no
 * memory. */
const char *summary_scope(const struct summary_case *c, struct arena *arena);

/* A value as shown: scaled, about three digits, as many decimals as `like` (the median) has. */
const char *summary_format(double value, double like, char out[32]);

/* "1–10, 12": which samples these are, by id; the usable ones only, or the others. In `arena`; NULL: no
 * memory. */
const char *summary_sample_names(const struct summary_stack *s, bool usable, struct arena *arena);

#endif
