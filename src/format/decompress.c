#include "format/decompress.h"

#include <lz4.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct decompressor {
    ZSTD_DCtx *zstd;
    z_stream gzip;
    bool gzip_ready;
};

struct decompressor *decompressor_new(void) {
    struct decompressor *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    d->zstd = ZSTD_createDCtx();
    if (d->zstd) return d;
    free(d);
    return NULL;
}

void decompressor_free(struct decompressor *d) {
    if (!d) return;
    ZSTD_freeDCtx(d->zstd);
    if (d->gzip_ready) inflateEnd(&d->gzip);
    free(d);
}

static const char *const names[] = {"uncompressed", "snappy",         "gzip", "lzo",
                                    "brotli",       "lz4 (Hadoop's)", "zstd", "lz4_raw"};
enum { NAME_COUNT = sizeof names / sizeof *names };

const char *decompress_codec_name(int32_t codec) {
    return codec >= 0 && codec < NAME_COUNT ? names[codec] : "unknown";
}

bool decompress_knows(int32_t codec) {
    return codec == PARQUET_UNCOMPRESSED || codec == PARQUET_SNAPPY || codec == PARQUET_GZIP ||
           codec == PARQUET_ZSTD || codec == PARQUET_LZ4_RAW;
}

/* Members may follow each other; *full: they gave exactly what was wanted. */
static int gunzip(struct decompressor *d, const uint8_t *data, size_t len, uint8_t *out, size_t out_len,
                  bool *full, struct err *e) {
    z_stream *z = &d->gzip;
    if (!d->gzip_ready && inflateInit2(z, 15 + 32) != Z_OK) return err_nomem(e);
    if (d->gzip_ready) inflateReset(z);
    d->gzip_ready = true;
    z->next_in = (Bytef *)data; /* only read */
    z->avail_in = (uInt)len;
    z->next_out = out;
    z->avail_out = (uInt)out_len;
    int rc = inflate(z, Z_FINISH);
    while (rc == Z_STREAM_END && z->avail_in && inflateReset(z) == Z_OK) rc = inflate(z, Z_FINISH);
    if (rc == Z_MEM_ERROR) return err_nomem(e);
    *full = rc == Z_STREAM_END && !z->avail_out;
    return 0;
}

int decompress(struct decompressor *d, int32_t codec, const uint8_t *data, size_t len, uint8_t *out,
               size_t out_len, struct err *e) {
    size_t got = out_len;
    bool full = false;
    if (len > INT32_MAX || out_len > INT32_MAX)
        return err_set(e, ERR_INPUT, "a page of more than 2 GiB is too large");
    switch (codec) {
    case PARQUET_UNCOMPRESSED:
        full = len == out_len;
        if (full && len) memcpy(out, data, len);
        break;
    case PARQUET_SNAPPY:
        full = snappy_uncompressed_length((const char *)data, len, &got) == SNAPPY_OK && got == out_len &&
               snappy_uncompress((const char *)data, len, (char *)out, &got) == SNAPPY_OK;
        break;
    case PARQUET_GZIP: TRY(gunzip(d, data, len, out, out_len, &full, e)); break;
    case PARQUET_ZSTD: full = ZSTD_decompressDCtx(d->zstd, out, out_len, data, len) == out_len; break;
    case PARQUET_LZ4_RAW:
        full = LZ4_decompress_safe((const char *)data, (char *)out, (int)len, (int)out_len) == (int)out_len;
        break;
    default:
        return err_set(e, ERR_INPUT,
                       "it is compressed with %s, which cannot be read here; "
                       "uncompressed, snappy, gzip, zstd and lz4_raw can",
                       decompress_codec_name(codec));
    }
    return full ? 0 : err_set(e, ERR_INPUT, "a page's %s data is corrupt", decompress_codec_name(codec));
}
