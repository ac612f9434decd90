/* Finding the columns that the pipeline names among those that a file has (pipeline.md 1.3). */
#ifndef WEIR_ETL_COLUMN_NAMES_H
#define WEIR_ETL_COLUMN_NAMES_H

#include "base/buf.h"

struct column_names {
    struct str *name;
    uint32_t count;
};

/* The number of the wanted one. ERR_INPUT, naming the file, when it is not there (the message lists those
 * that are) or there twice. `where` it was looked for: "header", "schema". */
int column_find(const struct column_names *names, const char *wanted, const char *where, const char *file,
                uint32_t *number, struct err *e);

#endif
