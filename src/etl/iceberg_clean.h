/* Removing what crashed or failed writers left behind (pipeline.md 4.7): files under the tables' locations,
 * and whole folders of tables whose making failed, that no table of the catalog names. */
#ifndef WEIR_ETL_ICEBERG_CLEAN_H
#define WEIR_ETL_ICEBERG_CLEAN_H

#include "etl/iceberg_lake.h"

struct iceberg_clean_options {
    const char *namespace_name, *table; /* one table's location only; NULL: all, and the warehouse */
    int64_t older_than_ns;              /* what is younger stays: it may belong to a running writer */
    bool dry_run;
};

struct iceberg_orphan {
    const char *path;
    uint64_t bytes;
};

/* Owns its memory. */
struct iceberg_cleaned {
    struct arena arena;
    struct iceberg_orphan *files; /* removed, or to be removed (dry_run), by path */
    size_t file_count;
    uint64_t bytes;
    size_t folder_count;     /* empty ones removed */
    uint64_t young_count;    /* nameless, but younger than the limit */
    const char **left_alone; /* folders that look like a table of another catalog, or a dropped one */
    size_t left_alone_count;
};

/* A file is named when the current metadata of any table in the catalog file, whatever its catalog name,
 * leads to it: metadata files (its log included), manifest lists, manifests, data, delete and statistics
 * files of all snapshots, and their .crc side files. When any of these metadata cannot be read: an error, and
 * nothing is removed. iceberg_cleaned_release in any case. */
int iceberg_clean(struct lake *l, const struct iceberg_clean_options *o, struct iceberg_cleaned *out,
                  struct err *e);
void iceberg_cleaned_release(struct iceberg_cleaned *c);

#endif
