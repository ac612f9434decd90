/* A against A, seals, comparisons, and who wins. */
#include "bench/summary_parts.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

/* The text of a reason, in the summary's arena. */
static int __attribute__((format(printf, 4, 5)))
reason(struct summary *s, const char **out, struct err *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    *out = arena_vprintf(&s->arena, fmt, ap);
    va_end(ap);
    return *out ? 0 : err_nomem(e);
}

/* ---- A against A ---- */

static int twins(struct summary *s, struct summary_case *c, struct err *e) {
    const struct results_file *f = c->file;
    const struct results_sample **list[2];
    size_t count[2] = {0, 0};
    for (int side = 0; side < 2; side++)
        if (!(list[side] = arena_alloc(&s->arena, f->sample_count * sizeof **list))) return err_nomem(e);
    for (size_t i = 0; i < f->sample_count; i++) {
        const struct results_sample *x = &f->samples[i];
        if (!x->twin || strcmp(x->name, c->name) != 0) continue;
        if (c->twin_stack && strcmp(c->twin_stack, x->stack) != 0) continue; /* one stack serves */
        bool here = false; /* the name alone does not say: the machine may have changed */
        for (size_t k = 0; k < c->stack_count && !here; k++)
            for (size_t j = 0; j < c->stacks[k].count && !here; j++)
                here = c->stacks[k].samples[j]->run == x->run;
        if (!here) continue;
        c->twin_stack = x->stack;
        size_t side = x->twin == 'b';
        list[side][count[side]++] = x;
    }
    if (!count[0] || !count[1]) {
        c->twin_stack = NULL;
        return 0;
    }
    for (int m = 0; m < METRICS; m++) {
        double *a, *b;
        size_t n_a, n_b;
        TRY(summary_values(s, list[0], count[0], (enum summary_metric_id)m, &a, &n_a, e));
        TRY(summary_values(s, list[1], count[1], (enum summary_metric_id)m, &b, &n_b, e));
        TRY(stats_compare(a, n_a, b, n_b, STATS_LEVEL, &c->verdicts[m].twins, e));
        if (m != METRIC_JOB || n_a < STATS_VERDICT_MIN || n_b < STATS_VERDICT_MIN) continue;
        TRY(stats_false_rate(a, n_a, b, n_b, SUMMARY_RELABELINGS, &c->false_differences, e));
        c->false_rate_known = true;
    }
    return 0;
}

/* The case's own A against A, else the first in its file on the same machine. */
static void find_gate(const struct summary *s, struct summary_case *c) {
    if (c->twin_stack) c->gate = c;
    for (size_t i = 0; i < s->case_count && !c->gate; i++) {
        const struct summary_case *other = &s->cases[i];
        if (other->file == c->file && other->twin_stack && strcmp(other->machine, c->machine) == 0)
            c->gate = other;
    }
}

/* NULL when the gate is open for this metric, else why it is not. */
static const char *gated(struct summary *s, const struct summary_case *c, int m) {
    if (!c->gate) return "A against A was not run";
    const struct stats_comparison *t = &c->gate->verdicts[m].twins;
    const char *where = c->gate == c ? "" : " (of another case)", *why = NULL;
    switch (t->verdict) {
    case STATS_TIE: return NULL;
    case STATS_NONE: return "A against A has a value of zero";
    case STATS_FEW:
        why = arena_printf(&s->arena, "A against A has n=%zu and %zu%s; %d are needed", t->n_a, t->n_b, where,
                           STATS_VERDICT_MIN);
        return why ? why : "A against A has too few samples";
    default:
        why = arena_printf(&s->arena, "A against A is not a tie%s: %.3f× [%.3f, %.3f]", where, t->ratio,
                           t->interval.low, t->interval.high);
        return why ? why : "A against A is not a tie";
    }
}

/* ---- seals ---- */

static int seal_equal(struct summary *s, struct summary_case *c, struct err *e) {
    const char *digest = NULL, *of = NULL;
    size_t verified = 0, wrong = 0;
    c->equal = SEAL_HOLDS;
    for (size_t i = 0; i < c->stack_count; i++)
        for (size_t j = 0; j < c->stacks[i].count; j++) {
            const struct results_sample *x = c->stacks[i].samples[j];
            const char *d = results_text(x->record, "digest", NULL);
            wrong += strcmp(x->status, "different") == 0 || strcmp(x->status, "lied") == 0 ||
                     strcmp(x->status, "unverified") == 0 || (strcmp(x->status, "ok") == 0 && !x->usable);
            verified += x->usable;
            if (!x->usable || !d) continue;
            if (digest && strcmp(digest, d) != 0 && c->equal == SEAL_HOLDS) {
                c->equal = SEAL_BROKEN;
                c->digests_differ = true;
                TRY(reason(s, &c->equal_why, e, "the digests of %s and %s differ", of, c->stacks[i].name));
            }
            digest = d;
            of = c->stacks[i].name;
        }
    if (c->equal == SEAL_BROKEN) return 0;
    if (!verified) {
        c->equal = SEAL_UNKNOWN;
        c->equal_why = "no run gave a verified result";
    } else if (wrong) {
        c->equal = SEAL_BROKEN;
        TRY(reason(s, &c->equal_why, e, "%zu runs gave no verified result; they have no timing", wrong));
    } else {
        TRY(reason(s, &c->equal_why, e, "%zu runs verified%s%.20s%s", verified, digest ? ", digest " : "",
                   digest ? digest : "", digest && strlen(digest) > 20 ? "…" : ""));
    }
    return 0;
}

static int seal_tie(struct summary *s, struct summary_case *c, struct err *e) {
    const char *why = gated(s, c, METRIC_JOB);
    if (!why) {
        const struct stats_comparison *t = &c->gate->verdicts[METRIC_JOB].twins;
        c->tie = SEAL_HOLDS;
        TRY(reason(s, &c->tie_why, e, "%s against itself%s: job time %.3f× [%.3f, %.3f], n=%zu and %zu",
                   c->gate->twin_stack, c->gate == c ? "" : " in another case", t->ratio, t->interval.low,
                   t->interval.high, t->n_a, t->n_b));
        return 0;
    }
    enum stats_verdict v = c->gate ? c->gate->verdicts[METRIC_JOB].twins.verdict : STATS_FEW;
    c->tie = v == STATS_LESS || v == STATS_MORE ? SEAL_BROKEN : SEAL_UNKNOWN;
    c->tie_why = why;
    return 0;
}

/* The flag that begins so, or NULL. */
static const char *flag_of(const struct results_sample *x, const char *begin) {
    size_t i;
    const json_t *flag;
    json_array_foreach(json_object_get(x->record, "flags"), i, flag) {
        const char *text = json_string_value(flag);
        if (text && strncmp(text, begin, strlen(begin)) == 0) return text;
    }
    return NULL;
}

/* Whether this run had the case's budget: SEAL_BROKEN and SEAL_UNKNOWN with why. Each engine says what CPUs
 * and memory it found. It may find the machine's memory and still be held to the limit by the kernel: then
 * the kernel's own peak shows it. A fraction of a CPU is found as a whole one. */
static enum summary_seal budget_of(const struct summary_case *c, const struct results_sample *x,
                                   struct arena *arena, const char **why) {
    const json_t *seen = json_object_get(x->record, "seen");
    const json_t *cpus = json_object_get(seen, "cpus"), *memory = json_object_get(seen, "memory_bytes");
    double found = json_number_value(cpus), limit = c->memory_bytes * 1.01, peak;
    const char *flag = flag_of(x, "budget:");
    if (flag) *why = arena_printf(arena, "%s: %s (sample %lld)", x->stack, flag + 7, (long long)x->id);
    if (flag) return SEAL_BROKEN;
    if (c->cpus > 0 && json_is_number(cpus) && fabs(found - c->cpus) > 0.01 &&
        fabs(found - ceil(c->cpus)) > 0.01) {
        *why = arena_printf(arena, "%s saw %g CPUs, not %g (sample %lld)", x->stack, found, c->cpus,
                            (long long)x->id);
        return SEAL_BROKEN;
    }
    bool has_peak = results_metric(x, "peak_memory_bytes", &peak);
    if (limit > 0 && has_peak && peak > limit) {
        *why = arena_printf(arena, "%s took %.0f MB of memory, not %.0f at most (sample %lld)", x->stack,
                            peak / 1e6, c->memory_bytes / 1e6, (long long)x->id);
        return SEAL_BROKEN;
    }
    if (limit > 0 && flag_of(x, "no memory limit")) {
        *why = "memory could not be limited on this machine";
        return SEAL_UNKNOWN;
    }
    if (limit > 0 && json_is_number(memory) && json_number_value(memory) > limit && !has_peak) {
        *why =
            arena_printf(arena,
                         "%s saw %.0f MB of memory, not %.0f, and nothing shows that it was held to that "
                         "(sample %lld)",
                         x->stack, json_number_value(memory) / 1e6, c->memory_bytes / 1e6, (long long)x->id);
        return SEAL_UNKNOWN;
    }
    return SEAL_HOLDS;
}

static int seal_budgets(struct summary *s, struct summary_case *c, struct err *e) {
    size_t said = 0, silent = 0;
    c->budgets = SEAL_HOLDS;
    for (size_t i = 0; i < c->stack_count; i++)
        for (size_t j = 0; j < c->stacks[i].count; j++) {
            const struct results_sample *x = c->stacks[i].samples[j];
            if (!x->usable) continue;
            bool says = json_is_number(json_object_get(json_object_get(x->record, "seen"), "cpus"));
            silent += !says;
            said += says;
            const char *why = NULL;
            enum summary_seal seal = budget_of(c, x, &s->arena, &why);
            if (seal == SEAL_HOLDS || (seal == SEAL_UNKNOWN && c->budgets != SEAL_HOLDS)) continue;
            if (!why) return err_nomem(e);
            c->budgets = seal;
            c->budgets_why = why;
            if (seal == SEAL_BROKEN) return 0;
        }
    if (c->budgets == SEAL_UNKNOWN) return 0;
    if (silent || !said) {
        c->budgets = SEAL_UNKNOWN;
        TRY(reason(s, &c->budgets_why, e, "%zu of %zu runs do not say what they found", silent,
                   silent + said));
    } else {
        TRY(reason(s, &c->budgets_why, e,
                   "all %zu runs found the same CPUs and stayed within the same memory", said));
    }
    return 0;
}

/* ---- verdicts ---- */

struct stats_comparison summary_pair_of(const struct summary_verdict *v, size_t a, size_t b) {
    struct stats_comparison none = {.ratio = NAN, .p = 1};
    for (size_t i = 0; i < v->pair_count; i++) {
        struct stats_comparison c = v->pairs[i].c;
        if (v->pairs[i].a == a && v->pairs[i].b == b) return c;
        if (v->pairs[i].a != b || v->pairs[i].b != a) continue;
        struct stats_comparison turned = c;
        turned.n_a = c.n_b;
        turned.n_b = c.n_a;
        turned.ratio = 1 / c.ratio;
        turned.interval.low = c.interval.known ? 1 / c.interval.high : 0;
        turned.interval.high = c.interval.known ? 1 / c.interval.low : 0;
        turned.verdict = c.verdict == STATS_LESS   ? STATS_MORE
                         : c.verdict == STATS_MORE ? STATS_LESS
                                                   : c.verdict;
        return turned;
    }
    return none;
}

static int pairs(struct summary *s, struct summary_case *c, int m, struct err *e) {
    struct summary_verdict *v = &c->verdicts[m];
    size_t all = c->stack_count * c->stack_count / 2 + 1, independent = c->independent;
    v->pairs = arena_alloc(&s->arena, all * sizeof *v->pairs);
    if (!v->pairs) return err_nomem(e);
    for (size_t a = 0; a < c->stack_count; a++)
        for (size_t b = a + 1; b < c->stack_count; b++) {
            const struct summary_cell *x = &c->stacks[a].cells[m], *y = &c->stacks[b].cells[m];
            if (!x->n || !y->n) continue;
            /* Independent stacks are a family of their own; ours is compared with each of them beside it. */
            size_t family = b < independent ? independent * (independent - 1) / 2 : independent;
            struct summary_pair *p = &v->pairs[v->pair_count++];
            *p = (struct summary_pair){.a = a, .b = b};
            TRY(stats_compare(x->sorted, x->n, y->sorted, y->n, stats_level_of(family), &p->c, e));
        }
    return 0;
}

/* Why there is no verdict whatever the values are; NULL: there may be one. */
static const char *no_verdict(struct summary *s, const struct summary_case *c, int m, size_t present) {
    if (!summary_metrics[m].judged)
        return m == METRIC_CPU_SHARE ? "high use is neither good nor bad" : "shown, not judged";
    if (c->independent < 2) return "there is only one independent stack";
    if (present < 2)
        return present ? "only one independent stack has values" : "no independent stack has values";
    if (c->digests_differ) return c->equal_why;
    return gated(s, c, m);
}

static int judge(struct summary *s, struct summary_case *c, int m, struct err *e) {
    struct summary_verdict *v = &c->verdicts[m];
    size_t best = SUMMARY_STACKS_MAX, present = 0, fewest = SIZE_MAX;
    for (size_t i = 0; i < c->independent; i++) {
        const struct summary_cell *x = &c->stacks[i].cells[m];
        if (!x->n) continue;
        present++;
        if (x->n < fewest) fewest = x->n;
        if (best == SUMMARY_STACKS_MAX || x->median < c->stacks[best].cells[m].median) best = i;
    }
    v->outcome = SUMMARY_NONE;
    v->why = no_verdict(s, c, m, present);
    if (v->why) return 0;
    if (fewest < STATS_VERDICT_MIN) {
        TRY(reason(s, &v->why, e, "not enough samples: n=%zu, %d are needed", fewest, STATS_VERDICT_MIN));
        return 0;
    }
    const struct summary_stack *first = &c->stacks[best];
    const char *level_with = "";
    for (size_t i = 0; i < c->independent; i++) {
        if (i == best || !c->stacks[i].cells[m].n) continue;
        enum stats_verdict pair = summary_pair_of(v, best, i).verdict;
        if (pair == STATS_NONE) {
            v->why = "a value of zero: there is no ratio";
            return 0;
        }
        if (pair != STATS_MORE) TRY(reason(s, &level_with, e, "%s, %s", level_with, c->stacks[i].name));
    }
    if (*level_with) {
        v->outcome = SUMMARY_TIE;
        if (present > 2) TRY(reason(s, &v->why, e, "%s%s", first->name, level_with));
    } else if (first->usable < first->count) {
        TRY(reason(s, &v->why, e, "%s leads, but %zu of its %zu runs gave no timing", first->name,
                   first->count - first->usable, first->count));
    } else {
        v->outcome = SUMMARY_WINNER;
        v->winner = best;
    }
    return 0;
}

int summary_judge(struct summary *s, struct err *e) {
    for (size_t i = 0; i < s->case_count; i++) TRY(twins(s, &s->cases[i], e));
    for (size_t i = 0; i < s->case_count; i++) {
        struct summary_case *c = &s->cases[i];
        find_gate(s, c);
        TRY(seal_equal(s, c, e));
        TRY(seal_tie(s, c, e));
        TRY(seal_budgets(s, c, e));
        for (int m = 0; m < METRICS; m++) {
            TRY(pairs(s, c, m, e));
            TRY(judge(s, c, m, e));
        }
    }
    return 0;
}
