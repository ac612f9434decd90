/* Writing of Thrift's compact protocol (thrift/doc/specs/thrift-compact-protocol.md), as far as Parquet's
 * metadata needs it: structs, lists, bool, i32, i64, binary.
 *
 * A writer remembers its first failure and then does nothing, so that callers check once, at thrift_end. */
#ifndef WEIR_FORMAT_THRIFT_H
#define WEIR_FORMAT_THRIFT_H

#include "base/buf.h"

enum thrift_type { THRIFT_I32 = 5, THRIFT_I64 = 6, THRIFT_BINARY = 8, THRIFT_LIST = 9, THRIFT_STRUCT = 12 };

enum { THRIFT_DEPTH = 16 }; /* structs within structs */

struct thrift {
    struct buf *out;
    struct err *e;
    int rc;
    unsigned depth;
    int16_t last[THRIFT_DEPTH]; /* id of the field written last, per open struct */
};

/* Begin the outermost struct, appended to `out`. */
void thrift_begin(struct thrift *t, struct buf *out, struct err *e);

/* Close the outermost struct; 0, or the first failure (out of memory, `out` full). */
int thrift_end(struct thrift *t);

/* Fields of the open struct. */
void thrift_bool(struct thrift *t, int16_t id, bool value);
void thrift_i32(struct thrift *t, int16_t id, int32_t value);
void thrift_i64(struct thrift *t, int16_t id, int64_t value);
void thrift_i16(struct thrift *t, int16_t id, int16_t value);
void thrift_binary(struct thrift *t, int16_t id, const void *data, size_t len);
void thrift_string(struct thrift *t, int16_t id, const char *text);
void thrift_struct_begin(struct thrift *t, int16_t id);
void thrift_struct_end(struct thrift *t);

/* A list of `count` elements, which the caller then writes one by one. */
void thrift_list_begin(struct thrift *t, int16_t id, enum thrift_type element, uint32_t count);
void thrift_element_i32(struct thrift *t, int32_t value);
void thrift_element_string(struct thrift *t, const char *text);
void thrift_element_struct_begin(struct thrift *t); /* closed by thrift_struct_end */

#endif
