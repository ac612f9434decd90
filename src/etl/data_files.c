#include "etl/data_files.h"

#include "base/files.h"
#include "base/threads.h"
#include "format/timestamp.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ROLL_BYTES = 512 << 20 };

struct data_file {
    char *path, *dir; /* one allocation each */
    int32_t day;
    uint64_t bytes;
    struct store_upload *upload; /* NULL: written in place */
    bool closed;                 /* takes no more groups */
    struct parquet_row_group **groups;
    uint32_t group_count, group_cap;
};

void data_files_init(struct data_files *d, const struct parquet_column *columns, uint32_t column_count,
                     struct store *store, const char *dir, const char *partition_column, const char *prefix) {
    *d = (struct data_files){.columns = columns,
                             .column_count = column_count,
                             .store = store,
                             .dir = dir,
                             .partition_column = partition_column,
                             .prefix = prefix};
    pthread_mutex_init(&d->lock, NULL);
}

void data_files_release(struct data_files *d) {
    for (uint32_t i = 0; i < d->count; i++) {
        store_upload_free(d->files[i]->upload);
        free(d->files[i]->path);
        free(d->files[i]->dir);
        free(d->files[i]->groups);
        free(d->files[i]);
    }
    free(d->files);
    free(d->finished);
    *d = (struct data_files){0};
}

static char *day_dir(const struct data_files *d, int32_t day) {
    char *dir = NULL;
    if (!d->partition_column) return strdup(d->dir);
    int year;
    unsigned month, dom;
    timestamp_civil_from_days(day, &year, &month, &dom);
    int n = asprintf(&dir, "%s/%s_day=%04d-%02u-%02u", d->dir, d->partition_column, year, month, dom);
    return n < 0 ? NULL : dir;
}

static int new_file(struct data_files *d, int32_t day, struct data_file **out, struct err *e) {
    if (d->count == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 16;
        struct data_file **files = realloc(d->files, cap * sizeof *files);
        if (!files) return err_nomem(e);
        d->files = files;
        d->cap = cap;
    }
    struct data_file *f = calloc(1, sizeof *f);
    if (!f) return err_nomem(e);
    f->day = day;
    f->dir = day_dir(d, day);
    if (!f->dir || asprintf(&f->path, "%s/%s-%05u.parquet", f->dir, d->prefix, d->count) < 0) {
        free(f->dir);
        free(f);
        return err_nomem(e);
    }
    d->files[d->count++] = f;
    *out = f;
    f->bytes = PARQUET_MAGIC_BYTES;
    if (!store_is_local(f->path)) {
        TRY(store_upload_begin(d->store, f->path, &f->upload, e));
        return store_upload_add(f->upload, parquet_magic, PARQUET_MAGIC_BYTES, e);
    }
    TRY(file_make_dirs(f->dir, e));
    int fd = open(f->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not create \"%s\"", f->path);
    int rc = file_pwrite(fd, parquet_magic, PARQUET_MAGIC_BYTES, 0, f->path, e);
    close(fd);
    return rc;
}

/* The file to write to, and the group's place in it. Under the lock. */
static int place(struct data_files *d, int32_t day, struct parquet_row_group *group, struct data_file **out,
                 struct err *e) {
    struct data_file *f = NULL;
    for (uint32_t i = d->count; i-- && !f;) /* newest first: logs are time-ordered */
        if (d->files[i]->day == day) f = d->files[i];
    if (!f || f->closed || f->bytes + group->bytes > ROLL_BYTES) TRY(new_file(d, day, &f, e));
    if (f->group_count == f->group_cap) {
        uint32_t cap = f->group_cap ? f->group_cap * 2 : 4;
        struct parquet_row_group **groups = realloc(f->groups, cap * sizeof *groups);
        if (!groups) return err_nomem(e);
        f->groups = groups;
        f->group_cap = cap;
    }
    group->offset = f->bytes;
    f->bytes += group->bytes;
    f->groups[f->group_count++] = group;
    d->rows += group->rows;
    *out = f;
    return 0;
}

static int open_again(const struct data_file *f, struct err *e) {
    int fd = open(f->path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? (err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", f->path), -1) : fd;
}

static int add_footer(const struct data_files *d, struct data_file *f, struct buf *footer, struct err *e) {
    buf_clear(footer);
    return parquet_footer(d->columns, d->column_count, f->groups, f->group_count,
                          "weir version " WEIR_VERSION, footer, e);
}

/* No more groups for this file. */
static int end_upload(const struct data_files *d, struct data_file *f, struct err *e) {
    struct buf footer;
    buf_init(&footer, 0);
    f->closed = true;
    int rc = add_footer(d, f, &footer, e);
    if (!rc) rc = store_upload_add(f->upload, footer.data, footer.len, e);
    if (!rc) rc = store_upload_end(f->upload, e);
    f->bytes += footer.len;
    buf_release(&footer);
    return rc;
}

/* Groups go into an upload in their order, so under the lock; sending them is the store's. */
static int add_to_upload(struct data_files *d, struct data_file *f, const struct buf *bytes, struct err *e) {
    TRY(store_upload_add(f->upload, bytes->data, bytes->len, e));
    if (!store_upload_pressed(f->upload)) return 0;
    struct data_file *most = f;
    for (uint32_t i = 0; i < d->count; i++) {
        struct data_file *g = d->files[i];
        if (!g->closed && store_upload_held(g->upload) > store_upload_held(most->upload)) most = g;
    }
    return end_upload(d, most, e);
}

int data_files_add(struct data_files *d, int32_t day, const struct buf *bytes,
                   struct parquet_row_group *group, struct err *e) {
    struct data_file *f = NULL;
    if (!d->partition_column) day = 0;
    pthread_mutex_lock(&d->lock);
    int rc = place(d, day, group, &f, e);
    if (!rc && f->upload) rc = add_to_upload(d, f, bytes, e);
    pthread_mutex_unlock(&d->lock);
    if (rc) return rc;
    if (f->upload) return store_upload_wait_room(f->upload, e);
    /* Opened anew each time: days may be more than descriptors; 20 µs a row group. */
    int fd = open_again(f, e);
    if (fd < 0) return e->code;
    rc = file_pwrite(fd, bytes->data, bytes->len, group->offset, f->path, e);
    /* Begin writing back now, so that the fsync at the end finds little to do. */
    if (!rc) sync_file_range(fd, (off_t)group->offset, (off_t)bytes->len, SYNC_FILE_RANGE_WRITE);
    close(fd);
    return rc;
}

struct finish {
    struct data_files *d;
    atomic_uint next;
};

static int finish_file(struct data_files *d, struct data_file *f, struct buf *footer, struct err *e) {
    if (f->upload) return store_upload_wait(f->upload, e);
    TRY(add_footer(d, f, footer, e));
    int fd = open_again(f, e);
    if (fd < 0) return e->code;
    int rc = file_pwrite(fd, footer->data, footer->len, f->bytes, f->path, e);
    if (!rc) rc = file_fsync(fd, f->path, e);
    close(fd);
    f->bytes += footer->len;
    return rc ? rc : file_fsync_dir(f->dir, e);
}

static int finish_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    (void)index;
    struct finish *s = ctx;
    struct buf footer;
    buf_init(&footer, 0);
    int rc = 0;
    while (!rc && !threads_stopping(g)) {
        uint32_t i = atomic_fetch_add(&s->next, 1);
        if (i >= s->d->count) break;
        rc = finish_file(s->d, s->d->files[i], &footer, e);
    }
    buf_release(&footer);
    return rc;
}

int data_files_finish(struct data_files *d, unsigned threads, struct err *e) {
    struct finish s = {.d = d};
    for (uint32_t i = 0; i < d->count; i++)
        if (d->files[i]->upload && !d->files[i]->closed) TRY(end_upload(d, d->files[i], e));
    TRY(threads_run(threads < d->count ? threads : d->count ? d->count : 1, finish_thread, &s, e));
    d->finished = calloc(d->count ? d->count : 1, sizeof *d->finished);
    if (!d->finished) return err_nomem(e);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct data_file *f = d->files[i];
        d->finished[i] = (struct iceberg_file){f->path, f->day, f->bytes, f->groups, f->group_count};
        d->bytes += f->bytes;
    }
    return 0;
}

void data_files_discard(struct data_files *d) {
    for (uint32_t i = 0; i < d->count; i++) {
        if (d->files[i]->upload) store_upload_discard(d->files[i]->upload);
        if (!store_is_local(d->files[i]->path)) continue;
        unlink(d->files[i]->path);
        rmdir(d->files[i]->dir); /* only when nothing else is in it */
    }
}
