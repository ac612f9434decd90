/* Both stores as one, by each location's scheme. */
#include "edge/store.h"

#include "edge/s3_location.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct both {
    struct store base;
    struct store_options options;
    struct store *local, *s3; /* s3: NULL until it is asked for */
    pthread_mutex_t lock;
};

bool store_is_s3(const char *location) {
    static const char *const schemes[] = {"s3://", "s3a://", "s3n://"};
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (strncmp(location, schemes[i], strlen(schemes[i])) == 0) return true;
    return false;
}

char *store_name(struct arena *a, const char *location) {
    if (store_is_local(location)) return store_path(a, location);
    struct s3_location l;
    struct err ignored;
    if (!store_is_s3(location) || s3_location_parse(location, a, &l, &ignored))
        return arena_copy(a, location, strlen(location));
    return arena_printf(a, "s3://%s%s%s", l.bucket, *l.key ? "/" : "", l.key);
}

static int pick(struct store *s, const char *location, struct store **out, struct err *e) {
    struct both *b = (struct both *)s;
    int rc = 0;
    *out = b->local;
    if (!store_is_s3(location)) return 0;
    pthread_mutex_lock(&b->lock);
    if (!b->s3) rc = store_s3_open(&b->options, &b->s3, e);
    *out = b->s3;
    pthread_mutex_unlock(&b->lock);
    return rc;
}

static void both_close(struct store *s) {
    struct both *b = (struct both *)s;
    store_close(b->local);
    store_close(b->s3);
    pthread_mutex_destroy(&b->lock);
    free(b);
}

static int both_read(struct store *s, const char *location, size_t max, struct buf *out, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_read(s, location, max, out, e);
}

static int both_write_new(struct store *s, const char *location, const void *data, size_t len,
                          struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_write_new(s, location, data, len, e);
}

static int both_sync_folder(struct store *s, const char *location, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_sync_folder(s, location, e);
}

static int both_remove(struct store *s, const char *location, bool folder, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_remove(s, location, folder, e);
}

static int both_list(struct store *s, const char *location, store_entry_fn *fn, void *ctx, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_list(s, location, fn, ctx, e);
}

static int both_resolve(struct store *s, const char *location, struct arena *arena, char **path,
                        struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_resolve(s, location, arena, path, e);
}

static int both_identify(struct store *s, const char *location, bool *exists, uint64_t *device,
                         uint64_t *inode, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_identify(s, location, exists, device, inode, e);
}

static int both_upload_begin(struct store *s, const char *location, struct store_upload **out,
                             struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_upload_begin(s, location, out, e);
}

static int both_source_open(struct store *s, const char *location, struct store_source **out, uint64_t *bytes,
                            struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_source_open(s, location, out, bytes, e);
}

static int both_check(struct store *s, const char *location, struct err *e) {
    TRY(pick(s, location, &s, e));
    return store_check(s, location, e);
}

static const struct store_ops both_ops = {both_close,  both_read,         both_write_new,  both_sync_folder,
                                          both_remove, both_list,         both_resolve,    both_identify,
                                          both_check,  both_upload_begin, both_source_open};

int store_open(const struct store_options *o, struct store **out, struct err *e) {
    struct both *b = calloc(1, sizeof *b);
    if (!b) return err_nomem(e);
    b->base.ops = &both_ops;
    b->options = *o;
    pthread_mutex_init(&b->lock, NULL);
    int rc = store_local_open(&b->local, e);
    if (rc)
        both_close(&b->base);
    else
        *out = &b->base;
    return rc;
}
