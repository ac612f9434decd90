/* What a benchmark would run, and about how long it takes. */
#include "bench/bench.h"
#include "bench/pace.h"
#include "bench/stats.h"

#include <stdio.h>
#include <string.h>

enum { MINIMUM_RUNS = 8 }; /* of a bisection, about */

static void format_duration(double s, char *out, size_t cap) {
    if (s < 90)
        snprintf(out, cap, "%.0f s", s < 1 ? 1 : s);
    else if (s < 5400)
        snprintf(out, cap, "%.0f min", s / 60);
    else
        snprintf(out, cap, "%.1f h", s / 3600);
}

struct estimate {
    double seconds;
    unsigned runs, same, guessed;
};

/* The studies take the first case of each data (study.c). */
static double studies(const struct plan *p, unsigned case_index, double one_run) {
    const struct plan_case *c = &p->cases[case_index];
    for (unsigned i = 0; i < case_index; i++)
        if (p->cases[i].data == c->data) return 0;
    return c->cold ? 0 : one_run * ((p->minimum_memory ? MINIMUM_RUNS : 0) + p->serve_jobs + p->profile);
}

static struct estimate estimate_case(const struct bench_request *q, const struct pace *pace,
                                     unsigned case_index) {
    const struct plan *p = q->plan;
    const struct plan_case *c = &p->cases[case_index];
    const struct plan_data *d = &p->data[c->data];
    struct estimate out = {0};
    for (unsigned k = 0; k < p->stack_count; k++) {
        unsigned runs = c->repetitions * (p->aa && strcmp(p->aa, p->stacks[k]) == 0 ? 2 : 1);
        enum pace_source source;
        double one = pace_of(pace, p->stacks[k], c, d->format, pace_bytes(d, q->input_bytes), &source);
        out.seconds += runs * one + studies(p, case_index, one);
        out.runs += runs;
        out.same += source == PACE_SAME ? runs : 0;
        out.guessed += source == PACE_GUESS ? runs : 0;
    }
    return out;
}

static void list_case(const struct bench_request *q, const struct plan_case *c, const struct estimate *e) {
    const struct plan *p = q->plan;
    char time[32];
    bool out = c->cold && !q->runner->can_drop_caches;
    format_duration(e->seconds, time, sizeof time);
    printf("%s:", c->name);
    for (unsigned k = 0; k < p->stack_count; k++)
        printf(" %s%s", p->stacks[k],
               p->aa && strcmp(p->aa, p->stacks[k]) == 0 ? " (twice, A against A)" : "");
    printf(", %u times each%s%s%s\n", c->repetitions, out ? "" : ": about ", out ? "" : time,
           out ? " — left out, the page cache cannot be dropped here" : "");
}

void bench_list(const struct bench_request *q) {
    const struct plan *p = q->plan;
    struct pace pace;
    struct estimate all = {0};
    char time[32];
    pace_open(&pace, q->data.root);
    for (unsigned i = 0; i < p->case_count; i++) {
        struct estimate one = estimate_case(q, &pace, i);
        list_case(q, &p->cases[i], &one);
        if (p->cases[i].cold && !q->runner->can_drop_caches) continue;
        all.seconds += one.seconds;
        all.runs += one.runs;
        all.same += one.same;
        all.guessed += one.guessed;
    }
    format_duration(all.seconds, time, sizeof time);
    printf("%u samples, each a %s of its own, checked; about %s in all: ", all.runs,
           p->containers ? "container" : "process", time);
    if (all.guessed == all.runs)
        printf("a rough guess, for nothing has run here yet\n");
    else if (all.same == all.runs)
        printf("as the same runs took here before\n");
    else
        printf("by runs here before (the same for %u samples, similar ones for %u%s)\n", all.same,
               all.runs - all.same - all.guessed, all.guessed ? ", a rough guess for the others" : "");
    if (p->precision > 0)
        printf("a case ends sooner, from %d repetitions on, when no interval is wider than %.3g %%\n",
               STATS_VERDICT_MIN, 100 * p->precision);
    if (p->budget_s > 0)
        printf("no block is begun that would end after %.0f min, from %u repetitions on\n", p->budget_s / 60,
               p->least);
    pace_release(&pace);
}
