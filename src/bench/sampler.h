/* What a run's processes use, looked at many times a second: memory by kind and by program, CPU. */
#ifndef WEIR_BENCH_SAMPLER_H
#define WEIR_BENCH_SAMPLER_H

#include "edge/group.h"

#include <jansson.h>

enum { SAMPLER_POINTS = 600, SAMPLER_NAMES = 16, SAMPLER_NAME = 32 };

struct sampler_point {
    double t_s;
    uint64_t anon, shared, cache, cpu_ns; /* cpu_ns: so far */
    uint64_t rss[SAMPLER_NAMES];
};

struct sampler {
    const struct group *group;              /* NULL: by /proc */
    pid_t root;                             /* processes below it are looked at */
    int64_t start_ns;                       /* CLOCK_MONOTONIC, of the request: points are so much later */
    uint64_t peak_anon, peak_cache;         /* anonymous + shared; of all looks, not of the points kept */
    uint64_t cost_ns;                       /* CPU time of looking */
    unsigned looks, count, merged, pending; /* each point holds `merged` looks; the last one, `pending` */
    unsigned names;
    char name[SAMPLER_NAMES][SAMPLER_NAME];
    struct sampler_point points[SAMPLER_POINTS];
    struct group_usage last;
};

void sampler_start(struct sampler *s, const struct group *group, pid_t root);

/* Look once. A point that has no room merges pairs of points: memory keeps its larger value. */
void sampler_look(struct sampler *s);

/* The "series" of a sample in the result file; looks every `interval_s`. */
json_t *sampler_series(const struct sampler *s, double interval_s);

#endif
