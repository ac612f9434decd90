#include "format/number.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void clause_1_6_long(void **state) {
    (void)state;
    int64_t v;
    static const struct {
        const char *text;
        int64_t v;
    } good[] = {{"0", 0},
                {"-0", 0},
                {"+7", 7},
                {"-7", -7},
                {"007", 7},
                {"999999999999999999", 999999999999999999},
                {"-999999999999999999", -999999999999999999},
                {"000000000000000001", 1}};
    static const char *const bad[] = {"",
                                      "+",
                                      "-",
                                      "+-1",
                                      "1.0",
                                      "1e3",
                                      "1 ",
                                      " 1",
                                      "1000000000000000000",
                                      "0000000000000000001",
                                      "0x1",
                                      "a",
                                      "\xd9\xa1",
                                      "1_000",
                                      "1,000"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(number_parse_long(str_of(good[i].text), &v));
        assert_int_equal(v, good[i].v);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (number_parse_long(str_of(bad[i]), &v)) fail_msg("\"%s\" is accepted", bad[i]);
    assert_false(number_parse_long((struct str){"1\0", 2}, &v));
}

static void same(const char *text) {
    double v = 0, expected = strtod(text, NULL);
    if (isinf(expected)) {
        if (number_parse_double(str_of(text), &v)) fail_msg("\"%.60s\" fits no double but gives %a", text, v);
        return;
    }
    if (!number_parse_double(str_of(text), &v)) fail_msg("\"%.60s\" is refused", text);
    if (memcmp(&v, &expected, sizeof v)) fail_msg("\"%.60s\": %a, expected %a", text, v, expected);
}

static void clause_1_6_double_forms(void **state) {
    (void)state;
    static const char *const good[] = {"0",
                                       "-0",
                                       "1",
                                       "1.5",
                                       "-1.5",
                                       "00.50",
                                       "1e5",
                                       "1e+5",
                                       "1e-5",
                                       "1.25e10",
                                       "0e999999",
                                       "123456789012345678901234567890",
                                       "0.1",
                                       "1.7976931348623157e308",
                                       "4.9e-324",
                                       "2.4703282292062328e-324",
                                       "2.4703282292062327e-324",
                                       "1e-400",
                                       "-1e-400",
                                       "9007199254740993",
                                       "2.2250738585072011e-308",
                                       "1e22",
                                       "1e23",
                                       "0.000000000000000000000000000001",
                                       "1e-99999999999999999999"};
    static const char *const bad[] = {"", "-", "+1", "+1.5", ".5", "5.", "1.e5", "1e", "1e+", "1e-", "1E5",
                                      "e5", "1.5.2", "nan", "inf", "-inf", "NaN", "Infinity", "0x1p3", "1,5",
                                      " 1", "1 ", "1e5 ", "1f", "--1", "1e+-5", "1e5.0",
                                      /* too large: does not fit */
                                      "1e309", "-1e309", "1.8e308", "1e99999999999999999999"};
    double v;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) same(good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (number_parse_double(str_of(bad[i]), &v)) fail_msg("\"%s\" is accepted", bad[i]);
    assert_false(number_parse_double((struct str){"1\0", 2}, &v));
}

static void clause_1_6_double_is_rounded_correctly(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 9, 0);
    char text[2000];
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = rng_next(&r);
        double d;
        memcpy(&d, &bits, 8);
        if (!isfinite(d)) continue;
        switch (i % 4) {
        case 0: snprintf(text, sizeof text, "%.17e", d); break;
        case 1:
            snprintf(text, sizeof text, "%.*f", (int)rng_below(&r, 12), (double)(int64_t)(bits >> 12) / 1000);
            break;
        case 2: snprintf(text, sizeof text, "%.*e", (int)rng_below(&r, 40), d); break;
        default:
            snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)rng_below(&r, 100000),
                     (unsigned long long)rng_next(&r), (int)rng_below(&r, 60) - 30);
        }
        same(text);
    }
}

static void clause_1_6_double_with_very_many_digits(void **state) {
    (void)state;
    /* Exactly half-way between two doubles, then a little more or less, far to the right. */
    static const double places[] = {1.0, 1e-300, DBL_MIN, 123456.789, 1e300};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char text[8000]; /* long double holds the half-way value exactly */
        long double middle = ((long double)places[i] + nextafter(places[i], INFINITY)) / 2;
        int n = snprintf(text, sizeof text, "%.1200Lf", middle);
        same(text);
        memset(text + n, '0', 3000);
        text[n + 3000] = 0;
        same(text);
        text[n + 2999] = '1';
        same(text);
    }
    static char zeros[100000];
    memset(zeros, '0', sizeof zeros - 1);
    double v = 1;
    assert_true(number_parse_double(str_of(zeros), &v));
    assert_true(v == 0);
    zeros[0] = '1';
    assert_false(number_parse_double(str_of(zeros), &v));
    zeros[0] = '0', zeros[1] = '.', zeros[sizeof zeros - 2] = '1';
    assert_true(number_parse_double(str_of(zeros), &v));
    assert_true(v == 0);
    /* A thousand digits before the exponent takes them back. */
    char many[1100];
    memset(many, '7', 1000);
    strcpy(many + 1000, "e-900");
    same(many);
    /* 0.000…01e99990 */
    memcpy(zeros + sizeof zeros - 8, "1e99990", 7);
    same(zeros);
    assert_true(number_parse_double(str_of(zeros), &v));
    assert_true(v > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_1_6_long),
        cmocka_unit_test(clause_1_6_double_forms),
        cmocka_unit_test(clause_1_6_double_is_rounded_correctly),
        cmocka_unit_test(clause_1_6_double_with_very_many_digits),
    };
    return cmocka_run_group_tests_name("number", tests, NULL, NULL);
}
