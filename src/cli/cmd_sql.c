/* weir sql: DuckDB with the lake's tables as views. */
#include "cli/cli.h"
#include "edge/duckdb.h"
#include "etl/iceberg_lake.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct cli_usage usage = {
    .name = "sql",
    .synopsis = "[OPTIONS] [\"QUERY\"]",
    .about = "DuckDB with the lake's Iceberg tables attached as views: web.events and web.rejects, or just\n"
             "events and rejects in the default namespace; and sessions, one row a session: session_id,\n"
             "user_id, start, \"end\", duration, events, entry_page, exit_page, device, country. Without a\n"
             "QUERY a shell, or the queries on standard input. Times are in UTC.",
    .examples = "  weir sql                                                      # a shell\n"
                "  weir sql \"select country, count(*) as n from sessions group by 1 order by 2 desc\"\n"
                "  weir sql --csv \"from events where country = 'DE'\" > de.csv\n"
                "  weir sql --json \"select reason, count(*) as n from rejects group by all\"\n",
    .more = "For an events table of another name, as clicks, the sessions are clicks_sessions.\n"
            "DuckDB is looked for in WEIR_DUCKDB, in .venv where scripts/setup puts it, and in PATH.\n"
            "Exit codes: 0 done, 2 usage, 3 a query that DuckDB refused, or no such lake.\n",
};

struct table {
    const char *namespace_name, *name;
    const char *path; /* of the metadata file */
    bool gzip, is_events;
};

struct session {
    struct lake *lake;
    const struct store_options *store;
    bool s3; /* a table lies there */
    struct arena arena;
    struct buf tables; /* of struct table */
    struct buf args;   /* of const char * */
};

static struct table *tables_of(const struct session *s, size_t *count) {
    *count = s->tables.len / sizeof(struct table);
    return (struct table *)(void *)s->tables.data;
}

/* A table with these columns was made by the pipeline (pipeline.md 4.1). */
static bool is_events(const json_t *metadata) {
    static const char *const needed[] = {"user_id",  "session_id", "event_seq", "event_time",
                                         "page_url", "device",     "country"};
    const json_t *fields = json_object_get(iceberg_current_schema(metadata), "fields"), *field;
    size_t found = 0, i;
    json_array_foreach((json_t *)fields, i, field) {
        const char *name = json_string_value(json_object_get(field, "name"));
        for (size_t j = 0; name && j < sizeof needed / sizeof *needed; j++)
            found += strcmp(name, needed[j]) == 0;
    }
    return found == sizeof needed / sizeof *needed;
}

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* A table that cannot be shown is named and left out, so that it does not hide the others. */
static int add_table(void *ctx, const char *namespace_name, const char *name, const char *location,
                     struct err *e) {
    struct session *s = ctx;
    struct err problem = {0};
    json_t *metadata = NULL;
    const char *why = NULL;
    struct table t = {.path = store_name(&s->arena, location),
                      .gzip = ends_with(location, ".gz.metadata.json") || ends_with(location, ".json.gz")};
    if (!t.path) return err_nomem(e);
    if (!store_is_local(location) && !store_is_s3(location))
        why = "neither a local file nor on S3";
    else if (iceberg_metadata_load(s->lake->store, location, &metadata, &problem))
        why = problem.msg;
    else if (!iceberg_current_snapshot(metadata))
        why = "it has no snapshot yet";
    if (why) {
        fprintf(stderr, "weir: %s.%s is left out: %s\n", namespace_name, name, why);
        json_decref(metadata);
        return 0;
    }
    t.is_events = is_events(metadata);
    s->s3 |= store_is_s3(location);
    json_decref(metadata);
    t.namespace_name = arena_printf(&s->arena, "%s", namespace_name);
    t.name = arena_printf(&s->arena, "%s", name);
    if (!t.namespace_name || !t.name) return err_nomem(e);
    return buf_add(&s->tables, &t, sizeof t, e);
}

static int add_arg(struct session *s, const char *arg, struct err *e) {
    return arg ? buf_add(&s->args, &arg, sizeof arg, e) : err_nomem(e);
}

/* One -cmd a statement group: a single argument may be 128 KiB at most. */
static int add_sql(struct session *s, struct buf *sql, struct err *e) {
    TRY(add_arg(s, "-cmd", e));
    TRY(add_arg(s, arena_copy(&s->arena, sql->data, sql->len), e));
    buf_clear(sql);
    return 0;
}

static int add_view_head(struct buf *sql, const char *namespace_name, const char *name, struct err *e) {
    TRY(buf_add_str(sql, "CREATE SCHEMA IF NOT EXISTS ", e));
    TRY(duckdb_add_identifier(sql, namespace_name, e));
    TRY(buf_add_str(sql, "; CREATE OR REPLACE VIEW ", e));
    TRY(duckdb_add_identifier(sql, namespace_name, e));
    TRY(buf_add_byte(sql, '.', e));
    TRY(duckdb_add_identifier(sql, name, e));
    return buf_add_str(sql, " AS ", e);
}

static int add_view(struct session *s, const struct table *t, struct buf *sql, struct err *e) {
    TRY(add_view_head(sql, t->namespace_name, t->name, e));
    TRY(buf_add_str(sql, "SELECT * FROM iceberg_scan(", e));
    TRY(duckdb_add_literal(sql, t->path, e));
    TRY(buf_add_str(sql, t->gzip ? ", metadata_compression_codec => 'gzip');" : ");", e));
    return add_sql(s, sql, e);
}

static int add_sessions(struct session *s, const struct table *t, const char *name, struct buf *sql,
                        struct err *e) {
    TRY(add_view_head(sql, t->namespace_name, name, e));
    TRY(buf_add_str(sql,
                    "SELECT session_id, user_id, min(event_time) AS start, max(event_time) AS \"end\", "
                    "max(event_time) - min(event_time) AS duration, count(*) AS events, "
                    "arg_min_null(page_url, event_seq) AS entry_page, "
                    "arg_max_null(page_url, event_seq) AS exit_page, arg_min(device, event_seq) AS device, "
                    "arg_min(country, event_seq) AS country FROM ",
                    e));
    TRY(duckdb_add_identifier(sql, t->namespace_name, e));
    TRY(buf_add_byte(sql, '.', e));
    TRY(duckdb_add_identifier(sql, t->name, e));
    TRY(buf_add_str(sql, " GROUP BY session_id, user_id;", e));
    return add_sql(s, sql, e);
}

static bool has_table(const struct session *s, const char *namespace_name, const char *name) {
    size_t count;
    const struct table *t = tables_of(s, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(t[i].namespace_name, namespace_name) == 0 && strcasecmp(t[i].name, name) == 0) return true;
    return false;
}

static int add_views(struct session *s, struct buf *sql, struct err *e) {
    size_t count;
    const struct table *t = tables_of(s, &count);
    for (size_t i = 0; i < count; i++) TRY(add_view(s, &t[i], sql, e));
    for (size_t i = 0; i < count; i++) {
        if (!t[i].is_events) continue;
        const char *name = strcasecmp(t[i].name, "events") == 0
                               ? "sessions"
                               : arena_printf(&s->arena, "%s_sessions", t[i].name);
        if (!name) return err_nomem(e);
        if (!has_table(s, t[i].namespace_name, name)) TRY(add_sessions(s, &t[i], name, sql, e));
    }
    return 0;
}

/* The namespace whose tables need no prefix: the one asked for, else web, else the first. */
static const char *default_namespace(const struct session *s, const char *asked) {
    size_t count;
    const struct table *t = tables_of(s, &count);
    const char *best = count ? t[0].namespace_name : NULL;
    for (size_t i = 0; i < count; i++) {
        if (asked && strcmp(t[i].namespace_name, asked) == 0) return asked;
        if (strcmp(t[i].namespace_name, "web") == 0) best = t[i].namespace_name;
    }
    return asked ? NULL : best;
}

static int prepare(struct session *s, const struct duckdb *d, const char *namespace_name, const char *mode,
                   struct err *e) {
    struct buf sql;
    buf_init(&sql, 0);
    TRY(add_arg(s, "-no-init", e));
    if (mode) TRY(add_arg(s, mode, e));
    if (mode && strcmp(mode, "-csv") == 0) {
        TRY(add_arg(s, "-nullvalue", e));
        TRY(add_arg(s, "", e));
    }
    int rc = duckdb_prepare_sql(d, &sql, e);
    if (!rc && s->s3) rc = duckdb_prepare_s3(d, s->store, &sql, e);
    if (!rc) rc = add_sql(s, &sql, e);
    if (!rc) rc = add_views(s, &sql, e);
    const char *use = default_namespace(s, namespace_name);
    if (!rc && !use && namespace_name)
        rc = err_set(e, ERR_INPUT, "no tables in the namespace \"%s\"", namespace_name);
    if (!rc && use) {
        rc = buf_add_str(&sql, "USE ", e);
        if (!rc) rc = duckdb_add_identifier(&sql, use, e);
        if (!rc) rc = add_sql(s, &sql, e);
    }
    buf_release(&sql);
    return rc;
}

static int run_query(struct session *s, const struct duckdb *d, const char *query, struct err *e) {
    int code = 0;
    if (query) {
        TRY(add_arg(s, "-c", e));
        TRY(add_arg(s, query, e));
    } else {
        TRY(add_arg(s, "-bail", e));
    }
    const char *end = NULL;
    TRY(buf_add(&s->args, &end, sizeof end, e));
    TRY(duckdb_run(d, (const char *const *)(void *)s->args.data, &code, e));
    if (code == 128 + SIGINT || code == 128 + SIGTERM) return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (code == 128 + SIGPIPE) return 0;
    if (code > 128) return err_set(e, ERR_OUTSIDE, "DuckDB was ended by signal %d", code - 128);
    return code ? err_set(e, ERR_INPUT, "DuckDB refused the query") : 0;
}

static int run_shell(struct session *s, const struct duckdb *d, struct err *e) {
    const char *end = NULL;
    TRY(buf_add(&s->args, &end, sizeof end, e));
    size_t count;
    const struct table *t = tables_of(s, &count);
    fprintf(stderr, "Tables:");
    for (size_t i = 0; i < count; i++) fprintf(stderr, " %s.%s", t[i].namespace_name, t[i].name);
    fprintf(stderr, "%s\n", count ? "; sessions" : " none");
    return duckdb_exec(d, (const char *const *)(void *)s->args.data, e);
}

static int run(struct session *s, const struct lake_options *o, const char *namespace_name, const char *mode,
               const char *query, struct err *e) {
    struct duckdb d;
    char home[PATH_MAX];
    TRY(duckdb_find(cli_home(home) ? home : NULL, &d, e));
    s->store = &o->store;
    TRY(lake_open(o, false, &s->lake, e));
    TRY(catalog_list(s->lake->catalog, false, add_table, s, e));
    TRY(prepare(s, &d, namespace_name, mode, e));
    return query || !isatty(STDIN_FILENO) ? run_query(s, &d, query, e) : run_shell(s, &d, e);
}

int cmd_sql(int argc, char **argv) {
    struct err e = {0};
    struct cli_lake lake = {0};
    struct lake_options o;
    const char *namespace_name = NULL;
    bool json = false, csv = false;
    const struct cli_option options[] = {
        {"json", NULL, "print rows as a JSON array", .flag = &json},
        {"csv", NULL, "print rows as CSV", .flag = &csv},
        {"namespace", "NAME", "whose tables need no prefix [web, else the first]", .text = &namespace_name},
        {0},
    };
    int rc = cli_parse(&usage, options, &lake, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    struct session s = {0};
    arena_init(&s.arena);
    buf_init(&s.tables, 0);
    buf_init(&s.args, 0);
    if (argc > 1)
        rc = err_set(&e, ERR_USAGE, "one query at a time, in quotes; see weir sql --help");
    else if (json && csv)
        rc = err_set(&e, ERR_USAGE, "--json or --csv, not both");
    else
        rc = cli_lake_resolve(&lake, &s.arena, &o, &e);
    if (!rc)
        rc = run(&s, &o, namespace_name, json ? "-json" : csv ? "-csv" : NULL, argc ? argv[0] : NULL, &e);
    lake_close(s.lake);
    buf_release(&s.args);
    buf_release(&s.tables);
    arena_release(&s.arena);
    return cli_end(rc, &e);
}
