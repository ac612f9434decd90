#include "format/utf8.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* RFC 3629, section 4, as its grammar reads. */
static bool in(const uint8_t *p, size_t len, size_t i, uint8_t lo, uint8_t hi) {
    return i < len && p[i] >= lo && p[i] <= hi;
}

static bool reference(const uint8_t *p, size_t len) {
    for (size_t i = 0; i < len;) {
#define TAIL(k) in(p, len, i + (k), 0x80, 0xbf)
        if (in(p, len, i, 0, 0x7f))
            i += 1;
        else if (in(p, len, i, 0xc2, 0xdf) && TAIL(1))
            i += 2;
        else if (in(p, len, i, 0xe0, 0xe0) && in(p, len, i + 1, 0xa0, 0xbf) && TAIL(2))
            i += 3;
        else if (in(p, len, i, 0xe1, 0xec) && TAIL(1) && TAIL(2))
            i += 3;
        else if (in(p, len, i, 0xed, 0xed) && in(p, len, i + 1, 0x80, 0x9f) && TAIL(2))
            i += 3;
        else if (in(p, len, i, 0xee, 0xef) && TAIL(1) && TAIL(2))
            i += 3;
        else if (in(p, len, i, 0xf0, 0xf0) && in(p, len, i + 1, 0x90, 0xbf) && TAIL(2) && TAIL(3))
            i += 4;
        else if (in(p, len, i, 0xf1, 0xf3) && TAIL(1) && TAIL(2) && TAIL(3))
            i += 4;
        else if (in(p, len, i, 0xf4, 0xf4) && in(p, len, i + 1, 0x80, 0x8f) && TAIL(2) && TAIL(3))
            i += 4;
        else
            return false;
#undef TAIL
    }
    return true;
}

static void check(const uint8_t *data, size_t len) {
    uint8_t *exact = malloc(len ? len : 1);
    memcpy(exact, data, len);
    bool ok = utf8_valid(exact, len);
    free(exact);
    if (ok != reference(data, len)) fail_msg("%zu bytes, first %02x: %d", len, len ? data[0] : 0, ok);
}

static void clause_2_1_all_short_sequences(void **state) {
    (void)state;
    uint8_t b[4];
    for (uint32_t x = 0; x < 1 << 16; x++) {
        b[0] = (uint8_t)(x >> 8), b[1] = (uint8_t)x;
        check(b, 1);
        check(b, 2);
    }
    /* Of longer ones: every first two bytes, and the others at the edges of their ranges. */
    static const uint8_t edge[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
    for (uint32_t x = 0xc000; x < 1 << 16; x++)
        for (unsigned k = 0; k < 100; k++) {
            b[0] = (uint8_t)(x >> 8), b[1] = (uint8_t)x, b[2] = edge[k / 10], b[3] = edge[k % 10];
            if (utf8_valid(b, 3) != reference(b, 3) || utf8_valid(b, 4) != reference(b, 4))
                fail_msg("%x %u", x, k);
        }
}

static void clause_2_1_no_surrogates_no_overlongs_nothing_beyond(void **state) {
    (void)state;
    static const char *const bad[] = {"\xed\xa0\x80",
                                      "\xed\xbf\xbf",
                                      "\xc0\x80",
                                      "\xc1\xbf",
                                      "\xe0\x80\x80",
                                      "\xe0\x9f\xbf",
                                      "\xf0\x80\x80\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\x80",
                                      "\xff",
                                      "\xfe",
                                      "a\xc3",
                                      "\xe2\x82",
                                      "\xf0\x9f\x98"};
    static const char *const good[] = {"",
                                       "plain",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xee\x80\x80",
                                       "\xef\xbf\xbf",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(utf8_valid((const uint8_t *)bad[i], strlen(bad[i])));
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(utf8_valid((const uint8_t *)good[i], strlen(good[i])));
    assert_int_equal(utf8_sequence((const uint8_t *)"a", 1), 1);
    assert_int_equal(utf8_sequence((const uint8_t *)"\xc3\xa9", 2), 2);
    assert_int_equal(utf8_sequence((const uint8_t *)"\xc3\xa9", 1), 0);
    assert_int_equal(utf8_sequence((const uint8_t *)"\xf0\x9f\x98\x80", 4), 4);
}

static void clause_2_1_random_mixtures(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 8, 0);
    static const char *const parts[] = {"a",        "path",         "0123456789abcdef0123456789abcdef",
                                        "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (int i = 0; i < 60000; i++) {
        uint8_t text[600];
        size_t len = 0;
        for (uint64_t n = rng_below(&r, 16); n; n--) {
            const char *p = parts[rng_below(&r, 6)];
            memcpy(text + len, p, strlen(p));
            len += strlen(p);
        }
        if (len && rng_below(&r, 2)) text[rng_below(&r, len)] = (uint8_t)rng_next(&r);
        if (len && rng_below(&r, 8) == 0) len = rng_below(&r, len);
        check(text, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_2_1_all_short_sequences),
        cmocka_unit_test(clause_2_1_no_surrogates_no_overlongs_nothing_beyond),
        cmocka_unit_test(clause_2_1_random_mixtures),
    };
    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
