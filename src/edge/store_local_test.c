#include "base/files.h"
#include "edge/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_path(const char *location, const char *path) {
    struct arena a;
    arena_init(&a);
    assert_true(store_is_local(location) == (path != NULL));
    const char *got = store_path(&a, location);
    if (path)
        assert_string_equal(got, path);
    else
        assert_null(got);
    arena_release(&a);
}

static void test_forms(void **state) {
    (void)state;
    expect_path("file:/a/b", "/a/b");
    expect_path("file:///a/b", "/a/b");
    expect_path("file://localhost/a/b", "/a/b");
    expect_path("/a/b", "/a/b");
    expect_path("file:///a//b///", "/a/b");
    expect_path("file:////a", "/a");
    expect_path("/", "/");
    expect_path("/a%20b c", "/a%20b c"); /* writers do not encode */
    expect_path("file://host/a", NULL);
    expect_path("s3://bucket/a", NULL);
    expect_path("a/b", NULL);
    expect_path("file:a", NULL);
    expect_path("", NULL);
}

static int note(void *ctx, const struct store_entry *entry, struct err *e) {
    (void)e;
    char *seen = ctx;
    const char *name = strrchr(entry->path, '/');
    sprintf(seen + strlen(seen), "%s%s:%llu ", name, entry->folder ? "/" : "",
            (unsigned long long)entry->bytes);
    return 0;
}

static void test_files(void **state) {
    (void)state;
    struct err e = {0};
    struct store *s;
    char dir[64] = "/tmp/weir-store-XXXXXX", path[160], link[160], seen[400] = "", *resolved;
    struct buf data;
    struct arena a;
    buf_init(&data, 0);
    arena_init(&a);
    assert_non_null(mkdtemp(dir));
    assert_int_equal(store_local_open(&s, &e), 0);
    snprintf(path, sizeof path, "file://%s/x/y/f", dir);
    assert_int_equal(store_write_new(s, path, "abc", 3, &e), 0); /* folders are made */
    assert_int_equal(store_write_new(s, path, "other", 5, &e), ERR_OUTSIDE);
    assert_int_equal(store_read(s, path, 100, &data, &e), 0);
    assert_int_equal(data.len, 3);
    assert_int_equal(store_read(s, path, 2, &data, &e), ERR_INPUT);

    snprintf(link, sizeof link, "%s/link", dir);
    assert_int_equal(symlink("x", link), 0);
    assert_int_equal(store_list(s, dir, note, seen, &e), 0);
    const char *base = strrchr(dir, '/');
    char expected[200];
    snprintf(expected, sizeof expected, "/f:3 /y/:0 /x/:0 %s/:0 ",
             base); /* contents first, links not followed */
    assert_string_equal(seen, expected);
    *seen = 0;
    snprintf(link, sizeof link, "%s/link/y/f", dir);
    assert_int_equal(store_resolve(s, link, &a, &resolved, &e), 0);
    assert_string_equal(resolved, path + strlen("file://"));
    bool exists[2];
    uint64_t device[2], inode[2];
    assert_int_equal(store_identify(s, link, &exists[0], &device[0], &inode[0], &e), 0);
    assert_int_equal(store_identify(s, path, &exists[1], &device[1], &inode[1], &e), 0);
    assert_true(exists[0] && exists[1] && device[0] == device[1] && inode[0] == inode[1]);

    char *slash = strrchr(path, '/');
    *slash = 0;
    assert_int_equal(store_sync_folder(s, path, &e), 0);
    assert_int_equal(store_remove(s, path, true, &e), 0); /* not empty: stays */
    *slash = '/';
    assert_int_equal(store_remove(s, path, false, &e), 0);
    assert_int_equal(store_remove(s, path, false, &e), 0); /* gone already */
    assert_int_equal(store_identify(s, path, &exists[0], &device[0], &inode[0], &e), 0);
    assert_false(exists[0]);
    *slash = 0;
    assert_int_equal(store_remove(s, path, true, &e), 0);
    assert_int_equal(store_list(s, path, note, seen, &e), 0); /* nothing there */
    assert_string_equal(seen, "");
    assert_int_equal(store_read(s, "s3://bucket/x", 1, &data, &e), ERR_INPUT);
    store_close(s);
    buf_release(&data);
    arena_release(&a);
    snprintf(link, sizeof link, "rm -rf '%s'", dir);
    assert_int_equal(system(link), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
