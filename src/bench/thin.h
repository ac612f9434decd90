/* A sample of CSV files by whole users: a user's rows are all in it or none, chosen by a hash of the user's
 * id, so that sessions stay whole. Records are copied byte by byte, bad ones too. */
#ifndef WEIR_BENCH_THIN_H
#define WEIR_BENCH_THIN_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct thin_request {
    const char *const *inputs; /* .csv, .csv.gz, .csv.zst */
    unsigned count;
    const char *user_column; /* its name in the header */
    char delimiter;
    bool multiline; /* line ends in quotes belong to the field */
    double share;   /* of the users, 0 to 1 */
    uint64_t seed;
    const char *out_dir; /* one plain .csv for each input, its header first */
};

/* ERR_INPUT: a file without that column, not readable, or a record over 16 MiB. */
int thin_run(const struct thin_request *t, struct err *e);

#endif
