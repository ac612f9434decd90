#include "base/threads.h"
#include "edge/duckdb.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* A command in place of DuckDB that does what the script says. */
static int capture(const char *script, struct err *e) {
    char dir[] = "/tmp/weir-duckdb-XXXXXX";
    struct duckdb d = {.command = ""};
    struct buf out;
    assert_non_null(mkdtemp(dir));
    snprintf(d.command, sizeof d.command, "%s/duckdb", dir);
    FILE *f = fopen(d.command, "w");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\n%s\n", script);
    fclose(f);
    assert_int_equal(chmod(d.command, 0700), 0);
    buf_init(&out, 1 << 10);
    int rc = duckdb_capture(&d, (const char *const[]){NULL}, dir, &out, e);
    buf_release(&out);
    unlink(d.command);
    rmdir(dir);
    return rc;
}

static void test_a_refusal_is_what_it_said(void **state) {
    (void)state;
    struct err e = {0};
    assert_int_equal(capture("echo no such table >&2; exit 1", &e), ERR_INPUT);
    assert_string_equal(e.msg, "DuckDB: no such table");
}

/* It fails like on a mistake when Ctrl-C reaches it: that is no verdict on what it read. */
static void test_an_interrupt_is_no_refusal(void **state) {
    (void)state;
    struct err e = {0};
    interrupt_install();
    assert_int_equal(capture("kill -INT $PPID; exit 1", &e), ERR_INTERRUPTED);
    assert_int_equal(interrupt_check(&e), ERR_INTERRUPTED);
    assert_true(interrupt_put_aside());
    assert_int_equal(interrupt_check(&e), 0);
    interrupt_bring_back();
    assert_int_equal(interrupt_check(&e), ERR_INTERRUPTED);
    assert_true(interrupt_put_aside());
    /* Also when it was asked for enough before: what it printed stands, but the caller knows. */
    assert_int_equal(capture("kill -INT $PPID", &e), 0);
    assert_int_equal(interrupt_check(&e), ERR_INTERRUPTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_refusal_is_what_it_said),
        cmocka_unit_test(test_an_interrupt_is_no_refusal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
