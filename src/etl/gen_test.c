/* gen: the same bytes whatever the threads, exactly the rows asked for, and a truth that a recount of the
 * files by other means finds too. */
#include "etl/gen.h"

#include "base/files.h"
#include "edge/mmdb_writer_test.h"
#include "etl/scan.h"

#include <dirent.h>
#include <ftw.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

static char root[256], database[300];

static char *path_in(const char *name) {
    static char paths[4][1024];
    static unsigned next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", root, name);
    return p;
}

static void make_database(void) {
    struct mmdb_writer w;
    struct buf out;
    struct err e;
    mmdb_writer_init(&w);
    static const char *const nets[] = {"::5.0.0.0", "::20.1.0.0", "::20.2.0.0", "::77.8.0.0",
                                       "2a00:1::",  "2a00:2::",   "2c0f:77::",  "::99.99.99.0"};
    static const char *const codes[] = {"SE", "DE", "US", "JP", "FR", "DE", "KE", "BR"};
    for (int i = 0; i < 8; i++)
        mmdb_writer_insert(&w, nets[i], strstr(nets[i], ".") ? (i == 7 ? 120 : 112) : 32,
                           mmdb_writer_flat(&w, codes[i]));
    mmdb_writer_build(&w, 28, 6, &out);
    assert_int_equal(file_write_new(database, out.data, out.len, &e), 0);
    buf_release(&out);
    buf_release(&w.data);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)type, (void)f;
    return remove(path);
}

static int setup(void **state) {
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(root, sizeof root, "%.200s/weir_gen_test_XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root)) return 1;
    snprintf(database, sizeof database, "%s/test.mmdb", root);
    make_database();
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static struct gen_options options(uint64_t rows, const char *dir) {
    struct gen_options o;
    gen_options_init(&o);
    o.rows = rows;
    o.days = 3;
    o.threads = 2;
    o.mmdb_path = database;
    o.out_dir = dir;
    return o;
}

static struct gen_result make(const struct gen_options *o) {
    struct gen_result r;
    struct err e = {0};
    if (gen_run(o, &r, &e)) fail_msg("%s", e.msg);
    return r;
}

static struct buf read_file(const char *path) {
    struct buf b;
    struct err e = {0};
    buf_init(&b, 0);
    if (file_read_all(path, &b, 1 << 30, &e) || buf_reserve(&b, SCAN_PADDING, &e)) fail_msg("%s", e.msg);
    return b;
}

static int by_name(const void *a, const void *b) {
    return strcmp(a, b);
}

/* The names of a folder, sorted. */
static unsigned list(const char *dir, char names[64][64]) {
    DIR *d = opendir(dir);
    assert_non_null(d);
    unsigned n = 0;
    for (struct dirent *f; (f = readdir(d));) {
        if (f->d_name[0] == '.' && (!f->d_name[1] || f->d_name[1] == '.')) continue;
        assert_true(n < 64);
        snprintf(names[n++], 64, "%.63s", f->d_name);
    }
    closedir(d);
    qsort(names, n, 64, by_name);
    return n;
}

/* Of all names and contents. */
static uint64_t digest(const char *dir) {
    char names[64][64], path[8192];
    unsigned n = list(dir, names);
    uint64_t h = n;
    for (unsigned i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        struct buf b = read_file(path);
        h = XXH3_64bits_withSeed(b.data, b.len, h) ^ XXH3_64bits(names[i], strlen(names[i]));
        buf_release(&b);
    }
    return h;
}

/* ---- a recount ---- */

struct kept {
    char *user, *id; /* NUL-terminated copies */
    int64_t time_us;
};

struct recount {
    uint64_t rows_in, rejected[REASON_COUNT], sessions, users, rows_out;
    uint64_t days[32]; /* from 2025-03-03 */
    struct kept *kept;
    size_t count, cap;
    struct arena arena;
};

static char *copy_str(struct arena *a, struct str s) {
    char *p = arena_copy(a, s.ptr, s.len);
    assert_non_null(p);
    return p;
}

static void recount_file(struct recount *c, const struct pipeline *p, const char *path) {
    struct scan_layout layout;
    struct scan_row row;
    struct err e = {0};
    struct buf b = read_file(path);
    if (scan_header(p, b.data, b.len, true, path, &layout, &e)) fail_msg("%s", e.msg);
    struct scanner *s = scanner_new(p, SCAN_FULL);
    assert_non_null(s);
    assert_int_equal(scanner_begin(s, &layout, b.data + layout.body, b.len - layout.body, &e), 0);
    while (scanner_next(s, &row)) {
        c->rows_in++;
        c->rejected[row.reason]++;
        if (row.reason != REASON_NONE) continue;
        if (c->count == c->cap) {
            c->cap = c->cap ? 2 * c->cap : 1024;
            c->kept = realloc(c->kept, c->cap * sizeof *c->kept);
            assert_non_null(c->kept);
        }
        c->kept[c->count++] = (struct kept){copy_str(&c->arena, row.field[COL_USER_ID]),
                                            copy_str(&c->arena, row.field[COL_EVENT_ID]), row.time_us};
    }
    scanner_free(s);
    buf_release(&b);
}

static int by_user_time_id(const void *x, const void *y) {
    const struct kept *a = x, *b = y;
    int c = strcmp(a->user, b->user);
    if (!c) c = (a->time_us > b->time_us) - (a->time_us < b->time_us);
    return c ? c : strcmp(a->id, b->id);
}

static void count_sessions(struct recount *c) {
    const struct kept *before = NULL;
    qsort(c->kept, c->count, sizeof *c->kept, by_user_time_id);
    for (size_t i = 0; i < c->count; i++) {
        const struct kept *k = &c->kept[i];
        bool same = before && strcmp(before->user, k->user) == 0;
        if (same && before->time_us == k->time_us && strcmp(before->id, k->id) == 0) {
            c->rejected[REASON_DUPLICATE_EVENT]++;
            continue;
        }
        c->rows_out++;
        c->users += !same;
        c->sessions += !same || k->time_us - before->time_us > INT64_C(1800000000);
        int32_t day = timestamp_day(k->time_us) - 20150;
        if (day >= 0 && day < 32) c->days[day]++;
        before = k;
    }
}

static void assert_truth(const char *dir, const struct gen_result *r) {
    struct recount c = {0};
    struct pipeline p;
    struct err e;
    char names[64][64], path[8192];
    arena_init(&c.arena);
    assert_int_equal(pipeline_init(&p, &e), 0);
    unsigned n = list(dir, names);
    for (unsigned i = 0; i < n; i++) {
        if (!strstr(names[i], ".csv")) continue;
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        recount_file(&c, &p, path);
    }
    count_sessions(&c);
    assert_int_equal(c.rows_in, r->rows_in);
    assert_int_equal(c.rows_out, r->rows_out);
    for (int i = 1; i < REASON_COUNT; i++)
        if (c.rejected[i] != r->rejected[i])
            fail_msg("%s: %llu, not %llu", reason_names[i], (unsigned long long)r->rejected[i],
                     (unsigned long long)c.rejected[i]);
    assert_int_equal(c.sessions, r->sessions);
    assert_int_equal(c.users, r->users);

    snprintf(path, sizeof path, "%s/truth.json", dir);
    json_t *truth = json_load_file(path, 0, NULL), *files, *days, *f;
    assert_non_null(truth);
    assert_int_equal(json_integer_value(json_object_get(truth, "rows_in")), r->rows_in);
    assert_int_equal(json_integer_value(json_object_get(truth, "rows_out")), r->rows_out);
    assert_int_equal(json_integer_value(json_object_get(truth, "sessions")), r->sessions);
    assert_int_equal(json_integer_value(json_object_get(truth, "users")), r->users);
    for (int i = 1; i < REASON_COUNT; i++)
        assert_int_equal(
            json_integer_value(json_object_get(json_object_get(truth, "rejected"), reason_names[i])),
            r->rejected[i]);
    assert_non_null(days = json_object_get(truth, "days"));
    for (int i = 0; i < 28; i++) {
        char day[24];
        snprintf(day, sizeof day, "2025-03-%02d", i + 3);
        assert_int_equal(json_integer_value(json_object_get(days, day)), c.days[i]);
    }
    assert_non_null(files = json_object_get(truth, "files"));
    uint64_t rows = 0;
    size_t i;
    json_array_foreach(files, i, f) rows += (uint64_t)json_integer_value(json_object_get(f, "rows"));
    assert_int_equal(rows, r->rows_in);
    json_decref(truth);
    pipeline_release(&p);
    arena_release(&c.arena);
    free(c.kept);
}

/* ---- tests ---- */

static void truth_holds(void **state) {
    (void)state;
    static const uint64_t rows[] = {1, 2, 31, 32, 33, 100, 1000, 20011};
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (int dirt = GEN_DIRT_NONE; dirt <= GEN_DIRT_MUCH; dirt++) {
            struct gen_options o = options(rows[i], path_in("truth"));
            o.seed = i * 3 + (unsigned)dirt;
            o.dirt = (enum gen_dirt)dirt;
            o.days = i % 2 ? 1 : 28;
            o.files = rows[i] >= 31 ? i : 1;
            o.daily = i == 6;
            if (o.daily) o.files = 1;
            o.plain = i % 3 == 0;
            o.robot_percent = i == 7 ? 60 : 4;
            struct gen_result r = make(&o);
            assert_int_equal(r.rows_in, rows[i]);
            uint64_t sum = r.rows_out;
            for (int k = 1; k < REASON_COUNT; k++) sum += r.rejected[k];
            assert_int_equal(sum, rows[i]);
            if (dirt == GEN_DIRT_NONE) assert_int_equal(r.rows_out, rows[i]);
            assert_truth(o.out_dir, &r);
        }
    }
}

/* Every reason and both sides of the 30 minutes are there: else the truth would prove little. */
static void dirt_is_there(void **state) {
    (void)state;
    struct gen_options o = options(20000, path_in("dirt"));
    o.dirt = GEN_DIRT_MUCH;
    struct gen_result r = make(&o);
    for (int i = 1; i < REASON_COUNT; i++) assert_in_range(r.rejected[i], 20000 / 200, 20000 / 10);
    struct buf b = read_file(path_in("dirt/events.csv"));
    assert_memory_equal(b.data,
                        "\xef\xbb\xbf"
                        "event_id,user_id,timestamp,page_url,",
                        39);
    assert_int_not_equal(b.data[b.len - 1], '\n');
    static const char *const traces[] = {"\r\n",  "\n\n",  "\"\"",     "+05:30",  "1899-12-31", "24:00:00",
                                         "02-30", "\t",    "n/a",      "::ffff:", "2a00:1:",    "\xc3\x9f",
                                         "\xff",  "-0800", ",extra\n", "\rx"};
    for (unsigned i = 0; i < sizeof traces / sizeof *traces; i++)
        if (!memmem(b.data, b.len, traces[i], strlen(traces[i]))) fail_msg("no \"%s\" (%u)", traces[i], i);
    buf_release(&b);
}

/* 1.1, 1.3: every file has its own header. */
static void files_have_their_own_header(void **state) {
    (void)state;
    struct gen_options o = options(2000, path_in("headers"));
    o.dirt = GEN_DIRT_MUCH;
    o.files = 2;
    make(&o);
    struct buf b = read_file(path_in("headers/events-00001.csv"));
    assert_memory_equal(b.data, "user_id \t, page_url,", 20);
    buf_release(&b);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    static const unsigned threads[] = {1, 2, 7};
    for (int format = GEN_CSV; format <= GEN_PARQUET; format++) {
        for (int split = 0; split < 3; split++) {
            uint64_t first = 0;
            for (int i = 0; i < 3; i++) {
                char name[32];
                snprintf(name, sizeof name, "threads%d", i);
                struct gen_options o = options(split == 2 ? 450000 : 5000, path_in(name));
                if (split == 2 && format == GEN_PARQUET) o.rows = 5000;
                o.format = (enum gen_format)format;
                o.dirt = GEN_DIRT_MUCH;
                o.files = split == 1 ? 5 : 1;
                o.daily = split == 0;
                o.plain = split == 2;
                o.days = split == 2 ? 1 : 3;
                o.threads = threads[i];
                make(&o);
                uint64_t d = digest(o.out_dir);
                if (i == 0) first = d;
                assert_int_equal(d, first);
            }
        }
    }
}

static void seeds_matter(void **state) {
    (void)state;
    uint64_t digests[3];
    for (int i = 0; i < 3; i++) {
        struct gen_options o = options(500, path_in("seed"));
        o.seed = i == 2 ? 0 : (uint64_t)i;
        make(&o);
        digests[i] = digest(o.out_dir);
    }
    assert_int_not_equal(digests[0], digests[1]);
    assert_int_equal(digests[0], digests[2]);
}

static void size_is_near(void **state) {
    (void)state;
    for (int dirt = GEN_DIRT_NONE; dirt <= GEN_DIRT_MUCH; dirt++) {
        struct gen_options o = options(0, path_in("size"));
        o.size_bytes = 5000000;
        o.dirt = (enum gen_dirt)dirt;
        struct gen_result r = make(&o);
        assert_in_range(r.bytes, 4800000, 5200000);
    }
    struct gen_options o = options(0, path_in("size"));
    o.size_bytes = 1;
    assert_int_equal(make(&o).rows_in, 1);
}

static void files_by_day(void **state) {
    (void)state;
    char names[64][64];
    struct gen_options o = options(3000, path_in("daily"));
    o.daily = true;
    o.dirt = GEN_DIRT_NONE;
    o.days = 2;
    make(&o);
    assert_int_equal(list(o.out_dir, names), 3);
    assert_string_equal(names[0], "events-2025-03-03.csv");
    assert_string_equal(names[1], "events-2025-03-04.csv");
    struct buf b = read_file(path_in("daily/events-2025-03-04.csv"));
    assert_null(memmem(b.data, b.len, ",2025-03-03T", 12));
    assert_non_null(memmem(b.data, b.len, ",2025-03-04T", 12));
    buf_release(&b);
}

static void parquet_files(void **state) {
    (void)state;
    struct gen_options o = options(4000, path_in("parquet"));
    o.format = GEN_PARQUET;
    o.dirt = GEN_DIRT_MUCH;
    o.files = 3;
    struct gen_result r = make(&o);
    assert_int_equal(r.rejected[REASON_MALFORMED_ROW], 0);
    assert_int_not_equal(r.rejected[REASON_BAD_TIMESTAMP], 0);
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "parquet/events-%05d.parquet", i);
        struct buf b = read_file(path_in(name));
        assert_memory_equal(b.data, "PAR1", 4);
        assert_memory_equal(b.data + b.len - 4, "PAR1", 4);
        buf_release(&b);
    }
}

static void folders(void **state) {
    (void)state;
    char names[64][64];
    struct gen_result r;
    struct err e = {0};
    struct gen_options o = options(100, path_in("folder"));
    o.files = 4;
    make(&o);
    assert_int_equal(list(o.out_dir, names), 5);
    o.files = 1;
    assert_int_equal(file_write_new(path_in("folder/.events-00007.csv.tmp"), "x", 1, &e),
                     0); /* of a killed run */
    make(&o);            /* replaces the earlier one, of other names too */
    assert_int_equal(list(o.out_dir, names), 2);
    uint64_t before = digest(o.out_dir);

    assert_int_equal(file_write_new(path_in("folder/thesis.txt"), "x", 1, &e), 0);
    o.seed = 99;
    assert_int_equal(gen_run(&o, &r, &e), ERR_INPUT);
    assert_non_null(strstr(e.msg, "thesis.txt"));
    unlink(path_in("folder/thesis.txt"));
    assert_int_equal(digest(o.out_dir), before);

    o.out_dir = path_in("folder2");
    assert_int_equal(mkdir(o.out_dir, 0777), 0);
    assert_int_equal(file_write_new(path_in("folder2/events.csv"), "x", 1, &e), 0);
    assert_int_equal(gen_run(&o, &r, &e), ERR_INPUT); /* somebody's own events.csv */
    assert_non_null(strstr(e.msg, "truth.json"));

    o.out_dir = path_in("folder3");
    o.mmdb_path = path_in("missing.mmdb");
    assert_int_equal(gen_run(&o, &r, &e), ERR_INPUT);
    assert_false(file_exists(o.out_dir));

    o = options(5, path_in("folder3"));
    o.files = 6;
    assert_int_equal(gen_run(&o, &r, &e), ERR_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truth_holds),
        cmocka_unit_test(dirt_is_there),
        cmocka_unit_test(files_have_their_own_header),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(seeds_matter),
        cmocka_unit_test(size_is_near),
        cmocka_unit_test(files_by_day),
        cmocka_unit_test(parquet_files),
        cmocka_unit_test(folders),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
