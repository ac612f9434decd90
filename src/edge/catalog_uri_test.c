#include "edge/catalog_uri.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* password NULL: none; text NULL: refused. */
static void expect(const char *given, const char *text, const char *password) {
    struct arena arena;
    struct catalog_uri u;
    struct err e = {0};
    arena_init(&arena);
    int rc = catalog_uri_parse(given, &arena, &u, &e);
    if (text) {
        if (rc) fail_msg("%s", e.msg);
        assert_string_equal(u.text, text);
        if (password)
            assert_string_equal(u.password, password);
        else
            assert_null(u.password);
    } else {
        assert_int_equal(rc, ERR_INPUT);
        assert_null(strstr(e.msg, "secret"));
    }
    arena_release(&arena);
}

static void test_sqlite(void **state) {
    (void)state;
    expect("sqlite:///a/b.db", "sqlite:///a/b.db", NULL);
    expect("sqlite:////a/b.db", "sqlite:///a/b.db", NULL);
    expect("sqlite:/a", "sqlite:///a", NULL);
    expect("sqlite:relative.db", NULL, NULL);
    expect("sqlite:///", NULL, NULL);
    expect("mysql://x", NULL, NULL);
}

static void test_postgres(void **state) {
    (void)state;
    expect("postgresql://me@db:5432/lake", "postgresql://me@db:5432/lake", NULL);
    expect("postgres://me:secret@db/lake", "postgresql://me@db/lake", "secret");
    expect("postgresql://me:s%40cre%2Ft@db/lake?sslmode=verify-full&sslrootcert=/etc/ca.pem",
           "postgresql://me@db/lake?sslmode=verify-full&sslrootcert=/etc/ca.pem", "s@cre/t");
    expect("postgresql://db/lake?user=me&password=secret&connect_timeout=3",
           "postgresql://me@db/lake?connect_timeout=3", "secret");
    expect("postgresql://m%40e@[::1]:5433/la%20ke", "postgresql://m%40e@[::1]:5433/la%20ke", NULL);
    expect("postgresql://me@a:1,b:2/lake?target_session_attrs=read-write",
           "postgresql://me@a:1,b:2/lake?target_session_attrs=read-write", NULL);
    expect("postgresql://%2Frun%2Fpg:5433/lake", "postgresql:///lake?host=/run/pg&port=5433", NULL);
    expect("postgresql://", "postgresql:///", NULL);
}

/* Nothing of a password is shown, wherever its special characters make the parser see it. */
static void test_refused(void **state) {
    (void)state;
    expect("postgresql://me:p@secret@db/lake", NULL, NULL);
    expect("postgresql://me:secret/x@db/lake", NULL, NULL);
    expect("postgresql://me:secret%zz@db/lake", NULL, NULL);
    expect("postgresql://me@db/lake?passwort=secret", NULL, NULL);
    expect("postgresql://me@db/lake?sslpassword=secret", NULL, NULL);
    expect("postgresql+psycopg2://me:secret@db/lake", NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sqlite),
        cmocka_unit_test(test_postgres),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
