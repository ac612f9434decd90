/* The comparison. DuckDB computes; here its SQL is made and its answers, one JSON text a line, are judged. */
#include "bench/verify.h"

#include "base/files.h"
#include "bench/verify_tables.h"
#include "edge/duckdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_ROWS = 10, COLUMNS_MAX = 500, OUTPUT_MAX = 256 << 20 };

static const char *const sides[2] = {"a", "b"};

/* A column that both tables have; c0, c1, … in SQL, in the order of A. */
struct column {
    const char *name;
    bool is_text, is_time, is_key;
};

/* Two tables to compare. */
struct pair {
    const char *what; /* "events", "rejects" */
    struct verify_table tables[2];
    struct column *columns;
    size_t column_count;
    int reason, raw;     /* columns of rejects; -1 */
    json_t *report;      /* borrowed */
    int64_t rows[2];     /* in the tables */
    bool same_columns;   /* neither has one that the other lacks */
    bool same_rows;      /* of the common columns */
    json_t *rejected[2]; /* rejects: {reason: n} */
};

struct verifier {
    const struct verify_request *request;
    struct arena arena;
    struct duckdb duckdb;
    struct buf args; /* of const char * */
    struct pair events, rejects;
    json_t *report;
    bool ledgers_right;
};

/* ---- columns ---- */

static json_t *field_named(const json_t *fields, const char *name) {
    size_t i;
    json_t *f;
    json_array_foreach((json_t *)fields, i, f) {
        const char *n = json_string_value(json_object_get(f, "name"));
        if (n && strcmp(n, name) == 0) return f;
    }
    return NULL;
}

static const char *type_of(const json_t *field) {
    const char *type = json_string_value(json_object_get(field, "type"));
    return type ? type : "nested";
}

static bool is_one_of(const char *name, const char *const *list) {
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

static void only_in(const json_t *fields, const json_t *others, json_t *list) {
    size_t i;
    const json_t *f;
    json_array_foreach(fields, i, f) {
        const char *name = json_string_value(json_object_get(f, "name"));
        if (name && !field_named(others, name)) json_array_append_new(list, json_string(name));
    }
}

/* The columns that both have; what differs goes to the report. source_file may be either copy's (4.2). */
static int match_columns(struct verifier *v, struct pair *p, bool is_rejects, struct err *e) {
    static const char *const keys[] = {"user_id", "event_time", "event_id", NULL};
    static const char *const reject_keys[] = {"user_id", "timestamp", "event_id", NULL};
    const json_t *a = verify_fields(&p->tables[0]), *b = verify_fields(&p->tables[1]), *field;
    json_t *left = json_array(), *right = json_array(), *types = json_object();
    size_t i, n = json_array_size(a);
    p->reason = p->raw = -1;
    p->columns = arena_zalloc(&v->arena, (n + 1) * sizeof *p->columns);
    if (!p->columns) return err_nomem(e);
    json_array_foreach(a, i, field) {
        const char *name = json_string_value(json_object_get(field, "name")), *type = type_of(field);
        const json_t *other = name ? field_named(b, name) : NULL;
        if (!other || (is_rejects && strcmp(name, "source_file") == 0)) continue;
        if (strcmp(type, type_of(other)) != 0)
            json_object_set_new(types, name, json_pack("[s,s]", type, type_of(other)));
        p->columns[p->column_count] = (struct column){
            .name = name,
            .is_text = strcmp(type, "string") == 0 && strcmp(type_of(other), "string") == 0,
            .is_time = strncmp(type, "timestamp", 9) == 0 && strncmp(type_of(other), "timestamp", 9) == 0,
            .is_key = is_one_of(name, is_rejects ? reject_keys : keys)};
        if (is_rejects && strcmp(name, "reason") == 0) p->reason = (int)p->column_count;
        if (is_rejects && strcmp(name, "raw") == 0) p->raw = (int)p->column_count;
        p->column_count++;
    }
    only_in(a, b, left);
    only_in(b, a, right);
    p->same_columns = json_array_size(left) + json_array_size(right) == 0;
    if (json_object_set_new(p->report, "columns_only_in_a", left) ||
        json_object_set_new(p->report, "columns_only_in_b", right) ||
        json_object_set_new(p->report, "types_differ", types))
        return err_nomem(e);
    if (!p->column_count || p->column_count > COLUMNS_MAX)
        return err_set(e, ERR_INPUT, "%s and %s have %zu columns in common; 1 to %d can be compared",
                       p->tables[0].name, p->tables[1].name, p->column_count, COLUMNS_MAX);
    if (is_rejects && p->reason < 0)
        return err_set(e, ERR_INPUT, "%s and %s: no column reason in both; they are no rejects",
                       p->tables[0].name, p->tables[1].name);
    return 0;
}

/* ---- SQL ---- */

static int add_arg(struct verifier *v, const char *arg, struct err *e) {
    return arg ? buf_add(&v->args, &arg, sizeof arg, e) : err_nomem(e);
}

static int add_statement(struct verifier *v, struct buf *sql, struct err *e) {
    TRY(add_arg(v, "-cmd", e));
    TRY(add_arg(v, arena_copy(&v->arena, sql->data, sql->len), e));
    buf_clear(sql);
    return 0;
}

/* A column as it is compared: times as epoch µs, runs of U+FFFD as one (pipeline.md 4.2 leaves open how many
 * replace a run of bad bytes), raw of malformed rows only. */
static int add_value(struct buf *sql, const struct pair *p, size_t i, struct err *e) {
    const struct column *c = &p->columns[i];
    bool raw = (int)i == p->raw;
    if (raw) {
        TRY(buf_add_str(sql, "CASE WHEN ", e));
        TRY(duckdb_add_identifier(sql, p->columns[p->reason].name, e));
        TRY(buf_add_str(sql, " = 'malformed_row' THEN ", e));
    }
    if (c->is_time) {
        TRY(buf_add_str(sql, "epoch_us(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ")", e));
    } else if (c->is_text) {
        TRY(buf_add_str(sql, "CASE WHEN contains(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ", '\xEF\xBF\xBD') THEN regexp_replace(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ", '\xEF\xBF\xBD+', '\xEF\xBF\xBD', 'g') ELSE ", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, " END", e));
    } else {
        TRY(duckdb_add_identifier(sql, c->name, e));
    }
    if (raw) TRY(buf_add_str(sql, " END", e));
    return buf_printf(sql, e, " AS c%zu", i);
}

/* "c1, c4, c0, ": the key's columns, each followed by `how`. */
static int add_keys(struct buf *sql, const struct pair *p, const char *how, struct err *e) {
    static const char *const order[] = {"user_id", "event_time", "timestamp", "event_id"};
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 0; i < p->column_count; i++)
            if (p->columns[i].is_key && strcmp(p->columns[i].name, order[k]) == 0)
                TRY(buf_printf(sql, e, "c%zu%s, ", i, how));
    return 0;
}

/* json_array(c0, c1, …): all columns, or the keys and then column `only`. */
static int add_row(struct buf *sql, const struct pair *p, int only, struct err *e) {
    TRY(buf_add_str(sql, "json_array(", e));
    if (only >= 0) {
        TRY(add_keys(sql, p, "", e));
        return buf_printf(sql, e, "c%d)::VARCHAR", only);
    }
    for (size_t i = 0; i < p->column_count; i++) TRY(buf_printf(sql, e, "%sc%zu", i ? ", " : "", i));
    return buf_add_str(sql, ")::VARCHAR", e);
}

/* CREATE VIEW events_a: the columns to compare of a table at its snapshot. */
static int add_view(struct verifier *v, const struct pair *p, int side, struct buf *sql, struct err *e) {
    const struct verify_table *t = &p->tables[side];
    TRY(buf_printf(sql, e, "CREATE TEMP VIEW %s_%s AS SELECT ", p->what, sides[side]));
    for (size_t i = 0; i < p->column_count; i++) {
        if (i) TRY(buf_add_str(sql, ", ", e));
        TRY(add_value(sql, p, i, e));
    }
    TRY(buf_add_str(sql, " FROM iceberg_scan(", e));
    TRY(duckdb_add_literal(sql, t->path, e));
    if (t->is_gzip) TRY(buf_add_str(sql, ", metadata_compression_codec => 'gzip'", e));
    if (!t->is_current)
        TRY(buf_printf(sql, e, ", snapshot_from_id => %" JSON_INTEGER_FORMAT,
                       json_integer_value(json_object_get(t->snapshot, "snapshot-id"))));
    TRY(buf_add_str(sql, ");", e));
    return add_statement(v, sql, e);
}

/* Sums of 64-bit halves are exact: 2^63 rows fit into a HUGEINT. */
static int add_digest(struct buf *sql, const char *name, struct err *e) {
    return buf_printf(sql, e,
                      "lower(concat(to_hex(coalesce(sum((%s & 18446744073709551615::UHUGEINT)::UBIGINT), 0)"
                      "::HUGEINT), ':', to_hex(coalesce(sum((%s >> 64)::UBIGINT), 0)::HUGEINT)))",
                      name, name);
}

/* One line {"rows", "digest", "columns": [digest, …]}. */
static int add_digests(struct verifier *v, const struct pair *p, int side, bool columns, struct buf *sql,
                       struct err *e) {
    size_t n = columns ? p->column_count : 0;
    TRY(buf_add_str(sql, "SELECT json_object('rows', count(*), 'digest', ", e));
    TRY(add_digest(sql, "m", e));
    TRY(buf_add_str(sql, ", 'columns', json_array(", e));
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%zu", i);
        if (i) TRY(buf_add_str(sql, ", ", e));
        TRY(add_digest(sql, name, e));
    }
    TRY(buf_add_str(sql, ")) FROM (SELECT md5_number(", e));
    TRY(add_row(sql, p, -1, e));
    TRY(buf_add_str(sql, ") AS m", e));
    for (size_t i = 0; i < n; i++) {
        TRY(buf_add_str(sql, ", md5_number(", e));
        TRY(add_row(sql, p, (int)i, e));
        TRY(buf_printf(sql, e, ") AS m%zu", i));
    }
    TRY(buf_printf(sql, e, " FROM %s_%s);", p->what, sides[side]));
    return add_statement(v, sql, e);
}

/* One line {reason: n}. */
static int add_reasons(struct verifier *v, const struct pair *p, int side, struct buf *sql, struct err *e) {
    TRY(buf_printf(sql, e,
                   "SELECT coalesce(json_group_object(r, n)::VARCHAR, '{}') FROM (SELECT coalesce(c%d, "
                   "'null') AS r, count(*) AS n FROM %s_%s GROUP BY r ORDER BY r);",
                   p->reason, p->what, sides[side]));
    return add_statement(v, sql, e);
}

/* One line [hash of each column], without keys: which columns hold other values. */
static int add_plain_hashes(struct verifier *v, const struct pair *p, int side, struct buf *sql,
                            struct err *e) {
    TRY(buf_add_str(sql, "SELECT json_array(", e));
    for (size_t i = 0; i < p->column_count; i++)
        TRY(buf_printf(sql, e, "%scoalesce(sum(hash(json_array(c%zu)::VARCHAR)), 0)::VARCHAR", i ? ", " : "",
                       i));
    TRY(buf_printf(sql, e, ") FROM %s_%s;", p->what, sides[side]));
    return add_statement(v, sql, e);
}

/* The hashes that one side has more often, n times more in A; one line [rows in A only, in B only]. */
static int add_surplus(struct verifier *v, const struct pair *p, struct buf *sql, struct err *e) {
    TRY(buf_printf(sql, e, "CREATE TEMP TABLE %s_surplus AS SELECT m, sum(n)::BIGINT AS n FROM (", p->what));
    for (int side = 0; side < 2; side++) {
        TRY(buf_add_str(sql, side ? " UNION ALL SELECT md5_number(" : "SELECT md5_number(", e));
        TRY(add_row(sql, p, -1, e));
        TRY(buf_printf(sql, e, ") AS m, %s AS n FROM %s_%s", side ? "-1" : "1", p->what, sides[side]));
    }
    TRY(buf_add_str(sql, ") GROUP BY m HAVING sum(n) <> 0;", e));
    TRY(add_statement(v, sql, e));
    TRY(buf_printf(
        sql, e,
        "SELECT json_array(coalesce(sum(greatest(n, 0)), 0)::BIGINT, coalesce(sum(greatest(-n, 0)), "
        "0)::BIGINT) FROM %s_surplus;",
        p->what));
    return add_statement(v, sql, e);
}

/* Lines [times, value, …]: the first rows of one side's surplus, ordered by key and all columns. Copies of
 * one row become one line: of 1000 rows the ten first, so that the sort keeps no more. */
static int add_first(struct verifier *v, const struct pair *p, int side, struct buf *sql, struct err *e) {
    struct buf order;
    buf_init(&order, 0);
    int rc = add_keys(&order, p, " NULLS FIRST", e);
    for (size_t i = 0; i < p->column_count && !rc; i++)
        rc = buf_printf(&order, e, "%sc%zu NULLS FIRST", i ? ", " : "", i);
    if (!rc) rc = buf_add_str(sql, "SELECT json_array(n", e);
    for (size_t i = 0; i < p->column_count && !rc; i++)
        rc = buf_printf(sql, e,
                        p->columns[i].is_time
                            ? ", strftime(make_timestamp(c%zu), '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ')"
                            : ", c%zu",
                        i);
    const char *by = buf_cstr(&order);
    if (!rc && !by) rc = err_nomem(e);
    if (!rc)
        rc = buf_printf(sql, e,
                        ") FROM (SELECT DISTINCT * FROM (SELECT t.*, %ss.n AS n FROM (SELECT *, md5_number(",
                        side ? "-" : "");
    if (!rc) rc = add_row(sql, p, -1, e);
    if (!rc)
        rc =
            buf_printf(sql, e,
                       ") AS m FROM %s_%s) t JOIN %s_surplus s ON t.m = s.m WHERE s.n %s 0 ORDER BY %s LIMIT "
                       "1000)) ORDER BY %s LIMIT %d;",
                       p->what, sides[side], p->what, side ? "<" : ">", by, by, FIRST_ROWS);
    buf_release(&order);
    return rc ? rc : add_statement(v, sql, e);
}

/* ---- DuckDB ---- */

/* The answers, in order. */
struct answers {
    char *at; /* what is left of DuckDB's output */
};

static int next_answer(struct answers *a, json_t **out, struct err *e) {
    char *end = strchr(a->at, '\n');
    if (end) *end = 0;
    json_error_t problem;
    *out = json_loads(a->at, JSON_ALLOW_NUL, &problem);
    if (!*out) return err_set(e, ERR_OUTSIDE, "DuckDB's answer is no JSON (%s): %.200s", problem.text, a->at);
    a->at = end ? end + 1 : a->at + strlen(a->at);
    return 0;
}

static bool any_answer(const struct answers *a) {
    return *a->at != 0;
}

static int begin(struct verifier *v, struct buf *sql, struct err *e) {
    static const char *const args[] = {"-no-init", "-bail", "-list", "-noheader"};
    buf_clear(&v->args);
    for (size_t i = 0; i < sizeof args / sizeof *args; i++) TRY(add_arg(v, args[i], e));
    TRY(duckdb_prepare_sql(&v->duckdb, sql, e));
    bool s3 = false;
    for (int side = 0; side < 2; side++)
        for (int i = 0; i < 2; i++) {
            const char *path = (i ? &v->rejects : &v->events)->tables[side].path;
            s3 |= path && store_is_s3(path);
        }
    if (s3) TRY(duckdb_prepare_s3(&v->duckdb, &v->request->store, sql, e));
    TRY(buf_printf(sql, e, "SET memory_limit = '%" PRIu64 "B'; SET preserve_insertion_order = false; ",
                   v->request->memory_bytes));
    TRY(buf_add_str(sql, "SET temp_directory = ", e));
    const char *folder = arena_printf(&v->arena, "%s/weir-verify-%ld", v->request->tmp_dir, (long)getpid());
    if (!folder) return err_nomem(e);
    TRY(duckdb_add_literal(sql, folder, e));
    TRY(buf_add_byte(sql, ';', e));
    TRY(add_statement(v, sql, e));
    for (struct pair *p = &v->events; p; p = p == &v->events ? &v->rejects : NULL)
        for (int side = 0; p->column_count && side < 2; side++) TRY(add_view(v, p, side, sql, e));
    return 0;
}

static int ask(struct verifier *v, struct buf *out, struct answers *answers, struct err *e) {
    TRY(add_arg(v, "-c", e));
    TRY(add_arg(v, "", e));
    const char *end = NULL;
    TRY(buf_add(&v->args, &end, sizeof end, e));
    TRY(duckdb_capture(&v->duckdb, (const char *const *)(void *)v->args.data, v->request->tmp_dir, out, e));
    if (!buf_cstr(out)) return err_nomem(e);
    answers->at = (char *)out->data;
    return 0;
}

/* ---- comparing ---- */

static const char *text_at(const json_t *array, size_t i) {
    const char *s = json_string_value(json_array_get(array, i));
    return s ? s : "";
}

/* Digests of both sides into the report. */
static int take_digests(struct pair *p, struct answers *answers, struct err *e) {
    json_t *found[2] = {NULL, NULL}, *columns = json_array();
    int rc = columns ? 0 : err_nomem(e);
    for (int side = 0; side < 2 && !rc; side++) {
        rc = next_answer(answers, &found[side], e);
        if (!rc) p->rows[side] = json_integer_value(json_object_get(found[side], "rows"));
    }
    if (!rc) {
        const char *a = json_string_value(json_object_get(found[0], "digest")),
                   *b = json_string_value(json_object_get(found[1], "digest"));
        const json_t *ca = json_object_get(found[0], "columns"), *cb = json_object_get(found[1], "columns");
        p->same_rows = a && b && strcmp(a, b) == 0 && p->rows[0] == p->rows[1];
        for (size_t i = 0; i < json_array_size(ca); i++)
            json_array_append_new(columns, json_pack("{s:s,s:s,s:s,s:b}", "name", p->columns[i].name,
                                                     "digest_a", text_at(ca, i), "digest_b", text_at(cb, i),
                                                     "equal", strcmp(text_at(ca, i), text_at(cb, i)) == 0));
        if (json_object_set_new(p->report, "rows_a", json_integer(p->rows[0])) ||
            json_object_set_new(p->report, "rows_b", json_integer(p->rows[1])) ||
            json_object_set_new(p->report, "digest_a", json_string(a)) ||
            json_object_set_new(p->report, "digest_b", json_string(b)) ||
            json_object_set(p->report, "columns", columns))
            rc = err_nomem(e);
    }
    json_decref(found[0]);
    json_decref(found[1]);
    json_decref(columns);
    return rc;
}

static bool keyed_equal(const struct pair *p, size_t i) {
    return json_is_true(json_object_get(json_array_get(json_object_get(p->report, "columns"), i), "equal"));
}

/* Which columns differ. While the keys are the same rows, those whose digest under the key differs. Else all
 * of them do, which tells nothing: then those that hold other values, or if none does (values changed places)
 * all again. */
static int name_columns(struct pair *p, const json_t *a, const json_t *b, struct err *e) {
    json_t *by_key = json_array(), *by_value = json_array();
    bool keys_equal = true;
    for (size_t i = 0; i < p->column_count; i++) {
        if (p->columns[i].is_key && !keyed_equal(p, i)) keys_equal = false;
        if (!keyed_equal(p, i)) json_array_append_new(by_key, json_string(p->columns[i].name));
        if (strcmp(text_at(a, i), text_at(b, i)) != 0)
            json_array_append_new(by_value, json_string(p->columns[i].name));
    }
    json_t *named = keys_equal || !json_array_size(by_value) ? by_key : by_value;
    int rc = json_object_set(p->report, "columns_that_differ", named) ? err_nomem(e) : 0;
    json_decref(by_key);
    json_decref(by_value);
    return rc;
}

/* [times, value, …] as {"times": n, "row": {name: value, …}}. */
static int add_first_row(const struct pair *p, json_t *list, const json_t *values, struct err *e) {
    json_t *row = json_object();
    for (size_t i = 0; i < p->column_count; i++)
        json_object_set(row, p->columns[i].name, json_array_get(values, i + 1));
    json_t *o = row ? json_pack("{s:O,s:o}", "times", json_array_get(values, 0), "row", row) : NULL;
    return json_array_append_new(list, o) ? err_nomem(e) : 0;
}

/* Lines up to null: the marker after each list of rows. */
static int take_first(struct pair *p, const char *key, struct answers *answers, struct err *e) {
    json_t *list = json_array();
    if (!list || json_object_set_new(p->report, key, list)) return err_nomem(e);
    while (any_answer(answers)) {
        json_t *values;
        TRY(next_answer(answers, &values, e));
        bool last = !json_array_size(values);
        int rc = last ? 0 : add_first_row(p, list, values, e);
        json_decref(values);
        if (rc || last) return rc;
    }
    return 0;
}

static int take_differences(struct pair *p, struct answers *answers, struct err *e) {
    json_t *hashes[2] = {NULL, NULL}, *counts = NULL;
    int rc = next_answer(answers, &hashes[0], e);
    if (!rc) rc = next_answer(answers, &hashes[1], e);
    if (!rc) rc = name_columns(p, hashes[0], hashes[1], e);
    if (!rc) rc = next_answer(answers, &counts, e);
    if (!rc && (json_object_set(p->report, "rows_only_in_a", json_array_get(counts, 0)) ||
                json_object_set(p->report, "rows_only_in_b", json_array_get(counts, 1))))
        rc = err_nomem(e);
    json_decref(hashes[0]);
    json_decref(hashes[1]);
    json_decref(counts);
    if (!rc) rc = take_first(p, "first_only_in_a", answers, e);
    if (!rc) rc = take_first(p, "first_only_in_b", answers, e);
    return rc;
}

/* First question: digests, and what the rejects hold by reason. */
static int digests(struct verifier *v, struct buf *sql, struct buf *out, struct err *e) {
    struct answers answers;
    TRY(begin(v, sql, e));
    for (int side = 0; side < 2; side++) TRY(add_digests(v, &v->events, side, !v->request->quick, sql, e));
    for (int side = 0; v->rejects.column_count && side < 2; side++)
        TRY(add_digests(v, &v->rejects, side, !v->request->quick, sql, e));
    for (int side = 0; v->rejects.column_count && side < 2; side++)
        TRY(add_reasons(v, &v->rejects, side, sql, e));
    TRY(ask(v, out, &answers, e));
    TRY(take_digests(&v->events, &answers, e));
    if (!v->rejects.column_count) return 0;
    TRY(take_digests(&v->rejects, &answers, e));
    for (int side = 0; side < 2; side++) {
        TRY(next_answer(&answers, &v->rejects.rejected[side], e));
        json_object_set(v->rejects.report, side ? "by_reason_b" : "by_reason_a", v->rejects.rejected[side]);
    }
    return 0;
}

/* Second question, where digests differ: which columns, which rows. */
static int differences(struct verifier *v, struct buf *sql, struct buf *out, struct err *e) {
    struct answers answers;
    struct pair *pairs[2] = {&v->events, &v->rejects};
    TRY(begin(v, sql, e));
    for (int i = 0; i < 2; i++) {
        struct pair *p = pairs[i];
        if (!p->column_count || p->same_rows) continue;
        for (int side = 0; v->request->quick && side < 2; side++) TRY(add_digests(v, p, side, true, sql, e));
        for (int side = 0; side < 2; side++) TRY(add_plain_hashes(v, p, side, sql, e));
        TRY(add_surplus(v, p, sql, e));
        for (int side = 0; side < 2; side++) {
            TRY(add_first(v, p, side, sql, e));
            TRY(buf_add_str(sql, "SELECT '[]';", e));
            TRY(add_statement(v, sql, e));
        }
    }
    buf_clear(out);
    TRY(ask(v, out, &answers, e));
    for (int i = 0; i < 2; i++) {
        if (!pairs[i]->column_count || pairs[i]->same_rows) continue;
        if (v->request->quick) TRY(take_digests(pairs[i], &answers, e));
        TRY(take_differences(pairs[i], &answers, e));
    }
    return 0;
}

/* ---- ledgers ---- */

static void say(json_t *problems, const char *what, int64_t claimed, int64_t held) {
    char text[256];
    snprintf(text, sizeof text, "%s: the ledger says %" PRId64 ", the table holds %" PRId64, what, claimed,
             held);
    json_array_append_new(problems, json_string(text));
}

static void check_events(const struct verifier *v, int side, const struct verify_claim *c, json_t *problems) {
    if (c->rows_out != v->events.rows[side]) say(problems, "events", c->rows_out, v->events.rows[side]);
    if (c->unbalanced) {
        char text[256];
        snprintf(text, sizeof text, "run %.100s: rows in are not rows out + rejected", c->unbalanced);
        json_array_append_new(problems, json_string(text));
    }
}

static void check_rejects(const struct verifier *v, int side, const struct verify_claim *c,
                          json_t *problems) {
    int64_t known = 0;
    for (int i = 0; i < VERIFY_REASONS; i++) {
        int64_t held = json_integer_value(json_object_get(v->rejects.rejected[side], verify_reasons[i]));
        known += held;
        char what[64];
        snprintf(what, sizeof what, "rejects, %s", verify_reasons[i]);
        if (held != c->rejected[i]) say(problems, what, c->rejected[i], held);
    }
    if (known != v->rejects.rows[side])
        say(problems, "rejects of any other reason", 0, v->rejects.rows[side] - known);
}

/* Both snapshots of a run carry the same ledger (5.2). */
static void check_snapshots(const struct verifier *v, int side, json_t *problems) {
    const json_t *events = v->events.tables[side].snapshot, *rejects = v->rejects.tables[side].snapshot;
    const char *x = verify_summary(events, "weir.run-id"), *y = verify_summary(rejects, "weir.run-id"), *key;
    if (!x || !y || strcmp(x, y) != 0) return;
    json_t *value;
    json_object_foreach(json_object_get((json_t *)events, "summary"), key, value) {
        const char *other = verify_summary(rejects, key);
        bool counted = strncmp(key, "weir.rows-", 10) == 0 || strncmp(key, "weir.rejected.", 14) == 0;
        if (!counted || (other && strcmp(other, json_string_value(value)) == 0)) continue;
        char text[256];
        snprintf(text, sizeof text, "%.60s: %.40s by the snapshot of events, %.40s by that of rejects", key,
                 json_string_value(value), other ? other : "nothing");
        json_array_append_new(problems, json_string(text));
    }
}

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

static int judge_ledger(struct verifier *v, int side, struct err *e) {
    struct verify_claim events, rejects = {0};
    bool has_rejects = v->rejects.column_count > 0;
    TRY(verify_claimed(&v->events.tables[side], &v->arena, &events, e));
    if (has_rejects) TRY(verify_claimed(&v->rejects.tables[side], &v->arena, &rejects, e));
    json_t *problems = json_array(), *unknown = json_array();
    if (events.unknown)
        json_array_append_new(unknown, json_string(arena_printf(&v->arena, "events: %s", events.unknown)));
    else
        check_events(v, side, &events, problems);
    if (has_rejects && rejects.unknown)
        json_array_append_new(unknown, json_string(arena_printf(&v->arena, "rejects: %s", rejects.unknown)));
    else if (has_rejects)
        check_rejects(v, side, &rejects, problems);
    else
        json_array_append_new(unknown, json_string("rejects: there is no table to check"));
    if (has_rejects) check_snapshots(v, side, problems);
    if (json_array_size(problems)) v->ledgers_right = false;
    json_t *o = json_pack("{s:b,s:o,s:o}", "right", json_array_size(problems) == 0, "problems", problems,
                          "uncheckable", unknown);
    if (o && !events.unknown) {
        json_object_set_new(o, "runs", json_integer(events.runs));
        json_object_set_new(o, "rows_in", json_integer(events.rows_in));
        json_object_set_new(o, "rows_out", json_integer(events.rows_out));
    }
    return json_object_set_new(json_object_get(v->report, sides[side]), "ledger", o) ? err_nomem(e) : 0;
}

/* ---- the whole ---- */

static json_t *table_view(const struct verify_table *t) {
    char id[24];
    snprintf(id, sizeof id, "%" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(t->snapshot, "snapshot-id")));
    return json_pack("{s:s,s:s,s:s}", "table", t->name, "metadata", t->path, "snapshot_id", id);
}

static int find_side(struct verifier *v, int side, struct err *e) {
    struct verify_table *events = &v->events.tables[side], *rejects = &v->rejects.tables[side];
    TRY(verify_find_events(v->request, side, &v->arena, events, e));
    const json_t *fields = verify_fields(events);
    if (field_named(fields, "reason") && field_named(fields, "raw") && field_named(fields, "source_file"))
        return err_set(e, ERR_INPUT, "%s is a table of rejects; name the events of its run", events->name);
    TRY(verify_find_rejects(v->request, side, events, &v->arena, rejects, e));
    json_t *o = json_pack("{s:o,s:o,s:o,s:o}", "events", table_view(events), "rejects",
                          rejects->metadata ? table_view(rejects) : json_null(), "run_id",
                          text_or_null(verify_summary(events->snapshot, "weir.run-id")), "stack",
                          text_or_null(verify_summary(events->snapshot, "weir.stack")));
    return json_object_set_new(v->report, sides[side], o) ? err_nomem(e) : 0;
}

static int open_pairs(struct verifier *v, struct err *e) {
    for (int side = 0; side < 2; side++) TRY(find_side(v, side, e));
    v->events.report = json_object();
    if (json_object_set_new(v->report, "events", v->events.report)) return err_nomem(e);
    TRY(match_columns(v, &v->events, false, e));
    bool a = v->rejects.tables[0].metadata != NULL, b = v->rejects.tables[1].metadata != NULL;
    v->rejects.report = json_pack("{s:b}", "compared", a && b);
    if (json_object_set_new(v->report, "rejects", v->rejects.report)) return err_nomem(e);
    if (a && b) return match_columns(v, &v->rejects, true, e);
    const char *why = a   ? "the snapshot of B names no rejects table; give --rejects A B"
                      : b ? "the snapshot of A names no rejects table; give --rejects A B"
                          : "neither snapshot names a rejects table; give --rejects A B";
    return json_object_set_new(v->rejects.report, "why", json_string(why)) ? err_nomem(e) : 0;
}

static bool judge_pair(const struct pair *p) {
    bool equal = !p->column_count || (p->same_rows && p->same_columns);
    if (p->column_count) json_object_set_new(p->report, "equal", json_boolean(equal));
    return equal;
}

static int compare(struct verifier *v, struct err *e) {
    struct buf sql, out;
    buf_init(&sql, 0);
    buf_init(&out, OUTPUT_MAX);
    int rc = digests(v, &sql, &out, e);
    bool same = v->events.same_rows && (!v->rejects.column_count || v->rejects.same_rows);
    if (!rc && !same) rc = differences(v, &sql, &out, e);
    buf_release(&sql);
    buf_release(&out);
    return rc;
}

static int verify(struct verifier *v, bool *equal, struct err *e) {
    TRY(duckdb_find(v->request->home, &v->duckdb, e));
    TRY(open_pairs(v, e));
    TRY(compare(v, e));
    for (int side = 0; side < 2; side++) TRY(judge_ledger(v, side, e));
    bool events = judge_pair(&v->events), rejects = judge_pair(&v->rejects);
    *equal = events && rejects && v->ledgers_right;
    return json_object_set_new(v->report, "equal", json_boolean(*equal)) ? err_nomem(e) : 0;
}

int verify_run(const struct verify_request *r, json_t **report, bool *equal, struct err *e) {
    struct verifier v = {.request = r, .ledgers_right = true};
    v.events.what = "events";
    v.rejects.what = "rejects";
    arena_init(&v.arena);
    buf_init(&v.args, 0);
    v.report = json_pack("{s:b}", "equal", false); /* comes first */
    int rc = v.report ? verify(&v, equal, e) : err_nomem(e);
    for (int side = 0; side < 2; side++) {
        verify_table_release(&v.events.tables[side]);
        verify_table_release(&v.rejects.tables[side]);
        json_decref(v.rejects.rejected[side]);
    }
    buf_release(&v.args);
    arena_release(&v.arena);
    if (rc)
        json_decref(v.report);
    else
        *report = v.report;
    return rc;
}
