#include "bench/job.h"

#include "base/buf.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { JOB_MAX = 64 << 20 }; /* a million input paths */

void job_init(struct job *j) {
    *j = (struct job){.mode = "overwrite"};
    arena_init(&j->arena);
}

void job_release(struct job *j) {
    arena_release(&j->arena);
}

static int write_json(json_t *o, const char *path, struct err *e) {
    char *text = o ? json_dumps(o, JSON_INDENT(2)) : NULL;
    int rc = text ? file_replace(path, text, strlen(text), e) : err_nomem(e);
    free(text);
    return rc;
}

bool job_uses_s3(const struct job *j) {
    for (unsigned i = 0; i < j->input_count; i++)
        if (store_is_s3(j->inputs[i])) return true;
    return store_is_s3(j->warehouse);
}

static int add_s3(json_t *catalog, const struct job *j, struct err *e) {
    struct store_options at = j->s3;
    TRY(store_s3_complete(&at, e));
    json_object_set_new(catalog, "s3",
                        json_pack("{s:s*,s:s,s:b}", "endpoint", at.s3_endpoint, "region", at.s3_region,
                                  "path_style", at.s3_style == STORE_S3_PATH));
    return 0;
}

int job_write(const struct job *j, const char *path, struct err *e) {
    json_t *inputs = json_array();
    for (unsigned i = 0; i < j->input_count; i++) json_array_append_new(inputs, json_string(j->inputs[i]));
    json_t *o =
        json_pack("{s:s,s:s,s:o,s:o,s:s?,s:{s:s,s:s,s:s},s:s,s:s,s:s,s:{s:f,s:I},s:s*,s:s*,s:s*}", "run_id",
                  j->run_id, "mode", j->mode, "inputs", inputs, "pipeline", json_loads(j->pipeline, 0, NULL),
                  "mmdb", j->mmdb, "catalog", "name", j->catalog_name, "uri", j->catalog_uri, "warehouse",
                  j->warehouse, "namespace", j->namespace_name, "events", j->events, "rejects", j->rejects,
                  "resources", "cpus", j->cpus, "memory_bytes", (json_int_t)j->memory_bytes, "tmp_dir",
                  j->tmp_dir, "events_file", j->events_file, "result_file", j->result_file);
    if (!o) return err_set(e, ERR_INPUT, "could not write \"%s\": a path or name in it is not UTF-8", path);
    int rc = job_uses_s3(j) ? add_s3(json_object_get(o, "catalog"), j, e) : 0;
    if (!rc) rc = write_json(o, path, e);
    json_decref(o);
    return rc;
}

struct reader {
    struct job *j;
    const char *file;
    struct err *e;
};

static int wrong(const struct reader *r, const char *key, const char *what) {
    return err_set(r->e, ERR_INPUT, "%s: %s: %s", r->file, key, what);
}

static int text(const struct reader *r, const json_t *o, const char *key, bool required, const char **out) {
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v)) return required ? wrong(r, key, "is missing") : 0;
    if (!json_is_string(v)) return wrong(r, key, "must be text");
    *out = arena_printf(&r->j->arena, "%s", json_string_value(v));
    return *out ? 0 : err_nomem(r->e);
}

static int inputs(const struct reader *r, const json_t *list) {
    if (!json_is_array(list)) return wrong(r, "inputs", "must be a list of paths");
    size_t n = json_array_size(list);
    if (n == 0 || n > UINT32_MAX) return wrong(r, "inputs", "must name at least one file");
    const char **paths = arena_alloc(&r->j->arena, n * sizeof *paths);
    if (!paths) return err_nomem(r->e);
    for (size_t i = 0; i < n; i++) {
        const char *path = json_string_value(json_array_get(list, i));
        if (!path) return wrong(r, "inputs", "must be a list of paths");
        if (!(paths[i] = arena_printf(&r->j->arena, "%s", path))) return err_nomem(r->e);
    }
    r->j->inputs = paths;
    r->j->input_count = (unsigned)n;
    return 0;
}

static int resources(const struct reader *r, const json_t *o) {
    const json_t *cpus = json_object_get(o, "cpus"), *memory = json_object_get(o, "memory_bytes");
    if (cpus && !json_is_number(cpus)) return wrong(r, "resources.cpus", "must be a number");
    if (memory && !json_is_number(memory)) return wrong(r, "resources.memory_bytes", "must be a number");
    double c = json_number_value(cpus), m = json_number_value(memory);
    if (!(c >= 0 && c <= 65536)) return wrong(r, "resources.cpus", "is out of range");
    if (!(m >= 0 && m < 9e18)) return wrong(r, "resources.memory_bytes", "is out of range");
    r->j->cpus = c;
    r->j->memory_bytes = (uint64_t)m;
    return 0;
}

static int s3(const struct reader *r, const json_t *o) {
    const json_t *style = json_object_get(o, "path_style");
    if (o && !json_is_object(o)) return wrong(r, "catalog.s3", "must be an object");
    if (style && !json_is_boolean(style)) return wrong(r, "catalog.s3.path_style", "must be true or false");
    if (style) r->j->s3.s3_style = json_is_true(style) ? STORE_S3_PATH : STORE_S3_VIRTUAL;
    TRY(text(r, o, "endpoint", false, &r->j->s3.s3_endpoint));
    return text(r, o, "region", false, &r->j->s3.s3_region);
}

static int read_job(const struct reader *r, const json_t *o) {
    struct job *j = r->j;
    const json_t *catalog = json_object_get(o, "catalog"), *pipeline = json_object_get(o, "pipeline");
    TRY(text(r, o, "run_id", true, &j->run_id));
    TRY(text(r, o, "mode", false, &j->mode));
    if (strcmp(j->mode, "overwrite") != 0 && strcmp(j->mode, "append") != 0)
        return wrong(r, "mode", "must be overwrite or append");
    TRY(inputs(r, json_object_get(o, "inputs")));
    TRY(text(r, o, "mmdb", false, &j->mmdb));
    if (!json_is_object(catalog)) return wrong(r, "catalog", "is missing");
    TRY(text(r, catalog, "name", false, &j->catalog_name));
    TRY(text(r, catalog, "uri", true, &j->catalog_uri));
    TRY(text(r, catalog, "warehouse", true, &j->warehouse));
    TRY(s3(r, json_object_get(catalog, "s3")));
    TRY(text(r, o, "namespace", false, &j->namespace_name));
    TRY(text(r, o, "events", false, &j->events));
    TRY(text(r, o, "rejects", false, &j->rejects));
    TRY(resources(r, json_object_get(o, "resources")));
    TRY(text(r, o, "tmp_dir", false, &j->tmp_dir));
    TRY(text(r, o, "events_file", false, &j->events_file));
    TRY(text(r, o, "result_file", false, &j->result_file));
    if (pipeline && !json_is_object(pipeline)) return wrong(r, "pipeline", "must be an object");
    char *dump = json_dumps(pipeline, JSON_INDENT(1));
    j->pipeline = arena_printf(&j->arena, "%s", dump ? dump : "{}");
    free(dump);
    return j->pipeline ? 0 : err_nomem(r->e);
}

static int load(const char *path, json_t **out, int code, struct err *e) {
    struct buf bytes;
    json_error_t problem;
    buf_init(&bytes, 0);
    int rc = file_read_all(path, &bytes, JOB_MAX, e);
    if (!rc) {
        *out = json_loadb((const char *)bytes.data, bytes.len, JSON_REJECT_DUPLICATES, &problem);
        if (!*out)
            rc = err_set(e, code, "%s:%d: not JSON: %s", path, problem.line, problem.text);
        else if (!json_is_object(*out))
            rc = err_set(e, code, "%s: not a JSON object", path);
        if (rc) json_decref(*out);
    }
    buf_release(&bytes);
    return rc;
}

int job_read(struct job *j, const char *path, struct err *e) {
    json_t *o = NULL;
    job_init(j);
    TRY(load(path, &o, ERR_INPUT, e));
    const struct reader r = {.j = j, .file = path, .e = e};
    int rc = read_job(&r, o);
    json_decref(o);
    return rc;
}

int job_result_read(const char *path, json_t **out, struct err *e) {
    static const char *const counts[] = {"rows_in", "rows_out", "sessions", "users"};
    if (!file_exists(path)) return err_set(e, ERR_OUTSIDE, "the stack wrote no result file");
    json_t *o = NULL;
    TRY(load(path, &o, ERR_OUTSIDE, e));
    int rc = 0;
    for (size_t i = 0; !rc && i < sizeof counts / sizeof *counts; i++)
        if (!json_is_integer(json_object_get(o, counts[i])))
            rc = err_set(e, ERR_OUTSIDE, "the stack's result file: %s must be a whole number", counts[i]);
    if (!rc && !json_is_object(json_object_get(o, "rejected")))
        rc = err_set(e, ERR_OUTSIDE, "the stack's result file: rejected must be an object");
    if (!rc && !json_is_object(json_object_get(json_object_get(o, "tables"), "events")))
        rc = err_set(e, ERR_OUTSIDE, "the stack's result file: tables.events must be an object");
    if (rc)
        json_decref(o);
    else
        *out = o;
    return rc;
}

int job_event(const struct job *j, int64_t t_ns, const char *event, struct err *e) {
    if (!j->events_file) return 0;
    char line[128];
    int len = snprintf(line, sizeof line, "{\"t_ns\": %lld, \"event\": \"%s\"}\n", (long long)t_ns, event);
    int fd = open(j->events_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", j->events_file);
    ssize_t n = write(fd, line, (size_t)len); /* one write, one line, whoever else appends */
    close(fd);
    return n == len ? 0 : err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", j->events_file);
}
