/* Reading of Parquet's RLE / bit-packing hybrid (rle.h writes it) and of DELTA_BINARY_PACKED (parquet-format
 * Encodings.md), a few values at a time. The bytes may be anybody's; UNPACK_SLACK bytes after their end must
 * be readable, whatever they are. */
#ifndef WEIR_FORMAT_RLE_READ_H
#define WEIR_FORMAT_RLE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { UNPACK_SLACK = 16 };

struct rle_reader {
    const uint8_t *at, *end;
    unsigned width;  /* bits of a value, at most 32 */
    uint64_t run;    /* values left of a run of `value` */
    uint64_t packed; /* values left of packed groups, which begin at bit `bit` of `at` */
    uint64_t bit;
    uint32_t value;
};

void rle_reader_init(struct rle_reader *r, const uint8_t *data, size_t len, unsigned width);

/* The next `count` values; false when there are fewer. */
bool rle_read(struct rle_reader *r, uint32_t *out, size_t count);

/* Width 1 only: the same as a byte a value. *all: each of them is 1. */
bool rle_read_flags(struct rle_reader *r, uint8_t *out, size_t count, bool *all);

struct delta_reader {
    const uint8_t *at, *end;
    uint64_t left;         /* values of the whole stream not yet read */
    uint64_t last;         /* the value read last; arithmetic wraps around */
    bool first;            /* none has been read */
    uint32_t block;        /* values a block */
    uint32_t mini;         /* values a miniblock */
    uint32_t block_left;   /* values of the block not yet read */
    uint32_t mini_left;    /* … of the miniblock */
    const uint8_t *widths; /* of the block's miniblocks not yet begun */
    const uint8_t *body;   /* of the miniblock; NULL: its bytes are not all there */
    unsigned width;
    uint64_t min_delta;
};

/* False when the header is malformed. */
bool delta_reader_init(struct delta_reader *r, const uint8_t *data, size_t len);

/* The next `count` values (of INT32 columns: their low 32 bits are right); false when there are fewer. */
bool delta_read(struct delta_reader *r, int64_t *out, size_t count);

/* Where the stream ends, without reading its values: NULL when it does not within the bytes. */
const uint8_t *delta_end(const struct delta_reader *r);

#endif
