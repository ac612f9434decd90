/* The speed of light of a run: reading the input once, and compressing the output once with zstd level 1,
 * each on all threads. The output is either the encoded pages of Parquet files or, for any other file, its
 * bytes in pieces of 1 MB (the column values laid end to end, say). Prints seconds of both, six times.
 *
 *   light THREADS INPUT DATA_FILE...
 *
 * Build: make build/bench/light */
#define ZSTD_STATIC_LINKING_ONLY
#include "base/buf.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/threads.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { PIECE = 512 << 10, RAW_PAGE = 1 << 20 };

struct page {
    size_t at, len;
};

struct light {
    const char *input;
    int fd;
    uint64_t input_bytes;
    struct buf pages; /* uncompressed */
    struct page *page;
    size_t page_count, page_cap;
    atomic_ullong next, lines, compressed;
};

static int read_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    (void)index;
    (void)g;
    struct light *l = ctx;
    uint8_t *piece = malloc(PIECE);
    uint64_t lines = 0;
    for (uint64_t at; (at = atomic_fetch_add(&l->next, 1) * PIECE) < l->input_bytes;) {
        size_t len = l->input_bytes - at < PIECE ? l->input_bytes - at : PIECE;
        if (file_pread(l->fd, piece, len, at, l->input, e)) return e->code;
        for (size_t i = 0; i < len; i++) lines += piece[i] == '\n';
    }
    atomic_fetch_add(&l->lines, lines);
    free(piece);
    return 0;
}

static int compress_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    (void)index;
    (void)g;
    (void)e;
    struct light *l = ctx;
    ZSTD_CCtx *z = ZSTD_createCCtx();
    uint8_t *out = malloc(ZSTD_compressBound(64 << 20));
    for (size_t i; (i = atomic_fetch_add(&l->next, 1)) < l->page_count;)
        atomic_fetch_add(&l->compressed, ZSTD_compressCCtx(z, out, ZSTD_compressBound(64 << 20),
                                                           l->pages.data + l->page[i].at, l->page[i].len, 1));
    free(out);
    ZSTD_freeCCtx(z);
    return 0;
}

static void add_page(struct light *l, size_t at, size_t len) {
    if (l->page_count == l->page_cap) {
        l->page_cap = l->page_cap ? l->page_cap * 2 : 1024;
        l->page = realloc(l->page, l->page_cap * sizeof *l->page);
    }
    l->page[l->page_count++] = (struct page){at, len};
}

/* Every zstd frame of a Parquet file is a page. */
static int add_pages(struct light *l, const char *path, struct err *e) {
    static const uint8_t magic[4] = {0x28, 0xB5, 0x2F, 0xFD};
    struct buf file;
    buf_init(&file, 0);
    TRY(file_read_all(path, &file, (size_t)1 << 40, e));
    if (file.len < 4 || memcmp(file.data, "PAR1", 4)) {
        for (size_t at = 0; at < file.len; at += RAW_PAGE)
            add_page(l, l->pages.len + at, file.len - at < RAW_PAGE ? file.len - at : RAW_PAGE);
        int rc = buf_add(&l->pages, file.data, file.len, e);
        buf_release(&file);
        return rc;
    }
    for (uint8_t *p = file.data, *end = p + file.len; (p = memmem(p, (size_t)(end - p), magic, 4));) {
        size_t n = ZSTD_findFrameCompressedSize(p, (size_t)(end - p));
        unsigned long long size = ZSTD_getFrameContentSize(p, (size_t)(end - p));
        if (ZSTD_isError(n) || size > 64 << 20) {
            p++;
            continue;
        }
        TRY(buf_reserve(&l->pages, size, e));
        if (ZSTD_isError(ZSTD_decompress(l->pages.data + l->pages.len, size, p, n))) {
            p++;
            continue;
        }
        add_page(l, l->pages.len, size);
        l->pages.len += size;
        p += n;
    }
    buf_release(&file);
    return 0;
}

static int measure(struct light *l, unsigned threads, char **files, int count, struct err *e) {
    struct stat st;
    l->fd = open(l->input, O_RDONLY);
    if (l->fd < 0 || fstat(l->fd, &st)) return err_errno(e, ERR_INPUT, "could not open \"%s\"", l->input);
    l->input_bytes = (uint64_t)st.st_size;
    buf_init(&l->pages, 0);
    for (int i = 0; i < count; i++) TRY(add_pages(l, files[i], e));
    for (int round = 0; round < 6; round++) {
        int64_t t0 = clock_mono_ns();
        atomic_store(&l->next, 0);
        TRY(threads_run(threads, read_thread, l, e));
        int64_t t1 = clock_mono_ns();
        atomic_store(&l->next, 0);
        atomic_store(&l->compressed, 0);
        TRY(threads_run(threads, compress_thread, l, e));
        int64_t t2 = clock_mono_ns();
        printf("read %.3f s, compress %.3f s, sum %.3f s (%.0f MB of pages to %.0f MB)\n",
               (double)(t1 - t0) / 1e9, (double)(t2 - t1) / 1e9, (double)(t2 - t0) / 1e9,
               (double)l->pages.len / 1e6, (double)atomic_load(&l->compressed) / 1e6);
    }
    return 0;
}

int main(int argc, char **argv) {
    struct light l = {.input = argc > 2 ? argv[2] : NULL};
    struct err e = {0};
    if (argc < 4) {
        fputs("usage: light THREADS INPUT DATA_FILE...\n", stderr);
        return 2;
    }
    if (measure(&l, (unsigned)atoi(argv[1]), argv + 3, argc - 3, &e)) {
        fprintf(stderr, "light: %s\n", e.msg);
        return e.code;
    }
    return 0;
}
