/* Preloaded into a process under test: counts the calls that change a file system and at the Nth kills the
 * process, or lets the call fail.
 *
 *   KILLPOINT_AT=N           the call to act on, from 1; 0 or unset: only count
 *   KILLPOINT_DO=before      SIGKILL before the call (default)
 *                after       SIGKILL after it
 *                half        a write writes half of its bytes, then SIGKILL; other calls as `before`
 *                fail        the call fails with KILLPOINT_ERRNO and everything goes on
 *                fail-on     it and every later one fail (a disk that stays full)
 *   KILLPOINT_ERRNO=E        28 (ENOSPC) by default
 *   KILLPOINT_LOG=FILE       every counted call is written there: "N name path-or-descriptor"
 *
 * Counted: open and openat that may create, write, pwrite, writev, pwritev, fsync, fdatasync, ftruncate,
 * fallocate, rename, link, unlink, mkdir, rmdir. Descriptors 0 to 2 are left alone. SQLite calls the same
 * functions, so that catalog statements are covered through them. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;
static long act_at;
static char what = 'b'; /* b, a, h, f, o */
static int fail_errno = ENOSPC;
static int log_fd = -1;

__attribute__((constructor)) static void killpoint_begin(void) {
    const char *at = getenv("KILLPOINT_AT"), *act = getenv("KILLPOINT_DO");
    const char *number = getenv("KILLPOINT_ERRNO"), *log = getenv("KILLPOINT_LOG");
    if (at) act_at = atol(at);
    if (number) fail_errno = atoi(number);
    if (act) what = strcmp(act, "fail-on") == 0 ? 'o' : act[0];
    if (log)
        log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    unsetenv("LD_PRELOAD"); /* not for children */
}

static void die(void) {
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;) pause();
}

/* Count a call; true: it is to fail. Before, as far as that is asked for, it kills. */
static int reached(const char *name, const char *path, int fd, int *kill_after) {
    long n = atomic_fetch_add(&calls, 1) + 1;
    *kill_after = 0;
    if (log_fd >= 0) {
        char line[512];
        int len = path ? snprintf(line, sizeof line, "%ld %s %s\n", n, name, path)
                       : snprintf(line, sizeof line, "%ld %s %d\n", n, name, fd);
        if (len > (int)sizeof line) len = sizeof line;
        syscall(SYS_write, log_fd, line, (size_t)len);
    }
    if (!act_at || n < act_at) return 0;
    if (what == 'o') {
        errno = fail_errno;
        return 1;
    }
    if (n > act_at) return 0;
    if (what == 'f') {
        errno = fail_errno;
        return 1;
    }
    if (what == 'a' || what == 'h') *kill_after = what;
    if (what == 'b') die();
    return 0;
}

#define REAL(ret, name, ...)                                                                                 \
    static ret (*real)(__VA_ARGS__);                                                                         \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, name)

/* A call that has no half: counted, killed around, made. */
#define AROUND(name, path, fd, call)                                                                         \
    do {                                                                                                     \
        int after;                                                                                           \
        if (reached(name, path, fd, &after)) return -1;                                                      \
        if (after == 'h') die();                                                                             \
        __typeof__(call) result = call;                                                                      \
        if (after) die();                                                                                    \
        return result;                                                                                       \
    } while (0)

#define WRITES(symbol, offset_type)                                                                          \
    ssize_t symbol(int fd, const void *data, size_t len, offset_type offset);                                \
    ssize_t symbol(int fd, const void *data, size_t len, offset_type offset) {                               \
        REAL(ssize_t, #symbol, int, const void *, size_t, offset_type);                                      \
        if (fd <= 2) return real(fd, data, len, offset);                                                     \
        int after;                                                                                           \
        if (reached("pwrite", NULL, fd, &after)) return -1;                                                  \
        ssize_t n = real(fd, data, after == 'h' ? len / 2 : len, offset);                                    \
        if (after) die();                                                                                    \
        return n;                                                                                            \
    }
WRITES(pwrite, off_t)
WRITES(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t len) {
    REAL(ssize_t, "write", int, const void *, size_t);
    if (fd <= 2) return real(fd, data, len);
    int after;
    if (reached("write", NULL, fd, &after)) return -1;
    ssize_t n = real(fd, data, after == 'h' ? len / 2 : len);
    if (after) die();
    return n;
}

ssize_t writev(int fd, const struct iovec *v, int count) {
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    if (fd <= 2) return real(fd, v, count);
    AROUND("writev", NULL, fd, real(fd, v, count));
}

ssize_t pwritev(int fd, const struct iovec *v, int count, off_t offset) {
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    AROUND("pwritev", NULL, fd, real(fd, v, count, offset));
}

ssize_t pwritev64(int fd, const struct iovec *v, int count, off64_t offset) {
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
    AROUND("pwritev", NULL, fd, real(fd, v, count, offset));
}

#define OPENS(symbol)                                                                                        \
    int symbol(const char *path, int flags, ...) {                                                           \
        REAL(int, #symbol, const char *, int, ...);                                                          \
        mode_t mode = 0;                                                                                     \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                 \
            va_list args;                                                                                    \
            va_start(args, flags);                                                                           \
            mode = (mode_t)va_arg(args, int);                                                                \
            va_end(args);                                                                                    \
        }                                                                                                    \
        if (!(flags & O_CREAT)) return real(path, flags, mode);                                              \
        AROUND("open", path, -1, real(path, flags, mode));                                                   \
    }
OPENS(open)
OPENS(open64)

#define OPENATS(symbol)                                                                                      \
    int symbol(int dir, const char *path, int flags, ...) {                                                  \
        REAL(int, #symbol, int, const char *, int, ...);                                                     \
        mode_t mode = 0;                                                                                     \
        if (flags & (O_CREAT | O_TMPFILE)) {                                                                 \
            va_list args;                                                                                    \
            va_start(args, flags);                                                                           \
            mode = (mode_t)va_arg(args, int);                                                                \
            va_end(args);                                                                                    \
        }                                                                                                    \
        if (!(flags & O_CREAT)) return real(dir, path, flags, mode);                                         \
        AROUND("openat", path, -1, real(dir, path, flags, mode));                                            \
    }
OPENATS(openat)
OPENATS(openat64)

int fsync(int fd) {
    REAL(int, "fsync", int);
    AROUND("fsync", NULL, fd, real(fd));
}

int fdatasync(int fd) {
    REAL(int, "fdatasync", int);
    AROUND("fdatasync", NULL, fd, real(fd));
}

int ftruncate(int fd, off_t len) {
    REAL(int, "ftruncate", int, off_t);
    AROUND("ftruncate", NULL, fd, real(fd, len));
}

int ftruncate64(int fd, off64_t len) {
    REAL(int, "ftruncate64", int, off64_t);
    AROUND("ftruncate", NULL, fd, real(fd, len));
}

int fallocate(int fd, int mode, off_t offset, off_t len) {
    REAL(int, "fallocate", int, int, off_t, off_t);
    AROUND("fallocate", NULL, fd, real(fd, mode, offset, len));
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len) {
    REAL(int, "fallocate64", int, int, off64_t, off64_t);
    AROUND("fallocate", NULL, fd, real(fd, mode, offset, len));
}

int rename(const char *from, const char *to) {
    REAL(int, "rename", const char *, const char *);
    AROUND("rename", to, -1, real(from, to));
}

int renameat(int d1, const char *from, int d2, const char *to) {
    REAL(int, "renameat", int, const char *, int, const char *);
    AROUND("renameat", to, -1, real(d1, from, d2, to));
}

int renameat2(int d1, const char *from, int d2, const char *to, unsigned flags) {
    REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
    AROUND("renameat2", to, -1, real(d1, from, d2, to, flags));
}

int link(const char *from, const char *to) {
    REAL(int, "link", const char *, const char *);
    AROUND("link", to, -1, real(from, to));
}

int linkat(int d1, const char *from, int d2, const char *to, int flags) {
    REAL(int, "linkat", int, const char *, int, const char *, int);
    AROUND("linkat", to, -1, real(d1, from, d2, to, flags));
}

int unlink(const char *path) {
    REAL(int, "unlink", const char *);
    AROUND("unlink", path, -1, real(path));
}

int unlinkat(int dir, const char *path, int flags) {
    REAL(int, "unlinkat", int, const char *, int);
    AROUND("unlinkat", path, -1, real(dir, path, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(int, "mkdir", const char *, mode_t);
    AROUND("mkdir", path, -1, real(path, mode));
}

int mkdirat(int dir, const char *path, mode_t mode) {
    REAL(int, "mkdirat", int, const char *, mode_t);
    AROUND("mkdirat", path, -1, real(dir, path, mode));
}

int rmdir(const char *path) {
    REAL(int, "rmdir", const char *);
    AROUND("rmdir", path, -1, real(path));
}
