#include "edge/s3_body.h"

#include "edge/s3_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 3 * SLAB_BYTES + 100 };

static uint8_t bytes[MOST];

/* Around the slabs' borders, whatever it was added in. */
static void test_growing_holds_what_was_added(void **state) {
    (void)state;
    enum { HALF = SLAB_BYTES / 2 };
    static const size_t lens[] = {
        0, 1, 513, HALF, HALF + 1, SLAB_BYTES - 1, SLAB_BYTES, SLAB_BYTES + 1, 2 * SLAB_BYTES, MOST};
    static const size_t steps[] = {1000, SLAB_BYTES - 1, SLAB_BYTES, MOST};
    struct slabs slabs;
    struct err e;
    slabs_init(&slabs);
    uint8_t *got = malloc(MOST), hash[32], want[32];
    for (size_t i = 0; i < sizeof lens / sizeof *lens * 4; i++) {
        size_t len = lens[i / 4], step = steps[i % 4];
        struct s3_growing g = {.slabs = &slabs};
        for (size_t at = 0; at < len; at += step)
            assert_false(s3_growing_add(&g, bytes + at, len - at < step ? len - at : step, &e));
        const struct s3_body b = s3_growing_body(&g);
        assert_int_equal(b.len, len);
        if (len > HALF)
            assert_int_equal(s3_growing_memory(&g), (len + SLAB_BYTES - 1) / SLAB_BYTES * SLAB_BYTES);
        else
            assert_in_range(s3_growing_memory(&g), len, len < 512 ? 512 : len + len / 2);
        assert_int_equal(s3_body_read(&b, 0, got, MOST), len);
        assert_memory_equal(got, bytes, len);
        assert_false(s3_body_sha256(&b, hash, &e));
        assert_false(s3_sha256(bytes, len, want, &e));
        assert_memory_equal(hash, want, sizeof want);
        s3_growing_release(&g);
        assert_int_equal(s3_growing_memory(&g), 0);
    }
    free(got);
    slabs_release(&slabs);
}

/* As a sender asks for it: so many bytes at a time, from where it is, and again from the beginning. */
static void test_read_from_anywhere(void **state) {
    (void)state;
    uint8_t got[5000];
    struct slabs slabs;
    struct err e;
    slabs_init(&slabs);
    struct s3_growing g = {.slabs = &slabs};
    assert_false(s3_growing_add(&g, bytes, MOST, &e));
    const struct s3_body b = s3_growing_body(&g);
    for (size_t at = 0; at < MOST; at += 4999) {
        size_t n = MOST - at < sizeof got ? MOST - at : sizeof got;
        assert_int_equal(s3_body_read(&b, at, got, sizeof got), n);
        assert_memory_equal(got, bytes + at, n);
    }
    assert_int_equal(s3_body_read(&b, MOST, got, sizeof got), 0);
    s3_growing_release(&g);
    slabs_release(&slabs);
}

static void test_one_piece(void **state) {
    (void)state;
    struct err e;
    uint8_t md5[16];
    const void *piece = "abc";
    const struct s3_body b = {&piece, 3, 3}, none = {0};
    static const uint8_t of_abc[] = {0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, /* RFC 1321, A.5 */
                                     0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72};
    assert_false(s3_body_md5(&b, md5, &e));
    assert_memory_equal(md5, of_abc, sizeof md5);
    assert_int_equal(s3_body_read(&none, 0, md5, sizeof md5), 0);
}

int main(void) {
    for (size_t i = 0; i < MOST; i++) bytes[i] = (uint8_t)(i * 2654435761U >> 13);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growing_holds_what_was_added),
        cmocka_unit_test(test_read_from_anywhere),
        cmocka_unit_test(test_one_piece),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
