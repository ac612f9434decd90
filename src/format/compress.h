/* Compression of pages into standard zstd frames (RFC 8878), either by zstd's own search or by sequences
 * found from the page's layout (sequences.h).
 *
 * Compression is most of what the engine does. CPU seconds and MB per 8 M rows of click data ordered by
 * visitor, zstd 1 against this, encoding included (tests/bench/parquet_bench.c, pages of 255 KB): event_id
 * .85, 156 → .42, 152    page_url .70, 57 → .50, 49    event_time .14, 47 → .13, 34 session_id .12, 10.6 →
 * .10, 9.2    all eleven columns 2.12, 300 → 1.43, 270 */
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

/* `layout`, or LAYOUT_BYTES where zstd's own search makes noticeably less of this page: both are tried on a
 * sample. What it says depends on the page alone. */
enum page_layout compress_choose(struct compressor *c, enum page_layout layout, const uint8_t *data,
                                 size_t len, size_t start);

/* One frame from `data`; its length in *out_len. Values of a known layout begin at `start`;
 * SEQUENCES_SLACK bytes beyond the end must be readable. */
int compress_page(struct compressor *c, enum page_layout layout, const uint8_t *data, size_t len,
                  size_t start, uint8_t *out, size_t cap, size_t *out_len, struct err *e);

#endif
