/* What came out against what had to. */
#include "bench/kit_case.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROBLEM_MAX = 400, ROWS_SHOWN = 3, COLUMN_RAW = 8, COLUMN_SOURCE = 9 };

int kit_problem(struct kit_case *c, struct err *e, const char *fmt, ...) {
    char text[PROBLEM_MAX + 8];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, PROBLEM_MAX, fmt, args);
    va_end(args);
    if (n >= PROBLEM_MAX) {
        size_t cut = PROBLEM_MAX - 1;
        while (cut && ((uint8_t)text[cut - 1] & 0xC0) == 0x80) cut--;
        if (cut && (uint8_t)text[cut - 1] >= 0xC0) cut--;
        strcpy(text + cut, "…");
    }
    for (char *at = text; *at; at++)
        if ((uint8_t)*at < ' ') *at = ' ';
    json_t *line = json_string(text);
    if (!line) line = json_string("a message that is not UTF-8");
    return json_array_append_new(c->problems, line) ? err_nomem(e) : 0;
}

/* ---- rows ---- */

/* Rows as texts, sorted. */
struct bag {
    char **rows;
    size_t count;
};

static void bag_release(struct bag *b) {
    for (size_t i = 0; i < b->count; i++) free(b->rows[i]);
    free(b->rows);
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* How many U+FFFD a run of bad bytes becomes is open (pipeline.md 4.2). */
static json_t *collapsed(const json_t *text) {
    static const char mark[] = "\xEF\xBF\xBD";
    size_t len = json_string_length(text), n = 0;
    const char *from = json_string_value(text);
    char *to = malloc(len + 1);
    if (!to) return NULL;
    for (size_t i = 0; i < len; i++) {
        if (i + 3 <= len && n >= 3 && memcmp(from + i, mark, 3) == 0 && memcmp(to + n - 3, mark, 3) == 0)
            i += 2;
        else
            to[n++] = from[i];
    }
    json_t *out = json_stringn(to, n);
    free(to);
    return out;
}

/* A value as the kit's files write it: long ones may be {"repeat", "times"}. */
static json_t *plain(json_t *value, struct err *e) {
    struct buf text;
    if (!json_is_object(value)) return json_incref(value);
    buf_init(&text, 0);
    json_t *out = kit_expand(value, &text, e) ? NULL : json_stringn((const char *)text.data, text.len);
    buf_release(&text);
    return out;
}

/* Of a duplicate either copy's source_file will do. */
static char *row_text(const json_t *row, int table, struct err *e) {
    const char *reason = json_string_value(json_array_get(row, 0));
    bool duplicate = table == KIT_REJECTS && reason && strcmp(reason, "duplicate_event") == 0;
    json_t *copy = json_array(), *value;
    size_t i;
    json_array_foreach((json_t *)row, i, value) {
        json_t *v = table == KIT_REJECTS && i == COLUMN_RAW && json_is_string(value) ? collapsed(value)
                    : duplicate && i == COLUMN_SOURCE                                ? json_null()
                                                                                     : plain(value, e);
        if (!v || json_array_append_new(copy, v)) {
            json_decref(copy);
            return NULL;
        }
    }
    char *text = json_dumps(copy, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(copy);
    return text;
}

static int bag_fill(struct bag *b, const json_t *rows, int table, struct err *e) {
    size_t i;
    const json_t *row;
    *b = (struct bag){.rows = calloc(json_array_size(rows) + 1, sizeof *b->rows)};
    if (!b->rows) return err_nomem(e);
    json_array_foreach(rows, i, row) {
        if (!(b->rows[b->count] = row_text(row, table, e))) return e->code ? e->code : err_nomem(e);
        b->count++;
    }
    qsort(b->rows, b->count, sizeof *b->rows, by_text);
    return 0;
}

/* The next row that stands in one bag only: < 0 in want, > 0 in got; 0: there is none. *i and *j are where
 * the walk over them is. */
static int next_only(const struct bag *want, const struct bag *got, size_t *i, size_t *j, const char **row) {
    while (*i < want->count || *j < got->count) {
        int order = *i == want->count ? 1 : *j == got->count ? -1 : strcmp(want->rows[*i], got->rows[*j]);
        *row = order <= 0 ? want->rows[*i] : got->rows[*j];
        *i += order <= 0;
        *j += order >= 0;
        if (order) return order;
    }
    return 0;
}

static int say_differences(struct kit_case *c, int table, const struct bag *want, const struct bag *got,
                           struct err *e) {
    size_t only[2] = {0, 0}, i = 0, j = 0;
    const char *row;
    for (int side; (side = next_only(want, got, &i, &j, &row));)
        if (only[side > 0]++ < ROWS_SHOWN)
            TRY(kit_problem(c, e, "%s: %s %s", kit_table_names[table], side < 0 ? "expected" : "got     ",
                            row));
    for (int side = 0; side < 2; side++)
        if (only[side] > ROWS_SHOWN)
            TRY(kit_problem(c, e, "%s: %s %zu more rows", kit_table_names[table],
                            side ? "got     " : "expected", only[side] - ROWS_SHOWN));
    return 0;
}

static int judge_rows(struct kit_case *c, int t, struct err *e) {
    struct bag want = {0}, got = {0};
    const json_t *expected = json_object_get(c->spec, kit_table_names[t]);
    if (!expected || !c->rows[t]) return 0;
    int rc = bag_fill(&want, expected, t, e);
    if (!rc) rc = bag_fill(&got, c->rows[t], t, e);
    if (!rc) rc = say_differences(c, t, &want, &got, e);
    bag_release(&want);
    bag_release(&got);
    return rc;
}

/* ---- the ledger ---- */

static int judge_count(struct kit_case *c, const char *where, const char *key, const json_t *want,
                       const json_t *got, struct err *e) {
    json_int_t n = json_integer_value(want);
    if (json_is_integer(got) && json_integer_value(got) == n) return 0;
    char *text = got ? json_dumps(got, JSON_ENCODE_ANY) : NULL;
    int rc =
        kit_problem(c, e, "%s: %s: expected %lld, got %s", where, key, (long long)n, text ? text : "nothing");
    free(text);
    return rc;
}

static int judge_result(struct kit_case *c, struct err *e) {
    static const char *const keys[] = {"rows_in", "rows_out", "sessions", "users"};
    const json_t *want = json_object_get(c->spec, "ledger"), *got = c->result;
    if (!want || !got) return 0;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        TRY(judge_count(c, "result file", keys[i], json_object_get(want, keys[i]),
                        json_object_get(got, keys[i]), e));
    for (int i = 0; i < VERIFY_REASONS; i++)
        TRY(judge_count(c, "result file: rejected", verify_reasons[i],
                        json_object_get(json_object_get(want, "rejected"), verify_reasons[i]),
                        json_object_get(json_object_get(got, "rejected"), verify_reasons[i]), e));
    return 0;
}

/* A count that a summary carries must be right; that all are there is what the cases of 5.2 show. */
static int judge_summary_count(struct kit_case *c, int t, const char *key, const json_t *want,
                               struct err *e) {
    const char *got = verify_summary(c->tables[t].snapshot, key);
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(want));
    if (!got || strcmp(got, text) == 0) return 0;
    return kit_problem(c, e, "%s: summary: %s: expected \"%s\", got \"%s\"", kit_table_names[t], key, text,
                       got);
}

static int judge_summaries(struct kit_case *c, int t, struct err *e) {
    const json_t *ledger = json_object_get(c->spec, "ledger");
    const char *name;
    char key[256];
    json_t *n;
    if (!ledger || !c->tables[t].snapshot) return 0;
    TRY(judge_summary_count(c, t, "weir.rows-in", json_object_get(ledger, "rows_in"), e));
    TRY(judge_summary_count(c, t, "weir.rows-out", json_object_get(ledger, "rows_out"), e));
    for (int i = 0; i < VERIFY_REASONS; i++) {
        snprintf(key, sizeof key, "weir.rejected.%s", verify_reasons[i]);
        TRY(judge_summary_count(c, t, key,
                                json_object_get(json_object_get(ledger, "rejected"), verify_reasons[i]), e));
    }
    json_object_foreach(json_object_get((json_t *)ledger, "nulled"), name, n) {
        snprintf(key, sizeof key, "weir.nulled.%s", name);
        TRY(judge_summary_count(c, t, key, n, e));
    }
    return 0;
}

/* ---- what rows do not show ---- */

/* Whether `got` is what is wanted; its parts that are null may be anything. */
static bool matches(const json_t *want, const json_t *got) {
    size_t i;
    const json_t *w;
    if (json_is_null(want)) return true;
    if (!json_is_array(want)) return json_equal(want, got);
    if (json_array_size(want) != json_array_size(got)) return false;
    json_array_foreach(want, i, w) if (!matches(w, json_array_get(got, i))) return false;
    return true;
}

static int judge_value(struct kit_case *c, const char *where, const char *what, const json_t *want,
                       const json_t *got, struct err *e) {
    if (!want || matches(want, got)) return 0;
    char *w = json_dumps(want, JSON_ENCODE_ANY), *g = got ? json_dumps(got, JSON_ENCODE_ANY) : NULL;
    int rc = kit_problem(c, e, "%s: %s: expected %s", where, what, w ? w : "?");
    if (!rc) rc = kit_problem(c, e, "%s: %s: got      %s", where, what, g ? g : "nothing");
    free(w);
    free(g);
    return rc;
}

static json_t *field_list(const struct verify_table *t, bool numbered) {
    json_t *out = json_array();
    size_t i;
    const json_t *f;
    json_array_foreach(verify_fields(t), i, f) json_array_append_new(
        out,
        json_pack("[o,O?,O?,O?]", numbered ? json_incref(json_object_get(f, "id")) : json_null(),
                  json_object_get(f, "name"), json_object_get(f, "type"), json_object_get(f, "required")));
    return out;
}

static json_t *partition_list(const struct verify_table *t) {
    const json_t *id = json_object_get(t->metadata, "default-spec-id"), *spec, *f;
    json_t *out = json_array();
    size_t i, j;
    json_array_foreach(json_object_get(t->metadata, "partition-specs"), i, spec) {
        if (!json_equal(id, json_object_get(spec, "spec-id"))) continue;
        json_array_foreach(json_object_get(spec, "fields"), j, f) json_array_append_new(
            out, json_pack("[O?,O?]", json_object_get(f, "source-id"), json_object_get(f, "transform")));
    }
    return out;
}

/* The same key of every snapshot's summary, in order. */
static json_t *summary_list(const struct verify_table *t, const char *key) {
    json_t *out = json_array();
    size_t i;
    const json_t *s;
    json_array_foreach(json_object_get(t->metadata, "snapshots"), i, s) {
        const char *text = verify_summary(s, key);
        json_array_append_new(out, text ? json_string(text) : json_null());
    }
    return out;
}

/* All weir.* of the current snapshot, without the id that was made for the run. */
static json_t *weir_summary(const struct verify_table *t, const json_t *want) {
    json_t *out = json_object(), *value;
    const char *key;
    json_object_foreach(json_object_get((json_t *)t->snapshot, "summary"), key, value) {
        bool made = strcmp(key, "weir.run-id") == 0 && !json_object_get(want, key);
        if (strncmp(key, "weir.", 5) == 0 && !made) json_object_set(out, key, value);
    }
    return out;
}

static int judge_table(const struct kit_request *r, struct kit_case *c, int t, struct err *e) {
    const struct verify_table *table = &c->tables[t];
    const char *where = kit_table_names[t];
    const json_t *want = json_object_get(json_object_get(c->spec, "tables"), where);
    if (!want || !table->metadata) return 0;
    json_t *schema = json_object_get(want, "schema"), *summary = json_copy(json_object_get(want, "summary"));
    if (summary) json_object_set_new(summary, "weir.stack", json_string(r->stack->name));
    json_t *got[] = {field_list(table, !json_is_null(json_array_get(json_array_get(schema, 0), 0))),
                     partition_list(table),
                     summary_list(table, "weir.run-id"),
                     summary_list(table, "operation"),
                     weir_summary(table, summary),
                     json_incref(json_object_get(table->metadata, "format-version"))};
    int rc = judge_value(c, where, "columns", schema, got[0], e);
    if (!rc) rc = judge_value(c, where, "partition", json_object_get(want, "partition"), got[1], e);
    if (!rc) rc = judge_value(c, where, "run ids", json_object_get(want, "run_ids"), got[2], e);
    if (!rc) rc = judge_value(c, where, "operations", json_object_get(want, "operations"), got[3], e);
    if (!rc) rc = judge_value(c, where, "summary", summary, got[4], e);
    if (!rc) rc = judge_value(c, where, "format", json_object_get(want, "format"), got[5], e);
    if (!rc) rc = judge_value(c, where, "files", json_object_get(want, "files"), c->files[t], e);
    for (size_t i = 0; i < sizeof got / sizeof *got; i++) json_decref(got[i]);
    json_decref(summary);
    return rc;
}

static int judge_unchanged(struct kit_case *c, struct err *e) {
    if (!json_is_true(json_object_get(c->spec, "unchanged"))) return 0;
    for (int t = 0; t < KIT_TABLES; t++) {
        const char *a = c->before[t] ? c->before[t] : "no table", *b = c->after[t] ? c->after[t] : "no table";
        if (strcmp(a, b) != 0)
            TRY(kit_problem(c, e, "%s must not have changed: was %s, is %s", kit_table_names[t], a, b));
    }
    return 0;
}

static int judge_commits(struct kit_case *c, struct err *e) {
    const json_t *want = json_object_get(c->spec, "commits");
    json_t *got = NULL;
    if (!want) return 0;
    struct err problem = {0};
    if (kit_catalog_logged(c, &got, &problem)) TRY(kit_problem(c, e, "the catalog: %s", problem.msg));
    int rc = judge_value(c, "catalog", "commits", want, got, e);
    json_decref(got);
    return rc;
}

/* ---- a case ---- */

/* A refusal: exit code 3, the message naming what is wrong, nothing written. */
static int judge_refusal(struct kit_case *c, const char *part, struct err *e) {
    if (c->answer.code != ERR_INPUT)
        TRY(kit_problem(c, e, "expected exit code 3, got %d: %s", c->answer.code, c->answer.message));
    else if (!strstr(c->answer.message, part))
        TRY(kit_problem(c, e, "the message must name \"%s\": %s", part, c->answer.message));
    for (int t = 0; t < KIT_TABLES; t++)
        if (c->after[t] && !c->before[t]) TRY(kit_problem(c, e, "%s: a table was made", kit_table_names[t]));
    return 0;
}

static int judge_end(struct kit_case *c, struct err *e) {
    const char *refusal = json_string_value(json_object_get(c->spec, "error"));
    if (refusal) return judge_refusal(c, refusal, e);
    bool fails = json_is_true(json_object_get(c->spec, "fails")), failed = c->answer.code != 0;
    if (fails && c->answer.code == ERR_INPUT)
        return kit_problem(c, e, "exit code 3 is for input that is wrong, which it is not: %s",
                           c->answer.message);
    if (fails && !failed) return kit_problem(c, e, "the run had to fail, and ended with exit code 0");
    if (!fails && failed) return kit_problem(c, e, "exit code %d: %s", c->answer.code, c->answer.message);
    for (int t = 0; t < KIT_TABLES && !fails; t++)
        if (!c->after[t]) TRY(kit_problem(c, e, "there is no table web.%s", kit_table_names[t]));
    return 0;
}

int kit_judge(const struct kit_request *r, struct kit_case *c, struct err *e) {
    if (!c->ran) return 0;
    TRY(judge_end(c, e));
    TRY(judge_unchanged(c, e));
    if (json_is_string(json_object_get(c->spec, "error"))) return 0;
    for (int t = 0; t < KIT_TABLES; t++) {
        TRY(judge_rows(c, t, e));
        TRY(judge_summaries(c, t, e));
        TRY(judge_table(r, c, t, e));
    }
    TRY(judge_result(c, e));
    return judge_commits(c, e);
}

/* ---- the report ---- */

static json_t *expected_counts(const json_t *spec) {
    const json_t *ledger = json_object_get(spec, "ledger");
    json_int_t in = json_integer_value(json_object_get(ledger, "rows_in")),
               out = json_integer_value(json_object_get(ledger, "rows_out"));
    return ledger ? json_pack("{s:I,s:I,s:I}", "rows_in", in, "rows_out", out, "rejected", in - out)
                  : json_null();
}

/* What the tables hold, whatever the stack says: null when they could not be read. */
static json_t *found_counts(const struct kit_case *c) {
    struct bag want = {0}, got = {0};
    struct err ignored = {0};
    size_t changed = 0, i = 0, j = 0;
    const char *row;
    const json_t *events = json_object_get(c->spec, "events"), *ledger = json_object_get(c->spec, "ledger");
    if (!c->rows[KIT_EVENTS] || !c->rows[KIT_REJECTS] || !ledger || c->answer.code) return json_null();
    int rc = bag_fill(&want, events, KIT_EVENTS, &ignored);
    if (!rc) rc = bag_fill(&got, c->rows[KIT_EVENTS], KIT_EVENTS, &ignored);
    for (int side; !rc && (side = next_only(&want, &got, &i, &j, &row));) changed += side > 0;
    bag_release(&want);
    bag_release(&got);
    json_int_t out = (json_int_t)json_array_size(c->rows[KIT_EVENTS]),
               rejected = (json_int_t)json_array_size(c->rows[KIT_REJECTS]),
               in = json_integer_value(json_object_get(ledger, "rows_in"));
    return json_pack("{s:I,s:I,s:I,s:I,s:I}", "rows_in",
                     json_integer_value(json_object_get(c->result, "rows_in")), "rows_out", out, "rejected",
                     rejected, "changed", (json_int_t)changed, "lost",
                     in > out + rejected ? in - out - rejected : 0);
}

/* Without strict reading a difference is one of rows: how many where, and events that are otherwise. */
static bool same_counts(const json_t *want, const json_t *got) {
    static const char *const keys[] = {"rows_in", "rows_out", "rejected"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (!json_equal(json_object_get(want, keys[i]), json_object_get(got, keys[i]))) return false;
    return json_integer_value(json_object_get(got, "changed")) == 0;
}

json_t *kit_report_case(const struct kit_request *r, const struct kit_case *c) {
    json_t *want = expected_counts(c->spec), *got = found_counts(c);
    bool passed =
        r->not_strict ? json_is_object(got) && same_counts(want, got) : !json_array_size(c->problems);
    json_t *o =
        json_pack("{s:s,s:s,s:s,s:o,s:o,s:O}", "id", c->id, "result",
                  c->needs ? "skipped"
                  : passed ? "passed"
                           : "failed",
                  "reading", kit_reading(c->pipeline), "expected", want, "got", got, "problems", c->problems);
    if (o && c->needs) json_object_set_new(o, "needs", json_string(c->needs));
    return o;
}
