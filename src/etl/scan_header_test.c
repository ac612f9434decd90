#include "etl/scan.h"

#include "etl/scan_pipeline_test.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clause_1_3_header),
        cmocka_unit_test(clause_1_3_header_errors),
        cmocka_unit_test(clause_1_3_keep_columns_are_needed),
        cmocka_unit_test(clause_1_1_columns_by_configured_name_and_shared),
        cmocka_unit_test(clause_1_4_multiline_header),
    };
    return cmocka_run_group_tests_name("scan_header", tests, NULL, NULL);
}
