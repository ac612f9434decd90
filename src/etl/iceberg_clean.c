#include "etl/iceberg_clean.h"

#include "base/clock.h"
#include "etl/iceberg_names.h"

#include <stdio.h>
#include <stdlib.h>

struct found {
    const char *path;
    uint64_t bytes, device, inode;
    int64_t modified_ns;
    bool folder;
};

/* A folder of the warehouse that no table of the catalog owns: warehouse/namespace/table. */
struct stray {
    const char *path;
    bool leave; /* it may be alive in another catalog, or was dropped */
};

struct cleaner {
    struct lake *lake;
    const struct iceberg_clean_options *o;
    struct iceberg_cleaned *out;
    struct arena *arena; /* out's */
    const char *warehouse;
    const char **locations; /* of all tables, resolved */
    size_t location_count, location_cap;
    const char **roots; /* what is looked through */
    size_t root_count, root_cap;
    struct found *found;
    size_t found_count, found_cap;
    struct stray *strays;
    size_t stray_count, stray_cap;
    struct names names, uuids;
};

/* ---- growing lists, in the arena ---- */

static int reserve(struct cleaner *c, void *list, size_t count, size_t *cap, size_t size, struct err *e) {
    void **items = list;
    if (count < *cap) return 0;
    size_t next = *cap ? 2 * *cap : 16;
    void *more = arena_alloc(c->arena, next * size);
    if (!more) return err_nomem(e);
    if (count) memcpy(more, *items, count * size);
    *items = more;
    *cap = next;
    return 0;
}

static int add_path(struct cleaner *c, const char ***list, size_t *count, size_t *cap, const char *path,
                    struct err *e) {
    for (size_t i = 0; i < *count; i++)
        if (strcmp((*list)[i], path) == 0) return 0;
    TRY(reserve(c, list, *count, cap, sizeof **list, e));
    (*list)[(*count)++] = path;
    return 0;
}

/* What of `path` lies below `folder`; NULL when it lies elsewhere. */
static const char *below(const char *path, const char *folder) {
    size_t n = strlen(folder);
    if (strncmp(path, folder, n) != 0) return NULL;
    if (n == 1) return path + 1; /* the root */
    return path[n] == '/' ? path + n + 1 : NULL;
}

/* ---- where to look ---- */

static int add_location(struct cleaner *c, const char *location, bool root, struct err *e) {
    char *path;
    if (!location) return 0;
    TRY(store_resolve(c->lake->store, location, c->arena, &path, e));
    TRY(add_path(c, &c->locations, &c->location_count, &c->location_cap, path, e));
    return root ? add_path(c, &c->roots, &c->root_count, &c->root_cap, path, e) : 0;
}

static int note_table(void *ctx, const char *namespace_name, const char *table, const char *metadata_location,
                      struct err *e) {
    struct cleaner *c = ctx;
    json_t *m;
    bool added, root = !c->o->table ||
                       (strcmp(c->o->table, table) == 0 && strcmp(c->o->namespace_name, namespace_name) == 0);
    if (iceberg_metadata_load(c->lake->store, metadata_location, &m, e))
        return err_prefix(e, "table %s.%s", namespace_name, table);
    const json_t *properties = json_object_get(m, "properties");
    const char *uuid = json_text(m, "table-uuid");
    int rc = uuid ? names_add(&c->uuids, uuid, strlen(uuid), &added, e) : 0;
    if (!rc) rc = add_location(c, json_text(m, "location"), root, e);
    if (!rc) rc = add_location(c, json_text(properties, "write.data.path"), root, e);
    if (!rc) rc = add_location(c, json_text(properties, "write.metadata.path"), root, e);
    json_decref(m);
    return rc ? err_prefix(e, "table %s.%s", namespace_name, table) : 0;
}

static int name_table(void *ctx, const char *namespace_name, const char *table, const char *metadata_location,
                      struct err *e) {
    struct cleaner *c = ctx;
    int rc = iceberg_names_add_table(&c->names, c->lake->store, metadata_location, e);
    return rc ? err_prefix(e, "table %s.%s", namespace_name, table) : 0;
}

static int collect(void *ctx, const struct store_entry *entry, struct err *e) {
    struct cleaner *c = ctx;
    TRY(reserve(c, &c->found, c->found_count, &c->found_cap, sizeof *c->found, e));
    char *path = arena_copy(c->arena, entry->path, strlen(entry->path));
    if (!path) return err_nomem(e);
    c->found[c->found_count++] =
        (struct found){path, entry->bytes, entry->device, entry->inode, entry->modified_ns, entry->folder};
    return 0;
}

static int look_through(struct cleaner *c, struct err *e) {
    for (size_t i = 0; i < c->root_count; i++) {
        bool inside = false; /* of another root */
        for (size_t k = 0; k < c->root_count; k++)
            if (k != i && below(c->roots[i], c->roots[k])) inside = true;
        if (!inside) TRY(store_list(c->lake->store, c->roots[i], collect, c, e));
    }
    return 0;
}

/* ---- what may go ---- */

static bool ends_with(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool starts_with(const char *text, const char *start) {
    return strncmp(text, start, strlen(start)) == 0;
}

static bool in_own_folder(const char *rest) {
    return starts_with(rest, "data/") || starts_with(rest, "metadata/");
}

static bool is_table_file(const char *name) {
    static const char *const ends[] = {".parquet", ".avro", ".orc", ".metadata.json", ".stats", ".puffin"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    return starts_with(name, ".") && ends_with(name, ".crc");
}

/* Never ours to remove, wherever it lies: databases, as a catalog may lie in its own warehouse. */
static bool is_foreign(const char *name) {
    static const char *const ends[] = {".db", ".db-journal", ".db-wal", ".db-shm", ".sqlite"};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i])) return true;
    return strcmp(name, "version-hint.text") == 0;
}

static const char *base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The rest of a path below the innermost table location, or NULL. */
static const char *in_table(const struct cleaner *c, const char *path) {
    const char *best = NULL;
    for (size_t i = 0; i < c->location_count; i++) {
        const char *rest = below(path, c->locations[i]);
        if (rest && (!best || rest > best)) best = rest;
    }
    return best;
}

/* Where in `path` the folder warehouse/namespace/table ends: at its '/', or at the path's end; NULL: it lies
 * not in one. */
static const char *stray_end(const struct cleaner *c, const char *path) {
    const char *rest = c->warehouse ? below(path, c->warehouse) : NULL;
    const char *slash = rest ? strchr(rest, '/') : NULL;
    if (!slash || !slash[1]) return NULL;
    const char *end = strchr(slash + 1, '/');
    return end ? end : slash + strlen(slash);
}

static struct stray *find_stray(const struct cleaner *c, const char *path, const char *end) {
    for (size_t i = 0; i < c->stray_count; i++)
        if (strlen(c->strays[i].path) == (size_t)(end - path) &&
            memcmp(c->strays[i].path, path, (size_t)(end - path)) == 0)
            return &c->strays[i];
    return NULL;
}

/* Whether text ends before its JSON does. Not by the parser, which fails for want of memory too. */
static bool is_cut(const uint8_t *text, size_t len) {
    int depth = 0;
    bool quoted = false, begun = false;
    for (size_t i = 0; i < len; i++) {
        if (quoted) {
            if (text[i] == '\\')
                i++;
            else if (text[i] == '"')
                quoted = false;
        } else if (text[i] == '"') {
            quoted = true;
        } else if (text[i] == '{' || text[i] == '[') {
            depth++;
            begun = true;
        } else if (text[i] == '}' || text[i] == ']') {
            depth--;
        }
    }
    return !begun || quoted || depth > 0;
}

/* Whether a file is one whose writing was cut off. */
static bool is_torn(struct cleaner *c, const char *path) {
    struct buf data;
    struct err ignored;
    buf_init(&data, 0);
    bool torn = !store_read(c->lake->store, path, ICEBERG_METADATA_MAX, &data, &ignored) &&
                (data.len < 2 || data.data[0] != 0x1f) && /* gzip is not ours */
                is_cut(data.data, data.len);
    buf_release(&data);
    return torn;
}

/* A metadata file in a folder without table: does it show a table that lived, or lives elsewhere? One whose
 * making by weir failed has a first version only, torn, or with nothing but one run's snapshot. */
static bool shows_life(struct cleaner *c, const char *path) {
    json_t *m;
    struct err ignored;
    if (iceberg_next_version(path) != 1) return true;
    if (iceberg_metadata_load(c->lake->store, path, &m, &ignored)) return !is_torn(c, path);
    const char *uuid = json_text(m, "table-uuid");
    const json_t *snapshots = json_object_get(m, "snapshots");
    bool own = json_array_size(json_object_get(m, "metadata-log")) == 0 && json_array_size(snapshots) == 1 &&
               json_text(json_object_get(json_array_get(snapshots, 0), "summary"), "weir.run-id");
    bool known = uuid && names_has(&c->uuids, uuid, strlen(uuid)); /* a copied or moved table */
    json_decref(m);
    return !own || known;
}

static int find_strays(struct cleaner *c, struct err *e) {
    for (size_t i = 0; i < c->found_count; i++) {
        const struct found *f = &c->found[i];
        if (f->folder || in_table(c, f->path)) continue;
        const char *end = stray_end(c, f->path);
        if (!end || *end != '/' || !in_own_folder(end + 1)) continue;
        struct stray *s = find_stray(c, f->path, end);
        if (!s) {
            TRY(reserve(c, &c->strays, c->stray_count, &c->stray_cap, sizeof *c->strays, e));
            s = &c->strays[c->stray_count++];
            *s = (struct stray){arena_copy(c->arena, f->path, (size_t)(end - f->path)), false};
            if (!s->path) return err_nomem(e);
        }
        const char *name = base_name(f->path);
        if (!s->leave && (ends_with(name, ".metadata.json") || strcmp(name, "version-hint.text") == 0))
            s->leave = shows_life(c, f->path);
    }
    size_t cap = 0;
    for (size_t i = 0; i < c->stray_count; i++)
        if (c->strays[i].leave)
            TRY(add_path(c, &c->out->left_alone, &c->out->left_alone_count, &cap, c->strays[i].path, e));
    return 0;
}

/* Whether a file or folder lies where writers of tables put theirs, and is of their kind. */
static bool may_go(const struct cleaner *c, const struct found *f) {
    const char *name = base_name(f->path), *rest = in_table(c, f->path);
    if (!f->folder && is_foreign(name)) return false;
    if (rest && f->folder)
        return strcmp(rest, "data") == 0 || strcmp(rest, "metadata") == 0 || in_own_folder(rest);
    if (rest) return in_own_folder(rest) || is_table_file(name);
    for (size_t i = 0; i < c->location_count; i++) /* a table's own folder, and those that hold it */
        if (strcmp(f->path, c->locations[i]) == 0 || below(c->locations[i], f->path)) return false;
    const char *end = stray_end(c, f->path);
    if (!end) { /* an empty namespace */
        const char *inside = c->warehouse ? below(f->path, c->warehouse) : NULL;
        return f->folder && inside && *inside && !strchr(inside, '/');
    }
    const struct stray *s = find_stray(c, f->path, end);
    if (s && s->leave) return false;
    if (!*end) return f->folder;
    if (f->folder)
        return strcmp(end, "/data") == 0 || strcmp(end, "/metadata") == 0 || in_own_folder(end + 1);
    return s && in_own_folder(end + 1) && is_table_file(name);
}

/* Named, or the .crc that Hadoop puts beside a named file. */
static bool is_named(struct cleaner *c, const struct found *f) {
    if (names_has_path(&c->names, f->path) || names_has_identity(&c->names, f->device, f->inode)) return true;
    const char *name = base_name(f->path);
    if (!starts_with(name, ".") || !ends_with(name, ".crc")) return false;
    char main_file[4096];
    int n = snprintf(main_file, sizeof main_file, "%.*s%.*s", (int)(name - f->path), f->path,
                     (int)(strlen(name) - 5), name + 1);
    bool exists = false;
    uint64_t device = 0, inode = 0;
    struct err ignored;
    if (n < 0 || (size_t)n >= sizeof main_file ||
        store_identify(c->lake->store, main_file, &exists, &device, &inode, &ignored))
        return true;
    return names_has_path(&c->names, main_file) || (exists && names_has_identity(&c->names, device, inode));
}

/* ---- removing ---- */

static int by_path(const void *a, const void *b) {
    const struct iceberg_orphan *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int sift(struct cleaner *c, int64_t limit_ns, struct err *e) {
    size_t cap = 0;
    for (size_t i = 0; i < c->found_count; i++) {
        const struct found *f = &c->found[i];
        if (f->folder || !may_go(c, f) || is_named(c, f)) continue;
        if (f->modified_ns > limit_ns) {
            c->out->young_count++;
            continue;
        }
        TRY(reserve(c, &c->out->files, c->out->file_count, &cap, sizeof *c->out->files, e));
        c->out->files[c->out->file_count++] = (struct iceberg_orphan){f->path, f->bytes};
        c->out->bytes += f->bytes;
    }
    if (c->out->file_count > 1) qsort(c->out->files, c->out->file_count, sizeof *c->out->files, by_path);
    return 0;
}

static int remove_folders(struct cleaner *c, int64_t limit_ns, struct err *e) {
    for (size_t i = 0; i < c->found_count; i++) { /* contents stand before their folder */
        const struct found *f = &c->found[i];
        bool exists = true;
        uint64_t device, inode;
        if (!f->folder || f->modified_ns > limit_ns || !may_go(c, f)) continue;
        TRY(store_remove(c->lake->store, f->path, true, e));
        TRY(store_identify(c->lake->store, f->path, &exists, &device, &inode, e));
        c->out->folder_count += !exists;
    }
    return 0;
}

/* Find what may go, into out->files; removes nothing. */
static int find_orphans(struct cleaner *c, int64_t limit_ns, struct err *e) {
    char *warehouse;
    TRY(catalog_list(c->lake->catalog, true, note_table, c, e));
    if (!c->o->table) {
        TRY(store_resolve(c->lake->store, c->lake->warehouse, c->arena, &warehouse, e));
        c->warehouse = warehouse;
        TRY(add_path(c, &c->roots, &c->root_count, &c->root_cap, warehouse, e));
    } else if (!c->root_count) {
        return err_set(e, ERR_INPUT, "there is no table %s.%s", c->o->namespace_name, c->o->table);
    }
    /* Files first, names afterwards: what is committed in between is then named. */
    TRY(look_through(c, e));
    TRY(catalog_list(c->lake->catalog, true, note_table, c, e));
    TRY(catalog_list(c->lake->catalog, true, name_table, c, e));
    TRY(find_strays(c, e));
    return sift(c, limit_ns, e);
}

static int clean(struct cleaner *c, struct err *e) {
    int64_t limit_ns = clock_real_ns() - c->o->older_than_ns;
    if (find_orphans(c, limit_ns, e)) return err_prefix(e, "nothing was removed");
    if (c->o->dry_run) return 0;
    for (size_t i = 0; i < c->out->file_count; i++)
        TRY(store_remove(c->lake->store, c->out->files[i].path, false, e));
    return remove_folders(c, limit_ns, e);
}

int iceberg_clean(struct lake *l, const struct iceberg_clean_options *o, struct iceberg_cleaned *out,
                  struct err *e) {
    memset(out, 0, sizeof *out);
    arena_init(&out->arena);
    struct cleaner c = {.lake = l, .o = o, .out = out, .arena = &out->arena};
    names_init(&c.names);
    names_init(&c.uuids);
    int rc = clean(&c, e);
    names_release(&c.names);
    names_release(&c.uuids);
    return rc;
}

void iceberg_cleaned_release(struct iceberg_cleaned *c) {
    arena_release(&c->arena);
}
