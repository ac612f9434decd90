#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

uint64_t random_mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

void rng_init(struct rng *r, uint64_t seed, uint64_t stream) {
    uint64_t x = random_mix64(seed) ^ random_mix64(stream ^ 0xD1B54A32D192ED03u);
    for (int i = 0; i < 4; i++) r->s[i] = random_mix64(x + (uint64_t)i * 0x9E3779B97F4A7C15u);
}

static inline uint64_t rotl(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r) {
    uint64_t *s = r->s, result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

double rng_double(struct rng *r) {
    return (double)(rng_next(r) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *r, uint64_t n) {
    for (;;) {
        unsigned __int128 m = (unsigned __int128)rng_next(r) * n;
        if ((uint64_t)m >= n || (uint64_t)m >= -n % n) return (uint64_t)(m >> 64);
    }
}

int random_bytes(void *out, size_t len, struct err *e) {
    uint8_t *p = out;
    while (len) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(e, ERR_OUTSIDE, "could not get random bytes");
        p += n;
        len -= (size_t)n;
    }
    return 0;
}

int random_uuid(char out[37], struct err *e) {
    uint8_t b[16];
    TRY(random_bytes(b, sizeof b, e));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    char *p = out;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) *p++ = '-';
        p += sprintf(p, "%02x", b[i]);
    }
    return 0;
}
