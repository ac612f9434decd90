#include "etl/spill.h"

#include "base/files.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int spill_pwrite(int fd, const void *data, size_t bytes, uint64_t offset, const char *tmp_dir,
                 struct err *e) {
    int rc = file_pwrite(fd, data, bytes, offset, tmp_dir, e);
    return rc ? err_prefix(e, "while spilling to a temporary file (see --tmp-dir)") : 0;
}

static uint64_t page_stride(const struct spill *s) {
    return (uint64_t)s->page_records * s->record_bytes;
}

int spill_init(struct spill *s, uint32_t record_bytes, uint32_t page_bytes, uint32_t partition_count,
               struct slabs *slabs, uint64_t memory_limit, const char *tmp_dir, struct err *e) {
    *s = (struct spill){.record_bytes = record_bytes,
                        .page_records = page_bytes / record_bytes,
                        .partition_count = partition_count,
                        .memory_limit = memory_limit,
                        .slabs = slabs,
                        .tmp_dir = tmp_dir,
                        .fd = -1};
    pthread_mutex_init(&s->lock, NULL);
    s->partitions = calloc(partition_count, sizeof *s->partitions);
    return s->partitions ? 0 : err_nomem(e);
}

void spill_release(struct spill *s) {
    if (!s->partitions) return;
    for (uint32_t i = 0; i < s->partition_count; i++) free(s->partitions[i].pages);
    free(s->partitions);
    s->partitions = NULL;
    for (uint32_t i = 0; i < s->taken_count; i++) slabs_give(s->slabs, s->taken[i]);
    free(s->taken);
    if (s->fd >= 0) close(s->fd);
    s->fd = -1;
    pthread_mutex_destroy(&s->lock);
}

int spill_writer_init(struct spill_writer *w, struct spill *s, struct err *e) {
    w->spill = s;
    w->open = calloc(s->partition_count, sizeof *w->open);
    w->filled = calloc(s->partition_count, sizeof *w->filled);
    return w->open && w->filled ? 0 : err_nomem(e);
}

/* Room for one page in memory; false: within the limit there is none. */
static bool take_room(struct spill *s) {
    if ((size_t)(s->room_end - s->room) >= page_stride(s)) return true;
    if (!s->slabs || page_stride(s) > SLAB_BYTES || s->memory_used + SLAB_BYTES > s->memory_limit)
        return false;
    if (s->taken_count == s->taken_cap) {
        uint32_t cap = s->taken_cap ? s->taken_cap * 2 : 64;
        uint8_t **taken = realloc(s->taken, cap * sizeof *taken);
        if (!taken) return false;
        s->taken = taken;
        s->taken_cap = cap;
    }
    uint8_t *slab = slabs_take(s->slabs);
    if (!slab) return false;
    s->taken[s->taken_count++] = slab;
    s->memory_used += SLAB_BYTES;
    s->room = slab;
    s->room_end = slab + SLAB_BYTES;
    return true;
}

/* Reserve a place for one page, in memory or in the file. Called under the lock. */
static int place(struct spill *s, uint32_t records, struct spill_page *page, struct err *e) {
    *page = (struct spill_page){.records = records};
    if (take_room(s)) {
        page->data = s->room;
        s->room += page_stride(s);
        return 0;
    }
    if (s->fd < 0) TRY(file_temp(s->tmp_dir, &s->fd, e));
    page->offset = s->file_bytes;
    s->file_bytes += page_stride(s);
    return 0;
}

static int add_page(struct spill_partition *p, struct spill_page page, struct err *e) {
    if (p->page_count == p->page_cap) {
        uint32_t cap = p->page_cap ? p->page_cap * 2 : 16;
        struct spill_page *pages = realloc(p->pages, cap * sizeof *pages);
        if (!pages) return err_nomem(e);
        p->pages = pages;
        p->page_cap = cap;
    }
    p->pages[p->page_count++] = page;
    p->records += page.records;
    return 0;
}

static int hand_over(struct spill *s, uint32_t partition, const uint8_t *data, uint32_t records,
                     struct err *e) {
    struct spill_page page;
    pthread_mutex_lock(&s->lock);
    int rc = place(s, records, &page, e);
    if (!rc) rc = add_page(&s->partitions[partition], page, e);
    int fd = s->fd;
    pthread_mutex_unlock(&s->lock);
    if (rc) return rc;
    size_t bytes = (size_t)records * s->record_bytes;
    if (!page.data) return spill_pwrite(fd, data, bytes, page.offset, s->tmp_dir, e);
    memcpy(page.data, data, bytes);
    return 0;
}

int spill_writer_turn(struct spill_writer *w, uint32_t partition, struct err *e) {
    struct spill *s = w->spill;
    if (w->open[partition]) TRY(hand_over(s, partition, w->open[partition], w->filled[partition], e));
    w->filled[partition] = 0;
    if (!w->open[partition]) w->open[partition] = malloc((size_t)s->page_records * s->record_bytes);
    return w->open[partition] ? 0 : err_nomem(e);
}

int spill_writer_end(struct spill_writer *w, struct err *e) {
    for (uint32_t i = 0; i < w->spill->partition_count; i++)
        if (w->open[i] && w->filled[i]) {
            TRY(hand_over(w->spill, i, w->open[i], w->filled[i], e));
            w->filled[i] = 0;
        }
    return 0;
}

void spill_writer_release(struct spill_writer *w) {
    for (uint32_t i = 0; w->open && i < w->spill->partition_count; i++) free(w->open[i]);
    free(w->open);
    free(w->filled);
    w->open = NULL;
    w->filled = NULL;
}

int spill_read(const struct spill *s, uint32_t partition, uint32_t page, void *out, struct err *e) {
    const struct spill_page *p = &s->partitions[partition].pages[page];
    size_t bytes = (size_t)p->records * s->record_bytes;
    if (!p->data) return file_pread(s->fd, out, bytes, p->offset, s->tmp_dir, e);
    memcpy(out, p->data, bytes);
    return 0;
}
