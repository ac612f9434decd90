/* Avro container files, and Iceberg's manifests and manifest lists in them: any bytes are read or refused;
 * what is read as a manifest can be written again. The store is the input. */
#include "etl/iceberg_manifest.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input;
static size_t input_size;

static int read_input(struct store *s, const char *location, size_t max, struct buf *out, struct err *e) {
    (void)s;
    (void)location;
    (void)max;
    return buf_add(out, input, input_size, e);
}

static const struct store_ops ops = {.read = read_input};
static struct store store = {&ops};

static void check(int rc, const struct err *e) {
    if (rc && ((rc != ERR_INPUT && rc != ERR_OUTSIDE) || !*e->msg)) abort();
}

/* Every value, encoded again by its schema, decodes to the same bytes. */
static void read_values(void) {
    struct err e = {0};
    struct avro_reader r;
    struct arena arena;
    struct buf first, second;
    int rc = avro_reader_init(&r, input, input_size, 1 << 20, &e);
    check(rc, &e);
    if (rc) return;
    arena_init(&arena);
    buf_init(&first, 0);
    buf_init(&second, 0);
    for (bool done = false; !done;) {
        struct avro_value v, again;
        arena_clear(&arena);
        buf_clear(&first);
        buf_clear(&second);
        rc = avro_reader_next(&r, &arena, &v, &done, &e);
        check(rc, &e);
        if (rc || done) break;
        if (avro_encode(r.types.root, &v, &first, &e)) continue; /* a union of like branches may refuse */
        const uint8_t *at = first.data, *end = first.data + first.len;
        if (first.len && (avro_decode(r.types.root, &at, end, &arena, &again, &e) || at != end)) abort();
        if (first.len && avro_encode(r.types.root, &again, &second, &e)) abort();
        if (first.len != second.len || (first.len && memcmp(first.data, second.data, first.len) != 0))
            abort();
    }
    buf_release(&first);
    buf_release(&second);
    arena_release(&arena);
    avro_reader_release(&r);
}

static void read_list(void) {
    struct err e = {0};
    struct arena arena;
    struct iceberg_manifest *list;
    struct buf out;
    size_t count;
    arena_init(&arena);
    buf_init(&out, 0);
    int rc = iceberg_manifest_list_read(&store, "list", &arena, &list, &count, &e);
    check(rc, &e);
    if (!rc) check(iceberg_manifest_list_write(list, count, 1, -1, 1, &out, &e), &e);
    buf_release(&out);
    arena_release(&arena);
}

static void rewrite(struct iceberg_manifest_reader *r, int32_t content) {
    struct err e = {0};
    struct iceberg_manifest_info info = {.content = content,
                                         .schema_json = "{}",
                                         .spec_json = "[]",
                                         .partition_schema = iceberg_manifest_partition_schema(r),
                                         .snapshot_id = 1,
                                         .sequence_number = 1};
    struct iceberg_manifest_writer w;
    if (!info.partition_schema) return;
    int rc = iceberg_manifest_writer_init(&w, &info, &e);
    check(rc, &e);
    if (rc) return;
    for (bool done = false; !rc && !done;) {
        struct iceberg_entry entry;
        struct avro_value file[FILE_FIELD_COUNT];
        rc = iceberg_manifest_next(r, &entry, &done, &e);
        if (rc || done) break;
        iceberg_file_copy(entry.file, file);
        rc = iceberg_manifest_writer_add(&w, &entry, file, &e);
    }
    check(rc, &e);
    if (!rc) check(iceberg_manifest_writer_end(&w, &e), &e);
    iceberg_manifest_writer_release(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct iceberg_manifest manifest = {
        .path = "m", .sequence_number = 7, .added_snapshot_id = 8};
    struct iceberg_manifest_reader r;
    struct err e = {0};
    input = data;
    input_size = size;
    read_values();
    read_list();
    for (int32_t content = 0; content < 2; content++) {
        int rc = iceberg_manifest_open(&r, &store, &manifest, &e);
        check(rc, &e);
        if (rc) break;
        rewrite(&r, content);
        iceberg_manifest_close(&r);
    }
    return 0;
}
