#include "bench/results_write.h"

#include "base/buf.h"
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int open_file(struct results_out *r, const char *path, int flags, struct err *e) {
    r->fd = -1;
    if ((size_t)snprintf(r->path, sizeof r->path, "%s", path) >= sizeof r->path)
        return err_set(e, ERR_INPUT, "the path of the result file is too long");
    r->fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC | flags, 0666);
    if (r->fd < 0 && errno == EEXIST)
        return err_set(e, ERR_INPUT, "\"%s\" exists; give --resume to go on with it, or another --out", path);
    if (r->fd < 0 && errno == ENOENT && !(flags & O_CREAT))
        return err_set(e, ERR_INPUT, "\"%s\": there is nothing to resume", path);
    if (r->fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", path);
    if (flock(r->fd, LOCK_EX | LOCK_NB) == 0) return 0;
    int rc = err_set(e, ERR_INPUT, "another weir bench is writing \"%s\"", path);
    results_close(r);
    return rc;
}

int results_create(struct results_out *r, const char *path, struct err *e) {
    char dir[4096];
    TRY(open_file(r, path, O_CREAT | O_EXCL, e));
    const char *slash = strrchr(path, '/');
    snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1, slash ? path : ".");
    return file_fsync_dir(dir, e);
}

static int take_lines(struct results_out *r, const struct buf *text, json_t *lines, struct err *e) {
    const char *at = (const char *)text->data, *end = at + text->len, *lf;
    for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
        json_t *line = json_loadb(at, (size_t)(lf - at), 0, NULL);
        if (!json_is_object(line) || !json_is_string(json_object_get(line, "type"))) {
            json_decref(line);
            return err_set(e, ERR_INPUT, "\"%s\": line %zu is not one of a result file", r->path,
                           json_array_size(lines) + 1);
        }
        if (json_array_append_new(lines, line)) return err_nomem(e);
    }
    if (at < end && ftruncate(r->fd, (off_t)(at - (const char *)text->data)))
        return err_errno(e, ERR_OUTSIDE, "could not cut the broken line from \"%s\"", r->path);
    return 0;
}

int results_reopen(struct results_out *r, const char *path, json_t **lines, struct err *e) {
    struct buf text;
    TRY(open_file(r, path, 0, e));
    buf_init(&text, 0);
    *lines = json_array();
    int rc = *lines ? file_read_all(path, &text, (size_t)1 << 32, e) : err_nomem(e);
    if (!rc) rc = take_lines(r, &text, *lines, e);
    buf_release(&text);
    if (rc) {
        json_decref(*lines);
        *lines = NULL;
        results_close(r);
    }
    return rc;
}

int results_add(struct results_out *r, json_t *line, struct err *e) {
    char *text = line ? json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    json_decref(line);
    if (!text) return err_nomem(e);
    size_t len = strlen(text), done = 0;
    text[len++] = '\n'; /* in place of the NUL */
    int rc = 0;
    while (!rc && done < len) {
        ssize_t n = write(r->fd, text + done, len - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            rc = err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", r->path);
    }
    free(text);
    return rc ? rc : file_fsync(r->fd, r->path, e);
}

void results_close(struct results_out *r) {
    if (r->fd >= 0) close(r->fd);
    r->fd = -1;
}
