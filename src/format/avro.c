#include "format/avro.h"

#include <stdio.h>
#include <stdlib.h>

enum { DEPTH_MAX = 64 }; /* of schemas and values: recursive types must not exhaust the stack */

/* ---- schemas ---- */

struct named {
    struct named *next;
    const char *name;
    const struct avro_schema *schema;
};

struct parser {
    struct arena *arena;
    struct named *named;
    unsigned depth;
};

static const char *const kind_names[] = {"null",   "boolean", "int",  "long",  "float", "double", "bytes",
                                         "string", "fixed",   "enum", "array", "map",   "record"};

static const char *last_part(const char *name) {
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

static const struct avro_schema *find_named(const struct parser *p, const char *name) {
    for (const struct named *n = p->named; n; n = n->next)
        if (strcmp(n->name, name) == 0) return n->schema;
    for (const struct named *n = p->named; n; n = n->next)
        if (strcmp(last_part(n->name), last_part(name)) == 0) return n->schema;
    return NULL;
}

static int parse_schema(struct parser *p, const json_t *json, const struct avro_schema **out, struct err *e);

static int parse_fields(struct parser *p, const json_t *list, struct avro_schema *s, struct err *e) {
    bool record = s->kind == AVRO_RECORD;
    s->fields = arena_zalloc(p->arena, json_array_size(list) * sizeof *s->fields);
    if (!s->fields) return err_nomem(e);
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        struct avro_field *f = &s->fields[i];
        f->id = AVRO_NO_ID;
        if (record) {
            f->name = json_string_value(json_object_get(item, "name"));
            if (!f->name) return err_set(e, ERR_INPUT, "Avro schema: a record field has no name");
            const json_t *id = json_object_get(item, "field-id");
            if (json_is_integer(id) && json_integer_value(id) >= 0 && json_integer_value(id) <= INT32_MAX)
                f->id = (int32_t)json_integer_value(id);
        }
        TRY(parse_schema(p, record ? json_object_get(item, "type") : item, &f->schema, e));
        s->field_count++;
    }
    return 0;
}

static int parse_one_field(struct parser *p, const json_t *json, struct avro_schema *s, struct err *e) {
    s->fields = arena_zalloc(p->arena, sizeof *s->fields);
    if (!s->fields) return err_nomem(e);
    s->fields[0].id = AVRO_NO_ID;
    s->field_count = 1;
    return parse_schema(p, json, &s->fields[0].schema, e);
}

static int add_name(struct parser *p, struct avro_schema *s, const json_t *json, struct err *e) {
    s->name = json_string_value(json_object_get(json, "name"));
    if (!s->name) return err_set(e, ERR_INPUT, "Avro schema: a type \"%s\" has no name", kind_names[s->kind]);
    struct named *n = arena_alloc(p->arena, sizeof *n);
    if (!n) return err_nomem(e);
    *n = (struct named){p->named, s->name, s};
    p->named = n;
    return 0;
}

static int parse_type(struct parser *p, const char *type, const json_t *json, struct avro_schema *s,
                      struct err *e) {
    for (unsigned k = 0; k < sizeof kind_names / sizeof *kind_names; k++)
        if (strcmp(kind_names[k], type) == 0) s->kind = (enum avro_kind)k;
    s->json = json;
    switch (s->kind) {
    case AVRO_RECORD: {
        TRY(add_name(p, s, json, e));
        const json_t *fields = json_object_get(json, "fields");
        if (!json_is_array(fields)) return err_set(e, ERR_INPUT, "Avro schema: a record has no fields");
        return parse_fields(p, fields, s, e);
    }
    case AVRO_ARRAY: return parse_one_field(p, json_object_get(json, "items"), s, e);
    case AVRO_MAP: return parse_one_field(p, json_object_get(json, "values"), s, e);
    case AVRO_ENUM: {
        TRY(add_name(p, s, json, e));
        s->size = (uint32_t)json_array_size(json_object_get(json, "symbols"));
        return 0;
    }
    case AVRO_FIXED: {
        TRY(add_name(p, s, json, e));
        const json_t *size = json_object_get(json, "size");
        if (!json_is_integer(size) || json_integer_value(size) < 0 || json_integer_value(size) > 1 << 20)
            return err_set(e, ERR_INPUT, "Avro schema: a fixed type has no usable size");
        s->size = (uint32_t)json_integer_value(size);
        return 0;
    }
    default: return 0;
    }
}

static int parse_node(struct parser *p, const json_t *json, const struct avro_schema **out, struct err *e) {
    if (json_is_object(json) && !json_is_string(json_object_get(json, "type")))
        return parse_schema(p, json_object_get(json, "type"), out, e); /* {"type": {"type": …}} */
    struct avro_schema *s = arena_zalloc(p->arena, sizeof *s);
    if (!s) return err_nomem(e);
    *out = s;
    if (json_is_array(json)) {
        s->kind = AVRO_UNION;
        s->json = json;
        return parse_fields(p, json, s, e);
    }
    const char *type = json_string_value(json_is_string(json) ? json : json_object_get(json, "type"));
    if (!type) return err_set(e, ERR_INPUT, "Avro schema: a type is missing");
    bool known = false;
    for (unsigned k = 0; k < sizeof kind_names / sizeof *kind_names; k++)
        if (strcmp(kind_names[k], type) == 0) known = !json_is_string(json) || k <= AVRO_STRING;
    if (known) return parse_type(p, type, json, s, e);
    *out = find_named(p, type);
    return *out ? 0 : err_set(e, ERR_INPUT, "Avro schema: type \"%s\" is not known", type);
}

static int parse_schema(struct parser *p, const json_t *json, const struct avro_schema **out, struct err *e) {
    if (p->depth == DEPTH_MAX) return err_set(e, ERR_INPUT, "Avro schema: nested too deeply");
    p->depth++;
    int rc = parse_node(p, json, out, e);
    p->depth--;
    return rc;
}

int avro_types_init(struct avro_types *t, const char *json, size_t len, struct err *e) {
    json_error_t je;
    arena_init(&t->arena);
    t->json = json_loadb(json, len, JSON_DECODE_ANY, &je);
    if (!t->json)
        return json_error_code(&je) == json_error_out_of_memory
                   ? err_nomem(e)
                   : err_set(e, ERR_INPUT, "Avro schema: %s", je.text);
    struct parser p = {&t->arena, NULL, 0};
    int rc = parse_schema(&p, t->json, &t->root, e);
    if (rc) avro_types_release(t);
    return rc;
}

void avro_types_release(struct avro_types *t) {
    json_decref(t->json);
    t->json = NULL;
    arena_release(&t->arena);
}

const struct avro_schema *avro_schema_some(const struct avro_schema *s) {
    if (s->kind == AVRO_UNION)
        for (uint32_t i = 0; i < s->field_count; i++)
            if (s->fields[i].schema->kind != AVRO_NULL) return s->fields[i].schema;
    return s;
}

const struct avro_field *avro_schema_field(const struct avro_schema *s, int32_t id, const char *name) {
    if (s->kind != AVRO_RECORD) return NULL;
    if (id != AVRO_NO_ID)
        for (uint32_t i = 0; i < s->field_count; i++)
            if (s->fields[i].id == id) return &s->fields[i];
    if (name)
        for (uint32_t i = 0; i < s->field_count; i++)
            if (strcmp(s->fields[i].name, name) == 0) return &s->fields[i];
    return NULL;
}

/* ---- values ---- */

const struct avro_value *avro_get(const struct avro_value *record, int32_t id, const char *name) {
    if (record->kind != AVRO_RECORD) return NULL;
    const struct avro_field *f = avro_schema_field(record->schema, id, name);
    if (!f) return NULL;
    const struct avro_value *v = &record->items[f - record->schema->fields];
    return v->kind == AVRO_NULL ? NULL : v;
}

int64_t avro_get_int(const struct avro_value *record, int32_t id, const char *name, int64_t otherwise) {
    const struct avro_value *v = avro_get(record, id, name);
    return v && (v->kind == AVRO_INT || v->kind == AVRO_LONG) ? v->integer : otherwise;
}

struct avro_value avro_null(void) {
    return (struct avro_value){.kind = AVRO_NULL};
}

struct avro_value avro_boolean(bool b) {
    return (struct avro_value){.kind = AVRO_BOOLEAN, .boolean = b};
}

struct avro_value avro_int(int64_t i) {
    return (struct avro_value){.kind = AVRO_LONG, .integer = i};
}

struct avro_value avro_bytes(const void *data, size_t len) {
    return (struct avro_value){.kind = AVRO_BYTES, .bytes = data, .count = len};
}

struct avro_value avro_string(const char *text) {
    return (struct avro_value){.kind = AVRO_STRING, .bytes = (const uint8_t *)text, .count = strlen(text)};
}

struct avro_value avro_items(enum avro_kind kind, struct avro_value *items, size_t count) {
    return (struct avro_value){.kind = kind, .items = items, .count = count};
}

static int add_long(struct buf *out, int64_t value, struct err *e) {
    uint8_t bytes[10];
    size_t n = 0;
    uint64_t z = ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
    for (; z >= 0x80; z >>= 7) bytes[n++] = (uint8_t)(z | 0x80);
    bytes[n++] = (uint8_t)z;
    return buf_add(out, bytes, n, e);
}

/* Whether a value can be written as this kind. */
static bool fits(const struct avro_schema *s, const struct avro_value *v) {
    switch (s->kind) {
    case AVRO_INT: return (v->kind == AVRO_INT || v->kind == AVRO_LONG) && v->integer == (int32_t)v->integer;
    case AVRO_LONG: return v->kind == AVRO_INT || v->kind == AVRO_LONG;
    case AVRO_FLOAT:
    case AVRO_DOUBLE: return v->kind == AVRO_FLOAT || v->kind == AVRO_DOUBLE;
    case AVRO_FIXED: return (v->kind == AVRO_FIXED || v->kind == AVRO_BYTES) && v->count == s->size;
    case AVRO_RECORD: return v->kind == AVRO_RECORD && v->count == s->field_count;
    case AVRO_ENUM: return v->kind == AVRO_ENUM && v->integer >= 0 && v->integer < s->size;
    default: return s->kind == v->kind;
    }
}

static int encode(const struct avro_schema *s, const struct avro_value *v, struct buf *out, unsigned depth,
                  struct err *e);

static int encode_items(const struct avro_schema *s, const struct avro_value *v, struct buf *out,
                        unsigned depth, struct err *e) {
    bool map = s->kind == AVRO_MAP;
    if (v->count) TRY(add_long(out, (int64_t)(map ? v->count / 2 : v->count), e));
    for (size_t i = 0; i < v->count; i++) {
        if (map) {
            if (v->items[i].kind != AVRO_STRING || i + 1 == v->count)
                return err_set(e, ERR_INPUT, "Avro: a map's key is no string");
            TRY(add_long(out, (int64_t)v->items[i].count, e));
            TRY(buf_add(out, v->items[i].bytes, v->items[i].count, e));
            i++;
        }
        TRY(encode(s->fields[0].schema, &v->items[i], out, depth + 1, e));
    }
    return buf_add_byte(out, 0, e);
}

static int encode(const struct avro_schema *s, const struct avro_value *v, struct buf *out, unsigned depth,
                  struct err *e) {
    if (depth > DEPTH_MAX) return err_set(e, ERR_INPUT, "Avro: a value is nested too deeply");
    if (s->kind == AVRO_UNION) {
        for (uint32_t i = 0; i < s->field_count; i++)
            if (fits(s->fields[i].schema, v)) {
                TRY(add_long(out, i, e));
                return encode(s->fields[i].schema, v, out, depth + 1, e);
            }
        return err_set(e, ERR_INPUT, "Avro: no branch of a union takes a value of kind %d", (int)v->kind);
    }
    if (!fits(s, v))
        return err_set(e, ERR_INPUT, "Avro: a value of kind %d does not fit type %d", (int)v->kind,
                       (int)s->kind);
    switch (s->kind) {
    case AVRO_BOOLEAN: return buf_add_byte(out, v->boolean, e);
    case AVRO_INT:
    case AVRO_LONG:
    case AVRO_ENUM: return add_long(out, v->integer, e);
    case AVRO_FLOAT: {
        float f = (float)v->real;
        return buf_add(out, &f, sizeof f, e);
    }
    case AVRO_DOUBLE: return buf_add(out, &v->real, sizeof v->real, e);
    case AVRO_BYTES:
    case AVRO_STRING: TRY(add_long(out, (int64_t)v->count, e)); return buf_add(out, v->bytes, v->count, e);
    case AVRO_FIXED: return buf_add(out, v->bytes, v->count, e);
    case AVRO_ARRAY:
    case AVRO_MAP: return encode_items(s, v, out, depth, e);
    case AVRO_RECORD:
        for (uint32_t i = 0; i < s->field_count; i++) {
            int rc = encode(s->fields[i].schema, &v->items[i], out, depth + 1, e);
            if (rc) return err_prefix(e, "%s", s->fields[i].name);
        }
        return 0;
    default: return 0;
    }
}

int avro_encode(const struct avro_schema *s, const struct avro_value *v, struct buf *out, struct err *e) {
    return encode(s, v, out, 0, e);
}

/* ---- decoding ---- */

static int truncated(struct err *e) {
    return err_set(e, ERR_INPUT, "Avro: the data end early");
}

static int get_long(const uint8_t **at, const uint8_t *end, int64_t *out, struct err *e) {
    uint64_t z = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (*at == end) return truncated(e);
        uint8_t b = *(*at)++;
        z |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80)) {
            *out = (int64_t)(z >> 1) ^ -(int64_t)(z & 1);
            return 0;
        }
    }
    return err_set(e, ERR_INPUT, "Avro: a number of more than ten bytes");
}

static int decode(const struct avro_schema *s, const uint8_t **at, const uint8_t *end, struct arena *arena,
                  unsigned depth, struct avro_value *out, struct err *e);

static int decode_bytes(const uint8_t **at, const uint8_t *end, size_t len, struct arena *arena,
                        struct avro_value *out, struct err *e) {
    if (len > (size_t)(end - *at)) return truncated(e);
    out->count = len;
    out->bytes = (uint8_t *)arena_copy(arena, *at, len);
    *at += len;
    return out->bytes ? 0 : err_nomem(e);
}

static int decode_string(const uint8_t **at, const uint8_t *end, struct arena *arena, struct avro_value *out,
                         struct err *e) {
    int64_t len = 0;
    TRY(get_long(at, end, &len, e));
    if (len < 0) return err_set(e, ERR_INPUT, "Avro: a negative length");
    return decode_bytes(at, end, (size_t)len, arena, out, e);
}

/* One block's item count, 0 at the end. An item takes a byte at least in all that Iceberg writes: a count
 * beyond the bytes left is nonsense, refused before memory is taken for it. */
static int block_count(const uint8_t **at, const uint8_t *end, size_t *count, struct err *e) {
    int64_t n = 0, bytes = 0;
    TRY(get_long(at, end, &n, e));
    if (n < 0) {
        TRY(get_long(at, end, &bytes, e));
        n = n == INT64_MIN ? INT64_MAX : -n;
    }
    if (n > end - *at) return truncated(e);
    *count = (size_t)n;
    return 0;
}

static int decode_items(const struct avro_schema *s, const uint8_t **at, const uint8_t *end,
                        struct arena *arena, unsigned depth, struct avro_value *out, struct err *e) {
    size_t per_item = s->kind == AVRO_MAP ? 2 : 1, n = 0, cap = 0;
    for (;;) {
        TRY(block_count(at, end, &n, e));
        if (n == 0) return 0;
        size_t need = out->count + n * per_item;
        if (need > cap) { /* twofold, as many blocks of one item would else cost a copy of all each */
            cap = need > 2 * cap ? need : 2 * cap;
            struct avro_value *items = arena_alloc(arena, cap * sizeof *items);
            if (!items) return err_nomem(e);
            if (out->count) memcpy(items, out->items, out->count * sizeof *items);
            out->items = items;
        }
        for (size_t i = 0; i < n; i++) {
            if (per_item == 2) {
                struct avro_value *key = &out->items[out->count];
                *key = (struct avro_value){.kind = AVRO_STRING};
                TRY(decode_string(at, end, arena, key, e));
                out->count++;
            }
            TRY(decode(s->fields[0].schema, at, end, arena, depth + 1, &out->items[out->count], e));
            out->count++;
        }
    }
}

static int decode_fixed_width(const uint8_t **at, const uint8_t *end, void *out, size_t len, struct err *e) {
    if (len > (size_t)(end - *at)) return truncated(e);
    memcpy(out, *at, len);
    *at += len;
    return 0;
}

static int decode(const struct avro_schema *s, const uint8_t **at, const uint8_t *end, struct arena *arena,
                  unsigned depth, struct avro_value *out, struct err *e) {
    if (depth > DEPTH_MAX) return err_set(e, ERR_INPUT, "Avro: a value is nested too deeply");
    if (s->kind == AVRO_UNION) {
        int64_t branch = 0;
        TRY(get_long(at, end, &branch, e));
        if (branch < 0 || branch >= s->field_count)
            return err_set(e, ERR_INPUT, "Avro: a union has no branch %lld", (long long)branch);
        return decode(s->fields[branch].schema, at, end, arena, depth + 1, out, e);
    }
    memset(out, 0, sizeof *out);
    out->kind = s->kind;
    out->schema = s;
    switch (s->kind) {
    case AVRO_BOOLEAN: {
        uint8_t b = 0;
        TRY(decode_fixed_width(at, end, &b, 1, e));
        out->boolean = b != 0;
        return 0;
    }
    case AVRO_INT:
        TRY(get_long(at, end, &out->integer, e));
        return out->integer == (int32_t)out->integer
                   ? 0
                   : err_set(e, ERR_INPUT, "Avro: an int of more than 32 bits");
    case AVRO_LONG: return get_long(at, end, &out->integer, e);
    case AVRO_ENUM:
        TRY(get_long(at, end, &out->integer, e));
        if (out->integer < 0 || out->integer >= s->size)
            return err_set(e, ERR_INPUT, "Avro: an enum has no symbol %lld", (long long)out->integer);
        return 0;
    case AVRO_FLOAT: {
        float f = 0;
        TRY(decode_fixed_width(at, end, &f, sizeof f, e));
        out->real = f;
        return 0;
    }
    case AVRO_DOUBLE: return decode_fixed_width(at, end, &out->real, sizeof out->real, e);
    case AVRO_BYTES:
    case AVRO_STRING: return decode_string(at, end, arena, out, e);
    case AVRO_FIXED: return decode_bytes(at, end, s->size, arena, out, e);
    case AVRO_ARRAY:
    case AVRO_MAP: return decode_items(s, at, end, arena, depth, out, e);
    case AVRO_RECORD: {
        out->count = s->field_count;
        out->items = arena_zalloc(arena, s->field_count * sizeof *out->items);
        if (!out->items) return err_nomem(e);
        for (uint32_t i = 0; i < s->field_count; i++)
            TRY(decode(s->fields[i].schema, at, end, arena, depth + 1, &out->items[i], e));
        return 0;
    }
    default: return 0;
    }
}

int avro_decode(const struct avro_schema *s, const uint8_t **at, const uint8_t *end, struct arena *arena,
                struct avro_value *out, struct err *e) {
    return decode(s, at, end, arena, 0, out, e);
}
