#include "format/timestamp.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The text with nothing but what the contract grants after it. */
static bool parse_n(enum timestamp_form form, const char *text, size_t len, int64_t *us) {
    char *exact = malloc(len + 16);
    memcpy(exact, text, len);
    memset(exact + len, '7', 16); /* digits, so that reading too far shows */
    bool ok = timestamp_parse(form, (struct str){exact, (uint32_t)len}, us);
    free(exact);
    return ok;
}

static bool parse(const char *text, int64_t *us) {
    return parse_n(TIMESTAMP_ISO8601, text, strlen(text), us);
}

static void good(const char *text, int64_t expected) {
    int64_t us = -1;
    if (!parse(text, &us)) fail_msg("%s is refused", text);
    if (us != expected) fail_msg("%s: %lld, expected %lld", text, (long long)us, (long long)expected);
}

static void bad(const char *text) {
    int64_t us;
    if (parse(text, &us)) fail_msg("\"%s\" is accepted", text);
}

static void clause_2_5_forms(void **state) {
    (void)state;
    good("1970-01-01T00:00:00Z", 0);
    good("1970-01-01 00:00:00", 0);
    good("1970-01-01T00:00:00", 0);
    good("2024-06-01T00:05:18.633Z", 1717200318633000);
    good("2024-06-01T00:05:18.633", 1717200318633000);
    good("2024-06-01T00:05:18.633123Z", 1717200318633123);
    good("2024-06-01 00:05:18.633123", 1717200318633123);
    good("2024-06-01T00:05:18.6Z", 1717200318600000);
    good("2024-06-01T00:05:18.63", 1717200318630000);
    good("2024-06-01T00:05:18.6331Z", 1717200318633100);
    good("2024-06-01T00:05:18.63312Z", 1717200318633120);
    good("2024-06-01T02:05:18+02:00", 1717200318000000);
    good("2024-06-01T02:05:18+0200", 1717200318000000);
    good("2024-05-31T18:35:18.5-05:30", 1717200318500000);
    good("2024-05-31T18:35:18.500000-0530", 1717200318500000);
    good("1970-01-01T00:00:00-00:00", 0);
    good("1969-12-31T23:59:59.999999Z", -1);
}

static void clause_2_5_anything_else_is_bad(void **state) {
    (void)state;
    static const char *const texts[] = {
        "",
        "2024",
        "2024-06-01",
        "2024-06-01T00:05",
        "2024-06-01T00:05:1",
        "2024-06-01t00:05:18",
        "2024-06-01  00:05:18",
        "2024-06-01T00:05:18z",
        "2024-06-01T00:05:18.",
        "2024-06-01T00:05:18.Z",
        "2024-06-01T00:05:18.1234567",
        "2024-06-01T00:05:18.1234567Z",
        "2024-06-01T00:05:18,123Z",
        "2024-06-01T00:05:18ZZ",
        "2024-06-01T00:05:18 Z",
        "2024-06-01T00:05:18+02",
        "2024-06-01T00:05:18+2:00",
        "2024-06-01T00:05:18+02:0",
        "2024-06-01T00:05:18+02:000",
        "2024-06-01T00:05:18+02000",
        "2024-06-01T00:05:18 +02:00",
        "2024-06-01T00:05:18+02.00",
        "2024-06-01T00:05:18+0a:00",
        "2024-06-01T00:05:18+",
        "2024-06-01T00:05:18-",
        "2024-06-01T00:05:18.5+",
        "20240601T000518Z",
        "24-06-01T00:05:18",
        "+2024-06-01T00:05:18",
        "2024/06/01T00:05:18",
        "2024-06-01T00-05-18",
        "2024-06-01T00:05:18Z+02:00",
        "\xd9\xa2"
        "24-06-01T00:05:18",
        "202\xb4-06-01T00:05:18",
        " 2024-06-01T00:05:18",
        "2024-06-01T00:05:1:",
        "2024-06-01T00:05:18.12:",
        "2024-06-01T00:05:18.12/Z",
        "2024-06-01\x7f"
        "00:05:18",
        "2024-06-01T00:05:18.63A312",
        "1717200318",
        "2024-06-01\xd4"
        "00:05:18",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) bad(texts[i]);
}

static void clause_2_5_ranges(void **state) {
    (void)state;
    good("1900-01-01T00:00:00Z", -2208988800000000);
    bad("1899-12-31T23:59:59Z");
    bad("0000-00-00 00:00:00"); /* its day number is below all: no overflow (found under UBSan) */
    good("2261-12-31T23:59:59.999999Z", 9214646399999999);
    bad("2262-01-01T00:00:00Z");
    /* The year as written counts, not the instant. */
    good("1900-01-01T00:00:00+18:00", -2208988800000000 - 18 * 3600000000);
    good("2261-12-31T23:59:59-18:00", 9214646399000000 + 18 * 3600000000);
    bad("1899-12-31T23:59:59-18:00");
    bad("2024-06-01T24:00:00Z");
    bad("2024-06-01T23:60:00Z");
    bad("2024-06-01T23:59:60Z");
    good("2024-06-01T23:59:59Z", 1717286399000000);
    bad("2024-06-01T00:00:00+18:01");
    bad("2024-06-01T00:00:00-19:00");
    bad("2024-06-01T00:00:00+17:60");
    good("2024-06-01T00:00:00+17:59", 1717200000000000 - 64740000000);
    bad("2024-00-01T00:00:00Z");
    bad("2024-13-01T00:00:00Z");
    bad("2024-06-00T00:00:00Z");
    bad("2024-06-31T00:00:00Z");
}

static void clause_2_5_real_calendar_dates(void **state) {
    (void)state;
    for (int32_t day = -25567 - 1; day <= 106651; day++) {
        time_t t = (time_t)day * 86400;
        struct tm tm;
        gmtime_r(&t, &tm);
        char text[64];
        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
        if (day < -25567 || day == 106651)
            bad(text);
        else
            good(text, day * 86400000000);
        assert_int_equal(
            timestamp_days_from_civil(tm.tm_year + 1900, (unsigned)tm.tm_mon + 1, (unsigned)tm.tm_mday), day);
        int year;
        unsigned month, mday;
        timestamp_civil_from_days(day, &year, &month, &mday);
        assert_true(year == tm.tm_year + 1900 && month == (unsigned)tm.tm_mon + 1 &&
                    mday == (unsigned)tm.tm_mday);
    }
    for (int year = 1900; year <= 2261; year++)
        for (int month = 1; month <= 12; month++)
            for (int mday = 28; mday <= 32; mday++) {
                struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = mday};
                time_t t = timegm(&tm);
                char text[64];
                snprintf(text, sizeof text, "%04d-%02d-%02d 00:00:00", year, month, mday);
                if (tm.tm_mon == month - 1)
                    good(text, t * 1000000);
                else
                    bad(text);
            }
}

static void clause_2_5_epoch(void **state) {
    (void)state;
    static const struct {
        enum timestamp_form form;
        const char *text;
        bool ok;
        int64_t us;
    } cases[] = {
        {TIMESTAMP_EPOCH_S, "0", true, 0},
        {TIMESTAMP_EPOCH_S, "+12", true, 12000000},
        {TIMESTAMP_EPOCH_S, "-12", true, -12000000},
        {TIMESTAMP_EPOCH_MS, "1717200318633", true, 1717200318633000},
        {TIMESTAMP_EPOCH_US, "1717200318633123", true, 1717200318633123},
        {TIMESTAMP_EPOCH_US, "001717200318633123", true, 1717200318633123},
        {TIMESTAMP_EPOCH_US, "0001717200318633123", false, 0}, /* 19 digits */
        {TIMESTAMP_EPOCH_US, "-001717200318633123", true, -1717200318633123},
        {TIMESTAMP_EPOCH_S, "", false, 0},
        {TIMESTAMP_EPOCH_S, "-", false, 0},
        {TIMESTAMP_EPOCH_S, "+-1", false, 0},
        {TIMESTAMP_EPOCH_S, "1.5", false, 0},
        {TIMESTAMP_EPOCH_S, "1e3", false, 0},
        {TIMESTAMP_EPOCH_S, "0x10", false, 0},
        {TIMESTAMP_EPOCH_S, " 1", false, 0},
        {TIMESTAMP_EPOCH_S, "2024-06-01T00:05:18Z", false, 0},
        {TIMESTAMP_EPOCH_S, "9214646399", true, 9214646399000000},
        {TIMESTAMP_EPOCH_S, "9214646400", false, 0},
        {TIMESTAMP_EPOCH_S, "-2208988800", true, -2208988800000000},
        {TIMESTAMP_EPOCH_S, "-2208988801", false, 0},
        {TIMESTAMP_EPOCH_S, "999999999999999999", false, 0},
        {TIMESTAMP_EPOCH_S, "-999999999999999999", false, 0},
        {TIMESTAMP_EPOCH_MS, "9214646399999", true, 9214646399999000},
        {TIMESTAMP_EPOCH_MS, "9214646400000", false, 0},
        {TIMESTAMP_EPOCH_US, "9214646399999999", true, 9214646399999999},
        {TIMESTAMP_EPOCH_US, "9214646400000000", false, 0},
        {TIMESTAMP_EPOCH_US, "-2208988800000000", true, -2208988800000000},
        {TIMESTAMP_EPOCH_US, "-2208988800000001", false, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 0;
        bool ok = parse_n(cases[i].form, cases[i].text, strlen(cases[i].text), &us);
        if (ok != cases[i].ok || us != cases[i].us) fail_msg("%s: %d %lld", cases[i].text, ok, (long long)us);
    }
}

/* The clause as a regular expression and the C library's calendar. */
static regex_t iso;

static bool reference(const char *text, int64_t *us) {
    regmatch_t m[12];
    if (regexec(&iso, text, 12, m, 0)) return false;
    struct tm tm = {.tm_year = atoi(text) - 1900,
                    .tm_mon = atoi(text + 5) - 1,
                    .tm_mday = atoi(text + 8),
                    .tm_hour = atoi(text + 11),
                    .tm_min = atoi(text + 14),
                    .tm_sec = atoi(text + 17)};
    if (tm.tm_year < 0 || tm.tm_year > 361 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 59)
        return false;
    struct tm same = tm;
    int64_t t = timegm(&same);
    if (same.tm_mon != tm.tm_mon || same.tm_mday != tm.tm_mday) return false;
    char fraction[8] = "000000";
    if (m[1].rm_so >= 0) memcpy(fraction, text + m[1].rm_so + 1, (size_t)(m[1].rm_eo - m[1].rm_so - 1));
    if (m[3].rm_so >= 0) {
        const char *h = text + m[3].rm_so + 1;
        int hours = (h[0] - '0') * 10 + h[1] - '0', minutes = atoi(text + m[2].rm_eo - 2);
        if (minutes > 59 || hours * 60 + minutes > 1080) return false;
        t -= (text[m[3].rm_so] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    }
    *us = t * 1000000 + atoi(fraction);
    return true;
}

static void clause_2_5_random_texts_as_the_reference(void **state) {
    (void)state;
    assert_int_equal(regcomp(&iso,
                             "^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,6})?"
                             "(Z|([+-][0-9]{2}):?[0-9]{2})?$",
                             REG_EXTENDED),
                     0);
    struct rng r;
    rng_init(&r, 5, 0);
    unsigned accepted = 0;
    static const char odd[] = "0123456789TZ:.-+ /;atz\x01\x7f\xff\xb0";
    for (int i = 0; i < 300000; i++) {
        char text[64];
        int n = snprintf(text, sizeof text, "%04d-%02d-%02d%c%02d:%02d:%02d", 1895 + (int)rng_below(&r, 370),
                         (int)rng_below(&r, 14), (int)rng_below(&r, 33), "T T T"[rng_below(&r, 5)],
                         (int)rng_below(&r, 25), (int)rng_below(&r, 61), (int)rng_below(&r, 61));
        unsigned fraction = (unsigned)rng_below(&r, 9);
        if (fraction) text[n++] = '.';
        while (fraction-- > 1) text[n++] = (char)('0' + rng_below(&r, 10));
        text[n] = 0;
        static const char *const zones[] = {"",           "Z",         "Z",        "+%02u:%02u",
                                            "-%02u:%02u", "+%02u%02u", "-%02u%02u"};
        const char *zone = zones[rng_below(&r, 7)];
        char tail[16];
        if (strchr(zone, '%')) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(tail, sizeof tail, zone, (unsigned)rng_below(&r, 20), (unsigned)rng_below(&r, 62));
#pragma GCC diagnostic pop
        } else {
            snprintf(tail, sizeof tail, "%s", zone);
        }
        strcat(text, tail);
        n = (int)strlen(text);
        if (rng_below(&r, 3) == 0) text[rng_below(&r, (uint64_t)n)] = odd[rng_below(&r, sizeof odd - 1)];
        if (rng_below(&r, 16) == 0) text[rng_below(&r, (uint64_t)n)] = 0;
        int64_t expected = 0, us = 0;
        bool ok = reference(text, &expected);
        accepted += ok;
        if (parse(text, &us) != ok || (ok && us != expected))
            fail_msg("\"%s\": %lld, expected %d %lld", text, (long long)us, ok, (long long)expected);
    }
    regfree(&iso);
    assert_true(accepted > 50000);
}

static void a_nul_in_the_text_is_bad(void **state) {
    (void)state;
    int64_t us;
    assert_false(parse_n(TIMESTAMP_ISO8601, "2024-06-01T00:05:18\0", 20, &us));
    assert_false(parse_n(TIMESTAMP_EPOCH_S, "12\0", 3, &us));
}

static void clause_4_2_printing(void **state) {
    (void)state;
    char text[TIMESTAMP_TEXT];
    timestamp_print(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
    timestamp_print(-1, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999999Z");
    struct rng r;
    rng_init(&r, 6, 0);
    for (int i = 0; i < 200000; i++) {
        int64_t us = (int64_t)rng_below(&r, 9214646399999999 + 2208988800000000) - 2208988800000000, back = 0;
        timestamp_print(us, text);
        assert_int_equal(strlen(text), TIMESTAMP_TEXT - 1);
        assert_true(parse(text, &back));
        assert_int_equal(back, us);
    }
}

static void clause_3_4_floors(void **state) {
    (void)state;
    assert_int_equal(timestamp_ms(-1), -1);
    assert_int_equal(timestamp_ms(-1000), -1);
    assert_int_equal(timestamp_ms(-1001), -2);
    assert_int_equal(timestamp_ms(1999), 1);
    assert_int_equal(timestamp_day(-1), -1);
    assert_int_equal(timestamp_day(-86400000000), -1);
    assert_int_equal(timestamp_day(-86400000001), -2);
    assert_int_equal(timestamp_day(86399999999), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_2_5_forms),
        cmocka_unit_test(clause_2_5_anything_else_is_bad),
        cmocka_unit_test(clause_2_5_ranges),
        cmocka_unit_test(clause_2_5_real_calendar_dates),
        cmocka_unit_test(clause_2_5_epoch),
        cmocka_unit_test(clause_2_5_random_texts_as_the_reference),
        cmocka_unit_test(a_nul_in_the_text_is_bad),
        cmocka_unit_test(clause_4_2_printing),
        cmocka_unit_test(clause_3_4_floors),
    };
    return cmocka_run_group_tests_name("timestamp", tests, NULL, NULL);
}
