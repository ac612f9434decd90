/* The comparison. DuckDB computes; here it is asked, and its answers are judged. */
#include "bench/verify.h"

#include "bench/verify_ledger.h"
#include "bench/verify_sql.h"
#include "edge/duckdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { OUTPUT_MAX = 256 << 20 };

struct verifier {
    const struct verify_request *request;
    struct arena arena;
    struct duckdb duckdb;
    struct verify_script script;
    struct verify_pair events, rejects;
    json_t *report;
    bool ledgers_right;
};

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

static int begin(struct verifier *v, struct err *e) {
    struct buf *sql = &v->script.sql;
    static const char *const args[] = {"-no-init", "-bail", "-list", "-noheader"};
    buf_clear(&v->script.args);
    for (size_t i = 0; i < sizeof args / sizeof *args; i++) TRY(verify_script_arg(&v->script, args[i], e));
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
    TRY(verify_script_end(&v->script, e));
    for (struct verify_pair *p = &v->events; p; p = p == &v->events ? &v->rejects : NULL)
        for (int side = 0; p->column_count && side < 2; side++) TRY(verify_sql_view(&v->script, p, side, e));
    return 0;
}

static int ask(struct verifier *v, struct buf *out, struct answers *answers, struct err *e) {
    TRY(verify_script_arg(&v->script, "-c", e));
    TRY(verify_script_arg(&v->script, "", e));
    const char *end = NULL;
    TRY(buf_add(&v->script.args, &end, sizeof end, e));
    TRY(duckdb_capture(&v->duckdb, (const char *const *)(void *)v->script.args.data, v->request->tmp_dir, out,
                       e));
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
static int take_digests(struct verify_pair *p, struct answers *answers, struct err *e) {
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

static bool keyed_equal(const struct verify_pair *p, size_t i) {
    return json_is_true(json_object_get(json_array_get(json_object_get(p->report, "columns"), i), "equal"));
}

/* Which columns differ. While the keys are the same rows, those whose digest under the key differs. Else all
 * of them do, which tells nothing: then those that hold other values, or if none does (values changed places)
 * all again. */
static int name_columns(struct verify_pair *p, const json_t *a, const json_t *b, struct err *e) {
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
static int add_first_row(const struct verify_pair *p, json_t *list, const json_t *values, struct err *e) {
    json_t *row = json_object();
    for (size_t i = 0; i < p->column_count; i++)
        json_object_set(row, p->columns[i].name, json_array_get(values, i + 1));
    json_t *o = row ? json_pack("{s:O,s:o}", "times", json_array_get(values, 0), "row", row) : NULL;
    return json_array_append_new(list, o) ? err_nomem(e) : 0;
}

/* Lines up to null: the marker after each list of rows. */
static int take_first(struct verify_pair *p, const char *key, struct answers *answers, struct err *e) {
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

static int take_differences(struct verify_pair *p, struct answers *answers, struct err *e) {
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
static int digests(struct verifier *v, struct buf *out, struct err *e) {
    struct answers answers;
    TRY(begin(v, e));
    for (int side = 0; side < 2; side++)
        TRY(verify_sql_digests(&v->script, &v->events, side, !v->request->quick, e));
    for (int side = 0; v->rejects.column_count && side < 2; side++)
        TRY(verify_sql_digests(&v->script, &v->rejects, side, !v->request->quick, e));
    for (int side = 0; v->rejects.column_count && side < 2; side++)
        TRY(verify_sql_reasons(&v->script, &v->rejects, side, e));
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
static int differences(struct verifier *v, struct buf *out, struct err *e) {
    struct answers answers;
    struct verify_pair *pairs[2] = {&v->events, &v->rejects};
    TRY(begin(v, e));
    for (int i = 0; i < 2; i++) {
        struct verify_pair *p = pairs[i];
        if (!p->column_count || p->same_rows) continue;
        for (int side = 0; v->request->quick && side < 2; side++)
            TRY(verify_sql_digests(&v->script, p, side, true, e));
        for (int side = 0; side < 2; side++) TRY(verify_sql_hashes(&v->script, p, side, e));
        TRY(verify_sql_surplus(&v->script, p, e));
        for (int side = 0; side < 2; side++) TRY(verify_sql_first(&v->script, p, side, e));
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

/* ---- the whole ---- */

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

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
    if (verify_field(fields, "reason") && verify_field(fields, "raw") && verify_field(fields, "source_file"))
        return err_set(e, ERR_INPUT, "%s is a table of rejects; name the events of its run", events->name);
    TRY(verify_find_rejects(v->request, side, events, &v->arena, rejects, e));
    json_t *o = json_pack("{s:o,s:o,s:o,s:o}", "events", table_view(events), "rejects",
                          rejects->metadata ? table_view(rejects) : json_null(), "run_id",
                          text_or_null(verify_summary(events->snapshot, "weir.run-id")), "stack",
                          text_or_null(verify_summary(events->snapshot, "weir.stack")));
    return json_object_set_new(v->report, verify_sides[side], o) ? err_nomem(e) : 0;
}

static int open_pairs(struct verifier *v, struct err *e) {
    for (int side = 0; side < 2; side++) TRY(find_side(v, side, e));
    v->events.report = json_object();
    if (json_object_set_new(v->report, "events", v->events.report)) return err_nomem(e);
    TRY(verify_pair_match(&v->events, false, &v->arena, e));
    bool a = v->rejects.tables[0].metadata != NULL, b = v->rejects.tables[1].metadata != NULL;
    v->rejects.report = json_pack("{s:b}", "compared", a && b);
    if (json_object_set_new(v->report, "rejects", v->rejects.report)) return err_nomem(e);
    if (a && b) return verify_pair_match(&v->rejects, true, &v->arena, e);
    const char *why = a   ? "the snapshot of B names no rejects table; give --rejects A B"
                      : b ? "the snapshot of A names no rejects table; give --rejects A B"
                          : "neither snapshot names a rejects table; give --rejects A B";
    return json_object_set_new(v->rejects.report, "why", json_string(why)) ? err_nomem(e) : 0;
}

static bool judge_pair(const struct verify_pair *p) {
    bool equal = !p->column_count || (p->same_rows && p->same_columns);
    if (p->column_count) json_object_set_new(p->report, "equal", json_boolean(equal));
    return equal;
}

static int compare(struct verifier *v, struct err *e) {
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    int rc = digests(v, &out, e);
    bool same = v->events.same_rows && (!v->rejects.column_count || v->rejects.same_rows);
    if (!rc && !same) rc = differences(v, &out, e);
    buf_release(&out);
    return rc;
}

static int judge_ledger(struct verifier *v, int side, struct err *e) {
    bool right;
    json_t *ledger = NULL;
    TRY(verify_ledger(&v->events, &v->rejects, side, &v->arena, &right, &ledger, e));
    v->ledgers_right = v->ledgers_right && right;
    return json_object_set_new(json_object_get(v->report, verify_sides[side]), "ledger", ledger)
               ? err_nomem(e)
               : 0;
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
    v.script.arena = &v.arena;
    buf_init(&v.script.args, 0);
    buf_init(&v.script.sql, 0);
    v.report = json_pack("{s:b}", "equal", false); /* comes first */
    int rc = v.report ? verify(&v, equal, e) : err_nomem(e);
    for (int side = 0; side < 2; side++) {
        verify_table_release(&v.events.tables[side]);
        verify_table_release(&v.rejects.tables[side]);
        json_decref(v.rejects.rejected[side]);
    }
    buf_release(&v.script.args);
    buf_release(&v.script.sql);
    arena_release(&v.arena);
    if (rc)
        json_decref(v.report);
    else
        *report = v.report;
    return rc;
}
