/* Reading the kit's files: contents, ids, folders that are no kit. Whole runs are
 * tests/conformance/test_kit.py. */
#include "base/files.h"
#include "bench/kit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int expand(const char *json, struct buf *out, struct err *e) {
    json_t *content = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(content);
    buf_clear(out);
    int rc = kit_expand(content, out, e);
    json_decref(content);
    return rc;
}

static void contents(void **state) {
    (void)state;
    static const struct {
        const char *json, *bytes;
        size_t len;
    } cases[] = {
        {"\"\"", "", 0},
        {"\"a\\u0000b\"", "a\0b", 3},
        {"{\"base64\": \"\"}", "", 0},
        {"{\"base64\": \"/w==\"}", "\xff", 1},
        {"{\"base64\": \"AAE=\"}", "\0\1", 2},
        {"{\"base64\": \"TWFu\"}", "Man", 3},
        {"{\"base64\": \"+/+/TQ==\"}", "\xfb\xff\xbfM", 4},
        {"{\"repeat\": \"ab\", \"times\": 3}", "ababab", 6},
        {"{\"repeat\": \"ab\", \"times\": 0}", "", 0},
        {"[\"x\", {\"repeat\": \"y\", \"times\": 2}, [\"z\"], {\"base64\": \"/w==\"}]", "xyyz\xff", 5},
    };
    struct buf out;
    struct err e = {0};
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(expand(cases[i].json, &out, &e), 0);
        assert_int_equal(out.len, cases[i].len);
        if (out.len) assert_memory_equal(out.data, cases[i].bytes, out.len);
    }
    buf_release(&out);
}

static void contents_that_are_none(void **state) {
    (void)state;
    static const char *const cases[] = {"1",
                                        "null",
                                        "{}",
                                        "{\"repeat\": \"a\", \"times\": -1}",
                                        "{\"repeat\": \"a\", \"times\": 100000000}",
                                        "{\"base64\": \"abc\"}",
                                        "{\"base64\": \"a=bc\"}",
                                        "{\"base64\": \"====\"}",
                                        "{\"base64\": \"TQ==TWFu\"}",
                                        "[\"a\", 1]"};
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err e = {0};
        assert_int_equal(expand(cases[i], &out, &e), ERR_INPUT);
    }
    buf_release(&out);
}

static void what_is_asked_for(void **state) {
    (void)state;
    assert_true(kit_is_of("2.5-offset-18:01", "2"));
    assert_true(kit_is_of("2.5-offset-18:01", "2.5"));
    assert_true(kit_is_of("2.5-offset-18:01", "2.5-offset"));
    assert_true(kit_is_of("2.5-offset-18:01", "2.5-offset-18:01"));
    assert_false(kit_is_of("2.5-offset-18:01", "2.5-off"));
    assert_false(kit_is_of("2.5-offset-18:01", "2.5-offset-18:01x"));
    assert_false(kit_is_of("12.5-x", "2"));
    assert_false(kit_is_of("1.2-gz", "1.21"));
}

static void readings(void **state) {
    (void)state;
    static const struct {
        const char *csv, *reading;
    } cases[] = {{"{}", "strict"},
                 {"{\"multiline\": false, \"strict\": true}", "strict"},
                 {"{\"multiline\": true}", "multiline"},
                 {"{\"multiline\": true, \"strict\": false}", "not strict"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *p = json_pack("{s:{s:o}}", "input", "csv", json_loads(cases[i].csv, 0, NULL));
        assert_string_equal(kit_reading(p), cases[i].reading);
        json_decref(p);
    }
    assert_string_equal(kit_reading(NULL), "strict");
}

/* A kit of one clause file with this text. */
static int read_kit(const char *clause, struct kit *k, struct err *e) {
    char dir[] = "/tmp/weir-kit-test-XXXXXX", path[128];
    static const char *const names[] = {"1.1.jsonl", "databases.jsonl", "defaults.json"};
    const char *const texts[] = {clause, "{\"name\": \"default\", \"base64\": \"\"}\n", "{}"};
    struct err ignored;
    assert_non_null(mkdtemp(dir));
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(file_write_new(path, texts[i], strlen(texts[i]), &ignored), 0);
    }
    int rc = kit_read(k, dir, e);
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    rmdir(dir);
    return rc;
}

static void files(void **state) {
    (void)state;
    struct kit k;
    struct err e = {0};
    assert_int_equal(read_kit("{\"clause\": \"1.1\", \"title\": \"t\"}\n{\"id\": \"1.1-a\"}\n", &k, &e), 0);
    const json_t *clause = json_array_get(k.clauses, 0);
    assert_int_equal(json_array_size(json_object_get(clause, "cases")), 1);
    assert_non_null(json_object_get(k.databases, "default"));
    kit_release(&k);
}

static void files_that_are_no_kit(void **state) {
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"{\"clause\": \"1.1\"}\n", "clause and title"},
        {"{\"clause\": \"1.1\", \"title\": \"t\"}\n{\"inputs\": {}}\n", "1.1.jsonl:2: a case needs an id"},
        {"{\"clause\": \"1.1\", \"title\": \"t\"}\nx\n", "1.1.jsonl:2: not a JSON object"},
        {"{\"clause\": \"1.1\", \"title\": \"t\"}", "no end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct kit k;
        struct err e = {0};
        assert_int_equal(read_kit(cases[i].text, &k, &e), ERR_INPUT);
        if (!strstr(e.msg, cases[i].says)) fail_msg("%s", e.msg);
        kit_release(&k);
    }
    struct kit k;
    struct err e = {0};
    assert_int_equal(kit_read(&k, "/nonexistent", &e), ERR_INPUT);
    kit_release(&k);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents),
        cmocka_unit_test(contents_that_are_none),
        cmocka_unit_test(what_is_asked_for),
        cmocka_unit_test(readings),
        cmocka_unit_test(files),
        cmocka_unit_test(files_that_are_no_kit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
