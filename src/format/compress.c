#include "format/compress.h"

#include <stdlib.h>

enum {
    SAMPLE = 16 * 1024, /* of a page, compressed in both ways: bytes, not time, so that the same rows give the
                           same file */
    TOLERATED_PERCENT = 3,  /* more bytes than the least are fine for less time */
    LITERALS_PERCENT = 15,  /* and for no search at all: random ids */
    SEQUENCES_MAX = 4 << 20 /* a larger page: their list would take too much memory */
};

struct compressor {
    ZSTD_CCtx *searcher;  /* zstd finds the matches */
    ZSTD_CCtx *sequencer; /* we do */
    struct sequences sequences;
    uint8_t *sample; /* where samples go */
};

static bool set(ZSTD_CCtx *cctx, ZSTD_cParameter p, int value) {
    return !ZSTD_isError(ZSTD_CCtx_setParameter(cctx, p, value));
}

struct compressor *compressor_new(int level) {
    struct compressor *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    c->searcher = ZSTD_createCCtx();
    c->sequencer = ZSTD_createCCtx();
    c->sample = malloc(ZSTD_compressBound(SAMPLE));
    bool ok = c->searcher && c->sequencer && c->sample && set(c->searcher, ZSTD_c_compressionLevel, level);
    /* No search, so no tables for it. Repeated offsets must be asked for: 1.5.4 leaves them out at low
     * levels, five bits a sequence. */
    ok = ok && set(c->sequencer, ZSTD_c_compressionLevel, 1) && set(c->sequencer, ZSTD_c_hashLog, 6) &&
         set(c->sequencer, ZSTD_c_chainLog, 6) && set(c->sequencer, ZSTD_c_minMatch, 3) &&
         set(c->sequencer, ZSTD_c_windowLog, 24) &&
         set(c->sequencer, ZSTD_c_blockDelimiters, ZSTD_sf_explicitBlockDelimiters);
    if (ok) return c;
    compressor_free(c);
    return NULL;
}

void compressor_free(struct compressor *c) {
    if (!c) return;
    ZSTD_freeCCtx(c->searcher);
    ZSTD_freeCCtx(c->sequencer);
    sequences_release(&c->sequences);
    free(c->sample);
    free(c);
}

size_t compress_bound(size_t len) {
    return ZSTD_compressBound(len);
}

/* Whether most offsets are the one before again. Then zstd must look for them, or each costs some five bits;
 * where offsets vary, looking costs a third of compression (page_url: 33 against 23 ns a row) for 3 % of the
 * bytes.
 */
static bool repeats_offsets(const struct sequences *s) {
    enum { LOOK = 512 };
    size_t n = s->count < LOOK ? s->count : LOOK, same = 0;
    for (size_t i = 1; i < n; i++) same += s->list[i].offset == s->list[i - 1].offset;
    return same > n / 2;
}

/* ZSTD's result, or 0 where sequences are not to be had. */
static size_t by_sequences(struct compressor *c, const struct compress_way *way, const uint8_t *data,
                           size_t len, size_t start, uint8_t *out, size_t cap) {
    if (way->layout == LAYOUT_BYTES || len > SEQUENCES_MAX) return 0;
    if (way->no_matches ? !sequences_none(&c->sequences, len)
                        : !sequences_find(&c->sequences, way->layout, data, len, start))
        return 0;
    ZSTD_paramSwitch_e repeats = repeats_offsets(&c->sequences) ? ZSTD_ps_enable : ZSTD_ps_disable;
    ZSTD_paramSwitch_e literals = way->raw_literals ? ZSTD_ps_disable : ZSTD_ps_enable;
    ZSTD_CCtx_reset(c->sequencer, ZSTD_reset_session_only); /* else parameters may not change */
    if (!set(c->sequencer, ZSTD_c_searchForExternalRepcodes, (int)repeats)) return 0;
    if (!set(c->sequencer, ZSTD_c_literalCompressionMode, (int)literals)) return 0;
    size_t n =
        ZSTD_compressSequences(c->sequencer, out, cap, c->sequences.list, c->sequences.count, data, len);
    return ZSTD_isError(n) ? 0 : n;
}

static bool tolerable(size_t bytes, size_t least, unsigned percent) {
    return bytes <= least + least * percent / 100;
}

struct compress_way compress_choose(struct compressor *c, enum page_layout layout, const uint8_t *data,
                                    size_t len, size_t start) {
    const struct compress_way search = {.layout = LAYOUT_BYTES};
    struct compress_way way = {.layout = layout};
    if (layout == LAYOUT_BYTES || len < SAMPLE / 2) return search;
    if (len > SAMPLE) len = sequences_cut(layout, data, SAMPLE, start);
    if (len < SAMPLE / 2) return search; /* a value longer than the sample */
    size_t cap = ZSTD_compressBound(SAMPLE);
    size_t ours = by_sequences(c, &way, data, len, start, c->sample, cap);
    if (!ours) return search;
    /* The lower bytes of timestamps are as good as random; ids drawn at random match in nothing but their
     * dashes. */
    const struct compress_way other = {
        .layout = layout, .raw_literals = layout == LAYOUT_FIXED8, .no_matches = layout == LAYOUT_STRINGS};
    unsigned percent = other.no_matches ? LITERALS_PERCENT : TOLERATED_PERCENT;
    size_t n = by_sequences(c, &other, data, len, start, c->sample, cap);
    if (n && tolerable(n, ours, percent)) {
        way = other;
        ours = n;
    } else {
        percent = TOLERATED_PERCENT;
    }
    size_t theirs = ZSTD_compress2(c->searcher, c->sample, cap, data, len);
    return ZSTD_isError(theirs) || tolerable(ours, theirs, percent) ? way : search;
}

int compress_page(struct compressor *c, const struct compress_way *way, const uint8_t *data, size_t len,
                  size_t start, uint8_t *out, size_t cap, size_t *out_len, struct err *e) {
    size_t n = by_sequences(c, way, data, len, start, out, cap);
    if (!n) n = ZSTD_compress2(c->searcher, out, cap, data, len);
    if (ZSTD_isError(n))
        return err_set(e, ERR_OUTSIDE, "could not compress a page: %s", ZSTD_getErrorName(n));
    *out_len = n;
    return 0;
}
