#include "format/rle.h"

#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the above */
#include <cmocka.h>

/* A decoder straight from the specification. Returns the bytes read. */
static size_t decode(const uint8_t *p, size_t len, unsigned width, size_t count, uint32_t *out) {
    size_t i = 0, n = 0;
    while (n < count) {
        uint64_t header = 0;
        for (unsigned shift = 0;; shift += 7) {
            assert_true(i < len);
            header |= (uint64_t)(p[i] & 0x7f) << shift;
            if (!(p[i++] & 0x80)) break;
        }
        if (header & 1) {
            size_t values = (header >> 1) * 8;
            assert_true(i + values * width / 8 <= len);
            for (size_t k = 0; k < values; k++) {
                uint32_t v = 0;
                for (unsigned b = 0; b < width; b++) {
                    size_t bit = k * width + b;
                    v |= (uint32_t)(p[i + bit / 8] >> (bit % 8) & 1) << b;
                }
                if (n < count)
                    out[n++] = v;
                else
                    assert_int_equal(v, 0); /* padding */
            }
            i += values * width / 8;
        } else {
            uint32_t v = 0;
            assert_true(i + (width + 7) / 8 <= len);
            for (unsigned b = 0; b < (width + 7) / 8; b++) v |= (uint32_t)p[i++] << (8 * b);
            assert_true(header >> 1 > 0 && header >> 1 <= count - n);
            for (uint64_t k = header >> 1; k; k--) out[n++] = v;
        }
    }
    return i;
}

static void check(const uint32_t *values, size_t count, unsigned width) {
    size_t bound = rle_bound(count, width);
    uint8_t *bytes = malloc(bound); /* exactly: a sanitizer sees writes beyond */
    uint32_t *back = malloc((count + 1) * sizeof *back);
    assert_true(bytes && back);
    size_t len = rle_encode(values, count, width, bytes);
    assert_true(len <= bound);
    assert_int_equal(decode(bytes, len, width, count, back), len);
    assert_memory_equal(back, values, count * sizeof *back);
    free(back);
    free(bytes);
}

static void test_random(void **state) {
    (void)state;
    static uint32_t values[3000];
    struct rng r;
    rng_init(&r, 1, 0);
    for (unsigned width = 0; width <= 32; width++) {
        uint64_t mask = ((uint64_t)1 << width) - 1;
        for (unsigned run = 0; run < 40; run++) {
            size_t count = rng_below(&r, run < 20 ? 40 : 3000);
            uint64_t stick = rng_below(&r, 20);
            for (size_t i = 0; i < count; i++)
                values[i] = i && rng_below(&r, 20) < stick ? values[i - 1] : (uint32_t)(rng_next(&r) & mask);
            check(values, count, width);
        }
        for (size_t i = 0; i < 3000; i++) values[i] = (uint32_t)mask;
        check(values, 3000, width);
        for (size_t i = 0; i < 3000; i++) values[i] = (uint32_t)(i & mask); /* no runs at all */
        check(values, 3000, width);
    }
}

static void test_known_bytes(void **state) {
    (void)state;
    uint8_t out[200];
    /* Encodings.md: 0 to 7 in three bits are 88 c6 fa. */
    uint32_t eight[8] = {0, 1, 2, 3, 4, 5, 6, 7};
    assert_int_equal(rle_encode(eight, 8, 3, out), 4);
    assert_memory_equal(out, "\x03\x88\xc6\xfa", 4);
    uint32_t same[100];
    for (unsigned i = 0; i < 100; i++) same[i] = 300;
    assert_int_equal(rle_encode(same, 100, 9, out), 4); /* varint(200), two bytes of value */
    assert_memory_equal(out, "\xc8\x01\x2c\x01", 4);
    assert_int_equal(rle_encode(NULL, 0, 5, out), 0);
    assert_int_equal(rle_encode_run(0, 5, 0, out), 1); /* width 0: a run without a value */
    assert_int_equal(out[0], 10);
}

static void test_width(void **state) {
    (void)state;
    assert_int_equal(rle_width(0), 0);
    assert_int_equal(rle_width(1), 1);
    assert_int_equal(rle_width(255), 8);
    assert_int_equal(rle_width(256), 9);
    assert_int_equal(rle_width(UINT32_MAX), 32);
}

static void test_flags(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 2, 0);
    for (unsigned run = 0; run < 300; run++) {
        size_t count = 1 + rng_below(&r, 700);
        uint64_t stick = rng_below(&r, 30);
        uint8_t *flags = malloc(count), *bytes = malloc(rle_bound(count, 1));
        uint32_t *back = malloc(count * sizeof *back);
        assert_true(flags && bytes && back);
        for (size_t i = 0; i < count; i++)
            flags[i] = i && rng_below(&r, 30) < stick ? flags[i - 1] : (rng_next(&r) & 1 ? 0 : 7);
        size_t len = rle_encode_flags(flags, count, bytes);
        assert_true(len <= rle_bound(count, 1));
        assert_int_equal(decode(bytes, len, 1, count, back), len);
        for (size_t i = 0; i < count; i++) assert_int_equal(back[i], flags[i] != 0);
        free(back);
        free(bytes);
        free(flags);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_known_bytes),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests_name("rle", tests, NULL, NULL);
}
