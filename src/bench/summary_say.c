/* A case in words. Every sentence is made from comparisons that exist, and names its samples. */
#include "bench/summary.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- scope ---- */

static const char *rows_text(double rows, char out[32]) {
    if (rows >= 1e6)
        snprintf(out, 32, "%.1f M rows", rows / 1e6);
    else if (rows >= 1e3)
        snprintf(out, 32, "%.1f k rows", rows / 1e3);
    else
        snprintf(out, 32, "%.0f rows", rows);
    return out;
}

/* "4 GB", "1.36 GB". */
static const char *size_text(double bytes, char out[32]) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB"};
    size_t i = 0;
    while (bytes >= 999.5 && i + 1 < sizeof units / sizeof *units) bytes /= 1000, i++;
    snprintf(out, 32, "%.3g %s", bytes, units[i]);
    return out;
}

const char *summary_scope(const struct summary_case *c, struct arena *arena) {
    char bytes[32] = "", rows[32] = "", memory[32] = "", n[48] = "n=0";
    const char *equal = c->equal == SEAL_HOLDS    ? "verified equal"
                        : c->equal == SEAL_BROKEN ? "NOT verified equal"
                                                  : "not verified";
    if (c->bytes > 0) size_text(c->bytes, bytes);
    if (c->rows > 0) rows_text(c->rows, rows);
    if (c->memory_bytes > 0) size_text(c->memory_bytes, memory);
    if (c->n_most && c->n_least != c->n_most)
        snprintf(n, sizeof n, "n=%zu–%zu", c->n_least, c->n_most);
    else
        snprintf(n, sizeof n, "n=%zu", c->n_most);
    bool days = strcmp(c->first_date, c->last_date) != 0;
    return arena_printf(arena, "%s · %s · %g CPU · %s · %s · %s · %s, %s%s%s", *bytes ? bytes : "? bytes",
                        *rows ? rows : "? rows", c->cpus, *memory ? memory : "no memory limit", n, equal,
                        c->machine, c->first_date, days ? " – " : "", days ? c->last_date : "");
}

/* ---- sentences ---- */

struct teller {
    const struct summary_case *c;
    struct arena *arena;
    struct summary_sentence *out;
    size_t *count;
};

/* "pythonic 1–10; spark 11–20" */
static const char *names_of(const struct teller *t, size_t a, size_t b) {
    const struct summary_stack *x = &t->c->stacks[a], *y = &t->c->stacks[b];
    const char *p = summary_sample_names(x, true, t->arena), *q = summary_sample_names(y, true, t->arena);
    return p && q ? arena_printf(t->arena, "%s %s; %s %s", x->name, p, y->name, q) : NULL;
}

static int say(struct teller *t, const char *text, const char *samples, struct err *e) {
    if (!text || !samples) return err_nomem(e);
    if (*t->count < SUMMARY_SENTENCES_MAX) t->out[(*t->count)++] = (struct summary_sentence){text, samples};
    return 0;
}

/* The independent stack with the least median; SUMMARY_STACKS_MAX when none has one. */
static size_t leader(const struct summary_case *c, int m) {
    size_t best = SUMMARY_STACKS_MAX;
    for (size_t i = 0; i < c->independent; i++)
        if (c->stacks[i].cells[m].n &&
            (best == SUMMARY_STACKS_MAX || c->stacks[i].cells[m].median < c->stacks[best].cells[m].median))
            best = i;
    return best;
}

/* "3.36×", "0.063×": three digits at least. */
static const char *ratio_text(const struct stats_comparison *r, struct arena *arena) {
    int digits = r->interval.low >= 10 ? 1 : r->interval.low >= 1 || r->ratio >= 1 ? 2 : 3;
    return arena_printf(arena, "%.*f× [%.*f, %.*f]", digits, r->ratio, digits, r->interval.low, digits,
                        r->interval.high);
}

/* "spark takes 3.61× [3.40, 3.92] as long as pythonic" or the like for memory; a tie; or no verdict, for
 * `closed` when that is not NULL. */
static int compare(struct teller *t, int m, size_t a, size_t b, const char *name_b, const char *closed,
                   struct err *e) {
    const struct summary_case *c = t->c;
    struct stats_comparison r = summary_pair_of(&c->verdicts[m], a, b);
    const char *name_a = c->stacks[a].name, *noun = summary_metrics[m].noun, *text;
    bool memory = m == METRIC_PEAK_MEMORY;
    if (!r.n_a) return 0;
    if (closed || !r.interval.known) {
        char x[32], y[32];
        double p = c->stacks[a].cells[m].median * summary_metrics[m].scale;
        double q = c->stacks[b].cells[m].median * summary_metrics[m].scale;
        const char *unit = memory ? "MB" : "s";
        text =
            arena_printf(t->arena, "No verdict on the %s of %s and %s: %s. The medians are %s %s and %s %s.",
                         noun, name_b, name_a, closed ? closed : "not enough samples",
                         summary_format(q, q, y), unit, summary_format(p, p, x), unit);
        return say(t, text, names_of(t, a, b), e);
    }
    const char *ratio = ratio_text(&r, t->arena);
    if (!ratio) return err_nomem(e);
    if (r.verdict == STATS_LESS || r.verdict == STATS_MORE)
        text = arena_printf(
            t->arena, memory ? "%s needs %s the memory of %s." : "%s takes %s as long as %s (job time).",
            name_b, ratio, name_a);
    else
        text = arena_printf(t->arena, "%s and %s %s in %s: %s.", name_b, name_a,
                            r.verdict == STATS_TIE ? "tie" : "have too few samples to be told apart", noun,
                            ratio);
    return say(t, text, names_of(t, a, b), e);
}

static int independents(struct teller *t, int m, struct err *e) {
    size_t first = leader(t->c, m);
    const char *closed = t->c->verdicts[m].outcome == SUMMARY_NONE ? t->c->verdicts[m].why : NULL;
    for (size_t i = 0; i < t->c->independent && first < SUMMARY_STACKS_MAX; i++)
        if (i != first) TRY(compare(t, m, first, i, t->c->stacks[i].name, closed, e));
    return 0;
}

static int ours(struct teller *t, struct err *e) {
    const struct summary_case *c = t->c;
    size_t first = leader(c, METRIC_JOB);
    const char *closed = c->digests_differ ? c->equal_why : c->tie != SEAL_HOLDS ? c->tie_why : NULL;
    for (size_t i = c->independent; i < c->stack_count && first < SUMMARY_STACKS_MAX; i++) {
        const char *name =
            arena_printf(t->arena, "%s (made by weir's authors, never the winner)", c->stacks[i].name);
        if (!name) return err_nomem(e);
        TRY(compare(t, METRIC_JOB, first, i, name, closed, e));
    }
    return 0;
}

/* "pythonic wins job time, peak memory; spark wins init." */
static int wins(struct teller *t, struct err *e) {
    const struct summary_case *c = t->c;
    const char *text = "", *samples = "";
    for (size_t i = 0; i < c->independent && text && samples; i++) {
        const char *of = "";
        for (int m = 0; m < METRIC_IN_TABLE && of; m++)
            if (c->verdicts[m].outcome == SUMMARY_WINNER && c->verdicts[m].winner == i)
                of = arena_printf(t->arena, "%s%s%s", of, *of ? ", " : "", summary_metrics[m].noun);
        if (!of) return err_nomem(e);
        const char *names = summary_sample_names(&c->stacks[i], true, t->arena);
        if (!names) return err_nomem(e);
        if (*of)
            text = arena_printf(t->arena, "%s%s%s wins %s", text, *text ? "; " : "", c->stacks[i].name, of);
        samples =
            arena_printf(t->arena, "%s%s%s %s", samples, *samples ? "; " : "", c->stacks[i].name, names);
    }
    if (text && !*text) return 0;
    return say(t, text ? arena_printf(t->arena, "%s.", text) : NULL, samples, e);
}

/* "spark: 2 of 12 runs gave no timing: 1 oom, 1 timeout (killed at 4 GB)." */
static int failures(struct teller *t, struct err *e) {
    const struct summary_case *c = t->c;
    for (size_t i = 0; i < c->stack_count; i++) {
        const struct summary_stack *s = &c->stacks[i];
        const char *kinds = "", *why = "";
        if (s->usable == s->count) continue;
        for (size_t j = 0; j < s->count && kinds; j++) {
            const struct results_sample *x = s->samples[j];
            size_t same = 0, before = 0;
            if (x->usable) continue;
            for (size_t k = 0; k < s->count; k++) {
                bool alike = !s->samples[k]->usable && strcmp(s->samples[k]->status, x->status) == 0;
                same += alike;
                before += alike && k < j;
            }
            if (!*why) why = x->error;
            if (before) continue;
            const char *kind = strcmp(x->status, "ok") == 0 ? "not verified" : x->status;
            kinds = arena_printf(t->arena, "%s%s%zu %s", kinds, *kinds ? ", " : "", same, kind);
        }
        const char *text = kinds ? arena_printf(t->arena, "%s: %zu of %zu runs gave no timing: %s%s%.200s%s.",
                                                s->name, s->count - s->usable, s->count, kinds,
                                                *why ? " (" : "", why, *why ? ")" : "")
                                 : NULL;
        const char *names = summary_sample_names(s, false, t->arena);
        TRY(say(t, text, names ? arena_printf(t->arena, "%s %s", s->name, names) : NULL, e));
    }
    return 0;
}

int summary_sentences(const struct summary_case *c, struct arena *arena,
                      struct summary_sentence out[SUMMARY_SENTENCES_MAX], size_t *count, struct err *e) {
    struct teller t = {c, arena, out, count};
    *count = 0;
    TRY(independents(&t, METRIC_JOB, e));
    TRY(ours(&t, e));
    TRY(independents(&t, METRIC_PEAK_MEMORY, e));
    TRY(wins(&t, e));
    return failures(&t, e);
}
