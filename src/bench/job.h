/* JOB.json and the result file: what the two sides of the stack contract hand each other (docs/stacks.md). */
#ifndef WEIR_BENCH_JOB_H
#define WEIR_BENCH_JOB_H

#include "base/arena.h"
#include "edge/store.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* One pipeline run as asked for. Text lives in `arena` or with the caller; paths are absolute. */
struct job {
    struct arena arena;
    const char *run_id, *mode; /* "overwrite" or "append" */
    const char *const *inputs;
    unsigned input_count;
    const char *pipeline; /* a JSON object */
    const char *mmdb;
    const char *catalog_name, *catalog_uri, *warehouse;
    struct store_options s3;
    const char *namespace_name, *events, *rejects;
    double cpus;                                     /* 0: not said */
    uint64_t memory_bytes;                           /* 0: not said */
    const char *tmp_dir, *events_file, *result_file; /* NULL: not said */
};

void job_init(struct job *j);
void job_release(struct job *j);

/* Whether an input or the tables lie there. */
bool job_uses_s3(const struct job *j);

/* What is not said of S3 comes from the environment, when it is used: stacks are told where and how. */
int job_write(const struct job *j, const char *path, struct err *e);

/* ERR_INPUT naming the key when one is missing or of a wrong type; keys it does not know are ignored, for
 * newer harnesses. Release the job in any case. */
int job_read(struct job *j, const char *path, struct err *e);

/* The result file, checked for what the contract demands of it: ERR_OUTSIDE when the stack broke it. */
int job_result_read(const char *path, json_t **out, struct err *e);

/* Append {"t_ns": …, "event": "…"} to the job's events file, if it has one. */
int job_event(const struct job *j, int64_t t_ns, const char *event, struct err *e);

#endif
