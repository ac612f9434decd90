#include "format/parquet_bounds.h"

#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the above */
#include <cmocka.h>

/* Bounds of these strings, each in memory of its own length and 16 bytes. */
static struct parquet_chunk_meta bounds_of(const struct str *strings, size_t count) {
    struct string_bounds b = {.any = false};
    struct parquet_chunk_meta meta = {.null_count = 0};
    for (size_t i = 0; i < count; i++) {
        uint8_t *copy = malloc(strings[i].len + STRING_BOUNDS_SLACK);
        assert_non_null(copy);
        memset(copy, 0xee, strings[i].len + STRING_BOUNDS_SLACK);
        if (strings[i].len) memcpy(copy, strings[i].ptr, strings[i].len);
        string_bounds_add(&b, copy, strings[i].len);
        free(copy);
    }
    string_bounds_finish(&b, &meta);
    return meta;
}

static void check(const struct parquet_chunk_meta *m, struct str lower, bool lower_exact, struct str upper,
                  bool upper_exact) {
    assert_true(m->has_bounds);
    assert_int_equal(m->lower_len, lower.len);
    assert_memory_equal(m->lower, lower.ptr, lower.len);
    assert_int_equal(m->lower_exact, lower_exact);
    assert_int_equal(m->has_upper, upper.ptr != NULL);
    if (!upper.ptr) return;
    assert_int_equal(m->upper_len, upper.len);
    assert_memory_equal(m->upper, upper.ptr, upper.len);
    assert_int_equal(m->upper_exact, upper_exact);
}

static void test_known(void **state) {
    (void)state;
    struct parquet_chunk_meta m = bounds_of(NULL, 0);
    assert_false(m.has_bounds);
    m = bounds_of(&STR(""), 1);
    check(&m, STR(""), true, STR(""), true);
    m = bounds_of((struct str[]){STR("b"), STR(""), STR("ab")}, 3);
    check(&m, STR(""), true, STR("b"), true);
    m = bounds_of(&STR("0123456789abcdef"), 1); /* 16 stay whole */
    check(&m, STR("0123456789abcdef"), true, STR("0123456789abcdef"), true);
    m = bounds_of(&STR("0123456789abcdefg"), 1);
    check(&m, STR("0123456789abcdef"), false, STR("0123456789abcdeg"), false);
    m = bounds_of((struct str[]){STR("0123456789abcdefg"), STR("0123456789abcdef")}, 2);
    check(&m, STR("0123456789abcdef"), true, STR("0123456789abcdeg"), false);
    m = bounds_of((struct str[]){STR("0123456789abcdef"), STR("0123456789abcdefg")}, 2);
    check(&m, STR("0123456789abcdef"), true, STR("0123456789abcdeg"), false);
    /* Unsigned bytes: é above z. */
    m = bounds_of((struct str[]){STR("é"), STR("z")}, 2);
    check(&m, STR("z"), true, STR("é"), true);
    /* Characters, not bytes: sixteen é are 32 bytes. */
    m = bounds_of(&STR("éééééééééééééééé"), 1);
    check(&m, STR("éééééééééééééééé"), true, STR("éééééééééééééééé"), true);
    m = bounds_of(&STR("éééééééééééééééé!"), 1);
    check(&m, STR("éééééééééééééééé"), false, STR("éééééééééééééééê"), false);
}

static void test_round_up(void **state) {
    (void)state;
    static const struct {
        struct str in, out;
    } cases[] = {
        {STR("a"), STR("b")},
        {STR("a\x7f"), STR("a\xc2\x80")},
        {STR("a\xdf\xbf"), STR("a\xe0\xa0\x80")},         /* U+07FF: two bytes to three */
        {STR("a\xed\x9f\xbf"), STR("a\xee\x80\x80")},     /* U+D7FF: surrogates are skipped */
        {STR("a\xef\xbf\xbf"), STR("a\xf0\x90\x80\x80")}, /* U+FFFF */
        {STR("a\xf4\x8f\xbf\xbf"), STR("b")},             /* U+10FFFF is the last */
        {STR("a\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"), STR("b")},
        {STR("\xf4\x8f\xbf\xbf"), STR("")},
        {STR("a\xff"), STR("")}, /* not UTF-8 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t data[PARQUET_BOUND];
        memcpy(data, cases[i].in.ptr, cases[i].in.len);
        assert_int_equal(bound_round_up(data, cases[i].in.len), cases[i].out.len);
        assert_memory_equal(data, cases[i].out.ptr, cases[i].out.len);
    }
    uint8_t full[PARQUET_BOUND + 1]; /* one character and nothing but continuation bytes: no way to grow */
    memset(full, 0x80, sizeof full);
    full[0] = full[PARQUET_BOUND - 1] = 0x7f;
    full[PARQUET_BOUND] = 0xaa;
    assert_int_equal(bound_round_up(full, PARQUET_BOUND), 0);
    assert_int_equal(full[PARQUET_BOUND], 0xaa);
}

static void test_no_upper(void **state) {
    (void)state;
    char top[4 * 17];
    for (unsigned i = 0; i < 17; i++) memcpy(top + 4 * i, "\xf4\x8f\xbf\xbf", 4);
    struct parquet_chunk_meta m = bounds_of(&(struct str){top, sizeof top}, 1);
    check(&m, (struct str){top, 64}, false, (struct str){NULL, 0}, false);
    m = bounds_of(&(struct str){top, 64}, 1);
    check(&m, (struct str){top, 64}, true, (struct str){top, 64}, true);
}

/* Random strings of few letters, so that prefixes collide at every length. */
static void test_random(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 3, 0);
    static char text[50][80];
    struct str strings[50];
    for (unsigned run = 0; run < 3000; run++) {
        size_t count = 1 + rng_below(&r, 50);
        uint64_t letters = 1 + rng_below(&r, 3), shared = rng_below(&r, 40);
        for (size_t i = 0; i < count; i++) {
            uint32_t len = 0, want = (uint32_t)rng_below(&r, 40);
            for (uint32_t k = 0; k < want; k++) {
                uint64_t c = k < shared ? 0 : rng_below(&r, letters);
                if (c < 2) {
                    text[i][len++] = "a\xc3"[c];
                    if (c) text[i][len++] = (char)0xa9;
                } else {
                    text[i][len++] = 'z';
                }
            }
            strings[i] = (struct str){text[i], len};
        }
        struct str low = strings[0], high = strings[0];
        for (size_t i = 1; i < count; i++) {
            if (str_cmp(strings[i], low) < 0) low = strings[i];
            if (str_cmp(strings[i], high) > 0) high = strings[i];
        }
        struct parquet_chunk_meta m = bounds_of(strings, count);
        uint8_t upper[PARQUET_BOUND];
        size_t n = bound_truncate((const uint8_t *)high.ptr, high.len), whole = n == high.len;
        memcpy(upper, high.ptr, n);
        if (!whole) n = bound_round_up(upper, n);
        size_t lower_len = bound_truncate((const uint8_t *)low.ptr, low.len);
        check(&m, (struct str){low.ptr, (uint32_t)lower_len}, lower_len == low.len,
              (struct str){(char *)upper, (uint32_t)n}, whole);
    }
}

static void test_fixed(void **state) {
    (void)state;
    struct parquet_chunk_meta m = {.null_count = 0};
    int64_bounds((int64_t[]){3, -5}, 2, &m);
    int64_bounds((int64_t[]){4}, 1, &m);
    int64_bounds(NULL, 0, &m);
    check(&m, STR("\xfb\xff\xff\xff\xff\xff\xff\xff"), true, STR("\4\0\0\0\0\0\0\0"), true);
    m = (struct parquet_chunk_meta){.null_count = 0};
    int32_bounds((int32_t[]){1, INT32_MIN}, 2, &m);
    int32_bounds((int32_t[]){7}, 1, &m);
    check(&m, STR("\0\0\0\x80"), true, STR("\7\0\0\0"), true);
}

static void check_doubles(const double *values, size_t count, double low, double high, uint64_t nans) {
    struct parquet_chunk_meta m = {.null_count = 0};
    double_bounds(values, count, &m);
    assert_int_equal(m.nan_count, nans);
    check(&m, (struct str){(char *)&low, 8}, true, (struct str){(char *)&high, 8}, true);
}

static void test_doubles(void **state) {
    (void)state;
    check_doubles((double[]){1.5, NAN, -2}, 3, -2, 1.5, 1);
    check_doubles((double[]){0.0}, 1, -0.0, 0.0, 0);
    check_doubles((double[]){-0.0}, 1, -0.0, 0.0, 0);
    check_doubles((double[]){0.0, 1}, 2, -0.0, 1, 0);
    check_doubles((double[]){-1, -0.0}, 2, -1, 0.0, 0);
    check_doubles((double[]){INFINITY, -INFINITY}, 2, -INFINITY, INFINITY, 0);
    struct parquet_chunk_meta m = {.null_count = 0};
    double_bounds((double[]){NAN, NAN}, 2, &m);
    assert_false(m.has_bounds);
    assert_int_equal(m.nan_count, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),  cmocka_unit_test(test_round_up), cmocka_unit_test(test_no_upper),
        cmocka_unit_test(test_random), cmocka_unit_test(test_fixed),    cmocka_unit_test(test_doubles),
    };
    return cmocka_run_group_tests_name("parquet_bounds", tests, NULL, NULL);
}
