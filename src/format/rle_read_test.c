#include "format/rle_read.h"

#include "base/random.h"
#include "format/rle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
/* cmocka needs the above */
#include <cmocka.h>

enum { MANY = 5000 };

/* The bytes in memory of their own with the slack that readers want, filled with what must not be seen. */
static uint8_t *padded(const uint8_t *data, size_t len) {
    uint8_t *exact = malloc(len + UNPACK_SLACK);
    assert_non_null(exact);
    if (len) memcpy(exact, data, len);
    memset(exact + len, 0xa5, UNPACK_SLACK);
    return exact;
}

static void rle_reads_what_was_written(void **state) {
    (void)state;
    struct rng rng;
    rng_init(&rng, 1, 0);
    uint32_t *values = malloc(MANY * sizeof *values), *back = malloc(MANY * sizeof *back);
    for (unsigned width = 0; width <= 32; width++) {
        uint64_t end = (uint64_t)1 << width;
        for (size_t i = 0; i < MANY;) { /* runs and none */
            size_t run = rng_below(&rng, 3) ? 1 : 1 + rng_below(&rng, 40);
            uint32_t v = (uint32_t)rng_below(&rng, end);
            for (; run && i < MANY; run--) values[i++] = v;
        }
        uint8_t *bytes = malloc(rle_bound(MANY, width));
        size_t len = rle_encode(values, MANY, width, bytes);
        uint8_t *exact = padded(bytes, len);
        struct rle_reader r;
        rle_reader_init(&r, exact, len, width);
        for (size_t i = 0; i < MANY;) {
            size_t n = 1 + rng_below(&rng, 700);
            if (n > MANY - i) n = MANY - i;
            assert_true(rle_read(&r, back + i, n));
            i += n;
        }
        assert_memory_equal(back, values, MANY * sizeof *back);
        assert_false(rle_read(&r, back, 9)); /* at most padding of the last group is left */
        free(exact);
        free(bytes);
    }
    free(values);
    free(back);
}

static void flags_as_bytes(void **state) {
    (void)state;
    struct rng rng;
    rng_init(&rng, 2, 0);
    uint8_t flags[3000], back[3000], bytes[2000];
    for (unsigned kind = 0; kind < 4; kind++) {
        for (size_t i = 0; i < sizeof flags; i++)
            flags[i] = kind == 0   ? 1
                       : kind == 1 ? 0
                       : kind == 2 ? rng_below(&rng, 2)
                                   : rng_below(&rng, 90) > 0;
        size_t len = rle_encode_flags(flags, sizeof flags, bytes);
        uint8_t *exact = padded(bytes, len);
        struct rle_reader r;
        rle_reader_init(&r, exact, len, 1);
        for (size_t i = 0; i < sizeof flags;) {
            size_t n = 1 + rng_below(&rng, 300);
            bool all, every = true;
            if (n > sizeof flags - i) n = sizeof flags - i;
            assert_true(rle_read_flags(&r, back + i, n, &all));
            for (size_t k = i; k < i + n; k++) every = every && flags[k];
            assert_int_equal(all, every);
            i += n;
        }
        assert_memory_equal(back, flags, sizeof flags);
        free(exact);
    }
}

static void rle_refuses(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        unsigned width, count;
        bool ok;
    } cases[] = {
        {"", 0, 3, 1, false},
        {"\x08\x05", 2, 3, 4, true},         /* four times 5 */
        {"\x08\x05", 2, 3, 5, false},        /* and no fifth */
        {"\x08", 1, 3, 1, false},            /* a run without its value */
        {"\x00\x05", 2, 3, 1, false},        /* of no values */
        {"\x03\x88\xc6\xfa", 4, 3, 8, true}, /* the specification's 0 … 7 */
        {"\x03\x88\xc6", 3, 3, 5, true},     /* cut short: what is there */
        {"\x03\x88\xc6", 3, 3, 6, false},    /* … and no more */
        {"\x01", 1, 3, 1, false},            /* no groups */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10, 3, 1, false},
        {"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11, 3, 1, false},
        {"\x0a", 1, 0, 5, true}, /* of no bits */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t out[16];
        uint8_t *exact = padded((const uint8_t *)cases[i].bytes, cases[i].len);
        struct rle_reader r;
        rle_reader_init(&r, exact, cases[i].len, cases[i].width);
        assert_int_equal(rle_read(&r, out, cases[i].count), cases[i].ok);
        for (unsigned k = 0;
             cases[i].width == 3 && cases[i].bytes[0] == 3 && cases[i].ok && k < cases[i].count; k++)
            assert_int_equal(out[k], k);
        free(exact);
    }
}

/* ---- DELTA_BINARY_PACKED, written straight from the specification */

struct bytes {
    uint8_t data[MANY * 12];
    size_t len;
};

static void put_varint(struct bytes *b, uint64_t v) {
    for (; v >= 0x80; v >>= 7) b->data[b->len++] = (uint8_t)(v | 0x80);
    b->data[b->len++] = (uint8_t)v;
}

static void put_zigzag(struct bytes *b, uint64_t v) {
    put_varint(b, v << 1 ^ (0 - (v >> 63)));
}

static void encode_delta(struct bytes *b, const uint64_t *v, size_t count, size_t block, size_t minis) {
    size_t mini = block / minis;
    put_varint(b, block);
    put_varint(b, minis);
    put_varint(b, count);
    put_zigzag(b, count ? v[0] : 0);
    for (size_t at = 1; at < count; at += block) {
        int64_t min = INT64_MAX;
        for (size_t i = at; i < at + block && i < count; i++)
            if ((int64_t)(v[i] - v[i - 1]) < min) min = (int64_t)(v[i] - v[i - 1]);
        put_zigzag(b, (uint64_t)min);
        uint8_t *widths = b->data + b->len;
        memset(widths, 0, minis);
        b->len += minis;
        for (size_t m = 0; m < minis && at + m * mini < count; m++) {
            uint64_t any = 0;
            size_t from = at + m * mini;
            for (size_t i = from; i < from + mini && i < count; i++) any |= v[i] - v[i - 1] - (uint64_t)min;
            unsigned width = any ? 64 - (unsigned)__builtin_clzll(any) : 0;
            widths[m] = (uint8_t)width;
            uint8_t *body = b->data + b->len;
            memset(body, 0, width * mini / 8);
            for (size_t i = from; i < from + mini && i < count; i++)
                for (unsigned bit = 0; bit < width; bit++) {
                    size_t to = (i - from) * width + bit;
                    uint64_t x = v[i] - v[i - 1] - (uint64_t)min;
                    body[to / 8] |= (uint8_t)((x >> bit & 1) << (to % 8));
                }
            b->len += width * mini / 8;
        }
    }
}

static void delta_reads_what_was_written(void **state) {
    (void)state;
    struct rng rng;
    rng_init(&rng, 3, 0);
    struct bytes *b = malloc(sizeof *b);
    uint64_t *v = malloc(MANY * sizeof *v);
    int64_t *back = malloc(MANY * sizeof *back);
    static const size_t counts[] = {0, 1, 2, 33, 128, 129, 130, 257, 1000};
    for (unsigned bits = 0; bits <= 64; bits += bits > 55 || bits < 9 ? 1 : 7) {
        for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
            size_t count = counts[c];
            for (size_t i = 0; i < count; i++) v[i] = bits ? rng_next(&rng) >> (64 - bits) : 42;
            b->len = 0;
            encode_delta(b, v, count, bits % 2 ? 128 : 256, bits % 2 ? 4 : 1);
            size_t stream = b->len;
            put_varint(b, 0x55); /* what follows is another's */
            uint8_t *exact = padded(b->data, b->len);
            struct delta_reader r;
            assert_true(delta_reader_init(&r, exact, b->len));
            assert_ptr_equal(delta_end(&r), exact + stream);
            for (size_t i = 0; i < count;) {
                size_t n = 1 + rng_below(&rng, 100);
                if (n > count - i) n = count - i;
                assert_true(delta_read(&r, back + i, n));
                i += n;
            }
            for (size_t i = 0; i < count; i++) assert_true((uint64_t)back[i] == v[i]);
            assert_false(delta_read(&r, back, 1));
            /* Every cut is an end too early. */
            for (size_t cut = 0; cut < stream && count > 1; cut += 1 + cut / 7) {
                uint8_t *less = padded(b->data, cut);
                if (delta_reader_init(&r, less, cut)) {
                    assert_null(delta_end(&r));
                    if (count == 1000 && cut < stream / 2) assert_false(delta_read(&r, back, count));
                }
                free(less);
            }
            free(exact);
        }
    }
    free(b);
    free(v);
    free(back);
}

/* The specification's example: 7, 5, 3, 1, 2, 3, 4, 5. */
static void delta_example(void **state) {
    (void)state;
    static const int64_t wanted[] = {7, 5, 3, 1, 2, 3, 4, 5};
    uint8_t bytes[] = "\x80\x01\x04\x08\x0e\x03\x02\x00\x00\x00\xc0\x3f\x00\x00\x00\x00\x00\x00";
    uint8_t *exact = padded(bytes, sizeof bytes - 1);
    struct delta_reader r;
    int64_t out[8];
    assert_true(delta_reader_init(&r, exact, sizeof bytes - 1));
    assert_true(delta_read(&r, out, 8));
    assert_memory_equal(out, wanted, sizeof wanted);
    assert_ptr_equal(delta_end(&r), exact + 18);
    free(exact);
}

static void delta_refuses(void **state) {
    (void)state;
    static const char *const headers[] = {
        "\x80\x01\x00\x08\x0e",             /* no miniblocks */
        "\x00\x04\x08\x0e",                 /* empty blocks */
        "\x80\x01\x03\x08\x0e",             /* not divisible */
        "\x80\x01\x40\x08\x0e",             /* miniblocks of two values */
        "\x80\x80\x80\x80\x10\x04\x08\x0e", /* huge blocks */
        "\x80\x01\x04\x08",                 /* cut off */
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct delta_reader r;
        size_t len = i == 1 ? 4 : strlen(headers[i]) + (i == 0 ? 3 : 0);
        uint8_t *exact = padded((const uint8_t *)headers[i], len);
        assert_false(delta_reader_init(&r, exact, len));
        free(exact);
    }
    uint8_t wide[] = "\x80\x01\x04\x08\x0e\x03\x41\x00\x00\x00"; /* 65 bits */
    uint8_t *exact = padded(wide, sizeof wide - 1);
    struct delta_reader r;
    int64_t out[8];
    assert_true(delta_reader_init(&r, exact, sizeof wide - 1));
    assert_null(delta_end(&r));
    assert_false(delta_read(&r, out, 8));
    free(exact);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rle_reads_what_was_written),
        cmocka_unit_test(flags_as_bytes),
        cmocka_unit_test(rle_refuses),
        cmocka_unit_test(delta_reads_what_was_written),
        cmocka_unit_test(delta_example),
        cmocka_unit_test(delta_refuses),
    };
    return cmocka_run_group_tests_name("rle_read", tests, NULL, NULL);
}
