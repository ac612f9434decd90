#include "bench/compare.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

static int __attribute__((format(printf, 3, 4)))
note(struct compare *c, struct err *e, const char *fmt, ...) {
    const char **more = arena_alloc(&c->arena, (c->note_count + 1) * sizeof *more);
    va_list ap;
    va_start(ap, fmt);
    const char *kept = arena_vprintf(&c->arena, fmt, ap);
    va_end(ap);
    if (!kept || !more) return err_nomem(e);
    if (c->note_count) memcpy(more, c->notes, c->note_count * sizeof *more);
    more[c->note_count++] = kept;
    c->notes = more;
    return 0;
}

static const struct summary_case *case_named(const struct summary *s, const char *name) {
    for (size_t i = s->case_count; i-- > 0;)
        if (strcmp(s->cases[i].name, name) == 0) return &s->cases[i];
    return NULL;
}

static size_t stack_named(const struct summary_case *c, const char *name) {
    for (size_t i = 0; i < c->stack_count; i++)
        if (strcmp(c->stacks[i].name, name) == 0) return i;
    return SUMMARY_STACKS_MAX;
}

/* A file's own A against A must be a tie on this metric. */
static const char *gate(struct compare *c, const struct summary_case *k, const char *when, int m) {
    const struct stats_comparison *t = k->gate ? &k->gate->verdicts[m].twins : NULL;
    const char *what = !t                         ? "was not run"
                       : t->verdict == STATS_FEW  ? "has too few samples"
                       : t->verdict == STATS_NONE ? "has a value of zero"
                       : t->verdict == STATS_TIE  ? NULL
                                                  : "is not a tie";
    if (!what) return NULL;
    const char *why = arena_printf(&c->arena, "A against A %s %s", what, when);
    return why ? why : "A against A does not allow it";
}

static int row(struct compare *c, const struct summary_case *x, size_t a, const struct summary_case *y,
               size_t b, int m, struct err *e) {
    const struct summary_cell *p = &x->stacks[a].cells[m], *q = &y->stacks[b].cells[m];
    if (!summary_metrics[m].judged || !p->n || !q->n) return 0;
    struct compare_row *r = &c->rows[c->row_count++];
    *r = (struct compare_row){{x, y}, {a, b}, (enum summary_metric_id)m, {0}, NULL};
    TRY(stats_compare(p->sorted, p->n, q->sorted, q->n, c->level, &r->c, e));
    if (!(r->why = gate(c, x, "before", m))) r->why = gate(c, y, "after", m);
    if (!r->why && r->c.verdict == STATS_FEW) {
        r->why =
            arena_printf(&c->arena, "n=%zu and %zu; %d are needed", r->c.n_a, r->c.n_b, STATS_VERDICT_MIN);
        if (!r->why) return err_nomem(e);
    }
    if (!r->why && r->c.verdict == STATS_NONE) r->why = "a value of zero: there is no ratio";
    if (r->why) return 0;
    c->judged++;
    c->slower += r->c.verdict == STATS_MORE;
    c->faster += r->c.verdict == STATS_LESS;
    return 0;
}

static bool same_data(const struct summary_case *x, const struct summary_case *y) {
    const char *p = results_text(x->data_record, "sha256", NULL),
               *q = results_text(y->data_record, "sha256", NULL);
    return p && q ? strcmp(p, q) == 0 : x->rows == y->rows && x->bytes == y->bytes;
}

static int case_notes(struct compare *c, const struct summary_case *x, const struct summary_case *y,
                      struct err *e) {
    if (strcmp(x->machine, y->machine) != 0)
        TRY(note(c, e, "%s: another machine after (%s) than before (%s): differences are the machines' too",
                 x->name, y->machine, x->machine));
    if (!same_data(x, y)) TRY(note(c, e, "%s: not the same data before and after", x->name));
    for (size_t a = 0; a < x->stack_count; a++) {
        size_t b = stack_named(y, x->stacks[a].name);
        if (b == SUMMARY_STACKS_MAX) {
            TRY(note(c, e, "%s: %s is only in the first", x->name, x->stacks[a].name));
            continue;
        }
        const struct summary_stack *p = &x->stacks[a], *q = &y->stacks[b];
        if (p->count - p->usable != q->count - q->usable)
            TRY(note(c, e, "%s: %s gave no timing in %zu of %zu runs before, %zu of %zu after", x->name,
                     p->name, p->count - p->usable, p->count, q->count - q->usable, q->count));
    }
    for (size_t b = 0; b < y->stack_count; b++)
        if (stack_named(x, y->stacks[b].name) == SUMMARY_STACKS_MAX)
            TRY(note(c, e, "%s: %s is only in the second", x->name, y->stacks[b].name));
    return 0;
}

/* Calls `f` for each metric of each stack of each case that both have. */
static size_t common(const struct compare *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->before.case_count; i++) {
        const struct summary_case *x = &c->before.cases[i], *y = case_named(&c->after, x->name);
        for (size_t a = 0; y && a < x->stack_count; a++) {
            size_t b = stack_named(y, x->stacks[a].name);
            for (int m = 0; b < SUMMARY_STACKS_MAX && m < METRICS; m++)
                n += summary_metrics[m].judged && x->stacks[a].cells[m].n && y->stacks[b].cells[m].n;
        }
    }
    return n;
}

int compare_make(struct compare *c, const struct results_file files[2], struct err *e) {
    memset(c, 0, sizeof *c);
    arena_init(&c->arena);
    arena_init(&c->after.arena);
    TRY(summary_make(&c->before, &files[0], 1, e));
    TRY(summary_make(&c->after, &files[1], 1, e));
    size_t most = common(c);
    if (!most)
        return err_set(e, ERR_INPUT, "%s and %s have no case and stack with measurements in common",
                       files[0].path, files[1].path);
    c->level = stats_level_of(most);
    c->rows = arena_alloc(&c->arena, most * sizeof *c->rows);
    if (!c->rows) return err_nomem(e);
    for (size_t i = 0; i < c->before.case_count; i++) {
        const struct summary_case *x = &c->before.cases[i], *y = case_named(&c->after, x->name);
        if (!y) TRY(note(c, e, "%s: only in the first", x->name));
        if (!y) continue;
        TRY(case_notes(c, x, y, e));
        for (size_t a = 0; a < x->stack_count; a++) {
            size_t b = stack_named(y, x->stacks[a].name);
            for (int m = 0; b < SUMMARY_STACKS_MAX && m < METRICS; m++) TRY(row(c, x, a, y, b, m, e));
        }
    }
    for (size_t i = 0; i < c->after.case_count; i++)
        if (!case_named(&c->before, c->after.cases[i].name))
            TRY(note(c, e, "%s: only in the second", c->after.cases[i].name));
    return 0;
}

void compare_release(struct compare *c) {
    summary_release(&c->before);
    summary_release(&c->after);
    arena_release(&c->arena);
}

/* ---- views ---- */

static const char *word(const struct compare_row *r) {
    bool memory = r->metric == METRIC_PEAK_MEMORY;
    if (r->why) return "–";
    if (r->c.verdict == STATS_MORE) return memory ? "MORE" : "SLOWER";
    if (r->c.verdict == STATS_LESS) return memory ? "less" : "faster";
    return "tie";
}

int compare_text(const struct compare *c, struct buf *out, struct err *e) {
    const struct summary_case *last = NULL;
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_row *r = &c->rows[i];
        const struct summary_case *x = r->cases[0], *y = r->cases[1];
        const char *name = x->stacks[r->stacks[0]].name, *label = summary_metrics[r->metric].label;
        double scale = summary_metrics[r->metric].scale;
        double before = x->stacks[r->stacks[0]].cells[r->metric].median * scale;
        double after = y->stacks[r->stacks[1]].cells[r->metric].median * scale;
        char p[32], q[32];
        if (x != last) {
            const char *a = summary_scope(x, (struct arena *)&c->arena),
                       *b = summary_scope(y, (struct arena *)&c->arena);
            if (!a || !b) return err_nomem(e);
            TRY(buf_printf(out, e, "%s%s\n  before  %s\n  after   %s\n", last ? "\n" : "", x->name, a, b));
            TRY(buf_printf(out, e, "  %-12s %-22s %10s %10s  %-22s\n", "stack", "metric", "before", "after",
                           "after / before"));
            last = x;
        }
        TRY(buf_printf(out, e, "  %-12s %-22s %10s %10s  ", name, label, summary_format(before, before, p),
                       summary_format(after, after, q)));
        if (r->c.interval.known)
            TRY(buf_printf(out, e, "%.3f× [%.3f, %.3f]  ", r->c.ratio, r->c.interval.low,
                           r->c.interval.high));
        else
            TRY(buf_printf(out, e, "%.3f×  ", r->c.ratio));
        TRY(buf_printf(out, e, "%s%s%s\n", word(r), r->why ? " " : "", r->why ? r->why : ""));
    }
    TRY(buf_add_str(out, "\n", e));
    for (size_t i = 0; i < c->note_count; i++) TRY(buf_printf(out, e, "note: %s\n", c->notes[i]));
    return buf_printf(
        out, e,
        "%zu slower, %zu faster, %zu ties, %zu without a verdict; each at %.2f %%, so that all hold at "
        "%.0f %%\n",
        c->slower, c->faster, c->judged - c->slower - c->faster, c->row_count - c->judged, 100 * c->level,
        100 * STATS_LEVEL);
}

int compare_json(const struct compare *c, json_t **out, struct err *e) {
    json_t *rows = json_array(), *notes = json_array();
    for (size_t i = 0; i < c->row_count; i++) {
        const struct compare_row *r = &c->rows[i];
        const struct summary_case *x = r->cases[0], *y = r->cases[1];
        static const char *const verdicts[] = {"none", "none", "tie", "faster", "slower"};
        json_t *o =
            json_pack("{s:s,s:s,s:s,s:f,s:f,s:I,s:I,s:f,s:f,s:s,s:s?}", "case", x->name, "stack",
                      x->stacks[r->stacks[0]].name, "metric", summary_metrics[r->metric].key, "before",
                      x->stacks[r->stacks[0]].cells[r->metric].median, "after",
                      y->stacks[r->stacks[1]].cells[r->metric].median, "n_before", (json_int_t)r->c.n_a,
                      "n_after", (json_int_t)r->c.n_b, "ratio", isfinite(r->c.ratio) ? r->c.ratio : 0.0, "p",
                      r->c.p, "verdict", r->why ? "none" : verdicts[r->c.verdict], "why", r->why);
        json_object_set_new(o, "interval",
                            r->c.interval.known ? json_pack("[f,f]", r->c.interval.low, r->c.interval.high)
                                                : json_null());
        if (!isfinite(r->c.ratio)) json_object_set_new(o, "ratio", json_null());
        json_array_append_new(rows, o);
    }
    for (size_t i = 0; i < c->note_count; i++) json_array_append_new(notes, json_string(c->notes[i]));
    *out = json_pack("{s:b,s:I,s:I,s:I,s:I,s:f,s:s,s:s,s:o,s:o}", "slower_found", c->slower > 0, "slower",
                     (json_int_t)c->slower, "faster", (json_int_t)c->faster, "ties",
                     (json_int_t)(c->judged - c->slower - c->faster), "without_verdict",
                     (json_int_t)(c->row_count - c->judged), "level_each", c->level, "before",
                     c->before.files[0].path, "after", c->after.files[0].path, "rows", rows, "notes", notes);
    return *out ? 0 : err_nomem(e);
}
