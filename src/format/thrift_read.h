/* Reading of Thrift's compact protocol (thrift/doc/specs/thrift-compact-protocol.md) from memory, as far as
 * Parquet's metadata needs it. The bytes may be anybody's.
 *
 * A reader remembers that it failed and from then on gives zeros and no more fields, so that callers check
 * `failed` once, at the end. */
#ifndef WEIR_FORMAT_THRIFT_READ_H
#define WEIR_FORMAT_THRIFT_READ_H

#include "format/thrift.h"

struct thrift_reader {
    const uint8_t *at, *end;
    bool failed;
    bool ran_out; /* … because the bytes end too early: more of them may help */
};

/* A field of a struct. `last_id` begins as 0 for each struct. */
struct thrift_field {
    int16_t id;
    uint8_t type; /* enum thrift_type, or another number of the protocol */
    bool truth;   /* of a bool, which has no bytes of its own */
};

enum thrift_bool_type { THRIFT_TRUE = 1, THRIFT_FALSE = 2 };

static inline struct thrift_reader thrift_read(const uint8_t *data, size_t len) {
    return (struct thrift_reader){.at = data, .end = data + len};
}

/* The next field of the open struct; false at its end and after a failure. */
bool thrift_read_field(struct thrift_reader *r, struct thrift_field *f);

/* i16, i32, i64. */
int64_t thrift_read_int(struct thrift_reader *r);

/* i32; one that does not fit is a failure. */
int32_t thrift_read_i32(struct thrift_reader *r);

/* A slice of the reader's bytes; never null. */
struct str thrift_read_string(struct thrift_reader *r);

/* A list's elements: how many, and their type. Each takes at least a byte, so that a count beyond the bytes
 * left is a failure. */
uint32_t thrift_read_list(struct thrift_reader *r, uint8_t *type);

/* Pass over a value of this type. */
void thrift_skip(struct thrift_reader *r, uint8_t type);

#endif
