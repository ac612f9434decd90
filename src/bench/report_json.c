/* A summary as one JSON object: what `weir report --json` prints and what the page is drawn from. */
#include "bench/cost.h"
#include "bench/images.h"
#include "bench/report.h"

#include <math.h>
#include <string.h>

static json_t *number(double v) {
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *text(const char *s) {
    json_t *t = s ? json_string(s) : json_null();
    return t ? t : json_string("(not UTF-8)");
}

static const char *verdict_name(enum stats_verdict v) {
    static const char *const names[] = {"few", "none", "tie", "less", "more"};
    return names[v];
}

static json_t *interval(const struct stats_interval *i) {
    if (!i->known) return json_null();
    return json_pack("{s:f,s:f,s:f}", "low", i->low, "high", i->high, "coverage", i->coverage);
}

static json_t *comparison(const struct stats_comparison *c) {
    return json_pack("{s:I,s:I,s:o,s:o,s:f,s:s}", "n_a", (json_int_t)c->n_a, "n_b", (json_int_t)c->n_b,
                     "ratio", number(c->ratio), "interval", interval(&c->interval), "p", c->p, "verdict",
                     verdict_name(c->verdict));
}

/* ---- stacks and samples ---- */

static bool is_outlier(const struct summary_stack *s, const struct results_sample *x, int m) {
    double v;
    return s->cells[m].n && results_metric(x, summary_metrics[m].key, &v) &&
           stats_is_outlier(v, s->cells[m].median, s->cells[m].mad);
}

static json_t *sample(const struct summary_case *c, const struct results_sample *x, bool series) {
    static const char *const copied[] = {"order", "started_ns", "exit",   "digest", "ledger",
                                         "seen",  "flags",      "phases", "output", "unavailable"};
    json_t *o =
        json_pack("{s:I,s:o,s:o,s:o,s:b,s:i,s:o,s:I,s:O?}", "id", (json_int_t)x->id, "stack", text(x->stack),
                  "status", text(x->status), "error", text(x->error), "usable", (int)x->usable, "repetition",
                  x->repetition, "twin", x->twin ? json_stringn(&x->twin, 1) : json_null(), "run",
                  (json_int_t)x->run, "metrics", (json_t *)x->metrics);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        json_object_set(o, copied[i], json_object_get(x->record, copied[i]));
    if (series) json_object_set(o, "series", json_object_get(x->record, "series"));
    json_t *outliers = json_array();
    for (size_t k = 0; k < c->stack_count; k++)
        for (int m = 0; m < METRICS && strcmp(c->stacks[k].name, x->stack) == 0; m++)
            if (is_outlier(&c->stacks[k], x, m))
                json_array_append_new(outliers, json_string(summary_metrics[m].key));
    json_object_set_new(o, "outlier_in", outliers);
    return o;
}

/* The run whose job time is nearest to the median: it stands for the stack in curves over time. */
static const struct results_sample *typical(const struct summary_stack *s) {
    const struct results_sample *best = NULL;
    double least = INFINITY, v;
    for (size_t i = 0; i < s->count; i++) {
        if (!results_metric(s->samples[i], "job_s", &v)) continue;
        if (!json_object_get(s->samples[i]->record, "series")) continue;
        if (fabs(v - s->cells[METRIC_JOB].median) >= least) continue;
        least = fabs(v - s->cells[METRIC_JOB].median);
        best = s->samples[i];
    }
    return best;
}

static json_t *samples(const struct summary_case *c, bool page) {
    json_t *list = json_array();
    for (size_t i = 0; i < c->file->sample_count; i++) {
        const struct results_sample *x = &c->file->samples[i];
        bool here = false, series = false;
        for (size_t k = 0; k < c->stack_count && !here; k++) {
            const struct summary_stack *s = &c->stacks[k];
            /* Twins 'b' are in no stack's list: they belong where the same run has the case's others. */
            for (size_t j = 0; j < s->count && !here; j++)
                here = s->samples[j] == x || (x->twin == 'b' && strcmp(x->name, c->name) == 0 &&
                                              s->samples[j]->run == x->run && strcmp(s->name, x->stack) == 0);
            if (here) series = page && typical(s) == x;
        }
        if (here) json_array_append_new(list, sample(c, x, series));
    }
    return list;
}

static json_t *cell(const struct summary_stack *s, int m) {
    const struct summary_cell *c = &s->cells[m];
    json_t *values = json_array();
    for (size_t i = 0; i < c->n; i++) json_array_append_new(values, number(c->sorted[i]));
    if (!c->n)
        return json_pack("{s:i,s:n,s:n,s:o,s:o}", "n", 0, "median", "interval", "values", values,
                         "unavailable", text(c->unavailable));
    return json_pack("{s:I,s:f,s:o,s:f,s:I,s:o}", "n", (json_int_t)c->n, "median", c->median, "interval",
                     interval(&c->interval), "mad", c->mad, "outliers", (json_int_t)c->outliers, "values",
                     values);
}

static json_t *stack(const struct summary_stack *s) {
    json_t *cells = json_object();
    for (int m = 0; m < METRICS; m++) json_object_set_new(cells, summary_metrics[m].key, cell(s, m));
    const struct results_sample *t = typical(s);
    return json_pack("{s:o,s:o,s:o,s:o,s:b,s:I,s:I,s:O?,s:o,s:o,s:o}", "stack", text(s->name), "title",
                     text(s->title), "made_by", text(s->made_by), "colour", text(s->colour), "ours",
                     (int)s->ours, "runs", (json_int_t)s->count, "usable", (json_int_t)s->usable, "versions",
                     json_object_get(s->record, "versions"), "typical_sample",
                     t ? json_integer(t->id) : json_null(), "note",
                     text(results_text(s->record, "note", NULL)), "metrics", cells);
}

/* ---- cases ---- */

static json_t *verdict(const struct summary_case *c, int m) {
    static const char *const outcomes[] = {"none", "tie", "winner"};
    const struct summary_verdict *v = &c->verdicts[m];
    json_t *pairs = json_array();
    for (size_t i = 0; i < v->pair_count; i++) {
        json_t *p = comparison(&v->pairs[i].c);
        json_object_set_new(p, "a", text(c->stacks[v->pairs[i].a].name));
        json_object_set_new(p, "b", text(c->stacks[v->pairs[i].b].name));
        json_array_append_new(pairs, p);
    }
    return json_pack("{s:s,s:o,s:o,s:o,s:o}", "outcome", outcomes[v->outcome], "winner",
                     v->outcome == SUMMARY_WINNER ? text(c->stacks[v->winner].name) : json_null(), "why",
                     text(v->why), "pairs", pairs, "a_against_a",
                     v->twins.n_a ? comparison(&v->twins) : json_null());
}

static json_t *seal(enum summary_seal s, const char *why) {
    static const char *const names[] = {"holds", "broken", "unknown"};
    return json_pack("{s:s,s:o}", "state", names[s], "why", text(why));
}

static json_t *false_rate(const struct summary_case *c) {
    if (!c->false_rate_known) return json_null();
    struct stats_interval i = stats_proportion(c->false_differences, SUMMARY_RELABELINGS);
    return json_pack("{s:I,s:I,s:o}", "differences", (json_int_t)c->false_differences, "relabelings",
                     (json_int_t)SUMMARY_RELABELINGS, "interval", interval(&i));
}

static json_t *costs(const struct cost_prices *p, const struct summary_case *c) {
    json_t *list = json_array();
    struct cost cost;
    for (size_t i = 0; p && i < c->stack_count; i++)
        if (cost_of(p, c, &c->stacks[i], &cost))
            json_array_append_new(list,
                                  json_pack("{s:o,s:f,s:f,s:f,s:o,s:f}", "stack", text(c->stacks[i].name),
                                            "run", cost.run, "low", cost.low, "high", cost.high, "per_gb",
                                            cost.per_gb > 0 ? json_real(cost.per_gb) : json_null(),
                                            "per_month", cost.per_month));
    return list;
}

static json_t *images(const struct summary_case *c) {
    json_t *list = json_array();
    struct image_figures f;
    for (size_t i = 0; i < c->stack_count; i++) {
        if (!image_figures_of(&c->stacks[i], &f)) continue;
        json_t *modelled = json_array(), *pulled = json_null();
        for (int k = 0; k < IMAGE_LINKS; k++)
            json_array_append_new(
                modelled, json_pack("{s:f,s:f}", "bits_per_s", image_links[k], "pull_s", f.modelled_s[k]));
        if (f.pull_bytes > 0)
            pulled = json_pack("{s:f,s:f,s:f,s:O}", "bytes", f.pull_bytes, "download_s", f.download_s,
                               "extract_s", f.extract_s, "modelled", modelled);
        json_decref(modelled);
        json_array_append_new(list, json_pack("{s:o,s:f,s:o}", "stack", text(c->stacks[i].name), "disk_bytes",
                                              f.disk_bytes, "pulled", pulled));
    }
    return list;
}

static int one_case(const struct cost_prices *prices, const struct summary_case *c, bool page,
                    struct arena *arena, json_t **out, struct err *e) {
    struct summary_sentence said[SUMMARY_SENTENCES_MAX];
    size_t count;
    TRY(summary_sentences(c, arena, said, &count, e));
    json_t *sentences = json_array(), *stacks = json_array(), *verdicts = json_object();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(
            sentences, json_pack("{s:o,s:o}", "text", text(said[i].text), "samples", text(said[i].samples)));
    for (size_t i = 0; i < c->stack_count; i++) json_array_append_new(stacks, stack(&c->stacks[i]));
    for (int m = 0; m < METRICS; m++) json_object_set_new(verdicts, summary_metrics[m].key, verdict(c, m));
    json_t *o = json_pack(
        "{s:o,s:I,s:o,s:o,s:o,s:o,s:f,s:f,s:f,s:f,s:o,s:o,s:o,s:o,s:o,s:o}", "case", text(c->name), "file",
        (json_int_t)c->file_index, "scope", text(summary_scope(c, arena)), "data", text(c->data), "format",
        text(c->format), "cache", text(c->cache), "cpus", c->cpus, "memory_bytes", c->memory_bytes, "rows",
        c->rows, "bytes", c->bytes, "machine", text(c->machine), "first_date", text(c->first_date),
        "last_date", text(c->last_date), "sentences", sentences, "stacks", stacks, "verdicts", verdicts);
    if (!o) return err_nomem(e);
    json_object_set_new(o, "strict", c->strict_known ? json_boolean(c->strict) : json_null());
    json_object_set_new(o, "run", json_integer((json_int_t)(c->run - c->file->runs)));
    json_object_set_new(o, "seals",
                        json_pack("{s:o,s:o,s:o}", "results_equal", seal(c->equal, c->equal_why),
                                  "a_against_a", seal(c->tie, c->tie_why), "budgets",
                                  seal(c->budgets, c->budgets_why)));
    json_object_set_new(o, "false_differences", false_rate(c));
    json_object_set_new(o, "costs", costs(prices, c));
    json_object_set_new(o, "images", images(c));
    json_object_set(o, "stop", summary_stop(c) ? (json_t *)summary_stop(c) : json_null());
    json_object_set_new(o, "samples", samples(c, page));
    *out = o;
    return 0;
}

/* ---- all ---- */

static json_t *records(const json_t *const *list, size_t count) {
    json_t *out = json_array();
    for (size_t i = 0; i < count; i++) json_array_append(out, (json_t *)list[i]);
    return out;
}

static json_t *file(const struct results_file *f) {
    json_t *runs = json_array();
    for (size_t i = 0; i < f->run_count; i++) json_array_append(runs, (json_t *)f->runs[i].record);
    return json_pack("{s:o,s:b,s:b,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "path", text(f->path), "truncated",
                     (int)f->truncated, "ended", (int)f->ended, "samples", (json_int_t)f->sample_count,
                     "runs", runs, "data", records(f->data, f->data_count), "stacks",
                     records(f->stacks, f->stack_count), "minimums", records(f->minimums, f->minimum_count),
                     "serves", records(f->serves, f->serve_count), "profiles",
                     records(f->profiles, f->profile_count));
}

static json_t *prices(const struct cost_prices *p) {
    if (!p) return json_null();
    return json_pack("{s:o,s:o,s:f,s:f,s:f,s:b}", "currency", text(p->currency), "source", text(p->source),
                     "cpu_hour", p->cpu_hour, "gb_hour", p->gb_hour, "runs_per_month", p->runs_per_month,
                     "own", (int)p->own);
}

static json_t *metric_list(void) {
    json_t *list = json_array();
    for (int m = 0; m < METRICS; m++)
        json_array_append_new(list,
                              json_pack("{s:s,s:s,s:s,s:f,s:b,s:b}", "key", summary_metrics[m].key, "label",
                                        summary_metrics[m].label, "noun", summary_metrics[m].noun, "scale",
                                        summary_metrics[m].scale, "judged", (int)summary_metrics[m].judged,
                                        "in_table", (int)(m < METRIC_IN_TABLE)));
    return list;
}

int report_json(const struct summary *s, bool page, json_t **out, struct err *e) {
    struct arena arena;
    arena_init(&arena);
    json_t *files = json_array(), *cases = json_array();
    int rc = 0;
    for (size_t i = 0; i < s->file_count; i++) json_array_append_new(files, file(&s->files[i]));
    for (size_t i = 0; i < s->case_count && !rc; i++) {
        json_t *c = NULL;
        rc = one_case(s->prices, &s->cases[i], page, &arena, &c, e);
        json_array_append_new(cases, c);
    }
    *out = json_pack("{s:i,s:s,s:f,s:i,s:o,s:o,s:o,s:o}", "schema", 1, "weir", WEIR_VERSION, "level",
                     STATS_LEVEL, "verdict_needs", (int)STATS_VERDICT_MIN, "prices", prices(s->prices),
                     "metrics", metric_list(), "files", files, "cases", cases);
    arena_release(&arena);
    return rc ? rc : *out ? 0 : err_nomem(e);
}
