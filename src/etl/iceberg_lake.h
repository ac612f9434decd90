/* What a lake and an opened table are made of; for the iceberg_*.c files and the table commands. */
#ifndef WEIR_ETL_ICEBERG_LAKE_H
#define WEIR_ETL_ICEBERG_LAKE_H

#include "edge/catalog.h"
#include "etl/iceberg_manifest.h"

struct lake {
    struct catalog *catalog;
    struct store *store;
    char *warehouse; /* location, no trailing slash */
};

/* A table as the catalog names it now. */
struct iceberg_table {
    char *metadata_location;
    json_t *metadata; /* NULL: there is no such table */
};

int lake_load(struct lake *l, const char *namespace_name, const char *table, struct iceberg_table *out,
              struct err *e);
void iceberg_table_release(struct iceberg_table *t);

struct iceberg_writer {
    struct lake *lake;
    struct arena arena;
    const char *namespace_name, *table;
    const char *name; /* "web.events", for messages */
    struct iceberg_column *columns;
    uint32_t column_count;
    int partition_column;
    struct iceberg_table state; /* as last looked at */
    struct iceberg_plan plan;   /* as opened: data files are written by it */
    const char *location;       /* where a new table will be made */
    const char *data_dir;
};

/* A new data file as a manifest entry's `file` (all but FILE_PARTITION), memory from `arena`; its row count
 * into *rows. */
int iceberg_file_values(const struct iceberg_writer *w, const struct iceberg_file *f, struct arena *arena,
                        struct avro_value out[FILE_FIELD_COUNT], int64_t *rows, struct err *e);

#endif
