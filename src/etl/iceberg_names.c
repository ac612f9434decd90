#include "etl/iceberg_names.h"

#include <stdlib.h>
#include <xxhash.h>

void names_init(struct names *n) {
    *n = (struct names){0};
    arena_init(&n->arena);
}

void names_release(struct names *n) {
    free(n->slots);
    arena_release(&n->arena);
}

static struct str *slot_of(struct str *slots, size_t cap, const void *key, size_t len) {
    size_t i = XXH3_64bits(key, len) & (cap - 1);
    while (slots[i].ptr && (slots[i].len != len || memcmp(slots[i].ptr, key, len) != 0))
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

static int grow(struct names *n, struct err *e) {
    size_t cap = n->cap ? 2 * n->cap : 1024;
    struct str *slots = calloc(cap, sizeof *slots);
    if (!slots) return err_nomem(e);
    for (size_t i = 0; i < n->cap; i++)
        if (n->slots[i].ptr) *slot_of(slots, cap, n->slots[i].ptr, n->slots[i].len) = n->slots[i];
    free(n->slots);
    n->slots = slots;
    n->cap = cap;
    return 0;
}

int names_add(struct names *n, const void *key, size_t len, bool *added, struct err *e) {
    if (2 * n->count >= n->cap) TRY(grow(n, e));
    struct str *slot = slot_of(n->slots, n->cap, key, len);
    *added = !slot->ptr;
    if (slot->ptr) return 0;
    slot->ptr = arena_copy(&n->arena, key, len);
    if (!slot->ptr) return err_nomem(e);
    slot->len = (uint32_t)len;
    n->count++;
    return 0;
}

bool names_has(const struct names *n, const void *key, size_t len) {
    return n->cap && slot_of(n->slots, n->cap, key, len)->ptr;
}

/* An identity cannot be taken for a path: that begins with '/'. */
struct identity {
    char tag[8];
    uint64_t device, inode;
};

bool names_has_path(const struct names *n, const char *path) {
    return names_has(n, path, strlen(path));
}

bool names_has_identity(const struct names *n, uint64_t device, uint64_t inode) {
    struct identity id = {"inode", device, inode};
    return names_has(n, &id, sizeof id);
}

int names_add_file(struct names *n, struct store *s, const char *location, bool *added, struct err *e) {
    struct arena scratch;
    arena_init(&scratch);
    const char *path = store_name(&scratch, location);
    if (!path) return err_nomem(e);
    bool exists = false, new_identity;
    struct identity id = {"inode", 0, 0};
    int rc = names_add(n, path, strlen(path), added, e);
    /* An object has one name only. */
    if (!rc && store_is_local(location) && *added)
        rc = store_identify(s, path, &exists, &id.device, &id.inode, e);
    if (!rc && exists) rc = names_add(n, &id, sizeof id, &new_identity, e);
    arena_release(&scratch);
    return rc;
}

static int add_entries(struct names *n, struct store *s, const struct iceberg_manifest *m, struct err *e) {
    struct iceberg_manifest_reader r;
    TRY(iceberg_manifest_open(&r, s, m, e));
    int rc = 0;
    for (bool done = false, added; !rc;) {
        struct iceberg_entry entry;
        rc = iceberg_manifest_next(&r, &entry, &done, e);
        if (rc || done) break;
        rc = names_add_file(n, s, entry.path, &added, e);
    }
    iceberg_manifest_close(&r);
    return rc;
}

static int add_snapshot(struct names *n, struct store *s, const json_t *snapshot, struct err *e) {
    struct arena arena;
    struct iceberg_manifest *manifests = NULL;
    size_t count = 0;
    bool added = true;
    const char *list = json_text(snapshot, "manifest-list");
    if (list) TRY(names_add_file(n, s, list, &added, e));
    if (!added) return 0; /* a list that another snapshot shares has been read */
    arena_init(&arena);
    int rc = iceberg_snapshot_manifests(s, snapshot, &arena, &manifests, &count, e);
    for (size_t i = 0; i < count && !rc; i++) {
        rc = names_add_file(n, s, manifests[i].path, &added, e);
        if (!rc && added) rc = add_entries(n, s, &manifests[i], e);
    }
    arena_release(&arena);
    return rc;
}

static int add_each(struct names *n, struct store *s, const json_t *list, const char *key, struct err *e) {
    size_t i;
    const json_t *item;
    bool added;
    json_array_foreach(list, i, item) {
        const char *location = json_text(item, key);
        if (location) TRY(names_add_file(n, s, location, &added, e));
    }
    return 0;
}

static int add_all(struct names *n, struct store *s, const json_t *metadata, struct err *e) {
    TRY(add_each(n, s, json_object_get(metadata, "metadata-log"), "metadata-file", e));
    TRY(add_each(n, s, json_object_get(metadata, "statistics"), "statistics-path", e));
    TRY(add_each(n, s, json_object_get(metadata, "partition-statistics"), "statistics-path", e));
    size_t i;
    const json_t *snapshot;
    json_array_foreach(json_object_get(metadata, "snapshots"), i, snapshot)
        TRY(add_snapshot(n, s, snapshot, e));
    return 0;
}

int iceberg_names_add_table(struct names *n, struct store *s, const char *location, struct err *e) {
    json_t *metadata;
    bool added;
    TRY(iceberg_metadata_load(s, location, &metadata, e));
    int rc = names_add_file(n, s, location, &added, e);
    if (!rc) rc = add_all(n, s, metadata, e);
    json_decref(metadata);
    return rc;
}
