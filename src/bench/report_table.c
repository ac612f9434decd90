/* The comparison table (docs/requirements: exact layout), as text and as Markdown, and the notes below it. */
#include "bench/cost.h"
#include "bench/images.h"
#include "bench/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = METRIC_IN_TABLE + 1, COLUMNS_MAX = SUMMARY_STACKS_MAX + 2 };

struct grid {
    const char *cells[ROWS_MAX][COLUMNS_MAX];
    size_t rows, columns;
};

struct writer {
    struct buf *out;
    struct arena arena;
    bool markdown;
};

/* What stands in one column: code points, as the texts hold no wide ones. */
static size_t width_of(const char *text) {
    size_t n = 0;
    for (; *text; text++) n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static const char *cell_text(const struct summary_stack *s, int m, struct arena *arena) {
    const struct summary_cell *c = &s->cells[m];
    double scale = summary_metrics[m].scale, like = c->median * scale;
    char median[32], low[32], high[32], n[32] = "";
    if (!c->n) return "–";
    summary_format(like, like, median);
    if (!c->interval.known) return arena_printf(arena, "%s (n=%zu)", median, c->n);
    if (c->n != s->usable) snprintf(n, sizeof n, " n=%zu", c->n);
    return arena_printf(arena, "%s  [%s, %s]%s", median, summary_format(c->interval.low * scale, like, low),
                        summary_format(c->interval.high * scale, like, high), n);
}

static const char *winner_text(const struct summary_case *c, int m, struct arena *arena) {
    const struct summary_verdict *v = &c->verdicts[m];
    if (v->outcome == SUMMARY_WINNER) return c->stacks[v->winner].name;
    if (v->outcome == SUMMARY_NONE) return "–";
    return v->why ? arena_printf(arena, "tie: %s", v->why) : "tie";
}

static int grid_fill(struct grid *g, const struct summary_case *c, struct arena *arena, struct err *e) {
    g->columns = c->stack_count + 2;
    g->rows = METRIC_IN_TABLE + 1;
    g->cells[0][0] = "Metric";
    g->cells[0][g->columns - 1] = "Winner (independent stacks)";
    for (size_t i = 0; i < c->stack_count; i++)
        g->cells[0][i + 1] = arena_printf(arena, "%s%s", c->stacks[i].name, c->stacks[i].ours ? "*" : "");
    for (int m = 0; m < METRIC_IN_TABLE; m++) {
        g->cells[m + 1][0] = summary_metrics[m].label;
        for (size_t i = 0; i < c->stack_count; i++)
            g->cells[m + 1][i + 1] = cell_text(&c->stacks[i], m, arena);
        g->cells[m + 1][g->columns - 1] = winner_text(c, m, arena);
    }
    for (size_t r = 0; r < g->rows; r++)
        for (size_t k = 0; k < g->columns; k++)
            if (!g->cells[r][k]) return err_nomem(e);
    return 0;
}

static int grid_print(const struct grid *g, struct writer *w, struct err *e) {
    for (size_t r = 0; r < g->rows; r++) {
        for (size_t k = 0; k < g->columns; k++) {
            size_t width = 0;
            for (size_t i = 0; i < g->rows; i++)
                if (width_of(g->cells[i][k]) > width) width = width_of(g->cells[i][k]);
            int pad = w->markdown || k + 1 == g->columns ? 0 : (int)(width - width_of(g->cells[r][k])) + 3;
            TRY(buf_printf(w->out, e, "%s%s%*s", w->markdown ? "| " : "", g->cells[r][k], pad, ""));
            if (w->markdown) TRY(buf_add_str(w->out, " ", e));
        }
        TRY(buf_add_str(w->out, w->markdown ? "|\n" : "\n", e));
        for (size_t k = 0; r == 0 && w->markdown && k < g->columns; k++)
            TRY(buf_printf(w->out, e, "%s%s", k == 0 || k + 1 == g->columns ? "|---" : "|---:",
                           k + 1 == g->columns ? "|\n" : ""));
    }
    return 0;
}

/* ---- notes ---- */

/* One line of text. Text from result files may hold anything: control bytes become spaces. */
static int __attribute__((format(printf, 3, 4))) line(struct writer *w, struct err *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(&w->arena, fmt, ap);
    va_end(ap);
    if (!text) return err_nomem(e);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20) *p = ' ';
    return buf_printf(w->out, e, "%s%s\n", w->markdown ? "- " : "", text);
}

/* The label without its unit. */
static int label_len(int m) {
    return (int)strcspn(summary_metrics[m].label, "(") - 1;
}

static bool same_reason(const struct summary_stack *s, int m, const char *why) {
    return s->cells[m].unavailable && strcmp(s->cells[m].unavailable, why) == 0;
}

/* Metrics that stacks do not have, those with the same reason together. */
static int unavailable(struct writer *w, const struct summary_case *c, int m, struct err *e) {
    for (size_t i = 0; i < c->stack_count; i++) {
        const char *why = c->stacks[i].cells[m].unavailable, *names = "";
        bool told = !why;
        for (size_t k = 0; k < i && !told; k++) told = same_reason(&c->stacks[k], m, why);
        if (told) continue;
        for (size_t k = i; k < c->stack_count && names; k++)
            if (same_reason(&c->stacks[k], m, why))
                names = arena_printf(&w->arena, "%s%s%s", names, *names ? ", " : "", c->stacks[k].name);
        if (!names) return err_nomem(e);
        TRY(line(w, e, "– %.*s: %s (%s)", label_len(m), summary_metrics[m].label, why, names));
    }
    return 0;
}

/* Metrics without a verdict, those with the same reason together. */
static int without_verdict(struct writer *w, const struct summary_case *c, struct err *e) {
    const struct summary_verdict *v = c->verdicts;
    for (int m = 0; m < METRIC_IN_TABLE; m++) {
        const char *labels = "";
        bool told = v[m].outcome != SUMMARY_NONE;
        for (int k = 0; k < m && !told; k++)
            told = v[k].outcome == SUMMARY_NONE && strcmp(v[k].why, v[m].why) == 0;
        if (told) continue;
        for (int k = m; k < METRIC_IN_TABLE && labels; k++)
            if (v[k].outcome == SUMMARY_NONE && strcmp(v[k].why, v[m].why) == 0)
                labels = arena_printf(&w->arena, "%s%s%.*s", labels, *labels ? ", " : "", label_len(k),
                                      summary_metrics[k].label);
        if (!labels) return err_nomem(e);
        TRY(line(w, e, "no winner in %s: %s", labels, v[m].why));
    }
    return 0;
}

static int outliers(struct writer *w, const struct summary_case *c, struct err *e) {
    for (size_t i = 0; i < c->stack_count; i++)
        if (c->stacks[i].cells[METRIC_JOB].outliers)
            TRY(line(w, e, "%s: %zu of %zu job times %s an outlier by the MAD rule; flagged and kept",
                     c->stacks[i].name, c->stacks[i].cells[METRIC_JOB].outliers,
                     c->stacks[i].cells[METRIC_JOB].n,
                     c->stacks[i].cells[METRIC_JOB].outliers == 1 ? "is" : "are each"));
    return 0;
}

/* What the benchmark flagged, by the word before the colon: "busy" of "busy:40%". */
static int flags(struct writer *w, const struct summary_case *c, struct err *e) {
    json_t *counts = json_object(), *value;
    size_t runs = 0;
    for (size_t i = 0; i < c->stack_count; i++)
        for (size_t j = 0; j < c->stacks[i].count; j++) {
            const json_t *flag, *list = json_object_get(c->stacks[i].samples[j]->record, "flags");
            size_t k;
            runs++;
            json_array_foreach(list, k, flag) {
                char word[64];
                const char *text = json_string_value(flag);
                if (!text || strncmp(text, "outlier:", 8) == 0) continue;
                snprintf(word, sizeof word, "%.*s", (int)strcspn(text, ":"), text);
                json_int_t n = json_integer_value(json_object_get(counts, word));
                json_object_set_new(counts, word, json_integer(n + 1));
            }
        }
    const char *word;
    int rc = 0;
    json_object_foreach(counts, word, value) {
        if (!rc)
            rc = line(w, e, "flagged \"%s\": %lld of %zu runs", word, (long long)json_integer_value(value),
                      runs);
    }
    json_decref(counts);
    return rc;
}

static int seal(struct writer *w, const char *what, enum summary_seal seal, const char *why, struct err *e) {
    TRY(line(w, e, "%s: %s: %s", what,
             seal == SEAL_HOLDS    ? "yes"
             : seal == SEAL_BROKEN ? "NO"
                                   : "not known",
             why));
    return 0;
}

/* Why there are not as many repetitions as planned. */
static int stopped(struct writer *w, const struct summary_case *c, struct err *e) {
    const json_t *stop = summary_stop(c), *widest = json_object_get(stop, "widest");
    if (!stop) return 0;
    long long n = json_integer_value(json_object_get(stop, "repetitions"));
    double percent = 100 * json_number_value(widest);
    const char *why =
        strcmp(results_text(stop, "why", ""), "narrow") == 0 ? "precise enough" : "the budget was used up";
    if (!json_is_number(widest)) return line(w, e, "ended after %lld repetitions: %s", n, why);
    return line(w, e,
                "ended after %lld repetitions: %s; the widest interval of a median job time is %.2g %% of it",
                n, why, percent);
}

/* Three digits, never in powers of ten. */
static const char *money(double v, char out[32]) {
    int decimals = 2;
    for (double x = v; x > 0 && x < 1 && decimals < 12; x *= 10) decimals++;
    snprintf(out, 32, "%.*f", decimals, v);
    return out;
}

/* What a run costs, at the prices assumed. */
static int costs(struct writer *w, const struct cost_prices *p, const struct summary_case *c, struct err *e) {
    const char *text = "";
    struct cost cost;
    for (size_t i = 0; p && i < c->stack_count && text; i++) {
        if (!cost_of(p, c, &c->stacks[i], &cost)) continue;
        char a[32], b[32];
        text = arena_printf(&w->arena, "%s%s%s %s", text, *text ? "; " : "", c->stacks[i].name,
                            money(cost.run, a));
        if (text && cost.high > cost.low)
            text = arena_printf(&w->arena, "%s [%s, %s]", text, money(cost.low, a), money(cost.high, b));
        if (text) text = arena_printf(&w->arena, "%s a run", text);
        if (text && cost.per_gb > 0)
            text = arena_printf(&w->arena, "%s, %s a GB", text, money(cost.per_gb, a));
        if (text) text = arena_printf(&w->arena, "%s, %s a month", text, money(cost.per_month, a));
    }
    if (!text) return err_nomem(e);
    if (!*text) return 0;
    return line(w, e,
                "cost (%s, the budget for as long as a run lasts): %s (assumed: %g a CPU hour, %g a GB hour, "
                "%g runs a "
                "month; %s)",
                p->currency, text, p->cpu_hour, p->gb_hour, p->runs_per_month, p->source);
}

/* What was pulled, and what a pull would take elsewhere. */
static int images(struct writer *w, const struct summary_case *c, struct err *e) {
    const char *sizes = "", *modelled = "";
    struct image_figures f;
    for (size_t i = 0; i < c->stack_count && sizes && modelled; i++) {
        const char *name = c->stacks[i].name;
        if (!image_figures_of(&c->stacks[i], &f)) continue;
        sizes = arena_printf(&w->arena, "%s%s%s %.0f MB on disk", sizes, *sizes ? "; " : "", name,
                             f.disk_bytes / 1e6);
        if (!sizes || !(f.pull_bytes > 0)) continue;
        sizes = arena_printf(&w->arena, "%s, %.0f MB compressed", sizes, f.pull_bytes / 1e6);
        modelled = arena_printf(&w->arena, "%s%s%s %.1f s, %.1f s", modelled, *modelled ? "; " : "", name,
                                f.modelled_s[0], f.modelled_s[1]);
    }
    if (!sizes || !modelled) return err_nomem(e);
    if (*sizes) TRY(line(w, e, "images: %s", sizes));
    if (!*modelled) return 0;
    return line(
        w, e,
        "image pull over 100 Mbit/s, 1 Gbit/s (modelled: compressed bytes / link + measured extraction): %s",
        modelled);
}

static int notes(struct writer *w, const struct summary *s, const struct summary_case *c, struct err *e) {
    bool ours = false;
    for (size_t i = 0; i < c->stack_count; i++) ours |= c->stacks[i].ours;
    if (ours) TRY(line(w, e, "* made by weir's authors"));
    for (size_t i = 0; i < c->stack_count; i++) {
        const char *note = results_text(c->stacks[i].record, "note", NULL);
        if (note) TRY(line(w, e, "%s: %s", c->stacks[i].name, note));
    }
    for (int m = 0; m < METRIC_IN_TABLE; m++) TRY(unavailable(w, c, m, e));
    TRY(without_verdict(w, c, e));
    TRY(outliers(w, c, e));
    TRY(flags(w, c, e));
    TRY(stopped(w, c, e));
    TRY(images(w, c, e));
    TRY(costs(w, s->prices, c, e));
    TRY(seal(w, "results equal", c->equal, c->equal_why, e));
    TRY(seal(w, "A against A is a tie", c->tie, c->tie_why, e));
    TRY(seal(w, "budgets the same", c->budgets, c->budgets_why, e));
    for (size_t i = 0; i < c->stack_count; i++) {
        const char *names = summary_sample_names(&c->stacks[i], true, &w->arena);
        const char *without = summary_sample_names(&c->stacks[i], false, &w->arena);
        if (!names || !without) return err_nomem(e);
        TRY(line(w, e, "samples of %s: %s%s%s", c->stacks[i].name, *names ? names : "none",
                 *without ? "; without timing: " : "", without));
    }
    if (c->false_rate_known)
        TRY(line(w, e, "the rule called %.1f %% of %d relabelings of these twins different",
                 100.0 * (double)c->false_differences / SUMMARY_RELABELINGS, SUMMARY_RELABELINGS));
    return 0;
}

/* ---- cases ---- */

static int sentences(struct writer *w, const struct summary_case *c, struct err *e) {
    struct summary_sentence list[SUMMARY_SENTENCES_MAX];
    size_t count;
    TRY(summary_sentences(c, &w->arena, list, &count, e));
    for (size_t i = 0; i < count; i++) TRY(line(w, e, "%s", list[i].text));
    return 0;
}

static int one_case(struct writer *w, const struct summary *s, const struct summary_case *c, struct err *e) {
    struct grid *g = arena_zalloc(&w->arena, sizeof *g);
    const char *scope = summary_scope(c, &w->arena);
    if (!g || !scope) return err_nomem(e);
    TRY(buf_printf(w->out, e,
                   w->markdown ? "**ETL stack comparison** · %s\n\n" : "ETL stack comparison · %s\n", scope));
    TRY(buf_printf(w->out, e, w->markdown ? "Case `%s`%s%s\n\n" : "Case %s%s%s\n", c->name,
                   s->file_count > 1 ? " of " : "", s->file_count > 1 ? c->file->path : ""));
    TRY(grid_fill(g, c, &w->arena, e));
    TRY(grid_print(g, w, e));
    if (w->markdown) TRY(buf_add_str(w->out, "\n", e));
    TRY(sentences(w, c, e));
    return notes(w, s, c, e);
}

static int minimums(struct writer *w, const struct results_file *f, struct err *e) {
    for (size_t i = 0; i < f->minimum_count; i++) {
        const json_t *r = f->minimums[i], *bytes = json_object_get(r, "memory_bytes");
        char mb[32] = "none that was tried";
        if (json_is_number(bytes)) snprintf(mb, sizeof mb, "%.0f MB", json_number_value(bytes) / 1e6);
        TRY(line(w, e, "minimum memory of %s in %s: %s", results_text(r, "stack", "?"),
                 results_text(r, "case", "?"), mb));
    }
    return 0;
}

static int report(const struct summary *s, bool markdown, struct buf *out, struct err *e) {
    struct writer w = {.out = out, .markdown = markdown};
    arena_init(&w.arena);
    int rc = 0;
    for (size_t i = 0; i < s->case_count && !rc; i++) {
        if (i) rc = buf_add_str(out, "\n", e);
        if (!rc) rc = one_case(&w, s, &s->cases[i], e);
    }
    for (size_t i = 0; i < s->file_count && !rc; i++) {
        const struct results_file *f = &s->files[i];
        rc = minimums(&w, f, e);
        if (!rc && f->truncated)
            rc = buf_printf(out, e, "%s: its last line broke off and was left out\n", f->path);
        if (!rc && !f->ended && !f->truncated)
            rc = buf_printf(out, e, "%s: the benchmark did not end; these are the samples so far\n", f->path);
        if (!rc && !f->sample_count) rc = buf_printf(out, e, "%s: no samples yet\n", f->path);
    }
    arena_release(&w.arena);
    return rc;
}

int report_text(const struct summary *s, struct buf *out, struct err *e) {
    return report(s, false, out, e);
}

int report_markdown(const struct summary *s, struct buf *out, struct err *e) {
    return report(s, true, out, e);
}
