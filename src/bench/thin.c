#include "bench/thin.h"

#include "base/buf.h"
#include "base/threads.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>
#include <zlib.h>
#include <zstd.h>

enum { RECORD_MAX = 16 << 20, CHUNK = 1 << 18 };

/* ---- bytes of a plain or compressed file ---- */

struct source {
    const char *path;
    gzFile plain_or_gz; /* zlib passes plain files through */
    FILE *zst;
    ZSTD_DStream *stream;
    ZSTD_inBuffer in;
    char *packed, *bytes;
    size_t at, len;
};

static bool ends_with(const char *s, const char *tail) {
    size_t n = strlen(s), m = strlen(tail);
    return n > m && strcmp(s + n - m, tail) == 0;
}

static int source_open(struct source *s, const char *path, struct err *e) {
    *s = (struct source){.path = path, .bytes = malloc(CHUNK)};
    if (!s->bytes) return err_nomem(e);
    if (ends_with(path, ".zst")) {
        s->packed = malloc(CHUNK);
        s->stream = ZSTD_createDStream();
        s->in.src = s->packed;
        if (!s->packed || !s->stream) return err_nomem(e);
        s->zst = fopen(path, "re");
    } else {
        s->plain_or_gz = gzopen(path, "re");
    }
    if (!s->zst && !s->plain_or_gz) return err_errno(e, ERR_INPUT, "could not open \"%s\"", path);
    return 0;
}

static void source_close(struct source *s) {
    if (s->plain_or_gz) gzclose(s->plain_or_gz);
    if (s->zst) fclose(s->zst);
    ZSTD_freeDStream(s->stream);
    free(s->packed);
    free(s->bytes);
}

static int fill_zst(struct source *s, struct err *e) {
    ZSTD_outBuffer out = {.dst = s->bytes, .size = CHUNK};
    while (out.pos == 0) {
        if (s->in.pos == s->in.size) {
            s->in.size = fread(s->packed, 1, CHUNK, s->zst);
            s->in.pos = 0;
            if (!s->in.size) break;
        }
        size_t rc = ZSTD_decompressStream(s->stream, &out, &s->in);
        if (ZSTD_isError(rc)) return err_set(e, ERR_INPUT, "\"%s\": %s", s->path, ZSTD_getErrorName(rc));
    }
    s->len = out.pos;
    return 0;
}

/* The next bytes; len 0 at the end. */
static int fill(struct source *s, struct err *e) {
    s->at = s->len = 0;
    if (interrupt_check(e)) return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (s->zst) return fill_zst(s, e);
    int n = gzread(s->plain_or_gz, s->bytes, CHUNK), code;
    if (n < 0) return err_set(e, ERR_INPUT, "\"%s\": %s", s->path, gzerror(s->plain_or_gz, &code));
    s->len = (size_t)n;
    return 0;
}

/* ---- records ---- */

/* The next record with its line end; with multiline, a line end inside quotes does not end it. False: no
 * more. */
static int next_record(struct source *s, bool multiline, struct buf *record, bool *any, struct err *e) {
    bool quoted = false;
    buf_clear(record);
    for (;;) {
        if (s->at == s->len) TRY(fill(s, e));
        if (!s->len) break;
        const char *from = s->bytes + s->at, *lf = memchr(from, '\n', s->len - s->at);
        size_t n = lf ? (size_t)(lf - from) + 1 : s->len - s->at;
        if (buf_add(record, from, n, e))
            return err_set(e, ERR_INPUT, "\"%s\" has a record over 16 MiB", s->path);
        s->at += n;
        for (size_t i = 0; multiline && i < n; i++) quoted ^= from[i] == '"';
        if (lf && !quoted) break;
    }
    *any = record->len > 0;
    return 0;
}

/* Field number `wanted` of a record, unquoted and trimmed, in *out. False: the record has no such field. */
static bool take_field(const struct buf *record, char delimiter, unsigned wanted, struct buf *out) {
    const char *p = (const char *)record->data, *end = p + record->len;
    struct err e;
    while (end > p && (end[-1] == '\n' || end[-1] == '\r')) end--;
    for (unsigned i = 0;; i++) {
        bool quoted = p < end && *p == '"';
        buf_clear(out);
        if (quoted) p++;
        for (; p < end; p++) {
            if (quoted && *p == '"') {
                if (p + 1 < end && p[1] == '"')
                    p++;
                else {
                    quoted = false;
                    continue;
                }
            } else if (!quoted && *p == delimiter) {
                break;
            }
            if (i == wanted && buf_add(out, p, 1, &e)) return false;
        }
        if (i == wanted) break;
        if (p >= end) return false;
        p++;
    }
    char *text = (char *)out->data;
    while (out->len && strchr(" \t", text[out->len - 1])) out->len--;
    while (out->len && strchr(" \t", *text)) memmove(text, text + 1, --out->len);
    return true;
}

static int find_column(const struct thin_request *t, const char *path, struct buf *header, struct buf *field,
                       unsigned *out, struct err *e) {
    size_t len = strlen(t->user_column);
    if (header->len >= 3 && memcmp(header->data, "\xef\xbb\xbf", 3) == 0)
        memmove(header->data, header->data + 3, header->len -= 3);
    for (*out = 0; take_field(header, t->delimiter, *out, field); ++*out)
        if (field->len == len && memcmp(field->data, t->user_column, len) == 0) return 0;
    return err_set(e, ERR_INPUT, "\"%s\" has no column \"%s\" to sample users by", path, t->user_column);
}

/* A record without a user is chosen by its own bytes: all kinds of rows keep their share. */
static bool is_chosen(const struct thin_request *t, const struct buf *record, const struct buf *field,
                      bool has_user) {
    bool by_user = has_user && field->len;
    uint64_t h = XXH64(by_user ? field->data : record->data, by_user ? field->len : record->len, t->seed);
    return (double)(h >> 11) * 0x1p-53 < t->share;
}

/* ---- files ---- */

struct work {
    const struct thin_request *request;
    struct buf record, field;
};

static int copy_chosen(struct work *w, struct source *s, FILE *out, struct err *e) {
    const struct thin_request *t = w->request;
    bool any;
    unsigned column;
    do TRY(next_record(s, false, &w->record, &any, e));
    while (any && (w->record.data[0] == '\n' || w->record.data[0] == '\r'));
    TRY(find_column(t, s->path, &w->record, &w->field, &column, e));
    for (bool chosen = true; any;) {
        if (chosen && fwrite(w->record.data, 1, w->record.len, out) != w->record.len)
            return err_errno(e, ERR_OUTSIDE, "could not write the sample of \"%s\"", s->path);
        /* The last line of a file may lack its end. */
        if (chosen && w->record.data[w->record.len - 1] != '\n') putc('\n', out);
        TRY(next_record(s, t->multiline, &w->record, &any, e));
        bool has_user = any && take_field(&w->record, t->delimiter, column, &w->field);
        chosen = any && is_chosen(t, &w->record, &w->field, has_user);
    }
    return 0;
}

static int thin_file(struct work *w, unsigned index, struct err *e) {
    char path[4096];
    struct source s;
    snprintf(path, sizeof path, "%s/part-%05u.csv", w->request->out_dir, index);
    int rc = source_open(&s, w->request->inputs[index], e);
    FILE *out = rc ? NULL : fopen(path, "we");
    if (!rc && !out) rc = err_errno(e, ERR_OUTSIDE, "could not make \"%s\"", path);
    if (!rc) rc = copy_chosen(w, &s, out, e);
    if (out && fclose(out) && !rc) rc = err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", path);
    source_close(&s);
    return rc;
}

int thin_run(const struct thin_request *t, struct err *e) {
    struct work w = {.request = t};
    buf_init(&w.record, RECORD_MAX);
    buf_init(&w.field, RECORD_MAX);
    int rc = 0;
    for (unsigned i = 0; !rc && i < t->count; i++) rc = thin_file(&w, i, e);
    buf_release(&w.record);
    buf_release(&w.field);
    return rc;
}
