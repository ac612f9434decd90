/* Which of a table's columns the caller's columns are, and whether they can be written there. */
#include "etl/iceberg_metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *iceberg_type_name(enum parquet_type type) {
    static const char *const names[] = {"string", "int", "long", "double", "timestamptz"};
    return names[type];
}

static int plan_alloc(uint32_t count, struct arena *arena, struct iceberg_plan *out, struct err *e) {
    memset(out, 0, sizeof *out);
    out->field_ids = arena_zalloc(arena, count * sizeof *out->field_ids);
    out->added = arena_zalloc(arena, count * sizeof *out->added);
    out->promoted = arena_zalloc(arena, count * sizeof *out->promoted);
    return out->field_ids && out->added && out->promoted ? 0 : err_nomem(e);
}

int iceberg_plan_new(const struct iceberg_column *columns, uint32_t column_count, int partition_column,
                     struct arena *arena, struct iceberg_plan *out, struct err *e) {
    TRY(plan_alloc(column_count, arena, out, e));
    for (uint32_t i = 0; i < column_count; i++) out->field_ids[i] = columns[i].field_id;
    if (partition_column < 0) return 0;
    out->partitioned = true;
    out->partition_field_id = 1000;
    out->partition_name = arena_printf(arena, "%s_day", columns[partition_column].name);
    return out->partition_name ? 0 : err_nomem(e);
}

static int refuse(const char *table, const char *column, const char *why, struct err *e) {
    return err_set(e, ERR_INPUT, "table %s: column %s %s", table, column, why);
}

static int plan_column(const char *table, const struct iceberg_column *c, const json_t *field,
                       struct iceberg_plan *plan, uint32_t i, struct err *e) {
    plan->field_ids[i] = (int32_t)json_int(field, "id", 0);
    const char *type = json_text(field, "type");
    plan->promoted[i] = c->type == PARQUET_INT32 && type && strcmp(type, "long") == 0;
    if (!type || (strcmp(type, iceberg_type_name(c->type)) != 0 && !plan->promoted[i])) {
        char why[256];
        snprintf(why, sizeof why, "is of type %s there, but %s would be written", type ? type : "nested",
                 iceberg_type_name(c->type));
        return refuse(table, c->name, why, e);
    }
    if (json_is_true(json_object_get(field, "required")) && !c->required)
        return refuse(table, c->name, "is required there, but may be null in what would be written", e);
    return 0;
}

/* Names that differ only in case: engines that ignore it (DuckDB, Spark) could not tell the columns apart. */
static int check_case(const char *table, const char *column, const json_t *fields, struct err *e) {
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field) {
        const char *name = json_text(field, "name");
        if (strcasecmp(name, column) != 0) continue;
        char why[256];
        snprintf(why, sizeof why, "is called %s there: names must not differ only in case", name);
        return refuse(table, column, why, e);
    }
    return 0;
}

/* Columns of the table that the caller does not write must be optional. */
static int check_others(const char *table, const json_t *fields, const struct iceberg_column *columns,
                        uint32_t column_count, struct err *e) {
    size_t i;
    const json_t *field;
    json_array_foreach(fields, i, field) {
        const char *name = json_text(field, "name");
        bool written = false;
        for (uint32_t c = 0; c < column_count; c++) written |= strcmp(columns[c].name, name) == 0;
        if (!written && json_is_true(json_object_get(field, "required")))
            return refuse(table, name, "is required there, but would not be written", e);
    }
    return 0;
}

static int plan_spec(const json_t *metadata, const char *table, const struct iceberg_column *columns,
                     int partition_column, struct arena *arena, struct iceberg_plan *out, struct err *e) {
    const json_t *spec = iceberg_default_spec(metadata), *fields = json_object_get(spec, "fields");
    out->spec_id = (int32_t)json_int(spec, "spec-id", 0);
    if (json_array_size(fields) == 0) return 0;
    const json_t *field = json_array_get(fields, 0);
    const char *transform = json_text(field, "transform");
    bool day = json_array_size(fields) == 1 && partition_column >= 0 && strcmp(transform, "day") == 0 &&
               json_int(field, "source-id", -1) == out->field_ids[partition_column];
    int64_t id = json_int(field, "field-id", -1);
    if (!day || id < 0 || id > INT32_MAX) {
        char *text = json_print(fields);
        err_set(e, ERR_INPUT, "table %s: its partitioning %s is not supported; it must be %s%s%s", table,
                text ? text : "", partition_column >= 0 ? "day(" : "none",
                partition_column >= 0 ? columns[partition_column].name : "",
                partition_column >= 0 ? ") or none" : "");
        free(text);
        return e->code;
    }
    out->partitioned = true;
    out->partition_field_id = (int32_t)id;
    out->partition_name = arena_printf(arena, "%s", json_text(field, "name"));
    return out->partition_name ? 0 : err_nomem(e);
}

int iceberg_plan_columns(const json_t *metadata, const char *table, const struct iceberg_column *columns,
                         uint32_t column_count, int partition_column, struct arena *arena,
                         struct iceberg_plan *out, struct err *e) {
    int64_t version = json_int(metadata, "format-version", 0);
    if (version != 2)
        return err_set(e, ERR_INPUT,
                       "table %s is of Iceberg format version %lld; only version 2 can be written", table,
                       (long long)version);
    TRY(plan_alloc(column_count, arena, out, e));
    const json_t *fields = json_object_get(iceberg_current_schema(metadata), "fields"), *field;
    int64_t next = json_int(metadata, "last-column-id", 0) + 1;
    for (uint32_t c = 0; c < column_count; c++) {
        const json_t *found = NULL;
        size_t i;
        json_array_foreach(fields, i, field) if (strcmp(json_text(field, "name"), columns[c].name) == 0)
            found = field;
        if (found) {
            TRY(plan_column(table, &columns[c], found, out, c, e));
            continue;
        }
        TRY(check_case(table, columns[c].name, fields, e));
        out->added[c] = true;
        out->added_count++;
        out->field_ids[c] = (int32_t)next++;
    }
    TRY(check_others(table, fields, columns, column_count, e));
    return plan_spec(metadata, table, columns, partition_column, arena, out, e);
}
