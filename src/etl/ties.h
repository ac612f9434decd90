/* Ties: events of one user at one time. Their order and whether they are duplicates rest on the rows' text,
 * which is read again.
 *
 * A fetch costs about a microsecond from the page cache (one small read, a parse from the nearest anchor);
 * few rows need it. */
#ifndef WEIR_ETL_TIES_H
#define WEIR_ETL_TIES_H

#include "etl/keys.h"
#include "etl/record.h"

/* A thread's reader. */
struct tie_reader {
    const struct keys *keys;
    const struct ingest *in;
    struct scanner *scanner;
    struct ingest_buffer buffer;
    struct arena arena;
    struct record *records;
    uint32_t cap;
};

int tie_reader_init(struct tie_reader *t, const struct keys *k, const struct ingest *in, struct err *e);
void tie_reader_release(struct tie_reader *t);

/* Read the rows of n tied keys and sort them by 3.1: (*records)[i].row in order, valid until the next call.
 * Of records equal throughout the earlier row comes first. */
int tie_resolve(struct tie_reader *t, const struct key *keys, uint32_t n, struct record **records,
                struct err *e);

#endif
