/* Errors: fallible functions return 0 or an error's code and fill a caller's `struct err`, untouched on
 * success.
 *
 * The code is the process exit code the error leads to (architecture: command line). A message says what
 * could not be done, to what, and why, on one line: could not open "x.csv": No such file or directory */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

enum {
    ERR_DIFFERENT = 1,     /* a negative answer: different, not met */
    ERR_USAGE = 2,         /* the command line is wrong */
    ERR_INPUT = 3,         /* bad input or configuration */
    ERR_OUTSIDE = 4,       /* network, disk, server, memory */
    ERR_INTERRUPTED = 130, /* SIGINT or SIGTERM */
};

struct err {
    int code;
    char msg[2048]; /* one line, no newline, NUL-terminated */
};

/* Fill *e; returns `code`, so that `return err_set(e, …)` reads well. Control bytes in the text become '?'.
 */
int err_set(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The same with ": <strerror(errno)>" appended. */
int err_errno(struct err *e, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Put "<text>: " before the message that *e holds; returns e->code. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ERR_OUTSIDE, "out of memory". */
int err_nomem(struct err *e);

/* Return from the calling function when `call` fails. */
#define TRY(call)                                                                                            \
    do {                                                                                                     \
        int try_rc_ = (call);                                                                                \
        if (try_rc_) return try_rc_;                                                                         \
    } while (0)

#endif
