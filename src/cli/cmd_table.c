/* weir table: what is in the lakehouse, and what crashed runs left in it. */
#include "base/units.h"
#include "cli/cli.h"
#include "cli/table_view.h"
#include "etl/iceberg_clean.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_usage usage = {
    .name = "table",
    .synopsis = "list | show | history | files [TABLE], or clean [TABLE]",
    .about = "Look at the tables, and remove files that crashed or failed runs left behind. TABLE is\n"
             "namespace.table; without it, all tables.",
    .examples = "  weir table list\n"
                "  weir table show web.events              # columns, partitioning, properties\n"
                "  weir table history web.events --json    # snapshots and what each changed\n"
                "  weir table files web.events             # data files of the current snapshot\n"
                "  weir table clean --dry-run              # what would be removed\n",
    .more =
        "`clean` removes only files that no retained metadata of any table in the catalog names, and that\n"
        "are older than --older-than, so that a running writer keeps its files; and folders of tables whose\n"
        "making failed. When any metadata cannot be read it removes nothing.\n",
};

struct arguments {
    struct cli_lake lake;
    const char *older_than;
    bool dry_run, json;
    const char *verb, *table;
};

/* "24h", "90m", "7d", "30s", "0": nanoseconds. */
static int parse_age(const char *text, int64_t *ns, struct err *e) {
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}};
    char *end;
    long long n = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
    if (n == 0 && !*end) {
        *ns = 0;
        return 0;
    }
    for (size_t i = 0; n >= 0 && n <= 100000000 && i < sizeof units / sizeof *units; i++)
        if (*end == units[i].unit && !end[1] && n * units[i].seconds <= INT64_C(9000000000)) {
            *ns = n * units[i].seconds * INT64_C(1000000000);
            return 0;
        }
    return err_set(e, ERR_USAGE, "--older-than: \"%s\" is no age; write for example 24h, 90m, 7d or 0s",
                   text);
}

/* Split "web.events" at its last dot. */
static int split_name(const char *name, struct arena *arena, const char **namespace_name, const char **table,
                      struct err *e) {
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || !dot[1])
        return err_set(e, ERR_USAGE, "\"%s\" is no table; write namespace.table, as web.events", name);
    *namespace_name = arena_copy(arena, name, (size_t)(dot - name));
    *table = dot + 1;
    return *namespace_name ? 0 : err_nomem(e);
}

/* ---- list, show, history, files ---- */

struct lister {
    struct lake *lake;
    const char *verb;
    json_t *tables;
    struct err failed; /* the last table that could not be listed */
};

static int view(struct lake *l, const char *verb, const char *namespace_name, const char *table, json_t **out,
                struct err *e) {
    struct iceberg_table t;
    char name[1024];
    TRY(lake_load(l, namespace_name, table, &t, e));
    if (!t.metadata) return err_set(e, ERR_INPUT, "there is no table %s.%s", namespace_name, table);
    snprintf(name, sizeof name, "%s.%s", namespace_name, table);
    int rc = strcmp(verb, "list") == 0      ? table_view_line(name, &t, out, e)
             : strcmp(verb, "show") == 0    ? table_view_show(name, &t, out, e)
             : strcmp(verb, "history") == 0 ? table_view_history(name, &t, out, e)
                                            : table_view_files(name, &t, l->store, out, e);
    iceberg_table_release(&t);
    return rc;
}

static int add_view(void *ctx, const char *namespace_name, const char *table, const char *metadata_location,
                    struct err *e) {
    struct lister *l = ctx;
    json_t *o;
    int rc = view(l->lake, l->verb, namespace_name, table, &o, e);
    if (rc && (!metadata_location || strcmp(l->verb, "list") != 0)) return rc;
    if (rc) { /* the list goes on without a table that cannot be read */
        char name[1024];
        snprintf(name, sizeof name, "%s.%s", namespace_name, table);
        l->failed = *e;
        o = json_pack("{s:s,s:s,s:s}", "table", name, "metadata_location", metadata_location, "error",
                      e->msg);
    }
    return json_array_append_new(l->tables, o) ? err_nomem(e) : 0;
}

static int print_json(const json_t *o, struct err *e) {
    char *text = json_print(o);
    if (!text) return err_nomem(e);
    puts(text);
    free(text);
    return 0;
}

static void print_view(const char *verb, const json_t *o) {
    if (strcmp(verb, "show") == 0) table_print_show(o);
    if (strcmp(verb, "history") == 0) table_print_history(o);
    if (strcmp(verb, "files") == 0) table_print_files(o);
}

static int print_views(const struct arguments *a, json_t *tables, struct err *e) {
    size_t i;
    const json_t *o;
    bool list = strcmp(a->verb, "list") == 0;
    if (a->json && a->table && !list) return print_json(json_array_get(tables, 0), e);
    if (a->json) {
        json_t *all = json_pack("{s:O}", "tables", tables);
        int rc = all ? print_json(all, e) : err_nomem(e);
        json_decref(all);
        return rc;
    }
    if (list) table_print_lines(tables);
    json_array_foreach(tables, i, o) {
        if (!list && i) printf("\n");
        print_view(a->verb, o);
    }
    return 0;
}

static int look(struct lake *l, const struct arguments *a, struct arena *arena, struct err *e) {
    struct lister lister = {l, a->verb, json_array(), {0}};
    const char *namespace_name = NULL, *table = NULL;
    int rc = lister.tables ? 0 : err_nomem(e);
    if (!rc && a->table) rc = split_name(a->table, arena, &namespace_name, &table, e);
    if (!rc && a->table) rc = add_view(&lister, namespace_name, table, NULL, e);
    if (!rc && !a->table) rc = catalog_list(l->catalog, false, add_view, &lister, e);
    if (!rc) rc = print_views(a, lister.tables, e);
    if (!rc && lister.failed.code) {
        *e = lister.failed;
        rc = e->code;
    }
    json_decref(lister.tables);
    return rc;
}

/* ---- clean ---- */

static int print_cleaned_json(const struct iceberg_cleaned *c, bool dry_run, struct err *e) {
    json_t *files = json_array(), *alone = json_array();
    for (size_t i = 0; i < c->file_count; i++)
        json_array_append_new(
            files, json_pack("{s:s,s:I}", "path", c->files[i].path, "bytes", (json_int_t)c->files[i].bytes));
    for (size_t i = 0; i < c->left_alone_count; i++)
        json_array_append_new(alone, json_string(c->left_alone[i]));
    json_t *o = json_pack("{s:b,s:o,s:I,s:I,s:I,s:I,s:o}", "dry_run", dry_run, "files", files, "file_count",
                          (json_int_t)c->file_count, "bytes", (json_int_t)c->bytes, "folders_removed",
                          (json_int_t)c->folder_count, "young_files", (json_int_t)c->young_count,
                          "left_alone", alone);
    int rc = o ? print_json(o, e) : err_nomem(e);
    json_decref(o);
    return rc;
}

static void print_cleaned(const struct iceberg_cleaned *c, const struct arguments *a) {
    char bytes[32], count[32];
    for (size_t i = 0; i < c->file_count; i++)
        printf("%10s  %s\n", units_format_size(c->files[i].bytes, bytes, sizeof bytes), c->files[i].path);
    printf("%s %s left-over files, %s\n", a->dry_run ? "would remove" : "removed",
           units_format_count(c->file_count, count, sizeof count),
           units_format_size(c->bytes, bytes, sizeof bytes));
    if (c->folder_count)
        printf("removed %s empty folders\n", units_format_count(c->folder_count, count, sizeof count));
    if (c->young_count)
        printf("%s more are younger than %s: they may belong to a running writer\n",
               units_format_count(c->young_count, count, sizeof count), a->older_than);
    for (size_t i = 0; i < c->left_alone_count; i++)
        printf("left alone: %s holds a table that is not in this catalog\n", c->left_alone[i]);
}

static int clean(struct lake *l, const struct arguments *a, struct arena *arena, struct err *e) {
    struct iceberg_clean_options o = {.dry_run = a->dry_run};
    TRY(parse_age(a->older_than, &o.older_than_ns, e));
    if (a->table) TRY(split_name(a->table, arena, &o.namespace_name, &o.table, e));
    struct iceberg_cleaned c;
    int rc = iceberg_clean(l, &o, &c, e);
    if (!rc && a->json)
        rc = print_cleaned_json(&c, a->dry_run, e);
    else if (!rc)
        print_cleaned(&c, a);
    iceberg_cleaned_release(&c);
    return rc;
}

/* ---- the command ---- */

static int run(const struct arguments *a, struct err *e) {
    static const char *const verbs[] = {"list", "show", "history", "files", "clean"};
    enum { VERBS = sizeof verbs / sizeof *verbs };
    size_t v = 0;
    while (v < VERBS && strcmp(verbs[v], a->verb) != 0) v++;
    if (v == VERBS) {
        const char *near = cli_nearest(a->verb, verbs, sizeof *verbs, VERBS);
        return err_set(e, ERR_USAGE, "weir table: no \"%s\"%s%s%s; see weir table --help", a->verb,
                       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    struct arena arena;
    struct lake_options o;
    struct lake *l;
    arena_init(&arena);
    int rc = cli_lake_resolve(&a->lake, &arena, &o, e);
    if (!rc) rc = lake_open(&o, false, &l, e);
    if (!rc) {
        rc = strcmp(a->verb, "clean") == 0 ? clean(l, a, &arena, e) : look(l, a, &arena, e);
        lake_close(l);
    }
    arena_release(&arena);
    return rc;
}

int cmd_table(int argc, char **argv) {
    struct err e = {0};
    struct arguments a = {.older_than = "24h"};
    const struct cli_option options[] = {
        {"older-than", "AGE", "clean: leave what is younger [24h]; s, m, h, d, w", .text = &a.older_than},
        {"dry-run", NULL, "clean: only say what would be removed", .flag = &a.dry_run},
        {"json", NULL, "print one JSON object", .flag = &a.json},
        {0},
    };
    int rc = cli_parse(&usage, options, &a.lake, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (argc < 1 || argc > 2)
        return cli_end(err_set(&e, ERR_USAGE,
                               "weir table: say list, show, history, files or clean, and at most "
                               "one table; see weir table --help"),
                       &e);
    a.verb = argv[0];
    a.table = argc > 1 ? argv[1] : NULL;
    return cli_end(run(&a, &e), &e);
}
