/* What the table commands show, as JSON objects; and those printed for people. */
#ifndef WEIR_CLI_TABLE_VIEW_H
#define WEIR_CLI_TABLE_VIEW_H

#include "etl/iceberg_lake.h"

/* One line of `weir table list`: table, rows, files, bytes, snapshots, last_updated, …; *out is the caller's.
 */
int table_view_line(const char *name, const struct iceberg_table *t, json_t **out, struct err *e);

/* `weir table show`: the line, and columns, partitioning, properties. */
int table_view_show(const char *name, const struct iceberg_table *t, json_t **out, struct err *e);

/* `weir table history`: snapshots, oldest first. */
int table_view_history(const char *name, const struct iceberg_table *t, json_t **out, struct err *e);

/* `weir table files`: files of the current snapshot. */
int table_view_files(const char *name, const struct iceberg_table *t, struct store *s, json_t **out,
                     struct err *e);

/* Print what the function above of the same name made. */
void table_print_lines(const json_t *tables);
void table_print_show(const json_t *view);
void table_print_history(const json_t *view);
void table_print_files(const json_t *view);

#endif
