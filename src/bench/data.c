#include "bench/data.h"

#include "base/buf.h"
#include "base/files.h"
#include "base/threads.h"
#include "bench/stack.h"
#include "bench/thin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { KEPT_MAX = 64 << 20, CHUNK = 1 << 20 };

/* ---- commands ---- */

/* Run a command of this machine in `dir`; its output in *out. */
static int run_command(const char *dir, const char *const *argv, struct arena *arena, const char **out,
                       struct err *e) {
    struct stack here = {.name = argv[0]};
    struct stack_exit end = {0};
    snprintf(here.dir, sizeof here.dir, "%s", dir);
    TRY(stack_spawn(&here, argv, NULL, arena, out, &end, e));
    if (end.code == 0) return 0;
    return err_set(e, end.code == ERR_INPUT ? ERR_INPUT : ERR_OUTSIDE, "%s failed (exit code %d)", argv[0],
                   end.code);
}

/* ---- what a folder of data holds ---- */

static int is_data(const struct dirent *d) {
    size_t len = strlen(d->d_name);
    return (len > 4 && strcmp(d->d_name + len - 4, ".csv") == 0) ||
           (len > 8 && strcmp(d->d_name + len - 8, ".parquet") == 0);
}

static int list_files(const char *dir, struct arena *arena, struct data_set *out, struct err *e) {
    struct dirent **entries;
    int n = scandir(dir, &entries, is_data, alphasort);
    if (n < 0) return err_errno(e, ERR_OUTSIDE, "could not list \"%s\"", dir);
    const char **paths = arena_alloc(arena, (size_t)n * sizeof *paths);
    for (int i = 0; i < n; i++) {
        if (paths) paths[i] = arena_printf(arena, "%s/%s", dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    if (!paths) return err_nomem(e);
    out->paths = paths;
    out->count = (unsigned)n;
    return n ? 0 : err_set(e, ERR_OUTSIDE, "\"%s\" holds no data", dir);
}

static int add_bytes(struct data_set *s, struct err *e) {
    s->bytes = 0;
    for (unsigned i = 0; i < s->count; i++) {
        struct stat st;
        if (stat(s->paths[i], &st)) return err_errno(e, ERR_INPUT, "could not find \"%s\"", s->paths[i]);
        s->bytes += (uint64_t)st.st_size;
    }
    return 0;
}

/* By sha256sum: of one file its own sum, of several the sum of their list, names without folders. */
static int add_sum(struct data_set *s, struct arena *arena, struct err *e) {
    const char *text = NULL;
    struct buf list;
    buf_init(&list, 0);
    int rc = 0;
    for (unsigned i = 0; !rc && i < s->count; i++) {
        const char *const argv[] = {"sha256sum", "-b", "--", s->paths[i], NULL};
        rc = run_command("/", argv, arena, &text, e);
        if (!rc && strlen(text) < 64) rc = err_set(e, ERR_OUTSIDE, "sha256sum printed no sum");
        const char *slash = strrchr(s->paths[i], '/');
        if (!rc) rc = buf_printf(&list, e, "%.64s *%s\n", text, slash ? slash + 1 : s->paths[i]);
    }
    if (!rc && s->count > 1) {
        char name[] = "/tmp/weir-sums-XXXXXX";
        int fd = mkstemp(name);
        if (fd < 0) rc = err_errno(e, ERR_OUTSIDE, "could not make a file like \"%s\"", name);
        if (!rc) rc = file_pwrite(fd, list.data, list.len, 0, name, e);
        const char *const argv[] = {"sha256sum", "-b", "--", name, NULL};
        if (!rc) rc = run_command("/", argv, arena, &text, e);
        if (fd >= 0) close(fd);
        if (fd >= 0) unlink(name);
    }
    if (!rc) snprintf(s->sha256, sizeof s->sha256, "%.64s", text);
    buf_release(&list);
    return rc;
}

/* ---- kept data: <root>/<key>/ with <root>/<key>.json beside it, which is written last ---- */

static int read_kept(const char *path, json_t **out, struct err *e) {
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read_all(path, &text, KEPT_MAX, e);
    if (!rc && !(*out = json_loadb((const char *)text.data, text.len, 0, NULL)))
        rc = err_set(e, ERR_INPUT, "\"%s\" is not JSON; remove it, and the data is made anew", path);
    buf_release(&text);
    return rc;
}

static int take_kept(const char *note, struct data_set *s, struct err *e) {
    json_t *kept = NULL;
    TRY(read_kept(note, &kept, e));
    s->rows = (uint64_t)json_integer_value(json_object_get(kept, "rows"));
    const char *sum = json_string_value(json_object_get(kept, "sha256"));
    snprintf(s->sha256, sizeof s->sha256, "%s", sum ? sum : "");
    json_t *truth = json_object_get(kept, "truth");
    if (json_is_object(truth)) s->truth = json_incref(truth);
    json_decref(kept);
    return 0;
}

static int keep(const char *note, const struct data_set *s, struct err *e) {
    json_t *o =
        json_pack("{s:I,s:s,s:O?}", "rows", (json_int_t)s->rows, "sha256", s->sha256, "truth", s->truth);
    char *text = o ? json_dumps(o, 0) : NULL;
    int rc = text ? file_replace(note, text, strlen(text), e) : err_nomem(e);
    free(text);
    json_decref(o);
    return rc;
}

static int generate(const struct data_request *q, const struct plan_data *d, const char *dir,
                    struct arena *arena, struct data_set *s, struct err *e) {
    const char *amount = arena_printf(arena, "%" PRIu64, d->rows ? d->rows : d->size_bytes);
    const char *seed = arena_printf(arena, "%" PRIu64, d->seed), *files = arena_printf(arena, "%u", d->files);
    const char *const argv[] = {q->weir,   "gen",    d->rows ? "--rows" : "--size",
                                amount,    "--seed", seed,
                                "--files", files,    "--format",
                                d->format, "--dirt", d->dirt,
                                "--mmdb",  q->mmdb,  "--out",
                                dir,       "--json", NULL};
    const char *said = NULL;
    if (!amount || !seed || !files) return err_nomem(e);
    TRY(run_command("/", argv, arena, &said, e));
    const char *truth = arena_printf(arena, "%s/truth.json", dir);
    if (!truth) return err_nomem(e);
    TRY(read_kept(truth, &s->truth, e));
    s->rows = (uint64_t)json_integer_value(json_object_get(s->truth, "rows_in"));
    return 0;
}

static int sample_users(const struct data_request *q, const struct plan_data *d, uint64_t bytes,
                        const char *dir, struct err *e) {
    const struct thin_request t = {.inputs = q->inputs,
                                   .count = q->input_count,
                                   .user_column = q->user_column,
                                   .delimiter = q->delimiter,
                                   .multiline = q->multiline,
                                   .share = (double)d->size_bytes / (double)bytes,
                                   .seed = d->seed,
                                   .out_dir = dir};
    TRY(file_make_dirs(dir, e));
    return thin_run(&t, e);
}

/* Made under another name and renamed, so that what is there is whole, whoever else makes it meanwhile. */
static int make(const struct data_request *q, const struct plan_data *d, uint64_t input_bytes,
                const char *dir, struct arena *arena, struct data_set *s, struct err *e) {
    const char *fresh = arena_printf(arena, "%s.%ld", dir, (long)getpid()),
               *note = arena_printf(arena, "%s.json", dir);
    if (!fresh || !note) return err_nomem(e);
    int rc = q->inputs ? sample_users(q, d, input_bytes, fresh, e) : generate(q, d, fresh, arena, s, e);
    if (!rc) rc = list_files(fresh, arena, s, e);
    if (!rc) rc = add_sum(s, arena, e);
    if (!rc && rename(fresh, dir) && errno != ENOTEMPTY && errno != EEXIST)
        rc = err_errno(e, ERR_OUTSIDE, "could not rename \"%s\"", fresh);
    file_remove_tree(fresh);
    return rc ? rc : keep(note, s, e);
}

/* What the bytes depend on. */
static int key_of(const struct data_request *q, const struct plan_data *d, struct arena *arena,
                  const char **out, struct err *e) {
    XXH64_state_t *h = XXH64_createState();
    if (!h) return err_nomem(e);
    XXH64_reset(h, 0);
    int rc = 0;
    for (unsigned i = 0; !rc && i < (q->inputs ? q->input_count : 1); i++) {
        struct stat st;
        const char *path = q->inputs ? q->inputs[i] : q->mmdb;
        if (stat(path, &st)) rc = err_errno(e, ERR_INPUT, "could not find \"%s\"", path);
        const int64_t id[] = {st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
        if (q->inputs) XXH64_update(h, path, strlen(path));
        if (!rc) XXH64_update(h, id, sizeof id);
    }
    if (q->inputs) XXH64_update(h, q->user_column, strlen(q->user_column));
    uint64_t id = XXH64_digest(h);
    XXH64_freeState(h);
    TRY(rc);
    *out = arena_printf(arena, "%s/%s-%s-%s%" PRIu64 "-seed%" PRIu64 "-%s-%u-%s-%016" PRIx64, q->root,
                        q->inputs ? "own" : "gen", d->format, d->rows ? "rows" : "bytes",
                        d->rows ? d->rows : d->size_bytes, d->seed, d->dirt, d->files, WEIR_VERSION, id);
    return *out ? 0 : err_nomem(e);
}

static bool is_parquet(const char *path) {
    size_t len = strlen(path);
    return len > 8 && strcmp(path + len - 8, ".parquet") == 0;
}

/* All of one's own files as they are. */
static int take_own(const struct data_request *q, struct arena *arena, struct data_set *s, struct err *e) {
    s->paths = q->inputs;
    s->count = q->input_count;
    TRY(add_bytes(s, e));
    return add_sum(s, arena, e);
}

int data_prepare(const struct data_request *q, const struct plan_data *d, struct arena *arena,
                 struct data_set *out, struct err *e) {
    const char *dir, *note;
    *out = (struct data_set){0};
    struct data_set own = {.paths = q->inputs, .count = q->input_count};
    if (q->inputs) TRY(add_bytes(&own, e));
    if (q->inputs && (!d->size_bytes || d->size_bytes >= own.bytes)) return take_own(q, arena, out, e);
    for (unsigned i = 0; i < own.count; i++)
        if (is_parquet(own.paths[i]))
            return err_set(e, ERR_INPUT,
                           "\"%s\": only CSV can be sampled; leave the size out to use all of it",
                           own.paths[i]);
    TRY(key_of(q, d, arena, &dir, e));
    if (!(note = arena_printf(arena, "%s.json", dir))) return err_nomem(e);
    TRY(file_make_dirs(q->root, e));
    if (!file_exists(note) || !file_is_dir(dir)) {
        file_remove_tree(dir); /* without its note it was not finished */
        TRY(make(q, d, own.bytes, dir, arena, out, e));
    } else {
        TRY(take_kept(note, out, e));
    }
    TRY(list_files(dir, arena, out, e));
    return add_bytes(out, e);
}

void data_release(struct data_set *s) {
    json_decref(s->truth);
    s->truth = NULL;
}

int data_warm(const struct data_set *s, struct err *e) {
    char *chunk = malloc(CHUNK);
    if (!chunk) return err_nomem(e);
    int rc = 0;
    for (unsigned i = 0; !rc && i < s->count; i++) {
        int fd = open(s->paths[i], O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : 1;
        while (n > 0 && !rc) {
            n = read(fd, chunk, CHUNK);
            if (interrupt_check(e)) rc = err_set(e, ERR_INTERRUPTED, "interrupted");
        }
        if (n < 0) rc = err_errno(e, ERR_INPUT, "could not read \"%s\"", s->paths[i]);
        if (fd >= 0) close(fd);
    }
    free(chunk);
    return rc;
}
