/* What a run reports, as the JSON object of the contract's result file, and how it is shown. */
#ifndef WEIR_CLI_RESULT_H
#define WEIR_CLI_RESULT_H

#include "bench/job.h"

/* What the caller of a stack knows and the stack does not say. */
struct result_context {
    const struct job *job;
    double seconds;
    uint64_t peak_memory_bytes;
    const char *lake; /* as given by --lake, for the hints; NULL: the default */
};

/* The one JSON object of `weir run --json`. */
int result_print_json(const json_t *result, const struct result_context *c, struct err *e);

/* The ledger, tables, time, and what to do next. */
void result_print_text(const json_t *result, const struct result_context *c);

#endif
