/* One start of `weir bench`: what its parts share while it lasts. */
#ifndef WEIR_BENCH_SESSION_H
#define WEIR_BENCH_SESSION_H

#include "bench/bench.h"
#include "bench/check.h"
#include "bench/container.h"
#include "bench/pace.h"
#include "bench/results_write.h"
#include "bench/show.h"
#include "bench/stack.h"

enum { SESSION_FAILURES = 2 }; /* in a row: then that stack is not tried again in that case */

struct session {
    const struct bench_request *q;
    const struct plan *plan;
    struct arena arena;
    struct results_out results;
    struct show show;
    char run_id[37];
    char work[4000]; /* <result file without .jsonl>.d: outputs, and lakes while they are needed */
    char group[64];  /* control groups of this result file begin so */
    struct stack *stacks;
    char lake_prefix[32]; /* its namespaces in the benchmark's lake begin so */
    const char **images;  /* of the stacks, NULL at the end; NULL: processes */
    json_t **versions;    /* of the stacks */
    struct data_set *data;
    bool *data_ready, *data_told;       /* is there; has its line in the result file */
    struct check_reference *references; /* [data][strict][stack] */
    char *pipelines[2];                 /* idiomatic, strict */
    unsigned *failures;                 /* [case][stack], in a row */
    struct tally tally;
    struct pace pace;
    bool *ended; /* [case]: narrow enough */
    bool *done;  /* [step] */
    unsigned samples, bad;
    int64_t began_ns; /* CLOCK_MONOTONIC, of this start's samples */
};

/* One run of a stack's script and all that belongs to it. */
struct session_job {
    const struct plan_case *c;
    unsigned case_index, stack_index;
    const char *label;               /* names its folder, its output, and its control group */
    struct plan_resources limits;    /* as enforced; the stack is told the same */
    const struct profiler *profiler; /* it runs under this one, which writes `profile`; NULL: under none */
    const char *profile;
    bool keep_lake; /* do not remove it afterwards, whatever comes out */
};

struct session_result {
    struct run_outcome outcome;
    struct check_verdict verdict;
    struct check_output output;
    int64_t started_ns;
    char output_path[4200]; /* relative to the result file's folder */
    char lake[4096];
};

/* Make the data, unless it is there; its line in the result file. */
int session_ready_data(struct session *s, unsigned index, struct err *e);

/* What the stack is told, and the folders below `dir` for its lake and temporary files. */
int session_fill_job(struct session *s, const struct session_job *j, const char *dir, struct job *job,
                     struct err *e);

/* Prepare the case's data, run, check. Only what ends the whole benchmark is an error. Release it in any
 * case. */
int session_run(struct session *s, const struct session_job *j, struct session_result *out, struct err *e);
void session_result_release(struct session_result *r);

/* What results of a case must be equal to. Idiomatic parsing of input that is not clean: only to the same
 * stack's (pipeline.md 1.7). */
struct check_reference *session_reference(struct session *s, const struct plan_case *c, unsigned stack_index);

/* A sample's tables: catalog, warehouse and namespace of the job, below `dir` or in the benchmark's lake. */
int session_fill_lake(const struct session *s, const struct session_job *j, const char *dir, struct job *job,
                      struct err *e);

/* Remove a sample's tables from the benchmark's lake, or (namespace NULL) those of all its samples. */
int session_clear_lake(const struct session *s, const char *namespace_name, struct err *e);

/* The folder whose file system holds what a job wrote; NULL: it is not on this machine. */
const char *session_warehouse_dir(const struct job *job);

/* The stacks' images: there, or pulled once; what they say of their versions. For a plan of containers only.
 */
int session_open_images(struct session *s, struct err *e);

/* What makes a run a container: its image, its mounts, and a user that may write below `dir`. In the job's
 * arena. */
int session_container(struct session *s, const struct session_job *j, const char *dir, struct job *job,
                      struct run_container *out, struct err *e);

/* The "image" of a sample. */
json_t *session_image(const struct session *s, unsigned stack_index, const struct run_image *image);

/* What is known of the case's data; NULL: nothing. */
const json_t *session_truth(const struct session *s, const struct plan_case *c);

/* The "sample" line. */
json_t *session_sample(const struct session *s, const struct plan_step *step, unsigned order,
                       const struct session_result *r);

/* Take the samples that are not there yet, in their order, until the stopping rule ends each case. `lines`:
 * what the result file held before; NULL: it is new. */
int session_samples(struct session *s, const json_t *lines, const struct plan_step *steps, unsigned count,
                    struct err *e);

/* Seconds for one run of a stack in a case, prepared and checked, as far as anything is known. */
double session_pace(const struct session *s, unsigned case_index, unsigned stack_index);

/* Whether `lines` hold one of this type, case and stack; NULL: any. */
bool session_has_line(const json_t *lines, const char *type, const char *name, const char *stack);

/* Whether the studies take this case: of each data set the first, if it is warm. */
bool session_is_studied(const struct session *s, unsigned case_index);

/* The smallest memory limit with which each stack still gets a case right, by bisection; the studies of
 * `serve`; where CPU time goes. Each result is a line. */
int session_minimum(struct session *s, json_t *lines, struct err *e);
int session_serve(struct session *s, json_t *lines, struct err *e);
int session_profile(struct session *s, json_t *lines, struct err *e);

#endif
