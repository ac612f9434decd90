/* Lower and upper bounds of a column chunk, as both Parquet's statistics and Iceberg's manifests want them
 * (parquet-format, Statistics and ColumnOrder; Iceberg spec, "Column metrics" and appendix D). */
#ifndef WEIR_FORMAT_PARQUET_BOUNDS_H
#define WEIR_FORMAT_PARQUET_BOUNDS_H

#include "format/parquet.h"

/* Smallest and largest string so far, bytewise; exact in their first 16 code points, which is all that
 * bounds keep. Owns its copies. */
struct string_bounds {
    bool any;
    uint64_t low[2], high[2]; /* the first 16 bytes, big-endian, padded with zeros */
    bool low_settled,
        high_settled; /* 16 bytes of ASCII and more after them: an equal prefix changes nothing */
    struct buf lower, upper;
};

enum { STRING_BOUNDS_SLACK = 16 }; /* bytes that must be readable from string_bounds_add's `data` */

void string_bounds_init(struct string_bounds *b);
void string_bounds_release(struct string_bounds *b);
void string_bounds_clear(struct string_bounds *b);

/* What string_bounds_add does when the first 16 bytes do not tell. */
int string_bounds_add_slow(struct string_bounds *b, const uint8_t *data, uint32_t len, struct err *e);

/* Take a string in; STRING_BOUNDS_SLACK bytes must be readable at `data` whatever its length. */
static inline int string_bounds_add(struct string_bounds *b, const uint8_t *data, uint32_t len,
                                    struct err *e) {
    static const uint8_t mask[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    uint64_t w[2], m[2];
    memcpy(w, data, 16);
    memcpy(m, mask + 16 - (len < 16 ? len : 16), 16);
    uint64_t h = __builtin_bswap64(w[0] & m[0]), l = __builtin_bswap64(w[1] & m[1]);
    bool above = h != b->low[0] ? h > b->low[0] : l != b->low[1] ? l > b->low[1] : len > 16 && b->low_settled;
    bool below = h != b->high[0]   ? h < b->high[0]
                 : l != b->high[1] ? l < b->high[1]
                                   : len > 16 && b->high_settled;
    if (above && below && b->any) return 0;
    return string_bounds_add_slow(b, data, len, e);
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
