/* One container of ours, for container.h: made with the labels by which a killed benchmark's is known, asked,
 * removed. */
#ifndef WEIR_BENCH_CONTAINER_MADE_H
#define WEIR_BENCH_CONTAINER_MADE_H

#include "bench/container.h"

struct container_made {
    const struct docker *engine;
    char id[80]; /* "" : there is none */
};

/* Create `name` from `body`, which is taken over; NULL: it could not be packed. On an error, too, *c may hold
 * what is to be discarded. ERR_OUTSIDE, too: the engine leaves a limit out. */
int container_make(struct container_made *c, const char *name, json_t *body, struct err *e);

/* A request below the container's path, such as POST "/start". *status as docker_call's. */
int container_call(const struct container_made *c, const char *method, const char *what, long *status,
                   struct err *e);

/* Remove it, whatever it does. ERR_OUTSIDE: it may still be there. */
int container_discard(const struct container_made *c, struct err *e);

/* A list of JSON strings; NULL at the end of `words`, or for none. */
json_t *container_strings(const char *const *words);

/* `host`, which is taken over, with what holds for all of ours. NULL: no memory. */
json_t *container_confine(json_t *host);

/* The image of a run pulled, none of the benchmark's being there before; the run is requested when the pull
 * is. */
int container_pull(const struct run_container *k, struct run_outcome *out, struct err *e);

#endif
