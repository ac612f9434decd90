#include "etl/ingest.h"

#include "base/files.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

static const char header[] = "event_id,user_id,timestamp,page_url,referrer,device,ip_address\n";

static char dir[] = "/tmp/weir-ingest-XXXXXX";
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

static char *write_file(const char *name, const void *data, size_t len) {
    static char path[4096];
    struct err e;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    assert_int_equal(file_write_new(path, data, len, &e), 0);
    return path;
}

/* Lines of all lengths, some far longer than a chunk, some empty, some with quotes that hold line ends. */
static void make_lines(struct buf *b, uint64_t seed, bool quotes, bool last_end) {
    struct err e;
    struct rng r;
    rng_init(&r, seed, 0);
    buf_init(b, 0);
    buf_add(b, header, sizeof header - 1, &e);
    while (b->len < 5 * INGEST_CHUNK) {
        uint64_t kind = rng_below(&r, 1000);
        size_t len = kind == 0 ? 3 * INGEST_CHUNK / 2 : kind < 20 ? 0 : rng_below(&r, 400);
        if (quotes && kind % 3 == 0) buf_add_str(b, "a,\"x\n\ny\"\"\n\",", &e);
        for (size_t i = 0; i < len; i++) buf_add_byte(b, (uint8_t)('a' + i % 26), &e);
        buf_add_byte(b, '\n', &e);
    }
    if (!last_end) buf_add_str(b, "last", &e);
}

/* The chunks' records, one after the other, are the file's body; each chunk but the last ends with a line
 * end. */
static void check_body(const struct ingest *in, const uint8_t *data, size_t len) {
    struct err e;
    struct ingest_buffer b = {0};
    size_t at = in->files[0].layout.body;
    assert_int_equal(in->bytes, len);
    assert_true(in->chunk_count > 2);
    for (uint32_t i = 0; i < in->chunk_count; i++) {
        const uint8_t *got;
        size_t n;
        uint64_t first;
        assert_int_equal(ingest_read(in, i, &b, &got, &n, &first, &e), 0);
        if (!n) continue;
        assert_int_equal(first, at);
        assert_memory_equal(got, data + at, n);
        at += n;
        assert_true(at == len || data[at - 1] == '\n');
    }
    assert_int_equal(at, len);
    ingest_buffer_release(&b);
}

static void check_file(const char *path, const struct buf *b) {
    struct err e;
    struct ingest in;
    int rc = ingest_open(&in, &pipeline, &path, 1, 2, dir, false, NULL, &e);
    if (rc) fail_msg("%s", e.msg);
    check_body(&in, b->data, b->len);
    assert_int_equal(ingest_check_unchanged(&in, &e), 0);
    ingest_release(&in);
    unlink(path);
}

static void chunks_are_whole_records(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 6; seed++) {
        struct buf b;
        pipeline.multiline = seed % 2;
        make_lines(&b, seed, pipeline.multiline, seed % 3);
        check_file(write_file("a.csv", b.data, b.len), &b);
        buf_release(&b);
    }
    pipeline.multiline = false;
}

static void gzip_members_follow_each_other(void **state) {
    (void)state;
    struct buf b;
    char path[4096];
    make_lines(&b, 7, false, false);
    snprintf(path, sizeof path, "%s/a.csv.gz", dir);
    for (int half = 0; half < 2; half++) {
        gzFile f = gzopen(path, half ? "ab1" : "wb1");
        size_t from = half ? b.len / 3 : 0, to = half ? b.len : b.len / 3;
        assert_int_equal(gzwrite(f, b.data + from, (unsigned)(to - from)), to - from);
        gzclose(f);
    }
    check_file(path, &b);
    buf_release(&b);
}

static void zstd_frames_follow_each_other(void **state) {
    (void)state;
    struct buf b, z;
    struct err e;
    make_lines(&b, 8, false, true);
    buf_init(&z, 0);
    for (int half = 0; half < 2; half++) {
        /* the first frame fills its output pieces exactly */
        size_t from = half ? 2 << 20 : 0, to = half ? b.len : 2 << 20;
        assert_int_equal(buf_reserve(&z, ZSTD_compressBound(to - from), &e), 0);
        z.len += ZSTD_compress(z.data + z.len, z.cap - z.len, b.data + from, to - from, 1);
    }
    check_file(write_file("a.csv.zst", z.data, z.len), &b);
    buf_release(&b);
    buf_release(&z);
}

static void says_what_is_wrong(const char *name, const void *data, size_t len, const char *expected) {
    struct err e;
    struct ingest in;
    const char *path = write_file(name, data, len);
    assert_int_equal(ingest_open(&in, &pipeline, &path, 1, 2, dir, false, NULL, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, name));
    assert_non_null(strstr(e.msg, expected));
    ingest_release(&in);
    unlink(path);
}

static void refuses_broken_input(void **state) {
    (void)state;
    says_what_is_wrong("a.csv.gz", "", 0, "truncated");
    says_what_is_wrong("b.csv.gz", "not gzip at all", 15, "corrupt gzip");
    says_what_is_wrong("c.csv.gz", "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b", 11, "truncated");
    says_what_is_wrong("d.csv.zst", "\x28\xb5\x2f\xfd", 4, "truncated");
    says_what_is_wrong("e.csv.zst", "not zstd at all", 15, "corrupt zstd");
    says_what_is_wrong("f.csv", "", 0, "header");
}

static void refuses_records_beyond_the_limit(void **state) {
    (void)state;
    struct buf b;
    struct err e;
    for (int over = 0; over < 2; over++) {
        for (int multiline = 0; multiline < 2; multiline++) {
            pipeline.multiline = multiline;
            buf_init(&b, 0);
            buf_add(&b, header, sizeof header - 1, &e);
            buf_add_str(&b, "short\n", &e);
            assert_int_equal(buf_reserve(&b, SCAN_RECORD_MAX + 100, &e), 0);
            memset(b.data + b.len, 'x', SCAN_RECORD_MAX + over);
            b.len += (size_t)SCAN_RECORD_MAX + (size_t)over;
            buf_add_str(&b, "\nshort\n", &e);
            const char *path = write_file("long.csv", b.data, b.len);
            struct ingest in;
            struct ingest_buffer buffer = {0};
            int rc = ingest_open(&in, &pipeline, &path, 1, 2, dir, false, NULL, &e);
            for (uint32_t i = 0; i < in.chunk_count && !rc; i++) {
                const uint8_t *data;
                size_t len;
                uint64_t first;
                rc = ingest_read(&in, i, &buffer, &data, &len, &first, &e);
            }
            assert_int_equal(rc, over ? ERR_INPUT : 0);
            if (over) {
                char position[64];
                snprintf(position, sizeof position, "byte %zu", sizeof header - 1 + 6);
                assert_non_null(strstr(e.msg, position));
            }
            ingest_buffer_release(&buffer);
            ingest_release(&in);
            unlink(path);
            buf_release(&b);
        }
    }
    pipeline.multiline = false;
}

static void notices_a_changed_file(void **state) {
    (void)state;
    struct err e;
    struct ingest in;
    const char *path = write_file("a.csv", header, sizeof header - 1);
    assert_int_equal(ingest_open(&in, &pipeline, &path, 1, 2, dir, false, NULL, &e), 0);
    FILE *f = fopen(path, "a");
    fputs("more\n", f);
    fclose(f);
    assert_int_equal(ingest_check_unchanged(&in, &e), ERR_INPUT);
    ingest_release(&in);
    unlink(path);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_whole_records),         cmocka_unit_test(gzip_members_follow_each_other),
        cmocka_unit_test(zstd_frames_follow_each_other),    cmocka_unit_test(refuses_broken_input),
        cmocka_unit_test(refuses_records_beyond_the_limit), cmocka_unit_test(notices_a_changed_file),
    };
    return cmocka_run_group_tests_name("ingest", tests, setup, teardown);
}
