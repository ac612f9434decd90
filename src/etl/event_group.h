/* Rows of one day on their way to a row group of `events`: kept as they come, as text, and turned to columns
 * at once when the group is full.
 *
 * Interning row by row as they come costs twice as much on shuffled input, where each row belongs to another
 * day and every look-up misses the caches; so does looking up countries. All at once, one thread's tables
 * serve all its groups and stay hot. */
#ifndef WEIR_ETL_EVENT_GROUP_H
#define WEIR_ETL_EVENT_GROUP_H

#include "edge/mmdb.h"
#include "etl/intern.h"
#include "etl/scan.h"
#include "etl/tables.h"

/* Texts of a row, in the order in which they follow each other in struct event_group's text. */
enum event_text {
    TEXT_EVENT_ID,
    TEXT_USER_ID,
    TEXT_PAGE_URL,
    TEXT_REFERRER,
    TEXT_DEVICE,
    TEXT_IP,
    TEXT_COUNT
};

struct event_row {
    int64_t time_us, start_us;
    uint32_t seq, text;       /* text: offset of the first */
    uint32_t session;         /* equal in rows of one session, below the group's session_count; UINT32_MAX:
                                 not known */
    uint32_t len[TEXT_COUNT]; /* UINT32_MAX: null */
};

union event_keep_value {
    struct {
        uint32_t offset, len; /* string, in text */
    } text;
    int64_t i;
    double d;
};

/* Keep values stand row by row: row i's are keep[i * keep_count …]; keep_null likewise. */
struct event_group {
    const struct pipeline *pipeline;
    int32_t day;
    uint64_t touched; /* the thread's row counter when a row last came */
    uint32_t rows, cap;
    uint32_t session_count; /* may number one session twice */
    struct event_row *row;
    union event_keep_value *keep;
    uint8_t *keep_null;
    struct buf text;
};

struct event_group *event_group_new(const struct pipeline *p); /* NULL: out of memory */
void event_group_free(struct event_group *g);

/* Forget the rows, keep the memory. */
void event_group_clear(struct event_group *g);

/* Add a kept row. `seq` 0: its session is not known yet. */
int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e);

/* Add all rows of another group of the same pipeline and day. */
int event_group_append(struct event_group *to, const struct event_group *from, struct err *e);

/* Row i as it was given, but for its timestamp's text; `keep` has room for the pipeline's keep columns. */
void event_group_read(const struct event_group *g, uint32_t i, struct scan_row *out,
                      struct scan_keep_value *keep);

/* Remove the rows whose seq is 0. */
void event_group_compact(struct event_group *g);

/* Bytes in use by the rows. */
static inline uint64_t event_group_bytes(const struct event_group *g) {
    return g->rows * (sizeof *g->row + g->pipeline->keep_count * (sizeof *g->keep + 1)) + g->text.len;
}

/* Bytes held for rows, used or not. */
static inline uint64_t event_group_memory(const struct event_group *g) {
    return g->cap * (sizeof *g->row + g->pipeline->keep_count * (sizeof *g->keep + 1)) + g->text.cap;
}

/* A thread's tables to turn groups into row groups. */
struct event_encoder;

struct event_encoder *event_encoder_new(const struct pipeline *p,
                                        const struct mmdb *m); /* NULL: out of memory */
void event_encoder_free(struct event_encoder *x);

/* Encode the rows (at least one), reordered so that sessions stand together: bytes appended to *out, metadata
 * placed in `meta`. */
int event_encode(struct event_encoder *x, const struct event_group *g, struct parquet_encoder *encoder,
                 const struct parquet_column *columns, struct buf *out, struct arena *meta,
                 struct parquet_row_group **group, struct err *e);

#endif
