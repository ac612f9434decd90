#include "cli/inputs.h"

#include "base/buf.h"
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct input {
    const char *path;
    dev_t device;
    ino_t inode;
};

struct list {
    struct buf items; /* of struct input */
    struct arena *arena;
    const struct store_options *options;
    struct store *store; /* NULL until something of S3 is named */
};

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n > m && strcmp(s + n - m, tail) == 0;
}

static bool is_data_name(const char *name) {
    return *name != '.' && (ends_with(name, ".csv") || ends_with(name, ".csv.gz") ||
                            ends_with(name, ".csv.zst") || ends_with(name, ".parquet"));
}

static int add(struct list *l, const char *path, const struct stat *st, struct err *e) {
    struct input in = {.device = st ? st->st_dev : 0, .inode = st ? st->st_ino : 0};
    if (st) {
        if (!S_ISREG(st->st_mode) && !S_ISFIFO(st->st_mode))
            return err_set(e, ERR_INPUT, "\"%s\" is no file to read; standard input is -", path);
        if (access(path, R_OK)) return err_errno(e, ERR_INPUT, "could not read \"%s\"", path);
        TRY(cli_absolute(path, l->arena, &in.path, e));
    } else {
        in.path = "-";
    }
    return buf_add(&l->items, &in, sizeof in, e);
}

static int add_folder(struct list *l, const char *path, struct err *e) {
    DIR *d = opendir(path);
    if (!d) return err_errno(e, ERR_INPUT, "could not list \"%s\"", path);
    size_t before = l->items.len;
    int rc = 0;
    for (struct dirent *entry; !rc && (entry = readdir(d));) {
        struct stat st;
        if (!is_data_name(entry->d_name)) continue;
        size_t len = strlen(path);
        const char *slash = len && path[len - 1] == '/' ? "" : "/";
        const char *file = arena_printf(l->arena, "%s%s%s", path, slash, entry->d_name);
        if (!file)
            rc = err_nomem(e);
        else if (stat(file, &st))
            rc = err_errno(e, ERR_INPUT, "could not open \"%s\"", file);
        else if (S_ISREG(st.st_mode))
            rc = add(l, file, &st, e);
    }
    closedir(d);
    if (!rc && l->items.len == before)
        rc = err_set(e, ERR_INPUT,
                     "no data in the folder \"%s\": it holds no *.csv, *.csv.gz, *.csv.zst or *.parquet",
                     path);
    return rc;
}

static int add_path(struct list *l, const char *path, const struct stat *st, struct err *e) {
    return S_ISDIR(st->st_mode) ? add_folder(l, path, e) : add(l, path, st, e);
}

static int add_glob(struct list *l, const char *pattern, struct err *e) {
    glob_t g;
    int rc = glob(pattern, 0, NULL, &g);
    if (rc == GLOB_NOMATCH) return err_set(e, ERR_INPUT, "no file matches \"%s\"", pattern);
    if (rc) return err_set(e, ERR_OUTSIDE, "could not list \"%s\"", pattern);
    for (size_t i = 0; !rc && i < g.gl_pathc; i++) {
        struct stat st;
        if (stat(g.gl_pathv[i], &st))
            rc = err_errno(e, ERR_INPUT, "could not open \"%s\"", g.gl_pathv[i]);
        else
            rc = add_path(l, g.gl_pathv[i], &st, e);
    }
    globfree(&g);
    return rc;
}

/* ---- S3 ---- */

/* What objects under a folder are meant. */
struct selection {
    struct list *list;
    const char *pattern; /* NULL: those right in the folder with a name of data */
    size_t folder_len;
};

static int add_object(struct list *l, const char *path, struct err *e) {
    const struct input in = {.path = arena_copy(l->arena, path, strlen(path))};
    return in.path ? buf_add(&l->items, &in, sizeof in, e) : err_nomem(e);
}

static int select_object(void *ctx, const struct store_entry *entry, struct err *e) {
    const struct selection *s = ctx;
    const char *name = entry->path + s->folder_len + 1;
    bool chosen = s->pattern ? fnmatch(s->pattern, entry->path, FNM_PATHNAME) == 0
                             : !strchr(name, '/') && is_data_name(name);
    return chosen ? add_object(s->list, entry->path, e) : 0;
}

/* The name is an object's, else a folder's: what begins with it and a slash. */
static int add_s3(struct list *l, const char *operand, struct err *e) {
    bool exists = false;
    uint64_t ignored;
    const char *name = store_name(l->arena, operand);
    if (!name) return err_nomem(e);
    if (!l->store) TRY(store_open(l->options, &l->store, e));
    size_t before = l->items.len, len = strlen(name), wild = strcspn(name, "*?[");
    const char *key = strchr(name + 5, '/');
    if (key) TRY(store_identify(l->store, name, &exists, &ignored, &ignored, e));
    if (exists) return add_object(l, name, e);
    bool pattern = key && wild < len;
    while (pattern && name[wild - 1] != '/') wild--;
    const char *folder = pattern ? arena_copy(l->arena, name, wild - 1) : name;
    if (!folder) return err_nomem(e);
    struct selection s = {l, pattern ? name : NULL, strlen(folder)};
    TRY(store_list(l->store, folder, select_object, &s, e));
    if (l->items.len > before) return 0;
    return pattern ? err_set(e, ERR_INPUT, "no object matches \"%s\"", operand)
                   : err_set(e, ERR_INPUT,
                             "could not open \"%s\": there is no such object, and no *.csv, *.csv.gz, "
                             "*.csv.zst or *.parquet under that name",
                             operand);
}

static int add_operand(struct list *l, const char *operand, struct err *e) {
    struct stat st;
    if (strcmp(operand, "-") == 0) return add(l, operand, NULL, e);
    if (store_is_s3(operand)) return add_s3(l, operand, e);
    if (stat(operand, &st) == 0) return add_path(l, operand, &st, e);
    if (errno == ENOENT && strpbrk(operand, "*?[")) return add_glob(l, operand, e);
    return err_errno(e, ERR_INPUT, "could not open \"%s\"", operand);
}

static int by_identity(const void *a, const void *b) {
    const struct input *x = a, *y = b;
    if (x->device != y->device) return x->device < y->device ? -1 : 1;
    if (x->inode != y->inode) return x->inode < y->inode ? -1 : 1;
    return strcmp(x->path, y->path);
}

static bool is_same(const struct input *a, const struct input *b) {
    if (a->inode || b->inode) return a->device == b->device && a->inode == b->inode;
    return strcmp(a->path, b->path) == 0; /* standard input, objects */
}

static int by_path(const void *a, const void *b) {
    return strcmp(((const struct input *)a)->path, ((const struct input *)b)->path);
}

int inputs_expand(const char *const *given, int count, const struct store_options *o, struct arena *arena,
                  const char *const **out, unsigned *out_count, struct err *e) {
    struct list l = {.arena = arena, .options = o};
    buf_init(&l.items, 0);
    int rc = 0;
    for (int i = 0; !rc && i < count; i++) rc = add_operand(&l, given[i], e);
    size_t n = l.items.len / sizeof(struct input), kept = 0;
    const char **paths = NULL;
    if (!rc && !(paths = arena_alloc(arena, n * sizeof *paths))) rc = err_nomem(e);
    if (!rc) {
        struct input *items = (struct input *)(void *)l.items.data;
        qsort(items, n, sizeof *items, by_identity);
        for (size_t i = 0; i < n; i++)
            if (i == 0 || !is_same(&items[i], &items[kept - 1])) items[kept++] = items[i];
        qsort(items, kept, sizeof *items, by_path);
        for (size_t i = 0; i < kept; i++) paths[i] = items[i].path;
        *out = paths;
        *out_count = (unsigned)kept;
    }
    store_close(l.store);
    buf_release(&l.items);
    return rc;
}
