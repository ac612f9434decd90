/* What the interop tests (tests/interop/test_parquet.py) cannot see: metadata handed back, errors, reuse. */
#include "format/parquet.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
/* cmocka needs the above */
#include <cmocka.h>

static struct err err;
static struct arena arena;
static struct buf out;

static int setup(void **state) {
    (void)state;
    arena_init(&arena);
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    buf_release(&out);
    return 0;
}

enum { ROWS = 5 };
static const struct parquet_column columns[] = {
    {"s", 7, PARQUET_STRING, true},
    {"d", 8, PARQUET_STRING, true},
    {"x", 9, PARQUET_DOUBLE, true},
    {"t", 10, PARQUET_TIMESTAMPTZ, false},
};
enum { COLUMNS = sizeof columns / sizeof *columns };
static struct str plain[ROWS] = {{"b", 1}, {NULL, 0}, {"", 0}, {"a", 1}, {NULL, 0}};
static struct str entries[] = {{"a rather long entry, often", 26}, {"other", 5}};
static uint32_t indices[ROWS] = {0, 0, UINT32_MAX, 1, 0};
static double doubles[ROWS] = {1, NAN, 3, NAN, -2};
static uint8_t nulls[ROWS] = {0, 0, 1, 0, 0};
static int64_t times[ROWS] = {5, 4, 3, 2, 1};
static const struct parquet_values values[COLUMNS] = {
    {.strings = plain},
    {.strings = entries, .index = indices, .dictionary_count = 2},
    {.doubles = doubles, .null = nulls},
    {.int64s = times},
};

static struct parquet_row_group *encode(struct parquet_encoder *enc) {
    struct parquet_row_group *g = NULL;
    assert_int_equal(parquet_encode_row_group(enc, columns, COLUMNS, values, ROWS, &out, &arena, &g, &err),
                     0);
    assert_non_null(g);
    return g;
}

static void test_metadata(void **state) {
    (void)state;
    struct parquet_encoder *enc = parquet_encoder_new(NULL);
    assert_non_null(enc);
    buf_clear(&out);
    assert_int_equal(buf_add_str(&out, "before", &err), 0);
    struct parquet_row_group *g = encode(enc);
    assert_int_equal(g->rows, ROWS);
    assert_int_equal(g->bytes, out.len - 6);
    uint64_t at = 0, uncompressed = 0;
    for (unsigned i = 0; i < COLUMNS; i++) { /* chunks stand one behind the other */
        const struct parquet_chunk_meta *m = &g->columns[i];
        uint64_t first = m->dictionary_encoded ? m->dictionary_offset : m->data_offset;
        assert_int_equal(m->dictionary_encoded, i == 1);
        assert_int_equal(m->dictionary_offset == UINT64_MAX, i != 1);
        assert_int_equal(first, at);
        assert_int_equal(m->data_pages, 1);
        at += m->compressed_bytes;
        uncompressed += m->uncompressed_bytes;
    }
    assert_int_equal(at, g->bytes);
    assert_int_equal(uncompressed, g->uncompressed_bytes);
    /* Page headers count in both sizes: five int64 behind a header that ends where zstd's magic begins. */
    const uint8_t *chunk = out.data + 6 + g->columns[3].data_offset;
    size_t header = 0;
    while (memcmp(chunk + header, "\x28\xb5\x2f\xfd", 4) != 0) header++;
    assert_true(header > 5 && header < 60);
    assert_int_equal(g->columns[3].uncompressed_bytes, header + 40);

    const struct parquet_chunk_meta *m = g->columns;
    assert_int_equal(m[0].null_count, 2);
    assert_true(m[0].has_bounds && m[0].has_upper && m[0].lower_exact && m[0].upper_exact);
    assert_int_equal(m[0].lower_len, 0);
    assert_memory_equal(m[0].upper, "b", 1);
    assert_int_equal(m[1].null_count, 1);
    assert_int_equal(m[1].lower_len, 16);
    assert_memory_equal(m[1].lower, "a rather long en", 16);
    assert_false(m[1].lower_exact);
    assert_int_equal(m[1].upper_len, 5);
    assert_true(m[1].upper_exact);
    assert_int_equal(m[2].null_count, 1);
    assert_int_equal(m[2].nan_count, 2);
    assert_memory_equal(m[2].lower, &(double){-2}, 8);
    assert_memory_equal(m[2].upper, &(double){1}, 8);
    assert_int_equal(m[3].null_count, 0);
    assert_memory_equal(m[3].lower, &(int64_t){1}, 8);
    assert_memory_equal(m[3].upper, &(int64_t){5}, 8);
    parquet_encoder_free(enc);
}

/* NaNs of a dictionary count once a row; pages end where they are full. */
static void test_dictionary_and_pages(void **state) {
    (void)state;
    enum { MANY = 1000 };
    static double entries_x[] = {NAN, 1, 2};
    static uint32_t index[MANY];
    static struct str strings[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        index[i] = i < 300 ? 0 : i < 400 ? UINT32_MAX : 1 + i % 2;
        strings[i] = STR("0123456789abcdef");
    }
    const struct parquet_column c[] = {{"x", 1, PARQUET_DOUBLE, true}, {"s", 2, PARQUET_STRING, false}};
    const struct parquet_values v[] = {{.doubles = entries_x, .index = index, .dictionary_count = 3},
                                       {.strings = strings}};
    struct parquet_encoder *enc = parquet_encoder_new(&(struct parquet_options){.page_bytes = 100 * 20});
    assert_non_null(enc);
    struct parquet_row_group *g = NULL;
    buf_clear(&out);
    assert_int_equal(parquet_encode_row_group(enc, c, 2, v, MANY, &out, &arena, &g, &err), 0);
    assert_true(g->columns[0].dictionary_encoded);
    assert_int_equal(g->columns[0].nan_count, 300);
    assert_int_equal(g->columns[0].null_count, 100);
    assert_memory_equal(g->columns[0].lower, &(double){1}, 8);
    assert_int_equal(g->columns[1].data_pages, 10);
    parquet_encoder_free(enc);
}

/* A row group's bytes depend on nothing but its values. */
static void test_same_bytes(void **state) {
    (void)state;
    struct parquet_encoder *enc = parquet_encoder_new(&(struct parquet_options){.memory_limit = 1});
    assert_non_null(enc);
    buf_clear(&out);
    struct parquet_row_group *a = encode(enc), *b = encode(enc);
    parquet_encoder_free(enc);
    enc = parquet_encoder_new(NULL);
    assert_non_null(enc);
    struct parquet_row_group *c = encode(enc);
    parquet_encoder_free(enc);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->bytes, c->bytes);
    assert_memory_equal(out.data, out.data + a->bytes, a->bytes);
    assert_memory_equal(out.data, out.data + 2 * a->bytes, a->bytes);
}

static void refuse(struct parquet_encoder *enc, const struct parquet_column *c,
                   const struct parquet_values *v, const char *message) {
    struct parquet_row_group *g = NULL;
    size_t before = out.len;
    const struct parquet_column both[] = {columns[3], *c};
    const struct parquet_values given[] = {values[3], *v};
    assert_int_equal(parquet_encode_row_group(enc, both, 2, given, ROWS, &out, &arena, &g, &err),
                     ERR_OUTSIDE);
    assert_string_equal(err.msg, message);
    assert_int_equal(out.len, before); /* nothing of the group is left */
    assert_null(g);
}

static void test_refused(void **state) {
    (void)state;
    struct parquet_encoder *enc = parquet_encoder_new(NULL);
    assert_non_null(enc);
    struct parquet_column required = {"s", 1, PARQUET_STRING, false},
                          number = {"n", 1, PARQUET_DOUBLE, false};
    refuse(enc, &required, &values[0], "required column \"s\" has a null in row 1");
    refuse(enc, &required, &values[1], "required column \"s\" has a null in row 2");
    refuse(enc, &number, &values[2], "required column \"n\" has a null in row 2");
    struct parquet_values long_one = values[0];
    struct str strings[ROWS] = {STR("x"), {"", UINT32_MAX}, STR(""), STR(""), STR("")};
    long_one.strings = strings;
    refuse(enc, &required, &long_one, "a value of column \"s\" is too long for Parquet: 4294967295 bytes");
    struct parquet_values no_entry = values[1];
    no_entry.strings = (struct str[]){STR("a rather long entry, often"), {NULL, 5}};
    refuse(enc, &columns[1], &no_entry, "the dictionary of column \"d\" holds a null");
    encode(enc); /* and the encoder goes on working */
    parquet_encoder_free(enc);
}

static void test_full_buffer(void **state) {
    (void)state;
    struct parquet_encoder *enc = parquet_encoder_new(NULL);
    assert_non_null(enc);
    struct parquet_row_group *g = NULL;
    struct buf small;
    buf_init(&small, 100);
    assert_int_equal(parquet_encode_row_group(enc, columns, COLUMNS, values, ROWS, &small, &arena, &g, &err),
                     ERR_OUTSIDE);
    assert_int_equal(small.len, 0);
    buf_clear(&out);
    g = encode(enc);
    assert_int_equal(parquet_footer(columns, COLUMNS, &g, 1, "weir", &small, &err), ERR_OUTSIDE);
    buf_release(&small);
    parquet_encoder_free(enc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),    cmocka_unit_test(test_dictionary_and_pages),
        cmocka_unit_test(test_same_bytes),  cmocka_unit_test(test_refused),
        cmocka_unit_test(test_full_buffer),
    };
    return cmocka_run_group_tests_name("parquet", tests, setup, teardown);
}
