/* A writer of small MaxMind DBs, for tests (MaxMind DB file format 2.0). */
#ifndef WEIR_EDGE_MMDB_WRITER_TEST_H
#define WEIR_EDGE_MMDB_WRITER_TEST_H

#include "base/buf.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { NODES_MAX = 4096, NOTHING = -1, DATA = 1 << 20 };

struct mmdb_writer {
    int child[NODES_MAX][2]; /* a node, NOTHING, or DATA + offset in data */
    int count;
    struct buf data;
};

static inline void mmdb_writer_init(struct mmdb_writer *w) {
    w->child[0][0] = w->child[0][1] = NOTHING;
    w->count = 1;
    buf_init(&w->data, 1 << 20);
}

static inline void mmdb_writer_bytes(struct buf *b, const void *data, size_t len) {
    struct err e;
    assert_int_equal(buf_add(b, data, len, &e), 0);
}

static inline void mmdb_writer_byte(struct buf *b, unsigned byte) {
    uint8_t x = (uint8_t)byte;
    mmdb_writer_bytes(b, &x, 1);
}

static inline void mmdb_writer_text(struct buf *b, const char *text) {
    size_t n = strlen(text);
    if (n < 29) {
        mmdb_writer_byte(b, 2u << 5 | (unsigned)n);
    } else {
        mmdb_writer_byte(b, 2u << 5 | 29);
        mmdb_writer_byte(b, (unsigned)(n - 29));
    }
    mmdb_writer_bytes(b, text, n);
}

static inline void mmdb_writer_map(struct buf *b, unsigned pairs) {
    mmdb_writer_byte(b, 7u << 5 | pairs);
}

/* Types 5, 6, 9: uint16, uint32, uint64; the library wants the one that the format says. */
static inline void mmdb_writer_uint(struct buf *b, unsigned type, uint64_t v) {
    int bytes = type == 5 ? 2 : 4;
    if (type > 7) {
        mmdb_writer_byte(b, (unsigned)bytes);
        mmdb_writer_byte(b, type - 7);
    } else {
        mmdb_writer_byte(b, type << 5 | (unsigned)bytes);
    }
    for (int i = bytes - 1; i >= 0; i--) mmdb_writer_byte(b, (unsigned)(v >> 8 * i) & 255);
}

/* {"country_code": code}; returns what a node's child may be. */
static inline int mmdb_writer_flat(struct mmdb_writer *w, const char *code) {
    int at = DATA + (int)w->data.len;
    mmdb_writer_map(&w->data, 1);
    mmdb_writer_text(&w->data, "country_code");
    mmdb_writer_text(&w->data, code);
    return at;
}

/* {key: {"names": {"en": …}, "iso_code": code}} */
static inline int mmdb_writer_nested(struct mmdb_writer *w, const char *key, const char *code) {
    int at = DATA + (int)w->data.len;
    mmdb_writer_map(&w->data, 1);
    mmdb_writer_text(&w->data, key);
    mmdb_writer_map(&w->data, 2);
    mmdb_writer_text(&w->data, "names");
    mmdb_writer_map(&w->data, 1);
    mmdb_writer_text(&w->data, "en");
    mmdb_writer_text(&w->data, "a rather long name of a country in English, over 29 bytes");
    mmdb_writer_text(&w->data, "iso_code");
    mmdb_writer_text(&w->data, code);
    return at;
}

static inline void mmdb_writer_insert(struct mmdb_writer *w, const char *net, int bits, int child) {
    uint8_t a[16] = {0};
    if (strchr(net, ':'))
        assert_int_equal(inet_pton(AF_INET6, net, a), 1);
    else
        assert_int_equal(inet_pton(AF_INET, net, a), 1);
    int node = 0;
    for (int i = 0; i < bits - 1; i++) {
        int *c = &w->child[node][a[i / 8] >> (7 - i % 8) & 1];
        if (*c < 0 || *c >= DATA) {
            int old = *c, made = w->count++;
            assert_true(made < NODES_MAX);
            w->child[made][0] = w->child[made][1] = old;
            *c = made;
        }
        node = *c;
    }
    w->child[node][a[(bits - 1) / 8] >> (7 - (bits - 1) % 8) & 1] = child;
}

/* The node that stands at net/bits. */
static inline int mmdb_writer_node_at(struct mmdb_writer *w, const char *net, int bits) {
    uint8_t a[16] = {0};
    assert_int_equal(inet_pton(AF_INET6, net, a), 1);
    int node = 0;
    for (int i = 0; i < bits; i++) node = w->child[node][a[i / 8] >> (7 - i % 8) & 1];
    return node;
}

static inline void mmdb_writer_build(struct mmdb_writer *w, unsigned record_size, unsigned ip_version,
                                     struct buf *out) {
    buf_init(out, 1 << 24);
    for (int i = 0; i < w->count; i++) {
        uint32_t c[2];
        for (int k = 0; k < 2; k++) {
            int v = w->child[i][k];
            c[k] = (uint32_t)(v == NOTHING ? w->count : v >= DATA ? w->count + 16 + (v - DATA) : v);
        }
        for (int k = 0; k < 2; k++) {
            if (k == 1 && record_size == 28) mmdb_writer_byte(out, (c[0] >> 24) << 4 | c[1] >> 24);
            if (record_size == 32) mmdb_writer_byte(out, c[k] >> 24);
            for (int s = 16; s >= 0; s -= 8) mmdb_writer_byte(out, c[k] >> s & 255);
        }
    }
    for (int i = 0; i < 16; i++) mmdb_writer_byte(out, 0);
    mmdb_writer_bytes(out, w->data.data, w->data.len);
    mmdb_writer_bytes(out, "\xab\xcd\xefMaxMind.com", 14);
    mmdb_writer_map(out, 9);
    mmdb_writer_text(out, "node_count");
    mmdb_writer_uint(out, 6, (uint64_t)w->count);
    mmdb_writer_text(out, "record_size");
    mmdb_writer_uint(out, 5, record_size);
    mmdb_writer_text(out, "ip_version");
    mmdb_writer_uint(out, 5, ip_version);
    mmdb_writer_text(out, "database_type");
    mmdb_writer_text(out, "Test-Country");
    mmdb_writer_text(out, "languages");
    mmdb_writer_byte(out, 0);
    mmdb_writer_byte(out, 4);
    mmdb_writer_text(out, "binary_format_major_version");
    mmdb_writer_uint(out, 5, 2);
    mmdb_writer_text(out, "binary_format_minor_version");
    mmdb_writer_uint(out, 5, 0);
    mmdb_writer_text(out, "build_epoch");
    mmdb_writer_uint(out, 9, 1700000000);
    mmdb_writer_text(out, "description");
    mmdb_writer_map(out, 0);
}

#endif
