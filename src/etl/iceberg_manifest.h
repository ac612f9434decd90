/* Manifest lists and manifests, read and written (Iceberg table spec, "Manifests", "Manifest Lists"; those of
 * format versions 1 to 3 are read, version 2 is written). */
#ifndef WEIR_ETL_ICEBERG_MANIFEST_H
#define WEIR_ETL_ICEBERG_MANIFEST_H

#include "edge/store.h"
#include "etl/iceberg_metadata.h"
#include "format/avro.h"

enum { ICEBERG_CONTENT_DATA = 0, ICEBERG_CONTENT_DELETES = 1 }; /* of a manifest */
enum { ICEBERG_FILE_DATA = 0, ICEBERG_FILE_POSITION_DELETES, ICEBERG_FILE_EQUALITY_DELETES };
enum { ICEBERG_EXISTING = 0, ICEBERG_ADDED = 1, ICEBERG_DELETED = 2 }; /* of an entry */

/* Bounds of one partition field over a manifest's entries. */
struct iceberg_partition_summary {
    bool contains_null;
    int contains_nan;                       /* −1: not known */
    const struct avro_value *lower, *upper; /* BYTES or NULL */
};

/* One manifest, as its manifest list describes it. Counts: −1 is not known (version 1). */
struct iceberg_manifest {
    const char *path;
    int64_t length;
    int32_t spec_id, content;
    int64_t sequence_number, min_sequence_number, added_snapshot_id;
    int64_t added_files, existing_files, deleted_files;
    int64_t added_rows, existing_rows, deleted_rows;
    struct iceberg_partition_summary *partitions;
    size_t partition_count;
    bool has_partitions;
    const struct avro_value *key_metadata; /* or NULL */
};

/* All manifests of a list; memory from `arena`. */
int iceberg_manifest_list_read(struct store *s, const char *location, struct arena *arena,
                               struct iceberg_manifest **out, size_t *count, struct err *e);

/* The manifests of a snapshot: by its list, or inline as version 1 may have them. */
int iceberg_snapshot_manifests(struct store *s, const json_t *snapshot, struct arena *arena,
                               struct iceberg_manifest **out, size_t *count, struct err *e);

/* An entry of a manifest; what it inherits from the manifest is filled in. */
struct iceberg_entry {
    int32_t status;
    int64_t snapshot_id, sequence_number, file_sequence_number;
    int32_t content;
    const char *path, *format;
    int64_t rows, bytes;
    const struct avro_value *partition; /* RECORD */
    const struct avro_value *file;      /* the data_file record, for all else */
};

/* Reads one manifest, entry by entry. */
struct iceberg_manifest_reader {
    struct buf data;
    struct avro_reader avro;
    struct arena arena; /* of the entry last read */
    const struct iceberg_manifest *manifest;
};

int iceberg_manifest_open(struct iceberg_manifest_reader *r, struct store *s,
                          const struct iceberg_manifest *m, struct err *e);
void iceberg_manifest_close(struct iceberg_manifest_reader *r);

/* The next entry; valid until the one after. *done: there is none left. */
int iceberg_manifest_next(struct iceberg_manifest_reader *r, struct iceberg_entry *out, bool *done,
                          struct err *e);

/* The JSON schema of the partition tuple in this manifest, "r102". */
const json_t *iceberg_manifest_partition_schema(const struct iceberg_manifest_reader *r);

/* ---- writing ---- */

/* What all entries of a manifest to be written share. */
struct iceberg_manifest_info {
    int32_t content, spec_id;
    const char *schema_json, *spec_json; /* of the table, into the file's header */
    int64_t schema_id;
    const json_t *partition_schema; /* Avro record of the partition tuple */
    int64_t snapshot_id, sequence_number;
};

struct iceberg_manifest_writer {
    struct iceberg_manifest_info info;
    struct avro_types types;
    char *schema_text;
    struct avro_writer avro;
    struct buf out;
    struct iceberg_manifest m; /* counts so far */
};

/* The Avro schema of our partition tuple: one day field, or none. */
json_t *iceberg_partition_schema(const struct iceberg_plan *plan);

int iceberg_manifest_writer_init(struct iceberg_manifest_writer *w, const struct iceberg_manifest_info *info,
                                 struct err *e);

/* Add an entry. sequence numbers −1: inherited (null). `file` has the fields of a data file in the order of
 * iceberg_file_field. */
int iceberg_manifest_writer_add(struct iceberg_manifest_writer *w, const struct iceberg_entry *entry,
                                struct avro_value *file, struct err *e);

/* Finish: w->out holds the file, w->m describes it (path, partitions and key_metadata are the caller's to
 * set). */
int iceberg_manifest_writer_end(struct iceberg_manifest_writer *w, struct err *e);
void iceberg_manifest_writer_release(struct iceberg_manifest_writer *w);

/* A data file's fields, in the order in which they are written. */
enum iceberg_file_field {
    FILE_CONTENT,
    FILE_PATH,
    FILE_FORMAT,
    FILE_PARTITION,
    FILE_RECORD_COUNT,
    FILE_SIZE,
    FILE_COLUMN_SIZES,
    FILE_VALUE_COUNTS,
    FILE_NULL_COUNTS,
    FILE_NAN_COUNTS,
    FILE_LOWER_BOUNDS,
    FILE_UPPER_BOUNDS,
    FILE_KEY_METADATA,
    FILE_SPLIT_OFFSETS,
    FILE_EQUALITY_IDS,
    FILE_SORT_ORDER_ID,
    FILE_REFERENCED_DATA_FILE, /* last: of manifests of deletes only */
    FILE_FIELD_COUNT
};

/* The fields of another manifest's file, to be written again. */
void iceberg_file_copy(const struct avro_value *file, struct avro_value out[FILE_FIELD_COUNT]);

/* Append a manifest list file to *out. */
int iceberg_manifest_list_write(const struct iceberg_manifest *manifests, size_t count, int64_t snapshot_id,
                                int64_t parent_id, int64_t sequence_number, struct buf *out, struct err *e);

#endif
