#include "etl/iceberg_snapshot.h"

#include "base/clock.h"
#include "base/random.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- files written ---- */

/* Write a file under `location` (the arena's text) and remember it. */
static int write_file(struct iceberg_attempt *a, const char *location, const struct buf *data,
                      struct err *e) {
    if (a->written_count == a->written_cap) {
        size_t cap = a->written_cap ? 2 * a->written_cap : 16;
        const char **more = arena_alloc(&a->arena, cap * sizeof *more);
        if (!more) return err_nomem(e);
        if (a->written_count) memcpy(more, a->written, a->written_count * sizeof *more);
        a->written = more;
        a->written_cap = cap;
    }
    TRY(store_write_new(a->w->lake->store, location, data->data, data->len, e));
    a->written[a->written_count++] = location;
    return 0;
}

void iceberg_attempt_undo(struct iceberg_attempt *a) {
    struct err ignored; /* what cannot be removed is an orphan, harmless; `weir table clean` finds it */
    for (size_t i = 0; i < a->written_count; i++)
        store_remove(a->w->lake->store, a->written[i], false, &ignored);
    a->written_count = 0;
}

void iceberg_attempt_release(struct iceberg_attempt *a) {
    for (size_t i = 0; i < a->partition_count; i++) buf_release(&a->partitions[i]);
    free(a->partitions);
    json_decref(a->metadata);
    arena_release(&a->arena);
}

/* ---- manifests ---- */

static int add_manifest(struct iceberg_attempt *a, const struct iceberg_manifest *m, struct err *e) {
    if (a->manifest_count == a->manifest_cap) {
        size_t cap = a->manifest_cap ? 2 * a->manifest_cap : 16;
        struct iceberg_manifest *more = arena_alloc(&a->arena, cap * sizeof *more);
        if (!more) return err_nomem(e);
        if (a->manifest_count) memcpy(more, a->manifests, a->manifest_count * sizeof *more);
        a->manifests = more;
        a->manifest_cap = cap;
    }
    a->manifests[a->manifest_count++] = *m;
    return 0;
}

/* Remember a partition as touched, for changed-partition-count. */
static int touch(struct iceberg_attempt *a, int32_t spec_id, const struct avro_schema *schema,
                 const struct avro_value *partition, struct err *e) {
    if (a->partition_count == a->partition_cap) {
        size_t cap = a->partition_cap ? 2 * a->partition_cap : 64;
        struct buf *more = realloc(a->partitions, cap * sizeof *more);
        if (!more) return err_nomem(e);
        a->partitions = more;
        a->partition_cap = cap;
    }
    struct buf *key = &a->partitions[a->partition_count];
    buf_init(key, 0);
    int rc = buf_add(key, &spec_id, sizeof spec_id, e);
    if (!rc) rc = avro_encode(schema, partition, key, e);
    if (rc)
        buf_release(key);
    else
        a->partition_count++;
    return rc;
}

static const struct avro_schema *partition_schema(const struct iceberg_manifest_writer *w) {
    const struct avro_field *file = avro_schema_field(w->types.root, 2, "data_file");
    return avro_schema_field(file->schema, 102, "partition")->schema;
}

/* Finish the manifest, write its file, and add it to the list. */
static int finish_manifest(struct iceberg_attempt *a, struct iceberg_manifest_writer *mw, struct err *e) {
    TRY(iceberg_manifest_writer_end(mw, e));
    mw->m.path = arena_printf(&a->arena, "%s/%s-m%u.avro", a->folder, a->uuid, a->manifest_number++);
    if (!mw->m.path) return err_nomem(e);
    TRY(write_file(a, mw->m.path, &mw->out, e));
    return add_manifest(a, &mw->m, e);
}

static int add_data_file(struct iceberg_attempt *a, struct iceberg_manifest_writer *mw,
                         const struct iceberg_file *f, struct arena *scratch, struct err *e) {
    struct avro_value file[FILE_FIELD_COUNT], day = avro_int(f->day);
    struct iceberg_entry entry = {.status = ICEBERG_ADDED,
                                  .snapshot_id = a->snapshot_id,
                                  .sequence_number = -1, /* inherited */
                                  .file_sequence_number = -1};
    arena_clear(scratch);
    TRY(iceberg_file_values(a->w, f, scratch, file, &entry.rows, e));
    file[FILE_PARTITION] = avro_items(AVRO_RECORD, &day, a->plan.partitioned ? 1 : 0);
    TRY(touch(a, a->plan.spec_id, partition_schema(mw), &file[FILE_PARTITION], e));
    TRY(iceberg_manifest_writer_add(mw, &entry, file, e));
    a->added.files++;
    a->added.rows += entry.rows;
    a->added.bytes += (int64_t)f->bytes;
    return 0;
}

/* The days of a manifest's entries. */
struct days {
    int32_t low, high;
    bool any, null;
};

static void add_day(struct days *d, int32_t day) {
    if (!d->any || day < d->low) d->low = day;
    if (!d->any || day > d->high) d->high = day;
    d->any = true;
}

static int summarise_days(struct iceberg_attempt *a, struct iceberg_manifest *m, const struct days *d,
                          struct err *e) {
    struct iceberg_partition_summary *p = arena_zalloc(&a->arena, sizeof *p);
    struct avro_value *bounds = arena_alloc(&a->arena, 2 * sizeof *bounds);
    int32_t *days = arena_alloc(&a->arena, 2 * sizeof *days);
    if (!p || !bounds || !days) return err_nomem(e);
    m->has_partitions = true;
    if (!a->plan.partitioned) return 0;
    days[0] = d->low;
    days[1] = d->high;
    for (int i = 0; i < 2; i++) bounds[i] = avro_bytes(&days[i], sizeof days[i]);
    *p = (struct iceberg_partition_summary){.contains_null = d->null,
                                            .contains_nan = 0,
                                            .lower = d->any ? &bounds[0] : NULL,
                                            .upper = d->any ? &bounds[1] : NULL};
    m->partitions = p;
    m->partition_count = 1;
    return 0;
}

/* A manifest of data files under the plan's partition spec. */
struct own_manifest {
    struct iceberg_manifest_writer mw;
    json_t *partition;
    char *spec;
};

static int own_manifest_init(struct own_manifest *o, struct iceberg_attempt *a, const char *schema_json,
                             struct err *e) {
    o->partition = iceberg_partition_schema(&a->plan);
    o->spec = json_print(json_object_get(iceberg_default_spec(a->metadata), "fields"));
    struct iceberg_manifest_info info = {.content = ICEBERG_CONTENT_DATA,
                                         .spec_id = a->plan.spec_id,
                                         .schema_json = schema_json,
                                         .spec_json = o->spec,
                                         .schema_id = json_int(a->metadata, "current-schema-id", 0),
                                         .partition_schema = o->partition,
                                         .snapshot_id = a->snapshot_id,
                                         .sequence_number = a->sequence_number};
    int rc = o->partition && o->spec ? iceberg_manifest_writer_init(&o->mw, &info, e) : err_nomem(e);
    if (rc) {
        json_decref(o->partition);
        free(o->spec);
    }
    return rc;
}

static void own_manifest_release(struct own_manifest *o) {
    iceberg_manifest_writer_release(&o->mw);
    json_decref(o->partition);
    free(o->spec);
}

static int write_added(struct iceberg_attempt *a, const char *schema_json, struct err *e) {
    if (!a->commit->file_count) return 0;
    struct own_manifest o;
    struct days days = {0};
    struct arena scratch;
    TRY(own_manifest_init(&o, a, schema_json, e));
    arena_init(&scratch);
    int rc = 0;
    for (uint32_t i = 0; i < a->commit->file_count && !rc; i++) {
        rc = add_data_file(a, &o.mw, &a->commit->files[i], &scratch, e);
        add_day(&days, a->commit->files[i].day);
    }
    if (!rc) rc = summarise_days(a, &o.mw.m, &days, e);
    if (!rc) rc = finish_manifest(a, &o.mw, e);
    own_manifest_release(&o);
    arena_release(&scratch);
    return rc;
}

/* ---- what was there before ---- */

static void count_removed(struct iceberg_totals *t, const struct iceberg_entry *entry) {
    if (entry->content == ICEBERG_FILE_DATA) {
        t->files++;
        t->rows += entry->rows;
        t->bytes += entry->bytes;
    } else {
        bool position = entry->content == ICEBERG_FILE_POSITION_DELETES;
        *(position ? &t->position_files : &t->equality_files) += 1;
        *(position ? &t->position_rows : &t->equality_rows) += entry->rows;
        t->delete_bytes += entry->bytes;
    }
}

static int delete_entries(struct iceberg_attempt *a, struct iceberg_manifest_reader *r,
                          struct iceberg_manifest_writer *mw, struct err *e) {
    struct iceberg_entry entry = {0};
    for (bool done = false;;) {
        TRY(iceberg_manifest_next(r, &entry, &done, e));
        if (done) return 0;
        if (entry.status == ICEBERG_DELETED) continue; /* of an earlier snapshot */
        struct avro_value file[FILE_FIELD_COUNT];
        iceberg_file_copy(entry.file, file);
        entry.status = ICEBERG_DELETED;
        entry.snapshot_id = a->snapshot_id;
        TRY(touch(a, mw->info.spec_id, partition_schema(mw), &file[FILE_PARTITION], e));
        TRY(iceberg_manifest_writer_add(mw, &entry, file, e));
        count_removed(&a->removed, &entry);
    }
}

/* All live entries of a manifest, as deleted ones, in a new manifest. */
static int rewrite_deleted(struct iceberg_attempt *a, const struct iceberg_manifest *m,
                           const char *schema_json, struct err *e) {
    struct iceberg_manifest_reader r;
    TRY(iceberg_manifest_open(&r, a->w->lake->store, m, e));
    const json_t *spec = json_with_id(json_object_get(a->metadata, "partition-specs"), "spec-id", m->spec_id);
    char *spec_json = json_print(json_object_get(spec, "fields"));
    const char *own_schema = avro_reader_meta(&r.avro, "schema"),
               *own_spec = avro_reader_meta(&r.avro, "partition-spec");
    struct iceberg_manifest_info info = {.content = m->content,
                                         .spec_id = m->spec_id,
                                         .schema_json = own_schema ? own_schema : schema_json,
                                         .spec_json = own_spec    ? own_spec
                                                      : spec_json ? spec_json
                                                                  : "[]",
                                         .schema_id = json_int(a->metadata, "current-schema-id", 0),
                                         .partition_schema = iceberg_manifest_partition_schema(&r),
                                         .snapshot_id = a->snapshot_id,
                                         .sequence_number = a->sequence_number};
    const char *own_id = avro_reader_meta(&r.avro, "schema-id");
    if (own_schema && own_id) info.schema_id = strtoll(own_id, NULL, 10);
    struct iceberg_manifest_writer mw;
    int rc =
        info.partition_schema
            ? iceberg_manifest_writer_init(&mw, &info, e)
            : err_set(e, ERR_INPUT, "could not read manifest \"%s\": it has no partition field", m->path);
    if (!rc) {
        rc = delete_entries(a, &r, &mw, e);
        mw.m.partitions = m->partitions; /* bounds of more entries hold for these */
        mw.m.partition_count = m->partition_count;
        mw.m.has_partitions = m->has_partitions;
        if (!rc && mw.m.deleted_files) rc = finish_manifest(a, &mw, e);
        iceberg_manifest_writer_release(&mw);
    }
    free(spec_json);
    iceberg_manifest_close(&r);
    return rc;
}

/* Counts that a version 1 list may lack, which version 2 requires. */
static int count_entries(struct iceberg_attempt *a, struct iceberg_manifest *m, struct err *e) {
    if (m->added_files >= 0 && m->existing_files >= 0 && m->deleted_files >= 0 && m->added_rows >= 0 &&
        m->existing_rows >= 0 && m->deleted_rows >= 0)
        return 0;
    int64_t files[3] = {0}, rows[3] = {0};
    struct iceberg_manifest_reader r;
    TRY(iceberg_manifest_open(&r, a->w->lake->store, m, e));
    int rc = 0;
    for (bool done = false; !rc && !done;) {
        struct iceberg_entry entry;
        rc = iceberg_manifest_next(&r, &entry, &done, e);
        if (rc || done) break;
        files[entry.status]++;
        rows[entry.status] += entry.rows;
    }
    if (m->length < 0) m->length = (int64_t)r.data.len;
    iceberg_manifest_close(&r);
    m->existing_files = files[ICEBERG_EXISTING];
    m->added_files = files[ICEBERG_ADDED];
    m->deleted_files = files[ICEBERG_DELETED];
    m->existing_rows = rows[ICEBERG_EXISTING];
    m->added_rows = rows[ICEBERG_ADDED];
    m->deleted_rows = rows[ICEBERG_DELETED];
    return rc;
}

/* ---- merging ---- */

/* The live entries of a manifest, as existing ones. */
static int merge_entries(struct iceberg_attempt *a, struct iceberg_manifest_reader *r,
                         struct iceberg_manifest_writer *mw, struct days *days, struct err *e) {
    struct iceberg_entry entry = {0};
    for (bool done = false;;) {
        TRY(iceberg_manifest_next(r, &entry, &done, e));
        if (done) return 0;
        if (entry.status == ICEBERG_DELETED) continue;
        struct avro_value file[FILE_FIELD_COUNT];
        iceberg_file_copy(entry.file, file);
        entry.status = ICEBERG_EXISTING;
        if (entry.sequence_number < mw->m.min_sequence_number)
            mw->m.min_sequence_number = entry.sequence_number;
        TRY(iceberg_manifest_writer_add(mw, &entry, file, e));
        if (!a->plan.partitioned) continue;
        const struct avro_value *day = &entry.partition->items[0]; /* one: it was written by our schema */
        if (day->kind == AVRO_NULL)
            days->null = true;
        else
            add_day(days, (int32_t)day->integer);
    }
}

/* Whether a manifest may be merged with others: of data files under the current partition spec, and small. */
static bool is_mergeable(const struct iceberg_attempt *a, const struct iceberg_manifest *m, int64_t target) {
    return m->content == ICEBERG_CONTENT_DATA && m->spec_id == a->plan.spec_id && !m->key_metadata &&
           m->length >= 0 && m->length < target;
}

/* One manifest in the place of many small ones, so that tables that are appended to every hour stay quick to
 * plan; under the properties of Iceberg Java's merging append. Those merged leave the list: *count falls. */
static int merge(struct iceberg_attempt *a, const char *schema_json, struct iceberg_manifest *list,
                 size_t *count, struct err *e) {
    const char *enabled =
        json_text(json_object_get(a->metadata, "properties"), "commit.manifest-merge.enabled");
    int64_t target = iceberg_property_int(a->metadata, "commit.manifest.target-size-bytes", 8 << 20);
    int64_t least = iceberg_property_int(a->metadata, "commit.manifest.min-count-to-merge", 100), found = 0;
    for (size_t i = 0; i < *count; i++) found += is_mergeable(a, &list[i], target);
    if ((enabled && strcmp(enabled, "false") == 0) || found < 2 || found < least) return 0;

    struct own_manifest o;
    struct days days = {0};
    size_t kept = 0;
    TRY(own_manifest_init(&o, a, schema_json, e));
    int rc = 0;
    for (size_t i = 0; i < *count && !rc; i++) {
        struct iceberg_manifest_reader r;
        if (!is_mergeable(a, &list[i], target) || (int64_t)o.mw.out.len >= target) {
            list[kept++] = list[i];
            continue;
        }
        rc = iceberg_manifest_open(&r, a->w->lake->store, &list[i], e);
        if (rc) break;
        rc = merge_entries(a, &r, &o.mw, &days, e);
        iceberg_manifest_close(&r);
    }
    if (!rc) rc = summarise_days(a, &o.mw.m, &days, e);
    if (!rc && o.mw.m.existing_files) rc = finish_manifest(a, &o.mw, e);
    own_manifest_release(&o);
    *count = kept;
    return rc;
}

static int take_over(struct iceberg_attempt *a, const char *schema_json, struct err *e) {
    const json_t *parent = iceberg_current_snapshot(a->metadata);
    if (!parent) return 0;
    struct iceberg_manifest *before = NULL;
    size_t count = 0;
    TRY(iceberg_snapshot_manifests(a->w->lake->store, parent, &a->arena, &before, &count, e));
    if (a->commit->mode == ICEBERG_APPEND) TRY(merge(a, schema_json, before, &count, e));
    for (size_t i = 0; i < count; i++) {
        if (before[i].added_files == 0 && before[i].existing_files == 0) continue; /* nothing lives there */
        if (a->commit->mode == ICEBERG_OVERWRITE) {
            TRY(rewrite_deleted(a, &before[i], schema_json, e));
        } else {
            TRY(count_entries(a, &before[i], e));
            TRY(add_manifest(a, &before[i], e));
        }
    }
    return 0;
}

/* ---- the whole ---- */

static int write_list(struct iceberg_attempt *a, const char **location, struct err *e) {
    struct buf data;
    buf_init(&data, 0);
    const json_t *parent = iceberg_current_snapshot(a->metadata);
    *location = arena_printf(&a->arena, "%s/snap-%lld-%u-%s.avro", a->folder, (long long)a->snapshot_id,
                             a->number, a->uuid);
    int rc = *location ? iceberg_manifest_list_write(a->manifests, a->manifest_count, a->snapshot_id,
                                                     json_int(parent, "snapshot-id", -1), a->sequence_number,
                                                     &data, e)
                       : err_nomem(e);
    if (!rc) rc = write_file(a, *location, &data, e);
    buf_release(&data);
    return rc;
}

/* What is about to become the table reads back as what was meant. */
static int check_printed(const json_t *metadata, const struct buf *text, struct err *e) {
    json_t *again;
    TRY(iceberg_metadata_parse(text->data, text->len, &again, e));
    bool same = json_equal(metadata, again);
    json_decref(again);
    return same ? 0 : err_set(e, ERR_OUTSIDE, "table metadata does not read back as it was written");
}

static int write_metadata(struct iceberg_attempt *a, struct err *e) {
    const char *previous = a->w->state.metadata_location;
    char uuid[37];
    TRY(random_uuid(uuid, e));
    a->metadata_location = arena_printf(&a->arena, "%s/%05lld-%s.metadata.json", a->folder,
                                        previous ? (long long)iceberg_next_version(previous) : 0LL, uuid);
    if (!a->metadata_location) return err_nomem(e);
    struct buf data;
    buf_init(&data, 0);
    int rc = iceberg_metadata_print(a->metadata, &data, e);
    if (!rc) rc = check_printed(a->metadata, &data, e);
    if (!rc) rc = write_file(a, a->metadata_location, &data, e);
    buf_release(&data);
    return rc;
}

static int start(struct iceberg_attempt *a, struct err *e) {
    struct iceberg_writer *w = a->w;
    int64_t now = clock_real_ns() / 1000000;
    if (w->state.metadata) {
        a->metadata = json_deep_copy(w->state.metadata);
        if (!a->metadata) return err_nomem(e);
        TRY(iceberg_metadata_evolve(a->metadata, w->columns, w->column_count, &a->plan, e));
    } else {
        char uuid[37];
        TRY(random_uuid(uuid, e));
        TRY(iceberg_metadata_create(uuid, w->location, w->columns, w->column_count, w->partition_column, now,
                                    &a->metadata, e));
    }
    /* Time in a table's log never runs backwards, even where clocks do. */
    int64_t last = json_int(a->metadata, "last-updated-ms", 0);
    a->timestamp_ms = now > last ? now : last;
    a->sequence_number = json_int(a->metadata, "last-sequence-number", 0) + 1;
    const char *path = json_text(json_object_get(a->metadata, "properties"), "write.metadata.path");
    a->folder = path ? arena_printf(&a->arena, "%s", path)
                     : arena_printf(&a->arena, "%s/metadata", json_text(a->metadata, "location"));
    return a->folder ? 0 : err_nomem(e);
}

static int write_all(struct iceberg_attempt *a, const char *schema_json, struct err *e) {
    TRY(write_added(a, schema_json, e));
    TRY(take_over(a, schema_json, e));
    struct iceberg_new_snapshot s = {
        .id = a->snapshot_id, .sequence_number = a->sequence_number, .timestamp_ms = a->timestamp_ms};
    TRY(write_list(a, &s.manifest_list, e));
    TRY(iceberg_attempt_summary(a, &s.summary, e));
    int rc = iceberg_metadata_add_snapshot(a->metadata, &s, a->w->state.metadata_location, e);
    json_decref(s.summary);
    TRY(rc);
    TRY(write_metadata(a, e));
    return store_sync_folder(a->w->lake->store, a->folder, e);
}

int iceberg_attempt_write(struct iceberg_attempt *a, struct err *e) {
    TRY(start(a, e));
    char *schema_json = json_print(iceberg_current_schema(a->metadata));
    if (!schema_json) return err_nomem(e);
    int rc = write_all(a, schema_json, e);
    free(schema_json);
    return rc;
}
