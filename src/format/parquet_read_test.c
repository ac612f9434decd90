/* Files of our own writer read back, pages and footers made by hand, and what must be refused; files of other
 * writers are read in tests/interop/test_parquet_input.py. */
#include "format/parquet_read_values.h"

#include "format/parquet.h"
#include "format/thrift.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
/* cmocka needs the above */
#include <cmocka.h>

static struct err err;
static struct arena arena;
static struct buf file;

static int setup(void **state) {
    (void)state;
    arena_init(&arena);
    buf_init(&file, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    arena_release(&arena);
    buf_release(&file);
    return 0;
}

static int read_file(void *ctx, uint64_t offset, size_t len, uint8_t *out, struct err *e) {
    (void)ctx;
    (void)e;
    assert_true(offset + len <= file.len);
    if (len) memcpy(out, file.data + offset, len);
    return 0;
}

static int open_file(struct parquet_meta *meta) {
    uint32_t len;
    TRY(parquet_read_tail(file.data + file.len - PARQUET_TAIL_BYTES, file.len, &len, &err));
    return parquet_read_footer(file.data + file.len - PARQUET_TAIL_BYTES - len, len, file.len, &arena, meta,
                               &err);
}

/* All values of a column of a group as text, "~" for null, one after the other with a blank. */
static const char *dump(const struct parquet_field *f, const struct parquet_read_group *g, size_t page_max) {
    static char text[4096];
    struct parquet_source source = {read_file, NULL, file.len, page_max};
    struct parquet_shared shared;
    struct parquet_window w;
    assert_int_equal(parquet_shared_init(&shared, &err), 0);
    struct parquet_column_reader *r = parquet_column_reader_new(&source, &shared);
    assert_non_null(r);
    uint64_t rows = 0;
    size_t n = 0;
    text[0] = 0;
    int rc = parquet_column_begin(r, f, g, &err);
    while (!rc && !(rc = parquet_column_next(r, &w, &err)) && w.count)
        for (uint32_t i = 0; i < w.count; i++, rows++) {
            char *to = text + n;
            size_t left = n < sizeof text ? sizeof text - n : 0;
            if (!w.present[i])
                n += (size_t)snprintf(to, left, "~ ");
            else if (f->kind == PARQUET_KIND_TEXT)
                n += (size_t)snprintf(to, left, "%.*s ", (int)w.texts[i].len, w.texts[i].ptr);
            else if (f->kind == PARQUET_KIND_REAL)
                n += (size_t)snprintf(to, left, "%g ", w.reals[i]);
            else
                n += (size_t)snprintf(to, left, "%lld ", (long long)w.numbers[i]);
        }
    if (!rc) assert_int_equal(rows, g->rows);
    parquet_column_reader_free(r);
    parquet_shared_release(&shared);
    return rc ? NULL : text;
}

/* ---- our own files */

enum { ROWS = 3000 };

static void reads_what_we_write(void **state) {
    (void)state;
    static const struct parquet_column columns[] = {
        {"plain", 1, PARQUET_STRING, true},  {"dictionary", 2, PARQUET_STRING, true},
        {"int", 3, PARQUET_INT32, false},    {"long", 4, PARQUET_INT64, true},
        {"double", 5, PARQUET_DOUBLE, true}, {"time", 6, PARQUET_TIMESTAMPTZ, false},
    };
    static struct str plain[ROWS], entries[] = {{"one rather long entry", 21}, {"two", 3}, {"", 0}};
    static uint32_t index[ROWS];
    static int32_t ints[ROWS];
    static int64_t longs[ROWS];
    static double doubles[ROWS];
    static uint8_t null[ROWS];
    static char text[ROWS][16];
    for (int i = 0; i < ROWS; i++) {
        int len = snprintf(text[i], sizeof text[i], "value %d", i * 7919 % ROWS);
        plain[i] = i % 5 ? (struct str){text[i], (uint32_t)len} : (struct str){0};
        index[i] = i % 11 ? (uint32_t)i % 3 : UINT32_MAX;
        ints[i] = -i;
        longs[i] = (int64_t)i << 40;
        doubles[i] = i / 8.0;
        null[i] = i % 3 == 1;
    }
    const struct parquet_values values[] = {
        {.strings = plain},
        {.strings = entries, .index = index, .dictionary_count = 3},
        {.int32s = ints},
        {.int64s = longs, .null = null},
        {.doubles = doubles, .null = null},
        {.int64s = longs},
    };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    struct parquet_encoder *enc = parquet_encoder_new(&(struct parquet_options){.page_bytes = 4000});
    struct parquet_row_group *groups[2];
    assert_int_equal(buf_add(&file, parquet_magic, 4, &err), 0);
    for (int g = 0; g < 2; g++) {
        uint64_t offset = file.len;
        assert_int_equal(parquet_encode_row_group(enc, columns, COLUMNS, values, g ? 1 : ROWS, &file, &arena,
                                                  &groups[g], &err),
                         0);
        groups[g]->offset = offset;
    }
    assert_int_equal(parquet_footer(columns, COLUMNS, groups, 2, "test", &file, &err), 0);
    parquet_encoder_free(enc);

    struct parquet_meta meta;
    assert_int_equal(open_file(&meta), 0);
    assert_int_equal(meta.field_count, COLUMNS);
    assert_int_equal(meta.leaf_count, COLUMNS);
    assert_int_equal(meta.group_count, 2);
    assert_int_equal(meta.rows, ROWS + 1);
    static const enum parquet_kind kinds[] = {PARQUET_KIND_TEXT, PARQUET_KIND_TEXT,
                                              PARQUET_KIND_INT,  PARQUET_KIND_INT,
                                              PARQUET_KIND_REAL, PARQUET_KIND_TIMESTAMP_US};
    struct parquet_source source = {read_file, NULL, meta.data_end, 0};
    struct parquet_shared shared;
    assert_int_equal(parquet_shared_init(&shared, &err), 0);
    struct parquet_column_reader *r = parquet_column_reader_new(&source, &shared);
    for (unsigned c = 0; c < COLUMNS; c++) {
        const struct parquet_field *f = &meta.fields[c];
        struct parquet_window w;
        assert_true(str_eq(f->name, str_of(columns[c].name)));
        assert_int_equal(f->kind, kinds[c]);
        assert_int_equal(f->optional, columns[c].optional);
        assert_int_equal(parquet_column_begin(r, f, &meta.groups[0], &err), 0);
        uint32_t row = 0;
        for (;;) {
            assert_int_equal(parquet_column_next(r, &w, &err), 0);
            if (!w.count) break;
            for (uint32_t i = 0; i < w.count; i++, row++) {
                if (c == 0) assert_true(str_eq(w.texts[i], plain[row]));
                if (c == 1)
                    assert_true(
                        str_eq(w.texts[i], index[row] == UINT32_MAX ? (struct str){0} : entries[index[row]]));
                if (c == 2) assert_int_equal(w.numbers[i], ints[row]);
                if (c == 3 || c == 4) assert_int_equal(w.present[i], !null[row]);
                if ((c == 3 && !null[row]) || c == 5) assert_true(w.numbers[i] == longs[row]);
                if (c == 4 && !null[row]) assert_true(w.reals[i] == doubles[row]);
            }
        }
        assert_int_equal(row, ROWS);
    }
    parquet_column_reader_free(r);
    parquet_shared_release(&shared);
    assert_string_equal(dump(&meta.fields[2], &meta.groups[1], 0), "0 ");
    assert_null(dump(&meta.fields[0], &meta.groups[0], 1000));
    assert_non_null(strstr(err.msg, "page"));
}

/* ---- pages by hand */

struct page {
    int type; /* 0, 2, 3 as in parquet.thrift */
    int values, encoding, level_encoding, level_bytes;
    bool crc, wrong_crc;
};

/* Append an uncompressed page. */
static void put_page(struct page p, const void *body, size_t len) {
    struct thrift t;
    uint32_t crc = (uint32_t)crc32(0, body, (uInt)len) ^ p.wrong_crc;
    thrift_begin(&t, &file, &err);
    thrift_i32(&t, 1, p.type);
    thrift_i32(&t, 2, (int32_t)len);
    thrift_i32(&t, 3, (int32_t)len);
    if (p.crc) thrift_i32(&t, 4, (int32_t)crc);
    thrift_struct_begin(&t, p.type == 0 ? 5 : p.type == 2 ? 7 : 8);
    thrift_i32(&t, 1, p.values);
    if (p.type == 3) {
        thrift_i32(&t, 2, 0);
        thrift_i32(&t, 3, p.values);
        thrift_i32(&t, 4, p.encoding);
        thrift_i32(&t, 5, p.level_bytes);
        thrift_i32(&t, 6, 0);
    } else {
        thrift_i32(&t, 2, p.encoding);
        if (p.type == 0) thrift_i32(&t, 3, p.level_encoding);
        if (p.type == 0) thrift_i32(&t, 4, 3);
    }
    thrift_struct_end(&t);
    assert_int_equal(thrift_end(&t), 0);
    assert_int_equal(buf_add(&file, body, len, &err), 0);
}

#define PAGE(p, body) put_page((struct page)p, body, sizeof(body) - 1)

enum { PLAIN = 0, DICTIONARY = 8, DELTA = 5, DELTA_LENGTH = 6, DELTA_TEXT = 7, SPLIT = 9, RLE = 3 };

/* The pages at hand, read as a column of so many rows; the file is empty again. */
static const char *read_pages(enum parquet_kind kind, enum parquet_physical physical, bool optional,
                              uint64_t rows) {
    const struct parquet_field f = {STR("x"), kind, "x", physical, optional, 0};
    struct parquet_read_chunk c = {.readable = true, .physical = physical, .values = rows};
    const struct parquet_read_group g = {rows, &c};
    const char *out = dump(&f, &g, 100000);
    buf_clear(&file);
    return out;
}

static const char *texts(uint64_t rows) {
    return read_pages(PARQUET_KIND_TEXT, PARQUET_PHYSICAL_BYTE_ARRAY, false, rows);
}

#define P(...)                                                                                               \
    { __VA_ARGS__ }

static void plain_values(void **state) {
    (void)state;
    PAGE(P(0, 2, PLAIN, RLE), "\x02\x00\x00\x00hi\x00\x00\x00\x00");
    PAGE(P(3, 1, PLAIN), "\x01\x00\x00\x00!");
    assert_string_equal(texts(3), "hi  ! ");
    PAGE(P(0, 2, PLAIN, RLE), "\xff\xff\xff\xff\x02\x00\x00\x80");
    assert_string_equal(read_pages(PARQUET_KIND_INT, PARQUET_PHYSICAL_INT32, false, 2), "-1 -2147483646 ");
    PAGE(P(0, 2, PLAIN, RLE), "\xff\xff\xff\xff\x02\x00\x00\x80");
    assert_string_equal(read_pages(PARQUET_KIND_UINT, PARQUET_PHYSICAL_INT32, false, 2),
                        "4294967295 2147483650 ");
    PAGE(P(0, 1, PLAIN, RLE), "\x00\x00\xc0\x3f");
    assert_string_equal(read_pages(PARQUET_KIND_REAL, PARQUET_PHYSICAL_FLOAT, false, 1), "1.5 ");
    PAGE(P(0, 1, PLAIN, RLE), "\x00\x00\x00\x00\x00\x00\x04\xc0");
    assert_string_equal(read_pages(PARQUET_KIND_REAL, PARQUET_PHYSICAL_DOUBLE, false, 1), "-2.5 ");
}

static void levels_of_both_versions(void **state) {
    (void)state;
    /* Present, null, present: packed 101. */
    PAGE(P(0, 3, PLAIN, RLE), "\x02\x00\x00\x00\x03\x05\x01\x00\x00\x00"
                              "a\x01\x00\x00\x00"
                              "b");
    PAGE(P(3, 2, PLAIN, 0, 2), "\x04\x00"); /* a run of two nulls, no values at all */
    PAGE(P(3, 2, PLAIN, 0, 2), "\x04\x01\x01\x00\x00\x00"
                               "c\x01\x00\x00\x00"
                               "d");
    assert_string_equal(read_pages(PARQUET_KIND_TEXT, PARQUET_PHYSICAL_BYTE_ARRAY, true, 7),
                        "a ~ b ~ ~ c d ");
}

static void dictionaries(void **state) {
    (void)state;
    PAGE(P(2, 3, PLAIN), "\x01\x00\x00\x00"
                         "a\x00\x00\x00\x00\x02\x00\x00\x00xy");
    PAGE(P(0, 5, DICTIONARY, RLE), "\x02\x06\x02\x03\x04\x00"); /* three times 2, then packed 0 1 … */
    PAGE(P(0, 1, PLAIN, RLE), "\x03\x00\x00\x00new");           /* the writer gave it up */
    assert_string_equal(texts(6), "xy xy xy a  new ");
    PAGE(P(2, 2, PLAIN), "\x01\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff");
    PAGE(P(3, 3, 2), "\x01\x03\x05");
    assert_string_equal(read_pages(PARQUET_KIND_INT, PARQUET_PHYSICAL_INT64, false, 3), "-1 1 -1 ");
    PAGE(P(0, 1, DICTIONARY, RLE), "\x01\x02\x00");
    assert_null(texts(1));
    assert_non_null(strstr(err.msg, "dictionary"));
    PAGE(P(2, 1, PLAIN), "\x00\x00\x00\x00");
    PAGE(P(0, 1, DICTIONARY, RLE), "\x01\x02\x01"); /* entry 1 of one */
    assert_null(texts(1));
    PAGE(P(2, 2, PLAIN), "\x00\x00\x00\x00"); /* two entries in four bytes */
    PAGE(P(0, 1, DICTIONARY, RLE), "\x01\x02\x01");
    assert_null(texts(1));
}

static void deltas(void **state) {
    (void)state;
    PAGE(P(0, 8, DELTA, RLE), "\x80\x01\x04\x08\x0e\x03\x02\x00\x00\x00\xc0\x3f\x00\x00\x00\x00\x00\x00");
    assert_string_equal(read_pages(PARQUET_KIND_INT, PARQUET_PHYSICAL_INT64, false, 8), "7 5 3 1 2 3 4 5 ");
    /* INT32 wraps around: −2147483648 after 2147483647 is a step of one. */
    PAGE(P(0, 2, DELTA, RLE), "\x80\x01\x04\x02\xfe\xff\xff\xff\x0f\x02\x00\x00\x00\x00");
    assert_string_equal(read_pages(PARQUET_KIND_INT, PARQUET_PHYSICAL_INT32, false, 2),
                        "2147483647 -2147483648 ");
    /* Lengths 2, 2 and then the bytes. */
    PAGE(P(0, 2, DELTA_LENGTH, RLE), "\x80\x01\x04\x02\x04\x00\x00\x00\x00\x00hiyo");
    assert_string_equal(texts(2), "hi yo ");
    /* Prefixes 0, 3; suffixes 4, 1: "axis", "axi" + "s". */
    PAGE(P(0, 2, DELTA_TEXT, RLE), "\x80\x01\x04\x02\x00\x06\x00\x00\x00\x00"
                                   "\x80\x01\x04\x02\x08\x05\x00\x00\x00\x00"
                                   "axlee");
    assert_string_equal(texts(2), "axle axle ");
    /* A prefix longer than the value before. */
    PAGE(P(0, 2, DELTA_TEXT, RLE), "\x80\x01\x04\x02\x00\x0a\x00\x00\x00\x00"
                                   "\x80\x01\x04\x02\x08\x05\x00\x00\x00\x00"
                                   "axlee");
    assert_null(texts(2));
    /* Lengths beyond the bytes; a negative one. */
    PAGE(P(0, 2, DELTA_LENGTH, RLE), "\x80\x01\x04\x02\x04\x00\x00\x00\x00\x00hiy");
    assert_null(texts(2));
    PAGE(P(0, 1, DELTA_LENGTH, RLE), "\x80\x01\x04\x01\x03");
    assert_null(texts(1));
    /* Fewer values than rows. */
    PAGE(P(0, 3, DELTA_LENGTH, RLE), "\x80\x01\x04\x02\x04\x00\x00\x00\x00\x00hiyo");
    assert_null(texts(3));
}

static void byte_streams(void **state) {
    (void)state;
    PAGE(P(0, 2, SPLIT, RLE), "\x00\x00\x00\x00\xc0\x00\x3f\x40"); /* 1.5, 2 */
    assert_string_equal(read_pages(PARQUET_KIND_REAL, PARQUET_PHYSICAL_FLOAT, false, 2), "1.5 2 ");
    PAGE(P(0, 2, SPLIT, RLE), "\x01\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff");
    assert_string_equal(read_pages(PARQUET_KIND_INT, PARQUET_PHYSICAL_INT64, false, 2),
                        "1 -72057594037927934 ");
    PAGE(P(0, 3, SPLIT, RLE), "\x00\x00\x00\x00\xc0\x00\x3f\x40");
    assert_null(read_pages(PARQUET_KIND_REAL, PARQUET_PHYSICAL_FLOAT, false, 3));
}

static void int96(void **state) {
    (void)state;
    /* Nanoseconds of the day, then the Julian day: 1970-01-01 and 1.5 µs; a day before, less 1 ns; the last.
     */
    PAGE(P(0, 3, PLAIN, RLE), "\xdc\x05\x00\x00\x00\x00\x00\x00\x8c\x3d\x25\x00"
                              "\xff\xff\xff\xff\xff\xff\xff\xff\x8b\x3d\x25\x00"
                              "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\x7f");
    assert_string_equal(read_pages(PARQUET_KIND_INT96, PARQUET_PHYSICAL_INT96, false, 3),
                        "1 -86400000001 9223372036854775807 ");
}

static void refused(const char *says) {
    assert_null(texts(2));
    if (!strstr(err.msg, says)) fail_msg("\"%s\" does not say \"%s\"", err.msg, says);
}

static void bad_pages(void **state) {
    (void)state;
    refused("2 of them are missing");
    PAGE(P(0, 1, PLAIN, RLE), "\x00\x00\x00\x00");
    refused("1 of them are missing");
    PAGE(P(0, 3, PLAIN, RLE), "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00");
    refused("more rows");
    PAGE(P(0, 2, PLAIN, RLE), "\x00\x00\x00\x00\x01\x00\x00\x00");
    refused("corrupt");
    PAGE(P(0, 2, PLAIN, RLE), "\x02\x00\x00\x00\xc3\x28\x00\x00\x00\x00");
    refused("UTF-8");
    /* One sequence torn in two is none. */
    PAGE(P(0, 2, DELTA_LENGTH, RLE), "\x80\x01\x04\x02\x02\x00\x00\x00\x00\x00\xc3\xa9");
    refused("UTF-8");
    PAGE(P(2, 1, PLAIN), "\x01\x00\x00\x00\xff");
    refused("UTF-8");
    PAGE(P(0, 2, DELTA, RLE), "\x80\x01\x04\x02\x02\x00\x00\x00\x00\x00");
    refused("encoding 5");
    PAGE(P(0, 2, 99, RLE), "");
    refused("encoding 99");
    PAGE(P(2, 0, PLAIN), "");
    PAGE(P(2, 0, PLAIN), "");
    refused("two dictionaries");
    PAGE(P(2, 1, DELTA_LENGTH), "");
    refused("dictionary has encoding 6");
    PAGE(P(0, 2, PLAIN, RLE, 0, true, true), "\x00\x00\x00\x00\x00\x00\x00\x00");
    refused("checksum");
    PAGE(P(0, 2, PLAIN, RLE, 0, true), "\x00\x00\x00\x00\x00\x00\x00\x00");
    assert_string_equal(texts(2), "  ");
    PAGE(P(3, 2, PLAIN, 0, 9), "\x00\x00\x00\x00\x00\x00\x00\x00"); /* levels longer than the page */
    refused("header");
    assert_int_equal(buf_add(&file, "\x15\x00\x15", 3, &err), 0); /* a header cut off */
    refused("header");
    assert_int_equal(buf_add(&file, "\x1f\xff\xff", 3, &err), 0);
    refused("header");
    PAGE(P(0, 2, PLAIN, RLE), "\x00\x00\x00\x00\x00\x00\x00\x00");
    file.len--; /* the page goes beyond the end */
    refused("header");
    const struct {
        const char *body;
        size_t len;
        int encoding;
    } levels[] = {{"\x03\x00\x00", 3, RLE},
                  {"\x09\x00\x00\x00\x04\x01", 6, RLE},
                  {"\x00\x00\x00\x00", 4, RLE},
                  {"\x04\x01", 2, 4}};
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        put_page((struct page){0, 2, PLAIN, levels[i].encoding}, levels[i].body, levels[i].len);
        assert_null(read_pages(PARQUET_KIND_TEXT, PARQUET_PHYSICAL_BYTE_ARRAY, true, 2));
    }
}

static void columns_without_type(void **state) {
    (void)state;
    assert_string_equal(read_pages(PARQUET_KIND_NULL, PARQUET_PHYSICAL_INT32, true, 3), "~ ~ ~ ");
}

static void other_pages_are_passed_over(void **state) {
    (void)state;
    struct thrift t;
    thrift_begin(&t, &file, &err);
    thrift_i32(&t, 1, 1); /* an index page */
    thrift_i32(&t, 2, 3);
    thrift_i32(&t, 3, 3);
    thrift_struct_begin(&t, 6);
    thrift_struct_end(&t);
    thrift_end(&t);
    buf_add_str(&file, "xxx", &err);
    PAGE(P(0, 1, PLAIN, RLE), "\x01\x00\x00\x00z");
    assert_string_equal(texts(1), "z ");
}

/* ---- footers */

static void tails(void **state) {
    (void)state;
    uint32_t len;
    const uint8_t *t = (const uint8_t *)"\x04\x00\x00\x00PAR1",
                  *pare = (const uint8_t *)"\x04\x00\x00\x00PARE";
    assert_int_equal(parquet_read_tail(t, 16, &len, &err), 0);
    assert_int_equal(len, 4);
    assert_int_equal(parquet_read_tail(t, 15, &len, &err), ERR_INPUT);
    assert_int_equal(parquet_read_tail(t, 8, &len, &err), ERR_INPUT);
    assert_int_equal(parquet_read_tail(pare, 16, &len, &err), ERR_INPUT);
    assert_non_null(strstr(err.msg, "encrypted"));
    assert_int_equal(parquet_read_tail((const uint8_t *)"12345678", 16, &len, &err), ERR_INPUT);
}

static void cut_footers(void **state) {
    (void)state;
    static const struct parquet_column columns[] = {{"a", 1, PARQUET_STRING, true},
                                                    {"b", 2, PARQUET_TIMESTAMPTZ, false}};
    struct parquet_chunk_meta chunk[2] = {{.dictionary_offset = UINT64_MAX},
                                          {.dictionary_offset = UINT64_MAX}};
    struct parquet_row_group group = {.rows = 3, .columns = chunk}, *groups[] = {&group};
    assert_int_equal(buf_add(&file, parquet_magic, 4, &err), 0);
    assert_int_equal(parquet_footer(columns, 2, groups, 1, "test", &file, &err), 0);
    struct parquet_meta meta;
    assert_int_equal(open_file(&meta), 0);
    uint32_t len = (uint32_t)file.len - 12;
    for (uint32_t cut = 0; cut < len; cut++) {
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, file.data + 4, cut);
        assert_int_equal(parquet_read_footer(exact, cut, file.len, &arena, &meta, &err), ERR_INPUT);
        free(exact);
    }
    /* Each byte in turn another: read or refused, but never beyond bounds. */
    for (uint32_t i = 0; i < len; i++) {
        file.data[4 + i] ^= 0x15;
        int rc = open_file(&meta);
        assert_true(rc == 0 || rc == ERR_INPUT);
        file.data[4 + i] ^= 0x15;
    }
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(reads_what_we_write),
        TEST(plain_values),
        TEST(levels_of_both_versions),
        TEST(dictionaries),
        TEST(deltas),
        TEST(byte_streams),
        TEST(int96),
        TEST(bad_pages),
        TEST(columns_without_type),
        TEST(other_pages_are_passed_over),
        TEST(tails),
        TEST(cut_footers),
    };
    return cmocka_run_group_tests_name("parquet_read", tests, NULL, NULL);
}
