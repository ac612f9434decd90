/* Where tables' files lie: whole files by location, as Iceberg metadata names them. One small vtable: the
 * local file system (store_local.c), S3 (store_s3.c), and both, by the location's scheme (store.c). */
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

enum store_s3_style { STORE_S3_STYLE_OPEN, STORE_S3_PATH, STORE_S3_VIRTUAL };

/* How an S3 service is reached; what is not said comes from the environment (s3_client.h). */
struct store_options {
    const char *s3_endpoint, *s3_region; /* NULL: not said */
    enum store_s3_style s3_style;
    uint64_t upload_bytes; /* what files being uploaded may hold in memory; 0: 64 MiB */
    uint64_t read_bytes;   /* what is read ahead of sources; 0: 48 MiB */
};

struct store_upload;
struct store_source;

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
    int (*check)(struct store *s, const char *location, struct err *e);
    /* NULL: files are written in place, by their path. */
    int (*upload_begin)(struct store *s, const char *location, struct store_upload **out, struct err *e);
    /* NULL: files are opened and read by their path. */
    int (*source_open)(struct store *s, const char *location, struct store_source **out, uint64_t *bytes,
                       struct err *e);
};

struct store {
    const struct store_ops *ops;
};

int store_local_open(struct store **out, struct err *e);
int store_s3_open(const struct store_options *o, struct store **out, struct err *e);

/* What is not said of how S3 is reached, from AWS's variables and WEIR_S3_STYLE. The endpoint stays NULL when
 * it is AWS's own in the region. */
int store_s3_complete(struct store_options *o, struct err *e);

/* Local and S3; the latter is opened when first asked for. The options' text must outlive it. */
int store_open(const struct store_options *o, struct store **out, struct err *e);

static inline void store_close(struct store *s) {
    if (s) s->ops->close(s);
}

/* The local path of a location: `file:/x`, `file:///x`, `file://localhost/x` and `/x` are all "/x"; double
 * and trailing slashes go. NULL when it is none (another scheme, or relative) or memory is out. */
char *store_path(struct arena *a, const char *location);

/* Whether it is one: tells the two reasons for NULL apart. */
bool store_is_local(const char *location);

/* s3://bucket/…, or s3a, s3n, which Hadoop calls it. */
bool store_is_s3(const char *location);

/* The form in which store_list names a file: the path of a local one, s3://bucket/key of S3's without
 * trailing slashes, any other as it is. NULL: out of memory. */
char *store_name(struct arena *a, const char *location);

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

/* Whether the service can be reached, knows us, and has the bucket. Nothing to check of local locations. */
static inline int store_check(struct store *s, const char *location, struct err *e) {
    return s->ops->check ? s->ops->check(s, location, e) : 0;
}

/* What tells a file from all others, by whatever name it is reached. */
static inline int store_identify(struct store *s, const char *location, bool *exists, uint64_t *device,
                                 uint64_t *inode, struct err *e) {
    return s->ops->identify(s, location, exists, device, inode, e);
}

/* ---- files read piece by piece, where they cannot be opened ---- */

struct store_source_ops {
    int (*pread)(struct store_source *s, void *out, size_t len, uint64_t offset, struct err *e);
    void (*expect)(struct store_source *s, uint64_t offset);
    void (*free)(struct store_source *s);
};

struct store_source {
    const struct store_source_ops *ops;
};

/* A file as it is now, and its length; missing: ERR_INPUT. Free it before the store. */
static inline int store_source_open(struct store *s, const char *location, struct store_source **out,
                                    uint64_t *bytes, struct err *e) {
    return s->ops->source_open(s, location, out, bytes, e);
}

/* Bytes at an offset, all within the file; any thread. ERR_INPUT: it was changed since it was opened. */
static inline int store_source_pread(struct store_source *s, void *out, size_t len, uint64_t offset,
                                     struct err *e) {
    return s->ops->pread(s, out, len, offset, e);
}

/* Bytes at this offset will be read soon: fetching them may begin. */
static inline void store_source_expect(struct store_source *s, uint64_t offset) {
    s->ops->expect(s, offset);
}

static inline void store_source_free(struct store_source *s) {
    if (s) s->ops->free(s);
}

/* ---- files made piece by piece, where they cannot be written in place ---- */

struct store_upload_ops {
    int (*add)(struct store_upload *u, const void *data, size_t len, struct err *e);
    int (*end)(struct store_upload *u, struct err *e);
    int (*wait_room)(struct store_upload *u, struct err *e);
    int (*wait)(struct store_upload *u, struct err *e);
    size_t (*held)(const struct store_upload *u);
    bool (*pressed)(const struct store_upload *u);
    void (*discard)(struct store_upload *u);
    void (*free)(struct store_upload *u);
};

struct store_upload {
    const struct store_upload_ops *ops;
};

/* A new file. It is there, whole and durable, once store_upload_wait() says so, and not before. */
static inline int store_upload_begin(struct store *s, const char *location, struct store_upload **out,
                                     struct err *e) {
    return s->ops->upload_begin(s, location, out, e);
}

/* Append bytes; one thread at a time for a file. They are copied, and sent by threads of the store. Never
 * waits for them. */
static inline int store_upload_add(struct store_upload *u, const void *data, size_t len, struct err *e) {
    return u->ops->add(u, data, len, e);
}

/* No more will come. */
static inline int store_upload_end(struct store_upload *u, struct err *e) {
    return u->ops->end(u, e);
}

/* Wait until what is on its way is less than the store may hold; after a store_upload_add(). */
static inline int store_upload_wait_room(struct store_upload *u, struct err *e) {
    return u->ops->wait_room(u, e);
}

/* Wait until the ended file is there, or any upload of the store has failed. */
static inline int store_upload_wait(struct store_upload *u, struct err *e) {
    return u->ops->wait(u, e);
}

/* Bytes of the file that wait for more to come, and whether those of all files are too many: then some
 * should end. */
static inline size_t store_upload_held(const struct store_upload *u) {
    return u->ops->held(u);
}
static inline bool store_upload_pressed(const struct store_upload *u) {
    return u->ops->pressed(u);
}

/* Undo it, whether under way or done, as far as the service can be reached; only free is then allowed. */
static inline void store_upload_discard(struct store_upload *u) {
    u->ops->discard(u);
}

/* Not while it is under way. */
static inline void store_upload_free(struct store_upload *u) {
    if (u) u->ops->free(u);
}

#endif
