#include "etl/pipeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int parse(struct pipeline *p, const char *text, struct err *e) {
    assert_int_equal(pipeline_init(p, e), 0);
    return pipeline_parse_yaml(p, text, strlen(text), "p.yaml", e);
}

/* The text is refused with this message. */
static void refused(const char *text, const char *message) {
    struct pipeline p;
    struct err e = {0};
    int rc = parse(&p, text, &e);
    if (rc != ERR_INPUT || strcmp(e.msg, message) != 0) {
        print_error("input:    %s\nexpected: %s\ngot:      %d %s\n", text, message, rc, e.msg);
        fail();
    }
    pipeline_release(&p);
}

static const char full[] = "# every key\n"
                           "input:\n"
                           "  columns:\n"
                           "    event_id: id\n"
                           "    user_id: 'visitor: id'\n"
                           "    timestamp: \"2024\"\n"
                           "    page_url: größe\n"
                           "    referrer: ref\n"
                           "    device: ref\n"
                           "    ip_address: ip\n"
                           "  csv: {delimiter: \"\\t\", multiline: true, strict: false}\n"
                           "  keep:\n"
                           "    - {name: status, type: long}\n"
                           "    - {type: double, name: 'took \"ms\"'}\n"
                           "    - name: timestamp\n"
                           "      type: string\n"
                           "clean:\n"
                           "  null_tokens: [NULL, ~, -1, Ünbekannt, \"\", nUll]\n"
                           "  timestamp: epoch_ms\n"
                           "geo: {ip: drop}\n"
                           "sessions: {gap_seconds: 0}\n"
                           "output: {namespace: shop, events: clicks, rejects: bad_clicks}\n";

static void check_full(const struct pipeline *p) {
    assert_string_equal(p->columns[COL_EVENT_ID], "id");
    assert_string_equal(p->columns[COL_USER_ID], "visitor: id");
    assert_string_equal(p->columns[COL_TIMESTAMP], "2024");
    assert_string_equal(p->columns[COL_PAGE_URL], "größe");
    assert_string_equal(p->columns[COL_IP], "ip");
    assert_int_equal(p->delimiter, '\t');
    assert_true(p->multiline);
    assert_false(p->strict);
    assert_int_equal(p->keep_count, 3);
    assert_string_equal(p->keep[0].name, "status");
    assert_int_equal(p->keep[0].type, KEEP_LONG);
    assert_string_equal(p->keep[1].name, "took \"ms\"");
    assert_int_equal(p->keep[1].type, KEEP_DOUBLE);
    assert_int_equal(p->keep[2].type, KEEP_STRING);
    assert_int_equal(p->null_token_count, 4);
    assert_true(str_eq(p->null_tokens[0], STR("null")));
    assert_true(str_eq(p->null_tokens[1], STR("~")));
    assert_true(str_eq(p->null_tokens[2], STR("-1")));
    assert_true(str_eq(p->null_tokens[3], STR("Ünbekannt"))); /* ASCII letters only change case */
    assert_int_equal(p->timestamp, TIMESTAMP_EPOCH_MS);
    assert_true(p->drop_ip);
    assert_int_equal(p->gap_us, 0);
}

static void reads_every_key_and_prints_it_back(void **state) {
    (void)state;
    struct pipeline p, again;
    struct err e = {0};
    struct buf yaml, json, second;
    buf_init(&yaml, 0);
    buf_init(&json, 0);
    buf_init(&second, 0);
    assert_int_equal(parse(&p, full, &e), 0);
    check_full(&p);
    assert_string_equal(p.namespace_name, "shop");
    assert_string_equal(p.events, "clicks");
    assert_string_equal(p.rejects, "bad_clicks");

    assert_int_equal(pipeline_print_yaml(&p, &yaml, &e), 0);
    assert_int_equal(parse(&again, buf_cstr(&yaml), &e), 0);
    check_full(&again);
    assert_string_equal(again.rejects, "bad_clicks");
    assert_int_equal(pipeline_print_yaml(&again, &second, &e), 0);
    assert_string_equal(buf_cstr(&yaml), buf_cstr(&second));
    pipeline_release(&again);

    assert_int_equal(pipeline_print_json(&p, &json, &e), 0);
    assert_int_equal(parse(&again, buf_cstr(&json), &e), 0);
    check_full(&again);
    pipeline_release(&again);
    pipeline_release(&p);
    buf_release(&yaml);
    buf_release(&json);
    buf_release(&second);
}

static void defaults_are_those_of_the_contract(void **state) {
    (void)state;
    static const char expected[] =
        "{\"input\":{\"columns\":{\"event_id\":\"event_id\",\"user_id\":\"user_id\","
        "\"timestamp\":\"timestamp\",\"page_url\":\"page_url\",\"referrer\":\"referrer\","
        "\"device\":\"device\",\"ip_address\":\"ip_address\"},"
        "\"csv\":{\"delimiter\":\",\",\"multiline\":false,\"strict\":true},\"keep\":[]},"
        "\"clean\":{\"null_tokens\":[\"null\",\"none\",\"nan\",\"n/a\",\"\\\\n\",\"-\"],"
        "\"timestamp\":\"iso8601\"},\"geo\":{\"ip\":\"keep\"},\"sessions\":{\"gap_seconds\":1800}}";
    static const char *const nothing[] = {
        "",   "\n# only a comment\n", "---\n", "input:\nclean:\n", "input: {csv: , keep: , columns: }\n",
        "{}", "\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        struct pipeline p;
        struct err e = {0};
        struct buf json;
        buf_init(&json, 0);
        assert_int_equal(parse(&p, nothing[i], &e), 0);
        assert_int_equal(pipeline_print_json(&p, &json, &e), 0);
        assert_string_equal(buf_cstr(&json), expected);
        assert_string_equal(p.namespace_name, "web");
        buf_release(&json);
        pipeline_release(&p);
    }
}

static void wrong_keys_name_line_and_path(void **state) {
    (void)state;
    refused("input:\n  colums: {}\n", "p.yaml:2: input: unknown key \"colums\"; allowed: columns, csv, keep");
    refused("session: {}\n",
            "p.yaml:1: unknown key \"session\"; allowed: input, clean, geo, sessions, output");
    refused("input:\n  columns:\n    usr: x\n",
            "p.yaml:3: input.columns: unknown key \"usr\"; allowed: event_id, user_id, timestamp, page_url, "
            "referrer, device, ip_address");
    refused("geo: {ip: keep}\n\ngeo: {ip: drop}\n", "p.yaml:3: key \"geo\" is given twice");
    refused("input: {columns: {device: a, device: b}}",
            "p.yaml:1: input.columns: key \"device\" is given twice");
    refused("input:\n  keep:\n  - {name: a, type: long}\n  - {nme: b}\n",
            "p.yaml:4: input.keep[1]: unknown key \"nme\"; allowed: name, type");
    refused("[a]: 1\n", "p.yaml:1: a key must be a word, not a list");
    refused("a: 1\n---\nb: 1\n", "p.yaml:1: unknown key \"a\"; allowed: input, clean, geo, sessions, output");
    refused("geo: {ip: keep}\n---\ngeo: {ip: keep}\n",
            "p.yaml:3: a second document begins here; one is allowed");
}

static void wrong_types_and_values(void **state) {
    (void)state;
    refused("- a\n", "p.yaml:1: must be a mapping (key: value), not a list");
    refused("input: 3\n", "p.yaml:1: input: must be a mapping (key: value), not a value");
    refused("input: {columns: [a]}\n",
            "p.yaml:1: input.columns: must be a mapping (column: name in the input), not a list");
    refused("input: {columns: {device: 5}}\n",
            "p.yaml:1: input.columns.device: must be text: write \"5\" in quotes");
    refused("input: {columns: {device: }}\n", "p.yaml:1: input.columns.device: has no value");
    refused("input: {columns: {device: \"\"}}\n", "p.yaml:1: input.columns.device: must not be empty");
    refused("input: {columns: {device: \" a\"}}\n",
            "p.yaml:1: input.columns.device: must not begin or end with a blank");
    refused("input: {columns: {device: \"a\\0b\"}}\n",
            "p.yaml:1: input.columns.device: must not hold control characters");
    refused("input: {columns: {device: \"a\\x85\"}}\n",
            "p.yaml:1: input.columns.device: must not hold control characters");
    refused("input: {columns: {device: {a: b}}}\n",
            "p.yaml:1: input.columns.device: must be text, not a mapping");
    refused("input: {csv: {strict: \"true\"}}\n", "p.yaml:1: input.csv.strict: must be true or false");
    refused("input: {csv: {multiline: yes}}\n", "p.yaml:1: input.csv.multiline: must be true or false");
    static const char *const delimiters[] = {"\\t", "\"\\\"\"", "\"\\n\"", "\"\\r\"",
                                             "ab",  "\"\"",     "\"ä\"",   "\"\\0\""};
    for (size_t i = 0; i < sizeof delimiters / sizeof *delimiters; i++) {
        char text[64];
        snprintf(text, sizeof text, "input:\n csv:\n  delimiter: %s\n", delimiters[i]);
        refused(text, "p.yaml:3: input.csv.delimiter: must be one ASCII character other than the quote, CR "
                      "and LF, for example \";\" or \"\\t\" (in double quotes)");
    }
    refused("clean: {timestamp: iso}\n",
            "p.yaml:1: clean.timestamp: must be one of: iso8601, epoch_s, epoch_ms, epoch_us");
    refused("clean: {null_tokens: x}\n", "p.yaml:1: clean.null_tokens: must be a list, not a value");
    refused("clean: {null_tokens: [[]]}\n", "p.yaml:1: clean.null_tokens[0]: must be text, not a list");
    refused("geo: {ip: hide}\n", "p.yaml:1: geo.ip: must be one of: keep, drop");
    static const char *const gaps[] = {"-1",  "1.5", "\"1800\"", "1e3",         "030",
                                       "abc", "[]",  "",         "31536000001", "99999999999999999999"};
    for (size_t i = 0; i < sizeof gaps / sizeof *gaps; i++) {
        char text[64];
        snprintf(text, sizeof text, "sessions: {gap_seconds: %s}\n", gaps[i]);
        refused(text, "p.yaml:1: sessions.gap_seconds: must be a whole number of seconds from 0 to "
                      "31536000000");
    }
}

static void keep_columns_must_be_new_and_whole(void **state) {
    (void)state;
    refused("input: {keep: [{name: a}]}\n",
            "p.yaml:1: input.keep[0]: needs both name and type, as in {name: status, type: long}");
    refused("input: {keep: [a]}\n", "p.yaml:1: input.keep[0]: must be a mapping (key: value), not a value");
    refused("input: {keep: [{name: a, type: int}]}\n",
            "p.yaml:1: input.keep[0].type: must be one of: string, long, double");
    refused("input: {keep: [{name: Country, type: string}]}\n",
            "p.yaml:1: input.keep[0].name: \"Country\" is already a column of the events table");
    refused("input: {keep: [{name: a, type: long}, {name: A, type: long}]}\n",
            "p.yaml:1: input.keep[1].name: \"A\" is listed twice");
    char many[8192] = "input: {keep: [";
    for (int i = 0; i <= KEEP_MAX; i++) snprintf(many + strlen(many), 40, "{name: c%d, type: long},", i);
    strcat(many, "]}\n");
    refused(many, "p.yaml:1: input.keep: has 65 entries; at most 64 are allowed");
}

static void output_names(void **state) {
    (void)state;
    refused("output: {events: a/b}\n",
            "p.yaml:1: output.events: \"a/b\" may hold ASCII letters, digits, _ and - only");
    refused("output: {namespace: ..}\n",
            "p.yaml:1: output.namespace: \"..\" may hold ASCII letters, digits, _ and - only");
    refused("output: {rejects: Events}\n", "p.yaml:1: output: events and rejects are both called \"events\"");
    struct pipeline p;
    struct err e = {0};
    assert_int_equal(pipeline_init(&p, &e), 0);
    assert_int_equal(pipeline_check(&p, &e), 0);
    p.events = "rejects";
    assert_int_equal(pipeline_check(&p, &e), ERR_INPUT);
    p.events = "-x";
    assert_int_equal(pipeline_check(&p, &e), ERR_INPUT);
    assert_string_equal(e.msg, "output.events: \"-x\" must not begin with -");
    pipeline_release(&p);
}

static void broken_yaml(void **state) {
    (void)state;
    refused("input:\n  csv: {\n", "p.yaml:3: not YAML: did not find expected node content while parsing a "
                                  "flow node");
    refused("a: b: c\n", "p.yaml:1: not YAML: mapping values are not allowed in this context");
    refused("geo: *nothing\n", "p.yaml:1: not YAML: found undefined alias");
    struct pipeline p;
    struct err e = {0};
    assert_int_equal(parse(&p, "geo: {ip: \"\xff\"}", &e), ERR_INPUT);
    assert_string_equal(e.msg, "p.yaml: byte 11: not YAML: invalid leading UTF-8 octet");
    pipeline_release(&p);
}

static void aliases_work_and_cannot_explode(void **state) {
    (void)state;
    struct pipeline p;
    struct err e = {0};
    assert_int_equal(parse(&p, "input: {columns: {page_url: &u url, referrer: *u}}\n", &e), 0);
    assert_string_equal(p.columns[COL_REFERRER], "url");
    pipeline_release(&p);
    refused("input: &i {csv: *i}\n",
            "p.yaml:1: input.csv: unknown key \"csv\"; allowed: delimiter, multiline, strict");
    refused("clean: {null_tokens: &a [*a]}\n", "p.yaml:1: clean.null_tokens[0]: must be text, not a list");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_key_and_prints_it_back),
        cmocka_unit_test(defaults_are_those_of_the_contract),
        cmocka_unit_test(wrong_keys_name_line_and_path),
        cmocka_unit_test(wrong_types_and_values),
        cmocka_unit_test(keep_columns_must_be_new_and_whole),
        cmocka_unit_test(output_names),
        cmocka_unit_test(broken_yaml),
        cmocka_unit_test(aliases_work_and_cannot_explode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
