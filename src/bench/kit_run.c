/* Runs the cases: inputs, jobs and lakes in a folder for each; judged a clause's worth at a time. */
#include "base/files.h"
#include "base/random.h"
#include "bench/job.h"
#include "bench/kit_case.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 40 }; /* cases whose tables one DuckDB process reads */

/* What goes through a kit run. */
struct runner {
    const struct kit_request *r;
    struct stack_session *session;
    struct arena arena; /* of one batch */
    json_t *report;
};

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* ---- which cases ---- */

/* What a step needs of the stack.yaml's features that is not there, or NULL. */
static const char *lacking(const struct stack *s, const json_t *step) {
    static const char *const endings[][2] = {{".gz", "gz"}, {".zst", "zst"}, {".parquet", "parquet"}};
    const char *name, *mode = json_string_value(json_object_get(step, "mode"));
    json_t *content;
    json_object_foreach(json_object_get((json_t *)step, "inputs"), name, content) {
        for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
            if (ends_with(name, endings[i][0]) && !stack_has_feature(s, endings[i][1])) return endings[i][1];
    }
    if (mode && strcmp(mode, "append") == 0 && !stack_has_feature(s, "append")) return "append";
    return NULL;
}

static const char *case_needs(const struct stack *s, const json_t *spec) {
    size_t i;
    const json_t *step, *input = json_object_get(json_object_get(spec, "pipeline"), "input");
    const char *needs = lacking(s, spec);
    if (!needs && json_array_size(json_object_get(input, "keep")) && !stack_has_feature(s, "keep"))
        needs = "keep";
    json_array_foreach(json_object_get(spec, "before"), i, step) if (!needs) needs = lacking(s, step);
    return needs;
}

/* Without strict reading: single runs that end well, of clauses in which the reader matters. */
static bool is_chosen(const struct kit_request *r, const json_t *clause, const json_t *spec) {
    const char *id = json_string_value(json_object_get(spec, "id"));
    if (r->asked && !kit_is_of(id, r->asked)) return false;
    return !r->not_strict || (json_is_true(json_object_get(clause, "reader")) &&
                              json_is_array(json_object_get(spec, "events")) &&
                              !json_object_get(spec, "before") && !json_object_get(spec, "tables"));
}

/* ---- one run ---- */

/* `over` laid over `base`: objects key by key, all else replaced. */
static int lay_over(json_t *base, const json_t *over) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)over, key, value) {
        json_t *old = json_object_get(base, key);
        if (json_is_object(old) && json_is_object(value)) {
            if (lay_over(old, value)) return -1;
        } else if (json_object_set(base, key, value)) {
            return -1;
        }
    }
    return 0;
}

static int write_content(const char *path, const json_t *content, struct err *e) {
    struct buf bytes;
    buf_init(&bytes, 0);
    int rc = kit_expand(content, &bytes, e);
    FILE *f = rc ? NULL : fopen(path, "wb");
    if (!rc && (!f || fwrite(bytes.data ? (void *)bytes.data : "", 1, bytes.len, f) != bytes.len))
        rc = err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", path);
    if (f && fclose(f) && !rc) rc = err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", path);
    buf_release(&bytes);
    return rc;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int write_inputs(struct runner *k, const json_t *step, const char *dir, struct job *j, struct err *e) {
    json_t *inputs = json_object_get(step, "inputs"), *content;
    const char *name, **paths = arena_alloc(&k->arena, (json_object_size(inputs) + 1) * sizeof *paths);
    if (!paths) return err_nomem(e);
    TRY(file_make_dirs(dir, e));
    json_object_foreach(inputs, name, content) {
        paths[j->input_count] = arena_printf(&k->arena, "%s/%s", dir, name);
        if (!paths[j->input_count]) return err_nomem(e);
        TRY(write_content(paths[j->input_count++], content, e));
    }
    qsort(paths, j->input_count, sizeof *paths, by_text);
    j->inputs = paths;
    return 0;
}

/* The database's file, made when it is first asked for. */
static int find_database(struct runner *k, const json_t *spec, const char **path, struct err *e) {
    const char *name = json_string_value(json_object_get(spec, "database"));
    if (!name) name = "default";
    const json_t *content = json_object_get(k->r->kit->databases, name);
    if (!content) return err_set(e, ERR_INPUT, "the kit has no database \"%s\"", name);
    *path = arena_printf(&k->arena, "%s/%s.mmdb", k->r->tmp_dir, name);
    if (!*path) return err_nomem(e);
    return file_exists(*path) ? 0 : write_content(*path, content, e);
}

static const char *text_or(const json_t *o, const char *key, const char *otherwise) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : otherwise;
}

static int fill_job(struct runner *k, struct kit_case *c, const json_t *step, const char *dir, struct job *j,
                    struct err *e) {
    char *id = arena_alloc(&k->arena, 37);
    if (!id) return err_nomem(e);
    TRY(random_uuid(id, e));
    TRY(write_inputs(k, step, arena_printf(&k->arena, "%s/in", dir), j, e));
    TRY(find_database(k, c->spec, &j->mmdb, e));
    j->run_id = text_or(step, "run_id", id);
    j->mode = text_or(step, "mode", "overwrite");
    j->catalog_name = "weir", j->catalog_uri = c->catalog_uri, j->warehouse = c->warehouse;
    j->namespace_name = "web", j->events = "events", j->rejects = "rejects";
    j->cpus = k->r->cpus;
    j->memory_bytes = k->r->memory_bytes;
    j->tmp_dir = arena_printf(&k->arena, "%s/tmp", dir);
    j->events_file = arena_printf(&k->arena, "%s/events.jsonl", dir);
    j->result_file = arena_printf(&k->arena, "%s/result.json", dir);
    if (!j->tmp_dir || !j->events_file || !j->result_file) return err_nomem(e);
    return file_make_dirs(j->tmp_dir, e);
}

/* One run of a case, in its folder's subfolder `number`. */
static int run_step(struct runner *k, struct kit_case *c, const json_t *step, unsigned number,
                    struct err *e) {
    struct job j;
    const char *dir = arena_printf(&k->arena, "%s/%u", c->folder, number), *file;
    const char *forbidden = text_or(step, "forbid", NULL);
    char *pipeline = json_dumps(c->pipeline, 0);
    job_init(&j);
    j.pipeline = pipeline;
    int rc = dir && pipeline ? fill_job(k, c, step, dir, &j, e) : err_nomem(e);
    file = arena_printf(&k->arena, "%s/job.json", dir ? dir : "");
    if (!rc && !file) rc = err_nomem(e);
    if (!rc) rc = job_write(&j, file, e);
    struct err problem = {0};
    if (!rc && forbidden && kit_catalog_forbid(c, forbidden, &problem))
        rc = kit_problem(c, e, "the catalog: %s", problem.msg);
    if (!rc) rc = stack_session_run(k->session, file, k->r->seconds, &k->arena, &c->answer, e);
    if (!rc && forbidden && !problem.code && kit_catalog_forbid(c, NULL, &problem))
        rc = kit_problem(c, e, "the catalog: %s", problem.msg);
    json_decref(c->result);
    c->result = NULL;
    if (!rc && c->answer.code == 0 && job_result_read(j.result_file, &c->result, &problem))
        rc = kit_problem(c, e, "%s", problem.msg);
    free(pipeline);
    job_release(&j);
    return rc;
}

/* A run before the last must end as the case says, or the rest means nothing. */
static int run_before(struct runner *k, struct kit_case *c, struct err *e) {
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(c->spec, "before"), i, step) {
        bool fails = json_is_true(json_object_get(step, "fails"));
        TRY(run_step(k, c, step, (unsigned)i + 1, e));
        if ((c->answer.code == 0) == fails)
            return kit_problem(c, e, "run %zu of the case: exit code %d: %s", i + 1, c->answer.code,
                               c->answer.message);
    }
    return 0;
}

static int run_case(struct runner *k, struct kit_case *c, struct err *e) {
    TRY(file_make_dirs(arena_printf(&k->arena, "%s/lake/warehouse", c->folder), e));
    TRY(run_before(k, c, e));
    if (json_array_size(c->problems)) return 0;
    c->ran = true;
    TRY(kit_locate(c, c->before, e));
    struct err problem = {0};
    if (json_object_get(c->spec, "commits") && kit_catalog_log(c, &problem))
        TRY(kit_problem(c, e, "the catalog: %s", problem.msg));
    TRY(run_step(k, c, c->spec, 0, e));
    return kit_locate(c, c->after, e);
}

/* ---- all of them ---- */

static int case_init(struct runner *k, struct kit_case *c, const json_t *spec, struct err *e) {
    c->spec = spec;
    c->id = json_string_value(json_object_get(spec, "id"));
    c->needs = case_needs(k->r->stack, spec);
    c->problems = json_array();
    c->pipeline = json_deep_copy(k->r->kit->defaults);
    /* An id is a good folder's name but for what stands in few. */
    char *folder = arena_printf(&k->arena, "%s/%s", k->r->tmp_dir, c->id);
    if (!folder || !c->problems || !c->pipeline) return err_nomem(e);
    for (char *at = folder + strlen(k->r->tmp_dir) + 1; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_", *at)) *at = '_';
    c->folder = folder;
    c->catalog_path = arena_printf(&k->arena, "%s/lake/catalog.db", folder);
    c->catalog_uri = arena_printf(&k->arena, "sqlite://%s/lake/catalog.db", folder);
    c->warehouse = arena_printf(&k->arena, "file://%s/lake/warehouse", folder);
    if (!c->catalog_path || !c->catalog_uri || !c->warehouse) return err_nomem(e);
    if (lay_over(c->pipeline, json_object_get(spec, "pipeline"))) return err_nomem(e);
    json_t *csv = json_object_get(json_object_get(c->pipeline, "input"), "csv");
    return k->r->not_strict && json_object_set_new(csv, "strict", json_false()) ? err_nomem(e) : 0;
}

static void case_release(struct runner *k, struct kit_case *c) {
    for (int t = 0; t < KIT_TABLES; t++) {
        free(c->before[t]);
        free(c->after[t]);
        verify_table_release(&c->tables[t]);
        json_decref(c->rows[t]);
        json_decref(c->files[t]);
    }
    json_decref(c->problems);
    json_decref(c->pipeline);
    json_decref(c->result);
    if (c->folder && !k->r->keep) file_remove_tree(c->folder);
}

static int add_counts(json_t *o, const char *result, int by, struct err *e) {
    json_int_t n = json_integer_value(json_object_get(o, result));
    return json_object_set_new(o, result, json_integer(n + by)) ? err_nomem(e) : 0;
}

static int report_case(struct runner *k, const struct kit_case *c, json_t *clause, struct err *e) {
    json_t *o = kit_report_case(k->r, c);
    const char *result = json_string_value(json_object_get(o, "result"));
    if (!result || json_array_append_new(json_object_get(clause, "cases"), o)) return err_nomem(e);
    TRY(add_counts(clause, result, 1, e));
    return add_counts(k->report, result, 1, e);
}

static int run_batch(struct runner *k, struct kit_case *cases, size_t count, json_t *clause, struct err *e) {
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++)
        if (!cases[i].needs) rc = run_case(k, &cases[i], e);
    if (!rc) rc = kit_read_tables(k->r, cases, count, e);
    for (size_t i = 0; !rc && i < count; i++) {
        if (!cases[i].needs) rc = kit_judge(k->r, &cases[i], e);
        if (!rc) rc = report_case(k, &cases[i], clause, e);
    }
    return rc;
}

static int run_clause(struct runner *k, const json_t *clause, struct err *e) {
    struct kit_case cases[BATCH];
    size_t i, count = 0, total = json_array_size(json_object_get(clause, "cases"));
    json_t *report =
        json_pack("{s:O,s:O,s:i,s:i,s:i,s:[]}", "clause", json_object_get(clause, "clause"), "title",
                  json_object_get(clause, "title"), "passed", 0, "failed", 0, "skipped", 0, "cases");
    int rc = report ? 0 : err_nomem(e);
    for (i = 0; !rc && i < total; i++) {
        const json_t *spec = json_array_get(json_object_get(clause, "cases"), i);
        if (is_chosen(k->r, clause, spec)) {
            cases[count] = (struct kit_case){0};
            rc = case_init(k, &cases[count++], spec, e);
        }
        if (!rc && (count < BATCH && i + 1 < total)) continue;
        if (!rc) rc = run_batch(k, cases, count, report, e);
        for (; count; count--) case_release(k, &cases[count - 1]);
        arena_clear(&k->arena);
    }
    if (!rc && json_array_size(json_object_get(report, "cases"))) {
        if (json_array_append(json_object_get(k->report, "clauses"), report)) rc = err_nomem(e);
        if (!rc && k->r->each) k->r->each(k->r->ctx, report);
    }
    json_decref(report);
    return rc;
}

int kit_run(const struct kit_request *r, json_t **report, struct err *e) {
    struct runner k = {.r = r};
    size_t i;
    const json_t *clause;
    TRY(stack_session_open(r->stack, r->tmp_dir, &k.session, e));
    arena_init(&k.arena);
    k.report = json_pack("{s:s,s:b,s:b,s:i,s:i,s:i,s:[]}", "stack", r->stack->name, "served",
                         stack_session_serves(k.session), "not_strict", r->not_strict, "passed", 0, "failed",
                         0, "skipped", 0, "clauses");
    int rc = k.report ? 0 : err_nomem(e);
    json_array_foreach(r->kit->clauses, i, clause) if (!rc) rc = run_clause(&k, clause, e);
    if (!rc && !json_array_size(json_object_get(k.report, "clauses")))
        rc = err_set(e, ERR_USAGE, "the kit has no case of \"%s\"", r->asked ? r->asked : "any clause");
    stack_session_close(k.session);
    arena_release(&k.arena);
    if (rc)
        json_decref(k.report);
    else
        *report = k.report;
    return rc;
}
