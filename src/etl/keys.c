#include "etl/keys.h"

#include "base/random.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

enum { PAGE = 16 << 10, PARTITION_BITS = 6, PARTITION_BITS_MAX = 10, ROW_GUESS = 128 };

struct scan {
    struct keys *keys;
    const struct ingest *in;
    uint64_t seed;
    atomic_uint next;
    atomic_uint_fast64_t rows, counted, kept;
    struct progress *progress;
};

static int scan_chunk(struct scan *s, uint32_t index, struct scanner *scanner, struct spill_writer *w,
                      struct arena *arena, struct ingest_buffer *b, struct err *e) {
    struct keys *k = s->keys;
    struct chunk_rows *c = &k->chunks[index];
    const uint8_t *data;
    size_t len;
    TRY(ingest_read(s->in, index, b, &data, &len, &c->first, e));
    c->len = (uint32_t)len;
    const struct scan_layout *layout = &s->in->files[s->in->chunks[index].file].layout;
    uint64_t counted = scanner_count_records(s->in->pipeline, layout, data, len);
    const char *path = s->in->files[s->in->chunks[index].file].path;
    if (counted >> KEY_ROW_BITS)
        return err_set(e, ERR_INPUT, "could not read \"%s\": more than a million records in one chunk", path);
    c->anchors = arena_alloc(arena, (counted / k->anchor_stride + 1) * sizeof *c->anchors);
    if (!c->anchors) return err_nomem(e);
    TRY(scanner_begin(scanner, layout, data, len, e));
    const unsigned shift = 64 - k->partition_bits;
    const uint32_t anchor_mask = k->anchor_stride - 1;
    uint64_t row = (uint64_t)index << KEY_ROW_BITS;
    uint32_t n = 0, kept = 0;
    for (struct scan_row r; scanner_next(scanner, &r); n++) {
        if (n == counted)
            return err_set(e, ERR_INPUT, "could not read \"%s\": more records than the count of lines allows",
                           path);
        if (!(n & anchor_mask)) c->anchors[n / k->anchor_stride] = r.offset;
        if (r.reason != REASON_NONE) continue;
        struct str user = r.field[COL_USER_ID];
        XXH128_hash_t h = XXH3_128bits_withSeed(user.ptr, user.len, s->seed);
        struct key *key = spill_writer_slot(w, (uint32_t)(h.high64 >> shift), e);
        if (!key) return e->code;
        uint64_t id = row + n;
        *key = (struct key){h.high64, (uint64_t)(r.time_us - KEY_TIME_MIN) << 10 | id >> 32,
                            (uint32_t)h.low64, (uint32_t)id};
        kept++;
    }
    c->rows = n;
    atomic_fetch_add(&s->rows, n);
    atomic_fetch_add(&s->counted, counted);
    atomic_fetch_add(&s->kept, kept);
    progress_add(s->progress, len);
    return 0;
}

static int scan_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct scan *s = ctx;
    struct spill_writer w = {0};
    struct ingest_buffer b = {0};
    struct scanner *scanner = scanner_new(s->in->pipeline, SCAN_KEYS);
    int rc = scanner ? spill_writer_init(&w, &s->keys->spill, e) : err_nomem(e);
    while (!rc && !threads_stopping(g)) {
        uint32_t chunk = atomic_fetch_add(&s->next, 1);
        if (chunk >= s->in->chunk_count) break;
        rc = scan_chunk(s, chunk, scanner, &w, &s->keys->anchor_arenas[index], &b, e);
    }
    if (!rc) rc = spill_writer_end(&w, e);
    spill_writer_release(&w);
    scanner_free(scanner);
    ingest_buffer_release(&b);
    return rc;
}

int keys_scan(struct keys *k, const struct ingest *in, unsigned threads, struct slabs *slabs,
              uint64_t memory_limit, const char *tmp_dir, struct progress *progress, struct err *e) {
    *k = (struct keys){.threads = threads, .partition_bits = PARTITION_BITS, .anchor_stride = 8};
    if (in->chunk_count > KEY_CHUNKS_MAX) return err_set(e, ERR_INPUT, "more than 2 TB of input in one run");
    /* A partition should sort within a fraction of the budget, and anchors should stay a small part of it. */
    uint64_t guess = in->bytes / ROW_GUESS * sizeof(struct key);
    while (k->partition_bits < PARTITION_BITS_MAX &&
           guess >> k->partition_bits > memory_limit / (4 * threads))
        k->partition_bits++;
    while (in->bytes / ROW_GUESS / k->anchor_stride * sizeof(uint32_t) > memory_limit / 4)
        k->anchor_stride *= 2;
    k->chunks = calloc(in->chunk_count ? in->chunk_count : 1, sizeof *k->chunks);
    k->anchor_arenas = calloc(threads, sizeof *k->anchor_arenas);
    if (!k->chunks || !k->anchor_arenas) return err_nomem(e);
    TRY(spill_init(&k->spill, sizeof(struct key), PAGE, 1u << k->partition_bits, slabs, memory_limit, tmp_dir,
                   e));
    struct scan s = {.keys = k, .in = in, .progress = progress};
    TRY(random_bytes(&s.seed, sizeof s.seed, e));
    TRY(threads_run(threads, scan_thread, &s, e));
    for (uint32_t i = 0; i < in->chunk_count; i++) {
        k->chunks[i].base = k->rows;
        k->rows += k->chunks[i].rows;
    }
    k->counted = atomic_load(&s.counted);
    k->kept = atomic_load(&s.kept);
    return 0;
}

void keys_release(struct keys *k) {
    spill_release(&k->spill);
    for (unsigned i = 0; k->anchor_arenas && i < k->threads; i++) arena_release(&k->anchor_arenas[i]);
    free(k->anchor_arenas);
    free(k->chunks);
    *k = (struct keys){0};
}
