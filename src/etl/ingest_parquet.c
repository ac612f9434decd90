#include "etl/ingest_parquet.h"

#include "base/files.h"
#include "base/progress.h"
#include "base/threads.h"
#include "etl/column_names.h"
#include "etl/copy_short.h"
#include "etl/row_format.h"
#include "format/parquet_read.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum { COLUMNS_MAX = COLUMN_COUNT + KEEP_MAX, FOOTER_MAX = 1 << 30 };

/* The spans that a row group was copied to. */
struct group_spans {
    struct ingest_span *spans;
    uint32_t count, cap;
};

struct ingest_parquet {
    struct ingest_source source;
    const char *path;
    uint64_t bytes;
    struct arena arena;
    struct buf footer;
    struct parquet_meta meta;
    const struct parquet_field *column[COLUMNS_MAX]; /* the seven, then keep */
    struct group_spans *groups;
};

/* ---- footers and schemas */

bool ingest_parquet_magic(const struct ingest_source *s) {
    char magic[8];
    struct err ignored;
    return s->bytes >= 12 && !ingest_source_pread(s, magic, 4, 0, &ignored) &&
           !ingest_source_pread(s, magic + 4, 4, s->bytes - 4, &ignored) && memcmp(magic, "PAR1PAR1", 8) == 0;
}

static int read_footer(struct ingest_parquet *f, struct err *e) {
    uint8_t tail[PARQUET_TAIL_BYTES] = {0};
    uint32_t len = 0;
    if (f->bytes >= sizeof tail)
        TRY(ingest_source_pread(&f->source, tail, sizeof tail, f->bytes - sizeof tail, e));
    int rc = parquet_read_tail(tail, f->bytes, &len, e);
    if (!rc) rc = buf_reserve(&f->footer, len, e);
    if (!rc) {
        TRY(ingest_source_pread(&f->source, f->footer.data, len, f->bytes - sizeof tail - len, e));
        rc = parquet_read_footer(f->footer.data, len, f->bytes, &f->arena, &f->meta, e);
    }
    return rc == ERR_INPUT ? err_prefix(e, "could not read \"%s\"", f->path) : rc;
}

static bool is_integer(enum parquet_kind kind) {
    return kind == PARQUET_KIND_INT || kind == PARQUET_KIND_UINT;
}

/* What the column should have been, when it cannot be read as that; else NULL. */
static const char *misfit(const struct pipeline *p, unsigned column, enum parquet_kind kind) {
    if (kind == PARQUET_KIND_TEXT || kind == PARQUET_KIND_NULL) return NULL;
    if (column == COL_TIMESTAMP) {
        if (kind >= PARQUET_KIND_TIMESTAMP_MS && kind <= PARQUET_KIND_INT96) return NULL;
        if (!is_integer(kind)) return "text or a timestamp";
        return p->timestamp == TIMESTAMP_ISO8601
                   ? "text or a timestamp (an integer is read with clean.timestamp: epoch_s, epoch_ms or "
                     "epoch_us)"
                   : NULL;
    }
    enum keep_type type = column < COLUMN_COUNT ? KEEP_STRING : p->keep[column - COLUMN_COUNT].type;
    if (type == KEEP_LONG) return is_integer(kind) ? NULL : "an integer or text";
    if (type == KEEP_DOUBLE) return is_integer(kind) || kind == PARQUET_KIND_REAL ? NULL : "a number or text";
    return "text";
}

static const char *column_name(const struct pipeline *p, unsigned column) {
    return column < COLUMN_COUNT ? p->columns[column] : p->keep[column - COLUMN_COUNT].name;
}

static int find_columns(const struct pipeline *p, struct ingest_parquet *f, struct err *e) {
    struct column_names names = {.count = f->meta.field_count};
    names.name = arena_alloc(&f->arena, names.count * sizeof *names.name);
    if (!names.name) return err_nomem(e);
    for (uint32_t i = 0; i < names.count; i++) names.name[i] = f->meta.fields[i].name;
    for (unsigned c = 0; c < COLUMN_COUNT + p->keep_count; c++) {
        uint32_t number = 0;
        TRY(column_find(&names, column_name(p, c), "schema", f->path, &number, e));
        const struct parquet_field *field = f->column[c] = &f->meta.fields[number];
        const char *wanted = misfit(p, c, field->kind);
        if (wanted)
            return err_set(e, ERR_INPUT, "could not read \"%s\": column \"%s\" is %s, not %s", f->path,
                           column_name(p, c), field->type, wanted);
    }
    return 0;
}

int ingest_parquet_open(const struct pipeline *p, const struct ingest_source *s, struct ingest_parquet **out,
                        struct err *e) {
    struct ingest_parquet *f = calloc(1, sizeof *f);
    if (!f) return err_nomem(e);
    f->source = *s;
    f->path = s->path;
    f->bytes = s->bytes;
    arena_init(&f->arena);
    buf_init(&f->footer, FOOTER_MAX);
    int rc = read_footer(f, e);
    if (!rc) rc = find_columns(p, f, e);
    if (!rc && !(f->groups = calloc(f->meta.group_count + 1, sizeof *f->groups))) rc = err_nomem(e);
    if (rc)
        ingest_parquet_free(f);
    else
        *out = f;
    return rc;
}

void ingest_parquet_free(struct ingest_parquet *f) {
    if (!f) return;
    for (uint32_t i = 0; f->groups && i < f->meta.group_count; i++) free(f->groups[i].spans);
    free(f->groups);
    buf_release(&f->footer);
    arena_release(&f->arena);
    free(f);
}

bool ingest_parquet_span(const struct ingest_parquet *f, uint32_t *group, uint32_t *index,
                         struct ingest_span *out) {
    while (*group < f->meta.group_count && *index == f->groups[*group].count) {
        ++*group;
        *index = 0;
    }
    if (*group == f->meta.group_count) return false;
    *out = f->groups[*group].spans[(*index)++];
    return true;
}

/* ---- copying */

struct copy {
    const struct pipeline *pipeline;
    struct ingest_parquet *const *files;
    uint32_t file_count;
    size_t span_bytes;
    const char *tmp_dir;
    int fd;
    atomic_uint_fast64_t next, written; /* row groups taken; bytes of the copy */
    struct progress progress;
};

/* One column on its way to rows. */
struct source_column {
    struct parquet_column_reader *reader;
    struct parquet_window window;
    uint32_t at; /* its next row in the window */
    enum parquet_kind kind;
};

struct worker {
    struct copy *copy;
    const struct pipeline *pipeline;
    struct ingest_parquet *file;
    struct group_spans *spans;
    struct parquet_source source;
    struct parquet_shared shared;
    unsigned column_count;
    struct source_column column[COLUMNS_MAX];
    struct buf rows; /* a span that grows */
};

static int read_source(void *ctx, uint64_t offset, size_t len, uint8_t *out, struct err *e) {
    struct worker *w = ctx;
    TRY(ingest_source_pread(&w->file->source, out, len, offset, e));
    progress_add(&w->copy->progress, len);
    return 0;
}

/* Hand over the rows at hand. */
static int write_span(struct worker *w, struct err *e) {
    struct group_spans *g = w->spans;
    if (!w->rows.len) return 0;
    if (g->count == g->cap) {
        uint32_t cap = g->cap ? g->cap * 2 : 16;
        struct ingest_span *spans = realloc(g->spans, cap * sizeof *spans);
        if (!spans) return err_nomem(e);
        g->spans = spans;
        g->cap = cap;
    }
    uint64_t begin = atomic_fetch_add(&w->copy->written, w->rows.len);
    if (file_pwrite(w->copy->fd, w->rows.data, w->rows.len, begin, w->copy->tmp_dir, e))
        return err_prefix(e, "while copying \"%s\" to a temporary file (see --tmp-dir)", w->file->path);
    g->spans[g->count++] = (struct ingest_span){begin, begin + w->rows.len};
    buf_clear(&w->rows);
    return 0;
}

static int64_t saturated_mul(int64_t v, int64_t by) {
    int64_t out;
    return !__builtin_mul_overflow(v, by, &out) ? out : v < 0 ? INT64_MIN : INT64_MAX;
}

/* A typed timestamp in microseconds; where int64 ends it stays there. */
static int64_t time_us(const struct pipeline *p, enum parquet_kind kind, int64_t v) {
    switch (kind) {
    case PARQUET_KIND_TIMESTAMP_MS: return saturated_mul(v, 1000);
    case PARQUET_KIND_TIMESTAMP_NS: return v / 1000 - (v % 1000 < 0);
    case PARQUET_KIND_UINT:
        if (v < 0) v = INT64_MAX;
        /* fallthrough */
    case PARQUET_KIND_INT:
        return p->timestamp == TIMESTAMP_EPOCH_S    ? saturated_mul(v, 1000000)
               : p->timestamp == TIMESTAMP_EPOCH_MS ? saturated_mul(v, 1000)
                                                    : v;
    default: return v;
    }
}

/* The value of a column that is no text as a tag and 8 bytes. */
static uint8_t number_of(const struct worker *w, unsigned c, uint32_t row, int64_t *out) {
    const struct source_column *x = &w->column[c];
    const struct pipeline *p = w->pipeline;
    if (!x->window.present[row]) return ROW_NULL;
    if (x->kind == PARQUET_KIND_REAL) {
        memcpy(out, &x->window.reals[row], 8);
        return isfinite(x->window.reals[row]) ? ROW_NUMBER : ROW_MISFIT;
    }
    int64_t v = x->window.numbers[row];
    if (c == COL_TIMESTAMP) {
        *out = time_us(p, x->kind, v);
        return ROW_NUMBER;
    }
    bool huge = x->kind == PARQUET_KIND_UINT && v < 0; /* 2^63 and more */
    if (p->keep[c - COLUMN_COUNT].type == KEEP_DOUBLE) {
        double d = huge ? (double)(uint64_t)v : (double)v;
        memcpy(out, &d, 8);
        return ROW_NUMBER;
    }
    *out = v;
    return huge ? ROW_MISFIT : ROW_NUMBER;
}

/* Append the next row of each window. */
static int put_row(struct worker *w, struct err *e) {
    unsigned n = w->column_count;
    uint64_t bytes = ROW_LENGTH_BYTES + n;
    for (unsigned c = 0; c < n; c++) {
        const struct source_column *x = &w->column[c];
        bytes += 8;
        if (x->kind == PARQUET_KIND_TEXT) bytes += x->window.texts[x->at].len;
    }
    if (bytes > SCAN_RECORD_MAX)
        return err_set(e, ERR_INPUT, "could not read \"%s\": a row of its row group %u is longer than 16 MiB",
                       w->file->path, (unsigned)(w->spans - w->file->groups));
    TRY(buf_reserve(&w->rows, bytes + PARQUET_TEXT_SLACK, e));
    uint8_t *start = w->rows.data + w->rows.len, *tag = start + ROW_LENGTH_BYTES, *to = tag + n;
    for (unsigned c = 0; c < n; c++) {
        struct source_column *x = &w->column[c];
        uint32_t row = x->at++;
        if (x->kind == PARQUET_KIND_TEXT) {
            struct str s = x->window.texts[row];
            tag[c] = !s.ptr ? ROW_NULL : s.len <= ROW_TEXT_MAX ? (uint8_t)s.len : ROW_LONG_TEXT;
            if (!s.ptr) continue;
            if (s.len > ROW_TEXT_MAX) {
                memcpy(to, &s.len, 4);
                to += 4;
            }
            to = copy_short(to, s);
        } else {
            int64_t v = 0;
            tag[c] = number_of(w, c, row, &v);
            if (tag[c] != ROW_NUMBER) continue;
            memcpy(to, &v, 8);
            to += 8;
        }
    }
    uint32_t len = (uint32_t)(to - start);
    memcpy(start, &len, ROW_LENGTH_BYTES);
    w->rows.len += len;
    return 0;
}

/* An error about what is in the file becomes one that names file and column. */
static int name_column(const struct worker *w, unsigned c, int rc, struct err *e) {
    if (rc != ERR_INPUT) return rc;
    return err_prefix(e, "could not read \"%s\": column \"%s\"", w->file->path, column_name(w->pipeline, c));
}

/* New windows where one has ended; *rows: how many all have. */
static int next_windows(struct worker *w, uint32_t *rows, struct err *e) {
    *rows = PARQUET_WINDOW;
    for (unsigned c = 0; c < w->column_count; c++) {
        struct source_column *x = &w->column[c];
        if (x->at == x->window.count) {
            x->at = 0;
            int rc = parquet_column_next(x->reader, &x->window, e);
            if (rc) return name_column(w, c, rc, e);
        }
        if (x->window.count - x->at < *rows) *rows = x->window.count - x->at;
    }
    return 0;
}

static int copy_group(struct worker *w, uint32_t group, const struct threads_group *g, struct err *e) {
    const struct parquet_read_group *from = &w->file->meta.groups[group];
    w->spans = &w->file->groups[group];
    w->source.end = w->file->meta.data_end;
    for (unsigned c = 0; c < w->column_count; c++) {
        struct source_column *x = &w->column[c];
        x->window.count = x->at = 0;
        x->kind =
            w->file->column[c]->kind == PARQUET_KIND_NULL ? PARQUET_KIND_TEXT : w->file->column[c]->kind;
        int rc = parquet_column_begin(x->reader, w->file->column[c], from, e);
        if (rc) return name_column(w, c, rc, e);
    }
    uint64_t done = 0;
    while (done < from->rows && !threads_stopping(g)) {
        uint32_t rows;
        TRY(next_windows(w, &rows, e));
        for (uint32_t i = 0; i < rows; i++) {
            TRY(put_row(w, e));
            if (w->rows.len >= w->copy->span_bytes) TRY(write_span(w, e));
        }
        done += rows;
    }
    return write_span(w, e);
}

static void worker_release(struct worker *w) {
    for (unsigned c = 0; c < w->column_count; c++) parquet_column_reader_free(w->column[c].reader);
    parquet_shared_release(&w->shared);
    buf_release(&w->rows);
}

static int worker_init(struct worker *w, struct copy *copy, struct err *e) {
    w->copy = copy;
    w->pipeline = copy->pipeline;
    w->source = (struct parquet_source){.read = read_source, .ctx = w};
    w->column_count = COLUMN_COUNT + copy->pipeline->keep_count;
    buf_init(&w->rows, 0);
    TRY(parquet_shared_init(&w->shared, e));
    for (unsigned c = 0; c < w->column_count; c++) {
        w->column[c].reader = parquet_column_reader_new(&w->source, &w->shared);
        if (!w->column[c].reader) return err_nomem(e);
    }
    return 0;
}

/* The n-th row group of all files; false when there are fewer. */
static bool find_group(struct worker *w, uint64_t n, uint32_t *group) {
    for (uint32_t i = 0; i < w->copy->file_count; i++) {
        struct ingest_parquet *f = w->copy->files[i];
        if (!f) continue;
        if (n < f->meta.group_count) {
            w->file = f;
            *group = (uint32_t)n;
            return true;
        }
        n -= f->meta.group_count;
    }
    return false;
}

static int copy_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct copy *copy = ctx;
    struct worker *w = calloc(1, sizeof *w);
    (void)index;
    if (!w) return err_nomem(e);
    int rc = worker_init(w, copy, e);
    uint32_t group;
    while (!rc && !threads_stopping(g) && find_group(w, atomic_fetch_add(&copy->next, 1), &group))
        rc = copy_group(w, group, g, e);
    worker_release(w);
    free(w);
    return rc;
}

int ingest_parquet_copy(const struct pipeline *p, struct ingest_parquet *const *files, uint32_t count,
                        size_t span_bytes, unsigned threads, const char *tmp_dir, bool show_progress,
                        int *copy, struct err *e) {
    struct copy c = {.pipeline = p,
                     .files = files,
                     .file_count = count,
                     .span_bytes = span_bytes,
                     .tmp_dir = tmp_dir,
                     .fd = -1};
    uint64_t bytes = 0, groups = 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += files[i] ? files[i]->bytes : 0;
        groups += files[i] ? files[i]->meta.group_count : 0;
    }
    if (groups < threads) threads = groups ? (unsigned)groups : 1;
    TRY(file_temp(tmp_dir, &c.fd, e));
    progress_start(&c.progress, show_progress, "unpack", bytes);
    int rc = threads_run(threads, copy_thread, &c, e);
    progress_end(&c.progress);
    if (rc)
        close(c.fd);
    else
        *copy = c.fd;
    return rc;
}
