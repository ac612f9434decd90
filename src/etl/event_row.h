/* A row of struct event_group; private to event_group.c and event_encode.c. */
#ifndef WEIR_ETL_EVENT_ROW_H
#define WEIR_ETL_EVENT_ROW_H

#include <stdint.h>

struct event_row {
    int64_t time_us;
    uint32_t session, seq;
    uint32_t event_id, event_id_len; /* offset in text */
    uint32_t page_url, page_url_len; /* UINT32_MAX: null */
    uint32_t referrer, ip, device;   /* numbers; UINT32_MAX: null */
};

#endif
