#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void one_line(struct err *e) {
    for (char *p = e->msg; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f) *p = '?';
}

int err_set(struct err *e, int code, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    e->code = code;
    one_line(e);
    return code;
}

int err_errno(struct err *e, int code, const char *fmt, ...) {
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e->msg, sizeof e->msg, fmt, ap);
    va_end(ap);
    size_t used = strlen(e->msg);
    snprintf(e->msg + used, sizeof e->msg - used, ": %s", strerror(saved));
    e->code = code;
    one_line(e);
    return code;
}

int err_prefix(struct err *e, const char *fmt, ...) {
    char head[sizeof e->msg], old[sizeof e->msg];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    if (n < 0) return e->code;
    memcpy(old, e->msg, sizeof old);
    size_t room = sizeof e->msg - 1, used = (size_t)n < room ? (size_t)n : room;
    memcpy(e->msg, head, used);
    size_t rest = strlen(old) + 2;
    if (rest > room - used) rest = room - used;
    if (rest >= 1) e->msg[used] = ':';
    if (rest >= 2) e->msg[used + 1] = ' ';
    if (rest > 2) memcpy(e->msg + used + 2, old, rest - 2);
    e->msg[used + rest] = 0;
    one_line(e);
    return e->code;
}

int err_nomem(struct err *e) {
    return err_set(e, ERR_OUTSIDE, "out of memory");
}
