/* The two output tables' columns (pipeline.md 4.1, 4.2). */
#ifndef WEIR_ETL_TABLES_H
#define WEIR_ETL_TABLES_H

#include "etl/iceberg.h"
#include "etl/pipeline.h"

enum events_column {
    EV_EVENT_ID,
    EV_USER_ID,
    EV_SESSION_ID,
    EV_EVENT_SEQ,
    EV_EVENT_TIME,
    EV_SESSION_START,
    EV_PAGE_URL,
    EV_REFERRER,
    EV_DEVICE,
    EV_IP_ADDRESS,
    EV_COUNTRY,
    EV_COLUMNS, /* the first keep column */
    EV_MAX = EV_COLUMNS + KEEP_MAX
};

enum rejects_column {
    RJ_REASON,
    RJ_FIELD, /* the seven, in the order of enum column */
    RJ_RAW = RJ_FIELD + COLUMN_COUNT,
    RJ_SOURCE_FILE,
    RJ_COLUMNS
};

/* events: field ids 1…, keep columns last; returns how many. */
uint32_t tables_events(const struct pipeline *p, struct iceberg_column out[EV_MAX]);
void tables_rejects(struct iceberg_column out[RJ_COLUMNS]);

#endif
