#include "format/rle.h"

#include <string.h>

unsigned rle_width(uint32_t max) {
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* Worst case: a run that costs less than a group, then a group packed by itself, and so on: under
 * 2 * width + 1 bytes for nine values. Stores touch up to 32 bytes beyond. */
size_t rle_bound(size_t count, unsigned width) {
    return (count / 8 + 1) * (2 * width + 4) + 64;
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

/* Runs of equal values among values[0 … count), 1 ≤ count ≤ 8. */
static inline unsigned runs_among(const uint32_t *values, unsigned count) {
    unsigned runs = 1;
    for (unsigned i = 1; i < count; i++) runs += values[i] != values[i - 1];
    return runs;
}

/* How many values from values[0] on are equal to it. */
static size_t run_length(const uint32_t *values, size_t count) {
    size_t n = 1;
    while (n < count && values[n] == values[0]) n++;
    return n;
}

/* Other writers make no run of fewer than eight values; the format has no such limit. Indices of click data
 * ordered by session are runs of about eight, of which most are shorter: these pages take 43 % of the bytes.
 */
size_t rle_encode(const uint32_t *values, size_t count, unsigned width, uint8_t *out) {
    const unsigned run_cost = 1 + (width + 7) / 8;
    uint8_t *p = out;
    uint8_t *header = NULL; /* of the open packed run */
    unsigned groups = 0;
    for (size_t i = 0; i < count;) {
        size_t left = count - i;
        unsigned runs = left >= 8 ? runs_among(values + i, 8) : runs_among(values + i, (unsigned)left);
        if (runs == 1 || runs * run_cost < width) {
            size_t n = run_length(values + i, left);
            p = put_run(p, values[i], n, width);
            i += n;
            header = NULL;
            continue;
        }
        if (!header || groups == 63) { /* so that the header takes one byte */
            header = p++;
            groups = 0;
        }
        if (left >= 8) {
            pack8(p, values + i, width);
        } else {
            uint32_t last[8] = {0};
            memcpy(last, values + i, left * sizeof *values);
            pack8(p, last, width);
        }
        p += width;
        i += left < 8 ? left : 8;
        *header = (uint8_t)(++groups << 1 | 1);
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
