#include "etl/column_names.h"

enum { LISTED_MAX = 1200 }; /* bytes of names that an error lists */

static int add_name(struct buf *list, struct str name, struct err *e) {
    if (list->len) TRY(buf_add_str(list, ", ", e));
    if (list->len + name.len <= LISTED_MAX) return buf_add(list, name.ptr, name.len, e);
    return buf_add_str(list, "…", e);
}

static int missing_column(const struct column_names *names, const char *wanted, const char *where,
                          const char *file, struct err *e) {
    struct buf list;
    buf_init(&list, 0);
    int rc = 0;
    for (uint32_t i = 0; !rc && i < names->count && list.len <= LISTED_MAX; i++)
        rc = add_name(&list, names->name[i], e);
    const char *text = rc ? NULL : buf_cstr(&list);
    rc = text ? err_set(e, ERR_INPUT, "could not read \"%s\": no column \"%s\" in its %s; there are: %s",
                        file, wanted, where, text)
              : err_nomem(e);
    buf_release(&list);
    return rc;
}

int column_find(const struct column_names *names, const char *wanted, const char *where, const char *file,
                uint32_t *number, struct err *e) {
    bool found = false;
    for (uint32_t i = 0; i < names->count; i++) {
        if (!str_eq(names->name[i], str_of(wanted))) continue;
        if (found)
            return err_set(e, ERR_INPUT, "could not read \"%s\": its %s names column \"%s\" twice", file,
                           where, wanted);
        found = true;
        *number = i;
    }
    return found ? 0 : missing_column(names, wanted, where, file, e);
}
