#include "base/files.h"
#include "cli/cli.h"
#include "edge/catalog_uri.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int cli_absolute(const char *path, struct arena *arena, const char **out, struct err *e) {
    char cwd[PATH_MAX];
    while (path[0] == '.' && path[1] == '/') path += 2;
    if (path[0] == '/') {
        *out = arena_printf(arena, "%s", path);
    } else if (!getcwd(cwd, sizeof cwd)) {
        return err_errno(e, ERR_OUTSIDE, "could not find the working directory");
    } else {
        bool here = strcmp(path, ".") == 0 || !*path;
        *out = here ? arena_printf(arena, "%s", cwd)
                    : arena_printf(arena, "%s/%s", strcmp(cwd, "/") ? cwd : "", path);
    }
    return *out ? 0 : err_nomem(e);
}

static const char *pick(const char *given, const char *variable) {
    if (given) return given;
    const char *v = getenv(variable);
    return v && *v ? v : NULL;
}

/* A password in the URI goes where the stacks look for it, and out of the process list if it came from an
 * option. From here on no job, message or result knows it. */
static int catalog_uri(const char *uri, bool is_option, struct arena *arena, const char **out,
                       struct err *e) {
    struct catalog_uri u;
    int rc = catalog_uri_parse(uri, arena, &u, e);
    const char *secret = strncmp(uri, "sqlite:", 7) != 0 ? strpbrk(uri, "@?") : NULL;
    if (is_option && secret && (rc || u.password)) {
        char *argument = (char *)(uintptr_t)uri; /* in argv, which is ours to write */
        memset(argument, '*', strlen(argument));
    }
    if (!rc && u.password && setenv("PGPASSWORD", u.password, 1)) rc = err_nomem(e);
    if (!rc) *out = u.text;
    return rc;
}

static int warehouse_uri(const char *uri, struct arena *arena, const char **out, struct err *e) {
    const char *path = uri;
    if (store_is_s3(uri)) {
        *out = store_name(arena, uri);
        return *out ? 0 : err_nomem(e);
    }
    if (strncmp(uri, "file://", 7) == 0)
        path = uri + 7;
    else if (strncmp(uri, "file:/", 6) == 0)
        path = uri + 5;
    if (path[0] != '/')
        return err_set(e, ERR_INPUT, "warehouse \"%s\": write file:///abs/path or s3://bucket/prefix", uri);
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/') len--;
    *out = arena_printf(arena, "file://%.*s", (int)len, path);
    return *out ? 0 : err_nomem(e);
}

int cli_lake_resolve(const struct cli_lake *given, struct arena *arena, struct lake_options *out,
                     struct err *e) {
    const char *lake = pick(given->lake, "WEIR_LAKE"), *dir;
    const char *catalog = pick(given->catalog, "WEIR_CATALOG"), *name;
    const char *warehouse = pick(given->warehouse, "WEIR_WAREHOUSE");
    /* A folder named on the command line wins over locations that only the environment names. */
    if (given->lake && !given->catalog) catalog = NULL;
    if (given->lake && !given->warehouse) warehouse = NULL;
    name = pick(given->catalog_name, "WEIR_CATALOG_NAME");
    TRY(cli_absolute(lake ? lake : "lake", arena, &dir, e));
    size_t len = strlen(dir);
    while (len > 1 && dir[len - 1] == '/') len--;
    struct lake_options o = {0};
    if (catalog)
        TRY(catalog_uri(catalog, given->catalog != NULL, arena, &o.catalog_uri, e));
    else
        o.catalog_uri = arena_printf(arena, "sqlite://%.*s/catalog.db", (int)len, dir);
    if (warehouse)
        TRY(warehouse_uri(warehouse, arena, &o.warehouse, e));
    else
        o.warehouse = arena_printf(arena, "file://%.*s/warehouse", (int)len, dir);
    o.store.s3_endpoint = pick(given->s3_endpoint, "WEIR_S3_ENDPOINT");
    o.catalog_name = arena_printf(arena, "%s", name ? name : "weir");
    if (!o.catalog_uri || !o.warehouse || !o.catalog_name) return err_nomem(e);
    *out = o;
    return 0;
}

/* The folder of the running binary, links resolved. */
static bool binary_folder(char out[PATH_MAX]) {
    ssize_t n = readlink("/proc/self/exe", out, PATH_MAX - 1);
    if (n <= 0) return false;
    out[n] = 0;
    char *slash = strrchr(out, '/');
    if (!slash || slash == out) return false;
    *slash = 0;
    return true;
}

/* <binary's folder>/../<tail>, normalised. */
static bool beside_binary(const char *tail, char out[PATH_MAX]) {
    char dir[PATH_MAX];
    if (!binary_folder(dir)) return false;
    char *slash = strrchr(dir, '/');
    if (!slash) return false;
    *slash = 0;
    return (size_t)snprintf(out, PATH_MAX, "%s%s%s", dir, *tail ? "/" : "", tail) < PATH_MAX;
}

bool cli_home(char out[PATH_MAX]) {
    static const char *const homes[] = {"", "share/weir"};
    for (size_t i = 0; i < sizeof homes / sizeof *homes; i++) {
        char stacks[PATH_MAX];
        const char *slash = *homes[i] ? "/" : "";
        char tail[64];
        snprintf(tail, sizeof tail, "%s%sstacks", homes[i], slash);
        if (beside_binary(tail, stacks) && file_is_dir(stacks)) return beside_binary(homes[i], out);
    }
    return false;
}

bool cli_charts(const char *home, char out[PATH_MAX]) {
    static const char *const places[] = {".cache/uplot", "web/uplot"};
    const char *given = pick(NULL, "WEIR_UPLOT");
    for (size_t i = 0; i < (given ? 1 : sizeof places / sizeof *places); i++) {
        char file[PATH_MAX];
        int n =
            given ? snprintf(out, PATH_MAX, "%s", given) : snprintf(out, PATH_MAX, "%s/%s", home, places[i]);
        int m = snprintf(file, sizeof file, "%.*s/uPlot.iife.min.js", PATH_MAX - 32, out);
        if (n < PATH_MAX && m < PATH_MAX && file_exists(file)) return true;
    }
    return false;
}

int cli_find_mmdb(const char *given, struct arena *arena, const char **out, struct err *e) {
    const char *path = pick(given, "WEIR_MMDB");
    if (path) {
        TRY(cli_absolute(path, arena, out, e));
        if (!file_exists(*out))
            return err_errno(e, ERR_INPUT, "could not open the country database \"%s\"", path);
        return 0;
    }
    static const char *const places[] = {".cache/country.mmdb", "share/weir/country.mmdb"};
    char found[PATH_MAX];
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (beside_binary(places[i], found) && file_exists(found)) return cli_absolute(found, arena, out, e);
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int n = cache && *cache ? snprintf(found, sizeof found, "%s/weir/country.mmdb", cache)
            : home          ? snprintf(found, sizeof found, "%s/.cache/weir/country.mmdb", home)
                            : -1;
    if (n > 0 && (size_t)n < sizeof found && file_exists(found)) return cli_absolute(found, arena, out, e);
    return err_set(e, ERR_INPUT,
                   "no country database: give --mmdb FILE or WEIR_MMDB (GeoLite2-Country, DB-IP, …), or run "
                   "scripts/setup for a free one");
}
