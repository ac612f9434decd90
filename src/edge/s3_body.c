#include "edge/s3_body.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SMALL_LEAST = 512, SMALL_MOST = SLAB_BYTES / 2 };

/* The bytes from `at` that lie together. */
static const uint8_t *together(const struct s3_body *b, size_t at, size_t *len) {
    size_t skip = at % b->piece_bytes, left = b->len - at;
    *len = b->piece_bytes - skip < left ? b->piece_bytes - skip : left;
    return (const uint8_t *)b->pieces[at / b->piece_bytes] + skip;
}

size_t s3_body_read(const struct s3_body *b, size_t at, void *out, size_t n) {
    size_t done = 0;
    while (done < n && at + done < b->len) {
        size_t len;
        const uint8_t *from = together(b, at + done, &len);
        if (len > n - done) len = n - done;
        memcpy((uint8_t *)out + done, from, len);
        done += len;
    }
    return done;
}

static bool add_pieces(EVP_MD_CTX *ctx, const struct s3_body *b) {
    for (size_t at = 0, len; at < b->len; at += len) {
        const uint8_t *from = together(b, at, &len);
        if (EVP_DigestUpdate(ctx, from, len) != 1) return false;
    }
    return true;
}

static int digest(const struct s3_body *b, const EVP_MD *md, uint8_t *out, struct err *e) {
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1 && add_pieces(ctx, b) &&
              EVP_DigestFinal_ex(ctx, out, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok ? 0 : err_set(e, ERR_OUTSIDE, "could not take a checksum: OpenSSL refuses");
}

int s3_body_sha256(const struct s3_body *b, uint8_t out[32], struct err *e) {
    return digest(b, EVP_sha256(), out, e);
}

int s3_body_md5(const struct s3_body *b, uint8_t out[16], struct err *e) {
    return digest(b, EVP_md5(), out, e);
}

static int add_slab(struct s3_growing *g, struct err *e) {
    if (g->count == g->cap) {
        uint32_t cap = g->cap ? 2 * g->cap : 8;
        void **more = realloc(g->pieces, cap * sizeof *more);
        if (!more) return err_nomem(e);
        g->pieces = more;
        g->cap = cap;
    }
    void *slab = slabs_take(g->slabs);
    if (!slab) return err_nomem(e);
    g->pieces[g->count++] = slab;
    return 0;
}

/* Below a slab: one piece, which is moved when it grows. */
static int grow_small(struct s3_growing *g, size_t bytes, struct err *e) {
    size_t size = g->small ? g->small : SMALL_LEAST;
    while (size < bytes) size += size / 2;
    if (!g->pieces && !(g->pieces = malloc(sizeof *g->pieces))) return err_nomem(e);
    g->cap = 1;
    void *more = realloc(g->small ? g->pieces[0] : NULL, size);
    if (!more) return err_nomem(e);
    g->pieces[0] = more;
    g->count = 1;
    g->small = size;
    return 0;
}

/* It is small no more. */
static int move_to_slab(struct s3_growing *g, struct err *e) {
    void *slab = slabs_take(g->slabs);
    if (!slab) return err_nomem(e);
    memcpy(slab, g->pieces[0], g->len);
    free(g->pieces[0]);
    g->pieces[0] = slab;
    g->small = 0;
    return 0;
}

/* Room for at least one of n more bytes. */
static int make_room(struct s3_growing *g, size_t n, struct err *e) {
    bool small = g->small || !g->count;
    if (small && n <= SMALL_MOST - g->len) return g->len + n > g->small ? grow_small(g, g->len + n, e) : 0;
    if (g->small) return move_to_slab(g, e);
    return g->len == s3_growing_memory(g) ? add_slab(g, e) : 0;
}

int s3_growing_add(struct s3_growing *g, const void *data, size_t len, struct err *e) {
    for (const uint8_t *from = data; len;) {
        TRY(make_room(g, len, e));
        size_t room = s3_growing_memory(g) - g->len, n = room < len ? room : len;
        memcpy((uint8_t *)g->pieces[g->count - 1] + g->len % SLAB_BYTES, from, n);
        g->len += n;
        from += n;
        len -= n;
    }
    return 0;
}

void s3_growing_release(struct s3_growing *g) {
    if (g->small) free(g->pieces[--g->count]);
    for (uint32_t i = 0; i < g->count; i++) slabs_give(g->slabs, g->pieces[i]);
    free(g->pieces);
    *g = (struct s3_growing){.slabs = g->slabs};
}
