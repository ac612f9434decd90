/* What the scanner's tests, fuzzing and speed test share: a pipeline filled in by hand, its layout, a chunk.
 */
#ifndef WEIR_ETL_SCAN_PIPELINE_TEST_H
#define WEIR_ETL_SCAN_PIPELINE_TEST_H

#include "etl/scan.h"

#include <stdlib.h>

static inline struct pipeline test_pipeline(void) {
    static struct str tokens[] = {{"null", 4}, {"none", 4}, {"nan", 3}, {"n/a", 3}, {"\\n", 2}, {"-", 1}};
    static struct keep_column keep[] = {{"word", KEEP_STRING}, {"whole", KEEP_LONG}, {"real", KEEP_DOUBLE}};
    return (struct pipeline){
        .columns = {"event_id", "user_id", "timestamp", "page_url", "referrer", "device", "ip_address"},
        .delimiter = ',',
        .strict = true,
        .keep = keep, /* keep_count 0 until a test wants them */
        .null_tokens = tokens,
        .null_token_count = 6,
        .timestamp = TIMESTAMP_ISO8601,
        .gap_us = 1800000000,
    };
}

/* A good timestamp. */
#define TS "2024-06-01T00:00:00Z"

/* Columns in the order of the pipeline, keep columns after them. */
static inline struct scan_layout plain_layout(const struct pipeline *p) {
    struct scan_layout l = {.field_count = COLUMN_COUNT + p->keep_count};
    for (unsigned c = 0; c < COLUMN_COUNT; c++) l.column[c] = c;
    for (unsigned k = 0; k < p->keep_count; k++) l.keep[k] = COLUMN_COUNT + k;
    return l;
}

/* The chunk in memory of its own, the padding filled with what must not be seen. */
static inline uint8_t *padded(const void *data, size_t len) {
    uint8_t *exact = malloc(len + SCAN_PADDING);
    if (len) memcpy(exact, data, len);
    for (size_t i = 0; i < SCAN_PADDING; i++) exact[len + i] = (uint8_t) "\n,\"7\xff"[i % 5];
    return exact;
}

#endif
