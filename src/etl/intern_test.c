#include "etl/intern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void numbers_strings_by_first_appearance(void **state) {
    (void)state;
    struct err e;
    struct intern t = {0};
    for (int round = 0; round < 3; round++) {
        for (uint32_t i = 0; i < 20000; i++) {
            char text[32];
            snprintf(text, sizeof text, "%u", i % 7000);
            assert_int_equal(intern_str(&t, str_of(text), &e), i % 7000);
        }
        assert_int_equal(intern_str(&t, STR(""), &e), 7000);
        assert_int_equal(intern_str(&t, (struct str){"a\0b", 3}, &e), 7001);
        assert_int_equal(intern_str(&t, (struct str){"a\0c", 3}, &e), 7002);
        assert_int_equal(intern_str(&t, STR(""), &e), 7000);
        struct str s = intern_get(&t, 6999);
        assert_true(str_eq(s, STR("6999")));
        assert_non_null(intern_get(&t, 7000).ptr);
        intern_clear(&t);
    }
    intern_release(&t);
}

static void numbers_pairs(void **state) {
    (void)state;
    struct err e;
    struct intern t = {0};
    for (uint32_t i = 0; i < 30000; i++)
        assert_int_equal(intern_pair(&t, i % 100, (uint64_t) - (int64_t)(i % 10000 / 100), &e), i % 10000);
    intern_release(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(numbers_strings_by_first_appearance),
                                       cmocka_unit_test(numbers_pairs)};
    return cmocka_run_group_tests_name("intern", tests, NULL, NULL);
}
