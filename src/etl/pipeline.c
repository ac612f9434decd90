#include "etl/pipeline.h"

#include <jansson.h>
#include <stdlib.h>
#include <strings.h>

const char *const column_names[COLUMN_COUNT] = {"event_id", "user_id", "timestamp", "page_url",
                                                "referrer", "device",  "ip_address"};

const char *const reason_names[REASON_COUNT] = {"",
                                                "malformed_row",
                                                "missing_event_id",
                                                "missing_user_id",
                                                "missing_timestamp",
                                                "bad_timestamp",
                                                "duplicate_event"};

const char *const keep_type_names[] = {"string", "long", "double"};
const char *const timestamp_form_names[] = {"iso8601", "epoch_s", "epoch_ms", "epoch_us"};

int pipeline_init(struct pipeline *p, struct err *e) {
    static const char *const tokens[] = {"null", "none", "nan", "n/a", "\\n", "-"};
    enum { TOKENS = sizeof tokens / sizeof *tokens };
    *p = (struct pipeline){
        .delimiter = ',',
        .strict = true,
        .timestamp = TIMESTAMP_ISO8601,
        .gap_us = 1800 * INT64_C(1000000),
        .namespace_name = "web",
        .events = "events",
        .rejects = "rejects",
    };
    arena_init(&p->arena);
    for (int i = 0; i < COLUMN_COUNT; i++) p->columns[i] = column_names[i];
    p->null_tokens = arena_alloc(&p->arena, TOKENS * sizeof *p->null_tokens);
    if (!p->null_tokens) return err_nomem(e);
    for (int i = 0; i < TOKENS; i++) p->null_tokens[i] = str_of(tokens[i]);
    p->null_token_count = TOKENS;
    return 0;
}

void pipeline_release(struct pipeline *p) {
    arena_release(&p->arena);
}

const char *pipeline_name_problem(const char *name) {
    size_t len = strlen(name);
    if (len == 0 || len > 64) return "must have 1 to 64 characters";
    if (strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") != len)
        return "may hold ASCII letters, digits, _ and - only";
    if (*name == '-') return "must not begin with -";
    return NULL;
}

int pipeline_check(const struct pipeline *p, struct err *e) {
    const struct {
        const char *key, *name;
    } outputs[] = {{"namespace", p->namespace_name}, {"events", p->events}, {"rejects", p->rejects}};
    for (size_t i = 0; i < 3; i++) {
        const char *problem = pipeline_name_problem(outputs[i].name);
        if (problem)
            return err_set(e, ERR_INPUT, "output.%s: \"%s\" %s", outputs[i].key, outputs[i].name, problem);
    }
    if (strcasecmp(p->events, p->rejects) == 0)
        return err_set(e, ERR_INPUT, "output: events and rejects are both called \"%s\"", p->events);
    return 0;
}

static json_t *columns_json(const struct pipeline *p) {
    json_t *o = json_object();
    for (int i = 0; i < COLUMN_COUNT; i++)
        json_object_set_new(o, column_names[i], json_string(p->columns[i]));
    return o;
}

static json_t *keep_json(const struct pipeline *p) {
    json_t *a = json_array();
    for (unsigned i = 0; i < p->keep_count; i++)
        json_array_append_new(
            a, json_pack("{s:s,s:s}", "name", p->keep[i].name, "type", keep_type_names[p->keep[i].type]));
    return a;
}

static json_t *tokens_json(const struct pipeline *p) {
    json_t *a = json_array();
    for (unsigned i = 0; i < p->null_token_count; i++)
        json_array_append_new(a, json_stringn(p->null_tokens[i].ptr, p->null_tokens[i].len));
    return a;
}

static int add_json(struct buf *out, json_t *value, struct err *e) {
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    json_decref(value);
    int rc = text ? buf_add_str(out, text, e) : err_nomem(e);
    free(text);
    return rc;
}

int pipeline_print_json(const struct pipeline *p, struct buf *out, struct err *e) {
    json_t *o =
        json_pack("{s:{s:o,s:{s:s%,s:b,s:b},s:o},s:{s:o,s:s},s:{s:s},s:{s:I}}", "input", "columns",
                  columns_json(p), "csv", "delimiter", &p->delimiter, (size_t)1, "multiline", p->multiline,
                  "strict", p->strict, "keep", keep_json(p), "clean", "null_tokens", tokens_json(p),
                  "timestamp", timestamp_form_names[p->timestamp], "geo", "ip", p->drop_ip ? "drop" : "keep",
                  "sessions", "gap_seconds", (json_int_t)(p->gap_us / 1000000));
    return add_json(out, o, e);
}

/* Text in double quotes: what JSON writes is YAML too. */
static int add_text(struct buf *out, const char *text, size_t len, struct err *e) {
    return add_json(out, json_stringn(text, len), e);
}

static const char *yes_no(bool b) {
    return b ? "true" : "false";
}

int pipeline_print_yaml(const struct pipeline *p, struct buf *out, struct err *e) {
    TRY(buf_add_str(out, "input:\n  columns:\n", e));
    for (int i = 0; i < COLUMN_COUNT; i++) {
        TRY(buf_printf(out, e, "    %s: ", column_names[i]));
        TRY(add_text(out, p->columns[i], strlen(p->columns[i]), e));
        TRY(buf_add_byte(out, '\n', e));
    }
    TRY(buf_add_str(out, "  csv:\n    delimiter: ", e));
    TRY(add_text(out, &p->delimiter, 1, e));
    TRY(buf_printf(out, e, "\n    multiline: %s\n    strict: %s\n  keep:%s\n", yes_no(p->multiline),
                   yes_no(p->strict), p->keep_count ? "" : " []"));
    for (unsigned i = 0; i < p->keep_count; i++) {
        TRY(buf_add_str(out, "    - {name: ", e));
        TRY(add_text(out, p->keep[i].name, strlen(p->keep[i].name), e));
        TRY(buf_printf(out, e, ", type: %s}\n", keep_type_names[p->keep[i].type]));
    }
    TRY(buf_add_str(out, "clean:\n  null_tokens: [", e));
    for (unsigned i = 0; i < p->null_token_count; i++) {
        if (i) TRY(buf_add_str(out, ", ", e));
        TRY(add_text(out, p->null_tokens[i].ptr, p->null_tokens[i].len, e));
    }
    return buf_printf(out, e,
                      "]\n  timestamp: %s\ngeo:\n  ip: %s\nsessions:\n  gap_seconds: %lld\n"
                      "output:\n  namespace: %s\n  events: %s\n  rejects: %s\n",
                      timestamp_form_names[p->timestamp], p->drop_ip ? "drop" : "keep",
                      (long long)(p->gap_us / 1000000), p->namespace_name, p->events, p->rejects);
}
