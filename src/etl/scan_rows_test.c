/* Rows of row_format.h, written here byte by byte, through the scanner (pipeline.md 1.5, 1.6, 2, 4.2). */
#include "etl/row_format.h"
#include "etl/scan.h"

#include "etl/scan_pipeline_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka needs the above */
#include <cmocka.h>

#define GOOD_US INT64_C(1717200000000000) /* TS */

struct rows {
    uint8_t data[8192];
    size_t len, start;
    unsigned columns, column;
    size_t at;
};

static void begin(struct rows *r, unsigned columns) {
    r->start = r->len;
    r->columns = columns;
    r->column = 0;
    r->at = r->start + ROW_LENGTH_BYTES + columns;
}

static void put(struct rows *r, uint8_t tag, const void *data, size_t len) {
    r->data[r->start + ROW_LENGTH_BYTES + r->column++] = tag;
    memcpy(r->data + r->at, data, len);
    r->at += len;
}

static void text(struct rows *r, const char *s) {
    uint32_t len = (uint32_t)strlen(s);
    if (len <= ROW_TEXT_MAX) {
        put(r, (uint8_t)len, s, len);
        return;
    }
    put(r, ROW_LONG_TEXT, &len, 4);
    memcpy(r->data + r->at, s, len);
    r->at += len;
}

static void number(struct rows *r, int64_t v) {
    put(r, ROW_NUMBER, &v, 8);
}

static void end(struct rows *r) {
    uint32_t len = (uint32_t)(r->at - r->start);
    assert_int_equal(r->column, r->columns);
    memcpy(r->data + r->start, &len, 4);
    r->len = r->at;
}

static struct scanner *scan(const struct pipeline *p, enum scan_mode mode, const struct rows *r,
                            uint8_t **data) {
    static const struct scan_layout layout = {.rows = true};
    struct scanner *s = scanner_new(p, mode);
    struct err e;
    *data = padded(r->data, r->len);
    assert_int_equal(scanner_begin(s, &layout, *data, r->len, &e), 0);
    return s;
}

static uint64_t count(const struct pipeline *p, const struct rows *r) {
    static const struct scan_layout layout = {.rows = true};
    return scanner_count_records(p, &layout, r->data, r->len);
}

/* A row with these first three columns; the time as text, or a number where that is NULL. */
static void row(struct rows *r, const char *id, const char *user, const char *time, int64_t time_us) {
    begin(r, COLUMN_COUNT);
    text(r, id);
    text(r, user);
    if (time)
        text(r, time);
    else
        number(r, time_us);
    text(r, " /page\t");
    put(r, ROW_NULL, "", 0);
    text(r, "N/A");
    text(r, "1.2.3.4");
    end(r);
}

static void clause_2_texts(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct rows r = {0};
    char wide[600];
    memset(wide, 'w', sizeof wide - 1);
    wide[sizeof wide - 1] = 0;
    row(&r, " e ", wide, TS, 0);
    row(&r, "none", "u", TS, 0);
    row(&r, "e", "", "x", 0);
    row(&r, "e", "u", " ", 0);
    row(&r, "e", "u", "2024-06-31T00:00:00Z", 0);
    assert_int_equal(count(&p, &r), 5);
    static const enum reason reasons[] = {REASON_NONE, REASON_MISSING_EVENT_ID, REASON_MISSING_USER_ID,
                                          REASON_MISSING_TIMESTAMP, REASON_BAD_TIMESTAMP};
    for (int mode = SCAN_KEYS; mode <= SCAN_FULL; mode++) {
        uint8_t *data;
        struct scanner *s = scan(&p, mode, &r, &data);
        struct scan_row row;
        size_t at = 0;
        for (int i = 0; i < 5; i++) {
            assert_true(scanner_next(s, &row));
            assert_int_equal(row.reason, reasons[i]);
            assert_int_equal(row.offset, at);
            at += row.length;
            if (i == 0) {
                assert_true(str_eq(row.field[COL_EVENT_ID], STR("e")));
                assert_true(str_eq(row.field[COL_USER_ID], str_of(wide)));
                assert_true(row.time_us == GOOD_US);
            }
            if (mode == SCAN_KEYS) continue;
            assert_true(str_eq(row.field[COL_PAGE_URL], STR("/page")));
            assert_null(row.field[COL_REFERRER].ptr);
            assert_null(row.field[COL_DEVICE].ptr);
            assert_true(str_eq(row.field[COL_IP], STR("1.2.3.4")));
        }
        assert_int_equal(at, r.len);
        assert_false(scanner_next(s, &row));
        scanner_free(s);
        free(data);
    }
}

static void clause_4_2_typed_timestamps(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    const int64_t first = INT64_C(-2208988800000000), last = INT64_C(9214646399999999);
    const struct {
        const char *id, *user;
        int64_t us;
        enum reason reason;
        const char *text;
    } cases[] = {
        {"e", "u", GOOD_US, REASON_NONE, ""},
        {"e", "u", first, REASON_NONE, ""},
        {"e", "u", last, REASON_NONE, ""},
        {"e", "u", first - 1, REASON_BAD_TIMESTAMP, "-2208988800000001"},
        {"e", "u", last + 1, REASON_BAD_TIMESTAMP, "9214646400000000"},
        {"e", "u", INT64_MIN, REASON_BAD_TIMESTAMP, "-9223372036854775808"},
        {"", "u", GOOD_US + 5, REASON_MISSING_EVENT_ID, "2024-06-01T00:00:00.000005Z"},
        {"e", "-", -1, REASON_MISSING_USER_ID, "1969-12-31T23:59:59.999999Z"},
        {"e", "-", last + 1, REASON_MISSING_USER_ID, "9214646400000000"},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    for (int form = TIMESTAMP_ISO8601; form <= TIMESTAMP_EPOCH_US; form++) { /* of texts only */
        struct rows r = {0};
        p.timestamp = (enum timestamp_form)form;
        for (int i = 0; i < CASES; i++) row(&r, cases[i].id, cases[i].user, NULL, cases[i].us);
        for (int mode = SCAN_KEYS; mode <= SCAN_FULL; mode++) {
            uint8_t *data;
            struct scanner *s = scan(&p, mode, &r, &data);
            struct scan_row row;
            for (int i = 0; i < CASES; i++) {
                assert_true(scanner_next(s, &row));
                assert_int_equal(row.reason, cases[i].reason);
                if (row.reason == REASON_NONE) assert_true(row.time_us == cases[i].us);
                if (mode == SCAN_FULL) assert_true(str_eq(row.field[COL_TIMESTAMP], str_of(cases[i].text)));
            }
            scanner_free(s);
            free(data);
        }
    }
}

static void null_times_are_missing(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct rows r = {0};
    begin(&r, COLUMN_COUNT);
    text(&r, "e");
    text(&r, "u");
    for (int i = 2; i < COLUMN_COUNT; i++) put(&r, ROW_NULL, "", 0);
    end(&r);
    uint8_t *data;
    struct scanner *s = scan(&p, SCAN_FULL, &r, &data);
    struct scan_row row;
    assert_true(scanner_next(s, &row));
    assert_int_equal(row.reason, REASON_MISSING_TIMESTAMP);
    assert_null(row.field[COL_TIMESTAMP].ptr);
    scanner_free(s);
    free(data);
}

static void keep_row(struct rows *r, void (*columns)(struct rows *)) {
    begin(r, COLUMN_COUNT + 3);
    text(r, "e");
    text(r, "u");
    number(r, GOOD_US);
    for (int i = 3; i < COLUMN_COUNT; i++) text(r, "x");
    columns(r);
    end(r);
}

static void typed(struct rows *r) {
    double d = -0.0;
    text(r, " word ");
    number(r, INT64_MIN); /* longer than text may be */
    put(r, ROW_NUMBER, &d, 8);
}

static void misfits(struct rows *r) {
    text(r, "NULL");
    put(r, ROW_MISFIT, "", 0);
    put(r, ROW_MISFIT, "", 0);
}

static void nulls(struct rows *r) {
    for (int i = 0; i < 3; i++) put(r, ROW_NULL, "", 0);
}

static void as_texts(struct rows *r) {
    text(r, "");
    text(r, " +12");
    text(r, "many");
}

static void clause_1_6_keep(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct rows r = {0};
    p.keep_count = 3;
    keep_row(&r, typed);
    keep_row(&r, misfits);
    keep_row(&r, nulls);
    keep_row(&r, as_texts);
    uint8_t *data;
    struct scanner *s = scan(&p, SCAN_FULL, &r, &data);
    struct scan_row row;
    const struct scan_keep_value *k;
    assert_true(scanner_next(s, &row));
    k = row.keep;
    assert_true(str_eq(k[0].text, STR("word")) && !k[0].null && !k[1].null && !k[2].null);
    assert_true(k[1].i == INT64_MIN);
    assert_true(k[2].d == 0 && __builtin_signbit(k[2].d));
    assert_true(scanner_next(s, &row));
    k = row.keep;
    assert_true(k[0].null && !k[0].misfit && k[1].null && k[1].misfit && k[2].null && k[2].misfit);
    assert_true(scanner_next(s, &row));
    k = row.keep;
    for (int i = 0; i < 3; i++) assert_true(k[i].null && !k[i].misfit);
    assert_true(scanner_next(s, &row));
    k = row.keep;
    assert_true(k[0].null && !k[0].misfit && k[1].i == 12 && !k[1].null && k[2].null && k[2].misfit);
    assert_false(scanner_next(s, &row));
    scanner_free(s);
    free(data);
}

static void rows_and_lines_take_turns(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct scan_layout csv = plain_layout(&p), rows = {.rows = true};
    static const char line[] = "c,u," TS ",p,r,d,i\n";
    struct rows r = {0};
    row(&r, "r", "u", NULL, GOOD_US);
    uint8_t *a = padded(line, sizeof line - 1), *b = padded(r.data, r.len);
    struct scanner *s = scanner_new(&p, SCAN_FULL);
    struct scan_row row;
    struct err e;
    for (int i = 0; i < 6; i++) {
        if (i % 2)
            assert_int_equal(scanner_begin(s, &rows, b, i == 3 ? 0 : r.len, &e), 0);
        else
            assert_int_equal(scanner_begin(s, &csv, a, sizeof line - 1, &e), 0);
        if (i != 3) {
            assert_true(scanner_next(s, &row));
            assert_true(str_eq(row.field[COL_EVENT_ID], i % 2 ? STR("r") : STR("c")));
            assert_int_equal(row.reason, REASON_NONE);
        }
        assert_false(scanner_next(s, &row));
        assert_false(scanner_next(s, &row));
    }
    scanner_free(s);
    free(a);
    free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_2_texts),
        cmocka_unit_test(clause_4_2_typed_timestamps),
        cmocka_unit_test(null_times_are_missing),
        cmocka_unit_test(clause_1_6_keep),
        cmocka_unit_test(rows_and_lines_take_turns),
    };
    return cmocka_run_group_tests_name("scan_rows", tests, NULL, NULL);
}
