/* A pipeline filled in by hand, so that the scanner's tests need no configuration reader. */
#ifndef WEIR_ETL_SCAN_PIPELINE_TEST_H
#define WEIR_ETL_SCAN_PIPELINE_TEST_H

#include "etl/pipeline.h"

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

#endif
