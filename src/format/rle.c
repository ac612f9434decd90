#include "format/rle.h"

#include <string.h>

unsigned rle_width(uint32_t max) {
    return max ? 32 - (unsigned)__builtin_clz(max) : 0;
}

/* Worst case: runs that cost less than a group for eight values, then a group packed by itself, and so on:
 * under 2 * width + 1 bytes for sixteen values. Stores touch up to 32 bytes beyond. */
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

static inline uint8_t *put_run(uint8_t *p, uint32_t value, size_t count, unsigned width) {
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

/* Bit i, 1 ≤ i < 8: values[i] differs from the value before it. */
static inline unsigned changes8(const uint32_t *values) {
    unsigned mask = 0;
    for (unsigned i = 1; i < 8; i++) mask |= (unsigned)(values[i] != values[i - 1]) << i;
    return mask;
}

/* How many values from values[0] on are equal to it, at least `known`. */
static size_t run_length(const uint32_t *values, size_t known, size_t count) {
    size_t n = known;
    uint64_t twice = values[0] | (uint64_t)values[0] << 32, two;
    for (; n + 2 <= count; n += 2) {
        memcpy(&two, values + n, 8);
        if (two != twice) return n + (values[n] == values[0]);
    }
    return n + (n < count && values[n] == values[0]);
}

/* Other writers make no run of fewer than eight values; the format has no such limit. Indices of click data
 * ordered by session are runs of eight on average, so most are shorter: the data pages of session_id take
 * 46 KB for 128 Ki rows rather than 105, compressed. */
size_t rle_encode(const uint32_t *values, size_t count, unsigned width, uint8_t *out) {
    const unsigned run_cost = 1 + (width + 7) / 8;
    uint8_t *p = out;
    uint8_t *header = NULL; /* of the open packed run */
    unsigned groups = 0;
    size_t i = 0;
    while (count - i >= 8) {
        unsigned changes = changes8(values + i);
        if (!changes || (unsigned)__builtin_popcount(changes) * run_cost + run_cost < width) {
            unsigned from = 0; /* the last of the runs goes on beyond the eight */
            for (; changes; changes &= changes - 1) {
                unsigned to = (unsigned)__builtin_ctz(changes);
                p = put_run(p, values[i + from], to - from, width);
                from = to;
            }
            size_t n = run_length(values + i + from, 8 - from, count - i - from);
            p = put_run(p, values[i + from], n, width);
            i += from + n;
            header = NULL;
            continue;
        }
        if (!header || groups == 63) { /* so that the header takes one byte */
            header = p++;
            groups = 0;
        }
        pack8(p, values + i, width);
        p += width;
        i += 8;
        *header = (uint8_t)(++groups << 1 | 1);
    }
    size_t left = count - i;
    if (!left) return (size_t)(p - out);
    if (run_length(values + i, 1, left) == left) {
        p = put_run(p, values[i], left, width);
    } else {
        uint32_t last[8] = {0};
        memcpy(last, values + i, left * sizeof *values);
        *p++ = 1 << 1 | 1;
        pack8(p, last, width);
        p += width;
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
