/* Finding the bytes that give CSV its structure: delimiters, line feeds, quotes. Each finder exists in a
 * portable form, the reference, and in faster ones behind one table. */
#ifndef WEIR_FORMAT_CSV_H
#define WEIR_FORMAT_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An entry of the index: the position, and two bits that say which byte stands there (neither: the
 * delimiter). */
#define CSV_POSITION 0x3fffffffu
#define CSV_QUOTE    0x40000000u
#define CSV_LF       0x80000000u

enum {
    CSV_BLOCK = 64,         /* the finders read whole blocks: this many bytes from any block's start */
    CSV_INDEX_MAX = 1 << 20 /* bytes that one call may index */
};

struct csv_index_result {
    size_t count;   /* entries written */
    bool high_bits; /* some byte is 0x80 or above */
};

struct csv_kernels {
    const char *name; /* as WEIR_SIMD names it */
    /* The structural bytes of data[0..len) in order, positions counted from data. len ≤ CSV_INDEX_MAX; up to
     * CSV_BLOCK - 1 bytes after the data are read and their values ignored; `out` has room for len +
     * CSV_BLOCK entries, of which those beyond `count` may be scribbled on. Where the delimiter is itself a
     * quote or a line feed, it counts as that. */
    struct csv_index_result (*index)(const uint8_t *data, size_t len, char delimiter, uint32_t *out);
    /* Lines that are not blank: line ends as in pipeline.md 1.2, the last may lack its own. Independent of
     * `index`, reads nothing outside the data. */
    uint64_t (*count_lines)(const uint8_t *data, size_t len);
};

/* The fastest that this machine runs, or the one that the environment variable WEIR_SIMD names: portable,
 * avx2, avx512, neon. What this machine cannot run, or an unknown name, gives portable. */
const struct csv_kernels *csv_kernels(void);

/* All that this machine runs, portable first; returns how many, at most 4. */
unsigned csv_kernels_all(const struct csv_kernels *out[4]);

#endif
