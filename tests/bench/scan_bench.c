/* Speed of the row scanner on one core: scan_bench FILE.csv [REPEATS]
 *
 *   make bench-scan && build/bench/scan_bench FILE.csv
 *
 * The file is held in memory and cut into chunks of 256 KiB as the engine does. Prints, for every finder this
 * machine runs, the best of the repeats in CPU time for: the index alone, counting records, keys, full rows;
 * and ns for one timestamp and one address. ONLY=keys in the environment measures that stage alone. */
#include "base/clock.h"
#include "base/files.h"
#include "etl/scan.h"
#include "etl/scan_pipeline_test.h"
#include "format/csv.h"
#include "format/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { CHUNK = 256 << 10, SLICE = 32 << 10 };

struct input {
    const struct pipeline *pipeline;
    struct scan_layout layout;
    uint8_t *data; /* the body */
    size_t len;
    uint64_t rows, sum;
};

static int64_t cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The next chunk of whole lines. */
static size_t chunk_at(const struct input *in, size_t from) {
    if (in->len - from <= CHUNK) return in->len - from;
    const uint8_t *lf = memrchr(in->data + from, '\n', CHUNK);
    return lf ? (size_t)(lf - (in->data + from)) + 1 : in->len - from;
}

static void run_index(struct input *in) {
    static uint32_t out[SLICE + CSV_BLOCK];
    const struct csv_kernels *k = csv_kernels();
    for (size_t i = 0; i < in->len; i += SLICE)
        in->sum += k->index(in->data + i, in->len - i < SLICE ? in->len - i : SLICE, ',', out).count;
}

static void run_count(struct input *in) {
    for (size_t i = 0, n; i < in->len; i += n) {
        n = chunk_at(in, i);
        in->rows += scanner_count_records(in->pipeline, &in->layout, in->data + i, n);
    }
}

static void run_scan(struct input *in, enum scan_mode mode) {
    struct scanner *s = scanner_new(in->pipeline, mode);
    struct err e;
    struct scan_row row;
    for (size_t i = 0, n; s && i < in->len; i += n) {
        n = chunk_at(in, i);
        if (scanner_begin(s, &in->layout, in->data + i, n, &e)) break;
        while (scanner_next(s, &row)) {
            in->rows++;
            in->sum +=
                (uint64_t)row.time_us + (uintptr_t)row.field[COL_USER_ID].ptr + row.field[COL_EVENT_ID].len;
        }
    }
    scanner_free(s);
}

static void run_keys(struct input *in) {
    run_scan(in, SCAN_KEYS);
}

static void run_full(struct input *in) {
    run_scan(in, SCAN_FULL);
}

/* One column's fields, apart from the scanner. */
static void run_field(struct input *in, enum column column, const char *what, unsigned repeats) {
    enum { MANY = 20000, WIDTH = 32 }; /* in the second-level cache; too many to be learnt by heart */
    static char text[MANY * WIDTH + 16];
    struct str *field = malloc(MANY * sizeof *field);
    struct scanner *s = scanner_new(in->pipeline, SCAN_FULL);
    struct err e;
    struct scan_row row;
    unsigned n = 0;
    if (!field || !s ||
        scanner_begin(s, &in->layout, in->data, in->len < UINT32_MAX ? in->len : UINT32_MAX, &e))
        return;
    while (n < MANY && scanner_next(s, &row))
        if (row.field[column].ptr && row.field[column].len <= WIDTH) {
            char *copy = memcpy(text + n * WIDTH, row.field[column].ptr, row.field[column].len);
            field[n++] = (struct str){copy, row.field[column].len};
        }
    int64_t best = INT64_MAX;
    for (unsigned r = 0; r < repeats; r++) {
        int64_t t = cpu_ns();
        for (unsigned i = 0; i < n; i++) {
            int64_t us = 0;
            struct ip_addr a = {0};
            if (column == COL_TIMESTAMP)
                timestamp_parse(TIMESTAMP_ISO8601, field[i], &us);
            else
                ip_parse(field[i], &a);
            in->sum += (uint64_t)us + a.bytes[3];
        }
        t = cpu_ns() - t;
        if (t < best) best = t;
    }
    printf("%-10s %-10s %6.2f ns\n", "", what, n ? (double)best / n : 0);
    scanner_free(s);
    free(field);
}

static void measure(struct input *in, const char *what, void (*run)(struct input *), unsigned repeats) {
    const char *only = getenv("ONLY");
    if (only && strcmp(only, what)) return;
    int64_t best = INT64_MAX;
    for (unsigned r = 0; r < repeats; r++) {
        in->rows = 0;
        int64_t t = cpu_ns();
        run(in);
        t = cpu_ns() - t;
        if (t < best) best = t;
    }
    printf("%-10s %-10s %6.2f GB/s  %6.3f CPU s", csv_kernels()->name, what, (double)in->len / (double)best,
           (double)best / 1e9);
    if (in->rows)
        printf("  %6.1f ns a row, %llu rows", (double)best / (double)in->rows, (unsigned long long)in->rows);
    printf("\n");
}

int main(int argc, char **argv) {
    struct err e = {0};
    struct buf file;
    buf_init(&file, 0);
    unsigned repeats = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
    struct pipeline p = test_pipeline();
    struct input in = {.pipeline = &p};
    if (argc < 2 || file_read_all(argv[1], &file, (size_t)1 << 36, &e) ||
        buf_reserve(&file, SCAN_PADDING, &e) ||
        scan_header(&p, file.data, file.len, true, argv[1], &in.layout, &e)) {
        fprintf(stderr, "%s\n", argc < 2 ? "usage: scan_bench FILE.csv [REPEATS]" : e.msg);
        return 2;
    }
    in.data = file.data + in.layout.body;
    in.len = file.len - in.layout.body;
    const struct csv_kernels *all[4];
    unsigned n = csv_kernels_all(all);
    for (unsigned k = n; k-- > (getenv("ONLY") ? n - 1 : 0);) {
        setenv("WEIR_SIMD", all[k]->name, 1);
        measure(&in, "index", run_index, repeats);
        measure(&in, "count", run_count, repeats);
        measure(&in, "keys", run_keys, repeats);
        measure(&in, "full", run_full, repeats);
    }
    run_field(&in, COL_TIMESTAMP, "timestamp", repeats);
    run_field(&in, COL_IP, "address", repeats);
    printf("%llx\n", (unsigned long long)in.sum);
    buf_release(&file);
    return 0;
}
