#include "cli/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct cli_usage usage = {.name = "run", .synopsis = "INPUT...", .about = "", .examples = ""};

struct answers {
    const char *rows, *out;
    bool json;
    struct cli_lake lake;
};

/* Parse the words (NULL ends them); operands are left in words. */
static int parse(struct answers *a, const char **words, int *count, struct err *e) {
    const struct cli_option options[] = {
        {"rows", "N", "rows", .text = &a->rows},
        {"out", "DIR", "folder", .text = &a->out},
        {"json", NULL, "as JSON", .flag = &a->json},
        {0},
    };
    *count = 0;
    while (words[*count]) ++*count;
    *a = (struct answers){0};
    return cli_parse(&usage, options, &a->lake, count, (char **)words, e);
}

static void reads_both_forms_and_leaves_operands(void **state) {
    (void)state;
    struct answers a;
    struct err e = {0};
    int n;
    const char *words[] = {"run", "x.csv", "--rows", "10", "-", "--lake=a=b", "--json", "--", "--out", NULL};
    assert_int_equal(parse(&a, words, &n, &e), 0);
    assert_string_equal(a.rows, "10");
    assert_string_equal(a.lake.lake, "a=b");
    assert_true(a.json);
    assert_null(a.out);
    assert_int_equal(n, 3);
    assert_string_equal(words[0], "x.csv");
    assert_string_equal(words[1], "-");
    assert_string_equal(words[2], "--out");
    assert_null(words[3]);
}

static void wrong_options_name_the_nearest(void **state) {
    (void)state;
    static const struct {
        const char *word, *message;
    } cases[] = {
        {"--row", "unknown option \"--row\"; did you mean --rows?; see weir run --help"},
        {"--lkae=3", "unknown option \"--lkae\"; did you mean --lake?; see weir run --help"},
        {"-json", "unknown option \"-json\"; did you mean --json?; see weir run --help"},
        {"--zzzzzzzz", "unknown option \"--zzzzzzzz\"; see weir run --help"},
        {"--json=1", "--json takes no value; see weir run --help"},
        {"--rows", "--rows needs a value: --rows N; see weir run --help"},
        {"--rows=", "--rows: its value is empty; see weir run --help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct answers a;
        struct err e = {0};
        int n;
        const char *words[] = {"run", cases[i].word, NULL};
        assert_int_equal(parse(&a, words, &n, &e), ERR_USAGE);
        assert_string_equal(e.msg, cases[i].message);
    }
}

static void nearest_is_near(void **state) {
    (void)state;
    static const char *const names[] = {"run", "sql", "table", "stack"};
    assert_string_equal(cli_nearest("tabel", names, sizeof *names, 4), "table");
    assert_string_equal(cli_nearest("sq", names, sizeof *names, 4), "sql");
    assert_null(cli_nearest("xyzxyzxyz", names, sizeof *names, 4));
    assert_null(cli_nearest("", names, sizeof *names, 0));
}

static void clear_environment(void) {
    unsetenv("WEIR_LAKE");
    unsetenv("WEIR_CATALOG");
    unsetenv("WEIR_CATALOG_NAME");
    unsetenv("WEIR_WAREHOUSE");
}

static void lake_defaults_are_absolute(void **state) {
    (void)state;
    clear_environment();
    struct arena arena;
    struct lake_options o;
    struct err e = {0};
    arena_init(&arena);
    assert_int_equal(chdir("/tmp"), 0);
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){0}, &arena, &o, &e), 0);
    assert_string_equal(o.catalog_uri, "sqlite:///tmp/lake/catalog.db");
    assert_string_equal(o.warehouse, "file:///tmp/lake/warehouse");
    assert_string_equal(o.catalog_name, "weir");
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){.lake = "/a//"}, &arena, &o, &e), 0);
    assert_string_equal(o.catalog_uri, "sqlite:///a/catalog.db");
    arena_release(&arena);
}

static void lake_locations_by_variable_and_option(void **state) {
    (void)state;
    clear_environment();
    struct arena arena;
    struct lake_options o;
    struct err e = {0};
    arena_init(&arena);
    setenv("WEIR_CATALOG", "sqlite:////c/x.db", 1);
    setenv("WEIR_WAREHOUSE", "file:/w/", 1);
    setenv("WEIR_CATALOG_NAME", "shop", 1);
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){0}, &arena, &o, &e), 0);
    assert_string_equal(o.catalog_uri, "sqlite:///c/x.db");
    assert_string_equal(o.warehouse, "file:///w");
    assert_string_equal(o.catalog_name, "shop");
    /* --lake names both places, whatever the environment says. */
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){.lake = "/l"}, &arena, &o, &e), 0);
    assert_string_equal(o.catalog_uri, "sqlite:///l/catalog.db");
    assert_string_equal(o.warehouse, "file:///l/warehouse");
    setenv("WEIR_WAREHOUSE", "s3://bucket/w", 1);
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){0}, &arena, &o, &e), 0);
    assert_string_equal(o.warehouse, "s3://bucket/w");
    setenv("WEIR_WAREHOUSE", "gs://bucket", 1);
    assert_int_equal(cli_lake_resolve(&(struct cli_lake){0}, &arena, &o, &e), ERR_INPUT);
    clear_environment();
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_both_forms_and_leaves_operands),
        cmocka_unit_test(wrong_options_name_the_nearest),
        cmocka_unit_test(nearest_is_near),
        cmocka_unit_test(lake_defaults_are_absolute),
        cmocka_unit_test(lake_locations_by_variable_and_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
