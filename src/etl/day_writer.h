/* A thread's rows on their way to data files: kept rows in one group a day, rejected rows in one group, each
 * written as a row group when it is full. Both ways of running, in one pass and in two scans, end here. */
#ifndef WEIR_ETL_DAY_WRITER_H
#define WEIR_ETL_DAY_WRITER_H

#include "edge/mmdb.h"
#include "etl/data_files.h"
#include "etl/event_group.h"
#include "etl/ingest.h"
#include "etl/reject_group.h"

struct day_writer_options {
    const struct ingest *in;
    struct mmdb_loader *countries;
    struct slabs *slabs;                 /* of all threads' groups */
    struct data_files *events, *rejects; /* NULL: that table already holds the run */
    uint64_t group_bytes;                /* a row group's size in memory */
    uint64_t pool_bytes;                 /* all unfinished row groups of one thread */
    const struct str *source_files;      /* by file number */
};

struct row_counts {
    uint64_t kept, rejected[REASON_COUNT], nulled[KEEP_MAX];
};

enum { DAY_WRITER_SLOTS = 1024 };

struct day_writer {
    const struct day_writer_options *o;
    struct parquet_encoder *encoder;
    struct event_encoder *columns; /* rows to columns; from the first row group on */
    struct arena scratch, *meta;   /* scratch: of rejects */
    struct buf out;
    struct event_group **groups; /* of the days at hand; the first `active` */
    uint32_t active, group_cap;
    struct event_group *by_day[DAY_WRITER_SLOTS]; /* a cache */
    struct reject_group rejects;
    uint64_t rows; /* seen by this thread */
    struct row_counts counts;
};

/* The options and `meta` (row groups' metadata, for the commit) must outlive it. */
int day_writer_init(struct day_writer *w, const struct day_writer_options *o, struct arena *meta,
                    struct err *e);
void day_writer_release(struct day_writer *w);

/* The day whose file an event at this time belongs to; 0 for all in an unpartitioned table. */
static inline int32_t day_writer_day(const struct day_writer_options *o, int64_t time_us) {
    return o->events->partition_column ? timestamp_day(time_us) : 0;
}

/* A record that has the values the pipeline asks for: counts what of its keep columns is nulled (1.6), of
 * duplicates too: which of two equal copies stays must not show in the ledger. */
void day_writer_count_nulled(struct day_writer *w, const struct scan_row *r);

/* Add a kept row. */
int day_writer_keep(struct day_writer *w, const struct scan_row *r, int64_t start_us, uint32_t seq,
                    struct err *e);

/* Add all rows of a group that is not the writer's own, counted as kept. A group large enough is written as
 * it is; else its rows join the day's group. The group is cleared. */
int day_writer_keep_group(struct day_writer *w, struct event_group *g, struct err *e);

/* Add a rejected row; as reject_group_add(). */
int day_writer_reject(struct day_writer *w, enum reason reason, const struct scan_row *r,
                      const uint8_t *chunk, uint32_t file, struct err *e);

/* Between chunks: write what is full, what the log has passed by, and what the pool has no room for. */
int day_writer_tidy(struct day_writer *w, struct err *e);

/* Before rows from elsewhere in time: write what is nearly full. */
int day_writer_turn(struct day_writer *w, struct err *e);

/* Write all that is left. */
int day_writer_finish(struct day_writer *w, struct err *e);

void row_counts_add(struct row_counts *to, const struct row_counts *from);

#endif
