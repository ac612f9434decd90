#include "format/thrift_read.h"

enum { STOP = 0, I8 = 3, I16 = 4, DOUBLE = 7, SET = 10, MAP = 11, UUID = 13 };

static uint64_t fail(struct thrift_reader *r, bool ran_out) {
    if (!r->failed) r->ran_out = ran_out;
    r->failed = true;
    r->at = r->end;
    return 0;
}

static uint8_t read_byte(struct thrift_reader *r) {
    if (r->at == r->end) return (uint8_t)fail(r, true);
    return *r->at++;
}

static uint64_t read_varint(struct thrift_reader *r) {
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_byte(r);
        v |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return r->failed ? 0 : v;
    }
    return fail(r, false);
}

static void pass(struct thrift_reader *r, uint64_t bytes) {
    if (bytes > (uint64_t)(r->end - r->at))
        fail(r, true);
    else
        r->at += bytes;
}

bool thrift_read_field(struct thrift_reader *r, struct thrift_field *f) {
    uint8_t byte = read_byte(r);
    if (r->failed || byte == STOP) return false;
    f->type = byte & 15;
    f->truth = f->type == THRIFT_TRUE;
    int64_t id = byte >> 4 ? f->id + (byte >> 4) : thrift_read_int(r);
    if (id < INT16_MIN || id > INT16_MAX) fail(r, false);
    f->id = (int16_t)id;
    return !r->failed;
}

int64_t thrift_read_int(struct thrift_reader *r) {
    uint64_t v = read_varint(r);
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

int32_t thrift_read_i32(struct thrift_reader *r) {
    int64_t v = thrift_read_int(r);
    return v < INT32_MIN || v > INT32_MAX ? (int32_t)fail(r, false) : (int32_t)v;
}

struct str thrift_read_string(struct thrift_reader *r) {
    uint64_t len = read_varint(r);
    const char *text = (const char *)r->at;
    if (len > INT32_MAX) fail(r, false);
    pass(r, len);
    return r->failed ? STR("") : (struct str){text, (uint32_t)len};
}

static uint32_t read_count(struct thrift_reader *r, uint64_t count) {
    if (count > (uint64_t)(r->end - r->at)) return (uint32_t)fail(r, true);
    return (uint32_t)(count <= INT32_MAX ? count : fail(r, false));
}

uint32_t thrift_read_list(struct thrift_reader *r, uint8_t *type) {
    uint8_t byte = read_byte(r);
    *type = byte & 15;
    return read_count(r, byte >> 4 == 15 ? read_varint(r) : byte >> 4);
}

static void skip(struct thrift_reader *r, uint8_t type, unsigned depth);

static void skip_list(struct thrift_reader *r, unsigned depth) {
    uint8_t type;
    uint32_t count = thrift_read_list(r, &type);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        if (type == THRIFT_TRUE || type == THRIFT_FALSE)
            pass(r, 1);
        else
            skip(r, type, depth);
    }
}

static void skip_map(struct thrift_reader *r, unsigned depth) {
    uint64_t size = read_varint(r);
    uint32_t count = read_count(r, size);
    uint8_t types = count ? read_byte(r) : 0;
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        skip(r, types >> 4, depth);
        skip(r, types & 15, depth);
    }
}

static void skip(struct thrift_reader *r, uint8_t type, unsigned depth) {
    if (depth == THRIFT_DEPTH) fail(r, false);
    if (r->failed) return;
    switch (type) {
    case THRIFT_TRUE:
    case THRIFT_FALSE: break;
    case I8: pass(r, 1); break;
    case I16:
    case THRIFT_I32:
    case THRIFT_I64: read_varint(r); break;
    case DOUBLE: pass(r, 8); break;
    case THRIFT_BINARY: thrift_read_string(r); break;
    case UUID: pass(r, 16); break;
    case THRIFT_LIST:
    case SET: skip_list(r, depth + 1); break;
    case MAP: skip_map(r, depth + 1); break;
    case THRIFT_STRUCT: {
        struct thrift_field f = {0};
        while (thrift_read_field(r, &f)) skip(r, f.type, depth + 1);
        break;
    }
    default: fail(r, false);
    }
}

void thrift_skip(struct thrift_reader *r, uint8_t type) {
    skip(r, type, 0);
}
