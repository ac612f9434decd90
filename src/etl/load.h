/* Scan 2: the input once more, every column, with what the sessions say of each row, into data files. */
#ifndef WEIR_ETL_LOAD_H
#define WEIR_ETL_LOAD_H

#include "base/progress.h"
#include "etl/day_writer.h"
#include "etl/keys.h"
#include "etl/results.h"

struct load_options {
    const struct day_writer_options *writer;
    const struct keys *keys; /* chunks' row numbers */
    const struct results *results;
    unsigned threads;
    struct arena *meta; /* one a thread: row group metadata, for the commit */
    struct progress *progress;
};

int load(const struct load_options *o, struct row_counts *out, struct err *e);

#endif
