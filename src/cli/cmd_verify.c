/* weir verify: do two results hold the same rows? */
#include "base/units.h"
#include "bench/verify.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_usage usage = {
    .name = "verify",
    .synopsis = "[OPTIONS] A B",
    .about =
        "Say whether two results are equal: two events tables and the rejects of the runs that made them,\n"
        "as DuckDB reads them. A and B: namespace.table, or table in the namespace web, or the path of a\n"
        "metadata file; NAME@RUN-ID is the table as that run left it. Order, files and stacks make no\n"
        "difference; how often a row is there does. The ledgers are checked against the tables.",
    .examples = "  weir verify web.events spark.events            # and the rejects of their runs\n"
                "  weir verify web.events@monday web.events       # two runs into one table\n"
                "  weir verify --rejects web.bad b.bad web.events b.events\n"
                "  weir verify --json web.events /data/lake2/warehouse/web/events/metadata/….metadata.json\n",
    .more =
        "What is compared, and what --json prints: docs/verify.md.\n"
        "Exit codes: 0 equal, 1 different, 2 usage, 3 no such table or not readable, 4 failure outside.\n",
};

struct arguments {
    struct cli_lake lake;
    const char *rejects[2], *memory, *tmp_dir;
    bool json, quick;
};

/* --rejects A B is the one option with two values: taken out before the others are read. */
static int take_rejects(struct arguments *a, int *argc, char **argv, struct err *e) {
    for (int i = 1; i < *argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--rejects") != 0) continue;
        if (i + 2 >= *argc || argv[i + 1][0] == '-' || argv[i + 2][0] == '-')
            return err_set(e, ERR_USAGE, "--rejects needs two tables: --rejects A B; see weir verify --help");
        a->rejects[0] = argv[i + 1];
        a->rejects[1] = argv[i + 2];
        memmove(argv + i, argv + i + 3, (size_t)(*argc - i - 3) * sizeof *argv);
        *argc -= 3;
        i--;
    }
    return 0;
}

/* ---- for people ---- */

static const char *text(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "-";
}

static const char *count(const json_t *o, const char *key, char out[32]) {
    json_int_t n = json_integer_value(json_object_get(o, key));
    return units_format_count((uint64_t)n, out, 32);
}

static void print_side(const char *name, const json_t *side) {
    const json_t *events = json_object_get(side, "events");
    printf("%s  %s", name, text(events, "table"));
    if (json_is_string(json_object_get(side, "run_id")))
        printf("   run %s, stack %s", text(side, "run_id"), text(side, "stack"));
    printf("\n");
}

static void print_names(const char *before, const json_t *names) {
    size_t i;
    const json_t *name;
    if (!json_array_size(names)) return;
    printf("  %s", before);
    json_array_foreach(names, i, name) printf("%s%s", i ? ", " : " ", json_string_value(name));
    printf("\n");
}

/* The keys and what differs; all of it when that is most of it. */
static bool is_shown(const char *name, const json_t *differing, bool all) {
    static const char *const keys[] = {"reason", "user_id", "event_time", "timestamp", "event_id", "raw"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(name, keys[i]) == 0) return true;
    size_t i;
    const json_t *d;
    json_array_foreach(differing, i, d) if (strcmp(name, json_string_value(d)) == 0) return true;
    return all;
}

static void print_row(char sign, const json_t *found, const json_t *differing, bool all) {
    const char *name;
    json_t *value;
    json_int_t times = json_integer_value(json_object_get(found, "times"));
    printf("  %c", sign);
    json_object_foreach(json_object_get((json_t *)found, "row"), name, value) {
        bool left_out = json_is_null(value) && (all || strcmp(name, "raw") == 0);
        if (left_out || !is_shown(name, differing, all)) continue;
        char *shown = json_dumps(value, JSON_ENCODE_ANY);
        printf(" %s=%s", name, shown ? shown : "?");
        free(shown);
    }
    if (times > 1) printf("  (%lld times)", (long long)times);
    printf("\n");
}

static void print_rows(char sign, const char *side, const json_t *pair, const char *total_key,
                       const char *list_key, bool all) {
    char n[32];
    size_t i;
    const json_t *row, *list = json_object_get(pair, list_key);
    if (!json_integer_value(json_object_get(pair, total_key))) return;
    printf("  rows in %s only: %s%s\n", side, count(pair, total_key, n),
           json_integer_value(json_object_get(pair, total_key)) > (json_int_t)json_array_size(list)
               ? "; the first:"
               : "");
    json_array_foreach(list, i, row) print_row(sign, row, json_object_get(pair, "columns_that_differ"), all);
}

static void print_pair(const char *what, const json_t *pair) {
    char a[32], b[32];
    if (json_is_false(json_object_get(pair, "compared"))) {
        printf("%s  not compared: %s\n", what, text(pair, "why"));
        return;
    }
    bool equal = json_is_true(json_object_get(pair, "equal"));
    count(pair, "rows_a", a);
    count(pair, "rows_b", b);
    if (equal)
        printf("%s  equal: %s row%s, digest %s\n", what, a, strcmp(a, "1") == 0 ? "" : "s",
               text(pair, "digest_a"));
    else
        printf("%s  DIFFERENT: %s row%s in A, %s in B\n", what, a, strcmp(a, "1") == 0 ? "" : "s", b);
    print_names("columns in A only:", json_object_get(pair, "columns_only_in_a"));
    print_names("columns in B only:", json_object_get(pair, "columns_only_in_b"));
    const char *name;
    json_t *types;
    json_object_foreach(json_object_get((json_t *)pair, "types_differ"), name, types)
        printf("  note: %s is %s in A, %s in B\n", name, json_string_value(json_array_get(types, 0)),
               json_string_value(json_array_get(types, 1)));
    bool both = json_integer_value(json_object_get(pair, "rows_only_in_a")) &&
                json_integer_value(json_object_get(pair, "rows_only_in_b"));
    /* Rows that are missing differ in every column. */
    if (both) print_names("columns that differ:", json_object_get(pair, "columns_that_differ"));
    print_rows('-', "A", pair, "rows_only_in_a", "first_only_in_a", !both);
    print_rows('+', "B", pair, "rows_only_in_b", "first_only_in_b", !both);
}

static void print_ledger(const char *name, const json_t *ledger) {
    size_t i;
    char in[32], out[32];
    const json_t *line;
    json_array_foreach(json_object_get(ledger, "problems"), i, line)
        printf("ledger %s WRONG: %s\n", name, json_string_value(line));
    json_array_foreach(json_object_get(ledger, "uncheckable"), i, line)
        printf("ledger %s cannot be checked: %s\n", name, json_string_value(line));
    if (json_is_true(json_object_get(ledger, "right")) && json_object_get(ledger, "rows_in"))
        printf("ledger %s right: %s rows in, %s out\n", name, count(ledger, "rows_in", in),
               count(ledger, "rows_out", out));
}

static void print_report(const json_t *report) {
    const json_t *a = json_object_get(report, "a"), *b = json_object_get(report, "b");
    print_side("A", a);
    print_side("B", b);
    print_pair("events ", json_object_get(report, "events"));
    print_pair("rejects", json_object_get(report, "rejects"));
    print_ledger("A", json_object_get(a, "ledger"));
    print_ledger("B", json_object_get(b, "ledger"));
    bool equal = json_is_true(json_object_get(report, "equal"));
    bool all = json_is_true(json_object_get(json_object_get(report, "rejects"), "compared"));
    printf("%s\n", !equal ? "DIFFERENT" : all ? "equal" : "equal, as far as compared");
}

/* ---- the command ---- */

static int run(const struct arguments *a, char **tables, struct err *e) {
    struct arena arena;
    struct lake_options lake;
    char home[PATH_MAX];
    json_t *report = NULL;
    bool equal = false;
    struct verify_request r = {.tables = {tables[0], tables[1]},
                               .rejects = {a->rejects[0], a->rejects[1]},
                               .home = cli_home(home) ? home : NULL,
                               .quick = a->quick};
    const char *tmp = getenv("TMPDIR");
    if (a->tmp_dir) tmp = a->tmp_dir;
    arena_init(&arena);
    int rc = units_parse_size(a->memory, "--memory", &r.memory_bytes, e);
    if (!rc) rc = cli_lake_resolve(&a->lake, &arena, &lake, e);
    if (!rc) rc = cli_absolute(tmp && *tmp ? tmp : "/tmp", &arena, &r.tmp_dir, e);
    if (!rc) {
        r.catalog_uri = lake.catalog_uri;
        r.catalog_name = lake.catalog_name;
        r.store = lake.store;
        rc = verify_run(&r, &report, &equal, e);
    }
    if (!rc && a->json) {
        char *dump = json_dumps(report, JSON_INDENT(2));
        if (dump) puts(dump);
        if (!dump) rc = err_nomem(e);
        free(dump);
    } else if (!rc) {
        print_report(report);
    }
    json_decref(report);
    arena_release(&arena);
    return rc ? rc : equal ? 0 : ERR_DIFFERENT;
}

int cmd_verify(int argc, char **argv) {
    struct err e = {0};
    const char *never = NULL;
    struct arguments a = {.memory = "2GB"};
    const struct cli_option options[] = {
        {"rejects", "A B", "the rejects tables [as the snapshots name them]", .text = &never},
        {"quick", NULL, "no digests of columns while the tables are equal", .flag = &a.quick},
        {"memory", "SIZE", "what DuckDB may use before it spills [2GB]", .text = &a.memory},
        {"tmp-dir", "DIR", "where it spills to [TMPDIR, else /tmp]", .text = &a.tmp_dir},
        {"json", NULL, "print one JSON object", .flag = &a.json},
        {0},
    };
    int rc = take_rejects(&a, &argc, argv, &e);
    if (!rc) rc = cli_parse(&usage, options, &a.lake, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (never)
        return cli_end(
            err_set(&e, ERR_USAGE, "--rejects needs two tables: --rejects A B; see weir verify --help"), &e);
    if (argc != 2)
        return cli_end(err_set(&e, ERR_USAGE, "say which two tables to compare; see weir verify --help"), &e);
    rc = run(&a, argv, &e);
    return rc == ERR_DIFFERENT && !e.code ? (cli_end(0, &e) ? ERR_OUTSIDE : ERR_DIFFERENT) : cli_end(rc, &e);
}
