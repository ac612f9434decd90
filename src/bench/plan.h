/* What a benchmark is to run: a plan file, or the quick one, resolved into cases and an order
 * (docs/bench.md).
 */
#ifndef WEIR_BENCH_PLAN_H
#define WEIR_BENCH_PLAN_H

#include "base/arena.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum { PLAN_STACKS_MAX = 32, PLAN_DATA_MAX = 32, PLAN_RESOURCES_MAX = 32, PLAN_CASES_MAX = 512 };

/* Data to make, or one's own files, or a sample of their users. */
struct plan_data {
    const char *name, *format, *dirt;
    uint64_t size_bytes, rows; /* one of them; both 0: all of one's own files */
    uint64_t seed;
    unsigned files;
};

struct plan_resources {
    double cpus;
    uint64_t memory_bytes;
};

/* Everything but stack and repetition: stacks are compared within a case only. */
struct plan_case {
    const char *name; /* small/csv/strict/warm/2cpu/4GB */
    unsigned data;    /* index */
    bool strict, cold;
    struct plan_resources resources;
    unsigned repetitions; /* at most */
};

struct plan {
    struct arena arena;
    const char *name;
    const char *stacks[PLAN_STACKS_MAX];
    struct plan_data data[PLAN_DATA_MAX];
    struct plan_case cases[PLAN_CASES_MAX];
    unsigned stack_count, data_count, case_count;
    bool cold; /* a case is */
    unsigned repetitions,
        serve_jobs; /* repetitions: the most of any case; serve_jobs 0: no study of `serve` */
    bool minimum_memory, profile;
    uint64_t seed;
    double timeout_s;
    double precision; /* a case ends when all its intervals are this narrow (stats_stop); 0: never */
    double budget_s;  /* no block is begun that would end after it, from `least` repetitions on; 0: none */
    unsigned least;
    const char *aa; /* the stack that runs twice, A against A */
    bool containers;
    const char
        *registry; /* images are pulled from there before each sample; NULL: they are here, none is pulled */
};

/* What this machine offers, and what stands on the command line. */
struct plan_context {
    unsigned cpus;
    uint64_t memory_bytes;
    const char *const *stacks; /* --stacks; NULL: the plan's */
    unsigned stack_count;
    unsigned repetitions;           /* --runs; 0: the plan's */
    const char *backend, *registry; /* --backend, --registry; NULL: the plan's */
    bool own_input;                 /* --input */
    uint64_t input_bytes;
};

/* `root` is the plan file's value (yaml_json_read). ERR_INPUT names the key. Release it in any case. */
int plan_init(struct plan *p, const json_t *root, const char *file, const struct plan_context *c,
              struct err *e);

/* --quick: small data, warm, strict, ten repetitions of `stacks`. */
int plan_init_quick(struct plan *p, const char *const *stacks, unsigned count, const struct plan_context *c,
                    struct err *e);

void plan_release(struct plan *p);

/* The plan as resolved, for the result file: two plans are the same when these are equal. */
json_t *plan_json(const struct plan *p);

/* The samples of a case in one repetition, twins included. */
unsigned plan_case_samples(const struct plan *p);

/* One sample to take. */
struct plan_step {
    unsigned repetition, case_index, stack_index;
    char aa; /* 'a', 'b', or 0 */
};

/* The image of the stack in the folder `stack`: weir-STACK:latest, in the plan's registry if it has one; in
 * `arena`. NULL: no memory. */
const char *plan_image(const struct plan *p, const char *stack, struct arena *arena);

/* All samples in their order: a block for each repetition, shuffled within by the seed, so that whatever
 * drifts hits all alike. The caller frees *out. */
int plan_order(const struct plan *p, struct plan_step **out, unsigned *count, struct err *e);

#endif
