/* INPUT operands (cli.md): files, globs, folders, on S3 too, "-" become a list of plain files. */
#ifndef WEIR_CLI_INPUTS_H
#define WEIR_CLI_INPUTS_H

#include "edge/store.h"

/* Expand, sort by path and drop files named twice (by identity, not spelling). Paths are absolute and in
 * `arena`; "-", standard input, comes first. ERR_INPUT: no such file, a folder or glob without data, what
 * cannot be read as an input. */
int inputs_expand(const char *const *given, int count, const struct store_options *o, struct arena *arena,
                  const char *const **out, unsigned *out_count, struct err *e);

#endif
