/* Compression of pages into standard zstd frames (RFC 8878), either by zstd's own search or by sequences
 * found from the page's layout (sequences.h).
 *
 * Compression is most of what the engine does. CPU seconds and MB per 8 M rows of click data ordered by
 * session, encoding included, zstd 1 → this (tests/bench/parquet_bench.c):
 * - event_id .80, 156 → .28, 170: literals only; with matches .40, 152
 * - page_url .69, 58 → .43, 50
 * - event_time .18, 36 → .11, 32
 * - session_id .10, 10.6 → .09, 7.9
 * - all eleven columns 1.94, 287 → 1.08, 287
 *
 * One thread holds about 4.5 MB for row groups of 128 Ki rows, the encoder's page included. Readers are as
 * fast: 1.6 M rows on one core, zstd 1 → this: DuckDB .236 → .221 s, Polars .178 → .152, pyarrow .363 → .351.
 */
#ifndef WEIR_FORMAT_COMPRESS_H
#define WEIR_FORMAT_COMPRESS_H

#include "base/err.h"
#include "format/sequences.h"

/* Contexts and scratch of one thread. */
struct compressor;

/* `level`: zstd's. NULL: out of memory. */
struct compressor *compressor_new(int level);
void compressor_free(struct compressor *c);

/* Room that compress_page needs at `out` for `len` bytes. */
size_t compress_bound(size_t len);

/* How pages of a column chunk are compressed. */
struct compress_way {
    enum page_layout layout; /* sequences found by it; LAYOUT_BYTES: zstd's own search */
    bool raw_literals;       /* with sequences: bytes outside matches are left as they are */
    bool no_matches;         /* nothing is searched: literals only, by Huffman codes */
};

/* The way for pages like this one, values of `layout` from `start` on: several are tried on a sample. Depends
 * on the page alone, not on time taken, so that the same rows give the same file. */
struct compress_way compress_choose(struct compressor *c, enum page_layout layout, const uint8_t *data,
                                    size_t len, size_t start);

/* One frame from `data`; its length in *out_len. Values of a known layout begin at `start`;
 * SEQUENCES_SLACK bytes beyond the end must be readable. */
int compress_page(struct compressor *c, const struct compress_way *way, const uint8_t *data, size_t len,
                  size_t start, uint8_t *out, size_t cap, size_t *out_len, struct err *e);

#endif
