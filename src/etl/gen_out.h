/* The generator's files: made under temporary names, renamed at the end, so that there are all or none.
 * Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_OUT_H
#define WEIR_ETL_GEN_OUT_H

#include "base/buf.h"
#include "etl/gen.h"
#include "format/parquet.h"

struct gen_file {
    char *name;
    uint64_t bytes, rows; /* so far */
    struct parquet_row_group **groups;
    unsigned group_count, group_cap;
    bool made; /* the temporary file exists */
};

struct gen_out {
    const char *dir; /* NULL: bytes are counted, nothing is written */
    struct gen_file *files;
    unsigned count;
};

/* Check that the folder is empty or holds an earlier gen's output only, make it when missing, and name the
 * files. The first day is in days since 1970. */
int gen_out_open(struct gen_out *out, const struct gen_options *o, int32_t first_day, struct err *e);

/* Write at an offset of file i; first of all at 0, which makes it. Any thread, different ranges. */
int gen_out_write(struct gen_out *out, unsigned i, const void *data, size_t len, uint64_t offset,
                  struct err *e);

/* Give the files their names, with the truth beside them, and remove what an earlier gen left. */
int gen_out_commit(struct gen_out *out, const struct buf *truth, struct err *e);

/* Removes temporary files that are still there. */
void gen_out_release(struct gen_out *out);

#endif
