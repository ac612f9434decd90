/* Compression of pages: standard zstd frames. */
#ifndef WEIR_FORMAT_COMPRESS_H
#define WEIR_FORMAT_COMPRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Contexts and scratch of one thread. */
struct compressor;

/* `level`: zstd's. NULL: out of memory. */
struct compressor *compressor_new(int level);
void compressor_free(struct compressor *c);

/* Room that compress_page needs at `out` for `len` bytes. */
size_t compress_bound(size_t len);

/* One frame from `data`; its length in *out_len. */
int compress_page(struct compressor *c, const uint8_t *data, size_t len, uint8_t *out, size_t cap,
                  size_t *out_len, struct err *e);

#endif
