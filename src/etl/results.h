/* What the sessions say of each row, in input order: session start and event_seq, or that the row is dropped.
 *
 * 8 bytes a row, in memory where the budget allows; else scattered to buckets of consecutive rows in a
 * temporary file and loaded bucket by bucket. */
#ifndef WEIR_ETL_RESULTS_H
#define WEIR_ETL_RESULTS_H

#include "etl/spill.h"

#include <stdbool.h>

/* A session that outgrows the packed form. */
struct result_long {
    int64_t start_us;
    uint32_t seq;
};

struct results {
    uint64_t rows;
    uint64_t *memory; /* NULL: spilled */
    struct spill spill;
    uint32_t bucket_bits;
    struct result_long *longs;
    uint32_t long_count, long_cap;
    pthread_mutex_t lock;
};

/* 0: dropped. Else bit 63 set: index into `longs`; clear: seq in bits 40–62, time − start in µs in bits 0–39.
 */
enum { RESULT_DELTA_BITS = 40, RESULT_SEQ_MAX = (1 << 23) - 1 };
#define RESULT_LONG (1ull << 63)

int results_init(struct results *r, uint64_t rows, uint64_t memory_limit, const char *tmp_dir, struct err *e);
void results_release(struct results *r);

/* A thread's way to put results; for results in memory no more than the store itself. */
struct results_writer {
    struct results *r;
    struct spill_writer w;
};
int results_writer_init(struct results_writer *w, struct results *r, struct err *e);
int results_writer_end(struct results_writer *w, struct err *e);
void results_writer_release(struct results_writer *w);

struct result_record {
    uint32_t row; /* within its bucket */
    uint32_t lo, hi;
};

/* A row that is kept. Each row at most once; rows never put read as dropped. */
static inline int results_put(struct results_writer *w, uint64_t row, uint64_t packed, struct err *e) {
    struct results *r = w->r;
    if (r->memory) {
        r->memory[row] = packed;
        return 0;
    }
    struct result_record *rec = spill_writer_slot(&w->w, (uint32_t)(row >> r->bucket_bits), e);
    if (!rec) return e->code;
    *rec = (struct result_record){(uint32_t)(row & ((1u << r->bucket_bits) - 1)), (uint32_t)packed,
                                  (uint32_t)(packed >> 32)};
    return 0;
}

/* Pack; a long session is remembered in the table. */
int results_pack(struct results *r, int64_t time_us, int64_t start_us, uint32_t seq, uint64_t *packed,
                 struct err *e);

/* Unpack what is not 0. */
static inline void results_unpack(const struct results *r, uint64_t packed, int64_t time_us,
                                  int64_t *start_us, uint32_t *seq) {
    if (__builtin_expect(packed & RESULT_LONG, 0)) {
        const struct result_long *l = &r->longs[packed & ~RESULT_LONG];
        *start_us = l->start_us;
        *seq = l->seq;
        return;
    }
    *start_us = time_us - (int64_t)(packed & ((1ull << RESULT_DELTA_BITS) - 1));
    *seq = (uint32_t)(packed >> RESULT_DELTA_BITS);
}

/* A thread's way to read results, after all writers have ended. */
struct results_reader {
    const struct results *r;
    uint64_t *bucket; /* the loaded one */
    void *page;
    uint32_t loaded; /* its number, UINT32_MAX: none */
};
int results_reader_init(struct results_reader *rd, const struct results *r, struct err *e);
void results_reader_release(struct results_reader *rd);

/* The results of rows from `row` on; *count says of how many (at least one, row < rows). */
int results_read(struct results_reader *rd, uint64_t row, const uint64_t **values, uint64_t *count,
                 struct err *e);

#endif
