/* The scanner against the rules written down a second time (scan_naive_test.h). */
#include "etl/scan.h"

#include "base/random.h"
#include "etl/scan_naive_test.h"
#include "etl/scan_pipeline_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void check_field(const struct pipeline *p, struct naive_field *f, struct str got) {
    bool there = naive_cleanse(p, f);
    assert_int_equal(there, got.ptr != NULL);
    if (!there) return;
    assert_int_equal(got.len, f->len);
    assert_memory_equal(got.ptr, f->text, f->len);
}

static enum reason naive_reason(const struct pipeline *p, const struct scan_layout *l, struct naive_record *n,
                                int64_t *us) {
    if (n->malformed || n->field_count != l->field_count) return REASON_MALFORMED_ROW;
    for (unsigned c = COL_EVENT_ID; c <= COL_TIMESTAMP; c++)
        if (!naive_cleanse(p, &n->field[l->column[c]])) return (enum reason)(REASON_MISSING_EVENT_ID + c);
    struct naive_field *t = &n->field[l->column[COL_TIMESTAMP]];
    return timestamp_parse(p->timestamp, (struct str){t->text, (uint32_t)t->len}, us) ? REASON_NONE
                                                                                      : REASON_BAD_TIMESTAMP;
}

/* Scan in the given mode and compare every row; returns the number of rows. */
static uint64_t compare(const struct pipeline *p, const struct scan_layout *l, const uint8_t *text,
                        size_t len, enum scan_mode mode, unsigned reasons_seen[REASON_COUNT]) {
    uint8_t *data = padded(text, len);
    struct scanner *s = scanner_new(p, mode);
    struct err e;
    assert_int_equal(scanner_begin(s, l, data, len, &e), 0);
    struct scan_row row;
    struct naive_record n;
    size_t pos = 0;
    uint64_t rows = 0;
    for (; naive_next(p, text, len, &pos, &n); rows++) {
        assert_true(scanner_next(s, &row));
        assert_int_equal(row.offset, n.offset);
        assert_int_equal(row.length, n.length);
        int64_t us = 0;
        enum reason reason = naive_reason(p, l, &n, &us);
        assert_int_equal(row.reason, reason);
        reasons_seen[reason]++;
        if (reason == REASON_NONE) assert_int_equal(row.time_us, us);
        unsigned columns = reason == REASON_MALFORMED_ROW ? 0
                           : mode == SCAN_KEYS            ? COL_TIMESTAMP
                                                          : COLUMN_COUNT;
        for (unsigned c = 0; c < columns; c++) check_field(p, &n.field[l->column[c]], row.field[c]);
        for (unsigned k = 0; mode == SCAN_FULL && reason == REASON_NONE && k < p->keep_count; k++)
            check_field(p, &n.field[l->keep[k]], row.keep[k].text);
        naive_release(&n);
    }
    naive_release(&n);
    assert_false(scanner_next(s, &row));
    assert_int_equal(scanner_count_records(p, l, data, len), rows);
    scanner_free(s);
    free(data);
    return rows;
}

static size_t put(uint8_t *out, size_t len, const char *text) {
    memcpy(out + len, text, strlen(text));
    return len + strlen(text);
}

/* Mostly plausible rows with dirt of every kind at a rate that differs from chunk to chunk. */
static size_t random_chunk(struct rng *r, const struct pipeline *p, uint8_t *out, size_t max) {
    static const char *const values[] = {"e1",
                                         "user_7",
                                         TS,
                                         "2024-06-01 10:00:00.5",
                                         "https://x/\xc3\xa9?a=b",
                                         "-",
                                         "",
                                         " ",
                                         "NULL",
                                         "nan",
                                         "\t a b ",
                                         "1.2.3.4",
                                         "Mobile",
                                         "12",
                                         "-7.5e3",
                                         "\xf0\x9f\x98\x80"};
    static const char *const odd[] = {"\"",   "\"\"", "\r",  "\n",  "\r\n", ",",    ";",     "\xff",
                                      "\xc3", " \"",  "\" ", "\"x", "x\"",  "\n\n", "\r\r\n"};
    uint64_t dirt = 1 + rng_below(r, 60), quotes = 1 + rng_below(r, 30);
    bool crlf = rng_below(r, 3) == 0;
    size_t len = 0, want = rng_below(r, max);
    char delimiter[2] = {p->delimiter, 0};
    while (len + 4000 < want) {
        unsigned fields = COLUMN_COUNT + p->keep_count;
        if (rng_below(r, dirt) == 0) fields += (unsigned)rng_below(r, 3) - 1;
        for (unsigned f = 0; f < fields; f++) {
            if (f) len = put(out, len, delimiter);
            const char *v = f == 2 && rng_below(r, 4) ? TS : values[rng_below(r, 16)];
            bool quoted = rng_below(r, quotes) == 0;
            if (quoted) len = put(out, len, "\"");
            len = put(out, len, v);
            if (quoted && rng_below(r, 3) == 0) len = put(out, len, delimiter);
            if (quoted && rng_below(r, 3) == 0) len = put(out, len, "\"\"");
            if (quoted && rng_below(r, 8) == 0) len = put(out, len, "\n");
            if (rng_below(r, dirt * 7) == 0) len = put(out, len, odd[rng_below(r, 15)]);
            if (quoted) len = put(out, len, "\"");
            if (rng_below(r, dirt * 20) == 0) len = put(out, len, odd[rng_below(r, 15)]);
        }
        len = put(out, len, crlf ? "\r\n" : "\n");
    }
    if (len && rng_below(r, 3) == 0) len -= 1 + rng_below(r, len > 20 ? 20 : len);
    return len;
}

/* Each of the finders, by the environment variable that forces it. */
static const char *const finders[] = {"portable", "avx2", "avx512", "neon"};

static void clauses_1_2_to_2_5_random_chunks_as_the_naive_reader(void **state) {
    (void)state;
    enum { MAX = 200000 };
    uint8_t *text = malloc(MAX + 64);
    struct rng r;
    rng_init(&r, 12, 0);
    unsigned seen[REASON_COUNT] = {0};
    for (int i = 0; i < 400; i++) {
        struct pipeline p = test_pipeline();
        p.multiline = i % 2;
        p.keep_count = i % 4 < 2 ? 3 : 0;
        p.delimiter = i % 5 == 0 ? ';' : ',';
        struct scan_layout l = plain_layout(&p);
        size_t len = random_chunk(&r, &p, text, i % 20 ? 9000 : MAX);
        setenv("WEIR_SIMD", finders[i / 2 % 4], 1);
        compare(&p, &l, text, len, i % 3 ? SCAN_FULL : SCAN_KEYS, seen);
    }
    unsetenv("WEIR_SIMD");
    for (enum reason reason = REASON_NONE; reason < REASON_DUPLICATE_EVENT; reason++)
        assert_true(seen[reason] > 20);
    free(text);
}

static void clauses_1_2_and_1_4_all_short_texts_as_the_naive_reader(void **state) {
    (void)state;
    /* Every text of up to six of these bytes, with two columns of input. */
    static const char bytes[] = "a,\"\n\r\xff";
    unsigned seen[REASON_COUNT] = {0};
    for (int multiline = 0; multiline < 2; multiline++) {
        struct pipeline p = test_pipeline();
        p.multiline = multiline;
        struct scan_layout l = {.field_count = 2, .column = {0, 1, 1, 0, 0, 1, 1}};
        for (unsigned len = 0; len <= 6; len++) {
            unsigned total = 1;
            for (unsigned i = 0; i < len; i++) total *= 6;
            for (unsigned x = 0; x < total; x++) {
                uint8_t text[8];
                for (unsigned i = 0, y = x; i < len; i++, y /= 6) text[i] = (uint8_t)bytes[y % 6];
                compare(&p, &l, text, len, SCAN_FULL, seen);
            }
        }
    }
    assert_true(seen[REASON_BAD_TIMESTAMP] > 100 && seen[REASON_MALFORMED_ROW] > 1000);
}

static void clause_1_4_records_of_16_mib(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct scan_layout l = plain_layout(&p);
    size_t len = SCAN_RECORD_MAX + 200;
    unsigned seen[REASON_COUNT] = {0};
    uint8_t *text = malloc(len);
    for (int kind = 0; kind < 5; kind++) {
        p.multiline = kind > 2;
        size_t at = put(text, 0, "a,u," TS ",p,r,d,i\n");
        at = put(text, at, kind == 0 ? "e,u," TS ",p" : "e,u," TS ",\"p");
        size_t end = SCAN_RECORD_MAX;
        /* plain; commas in quotes; doubled quotes; line ends in quotes; text beyond ASCII in quotes */
        static const char *const filler[] = {"x", ",", "\"\"", "\r\n", "\xe2\x82\xac"};
        while (at < end) at = put(text, at, filler[kind]);
        at = put(text, at, kind == 0 ? ",r,d,i\n" : "\",r,d,i\n");
        at = put(text, at, "b,u," TS ",p,r,d,\xc3\xa9\n");
        compare(&p, &l, text, at, SCAN_FULL, seen);
    }
    assert_int_equal(seen[REASON_NONE], 15);
    free(text);
}

static void clause_2_1_long_records_with_one_bad_byte(void **state) {
    (void)state;
    /* Longer than the scanner takes at a time; the byte stands in each part in turn. */
    struct pipeline p = test_pipeline();
    struct scan_layout l = plain_layout(&p);
    enum { LONG = 100000 };
    unsigned seen[REASON_COUNT] = {0};
    uint8_t *text = malloc(LONG + 400);
    for (int quoted = 0; quoted < 3; quoted++)
        for (size_t bad = 100; bad < LONG; bad += 9973) {
            p.multiline = quoted == 2;
            size_t len = put(text, 0, quoted ? "e,u," TS ",\"p" : "e,u," TS ",p");
            while (len < LONG) len = put(text, len, quoted == 2 ? "xyz\n" : "xyz ");
            len = put(text, len, quoted ? "\",r,d,i\ne,u," TS ",p,r,d,i\n" : ",r,d,i\ne,u," TS ",p,r,d,i\n");
            text[bad] = 0xff;
            compare(&p, &l, text, len, SCAN_FULL, seen);
        }
    assert_int_equal(seen[REASON_MALFORMED_ROW], seen[REASON_NONE]);
    assert_true(seen[REASON_NONE] > 30);
    free(text);
}

static void a_piece_may_end_anywhere(void **state) {
    (void)state;
    /* Rows of lengths that drift against the piece size, with quotes and text beyond ASCII near its end. */
    struct pipeline p = test_pipeline();
    unsigned seen[REASON_COUNT] = {0};
    enum { MAX = 80000 };
    uint8_t *text = malloc(MAX + 400);
    for (unsigned shift = 0; shift < 300; shift++) {
        p.multiline = shift % 2;
        struct scan_layout l = plain_layout(&p);
        size_t len = put(text, 0, "e,u," TS ",");
        for (unsigned i = 0; i < shift; i++) text[len++] = 'x';
        len = put(text, len, ",r,d,i\n");
        while (len < MAX) {
            len = put(text, len, "e,u," TS ",\"p,\"\"\xe2\x82\xac\",r,d,i\r\n");
            len = put(text, len, "e,u," TS ",p\xe2\x82\xac,r,d,i\n");
            if (p.multiline) len = put(text, len, "e,u," TS ",\"p\n\n\",r,d,i\n");
            if (shift % 7 == 0) len = put(text, len, "e,u," TS ",p\xe2\x82,r,d,i\n");
            len = put(text, len, "\n\r\n");
        }
        compare(&p, &l, text, len, SCAN_FULL, seen);
    }
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clauses_1_2_to_2_5_random_chunks_as_the_naive_reader),
        cmocka_unit_test(clauses_1_2_and_1_4_all_short_texts_as_the_naive_reader),
        cmocka_unit_test(clause_1_4_records_of_16_mib),
        cmocka_unit_test(clause_2_1_long_records_with_one_bad_byte),
        cmocka_unit_test(a_piece_may_end_anywhere),
    };
    return cmocka_run_group_tests_name("scan_random", tests, NULL, NULL);
}
