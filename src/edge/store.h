/* Where tables' files lie: whole files by location, as Iceberg metadata names them. One small vtable: the
 * local file system here, S3 beside it. */
#ifndef WEIR_EDGE_STORE_H
#define WEIR_EDGE_STORE_H

#include "base/arena.h"
#include "base/buf.h"

#include <stdbool.h>

struct store;

/* A file or folder found by store_list. */
struct store_entry {
    const char *path; /* as store_path gives it; valid during the call */
    bool folder;      /* called after all that it holds */
    uint64_t bytes;
    int64_t modified_ns; /* since 1970 */
    uint64_t device, inode;
};

typedef int store_entry_fn(void *ctx, const struct store_entry *entry, struct err *e);

struct store_ops {
    void (*close)(struct store *s);
    int (*read)(struct store *s, const char *location, size_t max, struct buf *out, struct err *e);
    int (*write_new)(struct store *s, const char *location, const void *data, size_t len, struct err *e);
    int (*sync_folder)(struct store *s, const char *location, struct err *e);
    int (*remove)(struct store *s, const char *location, bool folder, struct err *e);
    int (*list)(struct store *s, const char *location, store_entry_fn *fn, void *ctx, struct err *e);
    int (*resolve)(struct store *s, const char *location, struct arena *arena, char **path, struct err *e);
    int (*identify)(struct store *s, const char *location, bool *exists, uint64_t *device, uint64_t *inode,
                    struct err *e);
};

struct store {
    const struct store_ops *ops;
};

int store_local_open(struct store **out, struct err *e);

static inline void store_close(struct store *s) {
    if (s) s->ops->close(s);
}

/* The local path of a location: `file:/x`, `file:///x`, `file://localhost/x` and `/x` are all "/x"; double
 * and trailing slashes go. NULL when it is none (another scheme, or relative) or memory is out. */
char *store_path(struct arena *a, const char *location);

/* Whether it is one: tells the two reasons for NULL apart. */
bool store_is_local(const char *location);

/* The whole file, appended to *out; larger than max bytes or missing: ERR_INPUT. */
static inline int store_read(struct store *s, const char *location, size_t max, struct buf *out,
                             struct err *e) {
    return s->ops->read(s, location, max, out, e);
}

/* A new file, its bytes durable, folders made as needed; it must not exist. Its entry in the folder is
 * durable after store_sync_folder. On failure nothing of it stays. */
static inline int store_write_new(struct store *s, const char *location, const void *data, size_t len,
                                  struct err *e) {
    return s->ops->write_new(s, location, data, len, e);
}

static inline int store_sync_folder(struct store *s, const char *location, struct err *e) {
    return s->ops->sync_folder(s, location, e);
}

/* Remove a file, or an empty folder. Missing, or a folder not empty: success. */
static inline int store_remove(struct store *s, const char *location, bool folder, struct err *e) {
    return s->ops->remove(s, location, folder, e);
}

/* Every regular file and folder under a location (itself included), contents before their folder; symbolic
 * links are not followed. A missing location has none. */
static inline int store_list(struct store *s, const char *location, store_entry_fn *fn, void *ctx,
                             struct err *e) {
    return s->ops->list(s, location, fn, ctx, e);
}

/* The path of a location with symbolic links followed as far as it exists, in `arena`: the form in which
 * store_list names what lies under it. */
static inline int store_resolve(struct store *s, const char *location, struct arena *arena, char **path,
                                struct err *e) {
    return s->ops->resolve(s, location, arena, path, e);
}

/* What tells a file from all others, by whatever name it is reached. */
static inline int store_identify(struct store *s, const char *location, bool *exists, uint64_t *device,
                                 uint64_t *inode, struct err *e) {
    return s->ops->identify(s, location, exists, device, inode, e);
}

#endif
