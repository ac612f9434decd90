#include "format/compress.h"

#include "base/buf.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka needs the above */
#include <cmocka.h>

static struct compressor *compressor;
static struct err err;

static int setup(void **state) {
    (void)state;
    compressor = compressor_new(1);
    return compressor ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    compressor_free(compressor);
    return 0;
}

/* What the sequences say is what stands there, and blocks are no longer than zstd's. */
static void replay(enum page_layout layout, const uint8_t *data, size_t len, size_t start) {
    static struct sequences s;
    if (!sequences_find(&s, layout, data, len, start)) return;
    size_t at = 0, block = 0;
    for (size_t i = 0; i < s.count; i++) {
        const ZSTD_Sequence *q = &s.list[i];
        at += q->litLength;
        assert_true(at <= len);
        if (!q->matchLength) { /* the end of a block */
            assert_int_equal(q->offset, 0);
            assert_true(at - block <= SEQUENCES_BLOCK);
            block = at;
            continue;
        }
        assert_true(q->matchLength >= 3 && q->matchLength <= len - at);
        assert_true(q->offset >= 1 && q->offset <= at);
        for (size_t k = 0; k < q->matchLength; k++, at++) assert_int_equal(data[at], data[at - q->offset]);
    }
    assert_int_equal(at, len);
    assert_int_equal(block, len);
    sequences_release(&s);
}

/* Compress and decompress; returns the compressed length. The page is copied into memory of its own length
 * and slack, so that a sanitizer sees what is read beyond. */
static size_t round_trip_way(struct compress_way way, const struct buf *page, size_t start) {
    uint8_t *data = malloc(page->len + SEQUENCES_SLACK), *back = malloc(page->len + 1);
    size_t cap = compress_bound(page->len), n = 0;
    uint8_t *out = malloc(cap);
    assert_true(data && back && out);
    memset(data, 0xee, page->len + SEQUENCES_SLACK);
    if (page->len) memcpy(data, page->data, page->len);
    if (way.layout != LAYOUT_BYTES) replay(way.layout, data, page->len, start);
    assert_int_equal(compress_page(compressor, &way, data, page->len, start, out, cap, &n, &err), 0);
    assert_true(n <= cap);
    assert_int_equal(ZSTD_getFrameContentSize(out, n), page->len);
    assert_int_equal(ZSTD_decompress(back, page->len + 1, out, n), page->len);
    assert_memory_equal(back, data, page->len);
    free(data);
    free(back);
    free(out);
    return n;
}

static size_t round_trip(enum page_layout layout, const struct buf *page, size_t start) {
    return round_trip_way((struct compress_way){.layout = layout}, page, start);
}

static void add_string(struct buf *page, const char *text, uint32_t len) {
    assert_int_equal(buf_add(page, &len, 4, &err), 0);
    assert_int_equal(buf_add(page, text, len, &err), 0);
}

static void add_uuid(struct buf *page, struct rng *r) {
    char text[64];
    uint64_t a = rng_next(r), b = rng_next(r);
    int n = snprintf(text, sizeof text, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
                     (unsigned)(a & 0xffff), (unsigned)(a >> 16 & 0xfff), (unsigned)(b & 0xfff),
                     (unsigned long long)(b >> 16));
    add_string(page, text, (uint32_t)n);
}

static void add_url(struct buf *page, struct rng *r) {
    char text[128];
    int n = snprintf(text, sizeof text, "https://shop.example.com/%s/%u?ref=%s&sid=%llx",
                     rng_below(r, 4) ? "product" : "category", (unsigned)rng_below(r, 5000),
                     rng_below(r, 2) ? "home" : "search",
                     (unsigned long long)(page->len / 500 * 7919 % 0xffffff));
    add_string(page, text, (uint32_t)n);
}

static void test_strings(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 4, 0);
    struct buf page;
    buf_init(&page, 0);
    static char text[20000];
    for (unsigned run = 0; run < 400; run++) {
        buf_clear(&page);
        size_t start = rng_below(&r, 3) ? 0 : rng_below(&r, 300);
        for (size_t i = 0; i < start; i++)
            assert_int_equal(buf_add_byte(&page, (uint8_t)rng_next(&r), &err), 0);
        size_t rows = rng_below(&r, run % 20 ? 300 : 9000);
        unsigned kind = run % 6;
        uint64_t letters = 1 + rng_below(&r, 4), longest = 1 + rng_below(&r, 60);
        for (size_t i = 0; i < rows; i++) {
            if (kind == 0) {
                add_uuid(&page, &r);
            } else if (kind == 1) {
                add_url(&page, &r);
            } else if (kind == 2) {
                add_string(&page, "", 0);
            } else {
                /* Few letters, delimiters among them: matches of every length, within and across rows. */
                uint32_t len = (uint32_t)rng_below(&r, kind == 5 && i % 50 == 0 ? sizeof text : longest);
                for (uint32_t k = 0; k < len; k++) text[k] = "a/&\0"[rng_below(&r, letters)];
                add_string(&page, text, len);
            }
        }
        round_trip(LAYOUT_STRINGS, &page, start);
        round_trip(LAYOUT_BYTES, &page, start);
    }
    buf_release(&page);
}

static void test_fixed(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 5, 0);
    struct buf page;
    buf_init(&page, 0);
    for (unsigned run = 0; run < 100; run++) {
        buf_clear(&page);
        size_t start = rng_below(&r, 2) ? 0 : rng_below(&r, 30);
        for (size_t i = 0; i < start; i++) assert_int_equal(buf_add_byte(&page, 7, &err), 0);
        size_t rows = rng_below(&r, run % 10 ? 300 : 60000);
        uint64_t value = rng_next(&r), bits = rng_below(&r, 64);
        for (size_t i = 0; i < rows; i++) {
            value += rng_next(&r) >> bits;
            if (rng_below(&r, 10)) assert_int_equal(buf_add(&page, &value, 8, &err), 0);
        }
        round_trip(LAYOUT_FIXED8, &page, start);
        round_trip_way((struct compress_way){.layout = LAYOUT_FIXED8, .raw_literals = true}, &page, start);
    }
    buf_release(&page);
}

/* Whether literals are worth compressing is seen from the values. */
static void test_literals(void **state) {
    (void)state;
    struct rng r;
    rng_init(&r, 8, 0);
    struct buf page;
    for (unsigned few = 0; few < 2; few++) {
        buf_init(&page, 0);
        for (unsigned i = 0; i < 8000; i++) {
            uint64_t value = few ? rng_below(&r, 12) * 0x010101 : UINT64_C(1) << 50 | rng_next(&r) >> 32;
            assert_int_equal(buf_add(&page, &value, 8, &err), 0);
        }
        struct compress_way way = compress_choose(compressor, LAYOUT_FIXED8, page.data, page.len, 0);
        if (!few) assert_int_equal(way.layout, LAYOUT_FIXED8);
        assert_int_equal(way.raw_literals, !few);
        round_trip_way(way, &page, 0);
        buf_release(&page);
    }
}

/* Random ids are not searched; texts that repeat are. */
static void test_no_matches(void **state) {
    (void)state;
    static const char hex[] = "0123456789abcdef";
    struct rng r;
    rng_init(&r, 9, 0);
    struct buf page;
    for (unsigned ids = 0; ids < 2; ids++) {
        buf_init(&page, 0);
        for (unsigned i = 0; i < 12000; i++) {
            char text[36];
            for (unsigned k = 0; k < sizeof text; k++) text[k] = hex[ids ? rng_below(&r, 16) : (i + k) % 16];
            uint32_t len = sizeof text;
            assert_int_equal(buf_add(&page, &len, 4, &err), 0);
            assert_int_equal(buf_add(&page, text, sizeof text, &err), 0);
        }
        assert_int_equal(buf_reserve(&page, SEQUENCES_SLACK, &err), 0);
        memset(page.data + page.len, 0, SEQUENCES_SLACK);
        assert_int_equal(compress_choose(compressor, LAYOUT_STRINGS, page.data, page.len, 0).no_matches, ids);
        struct compress_way literals = {.layout = LAYOUT_STRINGS, .no_matches = true};
        round_trip_way(literals, &page, 0);
        buf_release(&page);
    }
}

/* Values longer than a block, and pages longer than sequences are made for. */
static void test_large(void **state) {
    (void)state;
    struct buf page;
    buf_init(&page, 0);
    char *text = calloc(1, 300000);
    assert_non_null(text);
    struct rng r;
    rng_init(&r, 6, 0);
    for (unsigned i = 0; i < 20; i++) {
        add_string(&page, text, 300000);
        for (unsigned k = 0; k < 10; k++) add_url(&page, &r);
        if (i == 0 || i == 19) round_trip(LAYOUT_STRINGS, &page, 0);
    }
    buf_clear(&page);
    for (unsigned i = 0; i < 2000; i++) {
        add_string(&page, text, 16000); /* nearly whole blocks of one match */
        if (i == 50) round_trip(LAYOUT_STRINGS, &page, 0);
    }
    round_trip(LAYOUT_STRINGS, &page, 0);
    free(text);
    buf_release(&page);
}

static void test_choice(void **state) {
    (void)state;
    struct buf page;
    buf_init(&page, 0);
    struct rng r;
    rng_init(&r, 7, 0);
    for (unsigned i = 0; i < 4000; i++) add_url(&page, &r);
    assert_int_equal(buf_reserve(&page, SEQUENCES_SLACK, &err), 0);
    assert_int_equal(compress_choose(compressor, LAYOUT_STRINGS, page.data, page.len, 0).layout,
                     LAYOUT_STRINGS);
    assert_true(round_trip(LAYOUT_STRINGS, &page, 0) < round_trip(LAYOUT_BYTES, &page, 0));
    assert_int_equal(compress_choose(compressor, LAYOUT_BYTES, page.data, page.len, 0).layout, LAYOUT_BYTES);
    buf_clear(&page);
    for (unsigned i = 0; i < 4000; i++) add_uuid(&page, &r);
    assert_int_equal(buf_reserve(&page, SEQUENCES_SLACK, &err), 0);
    assert_int_equal(compress_choose(compressor, LAYOUT_STRINGS, page.data, page.len, 0).layout,
                     LAYOUT_STRINGS);
    assert_true(round_trip(LAYOUT_STRINGS, &page, 0) < round_trip(LAYOUT_BYTES, &page, 0));
    /* Words without delimiters that come again at no fixed place: only a real search finds them. */
    static const char *const words[] = {"lorem", "ipsumdolor", "sitametconsectetur", "adipiscing", "elitsed"};
    buf_clear(&page);
    for (unsigned i = 0; i < 2000; i++) {
        char text[200];
        size_t n = 0;
        for (unsigned k = 0; k < 8; k++) {
            const char *word = words[rng_below(&r, 5)];
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%c", word, (char)('a' + rng_below(&r, 26)));
        }
        add_string(&page, text, (uint32_t)n);
    }
    assert_int_equal(buf_reserve(&page, SEQUENCES_SLACK, &err), 0);
    assert_int_equal(compress_choose(compressor, LAYOUT_STRINGS, page.data, page.len, 0).layout,
                     LAYOUT_BYTES);
    buf_release(&page);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),    cmocka_unit_test(test_fixed), cmocka_unit_test(test_literals),
        cmocka_unit_test(test_no_matches), cmocka_unit_test(test_large), cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests_name("compress", tests, setup, teardown);
}
