#include "bench/verify_pair.h"

#include <string.h>

enum { COLUMNS_MAX = 500 };

static const char *type_of(const json_t *field) {
    const char *type = json_string_value(json_object_get(field, "type"));
    return type ? type : "nested";
}

static bool is_one_of(const char *name, const char *const *list) {
    for (; *list; list++)
        if (strcmp(name, *list) == 0) return true;
    return false;
}

static void only_in(const json_t *fields, const json_t *others, json_t *list) {
    size_t i;
    const json_t *f;
    json_array_foreach(fields, i, f) {
        const char *name = json_string_value(json_object_get(f, "name"));
        if (name && !verify_field(others, name)) json_array_append_new(list, json_string(name));
    }
}

int verify_pair_match(struct verify_pair *p, bool is_rejects, struct arena *arena, struct err *e) {
    static const char *const keys[] = {"user_id", "event_time", "event_id", NULL};
    static const char *const reject_keys[] = {"user_id", "timestamp", "event_id", NULL};
    const json_t *a = verify_fields(&p->tables[0]), *b = verify_fields(&p->tables[1]), *field;
    json_t *left = json_array(), *right = json_array(), *types = json_object();
    size_t i, n = json_array_size(a);
    p->reason = p->raw = -1;
    p->columns = arena_zalloc(arena, (n + 1) * sizeof *p->columns);
    if (!p->columns) return err_nomem(e);
    json_array_foreach(a, i, field) {
        const char *name = json_string_value(json_object_get(field, "name")), *type = type_of(field);
        const json_t *other = name ? verify_field(b, name) : NULL;
        if (!other || (is_rejects && strcmp(name, "source_file") == 0)) continue;
        if (strcmp(type, type_of(other)) != 0)
            json_object_set_new(types, name, json_pack("[s,s]", type, type_of(other)));
        p->columns[p->column_count] = (struct verify_column){
            .name = name,
            .is_text = strcmp(type, "string") == 0 && strcmp(type_of(other), "string") == 0,
            .is_time = strncmp(type, "timestamp", 9) == 0 && strncmp(type_of(other), "timestamp", 9) == 0,
            .is_key = is_one_of(name, is_rejects ? reject_keys : keys)};
        if (is_rejects && strcmp(name, "reason") == 0) p->reason = (int)p->column_count;
        if (is_rejects && strcmp(name, "raw") == 0) p->raw = (int)p->column_count;
        p->column_count++;
    }
    only_in(a, b, left);
    only_in(b, a, right);
    p->same_columns = json_array_size(left) + json_array_size(right) == 0;
    if (json_object_set_new(p->report, "columns_only_in_a", left) ||
        json_object_set_new(p->report, "columns_only_in_b", right) ||
        json_object_set_new(p->report, "types_differ", types))
        return err_nomem(e);
    if (!p->column_count || p->column_count > COLUMNS_MAX)
        return err_set(e, ERR_INPUT, "%s and %s have %zu columns in common; 1 to %d can be compared",
                       p->tables[0].name, p->tables[1].name, p->column_count, COLUMNS_MAX);
    if (is_rejects && p->reason < 0)
        return err_set(e, ERR_INPUT, "%s and %s: no column reason in both; they are no rejects",
                       p->tables[0].name, p->tables[1].name);
    return 0;
}
