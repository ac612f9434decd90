/* Lower and upper bounds of a column chunk, as both Parquet's statistics and Iceberg's manifests want them
 * (parquet-format, Statistics and ColumnOrder; Iceberg spec, "Column metrics" and appendix D). */
#ifndef WEIR_FORMAT_PARQUET_BOUNDS_H
#define WEIR_FORMAT_PARQUET_BOUNDS_H

#include "format/parquet.h"

/* A bound of strings so far: its first bytes, more than bounds keep (65 hold 16 code points and a sign of
 * more). */
struct string_bound {
    uint64_t word[2]; /* the first 16 bytes, big-endian, padded with zeros */
    bool settled;     /* 16 bytes of ASCII and more after them: an equal prefix changes nothing */
    uint8_t len;
    uint8_t data[PARQUET_BOUND + 1];
};

/* Smallest and largest string so far, bytewise; right in their first 16 code points, which is all that bounds
 * keep. */
struct string_bounds {
    bool any;
    struct string_bound lower, upper;
};

enum { STRING_BOUNDS_SLACK = 16 }; /* bytes that must be readable from string_bounds_add's `data` */

/* What string_bounds_add does for the first string, and when 16 bytes do not tell. */
void string_bounds_add_slow(struct string_bounds *b, const uint8_t *data, uint32_t len);

void string_bound_set(struct string_bound *b, const uint8_t *data, uint32_t len);

/* Take a string in; STRING_BOUNDS_SLACK bytes must be readable at `data` whatever its length. */
static inline void string_bounds_add(struct string_bounds *b, const uint8_t *data, uint32_t len) {
    static const uint8_t mask[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t w[2], m[2];
    memcpy(w, data, 16);
    memcpy(m, mask + 16 - (len < 16 ? len : 16), 16);
    uint64_t h = __builtin_bswap64(w[0] & m[0]), l = __builtin_bswap64(w[1] & m[1]);
    const uint64_t *low = b->lower.word, *high = b->upper.word;
    bool above = h != low[0] ? h > low[0] : l > low[1] || (l == low[1] && len > 16 && b->lower.settled);
    bool below = h != high[0] ? h < high[0] : l < high[1] || (l == high[1] && len > 16 && b->upper.settled);
    if (above && below && b->any) return;
    if (above && b->any && (h != high[0] || l != high[1])) /* dictionaries are often in ascending order */
        string_bound_set(&b->upper, data, len);
    else
        string_bounds_add_slow(b, data, len);
}

/* Put the bounds into `meta`. */
void string_bounds_finish(const struct string_bounds *b, struct parquet_chunk_meta *meta);

/* Truncate `len` bytes of UTF-8 to 16 code points; returns the new length. */
size_t bound_truncate(const uint8_t *data, size_t len);

/* Round up a truncated bound, in place: increment the last code point that can be, cut what follows. Returns
 * the new length, 0 when impossible. `data` has PARQUET_BOUND bytes. */
size_t bound_round_up(uint8_t *data, size_t len);

/* Bounds of fixed-width values. */
void int32_bounds(const int32_t *values, size_t count, struct parquet_chunk_meta *meta);
void int64_bounds(const int64_t *values, size_t count, struct parquet_chunk_meta *meta);
/* NaN is counted and left out; a zero bound is -0.0 below and +0.0 above. */
void double_bounds(const double *values, size_t count, struct parquet_chunk_meta *meta);

#endif
