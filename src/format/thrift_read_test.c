#include "format/thrift_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
/* cmocka needs the above */
#include <cmocka.h>

static struct buf out;
static struct err err;

static int setup(void **state) {
    (void)state;
    buf_init(&out, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    buf_release(&out);
    return 0;
}

/* A struct with a field of every type that the writer knows. */
static void write_all(void) {
    struct thrift t;
    thrift_begin(&t, &out, &err);
    thrift_bool(&t, 1, true);
    thrift_bool(&t, 2, false);
    thrift_i16(&t, 3, -5);
    thrift_i32(&t, 40, INT32_MIN); /* the long form */
    thrift_i64(&t, 41, INT64_MAX);
    thrift_string(&t, 42, "text");
    thrift_struct_begin(&t, 43);
    thrift_i32(&t, 1, 7);
    thrift_struct_end(&t);
    thrift_list_begin(&t, 44, THRIFT_I32, 20); /* the long form of a count */
    for (int i = 0; i < 20; i++) thrift_element_i32(&t, i);
    thrift_list_begin(&t, 45, THRIFT_STRUCT, 2);
    for (int i = 0; i < 2; i++) {
        thrift_element_struct_begin(&t);
        thrift_string(&t, 3, "x");
        thrift_struct_end(&t);
    }
    thrift_i32(&t, 46, 9);
    assert_int_equal(thrift_end(&t), 0);
}

static void reads_what_was_written(void **state) {
    (void)state;
    write_all();
    struct thrift_reader r = thrift_read(out.data, out.len);
    struct thrift_field f = {0};
    uint8_t type;
    assert_true(thrift_read_field(&r, &f) && f.id == 1 && f.truth);
    assert_true(thrift_read_field(&r, &f) && f.id == 2 && !f.truth && f.type == THRIFT_FALSE);
    assert_true(thrift_read_field(&r, &f) && f.id == 3);
    assert_int_equal(thrift_read_int(&r), -5);
    assert_true(thrift_read_field(&r, &f) && f.id == 40 && f.type == THRIFT_I32);
    assert_int_equal(thrift_read_i32(&r), INT32_MIN);
    assert_true(thrift_read_field(&r, &f) && f.id == 41 && f.type == THRIFT_I64);
    assert_true(thrift_read_int(&r) == INT64_MAX);
    assert_true(thrift_read_field(&r, &f) && f.type == THRIFT_BINARY);
    assert_true(str_eq(thrift_read_string(&r), STR("text")));
    assert_true(thrift_read_field(&r, &f) && f.type == THRIFT_STRUCT);
    struct thrift_field in = {0};
    assert_true(thrift_read_field(&r, &in) && in.id == 1);
    assert_int_equal(thrift_read_i32(&r), 7);
    assert_false(thrift_read_field(&r, &in));
    assert_true(thrift_read_field(&r, &f) && f.type == THRIFT_LIST);
    assert_int_equal(thrift_read_list(&r, &type), 20);
    assert_int_equal(type, THRIFT_I32);
    for (int i = 0; i < 20; i++) assert_int_equal(thrift_read_i32(&r), i);
    assert_true(thrift_read_field(&r, &f) && f.id == 45);
    thrift_skip(&r, f.type);
    assert_true(thrift_read_field(&r, &f) && f.id == 46);
    assert_int_equal(thrift_read_i32(&r), 9);
    assert_false(thrift_read_field(&r, &f));
    assert_false(r.failed);
    assert_ptr_equal(r.at, r.end);
}

static void skips_all_there_is(void **state) {
    (void)state;
    /* i8, double, set<i32>, map<i8, binary>, uuid, list<bool>, an empty map: types the writer lacks. */
    static const uint8_t bytes[] = "\x13\x05\x17"
                                   "12345678\x1a\x25\x02\x04\x1b\x01\x38\x07\x02hi\x1d"
                                   "0123456789abcdef\x19\x21\x01\x02\x1b\x00\x00";
    struct thrift_reader r = thrift_read(bytes, sizeof bytes - 1);
    struct thrift_field f = {0};
    for (int id = 1; thrift_read_field(&r, &f); id++) {
        assert_int_equal(f.id, id);
        thrift_skip(&r, f.type);
    }
    assert_false(r.failed);
    assert_int_equal(f.id, 7);
    assert_ptr_equal(r.at, r.end);
}

static bool read_all(const uint8_t *data, size_t len, bool *ran_out) {
    uint8_t *exact = malloc(len + 1); /* a sanitizer sees reads beyond */
    assert_non_null(exact);
    memcpy(exact + 1, data, len);
    struct thrift_reader r = thrift_read(exact + 1, len);
    struct thrift_field f = {0};
    while (thrift_read_field(&r, &f)) thrift_skip(&r, f.type);
    free(exact);
    *ran_out = r.ran_out;
    return !r.failed;
}

static void every_cut_is_noticed(void **state) {
    (void)state;
    bool ran_out;
    write_all();
    assert_true(read_all(out.data, out.len, &ran_out));
    for (size_t len = 0; len < out.len; len++) {
        assert_false(read_all(out.data, len, &ran_out));
        assert_true(ran_out);
    }
}

static void nonsense_fails(void **state) {
    (void)state;
    bool ran_out;
    uint8_t deep[40];
    memset(deep, 0x1c, sizeof deep); /* structs within structs */
    assert_false(read_all(deep, sizeof deep, &ran_out));
    assert_false(ran_out);
    assert_false(read_all((const uint8_t *)"\x1f\x00", 2, &ran_out)); /* no such type */
    assert_false(ran_out);
    /* A number of more than 64 bits. */
    assert_false(
        read_all((const uint8_t *)"\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 14, &ran_out));
    assert_false(ran_out);
    /* A list longer than the bytes. */
    assert_false(read_all((const uint8_t *)"\x19\xf5\xff\xff\xff\xff\x07", 7, &ran_out));
    struct thrift_reader r = thrift_read((const uint8_t *)"\xfe\xff\xff\xff\xff\x0f", 6);
    assert_int_equal(thrift_read_i32(&r), 0); /* does not fit */
    assert_true(r.failed);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_what_was_written, setup, teardown),
        cmocka_unit_test(skips_all_there_is),
        cmocka_unit_test_setup_teardown(every_cut_is_noticed, setup, teardown),
        cmocka_unit_test(nonsense_fails),
    };
    return cmocka_run_group_tests_name("thrift_read", tests, NULL, NULL);
}
