/* A table's metadata file: read, checked, edited as the JSON tree it is, so that what others put in stays
 * (Iceberg table spec, "Table Metadata"; format version 2 is written, 1 to 3 are read). */
#ifndef WEIR_ETL_ICEBERG_METADATA_H
#define WEIR_ETL_ICEBERG_METADATA_H

#include "edge/store.h"
#include "etl/iceberg.h"

#include <jansson.h>

enum { ICEBERG_METADATA_MAX = 1 << 30 }; /* bytes of a metadata file, uncompressed */

/* Parse a metadata file, gzip or plain. Checked afterwards: what the accessors here look at is there and of
 * its type. ERR_INPUT otherwise. *out is the caller's to json_decref. */
int iceberg_metadata_parse(const void *data, size_t len, json_t **out, struct err *e);

/* The same from the store; the location is named in errors. */
int iceberg_metadata_load(struct store *s, const char *location, json_t **out, struct err *e);

/* As compact JSON, appended. */
int iceberg_metadata_print(const json_t *metadata, struct buf *out, struct err *e);

/* An object or array as compact JSON text from malloc; NULL when memory is out. Instead of json_dumps, which
 * drops an object's key when memory is short just then. */
char *json_print(const json_t *json);

/* ---- looking ---- */

/* A string or integer under key; NULL or `otherwise` when there is none. */
const char *json_text(const json_t *object, const char *key);
int64_t json_int(const json_t *object, const char *key, int64_t otherwise);

/* The object of an array whose `key` is the integer `id`, or NULL. */
json_t *json_with_id(const json_t *array, const char *key, int64_t id);

json_t *iceberg_current_schema(const json_t *metadata);
json_t *iceberg_current_snapshot(const json_t *metadata); /* NULL: none */
json_t *iceberg_snapshot(const json_t *metadata, int64_t id);
json_t *iceberg_default_spec(const json_t *metadata); /* the spec object: spec-id, fields */

/* The snapshot that carries this `weir.run-id`, or NULL (pipeline.md 4.6). */
json_t *iceberg_run_snapshot(const json_t *metadata, const char *run_id);

/* A table property as a number, `otherwise` when it is missing or none. */
int64_t iceberg_property_int(const json_t *metadata, const char *key, int64_t otherwise);

/* The number that the next metadata file's name begins with. */
int64_t iceberg_next_version(const char *metadata_location);

/* ---- columns ---- */

/* "string", "int", … */
const char *iceberg_type_name(enum parquet_type type);

/* How the caller's columns lie in a table. */
struct iceberg_plan {
    int32_t *field_ids; /* one a column */
    bool *added;        /* the column is not in the table yet */
    bool *promoted;     /* our int stands under the table's long */
    uint32_t added_count;
    bool partitioned;
    int32_t spec_id, partition_field_id;
    const char *partition_name;
};

/* Match columns with a table of format version 2; `table` ("web.events") is named in errors. ERR_INPUT says
 * why it cannot be written. Memory from `arena`. */
int iceberg_plan_columns(const json_t *metadata, const char *table, const struct iceberg_column *columns,
                         uint32_t column_count, int partition_column, struct arena *arena,
                         struct iceberg_plan *out, struct err *e);

/* The plan for a table that is yet to be made. */
int iceberg_plan_new(const struct iceberg_column *columns, uint32_t column_count, int partition_column,
                     struct arena *arena, struct iceberg_plan *out, struct err *e);

/* ---- changing ---- */

/* Metadata of a new table without snapshots, into *out. */
int iceberg_metadata_create(const char *uuid, const char *location, const struct iceberg_column *columns,
                            uint32_t column_count, int partition_column, int64_t now_ms, json_t **out,
                            struct err *e);

/* Add the plan's new columns, as optional ones, in a new current schema. */
int iceberg_metadata_evolve(json_t *metadata, const struct iceberg_column *columns, uint32_t column_count,
                            const struct iceberg_plan *plan, struct err *e);

/* A snapshot about to be added. */
struct iceberg_new_snapshot {
    int64_t id, sequence_number, timestamp_ms;
    const char *manifest_list;
    json_t *summary; /* borrowed */
};

/* Make it current: snapshots, refs.main, snapshot-log, metadata-log (`previous_location` NULL: a new table),
 * last-updated-ms, last-sequence-number. */
int iceberg_metadata_add_snapshot(json_t *metadata, const struct iceberg_new_snapshot *s,
                                  const char *previous_location, struct err *e);

#endif
