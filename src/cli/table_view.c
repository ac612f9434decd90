#include "cli/table_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* "2026-01-02T03:04:05Z" */
static const char *time_text(int64_t ms, char out[40]) {
    struct tm tm;
    time_t t = (time_t)(ms / 1000);
    if (!gmtime_r(&t, &tm) || !strftime(out, 40, "%Y-%m-%dT%H:%M:%SZ", &tm)) snprintf(out, 40, "?");
    return out;
}

/* A summary's number, or null where the writer left it out. */
static json_t *summary_number(const json_t *snapshot, const char *key, bool zero) {
    const char *text = json_text(json_object_get(snapshot, "summary"), key);
    char *end;
    if (!text) return zero ? json_integer(0) : json_null();
    long long v = strtoll(text, &end, 10);
    return *text && !*end ? json_integer(v) : json_null();
}

static json_t *text_or_null(const char *text) {
    return text ? json_string(text) : json_null();
}

static int done(json_t *o, json_t **out, struct err *e) {
    *out = o;
    return o ? 0 : err_nomem(e);
}

int table_view_line(const char *name, const struct iceberg_table *t, json_t **out, struct err *e) {
    const json_t *m = t->metadata, *snapshot = iceberg_current_snapshot(m);
    char when[40];
    bool none = snapshot == NULL; /* an empty table: zeros are certain */
    json_t *id = snapshot ? json_integer(json_int(snapshot, "snapshot-id", 0)) : json_null();
    return done(json_pack("{s:s,s:o,s:o,s:o,s:i,s:o,s:s,s:s,s:s}", "table", name, "rows",
                          summary_number(snapshot, "total-records", none), "files",
                          summary_number(snapshot, "total-data-files", none), "bytes",
                          summary_number(snapshot, "total-files-size", none), "snapshots",
                          (int)json_array_size(json_object_get(m, "snapshots")), "snapshot_id", id,
                          "last_updated", time_text(json_int(m, "last-updated-ms", 0), when), "location",
                          json_text(m, "location"), "metadata_location", t->metadata_location),
                out, e);
}

static json_t *columns_view(const json_t *m) {
    json_t *columns = json_array(), *field;
    const json_t *schema = iceberg_current_schema(m);
    if (!schema) schema = json_object_get(m, "schema"); /* version 1 */
    size_t i;
    json_array_foreach(json_object_get(schema, "fields"), i, field) {
        json_t *type = json_object_get(field, "type");
        json_array_append_new(columns,
                              json_pack("{s:O,s:O,s:O?,s:b}", "id", json_object_get(field, "id"), "name",
                                        json_object_get(field, "name"), "type", type, "required",
                                        json_is_true(json_object_get(field, "required"))));
    }
    return columns;
}

static const char *column_name(const json_t *m, int64_t id) {
    const json_t *field = json_with_id(json_object_get(iceberg_current_schema(m), "fields"), "id", id);
    const char *name = json_text(field, "name");
    return name ? name : "?";
}

static json_t *partitioning_view(const json_t *m) {
    json_t *all = json_array(), *field;
    size_t i;
    json_array_foreach(json_object_get(iceberg_default_spec(m), "fields"), i, field) {
        char text[512];
        snprintf(text, sizeof text, "%s(%s)", json_text(field, "transform"),
                 column_name(m, json_int(field, "source-id", -1)));
        json_array_append_new(all, json_string(text));
    }
    return all;
}

int table_view_show(const char *name, const struct iceberg_table *t, json_t **out, struct err *e) {
    const json_t *m = t->metadata;
    TRY(table_view_line(name, t, out, e));
    json_t *properties = json_object_get(m, "properties");
    int failed = json_object_set_new(*out, "format_version", json_integer(json_int(m, "format-version", 0)));
    failed |= json_object_set_new(*out, "uuid", text_or_null(json_text(m, "table-uuid")));
    failed |= json_object_set_new(*out, "columns", columns_view(m));
    failed |= json_object_set_new(*out, "partitioning", partitioning_view(m));
    failed |= json_object_set_new(*out, "properties",
                                  json_is_object(properties) ? json_deep_copy(properties) : json_object());
    if (!failed) return 0;
    json_decref(*out);
    return err_nomem(e);
}

int table_view_history(const char *name, const struct iceberg_table *t, json_t **out, struct err *e) {
    const json_t *m = t->metadata, *snapshot;
    int64_t current = json_int(m, "current-snapshot-id", -1);
    json_t *all = json_array();
    size_t i;
    json_array_foreach(json_object_get(m, "snapshots"), i, snapshot) {
        const json_t *summary = json_object_get(snapshot, "summary");
        int64_t id = json_int(snapshot, "snapshot-id", 0);
        char when[40];
        json_t *o = json_pack("{s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:b}", "committed",
                              time_text(json_int(snapshot, "timestamp-ms", 0), when), "snapshot_id",
                              (json_int_t)id, "operation", text_or_null(json_text(summary, "operation")),
                              "added_rows", summary_number(snapshot, "added-records", true), "deleted_rows",
                              summary_number(snapshot, "deleted-records", true), "total_rows",
                              summary_number(snapshot, "total-records", false), "run_id",
                              text_or_null(json_text(summary, "weir.run-id")), "current", id == current);
        if (o && json_is_object(summary)) json_object_set_new(o, "summary", json_deep_copy(summary));
        json_array_append_new(all, o);
    }
    return done(json_pack("{s:s,s:o}", "table", name, "snapshots", all), out, e);
}

/* ---- files ---- */

/* A partition value for people: dates as dates. */
static json_t *value_view(const struct avro_value *v, const struct avro_schema *schema) {
    schema = avro_schema_some(schema);
    const char *logical = json_is_object(schema->json) ? json_text(schema->json, "logicalType") : NULL;
    switch (v->kind) {
    case AVRO_BOOLEAN: return json_boolean(v->boolean);
    case AVRO_INT:
    case AVRO_LONG:
        if (logical && strcmp(logical, "date") == 0) {
            char text[40];
            time_text(v->integer * 86400000, text);
            text[strcspn(text, "T")] = 0;
            return json_string(text);
        }
        return json_integer(v->integer);
    case AVRO_FLOAT:
    case AVRO_DOUBLE: return json_real(v->real);
    case AVRO_STRING: return json_stringn((const char *)v->bytes, v->count);
    default: return json_null();
    }
}

static json_t *partition_view(const struct avro_value *partition) {
    json_t *o = json_object();
    for (size_t i = 0; i < partition->count; i++)
        json_object_set_new(o, partition->schema->fields[i].name,
                            value_view(&partition->items[i], partition->schema->fields[i].schema));
    return o;
}

static int add_files(struct store *s, const struct iceberg_manifest *m, json_t *list, struct err *e) {
    static const char *const contents[] = {"data", "position deletes", "equality deletes"};
    struct iceberg_manifest_reader r;
    TRY(iceberg_manifest_open(&r, s, m, e));
    int rc = 0;
    for (bool done_reading = false; !rc;) {
        struct iceberg_entry entry;
        rc = iceberg_manifest_next(&r, &entry, &done_reading, e);
        if (rc || done_reading) break;
        if (entry.status == ICEBERG_DELETED) continue;
        json_t *o = json_pack("{s:s,s:s,s:o,s:I,s:I,s:I,s:s}", "path", entry.path, "content",
                              entry.content >= 0 && entry.content < 3 ? contents[entry.content] : "?",
                              "partition", partition_view(entry.partition), "rows", (json_int_t)entry.rows,
                              "bytes", (json_int_t)entry.bytes, "snapshot_id", (json_int_t)entry.snapshot_id,
                              "format", entry.format);
        if (json_array_append_new(list, o)) rc = err_nomem(e);
    }
    iceberg_manifest_close(&r);
    return rc;
}

int table_view_files(const char *name, const struct iceberg_table *t, struct store *s, json_t **out,
                     struct err *e) {
    const json_t *snapshot = iceberg_current_snapshot(t->metadata);
    json_t *list = json_array();
    if (!list) return err_nomem(e);
    struct arena arena;
    struct iceberg_manifest *manifests = NULL;
    size_t count = 0;
    arena_init(&arena);
    int rc = snapshot ? iceberg_snapshot_manifests(s, snapshot, &arena, &manifests, &count, e) : 0;
    for (size_t i = 0; i < count && !rc; i++) rc = add_files(s, &manifests[i], list, e);
    arena_release(&arena);
    if (!rc) return done(json_pack("{s:s,s:o}", "table", name, "files", list), out, e);
    json_decref(list);
    return err_prefix(e, "table %s", name);
}
