#include "bench/session.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/random.h"
#include "base/threads.h"
#include "bench/profiler.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static bool is_clean(const struct session *s, const struct plan_case *c) {
    return !s->q->data.inputs && strcmp(s->plan->data[c->data].dirt, "none") == 0;
}

struct check_reference *session_reference(struct session *s, const struct plan_case *c,
                                          unsigned stack_index) {
    unsigned own = c->strict || is_clean(s, c) ? 0 : stack_index;
    return &s->references[(2 * c->data + c->strict) * s->plan->stack_count + own];
}

const json_t *session_truth(const struct session *s, const struct plan_case *c) {
    bool holds = (c->strict || is_clean(s, c)) && !s->q->own_pipeline;
    return holds ? s->data[c->data].truth : NULL;
}

/* ---- what the stack is told ---- */

int session_fill_job(struct session *s, const struct session_job *j, const char *dir, struct job *job,
                     struct err *e) {
    struct arena *a = &job->arena;
    const struct data_set *data = &s->data[j->c->data];
    char *id = arena_alloc(a, 37);
    if (!id) return err_nomem(e);
    TRY(random_uuid(id, e));
    job->run_id = id;
    job->inputs = data->paths;
    job->input_count = data->count;
    job->pipeline = s->pipelines[j->c->strict];
    job->mmdb = s->q->data.mmdb;
    job->cpus = j->limits.cpus;
    job->memory_bytes = j->limits.memory_bytes;
    job->tmp_dir = arena_printf(a, "%s/tmp", dir);
    job->events_file = arena_printf(a, "%s/events.jsonl", dir);
    job->result_file = arena_printf(a, "%s/result.json", dir);
    if (!job->tmp_dir || !job->events_file || !job->result_file) return err_nomem(e);
    TRY(file_make_dirs(job->tmp_dir, e));
    return session_fill_lake(s, j, dir, job, e);
}

/* The page cache as the case wants it, and nothing dirty that the run would pay for. */
static int prepare_cache(struct session *s, const struct plan_case *c, struct err *e) {
    runner_flush(s->work);
    if (c->cold) return runner_drop_caches(e);
    show_doing(&s->show, "reading the input once");
    return data_warm(&s->data[c->data], e);
}

static int take_run(struct session *s, const struct session_job *j, const char *dir, struct job *job,
                    struct session_result *out, struct err *e) {
    const struct stack *stack = &s->stacks[j->stack_index];
    char file[4200], output[4200], group[128], own[4200], keep[4300];
    snprintf(file, sizeof file, "%s/job.json", dir);
    snprintf(output, sizeof output, "%s/output/%s.txt", s->work, j->label);
    snprintf(group, sizeof group, "%s-%s", s->group, j->label);
    snprintf(own, sizeof own, "WEIR_BIN=%s", s->q->data.weir);
    snprintf(keep, sizeof keep, "WEIR_KEEP_DIR=%s/output/%s", s->work, j->label);
    const char *slash = strrchr(s->work, '/');
    snprintf(out->output_path, sizeof out->output_path, "%s/output/%s.txt", slash ? slash + 1 : s->work,
             j->label);
    const char *argv[PROFILER_ARGV_MAX] = {"./run", file}, *env[STACK_LIST_MAX + 4] = {own, keep},
               *more[2] = {0};
    struct run_container container;
    if (j->profiler) TRY(profiler_command(j->profiler, j->profile, file, &job->arena, argv, more, e));
    env[2] = more[0];
    memcpy(env + (more[0] ? 3 : 2), stack->env, sizeof stack->env);
    unlink(output); /* of a start that was killed */
    TRY(job_write(job, file, e));
    if (s->images) TRY(session_container(s, j, dir, job, &container, e));
    const struct run_request q = {.container = s->images ? &container : NULL,
                                  .argv = argv,
                                  .env = s->images ? container.env : env,
                                  .dir = stack->dir,
                                  .events_file = job->events_file,
                                  .output_file = output,
                                  .flush_dir = session_warehouse_dir(job),
                                  .name = group,
                                  .cpus = j->limits.cpus,
                                  .memory_bytes = j->limits.memory_bytes,
                                  .timeout_s = s->plan->timeout_s,
                                  .tick = show_tick,
                                  .ctx = &s->show};
    TRY(prepare_cache(s, j->c, e));
    if (s->plan->registry) show_doing(&s->show, "pulling the image");
    show_run(&s->show, stack->name, j->c->name);
    out->started_ns = clock_real_ns();
    return runner_run(s->q->runner, &q, &out->outcome, e);
}

static int judge_run(struct session *s, const struct session_job *j, const char *dir, const struct job *job,
                     struct session_result *out, struct err *e) {
    struct check_reference *reference = session_reference(s, j->c, j->stack_index);
    bool was_set = reference->set;
    show_doing(&s->show, "verifying");
    const struct check_request q = {.job = job,
                                    .outcome = &out->outcome,
                                    .truth = session_truth(s, j->c),
                                    .home = s->q->home,
                                    .tmp_dir = job->tmp_dir};
    TRY(check_run(&q, reference, &out->verdict, e));
    check_output(&q, &out->output);
    bool is_reference = !was_set && reference->set;
    if (is_reference)
        snprintf(reference->stack, sizeof reference->stack, "%s", s->stacks[j->stack_index].name);
    bool keep = is_reference || j->keep_lake;
    if (!keep || s->q->lake.catalog) file_remove_tree(dir);
    return keep ? 0 : session_clear_lake(s, job->namespace_name, e);
}

int session_run(struct session *s, const struct session_job *j, struct session_result *out, struct err *e) {
    struct job job;
    char dir[4096];
    *out = (struct session_result){.verdict = {.status = "failed"}};
    snprintf(dir, sizeof dir, "%s/%s", s->work, j->label);
    job_init(&job);
    file_remove_tree(dir);
    int rc = session_fill_job(s, j, dir, &job, e);
    if (!rc) rc = take_run(s, j, dir, &job, out, e);
    if (!rc) rc = judge_run(s, j, dir, &job, out, e);
    if (rc) file_remove_tree(dir);
    if (rc == ERR_INTERRUPTED && job.namespace_name) { /* may have files that no catalog names yet */
        struct err ignored = {0};                      /* what is left in the catalog is told at the end */
        (void)session_clear_lake(s, job.namespace_name, &ignored);
    }
    job_release(&job);
    return rc;
}

void session_result_release(struct session_result *r) {
    check_release(&r->verdict);
    run_outcome_release(&r->outcome);
}

/* ---- the "sample" line ---- */

static double between(int64_t from, int64_t to) {
    return (double)(to - from) / 1e9;
}

static json_t *seconds(double s) {
    return json_real(round(s * 1e6) / 1e6);
}

static json_t *count_or_null(int64_t n) {
    return n < 0 ? json_null() : json_integer(n);
}

static void set_times(json_t *m, const struct run_outcome *o) {
    const struct run_events *n = &o->events;
    json_object_set_new(m, "init_s", seconds(between(n->start, n->ready)));
    json_object_set_new(m, "execution_s", seconds(between(n->ready, n->committed)));
    json_object_set_new(m, "job_s", seconds(between(n->start, n->committed)));
    json_object_set_new(m, "total_s", seconds(o->total_s));
    if (o->image.create_ns) {
        json_object_set_new(m, "container_start_s", seconds(between(o->image.create_ns, n->start)));
        if (o->image.pull_s >= 0 && o->image.layers && !o->image.layers_present)
            json_object_set_new(m, "image_pull_s", seconds(o->image.pull_s));
    } else {
        json_object_set_new(m, "process_start_s", seconds(between(o->end.request_ns, n->start)));
    }
    json_object_set_new(m, "flush_s", o->flush_s < 0 ? json_null() : seconds(o->flush_s));
}

static json_t *metrics(const struct session *s, const struct session_result *r) {
    static const char *const times[] = {"init_s",  "execution_s",     "job_s",
                                        "total_s", "process_start_s", "flush_s"};
    const struct run_outcome *o = &r->outcome;
    bool ok = strcmp(r->verdict.status, "ok") == 0, grouped = s->q->runner->sampling_by_group;
    json_t *m = json_pack("{s:n,s:n}", "container_start_s", "image_pull_s");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) json_object_set_new(m, times[i], json_null());
    if (ok) set_times(m, o);
    double cpu_s = (double)o->cpu_ns / 1e9;
    const struct {
        const char *name;
        int64_t value;
    } counts[] = {{"output_bytes", (int64_t)r->output.bytes},
                  {"output_files", (int64_t)r->output.files},
                  {"output_row_groups", r->output.row_groups},
                  {"peak_memory_bytes", grouped && o->peak_bytes ? (int64_t)o->peak_bytes : -1},
                  {"peak_anon_bytes", o->sampler->looks ? (int64_t)o->sampler->peak_anon : -1},
                  {"peak_cache_bytes", grouped && o->sampler->looks ? (int64_t)o->sampler->peak_cache : -1},
                  {"read_bytes", (int64_t)o->end.read_bytes},
                  {"written_bytes", (int64_t)o->end.written_bytes},
                  {"read_chars", (int64_t)o->end.read_chars},
                  {"written_chars", (int64_t)o->end.written_chars},
                  {"pressure_cpu_us", o->pressure_us[PRESSURE_CPU]},
                  {"pressure_io_us", o->pressure_us[PRESSURE_IO]},
                  {"pressure_memory_us", o->pressure_us[PRESSURE_MEMORY]}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_object_set_new(m, counts[i].name, count_or_null(counts[i].value));
    /* Of a container since it was asked for: nothing of ours runs while its image is pulled. */
    double wall_s = o->image.create_ns ? between(o->image.create_ns, o->end.exit_ns) : o->total_s;
    json_object_set_new(m, "cpu_s", ok ? seconds(cpu_s) : json_null());
    json_object_set_new(m, "avg_cpu_percent", ok && wall_s > 0 ? seconds(100 * cpu_s / wall_s) : json_null());
    return m;
}

static json_t *unavailable(const struct session *s, const struct session_result *r) {
    const struct run_image *image = &r->outcome.image;
    json_t *u = json_object();
    if (!image->create_ns)
        json_object_set_new(u, "container_start_s", json_string("processes have no container"));
    if (!image->create_ns)
        json_object_set_new(u, "image_pull_s", json_string("processes have no image"));
    else if (image->pull_s < 0)
        json_object_set_new(u, "image_pull_s", json_string("no registry was named: the image was here"));
    else if (!image->layers)
        json_object_set_new(u, "image_pull_s", json_string("the image was here already, under another name"));
    else if (image->layers_present)
        json_object_set_new(
            u, "image_pull_s",
            json_sprintf("%u of %u layers were here already, in images that are not of this benchmark",
                         image->layers_present, image->layers));
    bool grouped = s->q->runner->sampling_by_group;
    if (!grouped || !r->outcome.peak_bytes)
        json_object_set_new(u, "peak_memory_bytes",
                            json_string(grouped ? "this kernel keeps no peak of a control group"
                                                : "no control group can be made here"));
    if (!grouped)
        json_object_set_new(u, "peak_cache_bytes", json_string("no control group can be made here"));
    if (!r->outcome.sampler->looks)
        json_object_set_new(u, "peak_anon_bytes", json_string("it had ended before it could be looked at"));
    if (r->outcome.pressure_us[PRESSURE_CPU] < 0)
        json_object_set_new(u, "pressure_cpu_us",
                            json_string("this kernel has no pressure stall information"));
    if (r->output.row_groups < 0)
        json_object_set_new(u, "output_row_groups",
                            json_string("no Parquet files, or DuckDB could not read them"));
    return u;
}

static void flag(json_t *flags, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void flag(json_t *flags, const char *fmt, ...) {
    char text[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(flags, json_string(text));
}

static json_t *flags(const struct session *s, const struct plan_resources *limits,
                     const struct session_result *r) {
    const struct run_outcome *o = &r->outcome;
    json_t *list = json_array();
    double cpus = json_number_value(json_object_get(r->verdict.seen, "cpus"));
    if (o->busy_percent >= 10) flag(list, "busy:%.0f%%", o->busy_percent);
    if (o->end.left_behind) flag(list, "left_behind:%u", o->end.left_behind);
    if (o->oom_kills && strcmp(r->verdict.status, "ok") == 0)
        flag(list, "oom_kill:%llu", (unsigned long long)o->oom_kills);
    if (cpus > 0 && fabs(cpus - ceil(limits->cpus)) > 0.5 && fabs(cpus - limits->cpus) > 0.01)
        flag(list, "budget:saw %g CPUs of %g", cpus, limits->cpus);
    if (o->cost_share > 0.01) flag(list, "sampler:%.1f%%", 100 * o->cost_share);
    if (!s->q->runner->memory_limit) flag(list, "no memory limit");
    return list;
}

static json_t *phases(const struct run_outcome *o) {
    const struct {
        const char *name;
        int64_t at;
    } all[] = {{"create", o->image.create_ns},     {"start", o->events.start}, {"ready", o->events.ready},
               {"committed", o->events.committed}, {"done", o->events.done},   {"exit", o->end.exit_ns}};
    json_t *p = json_object();
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        json_object_set_new(p, all[i].name,
                            all[i].at ? seconds(between(o->end.request_ns, all[i].at)) : json_null());
    return p;
}

json_t *session_sample(const struct session *s, const struct plan_step *step, unsigned order,
                       const struct session_result *r) {
    const struct plan_case *c = &s->plan->cases[step->case_index];
    const struct run_outcome *o = &r->outcome;
    const char twin[2] = {step->aa, 0};
    int exit = WIFEXITED(o->end.status) ? WEXITSTATUS(o->end.status) : -WTERMSIG(o->end.status);
    json_t *line = json_pack(
        "{s:s,s:i,s:s,s:s,s:s,s:s,s:b,s:s,s:f,s:I,s:s?,s:i,s:i,s:I,s:s,s:s,s:i,s:b,s:s?}", "type", "sample",
        "id", (int)order, "case", c->name, "stack", s->plan->stacks[step->stack_index], "data",
        s->plan->data[c->data].name, "format", s->plan->data[c->data].format, "strict", (int)c->strict,
        "cache", c->cold ? "cold" : "warm", "cpus", c->resources.cpus, "memory_bytes",
        (json_int_t)c->resources.memory_bytes, "aa", step->aa ? twin : NULL, "repetition",
        (int)step->repetition, "order", (int)order, "started_ns", (json_int_t)r->started_ns, "status",
        r->verdict.status, "error", r->verdict.error, "exit", exit, "verified", (int)r->verdict.verified,
        "digest", *r->verdict.digest ? r->verdict.digest : NULL);
    if (!line) return NULL;
    json_object_set(line, "ledger", r->verdict.ledger ? r->verdict.ledger : json_null());
    json_object_set(line, "seen", r->verdict.seen ? r->verdict.seen : json_null());
    json_object_set_new(line, "metrics", metrics(s, r));
    json_object_set_new(line, "unavailable", unavailable(s, r));
    json_object_set_new(line, "flags", flags(s, &c->resources, r));
    json_object_set_new(line, "sampler_cost_share", json_real(o->cost_share));
    json_object_set_new(line, "series", sampler_series(o->sampler, RUNNER_INTERVAL_MS / 1e3));
    json_object_set_new(line, "elapsed_s", seconds(between(s->began_ns, clock_mono_ns())));
    json_object_set_new(line, "phases", phases(o));
    json_object_set_new(line, "output", json_string(r->output_path));
    if (s->images) json_object_set_new(line, "image", session_image(s, step->stack_index, &o->image));
    return line;
}
