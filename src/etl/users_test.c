#include "etl/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t hash(uint64_t i) {
    return (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
}

/* Users come back with what was stored, whatever was added since; those of one hash half are told apart. */
static void remembers(void **state) {
    (void)state;
    enum { USERS = 100000 };
    struct err e = {0};
    struct users u;
    assert_int_equal(users_init(&u, 1 << 30, &e), 0);
    for (uint64_t i = 0; i < USERS; i++) {
        struct user_state *s = users_find(&u, hash(i / 2), (uint32_t)i & 1, &e);
        assert_non_null(s);
        assert_int_equal(s->seq, 0);
        s->seq = 1;
        s->last_us = (int64_t)i;
    }
    assert_int_equal(u.count, USERS);
    for (uint64_t i = 0; i < USERS; i++) {
        const struct user_state *s = users_find(&u, hash(i / 2), (uint32_t)i & 1, &e);
        assert_non_null(s);
        assert_int_equal(s->seq, 1);
        assert_int_equal(s->last_us, i);
    }
    assert_int_equal(u.count, USERS);
    users_release(&u);
}

/* The limit ends growth without an error, and those who are there stay. */
static void keeps_its_limit(void **state) {
    (void)state;
    struct err e = {0};
    struct users u;
    assert_int_equal(users_init(&u, 1 << 20, &e), 0);
    uint64_t i = 0;
    for (struct user_state *s; (s = users_find(&u, hash(i), 0, &e)); i++) s->seq = 1;
    assert_int_equal(e.code, 0);
    assert_in_range(i, 10000, (1 << 20) / sizeof(struct user_state));
    assert_int_equal(users_find(&u, hash(7), 0, &e)->seq, 1);
    users_release(&u);
}

/* Hashes that all want the last slots. */
static void probes_beyond_the_end(void **state) {
    (void)state;
    struct err e = {0};
    struct users u;
    assert_int_equal(users_init(&u, 1 << 30, &e), 0);
    for (uint32_t i = 0; i < 1000; i++) users_find(&u, UINT64_MAX, i, &e)->seq = i + 1;
    for (uint32_t i = 0; i < 1000; i++) assert_int_equal(users_find(&u, UINT64_MAX, i, &e)->seq, i + 1);
    users_release(&u);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(remembers), cmocka_unit_test(keeps_its_limit),
                                       cmocka_unit_test(probes_beyond_the_end)};
    return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
