#include "etl/ingest.h"

#include "base/files.h"
#include "etl/ingest_copy.h"
#include "etl/ingest_parquet.h"
#include "etl/ingest_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL = 4096, HEADER_MAX = 1 << 20, WINDOW = 4 << 20 };

void ingest_buffer_release(struct ingest_buffer *b) {
    free(b->data);
    *b = (struct ingest_buffer){0};
}

static int buffer_reserve(struct ingest_buffer *b, size_t bytes, struct err *e) {
    if (bytes + SCAN_PADDING <= b->cap) return 0;
    size_t cap = bytes + bytes / 4 + SCAN_PADDING;
    uint8_t *data = realloc(b->data, cap);
    if (!data) return err_nomem(e);
    memset(data + b->cap, 0, cap - b->cap);
    b->data = data;
    b->cap = cap;
    return 0;
}

static int add_chunk(struct ingest *in, struct ingest_chunk c, struct err *e) {
    if (in->chunk_count == in->chunk_cap) {
        uint32_t cap = in->chunk_cap ? in->chunk_cap * 2 : 256;
        struct ingest_chunk *chunks = realloc(in->chunks, cap * sizeof *chunks);
        if (!chunks) return err_nomem(e);
        in->chunks = chunks;
        in->chunk_cap = cap;
    }
    in->chunks[in->chunk_count++] = c;
    return 0;
}

static int64_t mtime_ns(const struct stat *st) {
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

static struct ingest_source source_of(const struct ingest_file *f) {
    return (struct ingest_source){.fd = f->fd, .object = f->object, .path = f->path, .bytes = f->bytes};
}

static int read_at(const struct ingest_file *f, void *out, size_t len, uint64_t offset, struct err *e) {
    const struct ingest_source s = source_of(f);
    return ingest_source_pread(&s, out, len, offset, e);
}

static int copy_file(struct ingest_file *f, enum ingest_codec codec, const char *tmp_dir, bool show_progress,
                     struct err *e) {
    const struct ingest_source s = source_of(f);
    int copy = -1;
    TRY(ingest_copy(&s, codec, tmp_dir, show_progress, &copy, &f->bytes, e));
    if (f->fd >= 0) close(f->fd);
    store_source_free(f->object);
    f->object = NULL;
    f->fd = copy;
    f->copied = true;
    return 0;
}

static int open_object(struct ingest_file *f, const char *tmp_dir, bool show_progress, struct store *store,
                       struct err *e) {
    if (!store) return err_set(e, ERR_INPUT, "could not open \"%s\": no S3 here", f->path);
    TRY(store_source_open(store, f->path, &f->object, &f->bytes, e));
    enum ingest_codec codec = ingest_codec_of(f->base_name);
    return codec == INGEST_PLAIN ? 0 : copy_file(f, codec, tmp_dir, show_progress, e);
}

static int open_file(struct ingest_file *f, const char *path, const char *tmp_dir, bool show_progress,
                     struct store *store, struct err *e) {
    const char *slash = strrchr(path, '/');
    bool standard_input = strcmp(path, "-") == 0;
    f->path = standard_input ? "standard input" : path;
    f->base_name = standard_input ? "-" : slash ? slash + 1 : path;
    if (store_is_s3(path)) return open_object(f, tmp_dir, show_progress, store, e);
    f->fd = standard_input ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0) return err_errno(e, ERR_INPUT, "could not open \"%s\"", f->path);
    struct stat st;
    if (fstat(f->fd, &st)) return err_errno(e, ERR_INPUT, "could not read \"%s\"", f->path);
    if (S_ISDIR(st.st_mode))
        return err_set(e, ERR_INPUT, "could not read \"%s\": it is a directory", f->path);
    enum ingest_codec codec = ingest_codec_of(f->base_name);
    if (codec != INGEST_PLAIN || !S_ISREG(st.st_mode) || standard_input) {
        return copy_file(f, codec, tmp_dir, show_progress, e);
    }
    f->bytes = (uint64_t)st.st_size;
    f->mtime_ns = mtime_ns(&st);
    return 0;
}

static bool is_parquet(const struct ingest_file *f) {
    size_t n = strlen(f->base_name);
    const struct ingest_source s = source_of(f);
    return (n > 8 && strcmp(f->base_name + n - 8, ".parquet") == 0) || ingest_parquet_magic(&s);
}

static int read_header(const struct pipeline *p, struct ingest_file *f, struct ingest_buffer *b,
                       struct err *e) {
    f->layout.rows = is_parquet(f);
    if (f->layout.rows) {
        const struct ingest_source s = source_of(f);
        return ingest_parquet_open(p, &s, &f->parquet, e);
    }
    size_t len = f->bytes < HEADER_MAX ? (size_t)f->bytes : HEADER_MAX;
    TRY(buffer_reserve(b, len, e));
    TRY(read_at(f, b->data, len, 0, e));
    return scan_header(p, b->data, len, len == f->bytes, f->path, &f->layout, e);
}

static int record_too_long(const struct ingest_file *f, uint64_t at, struct err *e) {
    return err_set(e, ERR_INPUT, "could not read \"%s\": the record at byte %llu is longer than 16 MiB",
                   f->path, (unsigned long long)at);
}

/* Is a record, given with its line end, longer than the limit without it? */
static bool too_long(const uint8_t *record, size_t n) {
    if (n && record[n - 1] == '\n') n--;
    if (n && record[n - 1] == '\r') n--;
    return n > SCAN_RECORD_MAX;
}

/* Line ends may stand in quotes: only reading from the start tells where records end. */
static int cut_multiline(struct ingest *in, uint32_t index, struct ingest_buffer *b, struct err *e) {
    const struct ingest_file *f = &in->files[index];
    uint64_t chunk = f->layout.body, at = chunk, window = WINDOW;
    while (at < f->bytes) {
        TRY(interrupt_check(e));
        size_t len = f->bytes - at < window ? (size_t)(f->bytes - at) : (size_t)window, done = 0;
        bool eof = at + len == f->bytes;
        TRY(ingest_read_span(in, index, at, len, b, e));
        while (done < len) {
            size_t n = scan_multiline_record_end(in->pipeline, b->data + done, len - done, eof);
            if (too_long(b->data + done, n)) return record_too_long(f, at + done, e);
            if (!n) break;
            done += n;
            if (at + done - chunk >= INGEST_CHUNK) {
                TRY(add_chunk(in, (struct ingest_chunk){index, true, chunk, at + done}, e));
                chunk = at + done;
            }
        }
        if (!done && window > SCAN_RECORD_MAX + 2) return record_too_long(f, at, e);
        if (!done)
            window *= 4;
        else
            window = WINDOW;
        at += done;
    }
    return chunk < f->bytes ? add_chunk(in, (struct ingest_chunk){index, true, chunk, f->bytes}, e) : 0;
}

static int cut_lines(struct ingest *in, uint32_t index, struct err *e) {
    const struct ingest_file *f = &in->files[index];
    for (uint64_t at = f->layout.body; at < f->bytes; at += INGEST_CHUNK) {
        uint64_t end = f->bytes - at < INGEST_CHUNK ? f->bytes : at + INGEST_CHUNK;
        TRY(add_chunk(in, (struct ingest_chunk){index, false, at, end}, e));
    }
    return 0;
}

/* The copied rows of Parquet files take the place of the files. */
static int copy_parquet(struct ingest *in, unsigned threads, const char *tmp_dir, bool show_progress,
                        struct err *e) {
    struct ingest_parquet **files = malloc((in->file_count + 1) * sizeof *files);
    if (!files) return err_nomem(e);
    bool any = false;
    int copy = -1, rc = 0;
    for (uint32_t i = 0; i < in->file_count; i++) {
        files[i] = in->files[i].parquet;
        any |= files[i] != NULL;
    }
    if (any)
        rc = ingest_parquet_copy(in->pipeline, files, in->file_count, INGEST_CHUNK, threads, tmp_dir,
                                 show_progress, &copy, e);
    free(files);
    if (any && !rc) rc = ingest_check_unchanged(in, e);
    for (uint32_t i = 0; any && !rc && i < in->file_count; i++) {
        struct ingest_file *f = &in->files[i];
        if (!f->parquet) continue;
        if (f->fd >= 0) close(f->fd);
        store_source_free(f->object);
        f->object = NULL;
        f->fd = fcntl(copy, F_DUPFD_CLOEXEC, 3);
        f->copied = true;
        if (f->fd < 0) rc = err_errno(e, ERR_OUTSIDE, "could not open the copy of \"%s\"", f->path);
    }
    if (copy >= 0) close(copy);
    return rc;
}

static int cut_rows(struct ingest *in, uint32_t index, struct err *e) {
    struct ingest_file *f = &in->files[index];
    struct ingest_span span;
    f->bytes = 0;
    for (uint32_t group = 0, i = 0; ingest_parquet_span(f->parquet, &group, &i, &span);) {
        TRY(add_chunk(in, (struct ingest_chunk){index, true, span.begin, span.end}, e));
        f->bytes += span.end - span.begin;
    }
    ingest_parquet_free(f->parquet);
    f->parquet = NULL;
    return 0;
}

static int cut(struct ingest *in, uint32_t index, struct ingest_buffer *b, struct err *e) {
    if (in->files[index].parquet) return cut_rows(in, index, e);
    return in->pipeline->multiline ? cut_multiline(in, index, b, e) : cut_lines(in, index, e);
}

int ingest_open(struct ingest *in, const struct pipeline *p, const char *const *inputs, unsigned count,
                unsigned threads, const char *tmp_dir, bool show_progress, struct store *store,
                struct err *e) {
    *in = (struct ingest){.pipeline = p};
    in->files = calloc(count ? count : 1, sizeof *in->files);
    if (!in->files) return err_nomem(e);
    for (unsigned i = 0; i < count; i++) in->files[i].fd = -1;
    in->file_count = count;
    struct ingest_buffer b = {0};
    int rc = 0;
    for (unsigned i = 0; i < count && !rc; i++) {
        rc = open_file(&in->files[i], inputs[i], tmp_dir, show_progress, store, e);
        if (!rc) rc = read_header(p, &in->files[i], &b, e);
    }
    if (!rc) rc = copy_parquet(in, threads, tmp_dir, show_progress, e);
    for (unsigned i = 0; i < count && !rc; i++) {
        rc = cut(in, i, &b, e);
        in->bytes += in->files[i].bytes;
    }
    ingest_buffer_release(&b);
    return rc;
}

void ingest_release(struct ingest *in) {
    for (uint32_t i = 0; in->files && i < in->file_count; i++) {
        if (in->files[i].fd >= 0) close(in->files[i].fd);
        store_source_free(in->files[i].object);
        ingest_parquet_free(in->files[i].parquet);
    }
    free(in->files);
    free(in->chunks);
    *in = (struct ingest){0};
}

int ingest_read_span(const struct ingest *in, uint32_t file, uint64_t offset, size_t len,
                     struct ingest_buffer *b, struct err *e) {
    TRY(buffer_reserve(b, len, e));
    return read_at(&in->files[file], b->data, len, offset, e);
}

void ingest_expect(const struct ingest *in, uint32_t chunk) {
    const struct ingest_chunk *c = &in->chunks[chunk];
    if (in->files[c->file].object) store_source_expect(in->files[c->file].object, c->begin);
}

int ingest_read(const struct ingest *in, uint32_t chunk, struct ingest_buffer *b, const uint8_t **data,
                size_t *len, uint64_t *first, struct err *e) {
    const struct ingest_chunk *c = &in->chunks[chunk];
    const struct ingest_file *f = &in->files[c->file];
    if (c->exact) {
        TRY(ingest_read_span(in, c->file, c->begin, c->end - c->begin, b, e));
        *data = b->data;
        *len = c->end - c->begin;
        *first = c->begin;
        return 0;
    }
    /* One byte before tells whether a record begins at c->begin; the tail holds the end of the last one. */
    bool at_start = c->begin == f->layout.body;
    uint64_t from = at_start ? c->begin : c->begin - 1;
    uint64_t to = f->bytes - c->end < TAIL ? f->bytes : c->end + TAIL;
    TRY(ingest_read_span(in, c->file, from, to - from, b, e));
    size_t start = 0, owned = (size_t)(c->end - from), have = (size_t)(to - from);
    if (!at_start) {
        const uint8_t *lf = memchr(b->data, '\n', owned - 1);
        if (!lf) { /* no record begins here */
            *data = b->data;
            *len = 0;
            *first = from;
            return 0;
        }
        start = (size_t)(lf - b->data) + 1;
    }
    size_t search = owned - 1;
    const uint8_t *lf;
    while (!(lf = memchr(b->data + search, '\n', have - search)) && from + have < f->bytes) {
        const uint8_t *last = memrchr(b->data, '\n', search);
        size_t record = last && (size_t)(last - b->data) + 1 > start ? (size_t)(last - b->data) + 1 : start;
        if (have - record > (size_t)SCAN_RECORD_MAX + 1) return record_too_long(f, from + record, e);
        uint64_t more = f->bytes - (from + have) < have ? f->bytes - (from + have) : have;
        TRY(buffer_reserve(b, have + more, e));
        TRY(read_at(f, b->data + have, more, from + have, e));
        search = have;
        have += more;
    }
    size_t stop = lf ? (size_t)(lf - b->data) + 1 : have;
    const uint8_t *before = stop > (size_t)SCAN_RECORD_MAX ? memrchr(b->data, '\n', stop - 1) : NULL;
    size_t record = before && (size_t)(before - b->data) + 1 > start ? (size_t)(before - b->data) + 1 : start;
    if (too_long(b->data + record, stop - record)) return record_too_long(f, from + record, e);
    *data = b->data + start;
    *len = stop - start;
    *first = from + start;
    return 0;
}

int ingest_changed(const struct ingest *in, uint32_t file, struct err *e) {
    return err_set(e, ERR_INPUT, "\"%s\" was changed while it was read; run again when it is complete",
                   in->files[file].path);
}

int ingest_check_unchanged(const struct ingest *in, struct err *e) {
    for (uint32_t i = 0; i < in->file_count; i++) {
        const struct ingest_file *f = &in->files[i];
        struct stat st;
        if (f->copied || f->object) continue; /* an object was read by its ETag */
        if (fstat(f->fd, &st)) return err_errno(e, ERR_OUTSIDE, "could not read \"%s\"", f->path);
        if ((uint64_t)st.st_size != f->bytes || mtime_ns(&st) != f->mtime_ns) return ingest_changed(in, i, e);
    }
    return 0;
}
