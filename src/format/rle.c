#include "format/rle.h"

#include <stdbool.h>
#include <string.h>

unsigned rle_width(uint32_t max) {
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* Worst case: groups that are packed one by one between runs: a header byte and `width` bytes for eight
 * values, and a run (≤ 10 + 4 bytes, for eight values at least). Stores touch up to 32 bytes beyond. */
size_t rle_bound(size_t count, unsigned width) {
    size_t groups = count / 8 + 1;
    return groups * (width + 1) + groups * 2 + 64;
}

static uint8_t *put_varint(uint8_t *p, uint64_t v) {
    while (v >= 0x80) {
        *p++ = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    *p++ = (uint8_t)v;
    return p;
}

static uint8_t *put_run(uint8_t *p, uint32_t value, size_t count, unsigned width) {
    p = put_varint(p, (uint64_t)count << 1);
    for (unsigned bytes = (width + 7) / 8; bytes; bytes--, value >>= 8) *p++ = (uint8_t)value;
    return p;
}

size_t rle_encode_run(uint32_t value, size_t count, unsigned width, uint8_t *out) {
    return (size_t)(put_run(out, value, count, width) - out);
}

/* Eight values into `width` bytes; stores whole words, so up to 32 bytes from `p` are written. */
static inline void pack8(uint8_t *p, const uint32_t *v, unsigned width) {
    if (width <= 8) {
        uint64_t w = 0;
        for (unsigned i = 0; i < 8; i++) w |= (uint64_t)v[i] << (i * width);
        memcpy(p, &w, 8);
    } else if (width <= 16) {
        uint64_t a = 0, b = 0;
        for (unsigned i = 0; i < 4; i++) {
            a |= (uint64_t)v[i] << (i * width);
            b |= (uint64_t)v[i + 4] << (i * width);
        }
        unsigned __int128 w = a | (unsigned __int128)b << (4 * width);
        memcpy(p, &w, 16);
    } else {
        unsigned __int128 w = 0;
        for (unsigned i = 0; i < 4; i++) w |= (unsigned __int128)v[i] << (i * width);
        memcpy(p, &w, 16);
        /* The upper four begin at bit 4 * width: within a byte when the width is odd. */
        unsigned __int128 x = 0;
        for (unsigned i = 0; i < 4; i++) x |= (unsigned __int128)v[i + 4] << (i * width);
        p += width / 2;
        if (width & 1) x = x << 4 | (*p & 0x0f); /* 4 * 31 + 4 bits still fit */
        memcpy(p, &x, 16);
    }
}

static inline bool same8(const uint32_t *v) {
    uint64_t w[4], first = v[0] | (uint64_t)v[0] << 32;
    memcpy(w, v, sizeof w);
    return ((w[0] ^ first) | (w[1] ^ first) | (w[2] ^ first) | (w[3] ^ first)) == 0;
}

/* How many values from values[0] on are equal to it. */
static size_t run_length(const uint32_t *values, size_t count) {
    size_t n = 1;
    while (n < count && values[n] == values[0]) n++;
    return n;
}

size_t rle_encode(const uint32_t *values, size_t count, unsigned width, uint8_t *out) {
    uint8_t *p = out;
    size_t i = 0;
    while (i < count) {
        size_t left = count - i;
        if (left >= 8 ? same8(values + i) : run_length(values + i, left) == left) {
            size_t n = run_length(values + i, left);
            p = put_run(p, values[i], n, width);
            i += n;
            continue;
        }
        /* Packed groups up to the next run. Its header, at most 63 groups, takes one byte: filled in after.
         */
        uint8_t *header = p++;
        unsigned groups = 0;
        while (groups < 63 && count - i >= 8 && !same8(values + i)) {
            pack8(p, values + i, width);
            p += width;
            i += 8;
            groups++;
        }
        if (groups < 63 && i < count && count - i < 8) {
            uint32_t last[8] = {0};
            memcpy(last, values + i, (count - i) * sizeof *values);
            pack8(p, last, width);
            p += width;
            i = count;
            groups++;
        }
        *header = (uint8_t)(groups << 1 | 1);
    }
    return (size_t)(p - out);
}

size_t rle_encode_flags(const uint8_t *flags, size_t count, uint8_t *out) {
    uint8_t *p = out;
    size_t i = 0;
    while (i < count) {
        size_t n = 1;
        while (i + n < count && !flags[i + n] == !flags[i]) n++;
        if (n >= 8 || i + n == count) {
            p = put_run(p, flags[i] != 0, n, 1);
            i += n;
            continue;
        }
        uint8_t *header = p++;
        unsigned groups = 0;
        while (groups < 63 && i < count) {
            uint8_t byte = 0;
            size_t k = count - i < 8 ? count - i : 8;
            unsigned ones = 0;
            for (size_t j = 0; j < k; j++) {
                byte |= (uint8_t)((flags[i + j] != 0) << j);
                ones += flags[i + j] != 0;
            }
            if (groups && k == 8 && (ones == 0 || ones == 8)) break; /* a run begins */
            *p++ = byte;
            i += k;
            groups++;
        }
        *header = (uint8_t)(groups << 1 | 1);
    }
    return (size_t)(p - out);
}
