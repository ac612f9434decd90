#include "bench/pace.h"

#include "base/files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct plan_case warm = {.strict = true, .resources = {2, 4000000000}},
                              cold = {.strict = true, .cold = true, .resources = {2, 4000000000}};

static bool about(double a, double b) {
    return fabs(a - b) < 1e-6 * b;
}

static void test_from_guess_to_the_same(void **state) {
    (void)state;
    struct pace p;
    enum pace_source source;
    char root[] = "/tmp/weir-pace-XXXXXX", path[64];
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof path, "%s/pace.json", root);
    assert_int_equal(file_replace(path, "", 0, &(struct err){0}), 0); /* an empty file is none */
    pace_open(&p, root);
    assert_true(about(pace_of(&p, "x", &warm, "csv", 1e9, &source), 8 + 20));
    assert_int_equal(source, PACE_GUESS);
    pace_add(&p, "x", &warm, "csv", 1e8, 10);
    assert_true(about(pace_of(&p, "x", &warm, "csv", 1e8, &source), 10));
    assert_int_equal(source, PACE_SAME);
    assert_true(about(pace_of(&p, "x", &warm, "csv", 1e9, &source), 4 + 60)); /* four seconds of starting */
    assert_int_equal(source, PACE_LIKE);
    pace_add(&p, "x", &warm, "csv", 3e8, 20);
    pace_add(&p, "x", &warm, "csv", 1e8, 12); /* the last one counts */
    assert_true(about(pace_of(&p, "x", &warm, "csv", 2e8, &source), 16));
    assert_true(about(pace_of(&p, "x", &warm, "csv", 4e8, &source), 24));
    pace_add(&p, "x", &warm, "parquet", 3e8, 5);
    assert_true(about(pace_of(&p, "x", &cold, "parquet", 3e8, &source), 5)); /* cold is more like warm */
    assert_int_equal(source, PACE_LIKE);
    pace_keep(&p);
    pace_release(&p);
    pace_open(&p, root);
    assert_true(about(pace_of(&p, "x", &warm, "csv", 3e8, &source), 20));
    assert_int_equal(source, PACE_SAME);
    pace_of(&p, "y", &warm, "csv", 3e8, &source);
    assert_int_equal(source, PACE_GUESS);
    pace_release(&p);
    unlink(path);
    rmdir(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_from_guess_to_the_same)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
