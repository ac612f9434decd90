#include "bench/verify_tables.h"

#include "base/files.h"
#include "edge/catalog.h"
#include "edge/store.h"

#include <errno.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { METADATA_MAX = 1 << 30 };

const char *const verify_reasons[VERIFY_REASONS] = {"malformed_row",   "missing_event_id",
                                                    "missing_user_id", "missing_timestamp",
                                                    "bad_timestamp",   "duplicate_event"};

/* ---- metadata ---- */

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n >= m && strcmp(s + n - m, tail) == 0;
}

/* gzread takes plain files as they are. */
static int read_file(const char *path, struct buf *out, struct err *e) {
    errno = 0;
    gzFile f = gzopen(path, "rb");
    if (!f) return err_errno(e, errno == ENOENT ? ERR_INPUT : ERR_OUTSIDE, "could not open \"%s\"", path);
    int rc = 0, n = 1;
    while (!rc && n > 0) {
        rc = buf_reserve(out, 1 << 16, e);
        if (rc) break;
        n = gzread(f, out->data + out->len, 1 << 16);
        if (n > 0) out->len += (size_t)n;
    }
    if (!rc && n < 0) rc = err_set(e, ERR_INPUT, "could not read \"%s\"", path);
    gzclose(f);
    return rc;
}

static int read_object(const struct verify_request *r, const char *location, struct buf *out, struct err *e) {
    struct store *s;
    if (ends_with(location, ".gz.metadata.json") || ends_with(location, ".json.gz"))
        return err_set(e, ERR_INPUT, "could not read \"%s\": compressed metadata on S3 is not supported",
                       location);
    TRY(store_open(&r->store, &s, e));
    int rc = store_read(s, location, METADATA_MAX, out, e);
    store_close(s);
    return rc;
}

static const json_t *with_id(const json_t *list, const char *key, int64_t id) {
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) {
        const json_t *v = json_object_get(item, key);
        if (json_is_integer(v) && json_integer_value(v) == id) return item;
    }
    return NULL;
}

static const json_t *snapshot_with(const json_t *metadata, const char *id_key) {
    const json_t *id = json_object_get(metadata, id_key);
    return json_is_integer(id)
               ? with_id(json_object_get(metadata, "snapshots"), "snapshot-id", json_integer_value(id))
               : NULL;
}

const char *verify_summary(const json_t *snapshot, const char *key) {
    return json_string_value(json_object_get(json_object_get(snapshot, "summary"), key));
}

/* The newest snapshot of a run: PyIceberg's overwrite leaves two. */
static const json_t *run_snapshot(const json_t *metadata, const char *run_id) {
    size_t i;
    const json_t *s, *found = NULL;
    json_array_foreach(json_object_get(metadata, "snapshots"), i, s) {
        const char *id = verify_summary(s, "weir.run-id");
        if (id && strcmp(id, run_id) == 0) found = s;
    }
    return found;
}

static int load(const struct verify_request *r, const char *path, struct verify_table *t, struct err *e) {
    struct buf text;
    json_error_t problem;
    buf_init(&text, METADATA_MAX);
    int rc = store_is_s3(path) ? read_object(r, path, &text, e) : read_file(path, &text, e);
    if (!rc) {
        t->metadata = json_loadb((const char *)text.data, text.len, 0, &problem);
        if (!t->metadata)
            rc = err_set(e, ERR_INPUT, "%s:%d: not JSON: %s", path, problem.line, problem.text);
        else if (!json_is_array(json_object_get(t->metadata, "schemas")) ||
                 !json_is_integer(json_object_get(t->metadata, "current-schema-id")))
            rc = err_set(e, ERR_INPUT, "\"%s\" is no Iceberg table metadata", path);
    }
    buf_release(&text);
    t->path = path;
    t->is_gzip = ends_with(path, ".gz.metadata.json") || ends_with(path, ".json.gz");
    return rc;
}

/* run_id NULL: the current snapshot. */
static int choose_snapshot(struct verify_table *t, const char *run_id, struct err *e) {
    const json_t *current = snapshot_with(t->metadata, "current-snapshot-id");
    t->snapshot = run_id ? run_snapshot(t->metadata, run_id) : current;
    t->is_current = t->snapshot == current;
    if (t->snapshot) return 0;
    if (run_id) return err_set(e, ERR_INPUT, "%s has no snapshot of run %s", t->name, run_id);
    return err_set(e, ERR_INPUT, "%s has no snapshot: nothing was ever written to it", t->name);
}

void verify_table_release(struct verify_table *t) {
    json_decref(t->metadata);
    t->metadata = NULL;
}

const json_t *verify_fields(const struct verify_table *t) {
    const json_t *schemas = json_object_get(t->metadata, "schemas"),
                 *id = json_object_get(t->snapshot, "schema-id");
    if (t->is_current || !json_is_integer(id)) id = json_object_get(t->metadata, "current-schema-id");
    return json_object_get(with_id(schemas, "schema-id", json_integer_value(id)), "fields");
}

const json_t *verify_field(const json_t *fields, const char *name) {
    size_t i;
    json_t *f;
    json_array_foreach((json_t *)fields, i, f) {
        const char *n = json_string_value(json_object_get(f, "name"));
        if (n && strcmp(n, name) == 0) return f;
    }
    return NULL;
}

/* ---- by name ---- */

/* Its metadata location in *location, from malloc; NULL when there is none. */
static int look_up(const struct verify_request *r, const char *name, struct arena *arena, char **location,
                   struct err *e) {
    const char *dot = strrchr(name, '.'), *namespace_name = "web", *table = name;
    if (dot) {
        namespace_name = arena_copy(arena, name, (size_t)(dot - name));
        table = dot + 1;
        if (!namespace_name) return err_nomem(e);
    }
    if (!*namespace_name || !*table)
        return err_set(e, ERR_USAGE, "\"%s\" is no table; write namespace.table, as web.events", name);
    struct catalog *c;
    *location = NULL;
    TRY(catalog_open(r->catalog_uri, r->catalog_name, false, &c, e));
    int rc = catalog_find(c, namespace_name, table, location, e);
    catalog_close(c);
    return rc;
}

static int load_named(const struct verify_request *r, const char *name, struct arena *arena,
                      struct verify_table *t, struct err *e) {
    char *location;
    TRY(look_up(r, name, arena, &location, e));
    if (!location)
        return err_set(e, ERR_INPUT, "there is no table %s%s in %s", strchr(name, '.') ? "" : "web.", name,
                       r->catalog_uri);
    const char *path = store_name(arena, location);
    int rc =
        !path ? err_nomem(e)
        : store_is_local(location) || store_is_s3(location)
            ? load(r, path, t, e)
            : err_set(e, ERR_INPUT, "table %s: \"%s\" is neither a local file nor on S3", name, location);
    free(location);
    return rc;
}

static bool is_path(const char *name) {
    return strchr(name, '/') || ends_with(name, ".json") || ends_with(name, ".json.gz");
}

/* run_id: the snapshot to read if there is one; a name's own @RUN-ID goes before it and must be there. */
static int find(const struct verify_request *r, const char *name, const char *run_id, struct arena *arena,
                struct verify_table *t, struct err *e) {
    t->name = name;
    if (store_is_s3(name)) {
        TRY(load(r, name, t, e));
    } else if (is_path(name)) {
        const char *path = store_path(arena, name); /* NULL: relative */
        char whole[PATH_MAX];
        if (!realpath(path ? path : name, whole))
            return err_errno(e, ERR_INPUT, "could not open \"%s\"", name);
        if (!(path = arena_printf(arena, "%s", whole))) return err_nomem(e);
        TRY(load(r, path, t, e));
    } else {
        const char *at = strrchr(name, '@');
        const char *table = at ? arena_copy(arena, name, (size_t)(at - name)) : name;
        if (!table) return err_nomem(e);
        TRY(load_named(r, table, arena, t, e));
        if (at) return choose_snapshot(t, at + 1, e);
    }
    return choose_snapshot(t, run_id && run_snapshot(t->metadata, run_id) ? run_id : NULL, e);
}

int verify_find_events(const struct verify_request *r, int side, struct arena *arena,
                       struct verify_table *out, struct err *e) {
    *out = (struct verify_table){0};
    return find(r, r->tables[side], NULL, arena, out, e);
}

/* ---- the rejects of a run ---- */

/* The table of that name in the catalog, when it holds the run. Whatever is wrong with it: not found. */
static bool in_catalog(const struct verify_request *r, const char *run_id, struct arena *arena,
                       struct verify_table *t) {
    struct err ignored;
    if (!load_named(r, t->name, arena, t, &ignored) && run_snapshot(t->metadata, run_id)) return true;
    verify_table_release(t);
    return false;
}

/* <events' folder>/../<rejects>/metadata: the newest metadata file that holds the run. */
static int beside(const struct verify_request *r, const char *events_path, const char *run_id,
                  struct arena *arena, struct verify_table *t, struct err *e) {
    const char *dot = strrchr(t->name, '.');
    size_t len = strlen(events_path);
    for (int up = 0; up < 3; up++)
        while (len && events_path[--len] != '/') {
        }
    char pattern[PATH_MAX];
    glob_t g;
    if ((size_t)snprintf(pattern, sizeof pattern, "%.*s/%s/metadata/*.metadata.json", (int)len, events_path,
                         dot ? dot + 1 : t->name) >= sizeof pattern ||
        glob(pattern, GLOB_NOSORT, NULL, &g))
        return 0;
    int64_t newest = -1;
    for (size_t i = 0; i < g.gl_pathc; i++) {
        struct verify_table found = {.name = t->name};
        struct err ignored;
        char *path = arena_printf(arena, "%s", g.gl_pathv[i]);
        bool usable = path && !load(r, path, &found, &ignored) && run_snapshot(found.metadata, run_id);
        int64_t updated =
            usable ? json_integer_value(json_object_get(found.metadata, "last-updated-ms")) : -1;
        if (updated > newest) {
            newest = updated;
            verify_table_release(t);
            *t = found;
        } else {
            verify_table_release(&found);
        }
        if (!path) {
            globfree(&g);
            return err_nomem(e);
        }
    }
    globfree(&g);
    return 0;
}

int verify_find_rejects(const struct verify_request *r, int side, const struct verify_table *events,
                        struct arena *arena, struct verify_table *out, struct err *e) {
    *out = (struct verify_table){0};
    const char *run_id = verify_summary(events->snapshot, "weir.run-id");
    if (r->rejects[side]) return find(r, r->rejects[side], run_id, arena, out, e);
    out->name = verify_summary(events->snapshot, "weir.rejects-table");
    if (!out->name || !run_id) return 0;
    if (!in_catalog(r, run_id, arena, out)) TRY(beside(r, events->path, run_id, arena, out, e));
    if (!out->metadata)
        return err_set(e, ERR_INPUT,
                       "could not find %s, the rejects of run %s of %s: neither in the catalog nor beside it "
                       "is a table with that run; give --rejects A B",
                       out->name, run_id, events->name);
    return choose_snapshot(out, run_id, e);
}

/* ---- what the summaries claim ---- */

/* A count of the summary; -1: missing or none. */
static int64_t count_of(const json_t *snapshot, const char *key) {
    const char *text = verify_summary(snapshot, key);
    char *end;
    if (!text || *text < '0' || *text > '9') return -1;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    return errno || *end || n > INT64_MAX / 4 ? -1 : n;
}

static int add_run(const json_t *s, const char *run_id, struct verify_claim *c) {
    int64_t in = count_of(s, "weir.rows-in"), out = count_of(s, "weir.rows-out"), rejected = 0;
    if (in < 0 || out < 0) return -1;
    for (int i = 0; i < VERIFY_REASONS; i++) {
        char key[64];
        snprintf(key, sizeof key, "weir.rejected.%s", verify_reasons[i]);
        int64_t n = count_of(s, key);
        if (n < 0) n = 0; /* a table that holds some of them contradicts it */
        rejected += n;
        c->rejected[i] += n;
    }
    c->rows_in += in;
    c->rows_out += out;
    c->runs++;
    if (in != out + rejected && !c->unbalanced) c->unbalanced = run_id;
    return 0;
}

static int unknown(struct verify_claim *c, const json_t *s, const char *why, struct arena *arena,
                   struct err *e) {
    const char *operation = verify_summary(s, "operation");
    c->unknown = arena_printf(arena, "snapshot %" JSON_INTEGER_FORMAT " (%s) %s",
                              json_integer_value(json_object_get(s, "snapshot-id")),
                              operation ? operation : "no operation", why);
    return c->unknown ? 0 : err_nomem(e);
}

int verify_claimed(const struct verify_table *t, struct arena *arena, struct verify_claim *out,
                   struct err *e) {
    *out = (struct verify_claim){0};
    const char *counted = NULL;
    /* No chain is longer than there are snapshots; a circle ends. */
    size_t left = json_array_size(json_object_get(t->metadata, "snapshots"));
    for (const json_t *s = t->snapshot; s; left--) {
        const char *operation = verify_summary(s, "operation"), *run_id = verify_summary(s, "weir.run-id");
        if (!operation) operation = "";
        if (!left) return unknown(out, s, "has itself among its parents", arena, e);
        bool removes = strcmp(operation, "delete") == 0;
        bool again = run_id && counted && strcmp(run_id, counted) == 0;
        if (run_id && !removes && !again) {
            if (add_run(s, run_id, out))
                return unknown(out, s, "carries no weir.rows-in and weir.rows-out", arena, e);
            counted = run_id;
        } else if (count_of(s, "total-records") == 0) {
            return 0;                                             /* nothing was left of what was before */
        } else if (!again && strcmp(operation, "replace") != 0) { /* replace: compacted, the same rows */
            return unknown(out, s, "carries no weir.*", arena, e);
        } else if (removes) {
            return unknown(out, s, "does not say that it removed all rows", arena, e);
        }
        if (strcmp(operation, "overwrite") == 0) return 0;
        const json_t *parent = json_object_get(s, "parent-snapshot-id");
        if (!json_is_integer(parent)) return 0;
        const json_t *before =
            with_id(json_object_get(t->metadata, "snapshots"), "snapshot-id", json_integer_value(parent));
        if (!before) return unknown(out, s, "adds to a snapshot that has expired", arena, e);
        s = before;
    }
    return 0;
}
