#include "etl/gen_out.h"

#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static const char truth_name[] = "truth.json";

static bool has_end(const char *text, const char *end) {
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* What gen itself writes: truth.json, events*.csv, events*.parquet, and temporaries of a killed run. */
static bool is_ours(const char *name) {
    if (strcmp(name, truth_name) == 0) return true;
    if (strncmp(name, ".events", 7) == 0 && has_end(name, ".tmp")) return true;
    return strncmp(name, "events", 6) == 0 && (has_end(name, ".csv") || has_end(name, ".parquet"));
}

static bool is_dots(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int check_dir(const char *dir, struct err *e) {
    if (!file_exists(dir)) return file_make_dirs(dir, e);
    DIR *d = opendir(dir);
    if (!d) return err_errno(e, ERR_INPUT, "could not open the folder \"%s\"", dir);
    char other[256] = "";
    bool truth = false, any = false;
    for (struct dirent *f; (f = readdir(d));) {
        if (is_dots(f->d_name)) continue;
        bool temporary = f->d_name[0] == '.';
        truth |= strcmp(f->d_name, truth_name) == 0;
        any |= !temporary;
        if (!is_ours(f->d_name)) snprintf(other, sizeof other, "%s", f->d_name);
    }
    closedir(d);
    if (other[0])
        return err_set(e, ERR_INPUT, "\"%s\" holds \"%s\", which weir gen did not make: choose another --out",
                       dir, other);
    if (any && !truth)
        return err_set(e, ERR_INPUT,
                       "\"%s\" holds files but no truth.json of an earlier weir gen: choose another --out",
                       dir);
    return 0;
}

static char *name_file(const struct gen_options *o, unsigned i, int32_t first_day) {
    char text[64];
    const char *end = o->format == GEN_CSV ? "csv" : "parquet";
    if (o->daily) {
        int year;
        unsigned month, day;
        timestamp_civil_from_days(first_day + (int32_t)i, &year, &month, &day);
        snprintf(text, sizeof text, "events-%04d-%02u-%02u.%s", year, month, day, end);
    } else if (o->files > 1) {
        snprintf(text, sizeof text, "events-%05u.%s", i, end);
    } else {
        snprintf(text, sizeof text, "events.%s", end);
    }
    return strdup(text);
}

int gen_out_open(struct gen_out *out, const struct gen_options *o, int32_t first_day, struct err *e) {
    *out = (struct gen_out){.dir = o->out_dir};
    if (out->dir) TRY(check_dir(out->dir, e));
    unsigned count = o->daily ? o->days : o->files ? o->files : 1;
    out->files = calloc(count, sizeof *out->files);
    if (!out->files) return err_nomem(e);
    out->count = count;
    for (unsigned i = 0; i < count; i++)
        if (!(out->files[i].name = name_file(o, i, first_day))) return err_nomem(e);
    return 0;
}

static int path_of(const struct gen_out *out, const char *before, const char *name, const char *after,
                   char path[PATH_BYTES], struct err *e) {
    int n = snprintf(path, PATH_BYTES, "%s/%s%s%s", out->dir, before, name, after);
    return n < PATH_BYTES ? 0 : err_set(e, ERR_INPUT, "the path of \"%s\" is too long", name);
}

int gen_out_write(struct gen_out *out, unsigned i, const void *data, size_t len, uint64_t offset,
                  struct err *e) {
    if (!out->dir) return 0;
    char path[PATH_BYTES];
    TRY(path_of(out, ".", out->files[i].name, ".tmp", path, e));
    /* Opened anew each time (10 µs against megabytes): files may be many more than descriptors. */
    if (offset == 0) out->files[i].made = true;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (offset == 0 ? O_TRUNC : 0), 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not make \"%s\"", path);
    int rc = file_pwrite(fd, data, len, offset, path, e);
    if (close(fd) && !rc) rc = err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", path);
    return rc;
}

/* Remove what an earlier run made: its files, or temporaries that it left when it was killed. */
static int remove_old(const struct gen_out *out, bool temporaries, struct err *e) {
    DIR *d = opendir(out->dir);
    if (!d) return err_errno(e, ERR_OUTSIDE, "could not open the folder \"%s\"", out->dir);
    int rc = 0;
    for (struct dirent *f; !rc && (f = readdir(d));) {
        if (is_dots(f->d_name) || (f->d_name[0] == '.') != temporaries || !is_ours(f->d_name)) continue;
        if (unlinkat(dirfd(d), f->d_name, 0) && errno != ENOENT)
            rc = err_errno(e, ERR_OUTSIDE, "could not remove \"%s\" of an earlier run", f->d_name);
    }
    closedir(d);
    return rc;
}

int gen_out_commit(struct gen_out *out, const struct buf *truth, struct err *e) {
    if (!out->dir) return 0;
    char from[PATH_BYTES], to[PATH_BYTES];
    TRY(remove_old(out, false, e)); /* its truth too: it no longer holds */
    for (unsigned i = 0; i < out->count; i++) {
        TRY(path_of(out, ".", out->files[i].name, ".tmp", from, e));
        TRY(path_of(out, "", out->files[i].name, "", to, e));
        if (rename(from, to)) return err_errno(e, ERR_OUTSIDE, "could not rename \"%s\"", from);
        out->files[i].made = false;
    }
    TRY(remove_old(out, true, e));
    TRY(path_of(out, "", truth_name, "", to, e));
    return file_replace(to, truth->data, truth->len, e);
}

void gen_out_release(struct gen_out *out) {
    struct err ignored;
    char path[PATH_BYTES];
    for (unsigned i = 0; i < out->count; i++) {
        struct gen_file *f = &out->files[i];
        if (out->dir && f->made && f->name && !path_of(out, ".", f->name, ".tmp", path, &ignored))
            unlink(path);
        free(f->name);
        free(f->groups);
    }
    free(out->files);
}
