/* From samples to verdicts, on samples made here; the command's tests (tests/report) have the many cases. */
#include "bench/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { N = 10 };

struct maker {
    FILE *out;
    int id;
};

/* N samples with job times around `job_s`, spread by a hundredth. */
static void samples(struct maker *m, const char *name, const char *stack, const char *twin, double job_s,
                    const char *status) {
    for (int i = 0; i < N; i++)
        fprintf(m->out,
                "{\"type\":\"sample\",\"id\":%d,\"case\":\"%s\",\"stack\":\"%s\",\"aa\":%s,\"status\":\"%s\","
                "\"verified\":true,"
                "\"digest\":\"d\",\"cpus\":2,\"seen\":{\"cpus\":2},\"metrics\":{\"job_s\":%.6f}}\n",
                ++m->id, name, stack, twin, status, job_s * (1 + 0.001 * (i * 7 % N)));
}

static struct maker begin(char path[32]) {
    strcpy(path, "/tmp/summary-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct maker m = {fdopen(fd, "w"), 0};
    assert_non_null(m.out);
    fputs("{\"type\":\"run\",\"schema\":1,\"weir\":\"1\",\"created\":\"2026-11-27T06:00:00Z\"}\n"
          "{\"type\":\"stack\",\"stack\":\"slow\",\"made_by\":\"others\"}\n"
          "{\"type\":\"stack\",\"stack\":\"quick\",\"made_by\":\"others\"}\n"
          "{\"type\":\"stack\",\"stack\":\"own\",\"made_by\":\"weir\"}\n",
          m.out);
    return m;
}

static void finish(struct maker *m, const char *path, struct results_file *f) {
    struct err e = {0};
    assert_int_equal(fclose(m->out), 0);
    assert_int_equal(results_file_read(f, path, &e), 0);
    assert_int_equal(unlink(path), 0);
}

static void test_verdict(void **state) {
    (void)state;
    char path[32];
    struct maker m = begin(path);
    struct results_file f;
    struct summary s;
    struct err e = {0};
    samples(&m, "c", "own", "null", 1, "ok");
    samples(&m, "c", "slow", "\"a\"", 3, "ok");
    samples(&m, "c", "slow", "\"b\"", 3.0005, "ok");
    samples(&m, "c", "quick", "null", 2, "ok");
    finish(&m, path, &f);
    assert_int_equal(summary_make(&s, &f, 1, &e), 0);
    assert_int_equal(s.case_count, 1);
    const struct summary_case *c = &s.cases[0];
    /* In the file's order, independent ones first; the twin counts for no one. */
    assert_int_equal(c->stack_count, 3);
    assert_int_equal(c->independent, 2);
    assert_string_equal(c->stacks[0].name, "slow");
    assert_string_equal(c->stacks[2].name, "own");
    assert_true(c->stacks[2].ours);
    for (size_t i = 0; i < 3; i++) assert_int_equal(c->stacks[i].usable, N);
    const struct summary_verdict *v = &c->verdicts[METRIC_JOB];
    assert_int_equal(v->outcome, SUMMARY_WINNER);
    assert_string_equal(c->stacks[v->winner].name, "quick");
    assert_int_equal(v->twins.verdict, STATS_TIE);
    assert_int_equal(c->tie, SEAL_HOLDS);
    assert_int_equal(c->equal, SEAL_HOLDS);
    assert_int_equal(c->budgets, SEAL_HOLDS);
    /* The same comparison from both ends. */
    struct stats_comparison up = summary_pair_of(v, 1, 0), down = summary_pair_of(v, 0, 1);
    assert_true(up.ratio > 1.4 && up.ratio < 1.6 && down.ratio < 1);
    assert_int_equal(up.verdict, STATS_MORE);
    assert_int_equal(down.verdict, STATS_LESS);
    assert_true(up.interval.low <= up.ratio && up.ratio <= up.interval.high);
    assert_true(down.interval.low <= down.ratio && down.ratio <= down.interval.high);
    assert_int_equal(c->verdicts[METRIC_CPU].outcome, SUMMARY_NONE);

    struct summary_sentence said[SUMMARY_SENTENCES_MAX];
    size_t count;
    assert_int_equal(summary_sentences(c, &s.arena, said, &count, &e), 0);
    assert_int_equal(count, 3);
    assert_string_equal(said[0].text, "slow takes 1.50× [1.49, 1.51] as long as quick (job time).");
    assert_string_equal(said[0].samples, "quick 31–40; slow 11–20");
    assert_non_null(strstr(said[1].text, "own (made by weir's authors, never the winner) takes 0.5"));
    assert_string_equal(said[2].text, "quick wins job time.");
    summary_release(&s);
    results_file_release(&f);
}

static void test_gate_of_another_case(void **state) {
    (void)state;
    char path[32];
    struct maker m = begin(path);
    struct results_file f;
    struct summary s;
    struct err e = {0};
    samples(&m, "with", "slow", "\"a\"", 3, "ok");
    samples(&m, "with", "slow", "\"b\"", 3.3, "ok");
    samples(&m, "without", "slow", "null", 3, "ok");
    samples(&m, "without", "quick", "null", 2, "ok");
    samples(&m, "without", "own", "null", 2, "failed");
    finish(&m, path, &f);
    assert_int_equal(summary_make(&s, &f, 1, &e), 0);
    assert_int_equal(s.case_count, 2);
    const struct summary_case *c = &s.cases[1];
    assert_ptr_equal(c->gate, &s.cases[0]);
    assert_int_equal(c->tie, SEAL_BROKEN);
    assert_int_equal(c->verdicts[METRIC_JOB].outcome, SUMMARY_NONE);
    assert_non_null(strstr(c->verdicts[METRIC_JOB].why, "of another case"));
    assert_int_equal(c->stacks[2].usable, 0);
    assert_int_equal(c->stacks[2].cells[METRIC_JOB].n, 0);
    summary_release(&s);
    results_file_release(&f);
}

static void test_compare(void **state) {
    (void)state;
    struct results_file f[2];
    struct compare c;
    struct err e = {0};
    for (int k = 0; k < 2; k++) {
        char path[32];
        struct maker m = begin(path);
        samples(&m, "c", "slow", "\"a\"", k ? 3.3 : 3, "ok");
        samples(&m, "c", "slow", "\"b\"", k ? 3.3 : 3, "ok");
        samples(&m, "c", "quick", "null", 2, "ok");
        if (k) samples(&m, "new", "quick", "null", 2, "ok");
        finish(&m, path, &f[k]);
    }
    assert_int_equal(compare_make(&c, f, &e), 0);
    assert_int_equal(c.row_count, 2);
    assert_int_equal(c.slower, 1);
    assert_int_equal(c.faster, 0);
    assert_int_equal(c.judged, 2);
    assert_true(c.level == 0.975);
    assert_int_equal(c.rows[0].c.verdict, STATS_MORE);
    assert_int_equal(c.note_count, 1);
    assert_string_equal(c.notes[0], "new: only in the second");
    compare_release(&c);
    results_file_release(&f[0]);
    results_file_release(&f[1]);
}

static void test_format(void **state) {
    (void)state;
    static const struct {
        double value, like;
        const char *text;
    } cases[] = {{123.4, 123.4, "123"},
                 {12.34, 12.34, "12.3"},
                 {1.234, 1.234, "1.23"},
                 {0.1234, 0.1234, "0.123"},
                 {9.8, 12.3, "9.8"},
                 {30, 30, "30"},
                 {0.00036, 0.00036, "0.00036"},
                 {0, 0, "0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[32];
        assert_string_equal(summary_format(cases[i].value, cases[i].like, out), cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict),
        cmocka_unit_test(test_gate_of_another_case),
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
