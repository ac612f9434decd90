/* Sequences for zstd found by what is known of a page: values stand in rows, and a row is much like the one
 * before it. Far cheaper than zstd's own search where that is so; the frames are standard (RFC 8878). */
#ifndef WEIR_FORMAT_SEQUENCES_H
#define WEIR_FORMAT_SEQUENCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

/* What a page holds behind its first bytes. */
enum page_layout {
    LAYOUT_BYTES,   /* unknown */
    LAYOUT_STRINGS, /* PLAIN strings */
    LAYOUT_FIXED8,  /* PLAIN values of eight bytes */
};

enum {
    SEQUENCES_SLACK = 16,         /* bytes readable beyond the page */
    SEQUENCES_ROW_MAX = 1 << 14,  /* a longer value: not for this */
    SEQUENCES_BLOCK = 128 * 1024, /* zstd's largest block */
    SEQUENCES_WORD_BITS = 12,
    SEQUENCES_TAIL_BITS = 10,
};

struct sequences_odds {
    uint32_t tries, hits;
};

struct sequences {
    ZSTD_Sequence *list;
    size_t count, cap;
    /* Positions in the page, 0: none. */
    uint32_t words[1 << SEQUENCES_WORD_BITS]; /* of eight bytes at a delimiter */
    uint32_t tails[1 << SEQUENCES_TAIL_BITS]; /* of a row's end, by its last 16 bytes */
    uint32_t same_length[256];                /* of the latest row of this length */
    struct sequences_odds word_odds, tail_odds;
};

void sequences_release(struct sequences *s);

/* The largest length ≤ max, of a longer page, that ends where a value does (or within the first one). */
size_t sequences_cut(enum page_layout layout, const uint8_t *data, size_t max, size_t start);

/* Fill the list, block delimiters included; values begin at `start`. False: not worth it (values too long) or
 * out of memory, then compress in another way. */
bool sequences_find(struct sequences *s, enum page_layout layout, const uint8_t *data, size_t len,
                    size_t start);

/* Fill the list with no match at all: each block is literals. False: out of memory. */
bool sequences_none(struct sequences *s, size_t len);

#endif
