#include "etl/key_runs.h"

#include "base/files.h"
#include "etl/key_sort.h"

#include <stdlib.h>
#include <unistd.h>

enum { CURSOR_KEYS = 2048, BATCH_KEYS = 8192, SORT_RECORDS_MIN = 16384 };

int key_sorter_init(struct key_sorter *s, struct keys *k, uint32_t sort_records, const char *tmp_dir,
                    struct err *e) {
    *s = (struct key_sorter){.keys = k, .tmp_dir = tmp_dir};
    s->sort_records = sort_records > SORT_RECORDS_MIN ? sort_records : SORT_RECORDS_MIN;
    s->counters = malloc(KEY_SORT_COUNTERS * sizeof *s->counters);
    return s->counters ? 0 : err_nomem(e);
}

void key_sorter_release(struct key_sorter *s) {
    free(s->in);
    free(s->out);
    free(s->counters);
    *s = (struct key_sorter){0};
}

static int reserve(struct key_sorter *s, uint64_t n, struct err *e) {
    if (n > s->sort_records) n = s->sort_records;
    if (n <= s->cap) return 0;
    free(s->in);
    free(s->out);
    s->in = malloc(n * sizeof *s->in);
    s->out = malloc(n * sizeof *s->out);
    s->cap = s->in && s->out ? (uint32_t)n : 0;
    return s->cap ? 0 : err_nomem(e);
}

/* Load pages from *page on while they fit; sorts them into s->out. */
static int sort_some(struct key_sorter *s, uint32_t partition, uint32_t *page, uint32_t *n, struct err *e) {
    const struct spill_partition *p = &s->keys->spill.partitions[partition];
    for (*n = 0; *page < p->page_count && *n + p->pages[*page].records <= s->cap; (*page)++) {
        TRY(spill_read(&s->keys->spill, partition, *page, s->in + *n, e));
        *n += p->pages[*page].records;
    }
    key_sort(s->in, s->out, *n, s->keys->partition_bits, s->counters);
    return 0;
}

/* One sorted run in the temporary file, read through a small window. */
struct cursor {
    uint64_t at, end; /* keys, in the file */
    struct key *window;
    uint32_t next, have;
};

struct merge {
    const char *tmp_dir;
    int fd;
    struct cursor *cursors;
    uint32_t count;
    uint32_t *heap, heap_len; /* cursors by their next key, least first */
    struct key *batch;
    uint32_t batch_len, batch_cap;
};

static int refill(struct merge *m, struct cursor *c, struct err *e) {
    uint64_t left = c->end - c->at;
    c->next = 0;
    c->have = left < CURSOR_KEYS ? (uint32_t)left : CURSOR_KEYS;
    TRY(file_pread(m->fd, c->window, c->have * sizeof(struct key), c->at * sizeof(struct key), m->tmp_dir,
                   e));
    c->at += c->have;
    return 0;
}

static bool before(const struct merge *m, uint32_t a, uint32_t b) {
    const struct cursor *x = &m->cursors[m->heap[a]], *y = &m->cursors[m->heap[b]];
    return key_less(&x->window[x->next], &y->window[y->next]);
}

static void sift_down(struct merge *m, uint32_t i) {
    for (;;) {
        uint32_t least = i, left = 2 * i + 1, right = left + 1;
        if (left < m->heap_len && before(m, left, least)) least = left;
        if (right < m->heap_len && before(m, right, least)) least = right;
        if (least == i) return;
        uint32_t swap = m->heap[i];
        m->heap[i] = m->heap[least];
        m->heap[least] = swap;
        i = least;
    }
}

static int merge_begin(struct merge *m, struct err *e) {
    m->heap = malloc((m->count + 1) * sizeof *m->heap);
    if (!m->heap) return err_nomem(e);
    for (uint32_t i = 0; i < m->count; i++) {
        struct cursor *c = &m->cursors[i];
        c->window = malloc(CURSOR_KEYS * sizeof *c->window);
        if (!c->window) return err_nomem(e);
        TRY(refill(m, c, e));
        m->heap[m->heap_len++] = i;
    }
    for (uint32_t i = m->heap_len; i--;) sift_down(m, i);
    return 0;
}

static int merge_fill(struct merge *m, struct err *e) {
    if (m->batch_len > m->batch_cap / 2) { /* one long tie */
        uint32_t cap = m->batch_cap * 2;
        struct key *batch = realloc(m->batch, cap * sizeof *batch);
        if (!batch) return err_nomem(e);
        m->batch = batch;
        m->batch_cap = cap;
    }
    while (m->heap_len && m->batch_len < m->batch_cap) {
        struct cursor *c = &m->cursors[m->heap[0]];
        m->batch[m->batch_len++] = c->window[c->next++];
        if (c->next == c->have) {
            if (c->at < c->end)
                TRY(refill(m, c, e));
            else
                m->heap[0] = m->heap[--m->heap_len];
        }
        sift_down(m, 0);
    }
    return 0;
}

static int merge_run(struct merge *m, const struct threads_group *g, key_consumer *consume, void *ctx,
                     struct err *e) {
    TRY(merge_begin(m, e));
    m->batch_cap = BATCH_KEYS;
    m->batch = malloc(m->batch_cap * sizeof *m->batch);
    if (!m->batch) return err_nomem(e);
    do {
        if (threads_stopping(g)) return interrupt_check(e);
        TRY(merge_fill(m, e));
        uint32_t used = 0;
        TRY(consume(ctx, m->batch, m->batch_len, m->heap_len == 0, &used, e));
        m->batch_len -= used;
        memmove(m->batch, m->batch + used, m->batch_len * sizeof *m->batch);
    } while (m->heap_len || m->batch_len);
    return 0;
}

static int write_runs(struct key_sorter *s, uint32_t partition, struct merge *m, struct err *e) {
    const struct spill_partition *p = &s->keys->spill.partitions[partition];
    uint64_t keys = 0;
    uint32_t n = 0, page = 0;
    TRY(file_temp(s->tmp_dir, &m->fd, e));
    m->cursors = calloc(p->records / (s->cap - s->keys->spill.page_records) + 2, sizeof *m->cursors);
    if (!m->cursors) return err_nomem(e);
    for (;;) {
        TRY(sort_some(s, partition, &page, &n, e));
        if (!n) return 0;
        TRY(spill_pwrite(m->fd, s->out, n * sizeof(struct key), keys * sizeof(struct key), s->tmp_dir, e));
        m->cursors[m->count++] = (struct cursor){.at = keys, .end = keys + n};
        keys += n;
    }
}

static void merge_release(struct merge *m) {
    for (uint32_t i = 0; i < m->count; i++) free(m->cursors[i].window);
    free(m->cursors);
    free(m->heap);
    free(m->batch);
    if (m->fd >= 0) close(m->fd);
}

int key_sorter_run(struct key_sorter *s, uint32_t partition, const struct threads_group *g,
                   key_consumer *consume, void *ctx, struct err *e) {
    uint64_t records = s->keys->spill.partitions[partition].records;
    int rc = 0;
    if (!records) return 0;
    TRY(reserve(s, records, e));
    if (records <= s->cap) {
        uint32_t page = 0, n = 0, used = 0;
        TRY(sort_some(s, partition, &page, &n, e));
        rc = consume(ctx, s->out, n, true, &used, e);
    } else {
        struct merge m = {.tmp_dir = s->tmp_dir, .fd = -1};
        rc = write_runs(s, partition, &m, e);
        if (!rc) rc = merge_run(&m, g, consume, ctx, e);
        merge_release(&m);
    }
    return rc;
}
