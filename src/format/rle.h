/* Parquet's RLE / bit-packing hybrid (parquet-format Encodings.md, "RLE = 3"): runs of one value, and groups
 * of eight values packed at `width` bits each, least significant bit first. */
#ifndef WEIR_FORMAT_RLE_H
#define WEIR_FORMAT_RLE_H

#include <stddef.h>
#include <stdint.h>

/* Bits that hold every number from 0 to `max`. */
unsigned rle_width(uint32_t max);

/* Bytes that rle_encode may write, and a little more that it may touch. */
size_t rle_bound(size_t count, unsigned width);

/* Encode values[0 … count), each < 2^width, width ≤ 32, into `out`; returns the length. Eight
 * values that take fewer bytes as runs become runs, however short; the rest is packed, the last group padded
 * with zeros. */
size_t rle_encode(const uint32_t *values, size_t count, unsigned width, uint8_t *out);

/* One run of `count` ≥ 1 times `value`; returns the length, at most 14. */
size_t rle_encode_run(uint32_t value, size_t count, unsigned width, uint8_t *out);

/* Width 1, a byte a value: nonzero is 1 (definition levels). */
size_t rle_encode_flags(const uint8_t *flags, size_t count, uint8_t *out);

#endif
