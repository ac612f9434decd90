#include "etl/iceberg_lake.h"

#include "base/files.h"

#include <stdio.h>
#include <stdlib.h>

static int make_warehouse(struct lake *l, bool create, struct err *e) {
    struct arena a;
    arena_init(&a);
    const char *path = store_path(&a, l->warehouse);
    int rc = 0;
    if (store_is_s3(l->warehouse)) {
        /* There is nothing to make; this tells of wrong keys and buckets before any work. */
        rc = store_check(l->store, l->warehouse, e);
    } else if (!path && store_is_local(l->warehouse))
        rc = err_nomem(e);
    else if (!path)
        rc = err_set(e, ERR_INPUT, "warehouse \"%s\": write file:///absolute/path or s3://bucket/prefix",
                     l->warehouse);
    else if (!file_is_dir(path))
        rc = create ? file_make_dirs(path, e) : err_set(e, ERR_INPUT, "there is no warehouse \"%s\"", path);
    arena_release(&a);
    return rc;
}

/* Locations are written as file:///…, whatever form was given. */
static char *as_location(const char *given) {
    struct arena a;
    arena_init(&a);
    const char *name = store_name(&a, given);
    size_t n = (name ? strlen(name) : 0) + sizeof "file://";
    char *out = name ? malloc(n) : NULL;
    if (out) snprintf(out, n, "%s%s", store_is_local(given) ? "file://" : "", name);
    arena_release(&a);
    return out;
}

int lake_open(const struct lake_options *o, bool create, struct lake **out, struct err *e) {
    /* Locations are URIs to other readers: PyIceberg cuts them there, escaped or not. */
    if (create && strpbrk(o->warehouse, "#?"))
        return err_set(e, ERR_INPUT,
                       "could not use \"%s\" as a warehouse: other Iceberg readers cannot read below a "
                       "folder with # or ? in its name",
                       o->warehouse);
    struct lake *l = calloc(1, sizeof *l);
    if (!l || !(l->warehouse = as_location(o->warehouse))) {
        free(l);
        return err_nomem(e);
    }
    int rc = store_open(&o->store, &l->store, e);
    /* Made last: where there is a catalog, the warehouse is there too, whenever a crash came. */
    if (!rc && create) rc = make_warehouse(l, true, e);
    if (!rc) rc = catalog_open(o->catalog_uri, o->catalog_name, create, &l->catalog, e);
    if (!rc && !create) rc = make_warehouse(l, false, e);
    if (rc)
        lake_close(l);
    else
        *out = l;
    return rc;
}

void lake_close(struct lake *l) {
    if (!l) return;
    catalog_close(l->catalog);
    store_close(l->store);
    free(l->warehouse);
    free(l);
}

int lake_load(struct lake *l, const char *namespace_name, const char *table, struct iceberg_table *out,
              struct err *e) {
    *out = (struct iceberg_table){0};
    TRY(catalog_find(l->catalog, namespace_name, table, &out->metadata_location, e));
    if (!out->metadata_location) return 0;
    int rc = iceberg_metadata_load(l->store, out->metadata_location, &out->metadata, e);
    if (rc) {
        err_prefix(e, "table %s.%s", namespace_name, table);
        iceberg_table_release(out);
    }
    return rc;
}

void iceberg_table_release(struct iceberg_table *t) {
    free(t->metadata_location);
    json_decref(t->metadata);
    *t = (struct iceberg_table){0};
}

/* ---- a table opened for writing ---- */

static int copy_columns(struct iceberg_writer *w, const struct iceberg_column *columns, uint32_t count,
                        struct err *e) {
    w->columns = arena_alloc(&w->arena, count * sizeof *w->columns);
    if (!w->columns) return err_nomem(e);
    w->column_count = count;
    for (uint32_t i = 0; i < count; i++) {
        w->columns[i] = columns[i];
        w->columns[i].name = arena_printf(&w->arena, "%s", columns[i].name);
        if (!w->columns[i].name) return err_nomem(e);
    }
    return 0;
}

/* As PyIceberg: under the namespace's location if it has one, else warehouse/namespace/table. */
static int new_location(struct iceberg_writer *w, struct err *e) {
    if (!*w->namespace_name || !*w->table || strchr(w->namespace_name, '/') || strchr(w->table, '/') ||
        w->table[0] == '.' || w->namespace_name[0] == '.')
        return err_set(e, ERR_INPUT, "\"%s\" cannot be a table's name", w->name);
    char *given = NULL;
    TRY(catalog_namespace_location(w->lake->catalog, w->namespace_name, &given, e));
    if (given) {
        char *location = as_location(given);
        w->location = location ? arena_printf(&w->arena, "%s/%s", location, w->table) : NULL;
        free(location);
    } else {
        w->location = arena_printf(&w->arena, "%s/%s/%s", w->lake->warehouse, w->namespace_name, w->table);
    }
    free(given);
    return w->location ? 0 : err_nomem(e);
}

static int set_data_dir(struct iceberg_writer *w, struct err *e) {
    const json_t *properties = json_object_get(w->state.metadata, "properties");
    const char *given = json_text(properties, "write.data.path");
    if (!given) {
        const char *location = w->state.metadata ? json_text(w->state.metadata, "location") : w->location;
        given = arena_printf(&w->arena, "%s/data", location);
        if (!given) return err_nomem(e);
    }
    if (!store_is_local(given) && !store_is_s3(given))
        return err_set(e, ERR_INPUT,
                       "table %s: data location \"%s\" is neither on this file system nor on S3", w->name,
                       given);
    w->data_dir = store_name(&w->arena, given);
    return w->data_dir ? 0 : err_nomem(e);
}

static int open_writer(struct iceberg_writer *w, const struct iceberg_column *columns, uint32_t column_count,
                       struct err *e) {
    TRY(copy_columns(w, columns, column_count, e));
    TRY(lake_load(w->lake, w->namespace_name, w->table, &w->state, e));
    if (w->state.metadata) {
        TRY(iceberg_plan_columns(w->state.metadata, w->name, w->columns, column_count, w->partition_column,
                                 &w->arena, &w->plan, e));
    } else {
        TRY(new_location(w, e));
        TRY(iceberg_plan_new(w->columns, column_count, w->partition_column, &w->arena, &w->plan, e));
    }
    return set_data_dir(w, e);
}

int iceberg_writer_open(struct lake *l, const char *namespace_name, const char *table,
                        const struct iceberg_column *columns, uint32_t column_count, int partition_column,
                        struct iceberg_writer **out, struct err *e) {
    struct iceberg_writer *w = calloc(1, sizeof *w);
    if (!w) return err_nomem(e);
    w->lake = l;
    w->partition_column = partition_column;
    arena_init(&w->arena);
    w->namespace_name = arena_printf(&w->arena, "%s", namespace_name);
    w->table = arena_printf(&w->arena, "%s", table);
    w->name = arena_printf(&w->arena, "%s.%s", namespace_name, table);
    int rc = w->namespace_name && w->table && w->name ? 0 : err_nomem(e);
    if (!rc) rc = open_writer(w, columns, column_count, e);
    if (rc)
        iceberg_writer_free(w);
    else
        *out = w;
    return rc;
}

void iceberg_writer_free(struct iceberg_writer *w) {
    if (!w) return;
    iceberg_table_release(&w->state);
    arena_release(&w->arena);
    free(w);
}

int32_t iceberg_writer_field_id(const struct iceberg_writer *w, uint32_t i) {
    return w->plan.field_ids[i];
}

bool iceberg_writer_partitioned(const struct iceberg_writer *w) {
    return w->plan.partitioned;
}

bool iceberg_writer_has_run(const struct iceberg_writer *w, const char *run_id) {
    return w->state.metadata && iceberg_run_snapshot(w->state.metadata, run_id);
}

const char *iceberg_writer_run_property(const struct iceberg_writer *w, const char *run_id, const char *key) {
    const json_t *snapshot = w->state.metadata ? iceberg_run_snapshot(w->state.metadata, run_id) : NULL;
    return json_text(json_object_get(snapshot, "summary"), key);
}

const char *iceberg_writer_data_dir(const struct iceberg_writer *w) {
    return w->data_dir;
}

struct store *iceberg_writer_store(const struct iceberg_writer *w) {
    return w->lake->store;
}
