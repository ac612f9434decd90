#include "format/compress.h"

#include <stdlib.h>
#include <zstd.h>

struct compressor {
    ZSTD_CCtx *cctx;
};

struct compressor *compressor_new(int level) {
    struct compressor *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->cctx = ZSTD_createCCtx();
    if (!c->cctx || ZSTD_isError(ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_compressionLevel, level))) {
        compressor_free(c);
        return NULL;
    }
    return c;
}

void compressor_free(struct compressor *c) {
    if (!c) return;
    ZSTD_freeCCtx(c->cctx);
    free(c);
}

size_t compress_bound(size_t len) {
    return ZSTD_compressBound(len);
}

int compress_page(struct compressor *c, const uint8_t *data, size_t len, uint8_t *out, size_t cap,
                  size_t *out_len, struct err *e) {
    size_t n = ZSTD_compress2(c->cctx, out, cap, data, len);
    if (ZSTD_isError(n))
        return err_set(e, ERR_OUTSIDE, "could not compress a page: %s", ZSTD_getErrorName(n));
    *out_len = n;
    return 0;
}
