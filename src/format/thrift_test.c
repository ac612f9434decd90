#include "format/thrift.h"

#include <setjmp.h>
#include <stdarg.h>
/* cmocka needs the above */
#include <cmocka.h>

#define CHECK(t, literal) check(t, literal, sizeof(literal) - 1)

static void check(struct thrift *t, const char *bytes, size_t len) {
    assert_int_equal(thrift_end(t), 0);
    assert_int_equal(t->out->len, len);
    assert_memory_equal(t->out->data, bytes, len);
    buf_clear(t->out);
}

/* Expected bytes by hand from thrift-compact-protocol.md. */
static void test_bytes(void **state) {
    (void)state;
    struct buf out;
    struct thrift t;
    struct err e;
    buf_init(&out, 0);

    thrift_begin(&t, &out, &e);
    thrift_i32(&t, 1, 0);
    thrift_i32(&t, 2, -1);
    thrift_i64(&t, 3, INT64_MIN);
    thrift_i16(&t, 19, 64);
    thrift_i32(&t, 3, INT32_MAX); /* backwards: the long form */
    CHECK(&t,
          "\x15\x00\x15\x01\x16\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x04\x26\x80\x01\x05\x06\xfe\xff\xff"
          "\xff\x0f\x00");

    thrift_begin(&t, &out, &e);
    thrift_bool(&t, 1, true);
    thrift_bool(&t, 2, false);
    thrift_string(&t, 15, "hi");
    thrift_struct_begin(&t, 16);
    thrift_i32(&t, 1, 1); /* ids begin anew */
    thrift_struct_begin(&t, 3);
    thrift_struct_end(&t);
    thrift_struct_end(&t);
    thrift_i32(&t, 17, 1);
    CHECK(&t, "\x11\x12\xd8\x02hi\x1c\x15\x02\x2c\x00\x00\x15\x02\x00");

    thrift_begin(&t, &out, &e);
    thrift_list_begin(&t, 1, THRIFT_I32, 2);
    thrift_element_i32(&t, 1);
    thrift_element_i32(&t, -2);
    thrift_list_begin(&t, 2, THRIFT_BINARY, 15);
    for (unsigned i = 0; i < 15; i++) thrift_element_string(&t, i ? "" : "a");
    thrift_list_begin(&t, 3, THRIFT_STRUCT, 1);
    thrift_element_struct_begin(&t);
    thrift_bool(&t, 2, true);
    thrift_struct_end(&t);
    CHECK(&t, "\x19\x25\x02\x03\x19\xf8\x0f\x01"
              "a\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x19\x1c\x21\0\0");
    buf_release(&out);
}

static void test_first_failure_stays(void **state) {
    (void)state;
    struct buf out;
    struct thrift t;
    struct err e = {.code = 0};
    buf_init(&out, 4);
    thrift_begin(&t, &out, &e);
    thrift_string(&t, 1, "longer than four bytes");
    thrift_i32(&t, 2, 1); /* would fit: must not be written after a gap */
    assert_int_equal(thrift_end(&t), ERR_OUTSIDE);
    assert_int_equal(e.code, ERR_OUTSIDE);
    assert_true(out.len <= 2);
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_first_failure_stays),
    };
    return cmocka_run_group_tests_name("thrift", tests, NULL, NULL);
}
