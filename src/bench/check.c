#include "bench/check.h"

#include "base/files.h"
#include "bench/verify.h"
#include "edge/duckdb.h"
#include "edge/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* Clocks are one, but events are written a little before or after what they tell. */
static const int64_t tolerance_ns = 50000000;

static bool say(struct check_verdict *v, const char *status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* False, so that a check can end with it. */
static bool say(struct check_verdict *v, const char *status, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->error, sizeof v->error, fmt, ap);
    va_end(ap);
    /* The result file is UTF-8, whatever a stack prints or a path holds. */
    for (char *c = v->error; *c; c++)
        if ((unsigned char)*c >= 0x80 || (unsigned char)*c < ' ') *c = '?';
    v->status = status;
    return false;
}

/* ---- how the processes ended ---- */

static bool ended_well(const struct run_outcome *o, struct check_verdict *v) {
    int status = o->end.status;
    bool failed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (o->end.start_errno > 0)
        return say(v, "failed", "it could not be started: %s", strerror(o->end.start_errno));
    if (o->end.start_errno < 0) return say(v, "failed", "the process that watched over it was killed");
    if (o->timed_out) return say(v, "timeout", "not done after %.0f s; ended", o->total_s);
    if (o->oom_kills && (failed || !o->events.committed))
        return say(v, "oom", "out of memory: the kernel ended %" PRIu64 " of its processes", o->oom_kills);
    if (WIFSIGNALED(status))
        return say(v, "failed", "ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    if (WEXITSTATUS(status)) return say(v, "failed", "exit code %d", WEXITSTATUS(status));
    return true;
}

static bool events_right(const struct run_outcome *o, struct check_verdict *v) {
    const struct run_events *n = &o->events;
    const int64_t order[] = {o->end.request_ns - tolerance_ns, n->start, n->ready, n->committed, n->done,
                             o->end.exit_ns + tolerance_ns};
    static const char *const names[] = {"request", "start", "ready", "committed", "done", "exit"};
    for (int i = 1; i < 5; i++)
        if (!order[i]) return say(v, "failed", "its events file has no \"%s\"", names[i]);
    for (int i = 1; i < 6; i++)
        if (order[i] < order[i - 1])
            return say(v, "lied", "its events say \"%s\" before \"%s\", which cannot be", names[i],
                       names[i - 1]);
    return true;
}

/* ---- what the tables say ---- */

static int64_t whole(const json_t *o, const char *key) {
    return json_integer_value(json_object_get(o, key));
}

static const char *text_in(const json_t *o, const char *a, const char *b, const char *c) {
    const json_t *at = json_object_get(o, a);
    if (b) at = json_object_get(at, b);
    if (c) at = json_object_get(at, c);
    const char *text = json_string_value(at);
    return text ? text : "";
}

/* One whole line of numbers claimed against those that hold. */
static bool same_number(struct check_verdict *v, const char *status, const char *what, const char *claimant,
                        int64_t claimed, const char *holder, int64_t held) {
    if (claimed == held) return true;
    return say(v, status, "%s: %s says %" PRId64 ", %s %" PRId64, what, claimant, claimed, holder, held);
}

static bool result_right(const json_t *result, const json_t *report, const struct job *j,
                         struct check_verdict *v) {
    const json_t *rejected = json_object_get(result, "rejected"), *events = json_object_get(report, "events"),
                 *held = json_object_get(json_object_get(report, "rejects"), "by_reason_a");
    const char *reason, *run_id = text_in(report, "a", "run_id", NULL);
    json_t *n;
    int64_t sum = 0;
    if (strcmp(run_id, j->run_id) != 0)
        return say(v, "lied", "the table is that of run \"%.60s\", not of this one", run_id);
    if (!same_number(v, "lied", "rows out", "its result file", whole(result, "rows_out"), "the table holds",
                     whole(events, "rows_a")))
        return false;
    json_object_foreach((json_t *)rejected, reason, n) {
        sum += json_integer_value(n);
        if (!same_number(v, "lied", reason, "its result file", json_integer_value(n),
                         "the table of rejects holds", whole(held, reason)))
            return false;
    }
    json_object_foreach((json_t *)held, reason, n) {
        if (!json_object_get(rejected, reason))
            return say(v, "lied", "its result file leaves out the rejected \"%.40s\"", reason);
    }
    if (!same_number(v, "lied", "rows in", "its result file", whole(result, "rows_in"),
                     "out and rejected make", whole(result, "rows_out") + sum))
        return false;
    return same_number(v, "lied", "rows in", "its result file", whole(result, "rows_in"), "its snapshot",
                       whole(json_object_get(json_object_get(report, "a"), "ledger"), "rows_in"));
}

/* What the generator knows of its data. */
static bool truth_right(const json_t *result, const json_t *truth, struct check_verdict *v) {
    static const char *const counts[] = {"rows_in", "rows_out", "sessions", "users"};
    const char *reason;
    json_t *n;
    if (!truth) return true;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (!same_number(v, "different", counts[i], "it", whole(result, counts[i]), "the data's truth",
                         whole(truth, counts[i])))
            return false;
    json_object_foreach(json_object_get((json_t *)truth, "rejected"), reason, n) {
        if (!same_number(v, "different", reason, "it", whole(json_object_get(result, "rejected"), reason),
                         "the data's truth", json_integer_value(n)))
            return false;
    }
    return true;
}

static bool ledger_right(const json_t *report, struct check_verdict *v) {
    const json_t *ledger = json_object_get(json_object_get(report, "a"), "ledger"),
                 *unknown = json_object_get(ledger, "uncheckable");
    if (!json_is_true(json_object_get(ledger, "right")))
        return say(v, "lied", "%s",
                   json_string_value(json_array_get(json_object_get(ledger, "problems"), 0)));
    if (json_array_size(unknown))
        return say(v, "unverified", "its ledger cannot be checked: %s",
                   json_string_value(json_array_get(unknown, 0)));
    return true;
}

/* The commit is the last metadata file: a stack that says "committed" earlier hides the rest of its work. */
static bool commit_right(const struct run_outcome *o, struct check_verdict *v) {
    struct stat st;
    const char *paths[] = {v->events, v->rejects};
    for (int i = 0; i < 2; i++) {
        if (!*paths[i] || stat(paths[i], &st)) continue;
        int64_t written = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
        if (written > o->events.committed + tolerance_ns)
            return say(v, "lied", "it said \"committed\" %.3f s before it wrote %s",
                       (double)(written - o->events.committed) / 1e9,
                       i ? "the table of rejects" : "the table");
    }
    return true;
}

/* ---- equality ---- */

static int verify_tables(const struct check_request *q, const char *const tables[2],
                         const char *const rejects[2], json_t **report, bool *equal, struct err *e) {
    const struct verify_request r = {.catalog_uri = q->job->catalog_uri,
                                     .catalog_name = q->job->catalog_name,
                                     .tables = {tables[0], tables[1]},
                                     .rejects = {rejects[0], rejects[1]},
                                     .store = q->job->s3,
                                     .home = q->home,
                                     .tmp_dir = q->tmp_dir,
                                     .memory_bytes = UINT64_C(2000000000),
                                     .quick = true};
    return verify_run(&r, report, equal, e);
}

static void name_differences(const json_t *report, char *out, size_t cap) {
    static const char *const pairs[] = {"events", "rejects"};
    size_t at = 0;
    *out = 0;
    for (int i = 0; i < 2; i++) {
        const json_t *p = json_object_get(report, pairs[i]),
                     *columns = json_object_get(p, "columns_that_differ");
        if (!json_is_false(json_object_get(p, "equal")) || at >= cap) continue;
        at += (size_t)snprintf(
            out + at, cap - at, "%s%s: %" PRId64 " rows only in the first result, %" PRId64 " only in this",
            at ? "; " : "", pairs[i], whole(p, "rows_only_in_a"), whole(p, "rows_only_in_b"));
        for (size_t k = 0; k < json_array_size(columns) && at < cap; k++)
            at += (size_t)snprintf(out + at, cap - at, "%s%s", k ? ", " : "; columns ",
                                   json_string_value(json_array_get(columns, k)));
    }
}

/* Digests that differ may still be of equal rows: columns in another order, or one that only one side has.
 * The full comparison decides, while the first result is kept. */
static int compare(const struct check_request *q, const struct check_reference *r, struct check_verdict *v,
                   struct err *e) {
    json_t *report = NULL;
    bool equal = false;
    char what[CHECK_ERROR - 128] = "";
    const char *const tables[2] = {r->events, v->events}, *const rejects[2] = {r->rejects, v->rejects};
    if (strcmp(r->digest, v->digest) == 0) return 0;
    if (*r->events && (store_is_s3(r->events) || file_exists(r->events))) {
        struct err problem = {0};
        int rc = verify_tables(q, tables, rejects, &report, &equal, &problem);
        if (rc == ERR_INTERRUPTED) return err_set(e, rc, "interrupted");
        if (rc) return say(v, "unverified", "%s", problem.msg), 0;
        name_differences(report, what, sizeof what);
        json_decref(report);
    }
    if (!equal)
        say(v, "different", "not equal to the first result, of stack %s%s%s", r->stack, *what ? ": " : "",
            what);
    return 0;
}

/* What only counting shows; for the result that the others will be compared with. */
static int count_table(const struct check_request *q, const char *metadata, struct buf *answer,
                       struct err *e) {
    struct duckdb d;
    struct buf load, sql;
    buf_init(&load, 0);
    buf_init(&sql, 0);
    size_t len = strlen(metadata);
    bool gzip = (len > 17 && strcmp(metadata + len - 17, ".gz.metadata.json") == 0) ||
                (len > 8 && strcmp(metadata + len - 8, ".json.gz") == 0);
    int rc = duckdb_find(q->home, &d, e);
    if (!rc) rc = duckdb_prepare_sql(&d, &load, e);
    if (!rc && store_is_s3(metadata)) rc = duckdb_prepare_s3(&d, &q->job->s3, &load, e);
    if (!rc)
        rc = buf_add_str(&sql, "WITH t AS (SELECT user_id, session_start, country FROM iceberg_scan(", e);
    if (!rc) rc = duckdb_add_literal(&sql, metadata, e);
    if (!rc && gzip) rc = buf_add_str(&sql, ", metadata_compression_codec => 'gzip'", e);
    if (!rc)
        rc = buf_add_str(
            &sql,
            ")) SELECT to_json({'sessions': (SELECT count(*) FROM (SELECT DISTINCT user_id, "
            "session_start FROM t)), 'users': (SELECT count(DISTINCT user_id) FROM t), 'countries': "
            "(SELECT json_group_object(country, n) FROM (SELECT country, count(*) AS n FROM t "
            "GROUP BY country))})",
            e);
    if (!rc) {
        const char *const args[] = {"-no-init",      "-bail", "-list",        "-noheader", "-cmd",
                                    buf_cstr(&load), "-c",    buf_cstr(&sql), NULL};
        rc = duckdb_capture(&d, args, q->tmp_dir, answer, e);
    }
    buf_release(&load);
    buf_release(&sql);
    return rc;
}

static bool counts_right(const json_t *counted, const json_t *result, const json_t *truth,
                         struct check_verdict *v) {
    const char *country;
    json_t *n;
    if (!same_number(v, "lied", "sessions", "its result file", whole(result, "sessions"), "the table holds",
                     whole(counted, "sessions")) ||
        !same_number(v, "lied", "users", "its result file", whole(result, "users"), "the table holds",
                     whole(counted, "users")))
        return false;
    json_object_foreach(json_object_get((json_t *)truth, "countries"), country, n) {
        if (!same_number(v, "different", country, "the table has",
                         whole(json_object_get(counted, "countries"), country), "the data's truth",
                         json_integer_value(n)))
            return false;
    }
    return true;
}

static int check_counts(const struct check_request *q, const json_t *result, struct check_reference *r,
                        struct check_verdict *v, struct err *e) {
    struct buf answer;
    struct err problem = {0};
    json_t *counted = NULL;
    buf_init(&answer, 1 << 20);
    int rc = count_table(q, v->events, &answer, &problem);
    if (!rc) counted = json_loadb((const char *)answer.data, answer.len, 0, NULL);
    buf_release(&answer);
    if (rc == ERR_INTERRUPTED) return err_set(e, rc, "interrupted");
    if (!counted)
        say(v, "unverified", "its table could not be counted: %s", rc ? problem.msg : "DuckDB said no JSON");
    else if (counts_right(counted, result, q->truth, v)) {
        r->sessions = whole(counted, "sessions");
        r->users = whole(counted, "users");
    }
    json_decref(counted);
    return 0;
}

/* Equal tables hold as many sessions and users. */
static bool same_counts(const json_t *result, const struct check_reference *r, struct check_verdict *v) {
    return same_number(v, "lied", "sessions", "its result file", whole(result, "sessions"), "the table holds",
                       r->sessions) &&
           same_number(v, "lied", "users", "its result file", whole(result, "users"), "the table holds",
                       r->users);
}

static int check_tables(const struct check_request *q, const json_t *result, struct check_reference *r,
                        struct check_verdict *v, struct err *e) {
    json_t *report = NULL;
    bool equal;
    char name[512];
    struct err problem = {0};
    snprintf(name, sizeof name, "%s.%s", q->job->namespace_name, q->job->events);
    const char *const tables[2] = {name, name}, *const rejects[2] = {NULL, NULL};
    int rc = verify_tables(q, tables, rejects, &report, &equal, &problem);
    if (rc == ERR_INTERRUPTED) return err_set(e, rc, "interrupted");
    if (rc == ERR_INPUT) return say(v, "lied", "it says that it committed, but %s", problem.msg), 0;
    if (rc) return say(v, "unverified", "%s", problem.msg), 0;
    snprintf(v->digest, sizeof v->digest, "%s,%s", text_in(report, "events", "digest_a", NULL),
             text_in(report, "rejects", "digest_a", NULL));
    snprintf(v->events, sizeof v->events, "%s", text_in(report, "a", "events", "metadata"));
    snprintf(v->rejects, sizeof v->rejects, "%s", text_in(report, "a", "rejects", "metadata"));
    bool right = ledger_right(report, v) && result_right(result, report, q->job, v) &&
                 commit_right(q->outcome, v) && truth_right(result, q->truth, v);
    json_decref(report);
    if (!right) return 0;
    if (!r->set) return check_counts(q, result, r, v, e);
    TRY(compare(q, r, v, e));
    if (strcmp(v->status, "ok") == 0) same_counts(result, r, v);
    return 0;
}

static void take_result(const json_t *result, struct check_verdict *v) {
    v->ledger =
        json_pack("{s:O,s:O,s:O,s:O,s:O}", "rows_in", json_object_get(result, "rows_in"), "rows_out",
                  json_object_get(result, "rows_out"), "rejected", json_object_get(result, "rejected"),
                  "sessions", json_object_get(result, "sessions"), "users", json_object_get(result, "users"));
    v->seen = json_incref(json_object_get(result, "seen"));
}

int check_run(const struct check_request *q, struct check_reference *reference, struct check_verdict *v,
              struct err *e) {
    json_t *result = NULL;
    struct err problem = {0};
    *v = (struct check_verdict){.status = "ok"};
    if (!ended_well(q->outcome, v) || !events_right(q->outcome, v)) return 0;
    if (job_result_read(q->job->result_file, &result, &problem))
        return say(v, "failed", "%s", problem.msg), 0;
    take_result(result, v);
    int rc = check_tables(q, result, reference, v, e);
    json_decref(result);
    if (rc || strcmp(v->status, "ok") != 0) return rc;
    v->verified = true;
    if (!reference->set) {
        reference->set = true;
        memcpy(reference->digest, v->digest, sizeof v->digest);
        memcpy(reference->events, v->events, sizeof v->events);
        memcpy(reference->rejects, v->rejects, sizeof v->rejects);
    }
    return 0;
}

void check_release(struct check_verdict *v) {
    json_decref(v->ledger);
    json_decref(v->seen);
    v->ledger = v->seen = NULL;
}

/* ---- what it wrote ---- */

static int count_entry(void *ctx, const struct store_entry *entry, struct err *e) {
    struct check_output *counted = ctx;
    size_t len = strlen(entry->path);
    (void)e;
    if (entry->folder || len <= 8 || strcmp(entry->path + len - 8, ".parquet") != 0) return 0;
    counted->files++;
    counted->bytes += entry->bytes;
    return 0;
}

static int count_files(const struct check_request *q, struct check_output *out, struct err *e) {
    struct store *store;
    TRY(store_open(&q->job->s3, &store, e));
    int rc = store_list(store, q->job->warehouse, count_entry, out, e);
    store_close(store);
    return rc;
}

static int ask_row_groups(const struct check_request *q, struct buf *sql, struct buf *answer, struct err *e) {
    static const char scheme[] = "file://";
    const char *warehouse = q->job->warehouse;
    struct duckdb d;
    char pattern[8192];
    if (strncmp(warehouse, scheme, strlen(scheme)) == 0) warehouse += strlen(scheme);
    snprintf(pattern, sizeof pattern, "%s/**/*.parquet", warehouse);
    TRY(duckdb_find(q->home, &d, e));
    if (store_is_s3(warehouse)) TRY(duckdb_prepare_s3(&d, &q->job->s3, sql, e));
    TRY(buf_add_str(sql, "SELECT sum(num_row_groups) FROM parquet_file_metadata(", e));
    TRY(duckdb_add_literal(sql, pattern, e));
    TRY(buf_add_str(sql, ")", e));
    const char *const args[] = {"-no-init", "-bail", "-list", "-noheader", "-c", buf_cstr(sql), NULL};
    return duckdb_capture(&d, args, q->tmp_dir, answer, e);
}

void check_output(const struct check_request *q, struct check_output *out) {
    struct buf sql, answer;
    struct err e = {0};
    *out = (struct check_output){.row_groups = -1};
    if (count_files(q, out, &e) || !out->files) return;
    buf_init(&sql, 0);
    buf_init(&answer, 1 << 16);
    if (!ask_row_groups(q, &sql, &answer, &e) && buf_cstr(&answer)) {
        char *end;
        int64_t n = strtoll((const char *)answer.data, &end, 10);
        if (end != (char *)answer.data) out->row_groups = n;
    }
    buf_release(&sql);
    buf_release(&answer);
}
