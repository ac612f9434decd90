/* Studies beside the samples: the smallest memory that is enough, and resident sessions. */
#include "bench/session.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { MINIMUM_STEP = 16 << 20, MINIMUM_LEAST = 32 << 20 };

static bool is_there(const json_t *lines, const char *type, const char *name, const char *stack) {
    size_t i;
    const json_t *line;
    json_array_foreach(lines, i, line) {
        const char *t = json_string_value(json_object_get(line, "type")),
                   *c = json_string_value(json_object_get(line, "case")),
                   *s = json_string_value(json_object_get(line, "stack"));
        if (t && c && s && strcmp(t, type) == 0 && strcmp(c, name) == 0 && strcmp(s, stack) == 0) return true;
    }
    return false;
}

/* One run under `bytes`: right or not. */
static int try_memory(struct session *s, unsigned case_index, unsigned stack_index, uint64_t bytes,
                      json_t *tried, bool *enough, struct err *e) {
    const struct plan_case *c = &s->plan->cases[case_index];
    char label[160];
    struct session_result r;
    snprintf(label, sizeof label, "minimum-%u-%.60s-%llu", case_index + 1, s->plan->stacks[stack_index],
             (unsigned long long)bytes >> 20);
    const struct session_job j = {.c = c,
                                  .case_index = case_index,
                                  .stack_index = stack_index,
                                  .label = label,
                                  .limits = {.cpus = c->resources.cpus, .memory_bytes = bytes}};
    int rc = session_run(s, &j, &r, e);
    *enough = !rc && strcmp(r.verdict.status, "ok") == 0;
    if (!rc)
        json_array_append_new(tried,
                              json_pack("{s:I,s:b,s:s,s:s}", "memory_bytes", (json_int_t)bytes, "ok",
                                        (int)*enough, "status", r.verdict.status, "error", r.verdict.error));
    session_result_release(&r);
    return rc;
}

/* Bisection between what failed and what was enough, to a twentieth or 16 MiB. */
static int find_minimum(struct session *s, unsigned case_index, unsigned stack_index, struct err *e) {
    const struct plan_case *c = &s->plan->cases[case_index];
    uint64_t good = c->resources.memory_bytes, bad = MINIMUM_LEAST;
    json_t *tried = json_array();
    bool enough;
    int rc = try_memory(s, case_index, stack_index, good, tried, &enough, e);
    bool found = !rc && enough;
    while (!rc && found && good > bad && good - bad > MINIMUM_STEP && good - bad > good / 20) {
        uint64_t middle = (good + bad) / 2 / MINIMUM_STEP * MINIMUM_STEP;
        if (middle <= bad) break;
        rc = try_memory(s, case_index, stack_index, middle, tried, &enough, e);
        *(enough ? &good : &bad) = middle;
    }
    if (rc) {
        json_decref(tried);
        return rc;
    }
    show_note(&s->show, "%s  %s  least memory: %s%llu MB", s->plan->stacks[stack_index], c->name,
              found ? "" : "more than ", (unsigned long long)(good / 1000000));
    return results_add(&s->results,
                       json_pack("{s:s,s:s,s:s,s:o,s:o}", "type", "minimum", "case", c->name, "stack",
                                 s->plan->stacks[stack_index], "memory_bytes",
                                 found ? json_integer((json_int_t)good) : json_null(), "tried", tried),
                       e);
}

/* Of each data set only the first case: with all it is allowed, warm, strict. */
static bool is_studied(const struct session *s, unsigned case_index) {
    const struct plan_case *c = &s->plan->cases[case_index];
    for (unsigned i = 0; i < case_index; i++)
        if (s->plan->cases[i].data == c->data) return false;
    return !c->cold;
}

int session_minimum(struct session *s, json_t *lines, struct err *e) {
    if (!s->q->runner->memory_limit) {
        show_note(&s->show, "the least memory cannot be found here: no memory limit can be set");
        return 0;
    }
    for (unsigned c = 0; c < s->plan->case_count; c++)
        for (unsigned k = 0; is_studied(s, c) && k < s->plan->stack_count; k++)
            if (!is_there(lines, "minimum", s->plan->cases[c].name, s->plan->stacks[k]))
                TRY(find_minimum(s, c, k, e));
    return 0;
}

int session_serve(struct session *s, json_t *lines, struct err *e) {
    (void)lines;
    (void)e;
    show_note(&s->show, "the study of resident sessions is not there yet");
    return 0;
}
