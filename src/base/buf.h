/* A growing byte buffer with a stated maximum. The buffer owns its memory; buf_release frees it. */
#ifndef WEIR_BASE_BUF_H
#define WEIR_BASE_BUF_H

#include "base/err.h"
#include "base/str.h"

struct buf {
    uint8_t *data;
    size_t len, cap;
    size_t max; /* growing beyond this many bytes is an error */
};

/* An empty buffer that may grow to `max` bytes (0: 1 TiB). Allocates nothing. */
void buf_init(struct buf *b, size_t max);
void buf_release(struct buf *b);

/* Length 0, memory kept. */
static inline void buf_clear(struct buf *b) {
    b->len = 0;
}

/* Make room for `more` bytes beyond len; on success data + len may be written. */
int buf_reserve(struct buf *b, size_t more, struct err *e);

int buf_add(struct buf *b, const void *data, size_t len, struct err *e);
int buf_add_str(struct buf *b, const char *text, struct err *e);
int buf_add_byte(struct buf *b, uint8_t byte, struct err *e);
int buf_printf(struct buf *b, struct err *e, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Append a NUL that does not count in len and return the text. NULL when out of memory. */
const char *buf_cstr(struct buf *b);

#endif
