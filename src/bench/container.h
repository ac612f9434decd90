/* The container backend: one run of a stack's image under limits, by an engine on this machine
 * (edge/docker.h).
 *
 * Memory and CPU time are read from the container's control group, as for a process. Where the engine manages
 * groups by itself (cgroupfs), the container's lies below one of ours, which keeps peak and CPU time when the
 * container is gone; where systemd does, the last look of at most RUNNER_INTERVAL_MS before the end is what
 * is known. */
#ifndef WEIR_BENCH_CONTAINER_H
#define WEIR_BENCH_CONTAINER_H

#include "bench/runner.h"
#include "bench/stack.h"
#include "edge/docker.h"

struct run_container {
    const struct docker *engine;
    const char *image; /* "weir-native:latest", "127.0.0.1:5000/weir-native:latest" */
    const char *const
        *images; /* the benchmark's, NULL at the end: none is there when `image` is pulled; NULL: no pull */
    const char *const *mounts; /* "/from:/to:ro", NULL at the end */
    const char *const *env;    /* "NAME=value", NULL at the end: secrets for the lake */
    const char *user;          /* "uid:gid" */
    bool network;              /* this machine's; else none */
};

/* runner_run for a request with a container: argv[0] is the image's entry point, the rest its arguments; dir
 * and input are not looked at. ERR_OUTSIDE, too: no such image, a pull that failed, an engine that leaves a
 * limit out or falls silent, a container that could not be removed. */
int container_run(const struct runner *r, const struct run_request *q, struct run_outcome *out,
                  struct err *e);

/* The image is there: its bytes on disk. ERR_OUTSIDE says how to get it; ERR_INPUT: it is no stack's, or
 * another processor's. */
struct container_image {
    uint64_t disk_bytes;
    char id[80];
};
int container_image(const struct docker *d, const char *image, struct container_image *out, struct err *e);

/* What the stack's `versions` command prints in its image; as stack_versions. Its container's name begins
 * with CONTAINER_VERSIONS. */
#define CONTAINER_VERSIONS "weir-versions-"
int container_versions(const struct docker *d, const char *image, struct stack *s, json_t **found,
                       const char **why, struct err *e);

/* Remove containers of ours whose name begins with `prefix`, and their groups, unless the process that began
 * them still is: those of a benchmark that was killed; groups younger than `age_s` seconds stay. Returns how
 * many containers. */
unsigned container_sweep(const struct docker *d, const char *prefix, unsigned age_s);

#endif
