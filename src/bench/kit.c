#include "bench/kit.h"

#include "base/files.h"

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KIT_FILE_MAX = 64 << 20, CONTENT_MAX = 64 << 20 };

/* ---- reading ---- */

/* One JSON object a line, appended to `list`. */
static int parse_lines(struct buf *text, const char *path, json_t *list, struct err *e) {
    if (!buf_cstr(text)) return err_nomem(e);
    int number = 1;
    for (char *at = (char *)text->data, *end; *at; at = end + 1, number++) {
        json_error_t problem;
        end = strchr(at, '\n');
        if (!end) return err_set(e, ERR_INPUT, "%s:%d: the line has no end", path, number);
        json_t *o = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &problem);
        if (!json_is_object(o)) {
            json_decref(o);
            return err_set(e, ERR_INPUT, "%s:%d: not a JSON object: %s", path, number, problem.text);
        }
        if (json_array_append_new(list, o)) return err_nomem(e);
    }
    return 0;
}

static int read_lines(const char *folder, const char *name, json_t **out, struct err *e) {
    char path[PATH_MAX];
    struct buf text;
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name) >= sizeof path)
        return err_set(e, ERR_INPUT, "\"%s\": the path is too long", folder);
    if (!(*out = json_array())) return err_nomem(e);
    buf_init(&text, 0);
    int rc = file_read_all(path, &text, KIT_FILE_MAX, e);
    if (!rc) rc = parse_lines(&text, path, *out, e);
    buf_release(&text);
    return rc;
}

/* A file's first line names the clause, the others are its cases. */
static int take_clause(struct kit *k, const char *path, struct err *e) {
    json_t *lines = NULL;
    int rc = read_lines("", path, &lines, e);
    json_t *clause = json_array_get(lines, 0), *cases = json_array();
    for (size_t i = 1; !rc && i < json_array_size(lines); i++) {
        json_t *o = json_array_get(lines, i);
        if (!json_is_string(json_object_get(o, "id")))
            rc = err_set(e, ERR_INPUT, "%s:%zu: a case needs an id", path, i + 1);
        else
            json_array_append(cases, o);
    }
    if (!rc && (!json_is_string(json_object_get(clause, "clause")) ||
                !json_is_string(json_object_get(clause, "title"))))
        rc = err_set(e, ERR_INPUT, "%s:1: must name clause and title", path);
    if (!rc && (json_object_set(clause, "cases", cases) || json_array_append(k->clauses, clause)))
        rc = err_nomem(e);
    json_decref(cases);
    json_decref(lines);
    return rc;
}

static int read_clauses(struct kit *k, const char *folder, struct err *e) {
    char pattern[PATH_MAX];
    glob_t g;
    snprintf(pattern, sizeof pattern, "%s/[0-9]*.jsonl", folder);
    if (glob(pattern, 0, NULL, &g))
        return err_set(e, ERR_INPUT, "\"%s\" is no conformance kit: there are no clauses in it", folder);
    int rc = 0;
    for (size_t i = 0; !rc && i < g.gl_pathc; i++) rc = take_clause(k, g.gl_pathv[i], e);
    globfree(&g);
    return rc;
}

static int read_databases(struct kit *k, const char *folder, struct err *e) {
    json_t *lines = NULL, *o;
    size_t i;
    int rc = read_lines(folder, "databases.jsonl", &lines, e);
    json_array_foreach(lines, i, o) {
        const char *name = json_string_value(json_object_get(o, "name"));
        if (!rc && (!name || strchr(name, '/')))
            rc = err_set(e, ERR_INPUT, "%s/databases.jsonl:%zu: a database needs a name", folder, i + 1);
        if (!rc && json_object_set(k->databases, name, o)) rc = err_nomem(e);
    }
    json_decref(lines);
    return rc;
}

static int read_defaults(struct kit *k, const char *folder, struct err *e) {
    char path[PATH_MAX];
    json_error_t problem;
    if ((size_t)snprintf(path, sizeof path, "%s/defaults.json", folder) >= sizeof path)
        return err_set(e, ERR_INPUT, "\"%s\": the path is too long", folder);
    k->defaults = json_load_file(path, 0, &problem);
    if (!json_is_object(k->defaults)) return err_set(e, ERR_INPUT, "%s: %s", path, problem.text);
    return 0;
}

int kit_read(struct kit *k, const char *folder, struct err *e) {
    *k = (struct kit){.clauses = json_array(), .databases = json_object()};
    if (!k->clauses || !k->databases) return err_nomem(e);
    TRY(read_clauses(k, folder, e));
    TRY(read_databases(k, folder, e));
    return read_defaults(k, folder, e);
}

void kit_release(struct kit *k) {
    json_decref(k->clauses);
    json_decref(k->databases);
    json_decref(k->defaults);
}

/* ---- content ---- */

static int digit_of(char c) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* RFC 4648, padded. */
static int add_base64(const char *text, struct buf *out, struct err *e) {
    size_t len = strlen(text);
    if (len % 4) return err_set(e, ERR_INPUT, "base64 comes in fours");
    for (size_t i = 0; i < len; i += 4) {
        bool last = i + 4 == len;
        int padding = last && text[i + 3] == '=' ? 1 + (text[i + 2] == '=') : 0;
        uint32_t bits = 0;
        for (int n = 0; n < 4; n++) {
            int digit = n >= 4 - padding ? 0 : digit_of(text[i + (size_t)n]);
            if (digit < 0) return err_set(e, ERR_INPUT, "not base64");
            bits = bits << 6 | (uint32_t)digit;
        }
        const uint8_t bytes[3] = {(uint8_t)(bits >> 16), (uint8_t)(bits >> 8), (uint8_t)bits};
        TRY(buf_add(out, bytes, 3 - (size_t)padding, e));
    }
    return 0;
}

int kit_expand(const json_t *content, struct buf *out, struct err *e) {
    size_t i;
    const json_t *part, *unit = json_object_get(content, "repeat");
    const char *base64 = json_string_value(json_object_get(content, "base64"));
    if (json_is_string(content))
        return buf_add(out, json_string_value(content), json_string_length(content), e);
    if (json_is_array(content)) {
        json_array_foreach(content, i, part) TRY(kit_expand(part, out, e));
        return 0;
    }
    if (base64) return add_base64(base64, out, e);
    json_int_t times = json_integer_value(json_object_get(content, "times"));
    if (!json_is_string(unit) || times < 0 || times > CONTENT_MAX)
        return err_set(e, ERR_INPUT, "content must be text, base64, repeat and times, or a list of them");
    TRY(buf_reserve(out, json_string_length(unit) * (size_t)times, e));
    while (times-- > 0) TRY(buf_add(out, json_string_value(unit), json_string_length(unit), e));
    return 0;
}

/* ---- what a case is ---- */

bool kit_is_of(const char *id, const char *asked) {
    size_t n = strlen(asked);
    return strncmp(id, asked, n) == 0 && (!id[n] || strchr(".-:", id[n]));
}

const char *kit_reading(const json_t *pipeline) {
    const json_t *csv = json_object_get(json_object_get(pipeline, "input"), "csv");
    if (json_is_false(json_object_get(csv, "strict"))) return "not strict";
    return json_is_true(json_object_get(csv, "multiline")) ? "multiline" : "strict";
}
