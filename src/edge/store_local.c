#include "base/files.h"
#include "edge/store.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The absolute path within a location, or NULL. */
static const char *local_part(const char *location) {
    static const char file[] = "file:", host[] = "//localhost/";
    if (strncmp(location, file, sizeof file - 1) == 0) {
        location += sizeof file - 1;
        if (strncmp(location, host, sizeof host - 1) == 0)
            location += sizeof host - 2;
        else if (location[0] == '/' && location[1] == '/' && location[2] != '/')
            return NULL; /* a host */
    }
    return *location == '/' ? location : NULL;
}

bool store_is_local(const char *location) {
    return local_part(location) != NULL;
}

char *store_path(struct arena *a, const char *location) {
    location = local_part(location);
    char *path = location ? arena_copy(a, location, strlen(location)) : NULL;
    if (!path) return NULL;
    size_t n = 0;
    for (const char *p = location; *p; p++)
        if (*p != '/' || n == 0 || path[n - 1] != '/') path[n++] = *p;
    while (n > 1 && path[n - 1] == '/') n--;
    path[n] = 0;
    return path;
}

static int no_path(const char *location, struct err *e) {
    return store_is_local(location)
               ? err_nomem(e)
               : err_set(e, ERR_INPUT, "\"%s\" is no location on the local file system (file:///…)",
                         location);
}

/* The path, in memory that `a` owns. */
static int path_of(const char *location, struct arena *a, char **path, struct err *e) {
    arena_init(a);
    *path = store_path(a, location);
    if (*path) return 0;
    arena_release(a);
    return no_path(location, e);
}

static void local_close(struct store *s) {
    free(s);
}

static int local_read(struct store *s, const char *location, size_t max, struct buf *out, struct err *e) {
    (void)s;
    struct arena a;
    char *path;
    TRY(path_of(location, &a, &path, e));
    int rc = file_read_all(path, out, max, e);
    arena_release(&a);
    return rc;
}

static int local_write_new(struct store *s, const char *location, const void *data, size_t len,
                           struct err *e) {
    (void)s;
    struct arena a;
    char *path;
    TRY(path_of(location, &a, &path, e));
    char *slash = strrchr(path, '/');
    int rc = 0;
    if (slash > path) {
        *slash = 0;
        if (!file_is_dir(path)) rc = file_make_dirs(path, e);
        *slash = '/';
    }
    if (!rc) rc = file_write_new(path, data, len, e);
    arena_release(&a);
    return rc;
}

static int local_sync_folder(struct store *s, const char *location, struct err *e) {
    (void)s;
    struct arena a;
    char *path;
    TRY(path_of(location, &a, &path, e));
    int rc = file_fsync_dir(path, e);
    arena_release(&a);
    return rc;
}

static int local_remove(struct store *s, const char *location, bool folder, struct err *e) {
    (void)s;
    struct arena a;
    char *path;
    TRY(path_of(location, &a, &path, e));
    int rc = folder ? rmdir(path) : unlink(path);
    if (rc && (errno == ENOENT || (folder && (errno == ENOTEMPTY || errno == EEXIST)))) rc = 0;
    if (rc) rc = err_errno(e, ERR_OUTSIDE, "could not remove \"%s\"", path);
    arena_release(&a);
    return rc;
}

static int walk(char *path, size_t len, const struct stat *st, store_entry_fn *fn, void *ctx, struct err *e);

static int walk_folder(char *path, size_t len, store_entry_fn *fn, void *ctx, struct err *e) {
    DIR *d = opendir(path);
    if (!d && errno == ENOENT) return 0;
    if (!d) return err_errno(e, ERR_OUTSIDE, "could not read directory \"%s\"", path);
    int rc = 0;
    struct dirent *entry;
    while (!rc && (errno = 0, entry = readdir(d))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        size_t n = strlen(entry->d_name);
        struct stat st;
        if (len + 1 + n >= PATH_MAX) {
            rc = err_set(e, ERR_OUTSIDE, "path too long under \"%s\"", path);
            break;
        }
        path[len] = '/';
        memcpy(path + len + 1, entry->d_name, n + 1);
        if (lstat(path, &st) == 0)
            rc = walk(path, len + 1 + n, &st, fn, ctx, e);
        else if (errno != ENOENT)
            rc = err_errno(e, ERR_OUTSIDE, "could not look at \"%s\"", path);
        path[len] = 0;
    }
    if (!rc && errno) rc = err_errno(e, ERR_OUTSIDE, "could not read directory \"%s\"", path);
    closedir(d);
    return rc;
}

static int walk(char *path, size_t len, const struct stat *st, store_entry_fn *fn, void *ctx, struct err *e) {
    bool folder = S_ISDIR(st->st_mode);
    if (!folder && !S_ISREG(st->st_mode)) return 0;
    if (folder) TRY(walk_folder(path, len, fn, ctx, e));
    struct store_entry entry = {.path = path,
                                .folder = folder,
                                .bytes = folder ? 0 : (uint64_t)st->st_size,
                                .modified_ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec,
                                .device = st->st_dev,
                                .inode = st->st_ino};
    return fn(ctx, &entry, e);
}

static int local_list(struct store *s, const char *location, store_entry_fn *fn, void *ctx, struct err *e) {
    (void)s;
    struct arena a;
    char *root, path[PATH_MAX];
    TRY(path_of(location, &a, &root, e));
    int rc = 0;
    struct stat st;
    if (realpath(root, path) && stat(path, &st) == 0)
        rc = walk(path, strlen(path), &st, fn, ctx, e);
    else if (errno != ENOENT)
        rc = err_errno(e, ERR_OUTSIDE, "could not look at \"%s\"", path);
    arena_release(&a);
    return rc;
}

static int local_resolve(struct store *s, const char *location, struct arena *arena, char **path,
                         struct err *e) {
    (void)s;
    char resolved[PATH_MAX];
    *path = store_path(arena, location);
    if (!*path) return no_path(location, e);
    if (!realpath(*path, resolved)) return 0;
    *path = arena_copy(arena, resolved, strlen(resolved));
    return *path ? 0 : err_nomem(e);
}

static int local_identify(struct store *s, const char *location, bool *exists, uint64_t *device,
                          uint64_t *inode, struct err *e) {
    (void)s;
    struct arena a;
    char *path;
    TRY(path_of(location, &a, &path, e));
    struct stat st;
    int rc = 0;
    *exists = stat(path, &st) == 0;
    if (*exists) {
        *device = st.st_dev;
        *inode = st.st_ino;
    } else if (errno != ENOENT && errno != ENOTDIR) {
        rc = err_errno(e, ERR_OUTSIDE, "could not look at \"%s\"", path);
    }
    arena_release(&a);
    return rc;
}

static const struct store_ops local_ops = {local_close,  local_read, local_write_new, local_sync_folder,
                                           local_remove, local_list, local_resolve,   local_identify,
                                           NULL,         NULL};

int store_local_open(struct store **out, struct err *e) {
    struct store *s = malloc(sizeof *s);
    if (!s) return err_nomem(e);
    s->ops = &local_ops;
    *out = s;
    return 0;
}
