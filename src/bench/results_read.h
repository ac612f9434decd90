/* Result files of `weir bench` (JSON Lines; docs/results.md) as read: records in their order, grouped by
 * machine and case, never pooled across files or machines. */
#ifndef WEIR_BENCH_RESULTS_READ_H
#define WEIR_BENCH_RESULTS_READ_H

#include "base/arena.h"

#include <jansson.h>
#include <stdbool.h>

enum { RESULTS_SCHEMA = 1 };

/* A "run" record and what follows it up to the next: one start of `weir bench`. JSON is borrowed from the
 * file. */
struct results_run {
    const json_t *record, *environment;
    const char *id, *created, *weir;
};

struct results_sample {
    const json_t *record, *metrics; /* metrics: only when usable, else NULL */
    const char *name;               /* of its case */
    const char *stack, *status, *error;
    size_t run;     /* index in the file's runs */
    int64_t id;     /* as stored; else its place */
    char twin;      /* 'a' or 'b' of A against A; 0 */
    bool usable;    /* status ok and verified: only then have its times meaning */
    int repetition; /* 0: not said */
};

struct results_file {
    struct arena arena;
    const char *path;
    json_t *records; /* array that owns all JSON */
    struct results_run *runs;
    struct results_sample *samples;
    size_t run_count, sample_count;
    const json_t **data, **stacks, **minimums, **serves, **stops,
        **profiles; /* records of these types, in order */
    size_t data_count, stack_count, minimum_count, serve_count, stop_count, profile_count;
    bool truncated; /* the last line broke off and was left out */
    bool ended;     /* an "end" record follows the last run */
};

/* Read a whole file. ERR_INPUT naming file and line for what is not a result file or was written by a newer
 * weir; unknown types and keys are passed over. Release it in any case. */
int results_file_read(struct results_file *f, const char *path, struct err *e);
void results_file_release(struct results_file *f);

/* A number of a sample's metrics; false when it has none (null, missing, unusable, negative). */
bool results_metric(const struct results_sample *s, const char *key, double *value);

/* Text of an object's key, or `otherwise`. */
const char *results_text(const json_t *object, const char *key, const char *otherwise);

/* The last record of a list whose `key` is `value`; NULL. */
const json_t *results_find(const json_t *const *records, size_t count, const char *key, const char *value);

#endif
