/* The footer: FileMetaData of parquet.thrift. Field numbers are those of that file. */
#include "format/parquet_read.h"

#include "format/thrift_read.h"

/* parquet.thrift: FieldRepetitionType, ConvertedType, LogicalType */
enum { REPEATED = 2, OPTIONAL = 1 };
enum {
    CONVERTED_NONE = -1,
    CONVERTED_UTF8 = 0,
    CONVERTED_ENUM = 4,
    CONVERTED_DECIMAL = 5,
    CONVERTED_DATE = 6,
    CONVERTED_TIME_MILLIS = 7,
    CONVERTED_TIME_MICROS = 8,
    CONVERTED_TIMESTAMP_MILLIS = 9,
    CONVERTED_TIMESTAMP_MICROS = 10,
    CONVERTED_UINT_8 = 11,
    CONVERTED_UINT_64 = 14,
    CONVERTED_INT_8 = 15,
    CONVERTED_INT_64 = 18,
    CONVERTED_JSON = 19
};
enum {
    LOGICAL_STRING = 1,
    LOGICAL_ENUM = 4,
    LOGICAL_DECIMAL = 5,
    LOGICAL_DATE = 6,
    LOGICAL_TIME = 7,
    LOGICAL_TIMESTAMP = 8,
    LOGICAL_INTEGER = 10,
    LOGICAL_UNKNOWN = 11,
    LOGICAL_JSON = 12
};
enum { UNIT_MILLIS = 1, UNIT_MICROS = 2, UNIT_NANOS = 3 };
enum { NESTING_MAX = 64 };

struct element { /* SchemaElement */
    int32_t physical, repetition, children, converted;
    bool has_physical;
    struct str name;
    int16_t logical; /* 0: none */
    int16_t unit;    /* of a timestamp */
    bool is_signed;
};

static int corrupt(struct err *e) {
    return err_set(e, ERR_INPUT, "its footer is corrupt");
}

/* The one field that a union has: its number, its value left to be read. */
static void read_time_unit(struct thrift_reader *r, struct element *out) {
    struct thrift_field f = {0};
    while (thrift_read_field(r, &f)) {
        out->unit = f.id;
        thrift_skip(r, f.type);
    }
}

static void read_logical(struct thrift_reader *r, struct element *out) {
    struct thrift_field f = {0};
    while (thrift_read_field(r, &f)) {
        out->logical = f.id;
        struct thrift_field in = {0};
        if (f.type != THRIFT_STRUCT) {
            thrift_skip(r, f.type);
            continue;
        }
        while (thrift_read_field(r, &in)) {
            if (f.id == LOGICAL_TIMESTAMP && in.id == 2 && in.type == THRIFT_STRUCT) {
                read_time_unit(r, out);
            } else {
                if (f.id == LOGICAL_INTEGER && in.id == 2) out->is_signed = in.truth;
                thrift_skip(r, in.type);
            }
        }
    }
}

static void read_element(struct thrift_reader *r, struct element *out) {
    struct thrift_field f = {0};
    *out = (struct element){.converted = CONVERTED_NONE, .name = STR("")};
    while (thrift_read_field(r, &f)) {
        if (f.id == 1 && f.type == THRIFT_I32) {
            out->physical = thrift_read_i32(r);
            out->has_physical = true;
        } else if (f.id == 3 && f.type == THRIFT_I32) {
            out->repetition = thrift_read_i32(r);
        } else if (f.id == 4 && f.type == THRIFT_BINARY) {
            out->name = thrift_read_string(r);
        } else if (f.id == 5 && f.type == THRIFT_I32) {
            out->children = thrift_read_i32(r);
        } else if (f.id == 6 && f.type == THRIFT_I32) {
            out->converted = thrift_read_i32(r);
        } else if (f.id == 10 && f.type == THRIFT_STRUCT) {
            read_logical(r, out);
        } else {
            thrift_skip(r, f.type);
        }
    }
}

static void set(struct parquet_field *out, enum parquet_kind kind, const char *type) {
    out->kind = kind;
    out->type = type;
}

static void classify_text(const struct element *x, struct parquet_field *out) {
    bool text = x->logical == LOGICAL_STRING || x->logical == LOGICAL_ENUM || x->logical == LOGICAL_JSON ||
                (!x->logical && (x->converted == CONVERTED_NONE || x->converted == CONVERTED_UTF8 ||
                                 x->converted == CONVERTED_ENUM || x->converted == CONVERTED_JSON));
    bool decimal = x->logical == LOGICAL_DECIMAL || x->converted == CONVERTED_DECIMAL;
    if (text)
        set(out, PARQUET_KIND_TEXT, "text");
    else
        set(out, PARQUET_KIND_OTHER, decimal ? "a decimal" : "binary");
}

static void classify_int(const struct element *x, struct parquet_field *out) {
    int32_t c = x->converted;
    if (x->logical == LOGICAL_TIMESTAMP || c == CONVERTED_TIMESTAMP_MILLIS ||
        c == CONVERTED_TIMESTAMP_MICROS) {
        int unit = x->logical == LOGICAL_TIMESTAMP   ? x->unit
                   : c == CONVERTED_TIMESTAMP_MILLIS ? UNIT_MILLIS
                                                     : UNIT_MICROS;
        bool known = x->physical == PARQUET_PHYSICAL_INT64 && unit >= UNIT_MILLIS && unit <= UNIT_NANOS;
        set(out,
            !known                ? PARQUET_KIND_OTHER
            : unit == UNIT_MILLIS ? PARQUET_KIND_TIMESTAMP_MS
            : unit == UNIT_MICROS ? PARQUET_KIND_TIMESTAMP_US
                                  : PARQUET_KIND_TIMESTAMP_NS,
            known ? "a timestamp" : "a timestamp of an unknown kind");
    } else if (x->logical == LOGICAL_DATE || c == CONVERTED_DATE) {
        set(out, PARQUET_KIND_OTHER, "a date");
    } else if (x->logical == LOGICAL_TIME || c == CONVERTED_TIME_MILLIS || c == CONVERTED_TIME_MICROS) {
        set(out, PARQUET_KIND_OTHER, "a time of day");
    } else if (x->logical == LOGICAL_DECIMAL || c == CONVERTED_DECIMAL) {
        set(out, PARQUET_KIND_OTHER, "a decimal");
    } else if ((x->logical == LOGICAL_INTEGER && !x->is_signed) ||
               (!x->logical && c >= CONVERTED_UINT_8 && c <= CONVERTED_UINT_64)) {
        set(out, PARQUET_KIND_UINT, "an integer");
    } else if (x->logical == LOGICAL_INTEGER ||
               (!x->logical && (c == CONVERTED_NONE || (c >= CONVERTED_INT_8 && c <= CONVERTED_INT_64)))) {
        set(out, PARQUET_KIND_INT, "an integer");
    } else {
        set(out, PARQUET_KIND_OTHER, "of an unknown type");
    }
}

static void classify(const struct element *x, struct parquet_field *out) {
    if (x->logical == LOGICAL_UNKNOWN) {
        set(out, PARQUET_KIND_NULL, "without a type");
        return;
    }
    switch (x->physical) {
    case PARQUET_PHYSICAL_BOOLEAN: set(out, PARQUET_KIND_OTHER, "a boolean"); break;
    case PARQUET_PHYSICAL_INT32:
    case PARQUET_PHYSICAL_INT64: classify_int(x, out); break;
    case PARQUET_PHYSICAL_INT96: set(out, PARQUET_KIND_INT96, "a timestamp"); break;
    case PARQUET_PHYSICAL_FLOAT:
    case PARQUET_PHYSICAL_DOUBLE: set(out, PARQUET_KIND_REAL, "a floating-point number"); break;
    case PARQUET_PHYSICAL_BYTE_ARRAY: classify_text(x, out); break;
    case PARQUET_PHYSICAL_FIXED:
        set(out, PARQUET_KIND_OTHER, x->logical == LOGICAL_DECIMAL ? "a decimal" : "binary of fixed length");
        break;
    default: set(out, PARQUET_KIND_OTHER, "of an unknown type");
    }
}

/* Pass over what stands below a group; its columns are counted. */
static int skip_children(struct thrift_reader *r, const struct element *group, uint32_t *elements,
                         uint32_t *leaves, unsigned depth, struct err *e) {
    if (depth == NESTING_MAX) return corrupt(e);
    for (int32_t i = 0; i < group->children; i++) {
        struct element x;
        if (!*elements) return corrupt(e);
        --*elements;
        read_element(r, &x);
        if (r->failed) return corrupt(e);
        if (x.has_physical)
            ++*leaves;
        else
            TRY(skip_children(r, &x, elements, leaves, depth + 1, e));
    }
    return 0;
}

static int read_schema(struct thrift_reader *r, struct arena *a, struct parquet_meta *out, struct err *e) {
    uint8_t type;
    uint32_t elements = thrift_read_list(r, &type);
    struct element root, x;
    if (type != THRIFT_STRUCT || !elements) return corrupt(e);
    elements--;
    read_element(r, &root);
    if (r->failed || root.children < 0 || (uint32_t)root.children > elements) return corrupt(e);
    out->fields = arena_zalloc(a, (size_t)root.children * sizeof *out->fields);
    if (!out->fields) return err_nomem(e);
    for (int32_t i = 0; i < root.children; i++) {
        struct parquet_field *f = &out->fields[out->field_count++];
        if (!elements) return corrupt(e);
        elements--;
        read_element(r, &x);
        if (r->failed) return corrupt(e);
        *f = (struct parquet_field){.name = x.name,
                                    .physical = x.physical,
                                    .optional = x.repetition == OPTIONAL,
                                    .leaf = out->leaf_count};
        if (!x.has_physical || x.repetition == REPEATED) set(f, PARQUET_KIND_NESTED, "nested");
        if (x.has_physical) {
            out->leaf_count++;
            if (x.repetition != REPEATED) classify(&x, f);
        } else {
            TRY(skip_children(r, &x, &elements, &out->leaf_count, 0, e));
        }
    }
    return elements ? corrupt(e) : 0;
}

static void read_chunk_meta(struct thrift_reader *r, struct parquet_read_chunk *out) {
    struct thrift_field f = {0};
    int64_t data = 0, dictionary = 0;
    while (thrift_read_field(r, &f)) {
        if (f.id == 1 && f.type == THRIFT_I32)
            out->physical = thrift_read_i32(r);
        else if (f.id == 4 && f.type == THRIFT_I32)
            out->codec = thrift_read_i32(r);
        else if (f.id == 5 && f.type == THRIFT_I64)
            out->values = (uint64_t)thrift_read_int(r);
        else if (f.id == 9 && f.type == THRIFT_I64)
            data = thrift_read_int(r);
        else if (f.id == 11 && f.type == THRIFT_I64)
            dictionary = thrift_read_int(r);
        else
            thrift_skip(r, f.type);
    }
    /* Some writers leave the dictionary's offset 0, or away, and let it begin where data pages should. */
    out->offset = (uint64_t)(dictionary > 0 && dictionary < data ? dictionary : data);
    out->readable = true;
}

static void read_chunk(struct thrift_reader *r, struct parquet_read_chunk *out) {
    struct thrift_field f = {0};
    bool elsewhere = false, encrypted = false;
    while (thrift_read_field(r, &f)) {
        if (f.id == 1 && f.type == THRIFT_BINARY) {
            elsewhere = thrift_read_string(r).len > 0;
        } else if (f.id == 3 && f.type == THRIFT_STRUCT) {
            read_chunk_meta(r, out);
        } else {
            encrypted |= f.id == 8 || f.id == 9;
            thrift_skip(r, f.type);
        }
    }
    if (encrypted)
        out->problem = "is encrypted";
    else if (elsewhere)
        out->problem = "stands in another file";
    else if (!out->readable)
        out->problem = "has no metadata";
    out->readable = !out->problem;
}

static int read_group(struct thrift_reader *r, struct arena *a, const struct parquet_meta *meta,
                      struct parquet_read_group *out, struct err *e) {
    struct thrift_field f = {0};
    *out = (struct parquet_read_group){0};
    while (thrift_read_field(r, &f)) {
        uint8_t type;
        if (f.id == 1 && f.type == THRIFT_LIST) {
            if (thrift_read_list(r, &type) != meta->leaf_count || type != THRIFT_STRUCT || out->chunks)
                return corrupt(e);
            out->chunks = arena_zalloc(a, meta->leaf_count * sizeof *out->chunks);
            if (!out->chunks) return err_nomem(e);
            for (uint32_t i = 0; i < meta->leaf_count && !r->failed; i++) read_chunk(r, &out->chunks[i]);
        } else if (f.id == 3 && f.type == THRIFT_I64) {
            out->rows = (uint64_t)thrift_read_int(r);
        } else {
            thrift_skip(r, f.type);
        }
    }
    return r->failed || !out->chunks || out->rows > INT64_MAX ? corrupt(e) : 0;
}

static int read_groups(struct thrift_reader *r, struct arena *a, struct parquet_meta *out, struct err *e) {
    uint8_t type;
    uint32_t count = thrift_read_list(r, &type);
    if ((count && type != THRIFT_STRUCT) || out->groups || !out->fields) return corrupt(e);
    out->groups = arena_alloc(a, count * sizeof *out->groups);
    if (!out->groups) return err_nomem(e);
    for (uint32_t i = 0; i < count; i++) {
        TRY(read_group(r, a, out, &out->groups[i], e));
        if (__builtin_add_overflow(out->rows, out->groups[i].rows, &out->rows)) return corrupt(e);
        out->group_count++;
    }
    return 0;
}

int parquet_read_tail(const uint8_t tail[PARQUET_TAIL_BYTES], uint64_t file_bytes, uint32_t *footer_bytes,
                      struct err *e) {
    if (file_bytes >= 12 && memcmp(tail + 4, "PARE", 4) == 0)
        return err_set(e, ERR_INPUT, "it is encrypted, which cannot be read here");
    if (file_bytes < 12 || memcmp(tail + 4, "PAR1", 4) != 0)
        return err_set(e, ERR_INPUT, "it is no Parquet file, or is cut off: it does not end with PAR1");
    memcpy(footer_bytes, tail, 4);
    return *footer_bytes > file_bytes - 12 || *footer_bytes > INT32_MAX ? corrupt(e) : 0;
}

int parquet_read_footer(const uint8_t *footer, uint32_t footer_bytes, uint64_t file_bytes, struct arena *a,
                        struct parquet_meta *out, struct err *e) {
    struct thrift_reader r = thrift_read(footer, footer_bytes);
    struct thrift_field f = {0};
    *out = (struct parquet_meta){.data_end = file_bytes - PARQUET_TAIL_BYTES - footer_bytes};
    int64_t rows = -1;
    while (thrift_read_field(&r, &f)) {
        if (f.id == 2 && f.type == THRIFT_LIST && !out->fields)
            TRY(read_schema(&r, a, out, e));
        else if (f.id == 3 && f.type == THRIFT_I64)
            rows = thrift_read_int(&r);
        else if (f.id == 4 && f.type == THRIFT_LIST)
            TRY(read_groups(&r, a, out, e));
        else
            thrift_skip(&r, f.type);
    }
    if (r.failed || !out->fields || !out->groups || rows < 0 || (uint64_t)rows != out->rows)
        return corrupt(e);
    return 0;
}
