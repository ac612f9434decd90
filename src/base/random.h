/* Random numbers: a seeded, reproducible generator, and bytes from the kernel. */
#ifndef WEIR_BASE_RANDOM_H
#define WEIR_BASE_RANDOM_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** (Blackman and Vigna 2018). */
struct rng {
    uint64_t s[4];
};

/* Seed by splitmix64 from (seed, stream): different streams are independent. */
void rng_init(struct rng *r, uint64_t seed, uint64_t stream);
uint64_t rng_next(struct rng *r);

/* Uniform in [0, 1), 53 bits. */
double rng_double(struct rng *r);

/* Uniform in [0, n), n > 0 (Lemire's multiply-shift with rejection). */
uint64_t rng_below(struct rng *r, uint64_t n);

/* One splitmix64 step: a well-mixed hash of x. */
uint64_t random_mix64(uint64_t x);

/* Unpredictable bytes from getrandom(2). */
int random_bytes(void *out, size_t len, struct err *e);

/* A random UUID (RFC 9562, version 4) as 36 characters and a NUL. */
int random_uuid(char out[37], struct err *e);

#endif
