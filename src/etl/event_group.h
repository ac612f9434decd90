/* Rows of one day on their way to a row group of `events`: kept as they come, as text, and turned to columns
 * at once when the group is full.
 *
 * Interning row by row as they come costs twice as much on shuffled input, where each row belongs to another
 * day and every look-up misses the caches; so does looking up countries. All at once, one thread's tables
 * serve all its groups and stay hot.
 *
 * Rows and text never move. The first lie in small pieces of the group's own, each as large as all before it,
 * so that thousands of days may be at hand; then in slabs. Days share these: with thirty of them open,
 * growing each in memory of its own cost a sixth of a shuffled run in page faults. */
#ifndef WEIR_ETL_EVENT_GROUP_H
#define WEIR_ETL_EVENT_GROUP_H

#include "base/slabs.h"
#include "edge/mmdb.h"
#include "etl/intern.h"
#include "etl/scan.h"
#include "etl/tables.h"

/* Texts of a row, in the order in which they follow each other. */
enum event_text {
    TEXT_EVENT_ID,
    TEXT_USER_ID,
    TEXT_PAGE_URL,
    TEXT_REFERRER,
    TEXT_DEVICE,
    TEXT_IP,
    TEXT_COUNT
};

union event_keep_value {
    struct {
        uint32_t offset, len; /* string, in the row's text */
    } text;
    int64_t i;
    double d;
};

/* One cache line, and the keep columns. */
struct event_row {
    int64_t time_us, start_us;
    const char *text; /* the texts, one after another; then keep columns' */
    uint32_t text_bytes, seq;
    uint32_t session;         /* equal in rows of one session, below the group's session_count; UINT32_MAX:
                                 not known */
    uint32_t len[TEXT_COUNT]; /* UINT32_MAX: null */
    uint32_t unused;
    union event_keep_value keep[]; /* keep_count; then as many bytes: 1 for null */
};

/* Whether the row's keep columns are null. */
static inline uint8_t *event_row_keep_null(const struct pipeline *p, const struct event_row *row) {
    return (uint8_t *)&row->keep[p->keep_count];
}

/* A row as it was given, but for its timestamp's text; `keep` has room for the keep columns. */
void event_row_read(const struct pipeline *p, const struct event_row *row, struct scan_row *out,
                    struct scan_keep_value *keep);

enum { GROUP_FIRST = 8, GROUP_PIECES = 7 };

struct event_group {
    const struct pipeline *pipeline;
    struct slabs *slabs;
    int32_t day;
    uint64_t touched; /* the thread's row counter when a row last came */
    uint32_t rows;
    uint32_t session_count; /* may number one session twice */
    uint32_t row_bytes, row_shift;
    /* The first 1 << row_shift rows: GROUP_FIRST, as many, twice as many, …; then as many in each slab. */
    uint8_t *few_rows[GROUP_PIECES];
    uint8_t **row_slabs;
    uint32_t row_slab_count, row_slab_cap;
    uint8_t **text_slabs;
    uint32_t text_slab_count, text_slab_cap;
    uint8_t *text, *text_end; /* free room in the latest */
    uint8_t **own_texts;      /* pieces before the first slab, and of rows too long for one */
    uint32_t own_count, own_cap;
    uint64_t text_bytes, own_bytes; /* the latter of rows, too */
};

/* NULL: out of memory. The slabs must outlive it. */
struct event_group *event_group_new(const struct pipeline *p, struct slabs *slabs);
void event_group_free(struct event_group *g);

/* Forget the rows and give their memory back. */
void event_group_clear(struct event_group *g);

/* The piece of the first rows in which row i is, and the first of that piece. */
static inline unsigned event_group_piece(uint32_t i, uint32_t *first) {
    unsigned piece = i < GROUP_FIRST ? 0 : 32u - (unsigned)__builtin_clz(i / GROUP_FIRST);
    *first = piece ? GROUP_FIRST << (piece - 1) : 0;
    return piece;
}

static inline struct event_row *event_group_row(const struct event_group *g, uint32_t i) {
    uint32_t slab = i >> g->row_shift, first = slab << g->row_shift;
    const uint8_t *piece = slab ? g->row_slabs[slab - 1] : g->few_rows[event_group_piece(i, &first)];
    return (void *)(piece + (size_t)(i - first) * g->row_bytes);
}

/* Add a kept row. `seq` 0: its session is not known yet. */
int event_group_add(struct event_group *g, const struct scan_row *r, int64_t session_start_us, uint32_t seq,
                    struct err *e);

/* Add all rows of another group of the same pipeline and day. */
int event_group_append(struct event_group *to, const struct event_group *from, struct err *e);

/* Remove the rows whose seq is 0. */
void event_group_compact(struct event_group *g);

/* Bytes of the rows. */
static inline uint64_t event_group_bytes(const struct event_group *g) {
    return (uint64_t)g->rows * g->row_bytes + g->text_bytes;
}

/* Bytes of memory held for them. */
static inline uint64_t event_group_memory(const struct event_group *g) {
    return (uint64_t)(g->row_slab_count + g->text_slab_count) * SLAB_BYTES + g->own_bytes;
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
