/* The pipeline in one pass over input that is ordered by time, as logs are: sessions are made while the rows
 * are in memory.
 *
 * The input is cut into units of a few megabytes. Threads read units in any order; one after another, in
 * input order, units are joined to every visitor's last event; then their rows are written. A unit is settled
 * when the one after it is known, so events may come late, or twice, by as much as that. What comes later
 * still, if it would have changed what was settled, ends the pass: `unfit`, and the run begins anew in two
 * scans. The result is the same in both ways. */
#ifndef WEIR_ETL_ONE_PASS_H
#define WEIR_ETL_ONE_PASS_H

#include "base/progress.h"
#include "etl/day_writer.h"
#include "etl/sessionize.h"

struct one_pass_options {
    const struct day_writer_options *writer; /* with both tables */
    unsigned threads;
    uint64_t users_memory; /* bytes for what is kept of each visitor; more visitors: unfit */
    double record_bytes;   /* the input's mean, about */
    struct arena *meta;    /* one a thread: row group metadata, for the commit */
    struct progress *progress;
};

struct one_pass_result {
    bool unfit; /* nothing else is to be used; data files hold rows to be discarded */
    struct row_counts rows;
    struct sessionize_counts sessions;
    uint64_t counted; /* records by structure alone (5.1) */
};

/* What a few places of the input tell of it. */
struct one_pass_look {
    bool promising;          /* the first records of each are in order of time */
    uint64_t bytes, records; /* seen */
};

int one_pass_look(const struct ingest *in, struct one_pass_look *out, struct err *e);

int one_pass(const struct one_pass_options *o, struct one_pass_result *out, struct err *e);

#endif
