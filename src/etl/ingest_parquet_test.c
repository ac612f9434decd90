/* Parquet input as chunks of rows (pipeline.md 1.5): order, threads, what is refused. What files of other
 * writers say is tested in tests/interop/test_parquet_input.py. */
#include "etl/ingest.h"

#include "base/files.h"
#include "base/random.h"
#include "etl/row_format.h"
#include "format/parquet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka needs the above */
#include <cmocka.h>

static char dir[] = "/tmp/weir-parquet-XXXXXX";
static struct pipeline pipeline;

static int setup(void **state) {
    (void)state;
    struct err e;
    return mkdtemp(dir) && !pipeline_init(&pipeline, &e) ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    pipeline_release(&pipeline);
    return rmdir(dir);
}

enum { LONG = 300, WIDE = 700000 };

/* A file of row groups, each `rows` long: event ids count from `first`; some pages are long, one wider than a
 * chunk. */
static char *write_parquet(const char *name, unsigned groups, uint32_t rows, uint32_t first) {
    static const struct parquet_column columns[] = {
        {"event_id", 1, PARQUET_STRING, false},       {"user_id", 2, PARQUET_STRING, true},
        {"timestamp", 3, PARQUET_TIMESTAMPTZ, false}, {"page_url", 4, PARQUET_STRING, true},
        {"referrer", 5, PARQUET_STRING, true},        {"device", 6, PARQUET_STRING, true},
        {"ip_address", 7, PARQUET_STRING, true},
    };
    static char wide[WIDE], path[4096];
    memset(wide, 'w', sizeof wide);
    struct err e = {0};
    struct buf file;
    struct arena arena;
    struct parquet_row_group *made[8];
    struct parquet_encoder *enc = parquet_encoder_new(NULL);
    buf_init(&file, 0);
    arena_init(&arena);
    assert_int_equal(buf_add(&file, parquet_magic, PARQUET_MAGIC_BYTES, &e), 0);
    for (unsigned g = 0; g < groups; g++) {
        struct str *id = arena_alloc(&arena, rows * sizeof *id),
                   *page = arena_alloc(&arena, rows * sizeof *page);
        struct str *none = arena_zalloc(&arena, rows * sizeof *none);
        int64_t *time = arena_alloc(&arena, rows * sizeof *time);
        for (uint32_t i = 0; i < rows; i++) {
            uint32_t n = first + g * rows + i;
            id[i] = str_of(arena_printf(&arena, "%u", (unsigned)n));
            time[i] = n;
            page[i] = (struct str){wide, n == 7 ? WIDE : n % 5 ? n % LONG : LONG};
        }
        const struct parquet_values values[] = {{.strings = id},   {.strings = none}, {.int64s = time},
                                                {.strings = page}, {.strings = none}, {.strings = none},
                                                {.strings = none}};
        uint64_t offset = file.len;
        assert_int_equal(
            parquet_encode_row_group(enc, columns, COLUMN_COUNT, values, rows, &file, &arena, &made[g], &e),
            0);
        made[g]->offset = offset;
    }
    assert_int_equal(parquet_footer(columns, COLUMN_COUNT, made, groups, "test", &file, &e), 0);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    assert_int_equal(file_write_new(path, file.data, file.len, &e), 0);
    parquet_encoder_free(enc);
    arena_release(&arena);
    buf_release(&file);
    return path;
}

/* Every chunk in order: rows count on from `next`; returns the number after the last. */
static uint32_t read_all(const struct ingest *in, uint32_t file, uint32_t next) {
    struct err e;
    struct ingest_buffer b = {0};
    struct scanner *s = scanner_new(&pipeline, SCAN_FULL);
    for (uint32_t c = 0; c < in->chunk_count; c++) {
        const uint8_t *data;
        size_t len;
        uint64_t first;
        struct scan_row row;
        if (in->chunks[c].file != file) continue;
        assert_true(in->chunks[c].exact);
        assert_int_equal(ingest_read(in, c, &b, &data, &len, &first, &e), 0);
        assert_int_equal(first, in->chunks[c].begin);
        assert_true(len <= INGEST_CHUNK + WIDE + 1000);
        assert_int_equal(scanner_begin(s, &in->files[file].layout, data, len, &e), 0);
        uint64_t rows = scanner_count_records(&pipeline, &in->files[file].layout, data, len);
        for (; scanner_next(s, &row); next++, rows--) {
            char id[16], time[TIMESTAMP_TEXT];
            snprintf(id, sizeof id, "%u", (unsigned)next);
            timestamp_print(next, time);
            assert_int_equal(row.reason, REASON_MISSING_USER_ID);
            assert_true(str_eq(row.field[COL_EVENT_ID], str_of(id)));
            assert_true(str_eq(row.field[COL_TIMESTAMP], str_of(time)));
            assert_int_equal(row.field[COL_PAGE_URL].len, next == 7 ? WIDE : next % 5 ? next % LONG : LONG);
            assert_null(row.field[COL_IP].ptr);
        }
        assert_int_equal(rows, 0);
    }
    scanner_free(s);
    ingest_buffer_release(&b);
    return next;
}

static void rows_in_order_whatever_the_threads(void **state) {
    (void)state;
    char *first = strdup(write_parquet("a.parquet", 5, 3000, 0)), *csv = strdup(first);
    char *second = strdup(write_parquet("b", 1, 20, 100)); /* known by its magic */
    memcpy(csv + strlen(csv) - 9, "c.csv", 6);
    static const char text[] =
        "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n1,2,3,4,5,6,7\n";
    struct err e = {0};
    unlink(csv);
    assert_int_equal(file_write_new(csv, text, sizeof text - 1, &e), 0);
    const char *paths[] = {first, csv, second};
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct ingest in;
        if (ingest_open(&in, &pipeline, paths, 3, threads, dir, false, NULL, &e)) fail_msg("%s", e.msg);
        assert_true(in.files[0].copied && in.files[2].copied && !in.files[1].copied);
        assert_true(in.files[0].layout.rows && in.files[2].layout.rows && !in.files[1].layout.rows);
        assert_true(in.chunk_count > 6);
        uint64_t bytes = 0;
        for (uint32_t c = 0; c < in.chunk_count; c++) {
            if (c) assert_true(in.chunks[c].file >= in.chunks[c - 1].file);
            bytes += in.chunks[c].end - in.chunks[c].begin;
        }
        assert_int_equal(bytes + in.files[1].layout.body, in.bytes);
        assert_int_equal(read_all(&in, 0, 0), 15000);
        assert_int_equal(read_all(&in, 2, 100), 120);
        assert_int_equal(ingest_check_unchanged(&in, &e), 0);
        ingest_release(&in);
    }
    unlink(first);
    unlink(csv);
    unlink(second);
    free(first);
    free(csv);
    free(second);
}

static void refuse(const char *path, int code, const char *says) {
    struct err e = {0};
    struct ingest in;
    assert_int_equal(ingest_open(&in, &pipeline, &path, 1, 2, dir, false, NULL, &e), code);
    if (!strstr(e.msg, says)) fail_msg("\"%s\" does not say \"%s\"", e.msg, says);
    ingest_release(&in);
}

static void damage_names_file_and_column(void **state) {
    (void)state;
    struct err e = {0};
    char *path = write_parquet("bad.parquet", 1, 5000, 0);
    struct buf b;
    buf_init(&b, 0);
    assert_int_equal(file_read_all(path, &b, 1 << 30, &e), 0);
    for (size_t i = 200; i < 260; i++) b.data[i] ^= 0x5a; /* in the first column's first page */
    unlink(path);
    assert_int_equal(file_write_new(path, b.data, b.len, &e), 0);
    refuse(path, ERR_INPUT, "bad.parquet\": column \"event_id\": ");
    unlink(path);
    assert_int_equal(file_write_new(path, b.data, b.len - 1, &e), 0);
    refuse(path, ERR_INPUT, "bad.parquet\": it is no Parquet file");
    unlink(path);
    buf_release(&b);
}

static void no_room_for_the_copy(void **state) {
    (void)state;
    struct err e = {0};
    struct ingest in;
    const char *path = write_parquet("good.parquet", 1, 10, 0);
    assert_int_equal(ingest_open(&in, &pipeline, &path, 1, 1, "/nonexistent", false, NULL, &e), ERR_OUTSIDE);
    assert_non_null(strstr(e.msg, "/nonexistent"));
    ingest_release(&in);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_in_order_whatever_the_threads),
        cmocka_unit_test(damage_names_file_and_column),
        cmocka_unit_test(no_room_for_the_copy),
    };
    return cmocka_run_group_tests_name("ingest_parquet", tests, setup, teardown);
}
