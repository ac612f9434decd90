#include "format/sequences.h"

#include <stdlib.h>
#include <string.h>

void sequences_release(struct sequences *s) {
    free(s->list);
    s->list = NULL;
    s->cap = 0;
}

enum { REACH = 8 }; /* positions below are not matched: equal_behind reads as far back */

static inline uint64_t load8(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

static inline uint32_t load4(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, 4);
    return v;
}

/* Equal bytes from a and b on, at most max; may read 7 bytes beyond. */
static inline size_t equal_ahead(const uint8_t *a, const uint8_t *b, size_t max) {
    for (size_t i = 0; i < max; i += 8) {
        uint64_t x = load8(a + i) ^ load8(b + i);
        if (x) {
            i += (size_t)__builtin_ctzll(x) / 8;
            return i < max ? i : max;
        }
    }
    return max;
}

/* Equal bytes before a and b, at most max; may read 7 bytes beyond. */
static inline size_t equal_behind(const uint8_t *a, const uint8_t *b, size_t max) {
    for (size_t i = 0; i < max; i += 8) {
        uint64_t x = load8(a - 8 - i) ^ load8(b - 8 - i);
        if (x) {
            i += (size_t)__builtin_clzll(x) / 8;
            return i < max ? i : max;
        }
    }
    return max;
}

struct parse {
    ZSTD_Sequence *next, *end;
    const uint8_t *data;
    size_t anchor;       /* end of the latest match: literals begin here */
    size_t block, limit; /* the open block's start and utmost end */
};

static inline void put_match(struct parse *p, size_t at, size_t len, size_t offset) {
    p->next->offset = (unsigned)offset;
    p->next->litLength = (unsigned)(at - p->anchor);
    p->next->matchLength = (unsigned)len;
    p->next->rep = 0;
    p->next++;
    p->anchor = at + len;
}

static inline void close_block(struct parse *p, size_t at, size_t len) {
    *p->next++ = (ZSTD_Sequence){.offset = 0, .litLength = (unsigned)(at - p->anchor)};
    p->anchor = p->block = at;
    p->limit = len - at < SEQUENCES_BLOCK ? len : at + SEQUENCES_BLOCK;
}

/* Room for `more` sequences. */
static bool reserve(struct sequences *s, struct parse *p, size_t more) {
    if ((size_t)(p->end - p->next) >= more) return true;
    size_t used = (size_t)(p->next - s->list), cap = s->cap + s->cap / 2 + more + 1024;
    ZSTD_Sequence *list = realloc(s->list, cap * sizeof *list);
    if (!list) return false;
    s->list = list;
    s->cap = cap;
    p->next = list + used;
    p->end = list + cap;
    return true;
}

static inline uint32_t word_slot(uint64_t word) {
    return (uint32_t)(word * UINT64_C(0x9E3779B97F4A7C15) >> (64 - SEQUENCES_WORD_BITS));
}

static inline uint32_t tail_slot(uint64_t a, uint64_t b) {
    return (uint32_t)((a * UINT64_C(0x9E3779B97F4A7C15) ^ b) * UINT64_C(0xD6E8FEB86659FD93) >>
                      (64 - SEQUENCES_TAIL_BITS));
}

/* Whether a kind of search still finds enough; a page of random text should not be searched in vain. */
static inline bool worth_trying(const struct sequences_odds *o) {
    return o->tries < 256 || o->hits >= o->tries / 8;
}

static inline size_t smaller(size_t a, size_t b) {
    return a < b ? a : b;
}

/* High bits of the zero bytes of v, and maybe of some above the lowest of them. */
static inline uint64_t zero_bytes(uint64_t v) {
    return (v - UINT64_C(0x0101010101010101)) & ~v & UINT64_C(0x8080808080808080);
}

/* How many bytes on from `word`'s first the next of / ? & = - stands; 8: not within. */
static inline size_t next_delimiter(uint64_t word) {
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t found = zero_bytes((word | 0x10 * each) ^ 0x3f * each) | /* 2f '/' and 3f '?' */
                     zero_bytes((word | 0x10 * each) ^ 0x3d * each) | /* 2d '-' and 3d '=' */
                     zero_bytes(word ^ '&' * each);
    found &= ~UINT64_C(0xff);
    return found ? (size_t)__builtin_ctzll(found) / 8 : 8;
}

/* Search [at, end) by words of eight bytes, where it begins and at delimiters; matches may go on to `limit`.
 */
static inline void search_words(struct sequences *s, struct parse *p, size_t at, size_t end, size_t limit) {
    const uint8_t *data = p->data;
    while (at + 8 <= end) {
        uint64_t word = load8(data + at);
        uint32_t *slot = &s->words[word_slot(word)];
        size_t m = *slot;
        *slot = (uint32_t)at;
        s->word_odds.tries++;
        if (m >= REACH && load8(data + m) == word) {
            s->word_odds.hits++;
            size_t ahead = 8 + equal_ahead(data + at + 8, data + m + 8, limit - at - 8);
            size_t behind = equal_behind(data + at, data + m, smaller(at - p->anchor, m - REACH));
            put_match(p, at - behind, ahead + behind, at - m);
            at = p->anchor;
            continue;
        }
        at += next_delimiter(word);
    }
}

/* The row [a, z): its head is like that of the latest row of the same length, length field included; else
 * like that of the row before, but for the field's lowest byte. */
static inline void match_head(struct sequences *s, struct parse *p, size_t a, uint32_t n, size_t before) {
    const uint8_t *data = p->data;
    size_t c = s->same_length[n & 255];
    if (c && load4(data + c) == n) {
        size_t ahead = 4 + equal_ahead(data + a + 4, data + c + 4, n);
        size_t behind = equal_behind(data + a, data + c, smaller(a - p->anchor, c - REACH));
        put_match(p, a - behind, ahead + behind, a - c);
    } else if (before) {
        size_t behind = equal_behind(data + a, data + before, smaller(a - p->anchor, before - REACH));
        if (behind >= 5) put_match(p, a - behind, behind, a - before);
        uint32_t m = load4(data + before);
        size_t ahead = 3 + equal_ahead(data + a + 4, data + before + 4, m < n ? m : n);
        if (ahead >= 5 && (n ^ m) < 256) put_match(p, a + 1, ahead, a - before);
    }
}

/* The rest of the row, [q, z), ends like an earlier row that had its last 16 bytes; and if the next row is as
 * long as the one after that, the match goes on there. False: no such row. */
static inline bool match_tail(struct sequences *s, struct parse *p, size_t q, size_t z) {
    const uint8_t *data = p->data;
    uint64_t u = load8(data + z - 16), w = load8(data + z - 8);
    uint32_t *slot = &s->tails[tail_slot(u, w)];
    size_t t = *slot;
    *slot = (uint32_t)z;
    s->tail_odds.tries++;
    if (t < REACH + 16 || load8(data + t - 8) != w || load8(data + t - 16) != u) return false;
    s->tail_odds.hits++;
    size_t room = smaller(z - 16 - q, t - 16 - REACH);
    size_t same = 16 + equal_behind(data + z - 16, data + t - 16, room);
    size_t middle = z - same;
    if (middle - q >= 8 && worth_trying(&s->word_odds)) search_words(s, p, q, middle, middle);
    if (z + 4 <= p->limit && load4(data + z) == load4(data + t))
        same += 4 + equal_ahead(data + z + 4, data + t + 4, p->limit - z - 4);
    put_match(p, middle, same, z - t);
    return true;
}

static bool find_strings(struct sequences *s, struct parse *p, size_t len, size_t start) {
    const uint8_t *data = p->data;
    memset(s->words, 0, sizeof s->words);
    memset(s->tails, 0, sizeof s->tails);
    memset(s->same_length, 0, sizeof s->same_length);
    s->word_odds = s->tail_odds = (struct sequences_odds){0, 0};
    size_t before = 0;
    for (size_t a = start, z; a < len; a = z) {
        uint32_t n = load4(data + a);
        if (n > SEQUENCES_ROW_MAX) return false;
        z = a + 4 + n;
        if (!reserve(s, p, n / 4 + 4)) return false; /* matches of four bytes at least, and delimiters */
        if (z > p->block + SEQUENCES_BLOCK) close_block(p, p->anchor > a ? p->anchor : a, len);
        if (p->anchor <= a) match_head(s, p, a, n, before);
        before = s->same_length[n & 255] = a >= REACH ? (uint32_t)a : 0;
        size_t q = p->anchor > a + 4 ? p->anchor : a + 4;
        if (q + 16 <= z && worth_trying(&s->tail_odds) && match_tail(s, p, q, z)) continue;
        if (worth_trying(&s->word_odds)) search_words(s, p, q, z, p->limit);
    }
    return true;
}

/* Timestamps and the like: the upper bytes are those of the value before. */
static void find_fixed8(struct parse *p, size_t len, size_t start) {
    const uint8_t *data = p->data;
    for (size_t a = start + 8; a + 8 <= len; a += 8) {
        if (a + 8 > p->block + SEQUENCES_BLOCK) close_block(p, a, len);
        uint64_t x = load8(data + a) ^ load8(data + a - 8);
        size_t same = x ? (size_t)__builtin_clzll(x) / 8 : 8;
        if (same >= 3) put_match(p, a + 8 - same, same, 8);
    }
}

size_t sequences_cut(enum page_layout layout, const uint8_t *data, size_t max, size_t start) {
    size_t at = start < max ? start : max;
    if (layout == LAYOUT_FIXED8) return at + (max - at) / 8 * 8;
    if (layout == LAYOUT_BYTES) return max;
    while (at + 4 <= max && max - at - 4 >= load4(data + at)) at += 4 + load4(data + at);
    return at;
}

bool sequences_find(struct sequences *s, enum page_layout layout, const uint8_t *data, size_t len,
                    size_t start) {
    if (layout == LAYOUT_BYTES || len > UINT32_MAX) return false;
    struct parse p = {.next = s->list,
                      .end = s->list + s->cap,
                      .data = data,
                      .limit = len < SEQUENCES_BLOCK ? len : SEQUENCES_BLOCK};
    if (layout == LAYOUT_FIXED8) {
        if (!reserve(s, &p, len / 8 + len / (SEQUENCES_BLOCK / 2) + 2)) return false;
        find_fixed8(&p, len, start);
    } else if (!find_strings(s, &p, len, start)) {
        return false;
    }
    if (!reserve(s, &p, 1)) return false;
    close_block(&p, len, len);
    s->count = (size_t)(p.next - s->list);
    return true;
}

bool sequences_none(struct sequences *s, size_t len) {
    struct parse p = {.next = s->list, .end = s->list + s->cap};
    if (!reserve(s, &p, len / SEQUENCES_BLOCK + 1)) return false;
    for (size_t at = 0; at < len; at += SEQUENCES_BLOCK) {
        size_t n = len - at < SEQUENCES_BLOCK ? len - at : SEQUENCES_BLOCK;
        *p.next++ = (ZSTD_Sequence){.litLength = (unsigned)n};
    }
    s->count = (size_t)(p.next - s->list);
    return true;
}
