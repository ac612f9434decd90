#include "bench/plan.h"

#include "edge/yaml_json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct plan_context machine = {.cpus = 4, .memory_bytes = 16000000000};

static int make(struct plan *p, const char *yaml, struct err *e) {
    json_t *root = NULL;
    *p = (struct plan){0};
    TRY(yaml_json_parse(yaml, strlen(yaml), "plan.yaml", &root, e));
    int rc = plan_init(p, root, "some/plan.yaml", &machine, e);
    json_decref(root);
    return rc;
}

static void test_defaults(void **state) {
    (void)state;
    struct plan p;
    struct err e = {0};
    assert_int_equal(make(&p, "stacks: [x]", &e), 0);
    assert_string_equal(p.name, "plan.yaml");
    assert_int_equal(p.case_count, 1);
    assert_string_equal(p.cases[0].name, "small/csv/strict/warm/4cpu/4GB");
    assert_int_equal(p.repetitions, 10);
    assert_string_equal(p.aa, "x");
    plan_release(&p);
}

static void test_cases_are_all_combinations(void **state) {
    (void)state;
    struct plan p;
    struct err e = {0};
    const char *yaml =
        "stacks: [x, y]\n"
        "data: [tiny, {name: mine, size: 1.5GB, seed: 7, format: parquet, dirt: much, files: 3}]\n"
        "resources: [{cpus: 0.5, memory: 512MB}, {cpus: 2, memory: 2GiB}]\n"
        "cache: [cold, warm]\nparsing: [strict, idiomatic]\naa: y\ntimeout: 10m\nbudget: 2h\n";
    assert_int_equal(make(&p, yaml, &e), 0);
    assert_int_equal(p.case_count, 2 * 2 * 2 * 2);
    assert_string_equal(p.cases[0].name, "tiny/csv/strict/warm/0.5cpu/512MB");
    assert_string_equal(p.cases[15].name, "mine/parquet/idiomatic/cold/2cpu/2.147GB");
    assert_int_equal(p.data[1].size_bytes, 1500000000);
    assert_int_equal(p.data[1].seed, 7);
    assert_true(p.timeout_s > 599 && p.timeout_s < 601 && p.budget_s > 7199 && p.budget_s < 7201);
    for (unsigned i = 0; i < p.case_count; i++)
        for (unsigned k = 0; k < i; k++) assert_string_not_equal(p.cases[i].name, p.cases[k].name);
    plan_release(&p);
}

/* Several questions in one run: only the cases that are asked for, each with its own n. */
static void test_listed_cases(void **state) {
    (void)state;
    struct plan p;
    struct err e = {0};
    struct plan_step *steps;
    unsigned n, seen[5] = {0};
    const char *yaml = "stacks: [x, y]\n"
                       "data: [{name: a, rows: 1000, format: [csv, parquet]}, {name: b, size: 1GB}]\n"
                       "cases:\n"
                       "  - {data: a, format: csv, cache: [warm, cold]}\n"
                       "  - {data: a, format: csv, parsing: idiomatic}\n"
                       "  - {data: a, format: parquet, resources: {cpus: 1}}\n"
                       "  - {data: b, repetitions: 6}\n"
                       "precision: 5%\nrepetitions: 12\n";
    static const char *const names[] = {"a/csv/strict/warm/4cpu/4GB", "a/csv/strict/cold/4cpu/4GB",
                                        "a/csv/idiomatic/warm/4cpu/4GB", "a/parquet/strict/warm/1cpu/4GB",
                                        "b/csv/strict/warm/4cpu/4GB"};
    assert_int_equal(make(&p, yaml, &e), 0);
    assert_int_equal(p.case_count, 5);
    assert_true(p.cold && p.precision > 0.0499 && p.precision < 0.0501);
    for (int i = 0; i < 5; i++) assert_string_equal(p.cases[i].name, names[i]);
    assert_int_equal(plan_order(&p, &steps, &n, &e), 0);
    for (unsigned i = 0; i < n; i++) seen[steps[i].case_index]++;
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(seen[i], (i < 4 ? 12 : 6) * 3);
        assert_int_equal(seen[i], p.cases[i].repetitions * plan_case_samples(&p));
    }
    for (unsigned i = 12 * 6; i < n; i++) /* the last blocks are the longer cases' alone */
        if (steps[i].repetition > 6) assert_int_not_equal(steps[i].case_index, 4);
    free(steps);
    plan_release(&p);
}

static void test_order(void **state) {
    (void)state;
    struct plan p;
    struct err e = {0};
    struct plan_step *a, *b, *c;
    unsigned n, m;
    assert_int_equal(make(&p, "{stacks: [x, y, z], cache: [warm, cold], repetitions: 50, aa: y}", &e), 0);
    assert_int_equal(plan_order(&p, &a, &n, &e), 0);
    assert_int_equal(plan_order(&p, &b, &m, &e), 0);
    p.seed = 2;
    assert_int_equal(plan_order(&p, &c, &m, &e), 0);
    assert_int_equal(n, 50 * 2 * 4);
    assert_int_equal(m, n);
    assert_memory_equal(a, b, n * sizeof *a); /* the seed decides */
    assert_memory_not_equal(a, c, n * sizeof *a);
    unsigned first[3] = {0};
    for (unsigned block = 0; block < 50; block++) {
        unsigned seen[2][3] = {{0}}, twins = 0;
        for (unsigned i = 8 * block; i < 8 * block + 8; i++) {
            assert_int_equal(a[i].repetition, block + 1);
            seen[a[i].case_index][a[i].stack_index]++;
            if (a[i].stack_index == 1) assert_true(a[i].aa == 'a' || a[i].aa == 'b');
            if (a[i].stack_index != 1) assert_int_equal(a[i].aa, 0);
            if (a[i].aa == 'b') twins++;
        }
        for (int k = 0; k < 2; k++)
            for (int s = 0; s < 3; s++) assert_int_equal(seen[k][s], s == 1 ? 2 : 1);
        assert_int_equal(twins, 2);
        first[a[8 * block].stack_index]++;
    }
    /* Nobody always comes first: of 50 blocks each stack begins some. */
    for (int s = 0; s < 3; s++) assert_true(first[s] > 2);
    free(a);
    free(b);
    free(c);
    plan_release(&p);
}

static void test_wrong_values(void **state) {
    (void)state;
    static const char *const wrong[][2] = {
        {"{stacks: [x], resources: {cpus: 5}}", "resources.cpus"},
        {"{stacks: [x], resources: {memory: 17GB}}", "resources.memory"},
        {"{stacks: [x], data: []}", "data"},
        {"{stacks: [x], data: {name: a/b, size: 1MB}}", "data"},
        {"{stacks: [x], data: {name: a, size: 1MB, rows: 5}}", "either size or rows"},
        {"{stacks: [x], repetitions: 1.5}", "repetitions"},
        {"{stacks: [x], serve: 1}", "serve"},
        {"{stacks: [x], minimum_memory: 3}", "minimum_memory"},
        {"{stacks: [x], timeout: -1}", "timeout"},
        {"{stacks: x}", "stacks"},
        {"{stacks: [x], precision: 0}", "precision"},
        {"{stacks: [x], precision: 5}", "precision"},
        {"{stacks: [x], cases: []}", "cases"},
        {"{stacks: [x], cases: [{data: other}]}", "\"other\" is none of: small"},
        {"{stacks: [x], cases: [{format: parquet}]}", "no data of the plan"},
        {"{stacks: [x], cases: [{}, {cache: warm}]}", "twice"},
        {"{stacks: [x], cases: [{seed: 1}]}", "unknown key"},
        {"{stacks: [x], data: {name: a, size: 1MB, format: [csv, parquet]}}", "needs rows"},
        {"{stacks: [x], data: {name: a, rows: 5, format: [csv, csv]}}", "two are called"},
        {"{stacks: [x], data: {name: a, rows: 5, format: orc}}", "csv, parquet"},
        {"[1]", "plan"},
        {"{stacks: [x], stacks: [y]}", "given twice"},
        {"stacks: [x", "not YAML"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct plan p;
        struct err e = {0};
        assert_int_equal(make(&p, wrong[i][0], &e), ERR_INPUT);
        assert_non_null(strstr(e.msg, wrong[i][1]));
        plan_release(&p);
    }
}

static void test_quick(void **state) {
    (void)state;
    struct plan p;
    struct err e = {0};
    const char *stacks[] = {"x", "y"};
    struct plan_context own = machine;
    assert_int_equal(plan_init_quick(&p, stacks, 2, &own, &e), 0);
    assert_string_equal(p.cases[0].name, "small/csv/strict/warm/4cpu/4GB");
    assert_true(p.budget_s > 0 && p.repetitions == 10);
    plan_release(&p);
    own.own_input = true;
    own.input_bytes = 1000; /* less than a sample would be: all of it */
    own.repetitions = 3;
    assert_int_equal(plan_init_quick(&p, stacks, 2, &own, &e), 0);
    assert_string_equal(p.cases[0].name, "all/csv/strict/warm/4cpu/4GB");
    assert_int_equal(p.data[0].size_bytes, 0);
    assert_true(p.repetitions == 3 && !(p.budget_s > 0));
    plan_release(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),     cmocka_unit_test(test_cases_are_all_combinations),
        cmocka_unit_test(test_listed_cases), cmocka_unit_test(test_order),
        cmocka_unit_test(test_wrong_values), cmocka_unit_test(test_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
