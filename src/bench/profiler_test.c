#include "bench/profiler.h"

#include "base/files.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect(const char *profiler, const char *text, const char *first, double percent,
                   size_t functions, long long samples) {
    struct arena arena;
    struct profiler p;
    struct profile_function found[2];
    struct err e = {0};
    size_t count;
    long long n;
    char path[] = "/tmp/weir-profile-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    arena_init(&arena);
    assert_int_equal(file_replace(path, text, strlen(text), &e), 0);
    assert_true(profiler_find(profiler, NULL, &p));
    assert_int_equal(profiler_read(&p, path, &arena, found, 2, &count, &n, &e), 0);
    assert_int_equal(n, samples);
    assert_int_equal(count, functions);
    if (functions) {
        assert_string_equal(found[0].name, first);
        assert_true(fabs(found[0].percent - percent) < 1e-9);
    }
    arena_release(&arena);
    unlink(path);
}

static void test_perf(void **state) {
    (void)state;
    expect("perf", "    55d1 main\n    7f2a ZSTD_x\n    7f2a ZSTD_x\n\n  7f2b memcpy+0x4 (inlined)\n",
           "ZSTD_x", 50, 2, 4);
    expect("perf", "", NULL, 0, 0, 0);
}

static void test_py_spy(void **state) {
    (void)state;
    expect("py-spy",
           "main (/a/b.py:3);f (c.py:1) 3\nmain (/a/b.py:3);f (/lib/c.py:9) 6\nprocess 12:\"x\" 1\nbroken\n",
           "f (c.py)", 90, 2, 10);
}

static void test_jfr(void **state) {
    (void)state;
    expect("jfr",
           "jdk.ExecutionSample {\n  stackTrace = [\n    a.B$C.match(Matcher, int) line: 4\n    ...\n  ]\n}\n"
           "jdk.ExecutionSample {\n  stackTrace = [\n    a.B$C.match(Matcher, int) line: 9\n  ]\n}\n"
           "jdk.ExecutionSample {\n  stackTrace = [\n    a.D.run() line: 1\n  ]\n}\n",
           "a.B$C.match", 200.0 / 3, 2, 3);
}

static void test_commands(void **state) {
    (void)state;
    struct arena arena;
    struct profiler p;
    const char *argv[PROFILER_ARGV_MAX], *env[2];
    struct err e = {0};
    arena_init(&arena);
    assert_false(profiler_find("gprof", NULL, &p));
    assert_true(profiler_find("jfr", NULL, &p));
    assert_int_equal(profiler_command(&p, "/x/y.jfr", "j.json", &arena, argv, env, &e), 0);
    assert_string_equal(argv[0], "./run");
    assert_string_equal(argv[1], "j.json");
    assert_null(argv[2]);
    assert_non_null(strstr(env[0], "filename=/x/y.jfr"));
    assert_true(profiler_find("perf", NULL, &p));
    assert_int_equal(profiler_command(&p, "/x/y.data", "j.json", &arena, argv, env, &e), 0);
    assert_string_equal(argv[1], "record");
    assert_null(env[0]);
    size_t n = 0;
    while (argv[n]) n++;
    assert_string_equal(argv[n - 1], "j.json");
    arena_release(&arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_perf), cmocka_unit_test(test_py_spy),
                                       cmocka_unit_test(test_jfr), cmocka_unit_test(test_commands)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
