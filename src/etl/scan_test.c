#include "etl/scan.h"

#include "base/random.h"
#include "etl/scan_naive_test.h"
#include "etl/scan_pipeline_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

/* Columns in the order of the pipeline, keep columns after them. */
static struct scan_layout plain_layout(const struct pipeline *p) {
    struct scan_layout l = {.field_count = COLUMN_COUNT + p->keep_count};
    for (unsigned c = 0; c < COLUMN_COUNT; c++) l.column[c] = c;
    for (unsigned k = 0; k < p->keep_count; k++) l.keep[k] = COLUMN_COUNT + k;
    return l;
}

/* The chunk in memory of its own, the padding filled with what must not be seen. */
static uint8_t *padded(const void *data, size_t len) {
    uint8_t *exact = malloc(len + SCAN_PADDING);
    if (len) memcpy(exact, data, len);
    for (size_t i = 0; i < SCAN_PADDING; i++) exact[len + i] = (uint8_t) "\n,\"7\xff"[i % 5];
    return exact;
}

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
    assert_int_equal(scanner_count_records(p, data, len), rows);
    scanner_free(s);
    free(data);
    return result;
}

#define TS "2024-06-01T00:00:00Z"

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

/* ---- the header */

static int header(const struct pipeline *p, const char *text, size_t len, bool whole, struct scan_layout *l,
                  struct err *e) {
    uint8_t *exact = malloc(len ? len : 1);
    memcpy(exact, text, len);
    int rc = scan_header(p, exact, len, whole, "in.csv", l, e);
    free(exact);
    return rc;
}

#define NAMES "event_id,user_id,timestamp,page_url,referrer,device,ip_address"

static void header_good(const struct pipeline *p, const char *text, uint32_t count, size_t body) {
    struct scan_layout l;
    struct err e = {0};
    if (header(p, text, strlen(text), true, &l, &e)) fail_msg("%s: %s", text, e.msg);
    assert_int_equal(l.field_count, count);
    assert_int_equal(l.body, body);
}

static void header_bad(const struct pipeline *p, const char *text, const char *message) {
    struct scan_layout l;
    struct err e = {0};
    assert_int_equal(header(p, text, strlen(text), true, &l, &e), ERR_INPUT);
    assert_string_equal(e.msg, message);
}

static void clause_1_3_header(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    header_good(&p, NAMES, 7, 62);
    header_good(&p, NAMES "\n", 7, 63);
    header_good(&p, NAMES "\r\ne,u", 7, 64);
    header_good(&p, NAMES "\r", 7, 63);
    header_good(&p, "\xef\xbb\xbf\r\n\n" NAMES "\n\n", 7, 69);
    header_good(&p, NAMES ",\n", 8, 64);
    header_good(&p, NAMES ",other,Other,other\n", 10, 81);
    struct scan_layout l;
    struct err e;
    static const char odd[] =
        "x, ip_address\t,\"user_id\",timestamp,\"a,b\",page_url,\" event_id \",\"a\"\"b\",referrer,device\n";
    assert_int_equal(header(&p, odd, sizeof odd - 1, false, &l, &e), 0);
    assert_int_equal(l.field_count, 10);
    static const uint32_t places[] = {6, 2, 3, 5, 8, 9, 1};
    assert_memory_equal(l.column, places, sizeof places);
    assert_int_equal(l.body, sizeof odd - 1);
}

static void clause_1_3_header_errors(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    header_bad(&p, "", "could not read \"in.csv\": it has no header line");
    header_bad(&p, "\n\r\n\r", "could not read \"in.csv\": it has no header line");
    header_bad(&p, "\xef\xbb\xbf\n", "could not read \"in.csv\": it has no header line");
    header_bad(&p, "a,b \xc3\xa9,\"c\n",
               "could not read \"in.csv\": its header is malformed: a quote is left open");
    header_bad(&p, "\"a\"b,c\n",
               "could not read \"in.csv\": its header is malformed: text follows a closing quote");
    header_bad(&p, "a,\xff\n", "could not read \"in.csv\": its header is malformed: it is not UTF-8");
    header_bad(&p, "event_id,User_id, b ,\"c,\"\nx",
               "could not read \"in.csv\": no column \"user_id\" in its header; there are: event_id, "
               "User_id, b, c,");
    header_bad(&p, NAMES ",\" device\"\n",
               "could not read \"in.csv\": its header names column \"device\" twice");
    header_bad(&p, " \n", "could not read \"in.csv\": no column \"event_id\" in its header; there are: ");
    struct scan_layout l;
    struct err e;
    assert_int_equal(header(&p, NAMES, strlen(NAMES), false, &l, &e), ERR_INPUT);
    assert_string_equal(e.msg, "could not read \"in.csv\": no header line ends in its first 62 bytes");
    assert_int_equal(header(&p, "\n\n", 2, false, &l, &e), ERR_INPUT);
    assert_string_equal(e.msg, "could not read \"in.csv\": no header line ends in its first 2 bytes");
    /* Thousands of names: the list is cut short. */
    static char many[40001];
    for (size_t i = 0; i < sizeof many - 1; i++) many[i] = i % 4 == 3 ? ',' : 'n';
    assert_int_equal(header(&p, many, sizeof many - 1, true, &l, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "there are: nnn, nnn, "));
    assert_non_null(strstr(e.msg, ", \xe2\x80\xa6"));
}

static void clause_1_3_keep_columns_are_needed(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.keep_count = 3;
    header_bad(&p, NAMES ",word,real",
               "could not read \"in.csv\": no column \"whole\" in its header; there are: event_id, user_id, "
               "timestamp, page_url, referrer, device, ip_address, word, real");
    header_bad(&p, NAMES ",word,real,whole,word",
               "could not read \"in.csv\": its header names column \"word\" twice");
    struct scan_layout l;
    struct err e;
    static const char text[] = NAMES ",real,word,whole\n";
    assert_int_equal(header(&p, text, sizeof text - 1, false, &l, &e), 0);
    assert_int_equal(l.keep[0], 8);
    assert_int_equal(l.keep[1], 9);
    assert_int_equal(l.keep[2], 7);
}

static void clause_1_1_columns_by_configured_name_and_shared(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    p.columns[COL_USER_ID] = "visitor";
    p.columns[COL_REFERRER] = "page_url"; /* one input column behind two of the pipeline's */
    struct scan_layout l;
    struct err e;
    static const char text[] = "ip_address,visitor,event_id,timestamp,page_url,device\n";
    assert_int_equal(header(&p, text, sizeof text - 1, false, &l, &e), 0);
    assert_int_equal(l.column[COL_USER_ID], 1);
    assert_int_equal(l.column[COL_PAGE_URL], 4);
    assert_int_equal(l.column[COL_REFERRER], 4);
    static const char body[] = "i,u,e," TS ",\"a\"\"b\",d\n";
    uint8_t *data = padded(body, sizeof body - 1);
    struct scanner *s = scanner_new(&p, SCAN_FULL);
    struct scan_row row;
    assert_int_equal(scanner_begin(s, &l, data, sizeof body - 1, &e), 0);
    assert_true(scanner_next(s, &row));
    assert_true(str_eq(row.field[COL_PAGE_URL], STR("a\"b")));
    assert_true(str_eq(row.field[COL_REFERRER], STR("a\"b")));
    assert_true(str_eq(row.field[COL_IP], STR("i")));
    scanner_free(s);
    free(data);
}

static void clause_1_4_multiline_header(void **state) {
    (void)state;
    struct pipeline p = test_pipeline();
    static const char text[] = NAMES ",\"a\nb\"\r\nx";
    header_bad(&p, text, "could not read \"in.csv\": its header is malformed: a quote is left open");
    p.multiline = true;
    header_good(&p, text, 8, sizeof text - 2);
    header_good(&p, "\r\n" NAMES "\n", 7, 65);
    header_bad(&p, NAMES ",\"a\n",
               "could not read \"in.csv\": its header is malformed: a quote is left open");
    header_bad(&p, "", "could not read \"in.csv\": it has no header line");
    header_bad(&p, "\r\n\n\r", "could not read \"in.csv\": it has no header line");
    struct scan_layout l;
    struct err e;
    assert_int_equal(header(&p, text, strlen(NAMES) + 4, false, &l, &e), ERR_INPUT);
    assert_int_equal(header(&p, "\n", 1, false, &l, &e), ERR_INPUT);
}

/* ---- against the rules written down a second time */

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
    assert_int_equal(scanner_count_records(p, data, len), rows);
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
        cmocka_unit_test(clause_1_3_header),
        cmocka_unit_test(clause_1_3_header_errors),
        cmocka_unit_test(clause_1_3_keep_columns_are_needed),
        cmocka_unit_test(clause_1_1_columns_by_configured_name_and_shared),
        cmocka_unit_test(clause_1_4_multiline_header),
        cmocka_unit_test(clauses_1_2_to_2_5_random_chunks_as_the_naive_reader),
        cmocka_unit_test(clauses_1_2_and_1_4_all_short_texts_as_the_naive_reader),
        cmocka_unit_test(clause_1_4_records_of_16_mib),
        cmocka_unit_test(a_piece_may_end_anywhere),
        cmocka_unit_test(a_scanner_takes_many_chunks_and_layouts),
    };
    return cmocka_run_group_tests_name("scan", tests, NULL, NULL);
}
