/* The bytes that a request sends: one piece of the caller's, or slabs, which are not moved as more come and
 * go from one object to the next. */
#ifndef WEIR_EDGE_S3_BODY_H
#define WEIR_EDGE_S3_BODY_H

#include "base/err.h"
#include "base/slabs.h"

#include <stdint.h>

struct s3_body {
    const void *const *pieces;
    size_t piece_bytes; /* of each, the last apart */
    size_t len;         /* of all */
};

/* At most n bytes from `at`; how many there were. */
size_t s3_body_read(const struct s3_body *b, size_t at, void *out, size_t n);

int s3_body_sha256(const struct s3_body *b, uint8_t out[32], struct err *e);
int s3_body_md5(const struct s3_body *b, uint8_t out[16], struct err *e);

/* A body that grows. All zero but `slabs`: empty. Of many days each holds little, so below half a slab it
 * takes at most half as much again as its bytes, 512 at least. */
struct s3_growing {
    struct slabs *slabs;
    void **pieces; /* slabs, but for a small one */
    uint32_t count, cap;
    size_t small; /* bytes of the only piece when it is none of the slabs, but of malloc; 0: there is none */
    size_t len;
};

/* A copy of the bytes is added. On failure some of them may have been. */
int s3_growing_add(struct s3_growing *g, const void *data, size_t len, struct err *e);

/* Empty again; the memory goes back to the slabs. */
void s3_growing_release(struct s3_growing *g);

static inline struct s3_body s3_growing_body(const struct s3_growing *g) {
    return (struct s3_body){(const void *const *)g->pieces, SLAB_BYTES, g->len};
}

/* What it takes. */
static inline size_t s3_growing_memory(const struct s3_growing *g) {
    return g->small ? g->small : (size_t)g->count * SLAB_BYTES;
}

#endif
