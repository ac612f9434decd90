/* What got faster or slower between two results: for each case, stack and judged metric that both have. */
#ifndef WEIR_BENCH_COMPARE_H
#define WEIR_BENCH_COMPARE_H

#include "base/buf.h"
#include "bench/summary.h"

struct compare_row {
    const struct summary_case *cases[2]; /* before, after */
    size_t stacks[2];                    /* indices in them */
    enum summary_metric_id metric;
    struct stats_comparison c; /* the ratio is after / before */
    const char *why;           /* why there is no verdict; NULL: there is one */
};

struct compare {
    struct arena arena;
    struct summary before, after;
    struct compare_row *rows;
    size_t row_count, slower, faster, judged;
    double level;       /* of each comparison, so that all hold together at STATS_LEVEL */
    const char **notes; /* what is only in one, other machines, other data */
    size_t note_count;
};

/* Compare files[0] (before) with files[1] (after), which the caller keeps alive. No case and stack in common:
 * ERR_INPUT. Release it in any case. */
int compare_make(struct compare *c, const struct results_file files[2], struct err *e);
void compare_release(struct compare *c);

int compare_text(const struct compare *c, struct buf *out, struct err *e);
int compare_json(const struct compare *c, json_t **out, struct err *e);

#endif
