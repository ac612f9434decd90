#include "etl/iceberg_manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zlib.h>

static const struct iceberg_column columns[] = {
    {"id", 1, PARQUET_STRING, true}, {"ts", 2, PARQUET_TIMESTAMPTZ, true}, {"n", 5, PARQUET_INT32, false}};
enum { COLUMNS = sizeof columns / sizeof *columns };

/* A table as others make them, with what we know nothing of. */
static const char theirs[] =
    "{\"format-version\":2,\"table-uuid\":\"u\",\"location\":\"file:/x\",\"last-sequence-number\":7,"
    "\"last-updated-ms\":1000,\"last-column-id\":12,\"schemas\":[{\"type\":\"struct\",\"schema-id\":0,"
    "\"fields\":[]},"
    "{\"type\":\"struct\",\"schema-id\":3,\"fields\":[{\"id\":9,\"name\":\"ts\",\"required\":true,\"type\":"
    "\"timestamptz\",\"doc\":\"when\"},{\"id\":4,\"name\":\"id\",\"required\":false,\"type\":\"string\"},{"
    "\"id\":12,"
    "\"name\":\"nested\",\"required\":false,\"type\":{\"type\":\"list\",\"element-id\":13,\"element\":"
    "\"int\","
    "\"element-required\":false}}]}],\"current-schema-id\":3,\"partition-specs\":[{\"spec-id\":0,\"fields\":["
    "]},"
    "{\"spec-id\":2,\"fields\":[{\"name\":\"d\",\"transform\":\"day\",\"source-id\":9,\"field-id\":1004}]}],"
    "\"default-spec-id\":2,\"last-partition-id\":1004,\"properties\":{\"write.metadata.previous-versions-"
    "max\":"
    "\"2\",\"k\":\"v\"},\"current-snapshot-id\":11,\"snapshots\":[{\"snapshot-id\":10,\"timestamp-ms\":900,"
    "\"manifest-list\":\"file:/x/"
    "a\",\"summary\":{\"operation\":\"append\",\"weir.run-id\":\"r0\"}},{\"snapshot-id\":"
    "11,\"timestamp-ms\":1000,\"manifest-list\":\"file:/x/b\",\"summary\":{\"operation\":\"append\"}}],"
    "\"snapshot-log\":[{\"snapshot-id\":10,\"timestamp-ms\":900},{\"snapshot-id\":11,\"timestamp-ms\":1000}],"
    "\"metadata-log\":[{\"metadata-file\":\"m0\",\"timestamp-ms\":1},{\"metadata-file\":\"m1\",\"timestamp-"
    "ms\":2}],"
    "\"refs\":{\"main\":{\"snapshot-id\":11,\"type\":\"branch\",\"max-ref-age-ms\":5},\"tag\":{\"snapshot-"
    "id\":10,"
    "\"type\":\"tag\"}},\"future\":{\"x\":[1,2.5,null,9007199254740993]}}";

static json_t *parse(const char *text) {
    struct err e = {0};
    json_t *m = NULL;
    if (iceberg_metadata_parse(text, strlen(text), &m, &e)) fail_msg("%s", e.msg);
    return m;
}

static int plan_of(const json_t *m, int partition_column, struct arena *arena, struct iceberg_plan *plan,
                   struct err *e) {
    return iceberg_plan_columns(m, "web.t", columns, COLUMNS, partition_column, arena, plan, e);
}

static void test_plan(void **state) {
    (void)state;
    struct err e = {0};
    struct arena arena;
    struct iceberg_plan plan;
    arena_init(&arena);
    json_t *m = parse(theirs);
    assert_int_equal(plan_of(m, 1, &arena, &plan, &e), 0);
    assert_int_equal(plan.field_ids[0], 4);
    assert_int_equal(plan.field_ids[1], 9);
    assert_int_equal(plan.field_ids[2], 13); /* after last-column-id */
    assert_true(plan.added[2] && !plan.added[0]);
    assert_true(plan.partitioned);
    assert_int_equal(plan.spec_id, 2);
    assert_int_equal(plan.partition_field_id, 1004);
    assert_string_equal(plan.partition_name, "d");
    assert_int_equal(plan_of(m, -1, &arena, &plan, &e), ERR_INPUT); /* it is partitioned */
    assert_int_equal(plan_of(m, 0, &arena, &plan, &e), ERR_INPUT);  /* by another column */
    json_t *nested = json_array_get(json_object_get(iceberg_current_schema(m), "fields"), 2);
    json_object_set_new(nested, "name", json_string("N")); /* ours is n */
    assert_int_equal(plan_of(m, 1, &arena, &plan, &e), ERR_INPUT);
    assert_string_equal(e.msg, "table web.t: column n is called N there: names must not differ only in case");
    json_object_set_new(nested, "name", json_string("nested"));
    json_object_set_new(m, "format-version", json_integer(1));
    assert_int_equal(plan_of(m, 1, &arena, &plan, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "web.t"));
    json_decref(m);
    arena_release(&arena);
}

static void test_commit_keeps_what_is_unknown(void **state) {
    (void)state;
    struct err e = {0};
    struct arena arena;
    struct iceberg_plan plan;
    struct buf text;
    arena_init(&arena);
    buf_init(&text, 0);
    json_t *m = parse(theirs), *before = json_deep_copy(m),
           *summary = json_pack("{s:s}", "operation", "append");
    assert_int_equal(plan_of(m, 1, &arena, &plan, &e), 0);
    assert_int_equal(iceberg_metadata_evolve(m, columns, COLUMNS, &plan, &e), 0);
    const struct iceberg_new_snapshot s = {INT64_MAX, 8, 2000, "file:/x/c", summary};
    assert_int_equal(iceberg_metadata_add_snapshot(m, &s, "m2", &e), 0);
    assert_int_equal(iceberg_metadata_print(m, &text, &e), 0);
    json_decref(m);
    json_decref(summary);
    m = parse(buf_cstr(&text));

    static const char *const changed[] = {
        "last-sequence-number", "last-updated-ms", "last-column-id", "schemas",      "current-schema-id",
        "current-snapshot-id",  "snapshots",       "snapshot-log",   "metadata-log", "refs"};
    const char *key;
    json_t *value;
    json_object_foreach(before, key, value) {
        bool may = false;
        for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) may |= strcmp(changed[i], key) == 0;
        assert_true(json_equal(value, json_object_get(m, key)) == !may);
    }
    assert_int_equal(json_object_size(m), json_object_size(before));
    assert_int_equal(json_int(m, "last-sequence-number", 0), 8);
    assert_int_equal(json_int(m, "last-updated-ms", 0), 2000);
    assert_int_equal(json_int(m, "last-column-id", 0), 13);
    assert_int_equal(json_int(m, "current-schema-id", 0), 4);
    const json_t *fields = json_object_get(iceberg_current_schema(m), "fields");
    assert_int_equal(json_array_size(fields), 4);
    assert_string_equal(json_text(json_array_get(fields, 0), "doc"), "when");
    assert_true(json_is_false(json_object_get(json_array_get(fields, 3), "required")));
    const json_t *snapshot = iceberg_current_snapshot(m);
    assert_true(json_int(snapshot, "snapshot-id", 0) == INT64_MAX);
    assert_int_equal(json_int(snapshot, "parent-snapshot-id", 0), 11);
    assert_int_equal(json_int(snapshot, "schema-id", -1), 4);
    assert_int_equal(json_array_size(json_object_get(m, "snapshots")), 3);
    const json_t *log = json_object_get(m, "metadata-log"); /* at most two */
    assert_int_equal(json_array_size(log), 2);
    assert_string_equal(json_text(json_array_get(log, 0), "metadata-file"), "m1");
    assert_string_equal(json_text(json_array_get(log, 1), "metadata-file"), "m2");
    assert_int_equal(json_int(json_array_get(log, 1), "timestamp-ms", 0), 1000);
    const json_t *refs = json_object_get(m, "refs"), *main_ref = json_object_get(refs, "main");
    assert_int_equal(json_int(main_ref, "max-ref-age-ms", 0), 5);
    assert_true(json_int(main_ref, "snapshot-id", 0) == INT64_MAX);
    assert_true(
        json_equal(json_object_get(refs, "tag"), json_object_get(json_object_get(before, "refs"), "tag")));
    json_decref(m);
    json_decref(before);
    buf_release(&text);
    arena_release(&arena);
}

static void test_new_table(void **state) {
    (void)state;
    struct err e = {0};
    struct arena arena;
    struct iceberg_plan plan, again;
    struct buf text;
    json_t *m;
    arena_init(&arena);
    buf_init(&text, 0);
    assert_int_equal(iceberg_metadata_create("u", "file:///x", columns, COLUMNS, 1, 5, &m, &e), 0);
    assert_int_equal(iceberg_metadata_print(m, &text, &e), 0);
    json_decref(m);
    m = parse(buf_cstr(&text)); /* what we make, we accept */
    assert_null(iceberg_current_snapshot(m));
    assert_int_equal(json_int(m, "last-column-id", 0), 5);
    assert_int_equal(iceberg_plan_new(columns, COLUMNS, 1, &arena, &plan, &e), 0);
    assert_int_equal(plan_of(m, 1, &arena, &again, &e), 0);
    for (int i = 0; i < COLUMNS; i++) assert_int_equal(plan.field_ids[i], again.field_ids[i]);
    assert_int_equal(again.added_count, 0);
    assert_string_equal(plan.partition_name, again.partition_name);
    assert_int_equal(plan.partition_field_id, again.partition_field_id);
    json_decref(m);
    buf_release(&text);
    arena_release(&arena);
}

static void test_runs(void **state) {
    (void)state;
    json_t *m = parse(theirs);
    assert_int_equal(json_int(iceberg_run_snapshot(m, "r0"), "snapshot-id", 0), 10); /* not the newest */
    assert_null(iceberg_run_snapshot(m, "r"));
    json_decref(m);
}

static void test_versions(void **state) {
    (void)state;
    assert_int_equal(iceberg_next_version("file:///a/00012-abc.metadata.json"), 13);
    assert_int_equal(iceberg_next_version("/a/v7.metadata.json"), 8);
    assert_int_equal(iceberg_next_version("00000-x.metadata.json"), 1);
    assert_int_equal(iceberg_next_version("abc.metadata.json"), 0);
}

/* Take one thing away or spoil it: refused, with a reason. */
static void test_refused(void **state) {
    (void)state;
    static const char *const needed[] = {"format-version",    "location",        "schemas",
                                         "current-schema-id", "partition-specs", "default-spec-id",
                                         "snapshots"};
    static const struct {
        const char *key, *value;
    } spoilt[] = {{"format-version", "4"},
                  {"format-version", "\"2\""},
                  {"location", "null"},
                  {"current-snapshot-id", "99"},
                  {"current-schema-id", "9"},
                  {"default-spec-id", "1"},
                  {"snapshots", "[{}]"},
                  {"snapshots", "[1]"},
                  {"metadata-log", "[{\"timestamp-ms\":1}]"},
                  {"last-sequence-number", "-1"},
                  {"last-sequence-number", "9223372036854775807"},
                  {"last-column-id", "2147483647"},
                  {"schemas", "[{\"schema-id\":3,\"fields\":[{\"name\":\"x\"}]}]"},
                  {"schemas", "[{\"schema-id\":3}]"},
                  {"schemas", "{}"},
                  {"partition-specs", "[{\"spec-id\":2,\"fields\":[{}]}]"}};
    struct err e;
    json_t *out;
    for (size_t i = 0; i < sizeof needed / sizeof *needed + sizeof spoilt / sizeof *spoilt; i++) {
        json_t *m = parse(theirs);
        size_t k = i - sizeof needed / sizeof *needed;
        if (i < sizeof needed / sizeof *needed)
            json_object_del(m, needed[i]);
        else
            json_object_set_new(m, spoilt[k].key, json_loads(spoilt[k].value, JSON_DECODE_ANY, NULL));
        char *text = json_dumps(m, 0);
        e = (struct err){0};
        assert_int_equal(iceberg_metadata_parse(text, strlen(text), &out, &e), ERR_INPUT);
        assert_true(strlen(e.msg) > 10);
        free(text);
        json_decref(m);
    }
    for (size_t n = 0; n < sizeof theirs - 1; n += 7)
        assert_int_equal(iceberg_metadata_parse(theirs, n, &out, &e), ERR_INPUT);
}

static void test_gzip(void **state) {
    (void)state;
    uint8_t packed[8192];
    z_stream z = {0};
    struct err e = {0};
    json_t *m, *plain = parse(theirs);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)theirs;
    z.avail_in = sizeof theirs - 1;
    z.next_out = packed;
    z.avail_out = sizeof packed;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    deflateEnd(&z);
    assert_int_equal(iceberg_metadata_parse(packed, len, &m, &e), 0);
    assert_true(json_equal(m, plain));
    json_decref(m);
    assert_int_equal(iceberg_metadata_parse(packed, len / 2, &m, &e), ERR_INPUT);
    json_decref(plain);
}

/* Names that Avro does not allow are escaped as Iceberg Java does. */
static void test_partition_names(void **state) {
    (void)state;
    static const struct {
        const char *name, *avro;
    } names[] = {{"ts_day", "ts_day"}, {"a day", "a_x20day"}, {"9x", "_9x"}, {"a.b", "a_x2Eb"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct iceberg_plan plan = {
            .partitioned = true, .partition_field_id = 1000, .partition_name = names[i].name};
        json_t *schema = iceberg_partition_schema(&plan);
        const json_t *field = json_array_get(json_object_get(schema, "fields"), 0);
        assert_string_equal(json_text(field, "name"), names[i].avro);
        assert_int_equal(json_int(field, "field-id", 0), 1000);
        json_decref(schema);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plan),      cmocka_unit_test(test_commit_keeps_what_is_unknown),
        cmocka_unit_test(test_new_table), cmocka_unit_test(test_runs),
        cmocka_unit_test(test_versions),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_gzip),      cmocka_unit_test(test_partition_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
