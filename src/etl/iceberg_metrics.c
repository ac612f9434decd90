/* A new data file's metrics, from its row groups' metadata (Iceberg table spec, "Data File Fields"). */
#include "etl/iceberg_lake.h"

#include <stdio.h>

/* The order of two bounds in single-value serialization: little-endian numbers, bytes. */
static int compare(enum parquet_type type, const uint8_t *a, size_t na, const uint8_t *b, size_t nb) {
    switch (type) {
    case PARQUET_INT32: {
        int32_t x = 0, y = 0;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return (x > y) - (x < y);
    }
    case PARQUET_INT64:
    case PARQUET_TIMESTAMPTZ: {
        int64_t x = 0, y = 0;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return (x > y) - (x < y);
    }
    case PARQUET_DOUBLE: {
        double x = 0, y = 0;
        memcpy(&x, a, sizeof x);
        memcpy(&y, b, sizeof y);
        return (x > y) - (x < y);
    }
    default:
        return str_cmp((struct str){(const char *)a, (uint32_t)na},
                       (struct str){(const char *)b, (uint32_t)nb});
    }
}

/* One column over all row groups. */
struct column_metrics {
    int64_t bytes, nulls, nans;
    const uint8_t *lower, *upper;
    size_t lower_len, upper_len;
    bool no_lower, no_upper; /* some group has values without a bound */
};

static struct column_metrics combine(const struct iceberg_file *f, uint32_t column, enum parquet_type type) {
    struct column_metrics m = {0};
    for (uint32_t g = 0; g < f->group_count; g++) {
        const struct parquet_chunk_meta *c = &f->groups[g]->columns[column];
        m.bytes += (int64_t)c->compressed_bytes;
        m.nulls += (int64_t)c->null_count;
        m.nans += (int64_t)c->nan_count;
        if (c->null_count + c->nan_count >= f->groups[g]->rows) continue; /* nothing to bound */
        if (!c->has_bounds)
            m.no_lower = true;
        else if (!m.lower || compare(type, c->lower, c->lower_len, m.lower, m.lower_len) < 0) {
            m.lower = c->lower;
            m.lower_len = c->lower_len;
        }
        if (!c->has_bounds || !c->has_upper)
            m.no_upper = true;
        else if (!m.upper || compare(type, c->upper, c->upper_len, m.upper, m.upper_len) > 0) {
            m.upper = c->upper;
            m.upper_len = c->upper_len;
        }
    }
    if (m.no_lower) m.lower = NULL;
    if (m.no_upper) m.upper = NULL;
    return m;
}

/* The arrays of key-value records under construction. */
struct map {
    struct avro_value *items;
    size_t count;
};

static int map_add(struct map *m, struct arena *arena, int32_t key, struct avro_value value, struct err *e) {
    struct avro_value *pair = arena_alloc(arena, 2 * sizeof *pair);
    if (!pair) return err_nomem(e);
    pair[0] = avro_int(key);
    pair[1] = value;
    m->items[m->count++] = avro_items(AVRO_RECORD, pair, 2);
    return 0;
}

static int add_bound(struct map *m, struct arena *arena, int32_t key, bool promoted, const uint8_t *bound,
                     size_t len, struct err *e) {
    if (!bound) return 0;
    if (promoted) { /* the table's type is long */
        int32_t narrow;
        memcpy(&narrow, bound, sizeof narrow);
        int64_t wide = narrow;
        len = sizeof wide;
        bound = (const uint8_t *)arena_copy(arena, &wide, len);
        if (!bound) return err_nomem(e);
    }
    return map_add(m, arena, key, avro_bytes(bound, len), e);
}

enum { SIZES, VALUES, NULLS, NANS, LOWER, UPPER, MAPS };

static int column_values(const struct iceberg_writer *w, const struct iceberg_file *f, uint32_t i,
                         int64_t rows, struct map maps[MAPS], struct arena *arena, struct err *e) {
    int32_t id = w->plan.field_ids[i];
    struct column_metrics m = combine(f, i, w->columns[i].type);
    TRY(map_add(&maps[SIZES], arena, id, avro_int(m.bytes), e));
    TRY(map_add(&maps[VALUES], arena, id, avro_int(rows), e));
    TRY(map_add(&maps[NULLS], arena, id, avro_int(m.nulls), e));
    if (w->columns[i].type == PARQUET_DOUBLE) TRY(map_add(&maps[NANS], arena, id, avro_int(m.nans), e));
    TRY(add_bound(&maps[LOWER], arena, id, w->plan.promoted[i], m.lower, m.lower_len, e));
    return add_bound(&maps[UPPER], arena, id, w->plan.promoted[i], m.upper, m.upper_len, e);
}

int iceberg_file_values(const struct iceberg_writer *w, const struct iceberg_file *f, struct arena *arena,
                        struct avro_value out[FILE_FIELD_COUNT], int64_t *rows, struct err *e) {
    struct map maps[MAPS] = {0};
    *rows = 0;
    struct avro_value *offsets = arena_alloc(arena, f->group_count * sizeof *offsets);
    if (!offsets) return err_nomem(e);
    for (uint32_t g = 0; g < f->group_count; g++) {
        *rows += f->groups[g]->rows;
        offsets[g] = avro_int((int64_t)f->groups[g]->offset);
    }
    for (int m = 0; m < MAPS; m++) {
        maps[m].items = arena_alloc(arena, w->column_count * sizeof *maps[m].items);
        if (!maps[m].items) return err_nomem(e);
    }
    for (uint32_t i = 0; i < w->column_count; i++) TRY(column_values(w, f, i, *rows, maps, arena, e));

    const char *path = arena_printf(arena, "%s%s", *f->path == '/' ? "file://" : "", f->path);
    if (!path) return err_nomem(e);
    out[FILE_CONTENT] = avro_int(ICEBERG_FILE_DATA);
    out[FILE_PATH] = avro_string(path);
    out[FILE_FORMAT] = avro_string("PARQUET");
    out[FILE_RECORD_COUNT] = avro_int(*rows);
    out[FILE_SIZE] = avro_int((int64_t)f->bytes);
    out[FILE_COLUMN_SIZES] = avro_items(AVRO_ARRAY, maps[SIZES].items, maps[SIZES].count);
    out[FILE_VALUE_COUNTS] = avro_items(AVRO_ARRAY, maps[VALUES].items, maps[VALUES].count);
    out[FILE_NULL_COUNTS] = avro_items(AVRO_ARRAY, maps[NULLS].items, maps[NULLS].count);
    out[FILE_NAN_COUNTS] = avro_items(AVRO_ARRAY, maps[NANS].items, maps[NANS].count);
    out[FILE_LOWER_BOUNDS] = avro_items(AVRO_ARRAY, maps[LOWER].items, maps[LOWER].count);
    out[FILE_UPPER_BOUNDS] = avro_items(AVRO_ARRAY, maps[UPPER].items, maps[UPPER].count);
    out[FILE_KEY_METADATA] = avro_null();
    out[FILE_SPLIT_OFFSETS] = avro_items(AVRO_ARRAY, offsets, f->group_count);
    out[FILE_EQUALITY_IDS] = avro_null();
    out[FILE_SORT_ORDER_ID] = avro_int(0);
    out[FILE_REFERENCED_DATA_FILE] = avro_null();
    return 0;
}
