/* The names of all files that the tables of a catalog need. */
#ifndef WEIR_ETL_ICEBERG_NAMES_H
#define WEIR_ETL_ICEBERG_NAMES_H

#include "etl/iceberg_lake.h"

/* A set of byte strings; owns copies. */
struct names {
    struct arena arena;
    struct str *slots;
    size_t cap, count;
};

void names_init(struct names *n);
void names_release(struct names *n);

/* *added: it was not in yet. */
int names_add(struct names *n, const void *key, size_t len, bool *added, struct err *e);
bool names_has(const struct names *n, const void *key, size_t len);

/* Add a file by its path, and by its identity when it exists, so that links and mounts do not hide it. */
int names_add_file(struct names *n, struct store *s, const char *location, bool *added, struct err *e);
bool names_has_path(const struct names *n, const char *path);
bool names_has_identity(const struct names *n, uint64_t device, uint64_t inode);

/* Add all files that the metadata at `location` leads to, itself included. */
int iceberg_names_add_table(struct names *n, struct store *s, const char *location, struct err *e);

#endif
