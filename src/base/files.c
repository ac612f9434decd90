#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_IO = 1 << 30 }; /* Linux caps one call just below 2 GiB */

int file_pread(int fd, void *out, size_t len, uint64_t offset, const char *path, struct err *e) {
    uint8_t *p = out;
    while (len) {
        ssize_t n = pread(fd, p, len < LARGEST_IO ? len : LARGEST_IO, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return err_errno(e, ERR_OUTSIDE, "could not read \"%s\" at byte %llu", path,
                             (unsigned long long)offset);
        if (n == 0)
            return err_set(
                e, ERR_OUTSIDE,
                "could not read \"%s\": it ends at byte %llu, before what was there when the run began", path,
                (unsigned long long)offset);
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int file_pwrite(int fd, const void *data, size_t len, uint64_t offset, const char *path, struct err *e) {
    const uint8_t *p = data;
    while (len) {
        ssize_t n = pwrite(fd, p, len < LARGEST_IO ? len : LARGEST_IO, (off_t)offset);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", path);
        p += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

int file_read_all(const char *path, struct buf *out, size_t max, struct err *e) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, errno == ENOENT ? ERR_INPUT : ERR_OUTSIDE, "could not open \"%s\"", path);
    int rc = 0;
    size_t start = out->len;
    for (;;) {
        if ((rc = buf_reserve(out, 65536, e))) break;
        ssize_t n = read(fd, out->data + out->len, out->cap - out->len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) rc = err_errno(e, ERR_OUTSIDE, "could not read \"%s\"", path);
        if (n <= 0) break;
        out->len += (size_t)n;
        if (out->len - start > max) {
            rc = err_set(e, ERR_INPUT, "could not read \"%s\": larger than %zu bytes", path, max);
            break;
        }
    }
    close(fd);
    return rc;
}

static int write_fsync_close(int fd, const char *path, const void *data, size_t len, struct err *e) {
    int rc = file_pwrite(fd, data, len, 0, path, e);
    if (!rc) rc = file_fsync(fd, path, e);
    if (close(fd) && !rc) rc = err_errno(e, ERR_OUTSIDE, "could not close \"%s\"", path);
    return rc;
}

int file_write_new(const char *path, const void *data, size_t len, struct err *e) {
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not create \"%s\"", path);
    int rc = write_fsync_close(fd, path, data, len, e);
    if (rc) unlink(path);
    return rc;
}

static int parent_of(const char *path, char *out, size_t cap, struct err *e) {
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    int w = slash ? snprintf(out, cap, "%.*s", n ? (int)n : 1, path) : snprintf(out, cap, ".");
    return w < 0 || (size_t)w >= cap ? err_set(e, ERR_OUTSIDE, "path too long: \"%s\"", path) : 0;
}

int file_replace(const char *path, const void *data, size_t len, struct err *e) {
    char tmp[PATH_MAX], dir[PATH_MAX];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp-%ld", path, (long)getpid()) >= sizeof tmp)
        return err_set(e, ERR_OUTSIDE, "path too long: \"%s\"", path);
    TRY(parent_of(path, dir, sizeof dir, e));
    int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not create \"%s\"", tmp);
    int rc = write_fsync_close(fd, tmp, data, len, e);
    if (!rc && rename(tmp, path))
        rc = err_errno(e, ERR_OUTSIDE, "could not rename \"%s\" to \"%s\"", tmp, path);
    if (rc) unlink(tmp);
    return rc ? rc : file_fsync_dir(dir, e);
}

int file_fsync(int fd, const char *path, struct err *e) {
    while (fsync(fd))
        if (errno != EINTR) return err_errno(e, ERR_OUTSIDE, "could not fsync \"%s\"", path);
    return 0;
}

int file_fsync_dir(const char *path, struct err *e) {
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open directory \"%s\"", path);
    int rc = file_fsync(fd, path, e);
    close(fd);
    return rc;
}

int file_make_dirs(const char *path, struct err *e) {
    char part[PATH_MAX], dir[PATH_MAX];
    size_t n = strlen(path);
    if (n >= sizeof part) return err_set(e, ERR_OUTSIDE, "path too long: \"%s\"", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] && path[i] != '/') continue;
        memcpy(part, path, i);
        part[i] = 0;
        if (mkdir(part, 0777) == 0) {
            TRY(parent_of(part, dir, sizeof dir, e));
            TRY(file_fsync_dir(dir, e));
        } else if (errno != EEXIST) {
            return err_errno(e, ERR_OUTSIDE, "could not make directory \"%s\"", part);
        } else if (!file_is_dir(part)) {
            errno = ENOTDIR; /* what stands there is something else */
            return err_errno(e, ERR_OUTSIDE, "could not make directory \"%s\"", part);
        }
    }
    return 0;
}

int file_temp(const char *dir, int *fd, struct err *e) {
    *fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (*fd >= 0) return 0;
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/weir-XXXXXX", dir) >= sizeof path)
        return err_set(e, ERR_OUTSIDE, "path too long: \"%s\"", dir);
    *fd = mkostemp(path, O_CLOEXEC);
    if (*fd < 0) return err_errno(e, ERR_OUTSIDE, "could not create a temporary file in \"%s\"", dir);
    unlink(path);
    return 0;
}

bool file_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool file_is_dir(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *f) {
    (void)st, (void)flag, (void)f;
    remove(path);
    return 0;
}

void file_remove_tree(const char *path) {
    nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

bool file_find_program(const char *name, char out[PATH_MAX]) {
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        if (len && snprintf(out, PATH_MAX, "%.*s/%s", (int)len, path, name) < PATH_MAX &&
            access(out, X_OK) == 0 && !file_is_dir(out))
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}
