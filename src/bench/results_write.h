/* The result file of `weir bench`, JSON Lines, written (docs/bench.md): each line reaches the disk before the
 * next sample begins, so that a crash loses the sample it interrupts and no other. */
#ifndef WEIR_BENCH_RESULTS_WRITE_H
#define WEIR_BENCH_RESULTS_WRITE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

struct results_out {
    char path[4096];
    int fd;
};

/* A new file; ERR_INPUT when there is one already. */
int results_create(struct results_out *r, const char *path, struct err *e);

/* The file of an earlier start, to go on: a line that broke off is cut away. What it holds in *lines, an
 * array for the caller to json_decref. ERR_INPUT: no such file, or not a result file, or another weir bench
 * writes it now. */
int results_reopen(struct results_out *r, const char *path, json_t **lines, struct err *e);

/* Append one line, durably. Takes over `line`; NULL: ERR_OUTSIDE, out of memory. */
int results_add(struct results_out *r, json_t *line, struct err *e);

void results_close(struct results_out *r);

#endif
