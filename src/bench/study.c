/* Studies beside the samples: the smallest memory that is enough, and resident sessions. */
#include "bench/session.h"

#include "base/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { MINIMUM_STEP = 16 << 20, MINIMUM_LEAST = 32 << 20 };

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
    TRY(session_ready_data(s, c->data, e));
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

bool session_is_studied(const struct session *s, unsigned case_index) {
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
        for (unsigned k = 0; session_is_studied(s, c) && k < s->plan->stack_count; k++)
            if (!session_has_line(lines, "minimum", s->plan->cases[c].name, s->plan->stacks[k]))
                TRY(find_minimum(s, c, k, e));
    return 0;
}

/* ---- resident sessions ---- */

/* A session that works off its jobs: the next path is written when the one before is done. */
struct served {
    struct session *s;
    unsigned count, next;
    struct job *jobs;
    const char **paths; /* of their JOB.json */
    int to;             /* the session's standard input */
};

static void feed(struct served *v) {
    const char *path = v->paths[v->next];
    struct iovec parts[] = {{(char *)path, strlen(path)}, {(char *)"\n", 1}};
    v->next++;
    if (writev(v->to, parts, 2) < 0) v->next = v->count; /* it has ended; its exit says why */
}

static void serve_tick(void *ctx, const struct run_events *unused, double seconds) {
    struct served *v = ctx;
    struct run_events n = {0};
    (void)unused;
    if (v->next) run_events_read(v->jobs[v->next - 1].events_file, &n);
    show_tick(&v->s->show, &n, seconds);
    if (v->next && !n.done) return;
    if (v->next < v->count) {
        feed(v);
    } else if (v->to >= 0) {
        close(v->to); /* no more: the session ends */
        v->to = -1;
    }
}

static int run_session(struct served *v, const struct session_job *j, const char *output,
                       struct run_outcome *out, struct err *e) {
    struct session *s = v->s;
    const struct stack *stack = &s->stacks[j->stack_index];
    char own[PATH_MAX + 16], group[200];
    int pipes[2];
    if (pipe2(pipes, O_CLOEXEC)) return err_errno(e, ERR_OUTSIDE, "could not make a pipe");
    v->to = pipes[1];
    snprintf(own, sizeof own, "WEIR_BIN=%s", s->q->data.weir);
    snprintf(group, sizeof group, "%s-%s", s->group, j->label);
    const char *const argv[] = {"./serve", NULL}, *env[STACK_LIST_MAX + 2] = {own};
    memcpy(env + 1, stack->env, sizeof stack->env);
    const struct run_request q = {.argv = argv,
                                  .env = env,
                                  .dir = stack->dir,
                                  .input = pipes,
                                  .output_file = output,
                                  .name = group,
                                  .cpus = j->limits.cpus,
                                  .memory_bytes = j->limits.memory_bytes,
                                  .timeout_s = s->plan->timeout_s * v->count,
                                  .tick = serve_tick,
                                  .ctx = v};
    show_run(&s->show, stack->name, "serve");
    int rc = runner_run(s->q->runner, &q, out, e);
    close(pipes[0]);
    if (v->to >= 0) close(v->to);
    return rc;
}

/* Its jobs one by one against the reference; the first that is not right, and why, in *line. */
static int judge_session(struct served *v, const struct session_job *j, struct run_outcome *outcome,
                         json_t *line, struct err *e) {
    struct session *s = v->s;
    json_t *steady = json_array();
    bool right = true;
    json_object_set_new(line, "steady_job_s", steady);
    for (unsigned i = 0; i < v->count && right; i++) {
        struct check_verdict verdict;
        run_events_read(v->jobs[i].events_file, &outcome->events);
        const struct check_request q = {.job = &v->jobs[i],
                                        .outcome = outcome,
                                        .truth = session_truth(s, j->c),
                                        .home = s->q->home,
                                        .tmp_dir = v->jobs[i].tmp_dir};
        TRY(check_run(&q, session_reference(s, j->c, j->stack_index), &verdict, e));
        double job_s = (double)(outcome->events.committed - outcome->events.start) / 1e9;
        right = verdict.verified;
        if (right && i == 0) json_object_set_new(line, "first_job_s", json_real(job_s));
        if (right && i) json_array_append_new(steady, json_real(job_s));
        if (!right)
            json_object_set_new(line, "error",
                                json_sprintf("job %u: %s: %s", i + 1, verdict.status, verdict.error));
        check_release(&verdict);
    }
    /* No time of a session that did not get all its jobs right. */
    if (!right) json_object_set_new(line, "first_job_s", json_null());
    if (!right) json_array_clear(steady);
    json_object_set_new(line, "verified", json_boolean(right));
    return 0;
}

static int prepare_jobs(struct served *v, const struct session_job *j, const char *dir, struct err *e) {
    for (unsigned i = 0; i < v->count; i++) {
        struct job *job = &v->jobs[i];
        char own[4300];
        snprintf(own, sizeof own, "%s/%u", dir, i + 1);
        TRY(session_fill_job(v->s, j, own, job, e));
        v->paths[i] = arena_printf(&job->arena, "%s/job.json", own);
        if (!v->paths[i]) return err_nomem(e);
        TRY(job_write(job, v->paths[i], e));
    }
    return data_warm(&v->s->data[j->c->data], e);
}

static int serve_stack(struct session *s, unsigned case_index, unsigned stack_index, struct err *e) {
    const struct plan_case *c = &s->plan->cases[case_index];
    char label[128], dir[4200], output[4300];
    snprintf(label, sizeof label, "serve-%u-%.60s", case_index + 1, s->plan->stacks[stack_index]);
    snprintf(dir, sizeof dir, "%s/%s", s->work, label);
    snprintf(output, sizeof output, "%s/output/%s.txt", s->work, label);
    const struct session_job j = {
        .c = c, .case_index = case_index, .stack_index = stack_index, .label = label, .limits = c->resources};
    struct served v = {.s = s, .count = s->plan->serve_jobs, .to = -1};
    struct run_outcome outcome = {0};
    v.jobs = calloc(v.count, sizeof *v.jobs);
    v.paths = calloc(v.count, sizeof *v.paths);
    json_t *line = json_pack("{s:s,s:s,s:s,s:n}", "type", "serve", "case", c->name, "stack",
                             s->plan->stacks[stack_index], "first_job_s");
    int rc = v.jobs && v.paths && line ? session_ready_data(s, c->data, e) : err_nomem(e);
    for (unsigned i = 0; v.jobs && i < v.count; i++) job_init(&v.jobs[i]);
    if (!rc) rc = prepare_jobs(&v, &j, dir, e);
    if (!rc) rc = run_session(&v, &j, output, &outcome, e);
    if (!rc) rc = judge_session(&v, &j, &outcome, line, e);
    if (!rc) rc = results_add(&s->results, json_incref(line), e);
    for (unsigned i = 0; v.jobs && i < v.count; i++) job_release(&v.jobs[i]);
    struct check_reference *r = session_reference(s, c, stack_index);
    if (strncmp(r->events, dir, strlen(dir)) == 0) *r->events = 0; /* its digest stays */
    file_remove_tree(dir);
    run_outcome_release(&outcome);
    json_decref(line);
    free(v.jobs);
    free(v.paths);
    return rc;
}

int session_serve(struct session *s, json_t *lines, struct err *e) {
    for (unsigned c = 0; c < s->plan->case_count; c++)
        for (unsigned k = 0; session_is_studied(s, c) && k < s->plan->stack_count; k++) {
            char script[PATH_MAX + 16];
            snprintf(script, sizeof script, "%s/serve", s->stacks[k].dir);
            if (session_has_line(lines, "serve", s->plan->cases[c].name, s->plan->stacks[k])) continue;
            if (access(script, X_OK) == 0)
                TRY(serve_stack(s, c, k, e));
            else
                show_note(&s->show, "stack %s has no serve: no study of its resident session",
                          s->plan->stacks[k]);
        }
    return 0;
}
