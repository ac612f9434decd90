/* Reading manifest lists and manifests. Fields are found by their ids, as names differ between writers and
 * versions (added_files_count was added_data_files_count). */
#include "etl/iceberg_manifest.h"

enum { MANIFEST_MAX = 1 << 30 }; /* bytes; writers aim at 8 MiB */

/* Rows and bytes of one file: beyond it is nonsense, and sums over a table's files stay far from overflow. */
static const int64_t COUNT_MAX = INT64_C(1) << 44;

/* Text of a value (arena_copy put a NUL behind it); NULL when it is no text. */
static const char *text_of(const struct avro_value *v) {
    return v && v->kind == AVRO_STRING && strlen((const char *)v->bytes) == v->count ? (const char *)v->bytes
                                                                                     : NULL;
}

static const struct avro_value *bytes_of(const struct avro_value *v) {
    return v && v->kind == AVRO_BYTES ? v : NULL;
}

static int damaged(struct err *e, const char *what) {
    return err_set(e, ERR_INPUT, "it is no Iceberg manifest: %s is missing", what);
}

static int read_partitions(const struct avro_value *list, struct arena *arena, struct iceberg_manifest *m,
                           struct err *e) {
    if (!list || list->kind != AVRO_ARRAY) return 0;
    m->has_partitions = true;
    m->partition_count = list->count;
    m->partitions = arena_zalloc(arena, list->count * sizeof *m->partitions);
    if (!m->partitions) return err_nomem(e);
    for (size_t i = 0; i < list->count; i++) {
        const struct avro_value *item = &list->items[i];
        const struct avro_value *null = avro_get(item, 509, "contains_null");
        const struct avro_value *nan = avro_get(item, 518, "contains_nan");
        m->partitions[i] = (struct iceberg_partition_summary){
            .contains_null = !null || null->kind != AVRO_BOOLEAN || null->boolean,
            .contains_nan = nan && nan->kind == AVRO_BOOLEAN ? nan->boolean : -1,
            .lower = bytes_of(avro_get(item, 510, "lower_bound")),
            .upper = bytes_of(avro_get(item, 511, "upper_bound"))};
    }
    return 0;
}

static int read_manifest_file(const struct avro_value *v, struct arena *arena, struct iceberg_manifest *m,
                              struct err *e) {
    *m = (struct iceberg_manifest){.path = text_of(avro_get(v, 500, "manifest_path")),
                                   .length = avro_get_int(v, 501, "manifest_length", -1),
                                   .spec_id = (int32_t)avro_get_int(v, 502, "partition_spec_id", 0),
                                   .content = (int32_t)avro_get_int(v, 517, "content", ICEBERG_CONTENT_DATA),
                                   .sequence_number = avro_get_int(v, 515, "sequence_number", 0),
                                   .min_sequence_number = avro_get_int(v, 516, "min_sequence_number", 0),
                                   .added_snapshot_id = avro_get_int(v, 503, "added_snapshot_id", -1),
                                   .added_files = avro_get_int(v, 504, "added_files_count", -1),
                                   .existing_files = avro_get_int(v, 505, "existing_files_count", -1),
                                   .deleted_files = avro_get_int(v, 506, "deleted_files_count", -1),
                                   .added_rows = avro_get_int(v, 512, "added_rows_count", -1),
                                   .existing_rows = avro_get_int(v, 513, "existing_rows_count", -1),
                                   .deleted_rows = avro_get_int(v, 514, "deleted_rows_count", -1),
                                   .key_metadata = bytes_of(avro_get(v, 519, "key_metadata"))};
    if (!m->path) return damaged(e, "manifest_path");
    return read_partitions(avro_get(v, 507, "partitions"), arena, m, e);
}

static int grow(struct arena *arena, struct iceberg_manifest **list, size_t count, size_t *cap,
                struct err *e) {
    if (count < *cap) return 0;
    size_t next = *cap ? *cap * 2 : 16;
    struct iceberg_manifest *more = arena_alloc(arena, next * sizeof *more);
    if (!more) return err_nomem(e);
    if (count) memcpy(more, *list, count * sizeof *more);
    *list = more;
    *cap = next;
    return 0;
}

static int parse_list(const struct buf *data, struct arena *arena, struct iceberg_manifest **out,
                      size_t *count, struct err *e) {
    struct avro_reader r;
    TRY(avro_reader_init(&r, data->data, data->len, MANIFEST_MAX, e));
    size_t cap = 0;
    int rc = 0;
    for (;;) {
        struct avro_value v;
        bool done = true;
        rc = avro_reader_next(&r, arena, &v, &done, e);
        if (rc || done) break;
        rc = grow(arena, out, *count, &cap, e);
        if (!rc) rc = read_manifest_file(&v, arena, &(*out)[*count], e);
        if (rc) break;
        (*count)++;
    }
    avro_reader_release(&r);
    return rc;
}

int iceberg_manifest_list_read(struct store *s, const char *location, struct arena *arena,
                               struct iceberg_manifest **out, size_t *count, struct err *e) {
    struct buf data;
    buf_init(&data, 0);
    *out = NULL;
    *count = 0;
    int rc = store_read(s, location, MANIFEST_MAX, &data, e);
    if (!rc) {
        rc = parse_list(&data, arena, out, count, e);
        if (rc) err_prefix(e, "could not read manifest list \"%s\"", location);
    }
    buf_release(&data);
    return rc;
}

int iceberg_snapshot_manifests(struct store *s, const json_t *snapshot, struct arena *arena,
                               struct iceberg_manifest **out, size_t *count, struct err *e) {
    const char *location = json_text(snapshot, "manifest-list");
    if (location) return iceberg_manifest_list_read(s, location, arena, out, count, e);
    const json_t *inlined = json_object_get(snapshot, "manifests"), *path;
    if (!json_is_array(inlined))
        return err_set(e, ERR_INPUT, "snapshot %lld has no manifest list",
                       (long long)json_int(snapshot, "snapshot-id", -1));
    *count = json_array_size(inlined);
    *out = arena_zalloc(arena, *count * sizeof **out);
    if (!*out) return err_nomem(e);
    size_t i;
    json_array_foreach(inlined, i, path) {
        struct iceberg_manifest *m = &(*out)[i];
        if (!json_is_string(path)) return err_set(e, ERR_INPUT, "a snapshot names a manifest by no text");
        *m = (struct iceberg_manifest){.path = arena_printf(arena, "%s", json_string_value(path)),
                                       .length = -1,
                                       .added_snapshot_id = json_int(snapshot, "snapshot-id", -1),
                                       .added_files = -1,
                                       .existing_files = -1,
                                       .deleted_files = -1,
                                       .added_rows = -1,
                                       .existing_rows = -1,
                                       .deleted_rows = -1};
        if (!m->path) return err_nomem(e);
    }
    return 0;
}

/* ---- entries ---- */

int iceberg_manifest_open(struct iceberg_manifest_reader *r, struct store *s,
                          const struct iceberg_manifest *m, struct err *e) {
    r->manifest = m;
    arena_init(&r->arena);
    buf_init(&r->data, 0);
    int rc = store_read(s, m->path, MANIFEST_MAX, &r->data, e);
    if (!rc) {
        rc = avro_reader_init(&r->avro, r->data.data, r->data.len, MANIFEST_MAX, e);
        if (rc) err_prefix(e, "could not read manifest \"%s\"", m->path);
    }
    if (rc) buf_release(&r->data);
    return rc;
}

void iceberg_manifest_close(struct iceberg_manifest_reader *r) {
    avro_reader_release(&r->avro);
    arena_release(&r->arena);
    buf_release(&r->data);
}

static int read_entry(const struct avro_value *v, const struct iceberg_manifest *m, struct iceberg_entry *out,
                      struct err *e) {
    const struct avro_value *file = avro_get(v, 2, "data_file");
    if (!file || file->kind != AVRO_RECORD) return damaged(e, "data_file");
    *out = (struct iceberg_entry){.status = (int32_t)avro_get_int(v, 0, "status", -1),
                                  .snapshot_id = avro_get_int(v, 1, "snapshot_id", m->added_snapshot_id),
                                  .sequence_number = avro_get_int(v, 3, "sequence_number", -1),
                                  .file_sequence_number = avro_get_int(v, 4, "file_sequence_number", -1),
                                  .content = (int32_t)avro_get_int(file, 134, "content", ICEBERG_FILE_DATA),
                                  .path = text_of(avro_get(file, 100, "file_path")),
                                  .format = text_of(avro_get(file, 101, "file_format")),
                                  .rows = avro_get_int(file, 103, "record_count", -1),
                                  .bytes = avro_get_int(file, 104, "file_size_in_bytes", -1),
                                  .partition = avro_get(file, 102, "partition"),
                                  .file = file};
    /* Only added entries inherit; a manifest of version 1 has no sequence numbers: 0. */
    int64_t inherited = out->status == ICEBERG_ADDED ? m->sequence_number : 0;
    if (out->sequence_number < 0) out->sequence_number = inherited;
    if (out->file_sequence_number < 0) out->file_sequence_number = inherited;
    if (out->status < ICEBERG_EXISTING || out->status > ICEBERG_DELETED) return damaged(e, "status");
    if (!out->path) return damaged(e, "file_path");
    if (!out->format) return damaged(e, "file_format");
    if (out->rows < 0 || out->rows > COUNT_MAX) return damaged(e, "record_count");
    if (out->bytes < 0 || out->bytes > COUNT_MAX) return damaged(e, "file_size_in_bytes");
    if (!out->partition || out->partition->kind != AVRO_RECORD) return damaged(e, "partition");
    return 0;
}

int iceberg_manifest_next(struct iceberg_manifest_reader *r, struct iceberg_entry *out, bool *done,
                          struct err *e) {
    struct avro_value *v;
    arena_clear(&r->arena);
    v = arena_zalloc(&r->arena, sizeof *v);
    int rc = v ? avro_reader_next(&r->avro, &r->arena, v, done, e) : err_nomem(e);
    if (!rc && !*done) rc = read_entry(v, r->manifest, out, e);
    return rc ? err_prefix(e, "could not read manifest \"%s\"", r->manifest->path) : 0;
}

const json_t *iceberg_manifest_partition_schema(const struct iceberg_manifest_reader *r) {
    const struct avro_field *file = avro_schema_field(avro_schema_some(r->avro.types.root), 2, "data_file");
    const struct avro_field *partition =
        file ? avro_schema_field(avro_schema_some(file->schema), 102, "partition") : NULL;
    const struct avro_schema *s = partition ? avro_schema_some(partition->schema) : NULL;
    return s && s->kind == AVRO_RECORD ? s->json : NULL;
}
