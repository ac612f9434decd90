/* Eight bytes at a time in an ordinary register ("SIMD within a register"), little-endian order on any
 * machine: byte i of the text is bits 8i to 8i+7. */
#ifndef WEIR_FORMAT_SWAR_H
#define WEIR_FORMAT_SWAR_H

#include <stdint.h>
#include <string.h>

#define SWAR_ONES  0x0101010101010101u
#define SWAR_HIGHS 0x8080808080808080u

static inline uint64_t swar_load(const void *p) {
    uint64_t x;
    memcpy(&x, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    x = __builtin_bswap64(x);
#endif
    return x;
}

/* The high bit of each byte of x that equals the byte repeated in `pattern` (SWAR_ONES * byte). Exact: no
 * carry passes from byte to byte. */
static inline uint64_t swar_equal(uint64_t x, uint64_t pattern) {
    uint64_t t = x ^ pattern;
    return ~(((t & ~SWAR_HIGHS) + ~SWAR_HIGHS) | t) & SWAR_HIGHS;
}

#endif
