#include "format/rle_read.h"

#include <string.h>

enum { BLOCK_MAX = 1 << 20, VARINT_BITS = 64 };

static bool read_varint(const uint8_t **at, const uint8_t *end, uint64_t *out) {
    uint64_t v = 0;
    const uint8_t *p = *at;
    for (unsigned shift = 0; shift < VARINT_BITS && p < end; shift += 7) {
        v |= (uint64_t)(*p & 0x7f) << shift;
        if (*p++ & 0x80) continue;
        *at = p;
        *out = v;
        return true;
    }
    return false;
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* The value of `width` bits, at most 32, that begins at a bit. */
static inline uint32_t unpack32(const uint8_t *data, uint64_t bit, uint64_t mask) {
    return (uint32_t)(load64(data + (bit >> 3)) >> (bit & 7) & mask);
}

void rle_reader_init(struct rle_reader *r, const uint8_t *data, size_t len, unsigned width) {
    *r = (struct rle_reader){.at = data, .end = data + len, .width = width};
}

/* Begin the next run; false when there is none. */
static bool next_run(struct rle_reader *r) {
    if (r->bit) { /* past the groups just read */
        r->at += (r->bit + 7) / 8;
        r->bit = 0;
    }
    uint64_t header;
    if (!read_varint(&r->at, r->end, &header)) return false;
    size_t left = (size_t)(r->end - r->at);
    if (header & 1) {
        uint64_t groups = header >> 1;
        /* Some writers leave the last group's unused bytes away. */
        uint64_t there = r->width ? (uint64_t)left * 8 / r->width : UINT64_MAX;
        if (groups > UINT32_MAX) return false;
        r->packed = groups * 8 < there ? groups * 8 : there;
        return r->packed > 0;
    }
    r->run = header >> 1;
    size_t bytes = (r->width + 7) / 8;
    if (!r->run || bytes > left) return false;
    r->value = 0;
    memcpy(&r->value, r->at, bytes);
    r->at += bytes;
    return true;
}

/* How many of `count` values the run or the groups at hand have; 0: there are no more. */
static size_t at_hand(struct rle_reader *r, size_t count) {
    while (!r->run && !r->packed)
        if (!next_run(r)) return 0;
    uint64_t there = r->run ? r->run : r->packed;
    return there < count ? (size_t)there : count;
}

bool rle_read(struct rle_reader *r, uint32_t *out, size_t count) {
    const uint64_t mask = ((uint64_t)1 << r->width) - 1;
    for (size_t n; count; out += n, count -= n) {
        if (!(n = at_hand(r, count))) return false;
        if (r->run) {
            for (size_t i = 0; i < n; i++) out[i] = r->value;
            r->run -= n;
            continue;
        }
        uint64_t bit = r->bit;
        for (size_t i = 0; i < n; i++, bit += r->width) out[i] = unpack32(r->at, bit, mask);
        r->bit = bit;
        r->packed -= n;
    }
    return true;
}

/* Eight bits to eight bytes of 0 or 1. */
static inline uint64_t spread_bits(uint8_t bits) {
    uint64_t one_each = bits * 0x0101010101010101u & 0x8040201008040201u;
    return (one_each + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
}

bool rle_read_flags(struct rle_reader *r, uint8_t *out, size_t count, bool *all) {
    bool every = true;
    for (size_t n; count; out += n, count -= n) {
        if (!(n = at_hand(r, count))) return false;
        if (r->run) {
            memset(out, r->value & 1, n);
            every = every && (r->value & 1);
            r->run -= n;
            continue;
        }
        for (size_t i = 0; i < n;) {
            if (!(r->bit & 7) && n - i >= 8) {
                uint64_t eight = spread_bits(r->at[r->bit >> 3]);
                memcpy(out + i, &eight, 8);
                every = every && eight == 0x0101010101010101u;
                r->bit += 8;
                i += 8;
            } else {
                out[i] = r->at[r->bit >> 3] >> (r->bit & 7) & 1;
                every = every && out[i];
                r->bit++;
                i++;
            }
        }
        r->packed -= n;
    }
    *all = every;
    return true;
}

/* ---- DELTA_BINARY_PACKED */

static uint64_t unzigzag(uint64_t v) {
    return v >> 1 ^ -(v & 1);
}

bool delta_reader_init(struct delta_reader *r, const uint8_t *data, size_t len) {
    *r = (struct delta_reader){.at = data, .end = data + len, .first = true};
    uint64_t block, minis, first;
    if (!read_varint(&r->at, r->end, &block) || !read_varint(&r->at, r->end, &minis) ||
        !read_varint(&r->at, r->end, &r->left) || !read_varint(&r->at, r->end, &first))
        return false;
    if (!block || block > BLOCK_MAX || !minis || minis > block || block % minis || block / minis % 8)
        return false;
    r->block = (uint32_t)block;
    r->mini = (uint32_t)(block / minis);
    r->last = unzigzag(first);
    return true;
}

/* Begin the next miniblock, and the block where one ends. */
static bool next_mini(struct delta_reader *r) {
    if (!r->block_left) {
        uint64_t min;
        uint32_t minis = r->block / r->mini;
        if (!read_varint(&r->at, r->end, &min) || (size_t)(r->end - r->at) < minis) return false;
        r->min_delta = unzigzag(min);
        r->widths = r->at;
        r->at += minis;
        r->block_left = r->block;
    }
    r->width = *r->widths++;
    if (r->width > 64) return false;
    size_t bytes = (size_t)r->width * r->mini / 8, there = (size_t)(r->end - r->at);
    r->body = r->at;
    r->at += bytes < there ? bytes : there;
    r->mini_left = r->mini;
    return true;
}

bool delta_read(struct delta_reader *r, int64_t *out, size_t count) {
    if (count > r->left) return false;
    r->left -= count;
    if (count && r->first) {
        r->first = false;
        *out++ = (int64_t)r->last;
        count--;
    }
    while (count) {
        if (!r->mini_left && !next_mini(r)) return false;
        size_t n = r->mini_left < count ? r->mini_left : count;
        uint64_t bit = (uint64_t)(r->mini - r->mini_left) * r->width, last = r->last;
        /* The last miniblock may lack the bytes of values beyond the stream's end, but not of these. */
        if ((bit + (uint64_t)n * r->width + 7) / 8 > (size_t)(r->at - r->body)) return false;
        const uint64_t mask = r->width == 64 ? UINT64_MAX : ((uint64_t)1 << r->width) - 1;
        for (size_t i = 0; i < n; i++, bit += r->width) {
            const uint8_t *p = r->body + (bit >> 3);
            unsigned shift = bit & 7;
            uint64_t v = load64(p) >> shift;
            if (shift + r->width > 64) v |= (uint64_t)p[8] << (64 - shift);
            last += r->min_delta + (v & mask);
            out[i] = (int64_t)last;
        }
        r->last = last;
        r->mini_left -= (uint32_t)n;
        r->block_left -= (uint32_t)n;
        out += n;
        count -= n;
    }
    return true;
}

const uint8_t *delta_end(const struct delta_reader *from) {
    struct delta_reader r = *from;
    uint64_t left = r.left - (r.first && r.left);
    while (left > r.mini_left) {
        left -= r.mini_left;
        r.block_left -= r.mini_left;
        r.mini_left = 0;
        if (!next_mini(&r)) return NULL;
        if ((size_t)(r.at - r.body) < (size_t)r.width * r.mini / 8) return NULL;
    }
    return r.at;
}
