/* A record's cleansed values, copied out of the scanner: for the few that must be compared (ties) or kept
 * (pipeline.md 2.6, 2.7, 3.1). */
#ifndef WEIR_ETL_RECORD_H
#define WEIR_ETL_RECORD_H

#include "etl/scan.h"

struct record {
    struct str field[COLUMN_COUNT]; /* COL_TIMESTAMP is unused */
    struct scan_keep_value *keep;   /* keep_count values */
    uint64_t row;                   /* id, for a stable order among equals */
};

/* 2.7: the address when it is one, else null. */
struct str record_ip(struct str text);

/* Copy a scanned record's cleansed values to the arena. */
int record_copy(const struct pipeline *p, const struct scan_row *row, struct arena *a, struct record *out,
                struct err *e);

/* The order of 3.1 among records of one user and time: (event_id, page_url, referrer, device, ip_address,
 * keep columns); 0 when equal. */
int record_compare(const struct pipeline *p, const struct record *a, const struct record *b);

/* Sort by record_compare; of records equal throughout the one with the lower row comes first. */
void record_sort(const struct pipeline *p, struct record *records, uint32_t n);

#endif
