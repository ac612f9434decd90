/* Table metadata: any bytes are read or refused; what can be written to takes a snapshot and reads back. */
#include "etl/iceberg_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct iceberg_column columns[] = {
    {"id", 1, PARQUET_STRING, true}, {"ts", 2, PARQUET_TIMESTAMPTZ, true}, {"n", 3, PARQUET_INT32, true},
    {"x", 4, PARQUET_DOUBLE, false}, {"extra", 5, PARQUET_STRING, false},
};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void must(int rc) {
    if (rc) abort();
}

static void commit(json_t *m, const struct iceberg_plan *plan) {
    struct err e = {0};
    json_t *summary = json_pack("{s:s,s:s}", "operation", "append", "weir.run-id", "fuzz"), *again;
    struct iceberg_new_snapshot s = {.id = INT64_C(0x1234567890abcdef),
                                     .sequence_number = json_int(m, "last-sequence-number", 0) + 1,
                                     .timestamp_ms = json_int(m, "last-updated-ms", 0) + 1,
                                     .manifest_list = "file:///list",
                                     .summary = summary};
    struct buf text;
    buf_init(&text, 0);
    /* What is at the end of the numbers may be refused next time. */
    bool room = s.sequence_number < INT64_MAX / 4 && s.timestamp_ms < INT64_MAX / 4 &&
                json_int(m, "last-column-id", 0) < INT32_MAX / 4;
    bool fresh = !iceberg_snapshot(m, s.id) && !iceberg_run_snapshot(m, "fuzz");
    must(iceberg_metadata_evolve(m, columns, COLUMNS, plan, &e));
    must(iceberg_metadata_add_snapshot(m, &s, "file:///old/00001-x.metadata.json", &e));
    must(iceberg_metadata_print(m, &text, &e));
    int rc = iceberg_metadata_parse(text.data, text.len, &again, &e);
    if (rc && room) abort();
    if (!rc) {
        if (json_int(again, "current-snapshot-id", 0) != s.id) abort();
        if (fresh && iceberg_run_snapshot(again, "fuzz") != iceberg_current_snapshot(again)) abort();
        json_decref(again);
    }
    buf_release(&text);
    json_decref(summary);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err e = {0};
    json_t *m;
    int rc = iceberg_metadata_parse(data, size, &m, &e);
    if (rc && (rc != ERR_INPUT || !*e.msg)) abort();
    if (rc) return 0;
    for (int partition_column = -1; partition_column < 2; partition_column += 2) {
        struct arena arena;
        struct iceberg_plan plan;
        arena_init(&arena);
        rc = iceberg_plan_columns(m, "web.t", columns, COLUMNS, partition_column, &arena, &plan, &e);
        if (rc && (rc != ERR_INPUT || !*e.msg)) abort();
        if (!rc) {
            json_t *schema = iceberg_partition_schema(&plan);
            if (!schema) abort();
            json_decref(schema);
            json_t *copy = json_deep_copy(m);
            commit(copy, &plan);
            json_decref(copy);
        }
        arena_release(&arena);
    }
    json_decref(m);
    return 0;
}
