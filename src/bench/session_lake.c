/* Where the samples of a benchmark keep their tables: each in a folder of its own beside the results, or,
 * with a lake of one's own (PostgreSQL, S3), each in a namespace of its own with a warehouse below it, which
 * is removed afterwards. */
#include "base/files.h"
#include "base/threads.h"
#include "bench/session.h"
#include "edge/catalog.h"
#include "edge/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int session_fill_lake(const struct session *s, const struct session_job *j, const char *dir, struct job *job,
                      struct err *e) {
    struct arena *a = &job->arena;
    const struct bench_lake *lake = &s->q->lake;
    job->catalog_name = "weir";
    job->events = "events";
    job->rejects = "rejects";
    if (!lake->catalog) {
        job->namespace_name = "web";
        job->catalog_uri = arena_printf(a, "sqlite://%s/lake/catalog.db", dir);
        job->warehouse = arena_printf(a, "file://%s/lake/warehouse", dir);
        const char *warehouse = arena_printf(a, "%s/lake/warehouse", dir);
        if (!job->catalog_uri || !job->warehouse || !warehouse) return err_nomem(e);
        return file_make_dirs(warehouse, e);
    }
    char *name = arena_printf(a, "%s_%s", s->lake_prefix, j->label);
    if (!name) return err_nomem(e);
    for (char *at = name; *at; at++)
        if (*at == '-' || *at == '.') *at = '_';
    job->namespace_name = name;
    job->catalog_uri = lake->catalog;
    job->warehouse = arena_printf(a, "%s/%s", lake->warehouse, name);
    job->s3.s3_endpoint = lake->s3_endpoint;
    return job->warehouse ? 0 : err_nomem(e);
}

const char *session_warehouse_dir(const struct job *job) {
    static const char scheme[] = "file://";
    return strncmp(job->warehouse, scheme, strlen(scheme)) == 0 ? job->warehouse + strlen(scheme) : NULL;
}

/* ---- removing ---- */

static int remove_entry(void *ctx, const struct store_entry *entry, struct err *e) {
    return store_remove(ctx, entry->path, entry->folder, e);
}

static int remove_files(const struct session *s, const char *location, struct err *e) {
    const struct store_options options = {.s3_endpoint = s->q->lake.s3_endpoint};
    struct store *store;
    TRY(store_open(&options, &store, e));
    int rc = store_list(store, location, remove_entry, store, e);
    store_close(store);
    return rc;
}

/* Namespaces of this benchmark, each once. */
struct found {
    struct arena arena;
    const char *prefix;
    const char *names[1024];
    size_t count;
};

static int take_namespace(void *ctx, const char *name, const char *table, const char *location,
                          struct err *e) {
    struct found *f = ctx;
    (void)table, (void)location;
    if (strncmp(name, f->prefix, strlen(f->prefix)) != 0 || f->count == sizeof f->names / sizeof *f->names)
        return 0;
    if (f->count && strcmp(f->names[f->count - 1], name) == 0) return 0;
    f->names[f->count] = arena_printf(&f->arena, "%s", name);
    return f->names[f->count++] ? 0 : err_nomem(e);
}

static int remove_one(const struct session *s, struct catalog *c, const char *name, struct err *e) {
    char location[8192];
    snprintf(location, sizeof location, "%s/%s", s->q->lake.warehouse, name);
    TRY(remove_files(s, location, e)); /* the name last: by it the rest is found again (--resume) */
    return catalog_drop(c, name, e);
}

static int clear_lake(const struct session *s, const char *namespace_name, struct err *e) {
    struct catalog *c;
    TRY(catalog_open(s->q->lake.catalog, "weir", true, &c, e));
    int rc = 0;
    if (namespace_name) {
        rc = remove_one(s, c, namespace_name, e);
    } else {
        struct found *f = calloc(1, sizeof *f);
        rc = f ? 0 : err_nomem(e);
        if (f) {
            arena_init(&f->arena);
            f->prefix = s->lake_prefix;
            rc = catalog_list(c, false, take_namespace, f, e);
            for (size_t i = 0; !rc && i < f->count; i++) rc = remove_one(s, c, f->names[i], e);
            arena_release(&f->arena);
            free(f);
        }
    }
    catalog_close(c);
    return rc;
}

int session_clear_lake(const struct session *s, const char *namespace_name, struct err *e) {
    if (!s->q->lake.catalog) return 0;
    bool interrupted = interrupt_put_aside();
    int rc = clear_lake(s, namespace_name, e);
    if (interrupted) interrupt_bring_back();
    return rc;
}
