/* Rows of one day on their way to a row group of `events`: columns as they come in, reordered by session when
 * encoded.
 *
 * In user order the columns of a session repeat: user, session and address become short dictionary runs, a
 * fifth smaller files than in input order. Strings that repeat are interned as they arrive, so a row holds
 * numbers, and only event_id and page_url as text. */
#ifndef WEIR_ETL_EVENT_GROUP_H
#define WEIR_ETL_EVENT_GROUP_H

#include "edge/mmdb.h"
#include "etl/intern.h"
#include "etl/scan.h"
#include "etl/tables.h"

struct event_row; /* event_row.h */

/* What the rows of a session share, most of the time. */
struct event_session {
    uint32_t ip, raw_device; /* numbers of its last event's texts; UINT32_MAX: none yet */
};

struct event_ip {
    uint16_t country;
    bool valid;
};

struct event_group {
    const struct pipeline *pipeline;
    const struct mmdb *mmdb;
    int32_t day;
    uint64_t touched; /* the thread's row counter when a row last came */
    uint32_t rows, cap;
    struct event_row *row;
    struct buf text; /* event_id and page_url */
    struct intern users, sessions, referrers, devices, raw_devices, ips;
    struct event_session *session; /* by session number */
    uint32_t session_cap;
    struct event_ip *ip; /* by number in ips */
    uint32_t ip_cap;
    uint32_t *device; /* number in devices by number in raw_devices */
    uint32_t device_cap, no_device;
    uint32_t max_seq;
    struct event_keep {
        struct intern strings;
        union {
            uint32_t *index; /* string */
            int64_t *i;      /* long */
            double *d;       /* double */
        } values;
        uint8_t *null;
    } keep[]; /* keep_count */
};

struct event_group *event_group_new(const struct pipeline *p, const struct mmdb *m); /* NULL: out of memory */
void event_group_free(struct event_group *g);

/* Forget the rows, keep the memory. */
void event_group_clear(struct event_group *g);

/* Add a kept row. */
int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e);

/* Bytes of memory in use by the rows. */
uint64_t event_group_bytes(const struct event_group *g);

/* Encode the rows (at least one): bytes appended to *out, metadata placed in `meta`; `scratch` is cleared and
 * used. */
int event_group_encode(const struct event_group *g, struct parquet_encoder *encoder,
                       const struct parquet_column *columns, struct arena *scratch, struct buf *out,
                       struct arena *meta, struct parquet_row_group **group, struct err *e);

#endif
