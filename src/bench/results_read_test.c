/* Reading result files: what is taken, what is passed over, what is refused and how. */
#include "bench/results_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RUN                                                                                                  \
    "{\"type\":\"run\",\"schema\":1,\"weir\":\"0.1.0\",\"run\":\"r\",\"created\":\"2026-11-27T06:00:00Z\"}"  \
    "\n"
#define SAMPLE                                                                                               \
    "{\"type\":\"sample\",\"id\":7,\"case\":\"c\",\"stack\":\"s\",\"status\":\"ok\",\"verified\":true,"      \
    "\"aa\":\"b\","                                                                                          \
    "\"metrics\":{\"job_s\":1.5,\"init_s\":null,\"cpu_s\":-1}}\n"

static char path[] = "/tmp/results-XXXXXX";

static int set_up(void **state) {
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state) {
    (void)state;
    return unlink(path);
}

/* The code of reading this text; the file is the caller's to release. */
static int read_text(struct results_file *f, const char *text, struct err *e) {
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    *e = (struct err){0};
    return results_file_read(f, path, e);
}

static void refused(const char *text, const char *line, const char *why) {
    struct results_file f;
    struct err e;
    char where[64];
    assert_int_equal(read_text(&f, text, &e), ERR_INPUT);
    snprintf(where, sizeof where, "%s%s%s", path, *line ? ":" : "", line);
    assert_non_null(strstr(e.msg, where));
    assert_non_null(strstr(e.msg, why));
    results_file_release(&f);
}

static void test_reads(void **state) {
    (void)state;
    struct results_file f;
    struct err e;
    double v;
    assert_int_equal(read_text(&f,
                               RUN "{\"type\":\"weather\",\"rain\":true}\n\n"
                                   "{\"type\":\"stack\",\"stack\":\"s\",\"title\":\"old\"}\n"
                                   "{\"type\":\"stack\",\"stack\":\"s\",\"title\":\"new\"}\n" SAMPLE
                                   "{\"type\":\"end\",\"samples\":1}\n",
                               &e),
                     0);
    assert_int_equal(f.run_count, 1);
    assert_int_equal(f.sample_count, 1);
    assert_int_equal(f.samples[0].id, 7);
    assert_int_equal(f.samples[0].twin, 'b');
    assert_true(f.samples[0].usable && f.ended && !f.truncated);
    assert_true(results_metric(&f.samples[0], "job_s", &v) && v == 1.5);
    assert_false(results_metric(&f.samples[0], "init_s", &v));
    assert_false(results_metric(&f.samples[0], "cpu_s", &v));
    assert_false(results_metric(&f.samples[0], "none", &v));
    const json_t *stack = results_find(f.stacks, f.stack_count, "stack", "s");
    assert_string_equal(results_text(stack, "title", ""), "new");
    assert_null(results_find(f.stacks, f.stack_count, "stack", "t"));
    results_file_release(&f);
}

static void test_no_timing_without_verification(void **state) {
    (void)state;
    static const char *const unusable[] = {
        "\"status\":\"ok\",\"verified\":false", "\"status\":\"ok\"",
        "\"status\":\"oom\",\"verified\":true", "\"status\":\"lied\",\"verified\":true",
        "\"status\":\"new-in-2030\"",
    };
    for (size_t i = 0; i < sizeof unusable / sizeof *unusable; i++) {
        struct results_file f;
        struct err e;
        char text[512];
        double v;
        snprintf(text, sizeof text,
                 "%s{\"type\":\"sample\",\"case\":\"c\",\"stack\":\"s\",%s,\"metrics\":{\"job_s\":1}}\n", RUN,
                 unusable[i]);
        assert_int_equal(read_text(&f, text, &e), 0);
        assert_false(f.samples[0].usable);
        assert_false(results_metric(&f.samples[0], "job_s", &v));
        results_file_release(&f);
    }
}

static void test_torn_end(void **state) {
    (void)state;
    struct results_file f;
    struct err e;
    assert_int_equal(read_text(&f, RUN SAMPLE "{\"type\":\"sample\",\"id\":8,\"ca", &e), 0);
    assert_true(f.truncated && !f.ended);
    assert_int_equal(f.sample_count, 1);
    results_file_release(&f);
    /* Whole but for its newline: taken. */
    assert_int_equal(read_text(&f, RUN "{\"type\":\"end\",\"samples\":0}", &e), 0);
    assert_true(f.ended && !f.truncated);
    results_file_release(&f);
    /* Benchmarks appended: the file has not ended until the last has. */
    assert_int_equal(read_text(&f, RUN "{\"type\":\"end\"}\n" RUN SAMPLE, &e), 0);
    assert_int_equal(f.run_count, 2);
    assert_int_equal(f.samples[0].run, 1);
    assert_false(f.ended);
    results_file_release(&f);
}

static void test_refuses(void **state) {
    (void)state;
    refused("", "", "empty");
    refused("\n\n", "", "empty");
    refused(SAMPLE RUN, "1", "must be of type \"run\"");
    refused(RUN "{broken\n" SAMPLE, "2", "not JSON");
    refused("{broken", "1", "not JSON");
    refused(RUN "[1]\n", "2", "not an object");
    refused(RUN "{\"x\":1}\n", "2", "\"type\"");
    refused(RUN "{\"type\":\"sample\",\"case\":\"c\",\"stack\":\"s\"}\n", "2", "\"status\"");
    refused(RUN "{\"type\":\"sample\",\"case\":1,\"stack\":\"s\",\"status\":\"ok\"}\n", "2", "\"case\"");
    refused("{\"type\":\"run\"}\n", "1", "schema");
    refused("{\"type\":\"run\",\"schema\":2,\"weir\":\"7.1.0\"}\n", "1", "read it with weir 7.1.0");
    refused(RUN SAMPLE "{\"type\":\"run\",\"schema\":2}\n", "3", "newer weir (schema 2");
    struct results_file f;
    struct err e = {0};
    assert_int_equal(results_file_read(&f, "/nonexistent/x.jsonl", &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "/nonexistent/x.jsonl"));
    results_file_release(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_no_timing_without_verification),
        cmocka_unit_test(test_torn_end),
        cmocka_unit_test(test_refuses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
