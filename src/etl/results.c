#include "etl/results.h"

#include "base/hugepage.h"

#include <stdlib.h>
#include <string.h>

enum { BUCKET_BITS = 17, BUCKETS_MAX = 4096, PAGE = 6 << 10 };

int results_init(struct results *r, uint64_t rows, uint64_t memory_limit, const char *tmp_dir,
                 struct err *e) {
    *r = (struct results){.rows = rows, .bucket_bits = BUCKET_BITS};
    pthread_mutex_init(&r->lock, NULL);
    if (rows <= memory_limit / sizeof(uint64_t)) {
        r->memory = calloc(rows ? rows : 1, sizeof *r->memory);
        if (!r->memory) return err_nomem(e);
        hugepage_hint(r->memory, rows * sizeof *r->memory);
        return 0;
    }
    while (rows >> r->bucket_bits >= BUCKETS_MAX && r->bucket_bits < 31) r->bucket_bits++;
    return spill_init(&r->spill, sizeof(struct result_record), PAGE, (uint32_t)(rows >> r->bucket_bits) + 1,
                      NULL, 0, tmp_dir, e);
}

void results_release(struct results *r) {
    free(r->memory);
    free(r->longs);
    spill_release(&r->spill);
    *r = (struct results){0};
}

int results_writer_init(struct results_writer *w, struct results *r, struct err *e) {
    w->r = r;
    return r->memory ? 0 : spill_writer_init(&w->w, &r->spill, e);
}

int results_writer_end(struct results_writer *w, struct err *e) {
    return w->r->memory ? 0 : spill_writer_end(&w->w, e);
}

void results_writer_release(struct results_writer *w) {
    if (w->w.spill) spill_writer_release(&w->w);
}

static int remember(struct results *r, struct result_long l, uint64_t *packed, struct err *e) {
    int rc = 0;
    pthread_mutex_lock(&r->lock);
    if (r->long_count == r->long_cap) {
        uint32_t cap = r->long_cap ? r->long_cap * 2 : 64;
        struct result_long *longs = realloc(r->longs, cap * sizeof *longs);
        if (!longs)
            rc = err_nomem(e);
        else
            r->longs = longs, r->long_cap = cap;
    }
    if (!rc) {
        *packed = RESULT_LONG | r->long_count;
        r->longs[r->long_count++] = l;
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

int results_pack(struct results *r, int64_t time_us, int64_t start_us, uint32_t seq, uint64_t *packed,
                 struct err *e) {
    uint64_t delta = (uint64_t)(time_us - start_us);
    if (seq > RESULT_SEQ_MAX || delta >> RESULT_DELTA_BITS)
        return remember(r, (struct result_long){start_us, seq}, packed, e);
    *packed = (uint64_t)seq << RESULT_DELTA_BITS | delta;
    return 0;
}

int results_reader_init(struct results_reader *rd, const struct results *r, struct err *e) {
    *rd = (struct results_reader){.r = r, .loaded = UINT32_MAX};
    if (r->memory) return 0;
    rd->bucket = malloc(sizeof(uint64_t) << r->bucket_bits);
    rd->page = malloc((size_t)r->spill.page_records * r->spill.record_bytes);
    return rd->bucket && rd->page ? 0 : err_nomem(e);
}

void results_reader_release(struct results_reader *rd) {
    free(rd->bucket);
    free(rd->page);
    *rd = (struct results_reader){0};
}

static int load(struct results_reader *rd, uint32_t bucket, struct err *e) {
    const struct results *r = rd->r;
    const struct spill_partition *p = &r->spill.partitions[bucket];
    rd->loaded = UINT32_MAX;
    memset(rd->bucket, 0, sizeof(uint64_t) << r->bucket_bits);
    for (uint32_t i = 0; i < p->page_count; i++) {
        TRY(spill_read(&r->spill, bucket, i, rd->page, e));
        const struct result_record *rec = rd->page;
        for (uint32_t j = 0; j < p->pages[i].records; j++)
            rd->bucket[rec[j].row] = (uint64_t)rec[j].hi << 32 | rec[j].lo;
    }
    rd->loaded = bucket;
    return 0;
}

int results_read(struct results_reader *rd, uint64_t row, const uint64_t **values, uint64_t *count,
                 struct err *e) {
    const struct results *r = rd->r;
    if (r->memory) {
        *values = r->memory + row;
        *count = r->rows - row;
        return 0;
    }
    uint32_t bucket = (uint32_t)(row >> r->bucket_bits);
    if (rd->loaded != bucket) TRY(load(rd, bucket, e));
    uint64_t in_bucket = row & ((1ull << r->bucket_bits) - 1);
    *values = rd->bucket + in_bucket;
    *count = (1ull << r->bucket_bits) - in_bucket;
    return 0;
}
