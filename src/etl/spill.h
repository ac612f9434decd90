/* A partitioned append-only store of fixed-size records: pages in memory up to a limit, beyond it in one
 * unnamed temporary file.
 *
 * Writing: each thread appends to partitions through its own spill_writer, one open page a partition; full
 * pages are handed over. Reading: pages of a partition in any order, after all writers have ended. Owns pages
 * and file. */
#ifndef WEIR_ETL_SPILL_H
#define WEIR_ETL_SPILL_H

#include "base/err.h"
#include "base/slabs.h"

#include <pthread.h>
#include <stdint.h>

struct spill_page {
    uint8_t *data;   /* in a slab; NULL: in the file */
    uint64_t offset; /* in the file */
    uint32_t records;
};

struct spill_partition {
    struct spill_page *pages;
    uint32_t page_count, page_cap;
    uint64_t records;
};

struct spill {
    uint32_t record_bytes, page_records, partition_count;
    uint64_t memory_limit, memory_used; /* of handed-over pages */
    struct slabs *slabs;                /* where pages in memory lie; NULL: none do */
    uint8_t **taken;                    /* from slabs */
    uint32_t taken_count, taken_cap;
    uint8_t *room, *room_end; /* left in the latest */
    uint64_t file_bytes;
    const char *tmp_dir;
    int fd; /* −1 until the first page goes to the file */
    struct spill_partition *partitions;
    pthread_mutex_t lock;
};

/* page_bytes: at most SLAB_BYTES where pages are to lie in memory, in slabs that other stages use after this
 * one (`slabs` NULL: all go to the file). `slabs` and `tmp_dir` must outlive the store. */
int spill_init(struct spill *s, uint32_t record_bytes, uint32_t page_bytes, uint32_t partition_count,
               struct slabs *slabs, uint64_t memory_limit, const char *tmp_dir, struct err *e);
void spill_release(struct spill *s);

struct spill_writer {
    struct spill *spill;
    uint8_t **open;   /* a page a partition, allocated at its first record */
    uint32_t *filled; /* records in it */
};

int spill_writer_init(struct spill_writer *w, struct spill *s, struct err *e);

/* Hand over the open pages. */
int spill_writer_end(struct spill_writer *w, struct err *e);

/* Free what spill_writer_end did not hand over. Safe after it and on a zeroed writer. */
void spill_writer_release(struct spill_writer *w);

/* Hand over the open page of a partition, if any, and begin a fresh one. */
int spill_writer_turn(struct spill_writer *w, uint32_t partition, struct err *e);

/* Where to write the next record of a partition; NULL when out of memory or disk (*e says which). */
static inline void *spill_writer_slot(struct spill_writer *w, uint32_t partition, struct err *e) {
    if (__builtin_expect(!w->open[partition] || w->filled[partition] == w->spill->page_records, 0) &&
        spill_writer_turn(w, partition, e))
        return NULL;
    return w->open[partition] + (uint64_t)w->filled[partition]++ * w->spill->record_bytes;
}

/* Copy page i of a partition to `out` (room for page_records records). */
int spill_read(const struct spill *s, uint32_t partition, uint32_t page, void *out, struct err *e);

/* file_pwrite to any temporary file of spilled data; an error says that it is one. */
int spill_pwrite(int fd, const void *data, size_t bytes, uint64_t offset, const char *tmp_dir, struct err *e);

#endif
