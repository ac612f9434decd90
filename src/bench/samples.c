/* The samples of a benchmark, block by block, and when they are enough. */
#include "base/clock.h"
#include "bench/session.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

bool session_has_line(const json_t *lines, const char *type, const char *name, const char *stack) {
    const char *const wanted[] = {type, name, stack}, *const keys[] = {"type", "case", "stack"};
    const json_t *line;
    size_t i;
    json_array_foreach(lines, i, line) {
        size_t same = 0;
        for (size_t k = 0; k < 3; k++) {
            const char *found = json_string_value(json_object_get(line, keys[k]));
            same += !wanted[k] || (found && strcmp(found, wanted[k]) == 0);
        }
        if (same == 3) return true;
    }
    return false;
}

static size_t pair_of(const struct session *s, const struct plan_step *step) {
    return (size_t)step->case_index * s->plan->stack_count + step->stack_index;
}

double session_pace(const struct session *s, unsigned case_index, unsigned stack_index) {
    const struct plan_case *c = &s->plan->cases[case_index];
    const struct plan_data *d = &s->plan->data[c->data];
    enum pace_source source;
    return pace_of(&s->pace, s->plan->stacks[stack_index], c, d->format, pace_bytes(d, s->q->input_bytes),
                   &source);
}

/* ---- which steps are left ---- */

static bool is_left_out(const struct session *s, const struct plan_step *step) {
    return s->plan->cases[step->case_index].cold && !s->q->runner->can_drop_caches;
}

/* A step that will be run, as far as is known now. */
static bool is_left(const struct session *s, const struct plan_step *steps, unsigned i) {
    const struct plan_step *step = &steps[i];
    return !s->done[i] && !is_left_out(s, step) && !s->ended[step->case_index] &&
           s->failures[pair_of(s, step)] < SESSION_FAILURES;
}

/* Seconds for the steps from `from` on: all, or those of its block. */
static double seconds_left(const struct session *s, const struct plan_step *steps, unsigned from,
                           unsigned count, bool block) {
    double left = 0;
    for (unsigned i = from; i < count && !(block && steps[i].repetition != steps[from].repetition); i++)
        if (is_left(s, steps, i)) left += session_pace(s, steps[i].case_index, steps[i].stack_index);
    return left;
}

/* ---- one sample ---- */

static int take_sample(struct session *s, const struct plan_step *step, unsigned order, struct err *e) {
    const struct plan_case *c = &s->plan->cases[step->case_index];
    const struct plan_data *d = &s->plan->data[c->data];
    struct session_result r;
    char label[128];
    size_t pair = pair_of(s, step);
    snprintf(label, sizeof label, "%u-%.60s", order, s->plan->stacks[step->stack_index]);
    const struct session_job j = {.c = c,
                                  .case_index = step->case_index,
                                  .stack_index = step->stack_index,
                                  .label = label,
                                  .limits = c->resources};
    int64_t start = clock_mono_ns();
    int rc = session_run(s, &j, &r, e);
    if (!rc) rc = results_add(&s->results, session_sample(s, step, order, &r), e);
    if (!rc) {
        const struct run_events *n = &r.outcome.events;
        bool ok = strcmp(r.verdict.status, "ok") == 0;
        double job_s = (double)(n->committed - n->start) / 1e9;
        s->failures[pair] = ok ? 0 : s->failures[pair] + 1;
        s->samples++;
        if (!ok) s->bad++;
        if (ok && step->aa != 'b') tally_add(&s->tally, step->case_index, step->stack_index, job_s);
        pace_add(&s->pace, s->plan->stacks[step->stack_index], c, d->format, pace_bytes(d, s->q->input_bytes),
                 (double)(clock_mono_ns() - start) / 1e9);
        const struct show_sample x = {.case_index = step->case_index,
                                      .stack_index = step->stack_index,
                                      .status = r.verdict.status,
                                      .error = r.verdict.error,
                                      .job_s = job_s,
                                      .busy_percent = r.outcome.busy_percent,
                                      .peak_bytes = r.outcome.peak_bytes ? r.outcome.peak_bytes
                                                                         : r.outcome.sampler->peak_anon};
        show_sample(&s->show, &x);
    }
    session_result_release(&r);
    return rc;
}

/* ---- when it is enough ---- */

/* The widest interval of a case, of the stacks that are still tried in it. */
static double widest_of(const struct session *s, unsigned case_index) {
    double widest = 0;
    bool any = false;
    for (unsigned k = 0; k < s->plan->stack_count; k++) {
        if (s->failures[(size_t)case_index * s->plan->stack_count + k] >= SESSION_FAILURES) continue;
        widest = fmax(widest, tally_width(&s->tally, case_index, k));
        any = true;
    }
    return any ? widest : INFINITY;
}

static int tell_stop(struct session *s, const json_t *lines, unsigned case_index, unsigned after,
                     const char *why, struct err *e) {
    const char *name = s->plan->cases[case_index].name;
    double widest = widest_of(s, case_index);
    if (session_has_line(lines, "stop", name, NULL)) return 0;
    return results_add(&s->results,
                       json_pack("{s:s,s:s,s:i,s:s,s:o}", "type", "stop", "case", name, "repetitions",
                                 (int)after, "why", why, "widest",
                                 isfinite(widest) ? json_real(round(widest * 1e6) / 1e6) : json_null()),
                       e);
}

/* Before a block, `after` being done: end the cases that are narrow enough. It is the samples that decide, so
 * that a benchmark that is taken up again decides alike. */
static int end_narrow(struct session *s, const json_t *lines, unsigned after,
                      const struct stats_stop_rule *rule, struct err *e) {
    for (unsigned c = 0; c < s->plan->case_count; c++) {
        unsigned most = s->plan->cases[c].repetitions;
        if (s->ended[c] || after >= most) continue;
        if (stats_stop(after, widest_of(s, c), 0, 0, rule) != STATS_NARROW) continue;
        s->ended[c] = true;
        s->show.total -= (most - after) * plan_case_samples(s->plan);
        show_note(&s->show, "%s  %u repetitions are enough: no interval is wider than %.3g %%",
                  s->plan->cases[c].name, after, 100 * s->plan->precision);
        TRY(tell_stop(s, lines, c, after, "narrow", e));
    }
    return 0;
}

static int end_all(struct session *s, const json_t *lines, unsigned after, double spent_s, struct err *e) {
    show_note(&s->show,
              "the budget of %.0f min is used up after %.0f min: %u repetitions instead of %u; --runs N "
              "takes them all",
              s->plan->budget_s / 60, spent_s / 60, after, s->plan->repetitions);
    for (unsigned c = 0; c < s->plan->case_count; c++)
        if (!s->ended[c] && after < s->plan->cases[c].repetitions)
            TRY(tell_stop(s, lines, c, after, "budget", e));
    return 0;
}

/* Seconds that earlier starts spent on the samples of `lines`. */
static double spent_before(const json_t *lines) {
    double spent = 0, start = 0;
    const json_t *line;
    size_t i;
    json_array_foreach(lines, i, line) {
        const char *type = json_string_value(json_object_get(line, "type"));
        double elapsed = json_number_value(json_object_get(line, "elapsed_s"));
        if (type && strcmp(type, "run") == 0) {
            spent += start;
            start = 0;
        }
        if (elapsed > start) start = elapsed;
    }
    return spent + start;
}

int session_samples(struct session *s, const json_t *lines, const struct plan_step *steps, unsigned count,
                    struct err *e) {
    const struct stats_stop_rule narrow = {.least = s->plan->least, .width = s->plan->precision},
                                 budget = {.least = s->plan->least, .budget_s = s->plan->budget_s};
    double before_s = spent_before(lines);
    s->began_ns = clock_mono_ns();
    for (unsigned i = 0; i < count; i++) {
        const struct plan_step *step = &steps[i];
        if (i > 0 && steps[i - 1].repetition != step->repetition) {
            unsigned after = step->repetition - 1;
            double spent_s = before_s + (double)(clock_mono_ns() - s->began_ns) / 1e9;
            TRY(end_narrow(s, lines, after, &narrow, e));
            double next_s = seconds_left(s, steps, i, count, true);
            if (next_s > 0 && stats_stop(after, INFINITY, spent_s, next_s, &budget) == STATS_SPENT)
                return end_all(s, lines, after, spent_s, e);
        }
        if (s->done[i] || is_left_out(s, step) || s->ended[step->case_index]) continue;
        if (!is_left(s, steps, i)) { /* it has failed too often */
            s->show.done++;
            continue;
        }
        TRY(session_ready_data(s, s->plan->cases[step->case_index].data, e));
        s->show.left_s = seconds_left(s, steps, i, count, false);
        TRY(take_sample(s, step, i + 1, e));
    }
    return 0;
}
