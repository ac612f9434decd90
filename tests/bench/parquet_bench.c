/* clang-format off */
/* CPU time and bytes of each column of click data through the Parquet encoder, tuned and with plain zstd.
 *
 *   make build/lib/libformat.a build/lib/libbase.a
 *   cc -O2 -std=c11 -D_GNU_SOURCE -Isrc -o build/parquet_bench tests/bench/parquet_bench.c \
 *      build/lib/libformat.a build/lib/libbase.a -l:libzstd.a -lm -lpthread
 *   build/parquet_bench [row groups] [rows a group] [page bytes] [file to write]
 *
 * Rows are cut from time-ordered traffic of 8 M rows in 30 days, sessions of 8 events on average and
 * Zipf-like visitors; within a row group the rows of a session stand together, as the engine puts them, their
 * strings lying about in input order. Figures are scaled to 8 M rows; the smallest of three interleaved
 * rounds.
 *
 * For profiles: BENCH_COLUMN=name, BENCH_ROUNDS=n, BENCH_TUNED=1 (no plain zstd). */
/* clang-format on */
#include "base/files.h"
#include "base/random.h"
#include "format/parquet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { COLUMNS = 11, ROUNDS = 3, DAYS = 30 };
static const double TOTAL_ROWS = 8e6;

static const struct parquet_column columns[COLUMNS] = {
    {"event_id", 1, PARQUET_STRING, false},        {"user_id", 2, PARQUET_STRING, false},
    {"session_id", 3, PARQUET_STRING, false},      {"event_seq", 4, PARQUET_INT32, false},
    {"event_time", 5, PARQUET_TIMESTAMPTZ, false}, {"session_start", 6, PARQUET_TIMESTAMPTZ, false},
    {"page_url", 7, PARQUET_STRING, true},         {"referrer", 8, PARQUET_STRING, true},
    {"device", 9, PARQUET_STRING, false},          {"ip_address", 10, PARQUET_STRING, true},
    {"country", 11, PARQUET_STRING, false},
};

struct event {
    int64_t ms, session_ms;
    uint32_t user, page, seq, row;
    uint32_t first; /* row of its session's first event here */
};

static void *must(void *p) {
    if (!p) {
        fputs("out of memory\n", stderr);
        exit(4);
    }
    return p;
}

static int by_time(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    return (x->ms > y->ms) - (x->ms < y->ms);
}

static int by_session(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    if (x->user != y->user) return (x->user > y->user) - (x->user < y->user);
    if (x->session_ms != y->session_ms)
        return (x->session_ms > y->session_ms) - (x->session_ms < y->session_ms);
    return (x->row > y->row) - (x->row < y->row);
}

static int by_first(const void *a, const void *b) {
    const struct event *x = a, *y = b;
    return x->first != y->first ? (x->first > y->first) - (x->first < y->first)
                                : (x->row > y->row) - (x->row < y->row);
}

/* As the engine does: sessions in order of their first event, the rows of one together. */
static void order_rows(struct event *events, uint32_t rows) {
    qsort(events, rows, sizeof *events, by_session);
    for (uint32_t i = 0; i < rows; i++) {
        bool same =
            i && events[i].user == events[i - 1].user && events[i].session_ms == events[i - 1].session_ms;
        events[i].first = same ? events[i - 1].first : events[i].row;
    }
    qsort(events, rows, sizeof *events, by_first);
}

/* One day of traffic, ordered by time. */
static struct event *make_day(struct rng *r, uint32_t rows, int day) {
    struct event *events = must(malloc(rows * sizeof *events));
    const double users = TOTAL_ROWS / 40;
    for (uint32_t i = 0; i < rows;) {
        uint32_t user = (uint32_t)(users * pow(rng_double(r), 2.2));
        double hour = 12 + 12 * sin((rng_double(r) - 0.5) * 3.14159);
        double t = 1717200000e3 + day * 86400e3 + fmod(hour + 2 * rng_double(r), 24) * 3600e3 +
                   rng_double(r) * 3600e3;
        int64_t start = (int64_t)t;
        uint32_t seq = 1;
        for (int k = 1 + (int)(-7.5 * log(1 - rng_double(r))); k-- && i < rows; i++) {
            events[i] = (struct event){(int64_t)t, start, user, (uint32_t)(5000 * pow(rng_double(r), 2)),
                                       seq++,      0,     0};
            t += 500 - 55e3 * log(1 - rng_double(r));
        }
    }
    qsort(events, rows, sizeof *events, by_time);
    return events;
}

/* Entries in order of first appearance, found by comparing with a table of 2^20 slots. */
struct dictionary {
    struct str *strings;
    int64_t *numbers;
    uint32_t *index, *slots;
    uint32_t count;
};

enum { SLOTS = 1 << 20 };

static struct dictionary dictionary_new(uint32_t rows, struct arena *a) {
    struct dictionary d = {
        must(arena_alloc(a, rows * sizeof(struct str))), must(arena_alloc(a, rows * sizeof(int64_t))),
        must(arena_alloc(a, rows * sizeof(uint32_t))), must(arena_zalloc(a, SLOTS * sizeof(uint32_t))), 0};
    return d;
}

static uint32_t lookup(struct dictionary *d, struct str s, int64_t number) {
    uint64_t h = random_mix64((uint64_t)number);
    for (uint32_t i = 0; s.ptr && i < s.len; i++) h = (h ^ (uint8_t)s.ptr[i]) * UINT64_C(0x9E3779B97F4A7C15);
    for (uint64_t at = h >> 44;; at = (at + 1) % SLOTS) {
        uint32_t i = d->slots[at];
        if (!i) {
            d->strings[d->count] = s;
            d->numbers[d->count] = number;
            d->slots[at] = ++d->count;
            return d->count - 1;
        }
        if (str_eq(d->strings[i - 1], s) && d->numbers[i - 1] == number) return i - 1;
    }
}

static struct parquet_values dictionary_values(const struct dictionary *d, enum parquet_type type,
                                               struct arena *a) {
    struct parquet_values v = {.index = d->index, .dictionary_count = d->count};
    if (type == PARQUET_STRING) v.strings = d->strings;
    if (type == PARQUET_TIMESTAMPTZ) v.int64s = d->numbers;
    if (type == PARQUET_INT32) {
        int32_t *n = must(arena_alloc(a, d->count * sizeof *n));
        for (uint32_t i = 0; i < d->count; i++) n[i] = (int32_t)d->numbers[i];
        v.int32s = n;
    }
    return v;
}

static struct str text(struct arena *a, const char *s) {
    return (struct str){must(arena_copy(a, s, strlen(s))), (uint32_t)strlen(s)};
}

static void make_group(struct rng *r, const struct event *events, uint32_t rows, struct arena *a,
                       struct parquet_values out[COLUMNS]) {
    static const char *const devices[] = {"desktop", "mobile", "tablet", "mobile", "desktop", "unknown"};
    static const char *const referrers[] = {"https://www.google.com/",
                                            "https://news.ycombinator.com/item",
                                            NULL,
                                            NULL,
                                            "https://duckduckgo.com/?q=shoes",
                                            "https://t.co/abc"};
    struct event *sorted = must(malloc(rows * sizeof *sorted));
    struct str *ids = must(arena_alloc(a, rows * sizeof *ids)),
               *urls = must(arena_alloc(a, rows * sizeof *urls));
    struct str *in_ids = must(malloc(rows * sizeof *ids)), *in_urls = must(malloc(rows * sizeof *urls));
    uint8_t *referrer = must(malloc(rows));
    for (uint32_t i = 0; i < rows; i++) { /* strings in input order, as the records stood */
        sorted[i] = events[i];
        sorted[i].row = i;
        char line[256];
        uint64_t h = (events[i].user + 1) * UINT64_C(0x9E3779B97F4A7C15), q = rng_next(r);
        snprintf(line, sizeof line, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(rng_next(r) >> 32),
                 (unsigned)(q & 0xffff), (unsigned)(q >> 16 & 0xfff), (unsigned)(q >> 28 & 0xfff),
                 (unsigned long long)(rng_next(r) & 0xffffffffffff));
        in_ids[i] = text(a, line);
        snprintf(line, sizeof line, "https://shop.example.com/%s/%u?ref=%s&sid=%llx",
                 q >> 40 & 3 ? "product" : "category", events[i].page, q >> 60 & 1 ? "home" : "search",
                 (unsigned long long)(h >> 40));
        in_urls[i] = text(a, line);
        must(arena_alloc(a, 64)); /* the rest of the record */
        referrer[i] = (uint8_t)((q >> 56) % 6);
    }
    order_rows(sorted, rows);
    struct dictionary d[COLUMNS];
    for (unsigned c = 0; c < COLUMNS; c++) d[c] = dictionary_new(rows, a);
    int64_t *times = must(arena_alloc(a, rows * sizeof *times));
    for (uint32_t i = 0; i < rows; i++) {
        const struct event *ev = &sorted[i];
        char line[256];
        uint64_t h = (ev->user + 1) * UINT64_C(0x9E3779B97F4A7C15);
        unsigned ip = (unsigned)(h >> 13);
        ids[i] = in_ids[ev->row];
        urls[i] = in_urls[ev->row];
        times[i] = ev->ms * 1000;
        snprintf(line, sizeof line, "user_%08u", ev->user);
        d[1].index[i] = lookup(&d[1], text(a, line), 0);
        snprintf(line, sizeof line, "user_%08u-%lld", ev->user, (long long)ev->session_ms);
        d[2].index[i] = lookup(&d[2], text(a, line), 0);
        d[3].index[i] = lookup(&d[3], str_of(NULL), ev->seq);
        d[5].index[i] = lookup(&d[5], str_of(NULL), ev->session_ms * 1000);
        const char *ref = referrers[referrer[ev->row]];
        d[7].index[i] = ref ? lookup(&d[7], str_of(ref), 0) : UINT32_MAX;
        d[8].index[i] = lookup(&d[8], str_of(devices[(h >> 50) % 6]), 0);
        snprintf(line, sizeof line, "%u.%u.%u.%u", (ip >> 24) % 223 + 1, ip >> 16 & 255, ip >> 8 & 255,
                 ip & 255);
        d[9].index[i] = lookup(&d[9], text(a, line), 0);
        uint32_t land = (uint32_t)(150 * pow((double)(ip >> 16) / 65536, 3));
        line[0] = (char)('A' + land / 26);
        line[1] = (char)('A' + land % 26);
        line[2] = 0;
        d[10].index[i] = lookup(&d[10], text(a, line), 0);
    }
    for (unsigned c = 0; c < COLUMNS; c++) out[c] = dictionary_values(&d[c], columns[c].type, a);
    out[0] = (struct parquet_values){.strings = ids};
    out[4] = (struct parquet_values){.int64s = times};
    out[6] = (struct parquet_values){.strings = urls};
    free(in_ids);
    free(in_urls);
    free(referrer);
    free(sorted);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct figure {
    double seconds[COLUMNS];
    double bytes[COLUMNS];
    double raw[COLUMNS];
};

static int measure(struct parquet_encoder *enc, struct parquet_values (*values)[COLUMNS], uint32_t groups,
                   uint32_t rows, struct figure *f, struct err *e) {
    static struct buf out; /* kept from round to round: growing it is not what is measured */
    struct arena a;
    if (!out.max) {
        buf_init(&out, 0);
        TRY(buf_reserve(&out, 64 << 20, e));
        memset(out.data, 1, out.cap);
    }
    arena_init(&a);
    const char *only = getenv("BENCH_COLUMN");
    for (unsigned c = 0; c < COLUMNS; c++) {
        if (only && strcmp(only, columns[c].name) != 0) continue;
        f->bytes[c] = f->raw[c] = 0;
        double spent = 0;
        for (uint32_t g = 0; g < groups; g++) {
            struct parquet_row_group *meta = NULL;
            buf_clear(&out);
            double start = cpu_seconds();
            TRY(parquet_encode_row_group(enc, &columns[c], 1, &values[g][c], rows, &out, &a, &meta, e));
            spent += cpu_seconds() - start;
            f->bytes[c] += (double)meta->bytes;
            f->raw[c] += (double)meta->uncompressed_bytes;
        }
        if (f->seconds[c] == 0 || spent < f->seconds[c]) f->seconds[c] = spent;
    }
    arena_release(&a);
    return 0;
}

static int write_file(struct parquet_encoder *enc, struct parquet_values (*values)[COLUMNS], uint32_t groups,
                      uint32_t rows, const char *path, struct err *e) {
    struct buf out;
    struct arena a;
    buf_init(&out, 0);
    arena_init(&a);
    struct parquet_row_group **metas = must(calloc(groups, sizeof *metas));
    TRY(buf_add(&out, parquet_magic, PARQUET_MAGIC_BYTES, e));
    for (uint32_t g = 0; g < groups; g++) {
        uint64_t offset = out.len;
        TRY(parquet_encode_row_group(enc, columns, COLUMNS, values[g], rows, &out, &a, &metas[g], e));
        metas[g]->offset = offset;
    }
    TRY(parquet_footer(columns, COLUMNS, metas, groups, "weir version 0.1.0", &out, e));
    unlink(path);
    TRY(file_write_new(path, out.data, out.len, e));
    free(metas);
    arena_release(&a);
    buf_release(&out);
    return 0;
}

int main(int argc, char **argv) {
    uint32_t groups = argc > 1 ? (uint32_t)atoi(argv[1]) : 8,
             rows = argc > 2 ? (uint32_t)atoi(argv[2]) : 131072;
    uint32_t page = argc > 3 ? (uint32_t)atoi(argv[3]) : 0;
    struct rng r;
    rng_init(&r, 1, 0);
    struct arena a;
    arena_init(&a);
    struct parquet_values(*values)[COLUMNS] = must(calloc(groups, sizeof *values));
    uint32_t day_rows = (uint32_t)(TOTAL_ROWS / DAYS), at = day_rows;
    if (day_rows < rows) day_rows = rows;
    struct event *day = NULL;
    for (uint32_t g = 0, d = 0; g < groups; g++, at += rows) {
        if (!day || at + rows > day_rows) {
            free(day);
            day = make_day(&r, day_rows, (int)(d++ % DAYS));
            at = 0;
        }
        make_group(&r, day + at, rows, &a, values[g]);
    }
    free(day);

    struct err e;
    struct figure tuned = {.seconds = {0}}, plain = {.seconds = {0}};
    struct parquet_encoder *a_tuned =
        must(parquet_encoder_new(&(struct parquet_options){.page_bytes = page}));
    struct parquet_encoder *a_plain =
        must(parquet_encoder_new(&(struct parquet_options){.page_bytes = page, .plain_zstd = true}));
    int rc = 0;
    unsigned rounds = getenv("BENCH_ROUNDS") ? (unsigned)atoi(getenv("BENCH_ROUNDS")) : ROUNDS;
    for (unsigned i = 0; !rc && i < rounds; i++) {
        rc = measure(a_tuned, values, groups, rows, &tuned, &e);
        if (!rc && !getenv("BENCH_TUNED")) rc = measure(a_plain, values, groups, rows, &plain, &e);
    }
    if (!rc && argc > 4) rc = write_file(a_tuned, values, groups, rows, argv[4], &e);
    if (rc) {
        fprintf(stderr, "%s\n", e.msg);
        return rc;
    }
    double scale = TOTAL_ROWS / ((double)groups * rows), s[2] = {0}, b[2] = {0}, raw = 0;
    printf("%-14s %9s | %8s %9s | %8s %9s\n", "column", "raw MB", "tuned s", "MB", "plain s", "MB");
    for (unsigned c = 0; c < COLUMNS; c++) {
        printf("%-14s %9.1f | %8.3f %9.2f | %8.3f %9.2f\n", columns[c].name, tuned.raw[c] * scale / 1e6,
               tuned.seconds[c] * scale, tuned.bytes[c] * scale / 1e6, plain.seconds[c] * scale,
               plain.bytes[c] * scale / 1e6);
        s[0] += tuned.seconds[c] * scale;
        s[1] += plain.seconds[c] * scale;
        b[0] += tuned.bytes[c] * scale / 1e6;
        b[1] += plain.bytes[c] * scale / 1e6;
        raw += tuned.raw[c] * scale / 1e6;
    }
    printf("%-14s %9.1f | %8.3f %9.2f | %8.3f %9.2f\n", "all", raw, s[0], b[0], s[1], b[1]);
    parquet_encoder_free(a_tuned);
    parquet_encoder_free(a_plain);
    arena_release(&a);
    free(values);
    return 0;
}
