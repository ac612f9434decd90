#include "format/decompress.h"

#include <lz4.h>
#include <setjmp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
/* cmocka needs the above */
#include <cmocka.h>

enum { LEN = 100000, CAP = 200000 };

static uint8_t text[LEN], packed[CAP], back[LEN + 1];

static int setup(void **state) {
    for (size_t i = 0; i < LEN; i++) text[i] = (uint8_t)("clicks and sessions"[i % 19] + i / 5000);
    *state = decompressor_new();
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    decompressor_free(*state);
    return 0;
}

static size_t gzip(const uint8_t *data, size_t len, uint8_t *out, size_t cap) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)len;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return cap - z.avail_out;
}

static size_t pack(int32_t codec) {
    size_t n = CAP;
    switch (codec) {
    case PARQUET_SNAPPY:
        assert_int_equal(snappy_compress((char *)text, LEN, (char *)packed, &n), SNAPPY_OK);
        return n;
    case PARQUET_GZIP:
        n = gzip(text, LEN / 2, packed, CAP); /* two members */
        return n + gzip(text + LEN / 2, LEN - LEN / 2, packed + n, CAP - n);
    case PARQUET_ZSTD: return ZSTD_compress(packed, CAP, text, LEN, 1);
    case PARQUET_LZ4_RAW: return (size_t)LZ4_compress_default((char *)text, (char *)packed, LEN, CAP);
    default: memcpy(packed, text, LEN); return LEN;
    }
}

static void every_codec(void **state) {
    static const int32_t codecs[] = {PARQUET_UNCOMPRESSED, PARQUET_SNAPPY, PARQUET_GZIP, PARQUET_ZSTD,
                                     PARQUET_LZ4_RAW};
    struct err e = {0};
    for (unsigned round = 0; round < 2; round++) /* contexts are used again */
        for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
            size_t n = pack(codecs[i]);
            assert_true(decompress_knows(codecs[i]));
            memset(back, 0, sizeof back);
            assert_int_equal(decompress(*state, codecs[i], packed, n, back, LEN, &e), 0);
            assert_memory_equal(back, text, LEN);
            /* Another length than the header says, and less data. */
            assert_int_equal(decompress(*state, codecs[i], packed, n, back, LEN - 1, &e), ERR_INPUT);
            assert_int_equal(decompress(*state, codecs[i], packed, n, back, LEN + 1, &e), ERR_INPUT);
            assert_non_null(strstr(e.msg, decompress_codec_name(codecs[i])));
            assert_int_equal(decompress(*state, codecs[i], packed, n / 2, back, LEN, &e), ERR_INPUT);
            assert_int_equal(decompress(*state, codecs[i], packed, 0, back, LEN, &e), ERR_INPUT);
        }
}

static void unknown_codecs(void **state) {
    struct err e = {0};
    for (int32_t codec = -1; codec < 20; codec++) {
        if (decompress_knows(codec)) continue;
        assert_int_equal(decompress(*state, codec, packed, 1, back, 1, &e), ERR_INPUT);
        assert_non_null(strstr(e.msg, decompress_codec_name(codec)));
    }
    assert_string_equal(decompress_codec_name(4), "brotli");
    assert_string_equal(decompress_codec_name(-1), "unknown");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_codec), cmocka_unit_test(unknown_codecs)};
    return cmocka_run_group_tests_name("decompress", tests, setup, teardown);
}
