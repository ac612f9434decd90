/* Copying texts that are mostly short. */
#ifndef WEIR_ETL_COPY_SHORT_H
#define WEIR_ETL_COPY_SHORT_H

#include "base/str.h"

enum { COPY_SHORT_SLACK = 64 };

/* Copy a slice and return the end of the copy; up to 64 bytes after it are read, and written after `to`,
 * which is far cheaper than a call of memcpy(3) for each short text. Both must have the room. */
static inline uint8_t *copy_short(uint8_t *to, struct str s) {
    if (s.len <= 16)
        memcpy(to, s.ptr, 16);
    else if (s.len <= COPY_SHORT_SLACK)
        memcpy(to, s.ptr, COPY_SHORT_SLACK);
    else
        memcpy(to, s.ptr, s.len);
    return to + s.len;
}

#endif
