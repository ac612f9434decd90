/* Avro: schemas, generic values, and object container files, as bytes in memory (Avro specification 1.11,
 * "Object Container Files"); with the attributes that Iceberg adds: field-id on record fields, and maps with
 * keys that are no strings as arrays of key-value records (Iceberg table spec, Appendix A).
 *
 * Reading resolves by name or field id: a caller asks a record for the fields it knows and leaves the rest.
 * Codecs null, deflate and zstandard are read; null and deflate written. */
#ifndef WEIR_FORMAT_AVRO_H
#define WEIR_FORMAT_AVRO_H

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

enum avro_kind {
    AVRO_NULL,
    AVRO_BOOLEAN,
    AVRO_INT,
    AVRO_LONG,
    AVRO_FLOAT,
    AVRO_DOUBLE,
    AVRO_BYTES,
    AVRO_STRING,
    AVRO_FIXED,
    AVRO_ENUM,
    AVRO_ARRAY,
    AVRO_MAP,
    AVRO_RECORD,
    AVRO_UNION
};

enum { AVRO_NO_ID = -1 };

struct avro_schema;

struct avro_field {
    const char *name;
    int32_t id; /* field-id, AVRO_NO_ID when there is none */
    const struct avro_schema *schema;
};

/* A node of a schema. `fields`: of a record its fields, of a union its branches, of an array its items (one),
 * of a map its values (one). */
struct avro_schema {
    enum avro_kind kind;
    const char *name;   /* of record, enum, fixed; else NULL */
    uint32_t size;      /* fixed: bytes; enum: symbols */
    const json_t *json; /* where it was defined; owned by the avro_types */
    struct avro_field *fields;
    uint32_t field_count;
};

/* A parsed schema; owns all its nodes. */
struct avro_types {
    struct arena arena;
    json_t *json;
    const struct avro_schema *root;
};

/* Parse a schema's JSON. ERR_INPUT when it is none. On failure nothing is owned. */
int avro_types_init(struct avro_types *t, const char *json, size_t len, struct err *e);
void avro_types_release(struct avro_types *t);

/* The branch of a union that is not null (the first), else the schema itself. */
const struct avro_schema *avro_schema_some(const struct avro_schema *s);

/* A record schema's field by id, else by name; NULL when it has neither. */
const struct avro_field *avro_schema_field(const struct avro_schema *s, int32_t id, const char *name);

/* A value. Unions are resolved: the kind is that of the branch. What it points at belongs to the arena it was
 * read into, or to whoever built it. */
struct avro_value {
    enum avro_kind kind;
    const struct avro_schema *schema; /* as read; not looked at when writing */
    size_t count;                     /* bytes, or items (a map: keys and values, so twice its size) */
    union {
        bool boolean;
        int64_t integer;          /* INT, LONG; index of an ENUM's symbol */
        double real;              /* FLOAT, DOUBLE */
        const uint8_t *bytes;     /* BYTES, STRING, FIXED */
        struct avro_value *items; /* ARRAY; MAP: key, value, …; RECORD: as its schema's fields */
    };
};

/* A record's field by id, else by name; NULL when it has no such field or it is null. */
const struct avro_value *avro_get(const struct avro_value *record, int32_t id, const char *name);

/* The same as a number; `otherwise` when there is none or it is no INT or LONG. */
int64_t avro_get_int(const struct avro_value *record, int32_t id, const char *name, int64_t otherwise);

/* Values to write. */
struct avro_value avro_null(void);
struct avro_value avro_boolean(bool b);
struct avro_value avro_int(int64_t i);
struct avro_value avro_bytes(const void *data, size_t len);
struct avro_value avro_string(const char *text);
struct avro_value avro_items(enum avro_kind kind, struct avro_value *items, size_t count);

/* Append the binary encoding of v by s. ERR_INPUT when v does not fit s. */
int avro_encode(const struct avro_schema *s, const struct avro_value *v, struct buf *out, struct err *e);

/* Decode one value of s from *at (moved on), before `end`; memory from `arena`. */
int avro_decode(const struct avro_schema *s, const uint8_t **at, const uint8_t *end, struct arena *arena,
                struct avro_value *out, struct err *e);

/* ---- object container files ---- */

struct avro_meta {
    const char *key, *value;
};

enum { AVRO_SYNC_BYTES = 16 };

/* Appends a container file to a buffer. */
struct avro_writer {
    struct buf *out; /* the caller's */
    const struct avro_schema *schema;
    struct buf block;
    uint64_t block_count;
    bool deflate;
    uint8_t sync[AVRO_SYNC_BYTES];
};

/* Write the header. `schema` must be a parse of `schema_json`; both must outlive the writer. `sync`: random
 * bytes. */
int avro_writer_init(struct avro_writer *w, struct buf *out, const struct avro_schema *schema,
                     const char *schema_json, const struct avro_meta *meta, size_t meta_count, bool deflate,
                     const uint8_t sync[AVRO_SYNC_BYTES], struct err *e);
int avro_writer_add(struct avro_writer *w, const struct avro_value *v, struct err *e);

/* Write what is left; the file is then whole. */
int avro_writer_end(struct avro_writer *w, struct err *e);
void avro_writer_release(struct avro_writer *w);

/* Reads a container file that lies in memory. */
struct avro_reader {
    struct avro_types types;
    struct arena arena;     /* of the file's metadata */
    struct avro_meta *meta; /* keys and values with a NUL added */
    size_t meta_count;
    const uint8_t *at, *end; /* the caller's bytes */
    int codec;
    uint8_t sync[AVRO_SYNC_BYTES];
    struct buf block; /* decompressed */
    const uint8_t *block_at, *block_end;
    uint64_t block_left; /* values */
};

/* Read the header. `data` must outlive the reader; a block may grow to max_block bytes (0: 1 GiB). ERR_INPUT
 * when it is no Avro file or needs what is not supported. On failure nothing is owned. */
int avro_reader_init(struct avro_reader *r, const void *data, size_t len, size_t max_block, struct err *e);
void avro_reader_release(struct avro_reader *r);

/* The header's value for key, NULL when there is none. */
const char *avro_reader_meta(const struct avro_reader *r, const char *key);

/* The next value into *out, memory from `arena`; *done instead when there is none left. */
int avro_reader_next(struct avro_reader *r, struct arena *arena, struct avro_value *out, bool *done,
                     struct err *e);

#endif
