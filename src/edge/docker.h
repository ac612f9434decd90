/* The Docker Engine API over its unix socket, as Docker and Podman speak it
 * (docs.docker.com/reference/api/engine, from version 1.40 on; paths carry no version, so that each engine
 * answers in its own).
 *
 * Calls block, but for docker_wait. An interrupt ends a call that only asks, or a pull, at once
 * (ERR_INTERRUPTED); what changes something may take ten seconds more, so that its outcome is known, and so
 * may any call that is begun after it. A struct docker is for one thread. */
#ifndef WEIR_EDGE_DOCKER_H
#define WEIR_EDGE_DOCKER_H

#include "base/err.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct docker {
    char socket[PATH_MAX];
    char name[64], version[64]; /* "Docker Engine", "20.10.24" */
    char group_driver[32];      /* of control groups: cgroupfs or systemd */
    bool rootless;              /* it runs without root's rights: its root is whoever runs it */
};

/* Find the engine: DOCKER_HOST (unix:// only), else the first that answers of /run/docker.sock, the rootless
 * one's and Podman's sockets. ERR_OUTSIDE: none answers; the message says what was tried and what to do. */
int docker_open(struct docker *d, struct err *e);

/* One request. In `path` a * stands for `name`, which is escaped; without one `name` is NULL. `body` may be
 * NULL. *answer, unless `answer` is NULL, is the caller's to json_decref; JSON null when the engine said
 * nothing. ERR_OUTSIDE: no answer, one that is no JSON though it was asked for, or a status of 400 and above,
 * with the engine's own words; *status holds it (0: no answer); `status` may be NULL. */
int docker_call(const struct docker *d, const char *method, const char *path, const char *name,
                const json_t *body, long *status, json_t **answer, struct err *e);

/* A GET that may take `seconds`, and no longer. */
int docker_look(const struct docker *d, const char *path, const char *name, unsigned seconds, json_t **answer,
                struct err *e);

enum { DOCKER_LAYERS = 128 };

struct docker_layer {
    char id[72];
    bool present;          /* was on this machine before */
    uint64_t bytes;        /* compressed */
    int64_t downloaded_ns; /* CLOCK_MONOTONIC; 0: did not happen */
    int64_t extract_ns, extracted_ns;
};

struct docker_pull {
    int64_t start_ns, end_ns; /* CLOCK_MONOTONIC */
    unsigned count;
    struct docker_layer layers[DOCKER_LAYERS];
};

/* Pull "host:port/name:tag", watched layer by layer. ERR_OUTSIDE: it could not be, or the engine said nothing
 * for a quarter of an hour; ERR_INTERRUPTED. */
int docker_pull(const struct docker *d, const char *image, struct docker_pull *out, struct err *e);

/* The end of a container that was started, awaited beside other work; it may have ended already. */
struct docker_wait;
int docker_wait_start(const struct docker *d, const char *container, struct docker_wait **out, struct err *e);

/* Wait at most `timeout_ms`. True: it is over; *status is its exit code, or -1 when the engine did not tell.
 */
bool docker_wait(struct docker_wait *w, int timeout_ms, int *status);
void docker_wait_end(struct docker_wait *w);

/* Append what the container printed, standard output and error as they came, to the descriptor `to`. */
int docker_logs(const struct docker *d, const char *container, int to, struct err *e);

#endif
