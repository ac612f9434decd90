#include "format/avro.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"r\",\"fields\":["
    "{\"name\":\"b\",\"type\":\"boolean\",\"field-id\":1},{\"name\":\"i\",\"type\":\"int\",\"field-id\":2},"
    "{\"name\":\"l\",\"type\":[\"null\",\"long\"],\"field-id\":3},{\"name\":\"f\",\"type\":\"float\"},"
    "{\"name\":\"d\",\"type\":\"double\"},{\"name\":\"s\",\"type\":\"string\"},{\"name\":\"y\",\"type\":"
    "\"bytes\"},"
    "{\"name\":\"x\",\"type\":{\"type\":\"fixed\",\"name\":\"fx\",\"size\":3}},"
    "{\"name\":\"a\",\"type\":{\"type\":\"array\",\"items\":\"long\",\"element-id\":9}},"
    "{\"name\":\"m\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},"
    "{\"name\":\"k\",\"type\":[\"null\",{\"type\":\"array\",\"logicalType\":\"map\",\"items\":{\"type\":"
    "\"record\","
    "\"name\":\"kv\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":10},{\"name\":\"value\","
    "\"type\":"
    "\"bytes\",\"field-id\":11}]}}],\"field-id\":12},"
    "{\"name\":\"again\",\"type\":\"fx\"},{\"name\":\"nothing\",\"type\":\"null\"},"
    "{\"name\":\"e\",\"type\":{\"type\":\"enum\",\"name\":\"en\",\"symbols\":[\"A\",\"B\"]}}]}";

struct sample {
    struct avro_value items[14], longs[3], map[4], kv[2], kv_list[1];
    struct avro_value record;
};

static void make_sample(struct sample *s, int64_t number) {
    *s = (struct sample){.longs = {avro_int(INT64_MIN), avro_int(0), avro_int(INT64_MAX)},
                         .map = {avro_string("k1"), avro_int(-1), avro_string(""), avro_int(64)},
                         .kv = {avro_int(7), avro_bytes("\0\1", 2)}};
    s->kv_list[0] = avro_items(AVRO_RECORD, s->kv, 2);
    struct avro_value items[14] = {avro_boolean(true),
                                   avro_int(-2147483647 - 1),
                                   number % 2 ? avro_int(number) : avro_null(),
                                   {.kind = AVRO_FLOAT, .real = 0.5},
                                   {.kind = AVRO_DOUBLE, .real = -1e300},
                                   avro_string("h\xc3\xa9"),
                                   avro_bytes("", 0),
                                   avro_bytes("abc", 3),
                                   avro_items(AVRO_ARRAY, s->longs, 3),
                                   avro_items(AVRO_MAP, s->map, 4),
                                   avro_items(AVRO_ARRAY, s->kv_list, 1),
                                   avro_bytes("xyz", 3),
                                   avro_null(),
                                   {.kind = AVRO_ENUM, .integer = 1}};
    memcpy(s->items, items, sizeof items);
    s->record = avro_items(AVRO_RECORD, s->items, 14);
}

static void check_sample(const struct avro_value *v, int64_t number) {
    assert_int_equal(v->kind, AVRO_RECORD);
    assert_true(avro_get(v, 1, "other name")->boolean);                     /* by id */
    assert_int_equal(avro_get_int(v, AVRO_NO_ID, "i", 0), -2147483647 - 1); /* by name */
    assert_int_equal(avro_get_int(v, 3, "l", -5), number % 2 ? number : -5);
    assert_true(avro_get(v, AVRO_NO_ID, "f")->real == 0.5);
    assert_true(avro_get(v, AVRO_NO_ID, "d")->real == -1e300);
    const struct avro_value *s = avro_get(v, AVRO_NO_ID, "s");
    assert_int_equal(s->count, 3);
    assert_string_equal((const char *)s->bytes, "h\xc3\xa9"); /* a NUL follows */
    assert_int_equal(avro_get(v, AVRO_NO_ID, "y")->count, 0);
    assert_memory_equal(avro_get(v, AVRO_NO_ID, "x")->bytes, "abc", 3);
    const struct avro_value *a = avro_get(v, AVRO_NO_ID, "a"), *m = avro_get(v, AVRO_NO_ID, "m");
    assert_int_equal(a->count, 3);
    assert_true(a->items[0].integer == INT64_MIN && a->items[2].integer == INT64_MAX);
    assert_int_equal(m->count, 4);
    assert_string_equal((const char *)m->items[0].bytes, "k1");
    assert_int_equal(m->items[3].integer, 64);
    const struct avro_value *k = avro_get(v, 12, NULL);
    assert_int_equal(k->count, 1);
    assert_int_equal(avro_get_int(&k->items[0], 10, "key", 0), 7);
    assert_memory_equal(avro_get(&k->items[0], 11, "value")->bytes, "\0\1", 2);
    assert_null(avro_get(v, AVRO_NO_ID, "nothing"));
    assert_null(avro_get(v, 99, "missing"));
    assert_int_equal(avro_get(v, AVRO_NO_ID, "e")->integer, 1);
}

static void write_file(struct buf *out, int64_t count, bool deflate) {
    struct err e;
    struct avro_types types;
    struct avro_writer w;
    struct sample s;
    const struct avro_meta meta[] = {{"format-version", "2"}, {"empty", ""}};
    assert_int_equal(avro_types_init(&types, schema_text, strlen(schema_text), &e), 0);
    assert_int_equal(avro_writer_init(&w, out, types.root, schema_text, meta, 2, deflate,
                                      (const uint8_t *)"0123456789abcdef", &e),
                     0);
    for (int64_t i = 0; i < count; i++) {
        make_sample(&s, i);
        assert_int_equal(avro_writer_add(&w, &s.record, &e), 0);
    }
    assert_int_equal(avro_writer_end(&w, &e), 0);
    avro_writer_release(&w);
    avro_types_release(&types);
}

/* Returns how many values were read before *failed. */
static int64_t read_file(const void *data, size_t len, bool check, bool *failed) {
    struct err e;
    struct avro_reader r;
    int64_t n = 0;
    *failed = avro_reader_init(&r, data, len, 1 << 22, &e) != 0;
    if (*failed) return 0;
    struct arena arena;
    arena_init(&arena);
    if (check) assert_string_equal(avro_reader_meta(&r, "format-version"), "2");
    if (check) assert_string_equal(avro_reader_meta(&r, "empty"), "");
    for (;;) {
        struct avro_value v;
        bool done;
        arena_clear(&arena);
        *failed = avro_reader_next(&r, &arena, &v, &done, &e) != 0;
        if (*failed || done) break;
        if (check) check_sample(&v, n);
        n++;
    }
    arena_release(&arena);
    avro_reader_release(&r);
    return n;
}

static void test_round_trip(void **state) {
    (void)state;
    for (int deflate = 0; deflate < 2; deflate++) {
        for (int64_t count = 0; count < 3000; count = count * 7 + 1) { /* 2801: several blocks */
            struct buf out;
            bool failed;
            buf_init(&out, 0);
            write_file(&out, count, deflate);
            assert_int_equal(read_file(out.data, out.len, true, &failed), count);
            assert_false(failed);
            buf_release(&out);
        }
    }
}

/* Every prefix of a file is refused or ends at a block's end; no byte changed breaks memory (ASan). */
static void test_damage(void **state) {
    (void)state;
    struct buf out;
    bool failed;
    buf_init(&out, 0);
    write_file(&out, 3, true);
    for (size_t n = 0; n < out.len; n++) {
        uint8_t *copy = malloc(n ? n : 1);
        memcpy(copy, out.data, n);
        int64_t read = read_file(copy, n, false, &failed);
        assert_true(failed || read == 0);
        free(copy);
    }
    for (size_t n = 0; n < out.len; n++)
        for (int bit = 0; bit < 8; bit++) {
            out.data[n] ^= (uint8_t)(1 << bit);
            read_file(out.data, out.len, false, &failed);
            out.data[n] ^= (uint8_t)(1 << bit);
        }
    buf_release(&out);
}

static void expect_bad_schema(const char *text) {
    struct err e;
    struct avro_types types;
    assert_int_equal(avro_types_init(&types, text, strlen(text), &e), ERR_INPUT);
}

static void test_bad_schemas(void **state) {
    (void)state;
    expect_bad_schema("");
    expect_bad_schema("{");
    expect_bad_schema("\"unknown\"");
    expect_bad_schema("\"record\"");
    expect_bad_schema("{\"type\":\"record\",\"name\":\"a\"}");
    expect_bad_schema("{\"type\":\"record\",\"fields\":[]}");
    expect_bad_schema("{\"type\":\"record\",\"name\":\"a\",\"fields\":[{\"type\":\"int\"}]}");
    expect_bad_schema("{\"type\":\"fixed\",\"name\":\"a\"}");
    expect_bad_schema("{\"type\":\"array\"}");
    char deep[4000] = "";
    for (int i = 0; i < 200; i++) strcat(deep, "[");
    strcat(deep, "\"int\"");
    for (int i = 0; i < 200; i++) strcat(deep, "]");
    expect_bad_schema(deep);
}

/* A type that holds itself: values nest no deeper than the data say, and not without end. */
static void test_recursive(void **state) {
    (void)state;
    static const char text[] =
        "{\"type\":\"record\",\"name\":\"n\",\"fields\":[{\"name\":\"next\",\"type\":[\"null\",\"n\"]}]}";
    struct err e;
    struct avro_types types;
    struct arena arena;
    struct avro_value v;
    uint8_t bytes[1000];
    arena_init(&arena);
    assert_int_equal(avro_types_init(&types, text, strlen(text), &e), 0);
    memset(bytes, 2, sizeof bytes); /* branch 1, again and again */
    bytes[5] = 0;
    const uint8_t *at = bytes;
    assert_int_equal(avro_decode(types.root, &at, bytes + 6, &arena, &v, &e), 0);
    assert_ptr_equal(at, bytes + 6);
    bytes[5] = 2;
    at = bytes;
    assert_int_equal(avro_decode(types.root, &at, bytes + sizeof bytes, &arena, &v, &e), ERR_INPUT);
    avro_types_release(&types);
    arena_release(&arena);
}

static void test_misfits(void **state) {
    (void)state;
    struct err e;
    struct buf out;
    struct avro_types types;
    struct sample s;
    buf_init(&out, 0);
    assert_int_equal(avro_types_init(&types, schema_text, strlen(schema_text), &e), 0);
    make_sample(&s, 1);
    s.items[1] = avro_int(INT64_C(1) << 31);
    assert_int_equal(avro_encode(types.root, &s.record, &out, &e), ERR_INPUT);
    make_sample(&s, 1);
    s.items[2] = avro_string("no long");
    assert_int_equal(avro_encode(types.root, &s.record, &out, &e), ERR_INPUT);
    make_sample(&s, 1);
    s.items[7] = avro_bytes("ab", 2);
    assert_int_equal(avro_encode(types.root, &s.record, &out, &e), ERR_INPUT);
    make_sample(&s, 1);
    s.record.count = 13;
    assert_int_equal(avro_encode(types.root, &s.record, &out, &e), ERR_INPUT);
    avro_types_release(&types);
    buf_release(&out);
}

/* Bytes from the specification: zigzag, blocks with a byte count. */
static void test_encoding(void **state) {
    (void)state;
    static const struct {
        int64_t value;
        const char *bytes;
        size_t len;
    } longs[] = {{0, "\0", 1},     {-1, "\1", 1},     {1, "\2", 1},
                 {-64, "\x7f", 1}, {64, "\x80\1", 2}, {8192, "\x80\x80\1", 3}};
    struct err e;
    struct buf out;
    struct arena arena;
    buf_init(&out, 0);
    arena_init(&arena);
    const struct avro_schema long_schema = {.kind = AVRO_LONG};
    for (size_t i = 0; i < sizeof longs / sizeof *longs; i++) {
        struct avro_value v = avro_int(longs[i].value);
        buf_clear(&out);
        assert_int_equal(avro_encode(&long_schema, &v, &out, &e), 0);
        assert_int_equal(out.len, longs[i].len);
        assert_memory_equal(out.data, longs[i].bytes, out.len);
    }
    struct avro_field items = {NULL, AVRO_NO_ID, &long_schema};
    const struct avro_schema array = {.kind = AVRO_ARRAY, .fields = &items, .field_count = 1};
    static const uint8_t blocks[] = {0x03, 0x04, 0x02, 0x04,
                                     0x02, 0x06, 0x00}; /* −2 (2 bytes): 1 2; 1: 3; 0 */
    const uint8_t *at = blocks;
    struct avro_value v;
    assert_int_equal(avro_decode(&array, &at, blocks + sizeof blocks, &arena, &v, &e), 0);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.items[2].integer, 3);
    static const uint8_t greedy[] = {0xfe, 0xff, 0xff, 0xff, 0x0f, 0x00}; /* 2^31 − 1 items of one byte */
    at = greedy;
    assert_int_equal(avro_decode(&array, &at, greedy + sizeof greedy, &arena, &v, &e), ERR_INPUT);
    arena_release(&arena);
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damage),  cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_recursive),  cmocka_unit_test(test_misfits), cmocka_unit_test(test_encoding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
