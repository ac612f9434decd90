/* Triggers in a case's catalog: a commit that is refused, commits that are written down. */
#include "bench/kit_case.h"
#include "edge/sqlite_script.h"

int kit_catalog_forbid(const struct kit_case *c, const char *table, struct err *e) {
    char sql[512];
    if (!table)
        return sqlite_script_run(c->catalog_path, "DROP TRIGGER kit_no_insert; DROP TRIGGER kit_no_update;",
                                 NULL, NULL, e);
    snprintf(sql, sizeof sql,
             "CREATE TRIGGER kit_no_insert BEFORE INSERT ON iceberg_tables WHEN new.table_name = '%s' "
             "BEGIN SELECT raise(abort, 'not now'); END;"
             "CREATE TRIGGER kit_no_update BEFORE UPDATE ON iceberg_tables WHEN new.table_name = '%s' "
             "BEGIN SELECT raise(abort, 'not now'); END;",
             table, table);
    return sqlite_script_run(c->catalog_path, sql, NULL, NULL, e);
}

int kit_catalog_log(const struct kit_case *c, struct err *e) {
    return sqlite_script_run(c->catalog_path,
                             "CREATE TABLE kit_log (name TEXT);"
                             "CREATE TRIGGER kit_log_insert AFTER INSERT ON iceberg_tables "
                             "BEGIN INSERT INTO kit_log VALUES (new.table_name); END;"
                             "CREATE TRIGGER kit_log_update AFTER UPDATE ON iceberg_tables "
                             "BEGIN INSERT INTO kit_log VALUES (new.table_name); END;",
                             NULL, NULL, e);
}

static int add_name(void *ctx, const char *value, struct err *e) {
    return json_array_append_new(ctx, json_string(value ? value : "?")) ? err_nomem(e) : 0;
}

int kit_catalog_logged(const struct kit_case *c, json_t **names, struct err *e) {
    if (!(*names = json_array())) return err_nomem(e);
    return sqlite_script_run(c->catalog_path, "SELECT name FROM kit_log ORDER BY rowid", add_name, *names, e);
}
