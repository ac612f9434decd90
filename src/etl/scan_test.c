#include "etl/scan.h"

#include "etl/scan_pipeline_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const reasons[] = {"ok",         "malformed",    "no event_id",
                                      "no user_id", "no timestamp", "bad timestamp"};

static void put_field(char **out, struct str f) {
    if (!f.ptr) {
        *out += sprintf(*out, "|~");
        return;
    }
    *out += sprintf(*out, "|%.*s", (int)f.len, f.ptr);
}

/* All rows as text: "reason|field|…\n", null as ~. */
static char *dump(const struct pipeline *p, const char *text, size_t len) {
    static char result[1 << 16];
    char *out = result;
    struct scan_layout l = plain_layout(p);
    uint8_t *data = padded(text, len);
    struct scanner *s = scanner_new(p, SCAN_FULL);
    struct err e;
    assert_int_equal(scanner_begin(s, &l, data, len, &e), 0);
    struct scan_row row;
    uint64_t rows = 0;
    *out = 0;
    while (scanner_next(s, &row)) {
        rows++;
        out += sprintf(out, "%s", reasons[row.reason]);
        for (unsigned c = 0; row.reason != REASON_MALFORMED_ROW && c < COLUMN_COUNT; c++)
            put_field(&out, row.field[c]);
        for (unsigned k = 0; row.reason == REASON_NONE && k < p->keep_count; k++) {
            const struct scan_keep_value *v = &row.keep[k];
            if (v->misfit) {
                assert_true(v->null);
                out += sprintf(out, "|misfit");
            } else if (v->null)
                out += sprintf(out, "|~");
            else if (p->keep[k].type == KEEP_STRING)
                put_field(&out, v->text);
            else if (p->keep[k].type == KEEP_LONG)
                out += sprintf(out, "|%lld", (long long)v->i);
            else
                out += sprintf(out, "|%g", v->d);
        }
        if (row.reason == REASON_MALFORMED_ROW) {
            for (unsigned c = 0; c < COLUMN_COUNT; c++) assert_null(row.field[c].ptr);
            out += sprintf(out, "|%.*s", (int)row.length, data + row.offset);
        }
        *out++ = '\n';
        *out = 0;
    }
    assert_false(scanner_next(s, &row));
    assert_int_equal(scanner_count_records(p, &l, data, len), rows);
    scanner_free(s);
    free(data);
    return result;
}

static void expect(const struct pipeline *p, const char *text, const char *rows) {
    assert_string_equal(dump(p, text, strlen(text)), rows);
}

static void clause_1_2_lines(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "", "");
    expect(&p, "\n\r\n\n\r", "");
    expect(&p, "\r", "");
    expect(&p, "e,u," TS ",p,r,d,i", "ok|e|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,i\n", "ok|e|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,i\r\n\r\n\nf,u," TS ",p,r,d,i\r",
           "ok|e|u|" TS "|p|r|d|i\nok|f|u|" TS "|p|r|d|i\n");
    /* Only one CR belongs to the line end; other CRs are data. */
    expect(&p, "e,u," TS ",p,r,d,i\r\r\n", "ok|e|u|" TS "|p|r|d|i\r\n");
    expect(&p, "e,u," TS ",p\rq,\rr,d,i\r\r", "ok|e|u|" TS "|p\rq|\rr|d|i\r\n");
    expect(&p, "\r\r\n", "malformed|\r\n");
    expect(&p, " \n", "malformed| \n");
    expect(&p, "e,u," TS ",,,,\r\n", "ok|e|u|" TS "|~|~|~|~\n");
}

static void clause_1_2_nul_is_data(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    static const char text[] = "e,u," TS ",p\0q,\0,d,i\ne\0,u," TS ",\0-,r,d,i";
    struct scan_layout l = plain_layout(&p);
    uint8_t *data = padded(text, sizeof text - 1);
    struct scanner *s = scanner_new(&p, SCAN_FULL);
    struct err e;
    assert_int_equal(scanner_begin(s, &l, data, sizeof text - 1, &e), 0);
    struct scan_row row;
    assert_true(scanner_next(s, &row));
    assert_int_equal(row.reason, REASON_NONE);
    assert_true(str_eq(row.field[COL_PAGE_URL], (struct str){"p\0q", 3}));
    assert_true(str_eq(row.field[COL_REFERRER], (struct str){"\0", 1}));
    assert_true(scanner_next(s, &row));
    assert_true(str_eq(row.field[COL_EVENT_ID], (struct str){"e\0", 2}));
    assert_true(str_eq(row.field[COL_PAGE_URL], (struct str){"\0-", 2}));
    assert_false(scanner_next(s, &row));
    scanner_free(s);
    free(data);
}

static void clause_1_2_quotes(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "\"e\",\"u\",\"" TS "\",\"p,q\",\"r\"\"s\",\"\"\"\",\"i\"\r\n",
           "ok|e|u|" TS "|p,q|r\"s|\"|i\n");
    /* A quote opens a field only as its first byte. */
    expect(&p, "e,u," TS ", \"p\",r\"s\",5\",i\n", "ok|e|u|" TS "|\"p\"|r\"s\"|5\"|i\n");
    expect(&p, "e,u," TS ", \"p,q\",r,d,i\n", "malformed|e,u," TS ", \"p,q\",r,d,i\n");
    expect(&p, "e,u," TS ",\"\",\"\"\"\"\"\",d,\"i\"", "ok|e|u|" TS "|~|\"\"|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\"\r", "ok|e|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\r\"\n", "ok|e|u|" TS "|p|r|d|i\r\n");
    expect(&p, "e,u," TS ",p,r,d\",i\"\n", "ok|e|u|" TS "|p|r|d\"|i\"\n");
}

static void clause_1_2_delimiter(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.delimiter = ';';
    expect(&p, "e;u;" TS ";p,q;\"r;s\";d;i\n", "ok|e|u|" TS "|p,q|r;s|d|i\n");
    p.delimiter = '\t';
    expect(&p, "e\tu\t" TS "\tp\t\"\tr\t\"\t\ti\n", "ok|e|u|" TS "|p|r|~|i\n");
    p.delimiter = ' ';
    expect(&p, "e u " TS "  r d i\n", "ok|e|u|" TS "|~|r|d|i\n");
}

static void clause_1_4_line_end_in_quotes_ends_the_record(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "e,u," TS ",\"p\nq\",r,d,i\n", "malformed|e,u," TS ",\"p\nmalformed|q\",r,d,i\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\r\nf,u," TS ",p,r,d,i\n",
           "malformed|e,u," TS ",p,r,d,\"i\nok|f|u|" TS "|p|r|d|i\n");
}

static void clause_1_4_multiline(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.multiline = true;
    expect(&p, "e,u," TS ",\"p\nq\",\"\r\n\n\",d,i\r\n\r\nf,u," TS ",p,r,d,i",
           "ok|e|u|" TS "|p\nq|\r\n\n|d|i\nok|f|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",\"p\"\"\n\"\"q\",r,d,i\r\n", "ok|e|u|" TS "|p\"\n\"q|r|d|i\n");
    /* After text that follows a closing quote, quotes mean nothing until the next line end. */
    expect(&p, "\"e\"x,\"u\n" TS ",\"p\nq\",r\n", "malformed|\"e\"x,\"u\nmalformed|" TS ",\"p\nq\",r\n");
    expect(&p, "\"e\" ,\"u\nf,u," TS ",p,r,d,i\n", "malformed|\"e\" ,\"u\nok|f|u|" TS "|p|r|d|i\n");
    expect(&p, "\"e\"\r,\"u\nf,u," TS ",p,r,d,i\n", "malformed|\"e\"\r,\"u\nok|f|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\"\r\r\nf,u," TS ",p,r,d,i\n",
           "malformed|e,u," TS ",p,r,d,\"i\"\r\nok|f|u|" TS "|p|r|d|i\n");
    /* A quote that is not the first byte opens nothing. */
    expect(&p, "e,u," TS ",p\",r,d,i\nf,u," TS ", \"p,r,d,i\n",
           "ok|e|u|" TS "|p\"|r|d|i\nok|f|u|" TS "|\"p|r|d|i\n");
    /* Left open at the end of the file. */
    expect(&p, "e,u," TS ",\"p\nq\r\n", "malformed|e,u," TS ",\"p\nq\r\n\n");
    expect(&p, "e,u," TS ",\"p\nq\r", "malformed|e,u," TS ",\"p\nq\n");
    expect(&p, "\"", "malformed|\"\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\"", "ok|e|u|" TS "|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\"\"", "malformed|e,u," TS ",p,r,d,\"i\"\"\n");
}

static void clause_1_4_record_end(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.multiline = true;
    static const struct {
        const char *text;
        size_t end, end_at_eof;
    } cases[] = {
        {"", 0, 0},
        {"\n", 1, 1},
        {"a", 0, 1},
        {"a\nb", 2, 2},
        {"\"a\nb\"\nc", 6, 6},
        {"\"a\nb", 0, 4},
        {"a,\"\n\",b\r\nx", 9, 9},
        {"\"a\"\"\n\"\n\"", 7, 7},
        {"\"a\"x\"\n\"", 6, 6},
        {"\"a\"\n", 4, 4},
        {"\"a\"", 0, 3},
        {"a\"\nb\"\n", 3, 3},
        {"\"\",\"\"\"\n\"\n", 9, 9},
        {"\"a\"\r,\"\n\"\n", 7, 7},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *d = (const uint8_t *)cases[i].text;
        assert_int_equal(scan_multiline_record_end(&p, d, strlen(cases[i].text), false), cases[i].end);
        assert_int_equal(scan_multiline_record_end(&p, d, strlen(cases[i].text), true), cases[i].end_at_eof);
    }
}

static void clause_2_1_malformed(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "e,u," TS ",p,r,d\n", "malformed|e,u," TS ",p,r,d\n");
    expect(&p, "e,u," TS ",p,r,d,i,\n", "malformed|e,u," TS ",p,r,d,i,\n");
    expect(&p, "e,u," TS ",\"p\",r,d,i,\n", "malformed|e,u," TS ",\"p\",r,d,i,\n");
    expect(&p, "e,u," TS ",\"p\",r,d\r\n", "malformed|e,u," TS ",\"p\",r,d\n");
    expect(&p, "e,u," TS ",p,r,d,\"i\n", "malformed|e,u," TS ",p,r,d,\"i\n");
    expect(&p, "e,u," TS ",\"p\"q,r,d,i\n", "malformed|e,u," TS ",\"p\"q,r,d,i\n");
    expect(&p, "e,u," TS ",\"p\" ,r,d,i\n", "malformed|e,u," TS ",\"p\" ,r,d,i\n");
    /* It comes before all other reasons, wherever it stands. */
    expect(&p, ",,,,,\xff,\n", "malformed|,,,,,\xff,\n");
    expect(&p, ",,,,,d,\"\xed\xa0\x80\"\n", "malformed|,,,,,d,\"\xed\xa0\x80\"\n");
    expect(&p, "e,u," TS ",p\xc3,\xa9r,d,i\n", "malformed|e,u," TS ",p\xc3,\xa9r,d,i\n");
    expect(&p, "e,u," TS ",p\xc3\n\xa9,u," TS ",p,r,d,i\n",
           "malformed|e,u," TS ",p\xc3\nmalformed|\xa9,u," TS ",p,r,d,i\n");
    expect(&p, "e,u," TS ",\xc3\xa9\xe2\x82\xac,\"\xf0\x9f\x98\x80\",d,i\n",
           "ok|e|u|" TS "|\xc3\xa9\xe2\x82\xac|\xf0\x9f\x98\x80|d|i\n");
    /* One bad record among good ones of the same piece. */
    expect(&p, "e,u," TS ",\xc3\xa9,r,d,i\n\xff,u," TS ",p,r,d,i\nf,u," TS ",\xc3\xa9,r,d,i",
           "ok|e|u|" TS "|\xc3\xa9|r|d|i\nmalformed|\xff,u," TS ",p,r,d,i\nok|f|u|" TS "|\xc3\xa9|r|d|i\n");
}

static void clause_2_1_utf8_of_columns_that_are_not_needed(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct scan_layout l = plain_layout(&p);
    l.field_count = 8;
    static const char text[] = "e,u," TS ",p,r,d,i,\xff\n";
    uint8_t *data = padded(text, sizeof text - 1);
    for (int mode = SCAN_KEYS; mode <= SCAN_FULL; mode++) {
        struct scanner *s = scanner_new(&p, mode);
        struct err e;
        struct scan_row row;
        assert_int_equal(scanner_begin(s, &l, data, sizeof text - 1, &e), 0);
        assert_true(scanner_next(s, &row));
        assert_int_equal(row.reason, REASON_MALFORMED_ROW);
        scanner_free(s);
    }
    free(data);
}

static void clause_2_2_trim(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, " e\t,\t \tu ,  " TS "\t, p q ,\" r\t\",\" \"\" \", \n", "ok|e|u|" TS "|p q|r|\"|~\n");
    expect(&p,
           "\xc2\xa0"
           "e\v,u,\"  " TS "  \",\r,r,d,i\n",
           "ok|\xc2\xa0"
           "e\v|u|" TS "|\r|r|d|i\n");
}

static void clause_2_3_nulls(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "e,u," TS ",NULL,\"None\", nan ,-\n", "ok|e|u|" TS "|~|~|~|~\n");
    expect(&p, "e,u," TS ",n/A,\\N,\"\\n\",\" - \"\n", "ok|e|u|" TS "|~|~|~|~\n");
    expect(&p, "e,u," TS ",nulls,--,n\\a,none.\n", "ok|e|u|" TS "|nulls|--|n\\a|none.\n");
    expect(&p, "e,u," TS ",nul,N,/,NaN\n", "ok|e|u|" TS "|nul|N|/|~\n");
    struct str tokens[] = {{"missing", 7},
                           {"", 0},
                           {"\xc3\x84", 2},
                           {"a-long-token-of-more-than-sixty-three-bytes-which-nobody-would-ever-want", 72}};
    p.null_tokens = tokens;
    p.null_token_count = 4;
    expect(&p, "e,u," TS ",Missing,-,,\xc3\x84\n", "ok|e|u|" TS "|~|-|~|~\n");
    expect(&p,
           "e,u," TS ",\xc3\xa4,A-long-token-of-more-than-sixty-three-bytes-which-nobody-would-ever-Want,A-"
           "long-token-of-more-than-sixty-three-bytes-which-nobody-would-ever-wanT!,i\n",
           "ok|e|u|" TS
           "|\xc3\xa4|~|A-long-token-of-more-than-sixty-three-bytes-which-nobody-would-ever-wanT!|i\n");
    p.null_token_count = 0;
    expect(&p, "e,u," TS ",null,-,,i\n", "ok|e|u|" TS "|null|-|~|i\n");
}

static void clause_2_4_required(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "-,,,p,r,d,i\n", "no event_id|~|~|~|p|r|d|i\n");
    expect(&p, "e,null,,p,r,d,i\n", "no user_id|e|~|~|p|r|d|i\n");
    expect(&p, "e,u,\" \",p,r,d,i\n", "no timestamp|e|u|~|p|r|d|i\n");
    expect(&p, ",u,x,p,r,d,i\n", "no event_id|~|u|x|p|r|d|i\n");
}

static void clause_2_5_timestamp(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    expect(&p, "e,u,2024-06-31T00:00:00Z,p,r,d,-\n", "bad timestamp|e|u|2024-06-31T00:00:00Z|p|r|d|~\n");
    p.timestamp = TIMESTAMP_EPOCH_MS;
    expect(&p, "e,u,1717200318633,p,r,d,i\n", "ok|e|u|1717200318633|p|r|d|i\n");
    expect(&p, "e,u," TS ",p,r,d,i\n", "bad timestamp|e|u|" TS "|p|r|d|i\n");
}

static void clause_1_6_keep(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.keep_count = 3;
    expect(&p, "e,u," TS ",p,r,d,i,w, +12 ,\"-1.5e3\"\n", "ok|e|u|" TS "|p|r|d|i|w|12|-1500\n");
    expect(&p, "e,u," TS ",p,r,d,i, - ,null,\"\"\n", "ok|e|u|" TS "|p|r|d|i|~|~|~\n");
    expect(&p, "e,u," TS ",p,r,d,i,\"a\"\"b\",12.0,1e999\n", "ok|e|u|" TS "|p|r|d|i|a\"b|misfit|misfit\n");
    expect(&p, "e,u," TS ",p,r,d,i,w,1234567890123456789,.5\n", "ok|e|u|" TS "|p|r|d|i|w|misfit|misfit\n");
    expect(&p, "e,u,x,p,r,d,i,w,1,1\n", "bad timestamp|e|u|x|p|r|d|i\n");
}

static void clause_1_7_strict_false_is_the_same(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.strict = false;
    expect(&p, "e,u\ne,u," TS ",\"p\"x,r,d,i\ne,u," TS ",p,r,d,i\n",
           "malformed|e,u\nmalformed|e,u," TS ",\"p\"x,r,d,i\nok|e|u|" TS "|p|r|d|i\n");
}

static void clause_2_6_device(void **state) {
    (void)state;
    char scratch[16];
    struct str in = STR("mobile");
    assert_ptr_equal(scan_device(in, scratch).ptr, in.ptr);
    assert_true(str_eq(scan_device(STR("MobiLE 1"), scratch), STR("mobile 1")));
    assert_true(str_eq(scan_device(STR("\xc3\x84Z@[`"), scratch), STR("\xc3\x84z@[`")));
    assert_true(str_eq(scan_device((struct str){0}, scratch), STR("unknown")));
}

static size_t put(uint8_t *out, size_t len, const char *text) {
    memcpy(out + len, text, strlen(text));
    return len + strlen(text);
}

static void a_scanner_takes_many_chunks_and_layouts(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    struct scanner *s = scanner_new(&p, SCAN_FULL);
    struct scan_row row;
    assert_false(scanner_next(s, &row)); /* before any chunk: no rows */
    struct err e;
    for (uint32_t fields = COLUMN_COUNT; fields < 600; fields += 37) {
        struct scan_layout l = {.field_count = fields};
        for (unsigned c = 0; c < COLUMN_COUNT; c++) l.column[c] = fields - 1 - c;
        uint8_t text[4000];
        size_t len = 0;
        for (uint32_t f = 0; f < fields; f++) {
            if (f) len = put(text, len, ",");
            if (f == l.column[COL_EVENT_ID]) len = put(text, len, "e");
            if (f == l.column[COL_USER_ID]) len = put(text, len, "\"u\"\"\"");
            if (f == l.column[COL_TIMESTAMP]) len = put(text, len, TS);
        }
        uint8_t *data = padded(text, len);
        assert_int_equal(scanner_begin(s, &l, data, len, &e), 0);
        assert_true(scanner_next(s, &row));
        assert_int_equal(row.reason, REASON_NONE);
        assert_true(str_eq(row.field[COL_USER_ID], STR("u\"")));
        assert_int_equal(row.time_us, 1717200000000000);
        assert_false(scanner_next(s, &row));
        free(data);
    }
    scanner_free(s);
    scanner_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_1_2_lines),
        cmocka_unit_test(clause_1_2_nul_is_data),
        cmocka_unit_test(clause_1_2_quotes),
        cmocka_unit_test(clause_1_2_delimiter),
        cmocka_unit_test(clause_1_4_line_end_in_quotes_ends_the_record),
        cmocka_unit_test(clause_1_4_multiline),
        cmocka_unit_test(clause_1_4_record_end),
        cmocka_unit_test(clause_2_1_malformed),
        cmocka_unit_test(clause_2_1_utf8_of_columns_that_are_not_needed),
        cmocka_unit_test(clause_2_2_trim),
        cmocka_unit_test(clause_2_3_nulls),
        cmocka_unit_test(clause_2_4_required),
        cmocka_unit_test(clause_2_5_timestamp),
        cmocka_unit_test(clause_1_6_keep),
        cmocka_unit_test(clause_1_7_strict_false_is_the_same),
        cmocka_unit_test(clause_2_6_device),
        cmocka_unit_test(a_scanner_takes_many_chunks_and_layouts),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
