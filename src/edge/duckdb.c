#include "edge/duckdb.h"

#include "base/files.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { ARGS_MAX = 4096 };

/* The last match of a pattern, which is a path of ours with at most two stars. */
static bool match(const char *folder, const char *pattern, char out[PATH_MAX]) {
    char full[PATH_MAX];
    glob_t g;
    if ((size_t)snprintf(full, sizeof full, "%s/%s", folder, pattern) >= sizeof full) return false;
    if (glob(full, 0, NULL, &g)) return false;
    bool found = g.gl_pathc && (size_t)snprintf(out, PATH_MAX, "%s", g.gl_pathv[g.gl_pathc - 1]) < PATH_MAX;
    globfree(&g);
    return found;
}

/* A folder of Python packages: duckdb-cli and the two extensions. */
static bool look_in(const char *folder, struct duckdb *d) {
    return match(folder, "duckdb_cli/duckdb", d->command) &&
           match(folder, "duckdb_extension_avro/extensions/*/avro.duckdb_extension", d->avro) &&
           match(folder, "duckdb_extension_iceberg/extensions/*/iceberg.duckdb_extension", d->iceberg);
}

static bool look_in_path(struct duckdb *d) {
    const char *path = getenv("PATH");
    while (path && *path) {
        size_t len = strcspn(path, ":");
        if (len && (size_t)snprintf(d->command, sizeof d->command, "%.*s/duckdb", (int)len, path) <
                       sizeof d->command)
            if (access(d->command, X_OK) == 0 && !file_is_dir(d->command)) return true;
        path += len + (path[len] == ':');
    }
    return false;
}

int duckdb_find(const char *home, struct duckdb *d, struct err *e) {
    *d = (struct duckdb){0};
    char folder[PATH_MAX], packages[PATH_MAX];
    const char *given = getenv("WEIR_DUCKDB"), *user = getenv("HOME");
    if (given && *given) {
        if (file_is_dir(given) && look_in(given, d)) return 0;
        *d = (struct duckdb){0};
        if (!file_is_dir(given) && access(given, X_OK) == 0 &&
            (size_t)snprintf(d->command, sizeof d->command, "%s", given) < sizeof d->command)
            return 0;
        return err_set(e, ERR_INPUT,
                       "WEIR_DUCKDB: \"%s\" is neither a duckdb command nor a folder with duckdb_cli and its "
                       "extensions",
                       given);
    }
    if (home && match(home, ".venv/lib/python3*/site-packages", packages) && look_in(packages, d)) return 0;
    if (home && (size_t)snprintf(folder, sizeof folder, "%s/duckdb", home) < sizeof folder &&
        look_in(folder, d))
        return 0;
    if (user && (size_t)snprintf(folder, sizeof folder, "%s/.cache/weir/duckdb", user) < sizeof folder &&
        look_in(folder, d))
        return 0;
    *d = (struct duckdb){0};
    if (look_in_path(d)) return 0;
    return err_set(e, ERR_INPUT,
                   "could not find DuckDB: run scripts/setup, or set WEIR_DUCKDB to its command or to a "
                   "folder with duckdb-cli and its extensions");
}

static int add_quoted(struct buf *sql, const char *text, uint8_t quote, struct err *e) {
    TRY(buf_add_byte(sql, quote, e));
    for (; *text; text++) {
        if ((uint8_t)*text == quote) TRY(buf_add_byte(sql, quote, e));
        TRY(buf_add_byte(sql, (uint8_t)*text, e));
    }
    return buf_add_byte(sql, quote, e);
}

int duckdb_add_identifier(struct buf *sql, const char *text, struct err *e) {
    return add_quoted(sql, text, '"', e);
}

int duckdb_add_literal(struct buf *sql, const char *text, struct err *e) {
    return add_quoted(sql, text, '\'', e);
}

int duckdb_prepare_sql(const struct duckdb *d, struct buf *sql, struct err *e) {
    TRY(buf_add_str(sql, "LOAD ", e));
    TRY(duckdb_add_literal(sql, *d->avro ? d->avro : "avro", e));
    TRY(buf_add_str(sql, "; LOAD ", e)); /* in this order: iceberg would fetch avro itself */
    TRY(duckdb_add_literal(sql, *d->iceberg ? d->iceberg : "iceberg", e));
    return buf_add_str(sql, "; SET TimeZone = 'UTC';", e);
}

static int make_argv(const struct duckdb *d, const char *const *args, const char *argv[ARGS_MAX],
                     struct err *e) {
    size_t n = 0;
    argv[n++] = d->command;
    for (; *args; args++) {
        if (n + 1 >= ARGS_MAX) return err_set(e, ERR_OUTSIDE, "too many tables for one DuckDB session");
        argv[n++] = *args;
    }
    argv[n] = NULL;
    return 0;
}

int duckdb_exec(const struct duckdb *d, const char *const *args, struct err *e) {
    const char *argv[ARGS_MAX];
    TRY(make_argv(d, args, argv, e));
    signal(SIGPIPE, SIG_DFL);
    execv(d->command, (char *const *)argv);
    return err_errno(e, ERR_OUTSIDE, "could not start \"%s\"", d->command);
}

int duckdb_run(const struct duckdb *d, const char *const *args, int *exit_code, struct err *e) {
    const char *argv[ARGS_MAX];
    TRY(make_argv(d, args, argv, e));
    posix_spawnattr_t attr;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    pid_t pid;
    int status = 0, rc = posix_spawnattr_init(&attr);
    if (rc) return err_nomem(e);
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    /* Ctrl-C reaches both; DuckDB answers it, we report how it ended. */
    void (*before)(int) = signal(SIGINT, SIG_IGN);
    rc = posix_spawn(&pid, d->command, NULL, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    while (!rc && waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) rc = errno;
    signal(SIGINT, before);
    if (rc) {
        errno = rc;
        return err_errno(e, ERR_OUTSIDE, "could not run \"%s\"", d->command);
    }
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}
