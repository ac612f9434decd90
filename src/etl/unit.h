/* A stretch of the input in memory, on its way through the one-pass engine: its rows in groups by day, and
 * their keys sorted by user and time. */
#ifndef WEIR_ETL_UNIT_H
#define WEIR_ETL_UNIT_H

#include "etl/day_writer.h"
#include "etl/keys.h"
#include "etl/record.h"

/* A row that may be kept. */
struct unit_row {
    struct event_row *row; /* in its day's group */
    uint32_t file : 31, dropped : 1;
};

/* One user's keys in a unit: keys[begin … end), in the order of 3.1, without duplicates. */
struct unit_run {
    uint64_t user_hi;
    uint32_t user_lo;
    uint32_t begin, end; /* begin is moved when the first keys are settled */
    /* The session of the last key as far as the run alone tells, and how many sessions begin after the first
     * key. */
    uint32_t tail_seq, inner_sessions;
    int64_t tail_start_us;
    /* What came before, once settled: the first key continues the session that began at start_us with event
     * `seq`; 0: it begins one. */
    int64_t start_us;
    uint32_t seq;
};

struct unit {
    struct event_group **groups; /* the first `days` are in use */
    uint32_t days, group_cap;
    struct unit_row *rows;
    struct key *keys, *scratch; /* key_row() is the index in `rows` */
    uint32_t row_count, key_count, cap;
    uint64_t dropped;
    struct unit_run *runs;
    uint32_t run_count, run_cap;
    uint32_t sessions; /* numbers given in unit_write */
};

struct unit *unit_new(void); /* NULL: out of memory */
void unit_free(struct unit *u);

static inline int64_t unit_first_us(const struct unit *u, const struct unit_run *r) {
    return key_time_us(&u->keys[r->begin]);
}
static inline int64_t unit_last_us(const struct unit *u, const struct unit_run *r) {
    return key_time_us(&u->keys[r->end - 1]);
}

/* One thread's means to fill units. */
struct unit_reader {
    const struct ingest *in;
    const struct day_writer_options *o;
    uint64_t seed; /* of the users' hashes */
    struct scanner *scanner;
    struct ingest_buffer input;
    uint32_t *counters;
    struct arena arena; /* of ties */
    uint64_t counted;   /* records by structure alone (5.1) */
    uint64_t bytes;     /* read so far */
};

int unit_reader_init(struct unit_reader *r, const struct day_writer_options *o, uint64_t seed, struct err *e);
void unit_reader_release(struct unit_reader *r);

/* Read chunks [from, to) into the unit (its former content is forgotten), sort, drop its duplicates and find
 * its runs. What is rejected for itself goes to the writer at once. *fits false: too many days at hand. */
int unit_read(struct unit_reader *r, struct unit *u, uint32_t from, uint32_t to, struct day_writer *w,
              bool *fits, struct err *e);

/* Find again what a run tells of its sessions, after its first keys were taken away. */
void unit_measure_run(const struct unit *u, struct unit_run *r, int64_t gap_us);

/* A row that is a duplicate after all. */
void unit_drop(struct unit *u, uint32_t row);

/* A row's session and number. */
static inline struct event_row *unit_settle(struct unit *u, uint32_t row, int64_t start_us, uint32_t seq) {
    struct event_row *r = u->rows[row].row;
    r->start_us = start_us;
    r->seq = seq;
    return r;
}

/* The cleansed values of a row, for comparisons; in the arena, and pointing into the unit. */
int unit_record(const struct pipeline *p, const struct unit *u, uint32_t row, struct arena *a,
                struct record *out, struct err *e);

/* Number the rows of all settled runs, reject what was dropped, hand the rows to the writer. The unit is
 * empty afterwards. */
int unit_write(struct unit *u, struct day_writer *w, int64_t gap_us, struct err *e);

#endif
