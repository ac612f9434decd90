/* Sizes as people write them (cli.md): KB, MB, GB, TB are powers of 1000; k, m, g, t and KiB, MiB, GiB, TiB
 * of 1024. */
#ifndef WEIR_BASE_UNITS_H
#define WEIR_BASE_UNITS_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* Parse "64MB", "1.5g", "4096"; whole text, not negative, at most 2^63-1. `what` names the option in the
 * error (ERR_USAGE). */
int units_parse_size(const char *text, const char *what, uint64_t *bytes, struct err *e);

/* Parse a whole number in [lo, hi]. */
int units_parse_u64(const char *text, const char *what, uint64_t lo, uint64_t hi, uint64_t *value,
                    struct err *e);

/* "1.4 GB", "512 B": at most 3 significant digits, powers of 1000. Returns out. */
const char *units_format_size(uint64_t bytes, char *out, size_t cap);

/* "8,000,000". Returns out. */
const char *units_format_count(uint64_t n, char *out, size_t cap);

#endif
