#include "etl/iceberg_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

/* ---- reading ---- */

const char *json_text(const json_t *object, const char *key) {
    return json_string_value(json_object_get(object, key));
}

int64_t json_int(const json_t *object, const char *key, int64_t otherwise) {
    const json_t *v = json_object_get(object, key);
    return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

json_t *json_with_id(const json_t *array, const char *key, int64_t id) {
    size_t i;
    json_t *item;
    json_array_foreach(array, i, item) {
        const json_t *v = json_object_get(item, key);
        if (json_is_integer(v) && json_integer_value(v) == id) return item;
    }
    return NULL;
}

static int gunzip(const void *data, size_t len, struct buf *out, struct err *e) {
    z_stream z = {0};
    if (len > UINT32_MAX) return err_set(e, ERR_INPUT, "the file is too large");
    if (inflateInit2(&z, 15 + 16) != Z_OK) return err_nomem(e);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)len;
    int rc = 0, zrc = Z_OK;
    while (!rc && zrc == Z_OK) {
        enum { STEP = 1 << 18 };
        if (out->len >= ICEBERG_METADATA_MAX) rc = err_set(e, ERR_INPUT, "the file is too large");
        if (!rc) rc = buf_reserve(out, STEP, e);
        if (rc) break;
        z.next_out = out->data + out->len;
        z.avail_out = STEP;
        zrc = inflate(&z, Z_NO_FLUSH);
        out->len += STEP - z.avail_out;
    }
    if (!rc && zrc != Z_STREAM_END) rc = err_set(e, ERR_INPUT, "its gzip data is damaged or ends early");
    inflateEnd(&z);
    return rc;
}

/* ---- checking ---- */

static int bad(struct err *e, const char *what) {
    return err_set(e, ERR_INPUT, "it is no Iceberg table metadata: %s", what);
}

static bool all_have(const json_t *array, const char *key, json_type type) {
    size_t i;
    const json_t *item;
    json_array_foreach(array, i, item) {
        const json_t *v = json_object_get(item, key);
        if (!v || json_typeof(v) != type) return false;
    }
    return json_is_array(array);
}

/* The items' integers under key are all ids, none so large that the next one overflows. */
static bool ids_ok(const json_t *array, const char *key) {
    size_t i;
    const json_t *item;
    json_array_foreach(array, i, item) {
        int64_t id = json_int(item, key, -1);
        if (id < 0 || id > INT32_MAX / 2) return false;
    }
    return true;
}

/* An optional array under key whose items all have `inner` of a type. */
static bool list_ok(const json_t *m, const char *key, const char *inner, json_type type) {
    const json_t *list = json_object_get(m, key);
    return !list || json_is_null(list) || all_have(list, inner, type);
}

static int check_schemas(const json_t *m, struct err *e) {
    const json_t *schemas = json_object_get(m, "schemas"), *schema;
    size_t i;
    json_array_foreach(schemas, i, schema) {
        const json_t *fields = json_object_get(schema, "fields");
        if (!all_have(fields, "id", JSON_INTEGER) || !all_have(fields, "name", JSON_STRING))
            return bad(e, "a schema has a field without id or name");
        if (!ids_ok(fields, "id")) return bad(e, "a field's id is none");
    }
    if (!ids_ok(schemas, "schema-id")) return bad(e, "a schema has no id");
    return iceberg_current_schema(m) ? 0 : bad(e, "the current schema is missing");
}

static int check_specs(const json_t *m, struct err *e) {
    const json_t *specs = json_object_get(m, "partition-specs"), *spec;
    size_t i;
    json_array_foreach(specs, i, spec) {
        const json_t *fields = json_object_get(spec, "fields");
        if (!all_have(fields, "name", JSON_STRING) || !all_have(fields, "transform", JSON_STRING))
            return bad(e, "a partition spec has a field without name or transform");
    }
    if (!ids_ok(specs, "spec-id")) return bad(e, "a partition spec has no id");
    return iceberg_default_spec(m) ? 0 : bad(e, "the default partition spec is missing");
}

/* Numbers that we count on from: none so large that counting on overflows. */
static int check_counters(const json_t *m, struct err *e) {
    static const char *const keys[] = {"last-sequence-number", "last-updated-ms", "last-column-id",
                                       "last-partition-id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        int64_t v = json_int(m, keys[i], 0);
        int64_t most = i < 2 ? INT64_MAX / 2 : INT32_MAX / 2;
        if (v < 0 || v > most) return bad(e, keys[i]);
    }
    return 0;
}

static int check(const json_t *m, struct err *e) {
    if (!json_is_object(m)) return bad(e, "no JSON object");
    int64_t version = json_int(m, "format-version", 0);
    if (version < 1) return bad(e, "format-version is missing");
    if (version > 3)
        return err_set(e, ERR_INPUT, "its Iceberg format version %lld is not supported", (long long)version);
    if (!json_text(m, "location")) return bad(e, "location is missing");
    if (!list_ok(m, "snapshots", "snapshot-id", JSON_INTEGER)) return bad(e, "a snapshot has no id");
    if (!list_ok(m, "metadata-log", "metadata-file", JSON_STRING)) return bad(e, "metadata-log");
    if (!list_ok(m, "statistics", "statistics-path", JSON_STRING)) return bad(e, "statistics");
    if (!list_ok(m, "partition-statistics", "statistics-path", JSON_STRING))
        return bad(e, "partition-statistics");
    if (!list_ok(m, "snapshot-log", "snapshot-id", JSON_INTEGER)) return bad(e, "snapshot-log");
    int64_t current = json_int(m, "current-snapshot-id", -1);
    if (current != -1 && !iceberg_snapshot(m, current)) return bad(e, "the current snapshot is missing");
    TRY(check_counters(m, e));
    if (version == 1) return 0; /* only looked at for what it names */
    TRY(check_schemas(m, e));
    return check_specs(m, e);
}

int iceberg_metadata_parse(const void *data, size_t len, json_t **out, struct err *e) {
    const uint8_t *bytes = data;
    struct buf plain;
    buf_init(&plain, 0);
    int rc = 0;
    if (len > 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) {
        rc = gunzip(data, len, &plain, e);
        data = plain.data;
        len = plain.len;
    }
    json_error_t je;
    json_t *m = rc ? NULL : json_loadb(data ? data : "", len, 0, &je);
    if (!rc && !m)
        rc = json_error_code(&je) == json_error_out_of_memory
                 ? err_nomem(e)
                 : err_set(e, ERR_INPUT, "it is no JSON: %s", je.text);
    buf_release(&plain);
    if (!rc) rc = check(m, e);
    if (rc)
        json_decref(m);
    else
        *out = m;
    return rc;
}

int iceberg_metadata_load(struct store *s, const char *location, json_t **out, struct err *e) {
    struct buf data;
    buf_init(&data, 0);
    int rc = store_read(s, location, ICEBERG_METADATA_MAX, &data, e);
    if (!rc) {
        rc = iceberg_metadata_parse(data.data, data.len, out, e);
        if (rc) err_prefix(e, "could not read table metadata \"%s\"", location);
    }
    buf_release(&data);
    return rc;
}

/* jansson ignores a failure to write an object's key and goes on: a failure is remembered, else metadata
 * without a key would be committed when memory is short for a moment. */
struct dump {
    struct buf *out;
    int rc;
    struct err *e;
};

static int dump_to_buf(const char *text, size_t len, void *ctx) {
    struct dump *d = ctx;
    if (!d->rc) d->rc = buf_add(d->out, text, len, d->e);
    return d->rc ? -1 : 0;
}

int iceberg_metadata_print(const json_t *metadata, struct buf *out, struct err *e) {
    struct dump d = {out, 0, e};
    int failed = json_dump_callback(metadata, dump_to_buf, &d, JSON_COMPACT | JSON_REAL_PRECISION(17));
    return d.rc ? d.rc : failed ? err_nomem(e) : 0;
}

char *json_print(const json_t *json) {
    struct buf text;
    struct err ignored;
    buf_init(&text, 0);
    if (!iceberg_metadata_print(json, &text, &ignored) && buf_cstr(&text)) return (char *)text.data;
    buf_release(&text);
    return NULL;
}

/* ---- looking ---- */

json_t *iceberg_current_schema(const json_t *m) {
    return json_with_id(json_object_get(m, "schemas"), "schema-id", json_int(m, "current-schema-id", -1));
}

json_t *iceberg_snapshot(const json_t *m, int64_t id) {
    return json_with_id(json_object_get(m, "snapshots"), "snapshot-id", id);
}

json_t *iceberg_current_snapshot(const json_t *m) {
    int64_t id = json_int(m, "current-snapshot-id", -1); /* −1 and null: none */
    return id == -1 ? NULL : iceberg_snapshot(m, id);
}

json_t *iceberg_default_spec(const json_t *m) {
    return json_with_id(json_object_get(m, "partition-specs"), "spec-id", json_int(m, "default-spec-id", -1));
}

json_t *iceberg_run_snapshot(const json_t *m, const char *run_id) {
    size_t i;
    json_t *snapshot;
    json_array_foreach(json_object_get(m, "snapshots"), i, snapshot) {
        const char *id = json_text(json_object_get(snapshot, "summary"), "weir.run-id");
        if (id && strcmp(id, run_id) == 0) return snapshot;
    }
    return NULL;
}

int64_t iceberg_property_int(const json_t *m, const char *key, int64_t otherwise) {
    const char *text = json_text(json_object_get(m, "properties"), key);
    if (!text) return otherwise;
    char *end;
    long long v = strtoll(text, &end, 10);
    return end == text || *end ? otherwise : v;
}

int64_t iceberg_next_version(const char *location) {
    const char *slash = strrchr(location, '/');
    const char *name = slash ? slash + 1 : location;
    if (*name == 'v') name++; /* v12.metadata.json, of Hadoop tables */
    char *end;
    long long v = strtoll(name, &end, 10);
    return end > name && v >= 0 && v < INT32_MAX ? v + 1 : 0;
}

/* ---- changing ---- */

/* Takes `value`; NULL is out of memory. */
static int put(json_t *object, const char *key, json_t *value, struct err *e) {
    return json_object_set_new(object, key, value) ? err_nomem(e) : 0;
}

static int push(json_t *array, json_t *value, struct err *e) {
    return json_array_append_new(array, value) ? err_nomem(e) : 0;
}

/* The array or object under key, made when missing or null. */
static int demand(json_t *object, const char *key, json_type type, json_t **out, struct err *e) {
    json_t *v = json_object_get(object, key);
    if (!v || json_typeof(v) != type) {
        v = type == JSON_ARRAY ? json_array() : json_object();
        TRY(put(object, key, v, e));
    }
    *out = v;
    return 0;
}

static json_t *field_json(const struct iceberg_column *c, int32_t id, bool required) {
    return json_pack("{s:i,s:s,s:b,s:s}", "id", id, "name", c->name, "required", required, "type",
                     iceberg_type_name(c->type));
}

int iceberg_metadata_create(const char *uuid, const char *location, const struct iceberg_column *columns,
                            uint32_t column_count, int partition_column, int64_t now_ms, json_t **out,
                            struct err *e) {
    json_t *fields = json_array(), *spec = json_array();
    int32_t last = 0;
    int rc = fields && spec ? 0 : err_nomem(e);
    for (uint32_t i = 0; i < column_count && !rc; i++) {
        rc = push(fields, field_json(&columns[i], columns[i].field_id, columns[i].required), e);
        if (columns[i].field_id > last) last = columns[i].field_id;
    }
    if (!rc && partition_column >= 0) {
        char name[1024];
        snprintf(name, sizeof name, "%s_day", columns[partition_column].name);
        rc = push(spec,
                  json_pack("{s:s,s:s,s:i,s:i}", "name", name, "transform", "day", "source-id",
                            columns[partition_column].field_id, "field-id", 1000),
                  e);
    }
    if (rc) {
        json_decref(fields);
        json_decref(spec);
        return rc;
    }
    *out = json_pack(
        "{s:i,s:s,s:s,s:i,s:I,s:i,s:i,s:[{s:s,s:i,s:o}],s:i,s:[{s:i,s:o}],s:i,s:i,s:[{s:i,s:[]}],s:{s:s,s:s},"
        "s:i,s:{},s:[],s:[],s:[],s:[],s:[]}",
        "format-version", 2, "table-uuid", uuid, "location", location, "last-sequence-number", 0,
        "last-updated-ms", (json_int_t)now_ms, "last-column-id", last, "current-schema-id", 0, "schemas",
        "type", "struct", "schema-id", 0, "fields", fields, "default-spec-id", 0, "partition-specs",
        "spec-id", 0, "fields", spec, "last-partition-id", partition_column >= 0 ? 1000 : 999,
        "default-sort-order-id", 0, "sort-orders", "order-id", 0, "fields", "properties",
        "commit.retry.num-retries", "20", "write.parquet.compression-codec", "zstd", "current-snapshot-id",
        -1, "refs", "snapshots", "statistics", "partition-statistics", "snapshot-log", "metadata-log");
    return *out ? 0 : err_nomem(e);
}

int iceberg_metadata_evolve(json_t *m, const struct iceberg_column *columns, uint32_t column_count,
                            const struct iceberg_plan *plan, struct err *e) {
    if (!plan->added_count) return 0;
    json_t *schemas = json_object_get(m, "schemas"), *schema;
    size_t i;
    int64_t id = 0;
    json_array_foreach(schemas, i, schema) if (json_int(schema, "schema-id", 0) >= id) id =
        json_int(schema, "schema-id", 0) + 1;
    json_t *next = json_deep_copy(iceberg_current_schema(m));
    if (!next) return err_nomem(e);
    int64_t last = json_int(m, "last-column-id", 0);
    int rc = put(next, "schema-id", json_integer(id), e);
    for (uint32_t c = 0; c < column_count && !rc; c++) {
        if (!plan->added[c]) continue;
        rc = push(json_object_get(next, "fields"), field_json(&columns[c], plan->field_ids[c], false), e);
        if (plan->field_ids[c] > last) last = plan->field_ids[c];
    }
    if (rc) {
        json_decref(next);
        return rc;
    }
    TRY(push(schemas, next, e));
    TRY(put(m, "current-schema-id", json_integer(id), e));
    return put(m, "last-column-id", json_integer(last), e);
}

static int log_previous(json_t *m, const char *previous_location, struct err *e) {
    json_t *log;
    TRY(demand(m, "metadata-log", JSON_ARRAY, &log, e));
    if (!previous_location) return 0;
    TRY(push(log,
             json_pack("{s:I,s:s}", "timestamp-ms", (json_int_t)json_int(m, "last-updated-ms", 0),
                       "metadata-file", previous_location),
             e));
    int64_t most = iceberg_property_int(m, "write.metadata.previous-versions-max", 100);
    if (most < 1) most = 1; /* as Iceberg Java */
    while ((int64_t)json_array_size(log) > most)
        if (json_array_remove(log, 0)) return err_nomem(e);
    return 0;
}

int iceberg_metadata_add_snapshot(json_t *m, const struct iceberg_new_snapshot *s,
                                  const char *previous_location, struct err *e) {
    json_t *snapshots, *refs, *main_ref, *log;
    const json_t *parent = iceberg_current_snapshot(m);
    json_t *snapshot = json_pack(
        "{s:I,s:I,s:I,s:O,s:s,s:I}", "sequence-number", (json_int_t)s->sequence_number, "snapshot-id",
        (json_int_t)s->id, "timestamp-ms", (json_int_t)s->timestamp_ms, "summary", s->summary,
        "manifest-list", s->manifest_list, "schema-id", (json_int_t)json_int(m, "current-schema-id", 0));
    if (!snapshot) return err_nomem(e);
    int rc =
        parent ? put(snapshot, "parent-snapshot-id", json_integer(json_int(parent, "snapshot-id", 0)), e) : 0;
    if (!rc) rc = demand(m, "snapshots", JSON_ARRAY, &snapshots, e);
    if (rc) {
        json_decref(snapshot);
        return rc;
    }
    TRY(push(snapshots, snapshot, e));
    TRY(log_previous(m, previous_location, e));

    TRY(demand(m, "refs", JSON_OBJECT, &refs, e));
    TRY(demand(refs, "main", JSON_OBJECT, &main_ref, e)); /* keeps its retention settings */
    TRY(put(main_ref, "snapshot-id", json_integer(s->id), e));
    TRY(put(main_ref, "type", json_string("branch"), e));
    TRY(demand(m, "snapshot-log", JSON_ARRAY, &log, e));
    TRY(push(
        log,
        json_pack("{s:I,s:I}", "timestamp-ms", (json_int_t)s->timestamp_ms, "snapshot-id", (json_int_t)s->id),
        e));
    TRY(put(m, "current-snapshot-id", json_integer(s->id), e));
    TRY(put(m, "last-sequence-number", json_integer(s->sequence_number), e));
    return put(m, "last-updated-ms", json_integer(s->timestamp_ms), e);
}
