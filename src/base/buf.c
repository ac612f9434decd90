#include "base/buf.h"

#include "base/hugepage.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *b, size_t max) {
    *b = (struct buf){.max = max ? max : (size_t)1 << 40};
}

void buf_release(struct buf *b) {
    free(b->data);
    b->data = NULL;
    b->len = b->cap = 0;
}

int buf_reserve(struct buf *b, size_t more, struct err *e) {
    if (more <= b->cap - b->len && b->data) return 0;
    if (more > b->max || b->len > b->max - more)
        return err_set(e, ERR_OUTSIDE, "a buffer would exceed its maximum of %zu bytes", b->max);
    size_t cap = b->cap ? b->cap : 64;
    while (cap < b->len + more) cap += cap / 2 + 64;
    if (cap > b->max) cap = b->max;
    uint8_t *data = realloc(b->data, cap);
    if (!data) return err_nomem(e);
    b->data = data;
    b->cap = cap;
    hugepage_hint(data, cap);
    return 0;
}

int buf_add(struct buf *b, const void *data, size_t len, struct err *e) {
    TRY(buf_reserve(b, len, e));
    if (len) memcpy(b->data + b->len, data, len);
    b->len += len;
    return 0;
}

int buf_add_str(struct buf *b, const char *text, struct err *e) {
    return buf_add(b, text, strlen(text), e);
}

int buf_add_byte(struct buf *b, uint8_t byte, struct err *e) {
    return buf_add(b, &byte, 1, e);
}

int buf_printf(struct buf *b, struct err *e, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int rc = n < 0 ? err_set(e, ERR_OUTSIDE, "could not format text") : buf_reserve(b, (size_t)n + 1, e);
    if (!rc) {
        vsnprintf((char *)b->data + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return rc;
}

const char *buf_cstr(struct buf *b) {
    struct err ignored;
    if (buf_reserve(b, 1, &ignored)) return NULL;
    b->data[b->len] = 0;
    return (const char *)b->data;
}
