/* Huge pages for large blocks: what is left of the row path's cost is TLB misses (measured: 5 % of a run). */
#ifndef WEIR_BASE_HUGEPAGE_H
#define WEIR_BASE_HUGEPAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

enum { HUGEPAGE_BYTES = 2 << 20 };

/* Tell the kernel that a block may be backed by huge pages, as far as it covers whole ones. Only a hint. */
static inline void hugepage_hint(void *block, size_t len) {
    uintptr_t from = ((uintptr_t)block + HUGEPAGE_BYTES - 1) & ~(uintptr_t)(HUGEPAGE_BYTES - 1);
    uintptr_t to = ((uintptr_t)block + len) & ~(uintptr_t)(HUGEPAGE_BYTES - 1);
    if (to > from) madvise((void *)from, to - from, MADV_HUGEPAGE);
}

#endif
