#include "bench/bench.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/units.h"
#include "bench/environment.h"
#include "bench/session.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

/* ---- lines of the result file ---- */

static json_t *notes(const struct session *s) {
    const struct runner *r = s->q->runner;
    json_t *list = json_array();
    if (r->sampling_by_group)
        json_array_append_new(
            list, json_sprintf("memory, CPU time and limits by control groups (%s)", r->place.kind));
    else
        json_array_append_new(list, json_sprintf("no control group (%s): memory is what the processes of the "
                                                 "run add up to, and is not limited",
                                                 r->place.why));
    if (s->q->engine)
        json_array_append_new(list,
                              json_sprintf("containers by %s %s, control groups by %s", s->q->engine->name,
                                           s->q->engine->version, s->q->engine->group_driver));
    json_array_append_new(list, json_string(s->q->engine ? "bytes by /proc/PID/io, as of the last look"
                                                         : "bytes by /proc/PID/io, ended children included"));
    json_array_append_new(list, json_string(*r->place.dirs[GROUP_UNIFIED]
                                                ? "pressure of the run's own control group"
                                                : "pressure of the whole machine"));
    if (s->plan->cold && !r->can_drop_caches)
        json_array_append_new(list,
                              json_string("cold: impossible, /proc/sys/vm/drop_caches is not writable"));
    return list;
}

static json_t *command_json(const char *const *command) {
    json_t *a = json_array();
    for (; *command; command++) json_array_append_new(a, json_string(*command));
    return a;
}

/* What must be the same for a result file to be gone on with. */
static json_t *plan_line(const struct session *s) {
    json_t *plan = plan_json(s->plan);
    json_object_set_new(plan, "pipeline", json_loads(s->q->pipeline, 0, NULL));
    json_object_set_new(plan, "mmdb", json_string(s->q->data.mmdb));
    json_t *inputs = json_array();
    for (unsigned i = 0; i < s->q->data.input_count; i++)
        json_array_append_new(inputs, json_string(s->q->data.inputs[i]));
    json_object_set_new(plan, "inputs", inputs);
    const struct bench_lake *lake = &s->q->lake;
    if (lake->catalog)
        json_object_set_new(plan, "lake",
                            json_pack("{s:s,s:s,s:s?}", "catalog", lake->catalog, "warehouse",
                                      lake->warehouse, "s3_endpoint", lake->s3_endpoint));
    return plan;
}

static json_t *run_line(const struct session *s) {
    char created[32];
    time_t now = time(NULL);
    struct tm tm;
    strftime(created, sizeof created, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    const struct runner *r = s->q->runner;
    return json_pack("{s:s,s:i,s:s,s:s,s:s,s:o,s:o,s:o,s:s,s:o,s:{s:i,s:s}}", "type", "run", "schema", 1,
                     "weir", WEIR_VERSION, "run", s->run_id, "created", created, "command",
                     command_json(s->q->command), "plan", plan_line(s), "environment",
                     environment_json(r->place.kind, r->cpu_count), "backend",
                     s->plan->containers ? "container" : "process", "backend_notes", notes(s), "sampler",
                     "hz", 1000 / RUNNER_INTERVAL_MS, "cost", "each sample's sampler_cost_share, of one CPU");
}

static json_t *data_line(const struct session *s, unsigned index) {
    const struct plan_data *d = &s->plan->data[index];
    const struct data_set *set = &s->data[index];
    return json_pack(
        "{s:s,s:s,s:s,s:o,s:I,s:i,s:s,s:I,s:s,s:s,s:O?}", "type", "data", "data", d->name, "format",
        d->format, "rows", set->rows ? json_integer((json_int_t)set->rows) : json_null(), "bytes",
        (json_int_t)set->bytes, "files", (int)set->count, "source", s->q->data.inputs ? "user" : "gen",
        "seed", (json_int_t)d->seed, "dirt", d->dirt, "sha256", set->sha256, "truth", set->truth);
}

/* ---- before the first sample ---- */

/* Before there is a result file: a stack that is not there or not ready leaves none behind. */
static int open_stack(struct session *s, unsigned i, struct err *e) {
    struct stack *st = &s->stacks[i];
    const char *why = "";
    TRY(stack_read(st, s->q->stacks_root, s->plan->stacks[i], e));
    if (s->plan->containers) return 0;
    TRY(stack_versions(st, &s->versions[i], &why, e));
    if (!s->versions[i])
        return err_set(e, ERR_INPUT,
                       "stack \"%s\" is not ready: %s; run: weir stack setup %s, or leave it out "
                       "with --stacks",
                       st->name, why, st->name);
    return 0;
}

static int tell_stack(struct session *s, unsigned i, struct err *e) {
    const struct stack *st = &s->stacks[i];
    return results_add(&s->results,
                       json_pack("{s:s,s:s,s:s?,s:s?,s:s?,s:O,s:s*}", "type", "stack", "stack", st->name,
                                 "title", st->title, "made_by", st->made_by, "colour", st->colour, "versions",
                                 s->versions[i], "note", st->note),
                       e);
}

static int set_strict(const char *pipeline, bool strict, char **out, struct err *e) {
    json_t *o = json_loads(pipeline, 0, NULL), *input = json_object_get(o, "input");
    if (!input) json_object_set_new(o, "input", input = json_object());
    json_t *csv = json_object_get(input, "csv");
    if (!csv) json_object_set_new(input, "csv", csv = json_object());
    json_object_set_new(csv, "strict", json_boolean(strict));
    *out = o ? json_dumps(o, 0) : NULL;
    json_decref(o);
    return *out ? 0 : err_nomem(e);
}

static int open_work(struct session *s, struct err *e) {
    char output[4100];
    size_t len = strlen(s->q->out), tail = strlen(".jsonl");
    if (len > tail && strcmp(s->q->out + len - tail, ".jsonl") == 0) len -= tail;
    if ((size_t)snprintf(s->work, sizeof s->work, "%.*s.d", (int)len, s->q->out) >= sizeof s->work)
        return err_set(e, ERR_INPUT, "the path of the result file is too long");
    uint64_t hash = XXH64(s->q->out, strlen(s->q->out), 0);
    snprintf(s->group, sizeof s->group, "weir-%016" PRIx64, hash);
    /* A lake may serve many machines, on which results are called the same. */
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    hash = XXH64(host, strlen(host), hash);
    snprintf(s->lake_prefix, sizeof s->lake_prefix, "weir_bench_%08" PRIx32, (uint32_t)hash);
    snprintf(output, sizeof output, "%s/output", s->work);
    return file_make_dirs(output, e);
}

static void take_data(struct session *s, const json_t *line) {
    const char *name = json_string_value(json_object_get(line, "data")),
               *format = json_string_value(json_object_get(line, "format"));
    for (unsigned i = 0; name && format && i < s->plan->data_count; i++)
        if (strcmp(name, s->plan->data[i].name) == 0 && strcmp(format, s->plan->data[i].format) == 0)
            s->data_told[i] = true;
}

/* What an earlier start finished; and whether it was the same benchmark. */
static int take_up(struct session *s, const json_t *lines, const struct plan_step *steps, unsigned count,
                   struct err *e) {
    const json_t *run = json_array_get(lines, 0), *line;
    json_t *mine = plan_line(s), *env = environment_json("", 0);
    const json_t *theirs = json_object_get(run, "plan"), *machine = json_object_get(run, "environment");
    bool same_plan = json_equal(mine, (json_t *)theirs),
         same_machine = json_equal(json_object_get(env, "machine"), json_object_get(machine, "machine"));
    const char *id = json_string_value(json_object_get(run, "run"));
    json_decref(mine);
    json_decref(env);
    if (!theirs || !id) return err_set(e, ERR_INPUT, "\"%s\" is not a result file", s->q->out);
    if (!same_plan)
        return err_set(e, ERR_INPUT, "\"%s\" holds another plan than the one asked for; give another --out",
                       s->q->out);
    if (!same_machine)
        return err_set(e, ERR_INPUT, "\"%s\" was measured on another machine; give another --out", s->q->out);
    snprintf(s->run_id, sizeof s->run_id, "%s", id);
    size_t i;
    json_array_foreach(lines, i, line) {
        if (strcmp(json_string_value(json_object_get(line, "type")), "data") == 0) take_data(s, line);
        if (strcmp(json_string_value(json_object_get(line, "type")), "sample") != 0) continue;
        int64_t order = json_integer_value(json_object_get(line, "order"));
        if (order < 1 || order > count || s->done[order - 1]) continue;
        const struct plan_step *step = &steps[order - 1];
        const char *digest = json_string_value(json_object_get(line, "digest")),
                   *status = json_string_value(json_object_get(line, "status"));
        s->done[order - 1] = true;
        s->show.done++;
        s->samples++;
        bool ok = status && strcmp(status, "ok") == 0;
        if (!ok) s->bad++;
        const json_t *job_s = json_object_get(json_object_get(line, "metrics"), "job_s");
        if (ok && step->aa != 'b')
            tally_add(&s->tally, step->case_index, step->stack_index, json_number_value(job_s));
        unsigned *failed = &s->failures[step->case_index * s->plan->stack_count + step->stack_index];
        *failed = ok ? 0 : *failed + 1;
        struct check_reference *r =
            session_reference(s, &s->plan->cases[step->case_index], step->stack_index);
        if (!ok || !digest || r->set) continue;
        r->set = true;
        r->sessions = json_integer_value(json_object_get(json_object_get(line, "ledger"), "sessions"));
        r->users = json_integer_value(json_object_get(json_object_get(line, "ledger"), "users"));
        snprintf(r->digest, sizeof r->digest, "%s", digest);
        snprintf(r->stack, sizeof r->stack, "%s", s->plan->stacks[step->stack_index]);
    }
    return 0;
}

int session_ready_data(struct session *s, unsigned index, struct err *e) {
    if (s->data_ready[index]) return 0;
    show_doing(&s->show, "preparing the data");
    TRY(data_prepare(&s->q->data, &s->plan->data[index], &s->arena, &s->data[index], e));
    s->data_ready[index] = true;
    return s->data_told[index] ? 0 : results_add(&s->results, data_line(s, index), e);
}

/* Of a start that was killed only outputs and profiles stay; who holds the result file's lock may do this. */
static void clear_work(const struct session *s) {
    DIR *d = opendir(s->work);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        char path[4400];
        if (*entry->d_name == '.' || strcmp(entry->d_name, "output") == 0 ||
            strcmp(entry->d_name, "profile") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", s->work, entry->d_name);
        file_remove_tree(path);
    }
    if (d) closedir(d);
}

static int run_all(struct session *s, json_t *lines, const struct plan_step *steps, unsigned count,
                   struct err *e) {
    int64_t start = clock_mono_ns();
    if (lines) TRY(take_up(s, lines, steps, count, e));
    unsigned swept = group_sweep(&s->q->runner->place, s->group);
    if (s->q->engine)
        swept +=
            container_sweep(s->q->engine, s->group, 0) + container_sweep(s->q->engine, CONTAINER_VERSIONS, 0);
    if (swept)
        show_note(&s->show, "ended what %u run%s of a killed benchmark had left", swept,
                  swept == 1 ? "" : "s");
    clear_work(s);
    TRY(session_clear_lake(s, NULL, e));
    if (!lines) TRY(random_uuid(s->run_id, e));
    if (!lines) TRY(results_add(&s->results, run_line(s), e));
    /* Killed before the last stack was told: all are told again, and readers take the last. */
    bool told = session_has_line(lines, "data", NULL, NULL) || session_has_line(lines, "sample", NULL, NULL);
    for (unsigned i = 0; !told && i < s->plan->stack_count; i++) TRY(tell_stack(s, i, e));
    for (unsigned i = 0; i < count; i++)
        if (s->plan->cases[steps[i].case_index].cold && !s->q->runner->can_drop_caches) s->show.total--;
    if (s->plan->cold && !s->q->runner->can_drop_caches)
        show_note(&s->show,
                  "cold is impossible here (no right to drop the page cache): those cases are left out");
    TRY(session_samples(s, lines, steps, count, e));
    if (s->plan->serve_jobs) TRY(session_serve(s, lines, e));
    if (s->plan->minimum_memory) TRY(session_minimum(s, lines, e));
    if (s->plan->profile) TRY(session_profile(s, lines, e));
    if (!session_has_line(lines, "end", NULL, NULL))
        TRY(results_add(&s->results,
                        json_pack("{s:s,s:i,s:o}", "type", "end", "samples", (int)s->samples, "seconds",
                                  json_real((double)(clock_mono_ns() - start) / 1e9)),
                        e));
    show_remarks(&s->show);
    return 0;
}

/* ---- the whole ---- */

static int session_open(struct session *s, unsigned steps, struct err *e) {
    const struct plan *p = s->plan;
    size_t pairs = (size_t)p->case_count * p->stack_count;
    s->stacks = calloc(p->stack_count, sizeof *s->stacks);
    s->versions = calloc(p->stack_count, sizeof *s->versions);
    s->data = calloc(p->data_count, sizeof *s->data);
    s->data_ready = calloc(p->data_count, sizeof *s->data_ready);
    s->data_told = calloc(p->data_count, sizeof *s->data_told);
    s->references = calloc((size_t)p->data_count * 2 * p->stack_count, sizeof *s->references);
    s->failures = calloc(pairs, sizeof *s->failures);
    s->ended = calloc(p->case_count, sizeof *s->ended);
    s->done = calloc(steps ? steps : 1, sizeof *s->done);
    if (!s->stacks || !s->versions || !s->data || !s->data_ready || !s->data_told || !s->references ||
        !s->failures || !s->ended || !s->done)
        return err_nomem(e);
    for (int strict = 0; strict < 2; strict++)
        TRY(set_strict(s->q->pipeline, strict, &s->pipelines[strict], e));
    TRY(tally_init(&s->tally, p, e));
    show_start(&s->show, p, &s->tally, steps);
    pace_open(&s->pace, s->q->data.root);
    return 0;
}

/* Lakes that were kept to be compared with. */
static void remove_references(struct session *s) {
    for (unsigned i = 0; s->references && i < 2 * s->plan->data_count * s->plan->stack_count; i++) {
        char *lake = s->references[i].events, *tail = strstr(lake, "/lake/warehouse/");
        if (!tail || strncmp(lake, s->work, strlen(s->work)) != 0) continue;
        *tail = 0;
        file_remove_tree(lake);
    }
}

static void session_close(struct session *s) {
    show_end(&s->show);
    if (s->samples && s->pace.known) pace_keep(&s->pace);
    pace_release(&s->pace);
    tally_release(&s->tally);
    remove_references(s);
    struct err left = {0};
    if (*s->lake_prefix && session_clear_lake(s, NULL, &left))
        fprintf(stderr,
                "weir: tables of this benchmark are left in its lake, in namespaces %s_…: %s; --resume "
                "removes them\n",
                s->lake_prefix, left.msg);
    for (unsigned i = 0; s->stacks && i < s->plan->stack_count; i++) stack_release(&s->stacks[i]);
    for (unsigned i = 0; s->data && i < s->plan->data_count; i++) data_release(&s->data[i]);
    for (unsigned i = 0; s->versions && i < s->plan->stack_count; i++) json_decref(s->versions[i]);
    free(s->stacks);
    free(s->versions);
    free(s->data);
    free(s->data_ready);
    free(s->data_told);
    free(s->references);
    free(s->failures);
    free(s->ended);
    free(s->done);
    for (int i = 0; i < 2; i++) free(s->pipelines[i]);
    arena_release(&s->arena);
    results_close(&s->results);
}

int bench_run(const struct bench_request *q, unsigned *bad, struct err *e) {
    struct session s = {.q = q, .plan = q->plan, .results = {.fd = -1}};
    struct plan_step *steps = NULL;
    json_t *lines = NULL;
    unsigned count = 0;
    arena_init(&s.arena);
    int rc = plan_order(q->plan, &steps, &count, e);
    if (!rc) rc = session_open(&s, count, e);
    for (unsigned i = 0; !rc && i < q->plan->stack_count; i++) rc = open_stack(&s, i, e);
    if (!rc && q->plan->containers) rc = session_open_images(&s, e);
    if (!rc) rc = open_work(&s, e);
    if (!rc)
        rc =
            q->resume ? results_reopen(&s.results, q->out, &lines, e) : results_create(&s.results, q->out, e);
    if (!rc) rc = run_all(&s, lines, steps, count, e);
    if (rc == ERR_INTERRUPTED)
        err_set(e, rc, "interrupted; %u samples are in \"%s\"; go on with --resume", s.samples, q->out);
    *bad = s.bad;
    json_decref(lines);
    session_close(&s);
    free(steps);
    return rc;
}
