/* Decompression of Parquet's pages: one buffer in, one of known length out (parquet-format Compression.md).
 * The bytes may be anybody's. */
#ifndef WEIR_FORMAT_DECOMPRESS_H
#define WEIR_FORMAT_DECOMPRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* parquet.thrift */
enum parquet_codec {
    PARQUET_UNCOMPRESSED = 0,
    PARQUET_SNAPPY = 1,
    PARQUET_GZIP = 2,
    PARQUET_ZSTD = 6,
    PARQUET_LZ4_RAW = 7,
};

/* Contexts of one thread. */
struct decompressor;

struct decompressor *decompressor_new(void); /* NULL: out of memory */
void decompressor_free(struct decompressor *d);

/* The name of a codec, those that are not read here too; never NULL. */
const char *decompress_codec_name(int32_t codec);
bool decompress_knows(int32_t codec);

/* Exactly `out_len` bytes from all of `data`; ERR_INPUT when it is not so. PARQUET_UNCOMPRESSED copies. */
int decompress(struct decompressor *d, int32_t codec, const uint8_t *data, size_t len, uint8_t *out,
               size_t out_len, struct err *e);

#endif
