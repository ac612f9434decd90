#include "format/thrift.h"

#include <assert.h>

enum { COMPACT_TRUE = 1, COMPACT_FALSE = 2, COMPACT_I16 = 4 };

static void put(struct thrift *t, const void *data, size_t len) {
    if (!t->rc) t->rc = buf_add(t->out, data, len, t->e);
}

static void put_byte(struct thrift *t, uint8_t byte) {
    put(t, &byte, 1);
}

static void put_varint(struct thrift *t, uint64_t v) {
    uint8_t bytes[10];
    size_t n = 0;
    while (v >= 0x80) {
        bytes[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    bytes[n++] = (uint8_t)v;
    put(t, bytes, n);
}

static uint64_t zigzag(int64_t v) {
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static void put_field(struct thrift *t, int16_t id, uint8_t type) {
    int delta = id - t->last[t->depth];
    if (delta >= 1 && delta <= 15) {
        put_byte(t, (uint8_t)(delta << 4 | type));
    } else {
        put_byte(t, type);
        put_varint(t, zigzag(id));
    }
    t->last[t->depth] = id;
}

void thrift_begin(struct thrift *t, struct buf *out, struct err *e) {
    *t = (struct thrift){.out = out, .e = e};
}

int thrift_end(struct thrift *t) {
    assert(t->depth == 0);
    put_byte(t, 0);
    return t->rc;
}

void thrift_bool(struct thrift *t, int16_t id, bool value) {
    put_field(t, id, value ? COMPACT_TRUE : COMPACT_FALSE);
}

void thrift_i16(struct thrift *t, int16_t id, int16_t value) {
    put_field(t, id, COMPACT_I16);
    put_varint(t, zigzag(value));
}

void thrift_i32(struct thrift *t, int16_t id, int32_t value) {
    put_field(t, id, THRIFT_I32);
    put_varint(t, zigzag(value));
}

void thrift_i64(struct thrift *t, int16_t id, int64_t value) {
    put_field(t, id, THRIFT_I64);
    put_varint(t, zigzag(value));
}

void thrift_binary(struct thrift *t, int16_t id, const void *data, size_t len) {
    put_field(t, id, THRIFT_BINARY);
    put_varint(t, len);
    put(t, data, len);
}

void thrift_string(struct thrift *t, int16_t id, const char *text) {
    thrift_binary(t, id, text, strlen(text));
}

void thrift_struct_begin(struct thrift *t, int16_t id) {
    put_field(t, id, THRIFT_STRUCT);
    thrift_element_struct_begin(t);
}

void thrift_struct_end(struct thrift *t) {
    assert(t->depth > 0);
    put_byte(t, 0);
    t->depth--;
}

void thrift_list_begin(struct thrift *t, int16_t id, enum thrift_type element, uint32_t count) {
    put_field(t, id, THRIFT_LIST);
    if (count < 15) {
        put_byte(t, (uint8_t)(count << 4 | element));
    } else {
        put_byte(t, (uint8_t)(0xf0 | element));
        put_varint(t, count);
    }
}

void thrift_element_i32(struct thrift *t, int32_t value) {
    put_varint(t, zigzag(value));
}

void thrift_element_string(struct thrift *t, const char *text) {
    size_t len = strlen(text);
    put_varint(t, len);
    put(t, text, len);
}

void thrift_element_struct_begin(struct thrift *t) {
    assert(t->depth + 1 < THRIFT_DEPTH);
    t->last[++t->depth] = 0;
}
