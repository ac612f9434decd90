#include "format/ip.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>

/* As inet_pton(3) has it, on exact memory. */
static void check(const char *text, size_t len) {
    char *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    struct ip_addr a = {0};
    bool ok = ip_parse((struct str){exact, (uint32_t)len}, &a);
    free(exact);
    char z[128] = {0};
    uint8_t v4[16] = {0}, v6[16];
    memcpy(z, text, len);
    bool nul = memchr(text, 0, len) != NULL;
    bool is4 = !nul && inet_pton(AF_INET, z, v4) == 1, is6 = !nul && inet_pton(AF_INET6, z, v6) == 1;
    if (ok != (is4 || is6)) fail_msg("\"%s\": %d, but inet_pton says %d", z, ok, is4 || is6);
    if (!ok) return;
    if (a.v6 != is6 || memcmp(a.bytes, is6 ? v6 : v4, is6 ? 16 : 4)) fail_msg("\"%s\" is read as another", z);
    char printed[46], expected[46];
    ip_print(&a, printed);
    inet_ntop(is6 ? AF_INET6 : AF_INET, is6 ? v6 : v4, expected, sizeof expected);
    assert_string_equal(printed, expected);
}

static void clause_2_7_examples(void **state) {
    (void)state;
    struct ip_addr a;
    assert_true(ip_parse((struct str){"1.2.3.4\0", 8}, &a) == false); /* a NUL is no digit */
    static const char *const good[] = {"0.0.0.0",
                                       "255.255.255.255",
                                       "192.0.2.1",
                                       "::",
                                       "::1",
                                       "1::",
                                       "2001:db8::1",
                                       "2001:DB8:0:0:8:800:200C:417A",
                                       "::ffff:1.2.3.4",
                                       "1:2:3:4:5:6:1.2.3.4",
                                       "1:2:3:4:5:6:7::",
                                       "::2:3:4:5:6:7:8",
                                       "0000:0000:0000:0000:0000:ffff:255.255.255.255"};
    static const char *const bad[] = {"",
                                      "1",
                                      "1.2.3",
                                      "1.2.3.4.",
                                      "1.2.3.4.5",
                                      "01.2.3.4",
                                      "1.2.3.04",
                                      "00.0.0.0",
                                      "1.2.3.256",
                                      "1.2.3.1000",
                                      ".1.2.3",
                                      "1..2.3",
                                      " 1.2.3.4",
                                      "1.2.3.4 ",
                                      "0x1.2.3.4",
                                      "1.2.3.a",
                                      "1.2.3.-4",
                                      "+1.2.3.4",
                                      "16909060",
                                      "fe80::1%eth0",
                                      ":",
                                      ":::",
                                      "1::2::3",
                                      "1:2:3:4:5:6:7",
                                      "1:2:3:4:5:6:7:8:9",
                                      "1:2:3:4:5:6:7:8::",
                                      "12345::",
                                      "g::",
                                      "1:",
                                      ":1",
                                      "1:2:3:4:5:6:7:1.2.3.4",
                                      "::1.2.3",
                                      "::01.2.3.4",
                                      "1.2.3.4::",
                                      "[::1]",
                                      "::1/64",
                                      "1:2:3:4:5:6:7:8:",
                                      "::1.2.3.4:5",
                                      "::ffff:1.2.3.256",
                                      "\xef\xbc\x91.2.3.4"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(ip_parse(str_of(good[i]), &a));
        check(good[i], strlen(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ip_parse(str_of(bad[i]), &a)) fail_msg("\"%s\" is accepted", bad[i]);
        check(bad[i], strlen(bad[i]));
    }
}

static void clause_2_7_v6_remembers_how_it_was_written(void **state) {
    (void)state;
    struct ip_addr a;
    assert_true(ip_parse(STR("::ffff:1.2.3.4"), &a));
    assert_true(a.v6);
    assert_true(ip_parse(STR("1.2.3.4"), &a));
    assert_false(a.v6);
}

static void clause_2_7_random_texts_as_inet_pton(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 7, 0);
    static const char some[] = "0123456789abcdefABCDEF:::::....  gx%/-\x80";
    for (int i = 0; i < 400000; i++) {
        char text[64];
        size_t len = 0;
        if (i % 4 == 0) { /* an address in print */
            uint8_t bytes[16];
            for (int k = 0; k < 16; k++) bytes[k] = rng_below(&r, 3) ? 0 : (uint8_t)rng_next(&r);
            inet_ntop(i % 8 ? AF_INET6 : AF_INET, bytes, text, sizeof text);
            len = strlen(text);
        } else if (i % 4 == 1) { /* numbers and dots */
            int parts = 3 + (int)rng_below(&r, 3);
            for (int k = 0; k < parts; k++) {
                if (k) text[len++] = '.';
                for (uint64_t n = rng_below(&r, 4); n; n--) text[len++] = (char)('0' + rng_below(&r, 4));
            }
        } else if (i % 4 == 2) { /* groups and colons */
            int parts = 1 + (int)rng_below(&r, 9);
            for (int k = 0; k < parts; k++) {
                if (k) text[len++] = ':';
                for (uint64_t n = rng_below(&r, 5); n; n--) text[len++] = some[rng_below(&r, 22)];
            }
        } else {
            for (uint64_t n = rng_below(&r, 20); n; n--) text[len++] = some[rng_below(&r, sizeof some - 1)];
        }
        if (len && rng_below(&r, 4) == 0) text[rng_below(&r, len)] = some[rng_below(&r, sizeof some - 1)];
        check(text, len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_2_7_examples),
        cmocka_unit_test(clause_2_7_v6_remembers_how_it_was_written),
        cmocka_unit_test(clause_2_7_random_texts_as_inet_pton),
    };
    return cmocka_run_group_tests_name("ip", tests, NULL, NULL);
}
