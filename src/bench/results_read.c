#include "bench/results_read.h"
#include "base/files.h"

#include <math.h>
#include <string.h>

enum { FILE_MAX = 1 << 30 };

/* Growing lists of one arena: a list is copied to twice its size when full. */
static int push(struct arena *arena, void *list, size_t *count, size_t size, const void *item,
                struct err *e) {
    char *items = *(char **)list;
    if ((*count & (*count - 1)) == 0) { /* 0, 1, 2, 4, …: full */
        char *more = arena_alloc(arena, size * (*count ? *count * 2 : 1));
        if (!more) return err_nomem(e);
        if (*count) memcpy(more, items, *count * size);
        *(char **)list = items = more;
    }
    memcpy(items + (*count)++ * size, item, size);
    return 0;
}

const char *results_text(const json_t *object, const char *key, const char *otherwise) {
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

const json_t *results_find(const json_t *const *records, size_t count, const char *key, const char *value) {
    while (count-- > 0)
        if (strcmp(results_text(records[count], key, ""), value) == 0) return records[count];
    return NULL;
}

bool results_metric(const struct results_sample *s, const char *key, double *value) {
    const json_t *v = json_object_get(s->metrics, key);
    if (!json_is_number(v)) return false;
    *value = json_number_value(v);
    return isfinite(*value) && *value >= 0;
}

static int add_run(struct results_file *f, const json_t *record, struct err *e) {
    const json_t *schema = json_object_get(record, "schema");
    if (!json_is_integer(schema)) return err_set(e, ERR_INPUT, "a run without a schema number");
    if (json_integer_value(schema) > RESULTS_SCHEMA)
        return err_set(e, ERR_INPUT,
                       "written by a newer weir (schema %lld; this one, " WEIR_VERSION
                       ", reads up to %d): read it with weir %s or newer",
                       (long long)json_integer_value(schema), RESULTS_SCHEMA,
                       results_text(record, "weir", "of that version"));
    struct results_run run = {.record = record,
                              .environment = json_object_get(record, "environment"),
                              .id = results_text(record, "run", ""),
                              .created = results_text(record, "created", ""),
                              .weir = results_text(record, "weir", "")};
    f->ended = false;
    return push(&f->arena, &f->runs, &f->run_count, sizeof run, &run, e);
}

static int add_sample(struct results_file *f, const json_t *record, struct err *e) {
    static const char *const needed[] = {"case", "stack", "status"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!results_text(record, needed[i], NULL))
            return err_set(e, ERR_INPUT, "a sample without \"%s\"", needed[i]);
    const json_t *id = json_object_get(record, "id");
    struct results_sample s = {
        .record = record,
        .name = results_text(record, "case", ""),
        .stack = results_text(record, "stack", ""),
        .status = results_text(record, "status", ""),
        .error = results_text(record, "error", ""),
        .run = f->run_count - 1,
        .id = json_is_integer(id) ? json_integer_value(id) : (int64_t)f->sample_count + 1,
        .repetition = (int)json_integer_value(json_object_get(record, "repetition")),
    };
    const char *twin = results_text(record, "aa", "");
    if (strcmp(twin, "a") == 0 || strcmp(twin, "b") == 0) s.twin = *twin;
    s.usable = strcmp(s.status, "ok") == 0 && json_is_true(json_object_get(record, "verified"));
    s.metrics = s.usable ? json_object_get(record, "metrics") : NULL;
    return push(&f->arena, &f->samples, &f->sample_count, sizeof s, &s, e);
}

static int add_record(struct results_file *f, const json_t *record, struct err *e) {
    const char *type = results_text(record, "type", "");
    const struct {
        const char *type;
        const json_t ***list;
        size_t *count;
    } lists[] = {{"data", &f->data, &f->data_count},           {"stack", &f->stacks, &f->stack_count},
                 {"minimum", &f->minimums, &f->minimum_count}, {"serve", &f->serves, &f->serve_count},
                 {"stop", &f->stops, &f->stop_count},          {"profile", &f->profiles, &f->profile_count}};
    if (!json_is_object(record) || !*type) return err_set(e, ERR_INPUT, "not an object with a \"type\"");
    if (strcmp(type, "run") == 0) return add_run(f, record, e);
    if (!f->run_count)
        return err_set(e, ERR_INPUT, "not a result of weir bench: its first line must be of type \"run\"");
    if (strcmp(type, "sample") == 0) return add_sample(f, record, e);
    if (strcmp(type, "end") == 0) f->ended = true;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        if (strcmp(type, lists[i].type) == 0)
            return push(&f->arena, lists[i].list, lists[i].count, sizeof record, &record, e);
    return 0;
}

static int read_lines(struct results_file *f, const char *text, size_t len, struct err *e) {
    size_t line = 0;
    for (const char *end = text + len; text < end;) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        json_error_t why;
        line++;
        size_t blank = strspn(text, " \t\r");
        if (blank < n) {
            json_t *record = json_loadb(text, n, 0, &why);
            if (!record && !stop && line > 1) { /* a writer was killed in the middle of it */
                f->truncated = true;
                return 0;
            }
            if (!record) return err_set(e, ERR_INPUT, "%s:%zu: not JSON: %s", f->path, line, why.text);
            if (json_array_append_new(f->records, record)) return err_nomem(e);
            int rc = add_record(f, record, e);
            if (rc) return err_prefix(e, "%s:%zu", f->path, line);
        }
        text += n + (stop ? 1 : 0);
    }
    return 0;
}

int results_file_read(struct results_file *f, const char *path, struct err *e) {
    struct buf b;
    *f = (struct results_file){.path = path};
    arena_init(&f->arena);
    buf_init(&b, (size_t)FILE_MAX * 2);
    f->records = json_array();
    int rc = f->records ? file_read_all(path, &b, FILE_MAX, e) : err_nomem(e);
    if (!rc && !buf_cstr(&b)) rc = err_nomem(e);
    if (!rc) rc = read_lines(f, (const char *)b.data, b.len, e);
    if (!rc && !f->run_count) rc = err_set(e, ERR_INPUT, "%s: empty; it holds no run of weir bench", path);
    buf_release(&b);
    return rc;
}

void results_file_release(struct results_file *f) {
    json_decref(f->records);
    arena_release(&f->arena);
}
