#include "edge/duckdb.h"

#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
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
    if (!match(folder, "duckdb_extension_httpfs/extensions/*/httpfs.duckdb_extension", d->httpfs))
        d->httpfs[0] = 0;
    return match(folder, "duckdb_cli/duckdb", d->command) &&
           match(folder, "duckdb_extension_avro/extensions/*/avro.duckdb_extension", d->avro) &&
           match(folder, "duckdb_extension_iceberg/extensions/*/iceberg.duckdb_extension", d->iceberg);
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
    if (file_find_program("duckdb", d->command)) return 0;
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

int duckdb_prepare_s3(const struct duckdb *d, const struct store_options *o, struct buf *sql, struct err *e) {
    struct store_options at = *o;
    const char *host = NULL;
    TRY(store_s3_complete(&at, e));
    TRY(buf_add_str(sql, "LOAD ", e));
    TRY(duckdb_add_literal(sql, *d->httpfs ? d->httpfs : "httpfs", e));
    /* Not CREATE SECRET, which prints a row. Keys and token: httpfs reads AWS's own variables. */
    TRY(buf_add_str(sql, "; SET s3_region = ", e));
    TRY(duckdb_add_literal(sql, at.s3_region, e));
    if (at.s3_endpoint && (host = strstr(at.s3_endpoint, "://"))) {
        char authority[512];
        snprintf(authority, sizeof authority, "%.*s", (int)strcspn(host + 3, "/"), host + 3);
        TRY(buf_add_str(sql, "; SET s3_endpoint = ", e));
        TRY(duckdb_add_literal(sql, authority, e));
        TRY(buf_printf(sql, e, "; SET s3_use_ssl = %s",
                       strncmp(at.s3_endpoint, "http:", 5) == 0 ? "false" : "true"));
    }
    const char *authorities = getenv("AWS_CA_BUNDLE");
    if (authorities && *authorities) {
        TRY(buf_add_str(sql, "; SET ca_cert_file = ", e));
        TRY(duckdb_add_literal(sql, authorities, e));
    }
    return buf_printf(sql, e, "; SET s3_url_style = '%s';", at.s3_style == STORE_S3_PATH ? "path" : "vhost");
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

/* Start it; *out and *err: descriptors for its streams, or -1 to leave them as ours. Returns an errno. */
static int start(const struct duckdb *d, const char *const *argv, int out, int err, pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc) return rc;
    if ((rc = posix_spawnattr_init(&attr))) {
        posix_spawn_file_actions_destroy(&files);
        return rc;
    }
    posix_spawnattr_setsigdefault(&attr, &defaults);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    if (out >= 0) rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!rc && out >= 0) rc = posix_spawn_file_actions_adddup2(&files, out, 1);
    if (!rc && err >= 0) rc = posix_spawn_file_actions_adddup2(&files, err, 2);
    if (!rc) rc = posix_spawn(pid, d->command, &files, &attr, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Its exit code, or 128 + the signal that ended it. Returns an errno. */
static int wait_for(pid_t pid, int *exit_code) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) return errno;
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return 0;
}

static int not_run(const struct duckdb *d, int errnum, struct err *e) {
    errno = errnum;
    return err_errno(e, ERR_OUTSIDE, "could not run \"%s\"", d->command);
}

int duckdb_run(const struct duckdb *d, const char *const *args, int *exit_code, struct err *e) {
    const char *argv[ARGS_MAX];
    TRY(make_argv(d, args, argv, e));
    /* Ctrl-C reaches both; DuckDB answers it, we report how it ended. */
    void (*before)(int) = signal(SIGINT, SIG_IGN);
    pid_t pid;
    int rc = start(d, argv, -1, -1, &pid);
    if (!rc) rc = wait_for(pid, exit_code);
    signal(SIGINT, before);
    return rc ? not_run(d, rc, e) : 0;
}

/* All that comes; after a failure the rest is read and dropped, so that the writer can end. */
static int read_pipe(int fd, struct buf *out, struct err *e) {
    char chunk[1 << 16];
    int rc = 0;
    for (;;) {
        ssize_t n = read(fd, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return rc ? rc : err_errno(e, ERR_OUTSIDE, "could not read what DuckDB prints");
        if (n == 0) return rc;
        if (!rc) rc = buf_add(out, chunk, (size_t)n, e);
    }
}

/* What DuckDB said, on one line. */
static int refused(int messages, struct err *e) {
    char text[1024];
    ssize_t n = pread(messages, text, sizeof text - 1, 0);
    size_t len = 0;
    for (ssize_t i = 0; i < n; i++) {
        bool space = text[i] == '\n' || text[i] == ' ';
        if (space && (len == 0 || text[len - 1] == ' ')) continue;
        text[len++] = space ? ' ' : text[i];
    }
    while (len && text[len - 1] == ' ') len--;
    text[len] = 0;
    return err_set(e, ERR_INPUT, "DuckDB: %s", len ? text : "failed without saying why");
}

/* Ctrl-C reaches both. DuckDB may answer it by failing like on a mistake, so that we have to have seen it. */
static atomic_bool told;

static void on_interrupt(int sig) {
    (void)sig;
    atomic_store(&told, true);
}

static int capture(const struct duckdb *d, const char *const *argv, int messages, struct buf *out,
                   struct err *e) {
    int pipes[2], code = 0;
    if (pipe2(pipes, O_CLOEXEC)) return err_errno(e, ERR_OUTSIDE, "could not make a pipe");
    atomic_store(&told, false);
    void (*before)(int) = signal(SIGINT, on_interrupt);
    if (before == SIG_IGN) signal(SIGINT, SIG_IGN);
    pid_t pid;
    int errnum = start(d, argv, pipes[1], messages, &pid), rc = 0;
    close(pipes[1]);
    if (!errnum) {
        rc = read_pipe(pipes[0], out, e);
        errnum = wait_for(pid, &code);
    }
    close(pipes[0]);
    signal(SIGINT, before);
    if (told && before != SIG_DFL) raise(SIGINT); /* for the caller's handler, too */
    if (rc) return rc;
    if (errnum) return not_run(d, errnum, e);
    if ((told && code) || code == 128 + SIGINT || code == 128 + SIGTERM)
        return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (code > 128) return err_set(e, ERR_OUTSIDE, "DuckDB was ended by signal %d", code - 128);
    return code ? refused(messages, e) : 0;
}

int duckdb_capture(const struct duckdb *d, const char *const *args, const char *tmp_dir, struct buf *out,
                   struct err *e) {
    const char *argv[ARGS_MAX];
    int messages;
    TRY(make_argv(d, args, argv, e));
    TRY(file_temp(tmp_dir, &messages, e));
    int rc = capture(d, argv, messages, out, e);
    close(messages);
    return rc;
}
