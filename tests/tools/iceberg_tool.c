/* Commits made-up rows to a table, for the tests: what `weir run` does after its rows are made.
 *
 *     iceberg_tool CATALOG_URI CATALOG_NAME WAREHOUSE NAMESPACE TABLE overwrite|append RUN_ID FIRST_DAY DAYS
 * ROWS [OPTION…]
 *
 * ROWS a day, one file a day of two row groups: id string, ts timestamptz, n int, l long, x double (every
 * third null, every fifth NaN), s optional string (every fourth null). Options: unpartitioned; extra (a
 * further optional column); crash-before (ends after the data files, before the
 * commit). Prints {"skipped", "snapshot_id", "metadata_location"}. */
#include "base/files.h"
#include "etl/iceberg.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS = 7, MAX_ROWS = 100000 };

static const struct iceberg_column columns[COLUMNS] = {
    {"id", 1, PARQUET_STRING, true},    {"ts", 2, PARQUET_TIMESTAMPTZ, true}, {"n", 3, PARQUET_INT32, true},
    {"l", 4, PARQUET_INT64, false},     {"x", 5, PARQUET_DOUBLE, false},      {"s", 6, PARQUET_STRING, false},
    {"extra", 7, PARQUET_STRING, false}};

struct rows {
    struct str id[MAX_ROWS], s[MAX_ROWS], extra[MAX_ROWS];
    char id_text[MAX_ROWS][48];
    int64_t ts[MAX_ROWS], l[MAX_ROWS];
    int32_t n[MAX_ROWS];
    double x[MAX_ROWS];
    uint8_t x_null[MAX_ROWS];
};

static struct rows rows;

static void fill(int32_t day, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        snprintf(rows.id_text[i], sizeof rows.id_text[i], "%d-%06u-some-identifier", (int)(day % 1000),
                 i % 1000);
        rows.id[i] = str_of(rows.id_text[i]);
        rows.ts[i] = day * INT64_C(86400000000) + i * INT64_C(1000003) % INT64_C(86400000000);
        rows.n[i] = (int32_t)i - 5;
        rows.l[i] = (int64_t)i * day;
        rows.x[i] = i % 5 == 0 ? NAN : i * 0.5;
        rows.x_null[i] = i % 3 == 0;
        rows.s[i] = i % 4 == 0 ? (struct str){0} : STR("text");
        rows.extra[i] = STR("more");
    }
}

static int encode_file(const struct iceberg_writer *w, uint32_t column_count, uint32_t count, struct buf *out,
                       struct arena *arena, struct parquet_row_group **groups, struct err *e) {
    struct parquet_column pc[COLUMNS];
    for (uint32_t c = 0; c < column_count; c++)
        pc[c] = (struct parquet_column){columns[c].name, iceberg_writer_field_id(w, c), columns[c].type,
                                        !columns[c].required};
    struct parquet_options options = {.zstd_level = 1};
    struct parquet_encoder *encoder = parquet_encoder_new(&options);
    if (!encoder) {
        err_nomem(e);
        return -1;
    }
    int rc = buf_add(out, parquet_magic, PARQUET_MAGIC_BYTES, e);
    uint32_t half = count / 2 ? count / 2 : 1, group_count = 0;
    for (uint32_t at = 0; at < count && !rc; at += half, group_count++) {
        if (count - at < 2 * half) half = at ? count - at : half;
        struct parquet_values v[COLUMNS] = {{.strings = rows.id + at},
                                            {.int64s = rows.ts + at},
                                            {.int32s = rows.n + at},
                                            {.int64s = rows.l + at},
                                            {.doubles = rows.x + at, .null = rows.x_null + at},
                                            {.strings = rows.s + at},
                                            {.strings = rows.extra + at}};
        uint64_t offset = out->len;
        rc =
            parquet_encode_row_group(encoder, pc, column_count, v, half, out, arena, &groups[group_count], e);
        if (!rc) groups[group_count]->offset = offset;
    }
    if (!rc) rc = parquet_footer(pc, column_count, groups, group_count, "weir test", out, e);
    parquet_encoder_free(encoder);
    return rc ? -1 : (int)group_count;
}

static int write_day(const struct iceberg_writer *w, const char *run_id, int32_t day, uint32_t column_count,
                     uint32_t count, struct arena *arena, struct iceberg_file *f, struct err *e) {
    struct tm tm;
    char date[32];
    gmtime_r(&(time_t){(time_t)day * 86400}, &tm);
    strftime(date, sizeof date, "%Y-%m-%d", &tm);
    const char *folder = iceberg_writer_partitioned(w)
                             ? arena_printf(arena, "%s/ts_day=%s", iceberg_writer_data_dir(w), date)
                             : arena_printf(arena, "%s", iceberg_writer_data_dir(w));
    if (!folder) return err_nomem(e);
    TRY(file_make_dirs(folder, e));
    fill(day, count);
    struct parquet_row_group **groups = arena_alloc(arena, 4 * sizeof *groups);
    const char *path = arena_printf(arena, "%s/%s-%ld-%d.parquet", folder, run_id, (long)getpid(), day);
    if (!groups || !path) return err_nomem(e);
    struct buf out;
    buf_init(&out, 0);
    int group_count = encode_file(w, column_count, count, &out, arena, groups, e);
    int rc = group_count < 0 ? e->code : file_write_new(path, out.data, out.len, e);
    *f = (struct iceberg_file){path, day, out.len, groups, (uint32_t)group_count};
    buf_release(&out);
    return rc ? rc : file_fsync_dir(folder, e);
}

static int commit(struct iceberg_writer *w, char **argv, bool extra, bool crash, struct arena *arena,
                  struct err *e) {
    uint32_t column_count = extra ? COLUMNS : COLUMNS - 1;
    int32_t first = atoi(argv[8]);
    uint32_t days = (uint32_t)atoi(argv[9]), count = (uint32_t)atoi(argv[10]);
    struct iceberg_file *files = arena_alloc(arena, days * sizeof *files);
    if (!files) return err_nomem(e);
    for (uint32_t d = 0; d < days; d++)
        TRY(write_day(w, argv[7], first + (int32_t)d, column_count, count, arena, &files[d], e));
    if (crash) _exit(9);
    struct iceberg_property summary[] = {{"weir.run-id", argv[7]}, {"weir.rows-out", argv[10]}};
    struct iceberg_commit c = {.mode = strcmp(argv[6], "append") == 0 ? ICEBERG_APPEND : ICEBERG_OVERWRITE,
                               .run_id = argv[7],
                               .files = files,
                               .file_count = days,
                               .summary = summary,
                               .summary_count = 2};
    struct iceberg_result r = {0};
    TRY(iceberg_commit(w, &c, &r, e));
    printf("{\"skipped\": %s, \"snapshot_id\": %lld, \"metadata_location\": \"%s\"}\n",
           r.skipped ? "true" : "false", (long long)r.snapshot_id, r.metadata_location);
    return 0;
}

static int run(int argc, char **argv, struct err *e) {
    bool unpartitioned = false, extra = false, crash = false;
    for (int i = 11; i < argc; i++) {
        unpartitioned |= strcmp(argv[i], "unpartitioned") == 0;
        extra |= strcmp(argv[i], "extra") == 0;
        crash |= strcmp(argv[i], "crash-before") == 0;
    }
    struct lake_options o = {argv[1], argv[2], argv[3]};
    struct lake *l = NULL;
    struct iceberg_writer *w = NULL;
    struct arena arena;
    arena_init(&arena);
    int rc = lake_open(&o, true, &l, e);
    if (!rc)
        rc = iceberg_writer_open(l, argv[4], argv[5], columns, extra ? COLUMNS : COLUMNS - 1,
                                 unpartitioned ? -1 : 1, &w, e);
    if (!rc) rc = commit(w, argv, extra, crash, &arena, e);
    iceberg_writer_free(w);
    lake_close(l);
    arena_release(&arena);
    return rc;
}

int main(int argc, char **argv) {
    struct err e;
    if (argc < 11 || atoi(argv[10]) > MAX_ROWS) return 2;
    int rc = run(argc, argv, &e);
    if (rc) fprintf(stderr, "iceberg_tool: %s\n", e.msg);
    return rc;
}
