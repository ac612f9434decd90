/* What the cases left, read by DuckDB: rows and files of many tables with one process. */
#include "bench/kit_case.h"
#include "edge/catalog.h"
#include "edge/duckdb.h"
#include "edge/store.h"

#include "base/files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTPUT_MAX = 512 << 20 };

const char *const kit_table_names[KIT_TABLES] = {"events", "rejects"};

int kit_locate(const struct kit_case *c, char *locations[KIT_TABLES], struct err *e) {
    struct catalog *catalog;
    int rc = 0;
    if (!file_exists(c->catalog_path)) return 0;
    TRY(catalog_open(c->catalog_uri, "weir", false, &catalog, e));
    for (int t = 0; !rc && t < KIT_TABLES; t++)
        rc = catalog_find(catalog, "web", kit_table_names[t], &locations[t], e);
    catalog_close(catalog);
    return rc;
}

/* ---- metadata ---- */

static int open_table(const struct kit_request *r, struct kit_case *c, int t, struct arena *arena,
                      struct err *e) {
    struct err problem = {0};
    const char *path = store_path(arena, c->after[t]);
    if (!path) return kit_problem(c, e, "%s: \"%s\" is not a local file", kit_table_names[t], c->after[t]);
    const struct verify_request v = {.tables = {path, path}, .home = r->home, .tmp_dir = r->tmp_dir};
    if (verify_find_events(&v, 0, arena, &c->tables[t], &problem))
        return kit_problem(c, e, "%s: %s", kit_table_names[t], problem.msg);
    return 0;
}

/* ---- SQL ---- */

static int add_columns(struct buf *sql, const struct verify_table *t, struct err *e) {
    size_t i;
    const json_t *field;
    json_array_foreach(verify_fields(t), i, field) {
        const char *name = json_string_value(json_object_get(field, "name")),
                   *type = json_string_value(json_object_get(field, "type"));
        bool is_time = type && strncmp(type, "timestamp", 9) == 0;
        if (!name) continue;
        TRY(buf_add_str(sql, is_time ? ", strftime(make_timestamp(epoch_us(" : ", ", e));
        TRY(duckdb_add_identifier(sql, name, e));
        if (is_time) TRY(buf_add_str(sql, ")), '%Y-%m-%dT%H:%M:%S.%fZ')", e));
    }
    return 0;
}

/* Every file in the table's folder: of a new table, those of its one run. */
static int add_glob(struct buf *sql, const struct verify_table *t, struct arena *arena, struct err *e) {
    const char *location = json_string_value(json_object_get(t->metadata, "location"));
    const char *folder = location ? store_path(arena, location) : NULL;
    if (!folder) return err_set(e, ERR_INPUT, "the table's location is no local folder");
    return duckdb_add_literal(sql, arena_printf(arena, "%s/**/*.parquet", folder), e);
}

/* Lines [table, value, …] for its rows; [table, {"count", …}] for its files where the case asks for them. */
static int add_queries(struct buf *sql, const struct kit_case *c, int t, size_t number, struct arena *arena,
                       struct err *e) {
    const struct verify_table *table = &c->tables[t];
    TRY(buf_printf(sql, e, "SELECT json_array(%zu", number));
    TRY(add_columns(sql, table, e));
    TRY(buf_add_str(sql, ")::VARCHAR FROM iceberg_scan(", e));
    TRY(duckdb_add_literal(sql, table->path, e));
    TRY(buf_add_str(sql, table->is_gzip ? ", metadata_compression_codec => 'gzip');" : ");", e));
    const json_t *asked = json_object_get(json_object_get(c->spec, "tables"), kit_table_names[t]);
    if (!json_object_get(asked, "files")) return 0;
    TRY(buf_printf(sql, e,
                   "SELECT json_array(%zu, json_object('count', count(DISTINCT file_name), 'compression', "
                   "string_agg(DISTINCT compression, ' '), 'days_each', ",
                   number));
    if (t == KIT_EVENTS) {
        TRY(buf_add_str(sql,
                        "(SELECT max(days) FROM (SELECT count(DISTINCT event_time::DATE) AS days FROM "
                        "read_parquet(",
                        e));
        TRY(add_glob(sql, table, arena, e));
        TRY(buf_add_str(sql, ", filename = true) GROUP BY filename))", e));
    } else {
        TRY(buf_add_str(sql, "NULL", e));
    }
    TRY(buf_add_str(sql, "))::VARCHAR FROM parquet_metadata(", e));
    TRY(add_glob(sql, table, arena, e));
    return buf_add_str(sql, ");", e);
}

/* ---- answers ---- */

static int take_line(struct kit_case *cases, json_t *line, struct err *e) {
    size_t number = (size_t)json_integer_value(json_array_get(line, 0));
    struct kit_case *c = &cases[number / KIT_TABLES];
    json_t *first = json_array_get(line, 1);
    if (json_is_object(first)) {
        c->files[number % KIT_TABLES] = json_incref(first);
        return 0;
    }
    json_t *rows = c->rows[number % KIT_TABLES];
    if (json_array_remove(line, 0) || json_array_append(rows, line)) return err_nomem(e);
    return 0;
}

static int take_lines(struct kit_case *cases, struct buf *out, struct err *e) {
    if (!buf_cstr(out)) return err_nomem(e);
    for (char *at = (char *)out->data, *end; *at; at = end + 1) {
        end = strchr(at, '\n');
        if (!end) return err_set(e, ERR_OUTSIDE, "DuckDB's answer ends within a line");
        json_t *line = json_loadb(at, (size_t)(end - at), JSON_ALLOW_NUL, NULL);
        int rc = json_is_array(line) ? take_line(cases, line, e)
                                     : err_set(e, ERR_OUTSIDE, "DuckDB's answer is no JSON: %.200s", at);
        json_decref(line);
        TRY(rc);
    }
    return 0;
}

/* The tables of cases[from … to): one process. */
static int ask(const struct kit_request *r, const struct duckdb *duckdb, struct kit_case *cases, size_t from,
               size_t to, struct arena *arena, struct err *e) {
    const char **args = arena_alloc(arena, (2 * KIT_TABLES * (to - from) + 12) * sizeof *args);
    struct buf sql, out;
    size_t n = 0;
    if (!args) return err_nomem(e);
    args[n++] = "-no-init", args[n++] = "-bail", args[n++] = "-list", args[n++] = "-noheader";
    buf_init(&sql, 0);
    buf_init(&out, OUTPUT_MAX);
    int rc = duckdb_prepare_sql(duckdb, &sql, e);
    for (size_t i = from; !rc && i < to; i++)
        for (int t = 0; !rc && t < KIT_TABLES; t++) {
            if (!cases[i].tables[t].metadata) continue;
            json_decref(cases[i].rows[t]);
            cases[i].rows[t] = json_array();
            rc = add_queries(&sql, &cases[i], t, i * KIT_TABLES + (size_t)t, arena, e);
            args[n++] = "-cmd";
            if (!rc && !(args[n++] = arena_copy(arena, sql.data, sql.len))) rc = err_nomem(e);
            buf_clear(&sql);
        }
    args[n++] = "-c", args[n++] = "", args[n] = NULL;
    if (!rc && n > 6) rc = duckdb_capture(duckdb, args, r->tmp_dir, &out, e);
    if (!rc) rc = take_lines(cases, &out, e);
    buf_release(&sql);
    buf_release(&out);
    return rc;
}

/* A table that DuckDB cannot read makes it give up on all: then each case by itself. */
static int ask_each(const struct kit_request *r, const struct duckdb *duckdb, struct kit_case *cases,
                    size_t count, struct arena *arena, struct err *e) {
    for (size_t i = 0; i < count; i++) {
        struct err problem = {0};
        int rc = ask(r, duckdb, cases, i, i + 1, arena, &problem);
        if (rc == ERR_INTERRUPTED) return err_set(e, rc, "%s", problem.msg);
        if (!rc) continue;
        for (int t = 0; t < KIT_TABLES; t++) {
            json_decref(cases[i].rows[t]);
            cases[i].rows[t] = NULL;
        }
        TRY(kit_problem(&cases[i], e, "the tables cannot be read: %s", problem.msg));
    }
    return 0;
}

int kit_read_tables(const struct kit_request *r, struct kit_case *cases, size_t count, struct err *e) {
    struct duckdb duckdb;
    struct arena arena;
    struct err problem = {0};
    TRY(duckdb_find(r->home, &duckdb, e));
    arena_init(&arena);
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++)
        for (int t = 0; !rc && t < KIT_TABLES; t++)
            if (cases[i].after[t]) rc = open_table(r, &cases[i], t, &arena, e);
    if (!rc && ask(r, &duckdb, cases, 0, count, &arena, &problem))
        rc = problem.code == ERR_INTERRUPTED ? err_set(e, problem.code, "%s", problem.msg)
                                             : ask_each(r, &duckdb, cases, count, &arena, e);
    for (size_t i = 0; i < count; i++) /* paths live in the arena */
        for (int t = 0; t < KIT_TABLES; t++) cases[i].tables[t].path = NULL;
    arena_release(&arena);
    return rc;
}
