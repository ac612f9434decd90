/* Writing manifest lists and manifests. */
#include "base/random.h"
#include "etl/iceberg_manifest.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* A map with integer keys: an array of key-value records (Appendix A). */
#define MAP(name, id, key_id, value_id, type)                                                                \
    "{\"name\":\"" name "\",\"type\":[\"null\",{\"type\":\"array\",\"items\":{\"type\":\"record\","          \
    "\"name\":\"k" key_id "_v" value_id                                                                      \
    "\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":" key_id                                 \
    "},{\"name\":\"value\",\"type\":\"" type "\",\"field-id\":" value_id "}]},\"logicalType\":"              \
    "\"map\"}],\"default\":null,\"field-id\":" id "}"
#define OPTIONAL(name, id, type)                                                                             \
    "{\"name\":\"" name "\",\"type\":[\"null\"," type "],\"default\":null,\"field-id\":" id "}"
#define REQUIRED(name, id, type) "{\"name\":\"" name "\",\"type\":" type ",\"field-id\":" id "}"

/* The partition tuple stands between the two; %s: the field of deletes only. */
static const char entry_head[] =
    "{\"type\":\"record\",\"name\":\"manifest_entry\",\"fields\":[" REQUIRED("status", "0", "\"int\"") "," OPTIONAL(
        "snapshot_id", "1",
        "\"long\"") "," OPTIONAL("sequence_number", "3",
                                 "\"long\"") "," OPTIONAL("file_sequence_number", "4",
                                                          "\"long\"") ","
                                                                      "{\"name\":\"data_file\",\"field-"
                                                                      "id\":2,\"type\":{\"type\":"
                                                                      "\"record\",\"name\":\"r2\","
                                                                      "\"fields\":[" REQUIRED("content", "134", "\"int\"") "," REQUIRED(
                                                                          "file_path", "100",
                                                                          "\"string\"") "," REQUIRED("fil"
                                                                                                     "e_"
                                                                                                     "for"
                                                                                                     "ma"
                                                                                                     "t",
                                                                                                     "10"
                                                                                                     "1",
                                                                                                     "\"s"
                                                                                                     "tri"
                                                                                                     "ng"
                                                                                                     "\"") ","
                                                                                                           "{"
                                                                                                           "\"name\":\"partition\",\"field-id\":102,\"type\":";
static const char entry_tail[] =
    "}," REQUIRED("record_count", "103", "\"long\"") "," REQUIRED("file_size_in_bytes", "104", "\"long\"") "," MAP("column_sizes", "108", "117", "118", "long") "," MAP(
        "value_counts",
        "109", "119", "120",
        "long") "," MAP("null_value_counts", "110", "121", "122",
                        "long") "," MAP("nan_value_counts", "137", "138", "139",
                                        "long") "," MAP("lower_bounds", "125", "126", "127",
                                                        "bytes") "," MAP("upper_bounds", "128", "129", "130",
                                                                         "bytes") "," OPTIONAL("key_metadata",
                                                                                               "131",
                                                                                               "\"bytes\"") "," OPTIONAL("spl"
                                                                                                                         "it_"
                                                                                                                         "off"
                                                                                                                         "set"
                                                                                                                         "s",
                                                                                                                         "13"
                                                                                                                         "2",
                                                                                                                         "{\""
                                                                                                                         "typ"
                                                                                                                         "e\""
                                                                                                                         ":\""
                                                                                                                         "arr"
                                                                                                                         "ay"
                                                                                                                         "\","
                                                                                                                         "\"i"
                                                                                                                         "tem"
                                                                                                                         "s\""
                                                                                                                         ":\""
                                                                                                                         "lon"
                                                                                                                         "g\""
                                                                                                                         ",\""
                                                                                                                         "ele"
                                                                                                                         "men"
                                                                                                                         "t-"
                                                                                                                         "id"
                                                                                                                         "\":"
                                                                                                                         "133"
                                                                                                                         "}") "," OPTIONAL("equality_ids",
                                                                                                                                           "135",
                                                                                                                                           "{\"type\":\"array\",\"items\":\"int\",\"element-id\":136}") "," OPTIONAL("sort_order_id",
                                                                                                                                                                                                                     "140",
                                                                                                                                                                                                                     "\"int\"");
static const char entry_deletes[] = "," OPTIONAL("referenced_data_file", "143", "\"string\"");
static const char entry_end[] = "]}}]}";

static const struct {
    int32_t id;
    const char *name;
} file_fields[FILE_FIELD_COUNT] = {
    {134, "content"},          {100, "file_path"},           {101, "file_format"},
    {102, "partition"},        {103, "record_count"},        {104, "file_size_in_bytes"},
    {108, "column_sizes"},     {109, "value_counts"},        {110, "null_value_counts"},
    {137, "nan_value_counts"}, {125, "lower_bounds"},        {128, "upper_bounds"},
    {131, "key_metadata"},     {132, "split_offsets"},       {135, "equality_ids"},
    {140, "sort_order_id"},    {143, "referenced_data_file"}};

void iceberg_file_copy(const struct avro_value *file, struct avro_value out[FILE_FIELD_COUNT]) {
    for (unsigned i = 0; i < FILE_FIELD_COUNT; i++) {
        const struct avro_value *v = avro_get(file, file_fields[i].id, file_fields[i].name);
        out[i] = v ? *v : avro_null();
    }
    if (out[FILE_CONTENT].kind == AVRO_NULL) out[FILE_CONTENT] = avro_int(ICEBERG_FILE_DATA); /* version 1 */
}

/* Avro names allow letters, digits and _ only; the others are escaped as Iceberg Java does. */
static void avro_name(const char *name, char *out, size_t cap) {
    size_t n = 0;
    for (const unsigned char *p = (const unsigned char *)name; *p && n + 8 < cap; p++) {
        if ((isalnum(*p) && *p < 128) || *p == '_') {
            if (p == (const unsigned char *)name && isdigit(*p)) out[n++] = '_';
            out[n++] = (char)*p;
        } else {
            n += (size_t)snprintf(out + n, cap - n, "_x%X", *p);
        }
    }
    out[n] = 0;
}

json_t *iceberg_partition_schema(const struct iceberg_plan *plan) {
    if (!plan->partitioned) return json_pack("{s:s,s:s,s:[]}", "type", "record", "name", "r102", "fields");
    char name[1024];
    avro_name(plan->partition_name, name, sizeof name);
    return json_pack("{s:s,s:s,s:[{s:s,s:[s,{s:s,s:s}],s:n,s:i}]}", "type", "record", "name", "r102",
                     "fields", "name", name, "type", "null", "type", "int", "logicalType", "date", "default",
                     "field-id", plan->partition_field_id);
}

/* The entry's schema as text, from malloc. */
static int entry_schema(const struct iceberg_manifest_info *info, char **out, struct err *e) {
    json_t *partition = json_deep_copy(info->partition_schema);
    if (!partition || json_object_set_new(partition, "name", json_string("r102"))) {
        json_decref(partition);
        return err_nomem(e);
    }
    json_object_del(partition, "namespace");
    char *text = json_print(partition);
    json_decref(partition);
    if (!text) return err_nomem(e);
    bool deletes = info->content == ICEBERG_CONTENT_DELETES;
    size_t n = sizeof entry_head + strlen(text) + sizeof entry_tail + sizeof entry_deletes + sizeof entry_end;
    *out = malloc(n);
    if (*out)
        snprintf(*out, n, "%s%s%s%s%s", entry_head, text, entry_tail, deletes ? entry_deletes : "",
                 entry_end);
    free(text);
    return *out ? 0 : err_nomem(e);
}

int iceberg_manifest_writer_init(struct iceberg_manifest_writer *w, const struct iceberg_manifest_info *info,
                                 struct err *e) {
    memset(w, 0, sizeof *w);
    w->info = *info;
    buf_init(&w->out, 0);
    w->m = (struct iceberg_manifest){.spec_id = info->spec_id,
                                     .content = info->content,
                                     .sequence_number = info->sequence_number,
                                     .min_sequence_number = info->sequence_number,
                                     .added_snapshot_id = info->snapshot_id};
    uint8_t sync[AVRO_SYNC_BYTES];
    TRY(random_bytes(sync, sizeof sync, e));
    TRY(entry_schema(info, &w->schema_text, e));
    int rc = avro_types_init(&w->types, w->schema_text, strlen(w->schema_text), e);
    if (rc) {
        free(w->schema_text);
        w->schema_text = NULL;
        return rc;
    }
    char schema_id[24], spec_id[16];
    snprintf(schema_id, sizeof schema_id, "%lld", (long long)info->schema_id);
    snprintf(spec_id, sizeof spec_id, "%d", (int)info->spec_id);
    const struct avro_meta meta[] = {{"schema", info->schema_json},
                                     {"schema-id", schema_id},
                                     {"partition-spec", info->spec_json},
                                     {"partition-spec-id", spec_id},
                                     {"format-version", "2"},
                                     {"content", info->content == ICEBERG_CONTENT_DATA ? "data" : "deletes"}};
    rc = avro_writer_init(&w->avro, &w->out, w->types.root, w->schema_text, meta, sizeof meta / sizeof *meta,
                          true, sync, e);
    if (rc) iceberg_manifest_writer_release(w);
    return rc;
}

int iceberg_manifest_writer_add(struct iceberg_manifest_writer *w, const struct iceberg_entry *entry,
                                struct avro_value *file, struct err *e) {
    int64_t *files[] = {&w->m.existing_files, &w->m.added_files, &w->m.deleted_files};
    int64_t *rows[] = {&w->m.existing_rows, &w->m.added_rows, &w->m.deleted_rows};
    size_t fields = w->info.content == ICEBERG_CONTENT_DELETES ? FILE_FIELD_COUNT : FILE_REFERENCED_DATA_FILE;
    struct avro_value items[] = {avro_int(entry->status), avro_int(entry->snapshot_id),
                                 entry->sequence_number < 0 ? avro_null() : avro_int(entry->sequence_number),
                                 entry->file_sequence_number < 0 ? avro_null()
                                                                 : avro_int(entry->file_sequence_number),
                                 avro_items(AVRO_RECORD, file, fields)};
    struct avro_value v = avro_items(AVRO_RECORD, items, sizeof items / sizeof *items);
    TRY(avro_writer_add(&w->avro, &v, e));
    ++*files[entry->status];
    *rows[entry->status] += entry->rows;
    return 0;
}

int iceberg_manifest_writer_end(struct iceberg_manifest_writer *w, struct err *e) {
    TRY(avro_writer_end(&w->avro, e));
    w->m.length = (int64_t)w->out.len;
    return 0;
}

void iceberg_manifest_writer_release(struct iceberg_manifest_writer *w) {
    avro_writer_release(&w->avro);
    if (w->schema_text) avro_types_release(&w->types);
    free(w->schema_text);
    buf_release(&w->out);
    w->schema_text = NULL;
}

/* ---- manifest lists ---- */

static const char list_schema[] = "{\"type\":\"record\",\"name\":\"manifest_file\",\"fields\":[" REQUIRED(
    "manifest_path", "500",
    "\"string\"") "," REQUIRED("manifest_length", "501",
                               "\"long\"") "," REQUIRED("partition_spec_id", "502",
                                                        "\"int\"") "," REQUIRED("content", "517",
                                                                                "\"int\"") "," REQUIRED("sequ"
                                                                                                        "ence"
                                                                                                        "_num"
                                                                                                        "ber",
                                                                                                        "515", "\"long\"") "," REQUIRED("min_sequence_number", "516", "\"long\"") "," REQUIRED("added_snapshot_id", "503", "\"long\"") "," REQUIRED("added_files_count", "504", "\"int\"") "," REQUIRED("existing_files_count", "505", "\"int\"") "," REQUIRED("deleted_files_count", "506", "\"int\"") "," REQUIRED("added_rows_count",
                                                                                                                                                                                                                                                                                                                                                                                                                     "512", "\"long\"") "," REQUIRED("existing_rows_count",
                                                                                                                                                                                                                                                                                                                                                                                                                                                     "513", "\"long\"") "," REQUIRED("deleted_rows_count", "514", "\"long\"") "," OPTIONAL("partitions",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "507",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "{\"type\":\"array\",\"element-id\":508,\"items\":{\"type\":\"record\",\"name\":\"r508\","
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                           "\"fields\":[" REQUIRED("contains_null",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "509", "\"boolean\"") "," OPTIONAL("contains_nan",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "518",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                      "\"boolean\"") "," OPTIONAL("lower_bound",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "510",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                  "\"bytes\"") "," OPTIONAL("upper_bound", "511", "\"bytes\"") "]}}") "," OPTIONAL("key_metadata",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "519",
                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                                   "\"bytes\"") "]}";

static int add_manifest(struct avro_writer *w, const struct iceberg_manifest *m, struct arena *arena,
                        struct err *e) {
    arena_clear(arena);
    struct avro_value partitions = avro_null();
    if (m->has_partitions) {
        struct avro_value *items = arena_alloc(arena, m->partition_count * sizeof *items);
        if (!items) return err_nomem(e);
        for (size_t i = 0; i < m->partition_count; i++) {
            const struct iceberg_partition_summary *p = &m->partitions[i];
            struct avro_value *fields = arena_alloc(arena, 4 * sizeof *fields);
            if (!fields) return err_nomem(e);
            fields[0] = avro_boolean(p->contains_null);
            fields[1] = p->contains_nan < 0 ? avro_null() : avro_boolean(p->contains_nan != 0);
            fields[2] = p->lower ? *p->lower : avro_null();
            fields[3] = p->upper ? *p->upper : avro_null();
            items[i] = avro_items(AVRO_RECORD, fields, 4);
        }
        partitions = avro_items(AVRO_ARRAY, items, m->partition_count);
    }
    struct avro_value items[] = {avro_string(m->path),
                                 avro_int(m->length),
                                 avro_int(m->spec_id),
                                 avro_int(m->content),
                                 avro_int(m->sequence_number),
                                 avro_int(m->min_sequence_number),
                                 avro_int(m->added_snapshot_id),
                                 avro_int(m->added_files),
                                 avro_int(m->existing_files),
                                 avro_int(m->deleted_files),
                                 avro_int(m->added_rows),
                                 avro_int(m->existing_rows),
                                 avro_int(m->deleted_rows),
                                 partitions,
                                 m->key_metadata ? *m->key_metadata : avro_null()};
    struct avro_value v = avro_items(AVRO_RECORD, items, sizeof items / sizeof *items);
    return avro_writer_add(w, &v, e);
}

int iceberg_manifest_list_write(const struct iceberg_manifest *manifests, size_t count, int64_t snapshot_id,
                                int64_t parent_id, int64_t sequence_number, struct buf *out, struct err *e) {
    char id[24], parent[24], sequence[24];
    snprintf(id, sizeof id, "%lld", (long long)snapshot_id);
    snprintf(parent, sizeof parent, "%lld", (long long)parent_id);
    snprintf(sequence, sizeof sequence, "%lld", (long long)sequence_number);
    const struct avro_meta meta[] = {{"snapshot-id", id},
                                     {"parent-snapshot-id", parent_id < 0 ? "null" : parent},
                                     {"sequence-number", sequence},
                                     {"format-version", "2"}};
    uint8_t sync[AVRO_SYNC_BYTES];
    TRY(random_bytes(sync, sizeof sync, e));
    struct avro_types types;
    TRY(avro_types_init(&types, list_schema, strlen(list_schema), e));
    struct avro_writer w;
    struct arena arena;
    arena_init(&arena);
    int rc =
        avro_writer_init(&w, out, types.root, list_schema, meta, sizeof meta / sizeof *meta, true, sync, e);
    for (size_t i = 0; i < count && !rc; i++) rc = add_manifest(&w, &manifests[i], &arena, e);
    if (!rc) rc = avro_writer_end(&w, e);
    avro_writer_release(&w);
    avro_types_release(&types);
    arena_release(&arena);
    return rc;
}
