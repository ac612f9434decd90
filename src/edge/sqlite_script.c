#include "edge/sqlite_script.h"

#include <sqlite3.h>
#include <stddef.h>

enum { BUSY_MS = 10000 };

struct call {
    sqlite_script_fn *fn;
    void *ctx;
    int rc;
    struct err *e;
};

static int take_row(void *ctx, int columns, char **values, char **names) {
    struct call *c = ctx;
    (void)names;
    if (c->fn && columns) c->rc = c->fn(c->ctx, values[0], c->e);
    return c->rc;
}

int sqlite_script_run(const char *path, const char *sql, sqlite_script_fn *fn, void *ctx, struct err *e) {
    struct call call = {.fn = fn, .ctx = ctx, .e = e};
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_busy_timeout(db, BUSY_MS);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db, sql, take_row, &call, NULL);
    if (call.rc)
        rc = call.rc;
    else if (rc != SQLITE_OK)
        rc = err_set(e, ERR_OUTSIDE, "\"%s\": %s", path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_close(db);
    return rc;
}
