/* Scan 1: every acceptable record becomes a 24-byte key (user, time, row), in partitions by user.
 *
 * A user is known by 96 bits of a hash keyed afresh for each run (XXH3, random seed): for a billion users the
 * chance that any two meet is below 10^-11. Rows are numbered (chunk, row in chunk), so that threads need not
 * agree on anything. */
#ifndef WEIR_ETL_KEYS_H
#define WEIR_ETL_KEYS_H

#include "base/progress.h"
#include "etl/ingest.h"
#include "etl/spill.h"

struct key {
    uint64_t user_hi;  /* its top bits are the partition */
    uint64_t time_row; /* (time − KEY_TIME_MIN) << 10 | top 10 bits of the row id */
    uint32_t user_lo;
    uint32_t row_lo;
};

/* Row ids: chunk << KEY_ROW_BITS | row within the chunk. */
enum { KEY_ROW_BITS = 20, KEY_CHUNKS_MAX = 1 << 22 };

/* Two days before 1900: a year as written plus an offset of 18 hours lies above. */
#define KEY_TIME_MIN (-2209161600000000)

static inline int64_t key_time_us(const struct key *k) {
    return (int64_t)(k->time_row >> 10) + KEY_TIME_MIN;
}
static inline uint64_t key_row(const struct key *k) {
    return (k->time_row & 1023) << 32 | k->row_lo;
}

/* What scan 1 learned of a chunk. */
struct chunk_rows {
    uint64_t first;    /* file offset of its first record */
    uint32_t len;      /* bytes of records */
    uint32_t rows;     /* records, rejected ones too */
    uint64_t base;     /* dense number of its first row in the run's input */
    uint32_t *anchors; /* offsets, from `first`, of every anchor_stride-th record */
};

struct keys {
    struct spill spill; /* struct key by partition */
    unsigned partition_bits;
    struct chunk_rows *chunks;
    uint32_t anchor_stride;
    struct arena *anchor_arenas; /* one a thread */
    unsigned threads;
    uint64_t rows;    /* records read */
    uint64_t counted; /* records by scanner_count_records (5.1) */
    uint64_t kept;    /* records that have a key */
};

/* Read all of the input once. memory_limit: bytes of keys held in slabs before pages go to tmp_dir. */
int keys_scan(struct keys *k, const struct ingest *in, unsigned threads, struct slabs *slabs,
              uint64_t memory_limit, const char *tmp_dir, struct progress *progress, struct err *e);
void keys_release(struct keys *k);

#endif
