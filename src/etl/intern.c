#include "etl/intern.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 256 };

void intern_release(struct intern *t) {
    free(t->slots);
    free(t->entries);
    buf_release(&t->bytes);
    *t = (struct intern){0};
}

void intern_clear(struct intern *t) {
    if (t->count) memset(t->slots, 0, t->slot_count * sizeof *t->slots);
    t->count = 0;
    buf_clear(&t->bytes);
}

static int grow(struct intern *t, struct err *e) {
    uint32_t slot_count = t->slot_count ? t->slot_count * 2 : FIRST_SLOTS, cap = slot_count / 2;
    struct intern_entry *entries = realloc(t->entries, cap * sizeof *entries);
    if (!entries) return err_nomem(e);
    t->entries = entries;
    t->cap = cap;
    uint32_t *slots = calloc(slot_count, sizeof *slots);
    if (!slots) return err_nomem(e);
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t at = entries[i].hash & (slot_count - 1);
        while (slots[at]) at = (at + 1) & (slot_count - 1);
        slots[at] = i + 1;
    }
    free(t->slots);
    t->slots = slots;
    t->slot_count = slot_count;
    return 0;
}

static inline uint32_t hash_of(struct str s) {
    return (uint32_t)XXH3_64bits(s.ptr, s.len);
}

static uint32_t intern_hashed(struct intern *t, struct str s, uint32_t hash, struct err *e) {
    if (t->count == t->cap && grow(t, e)) return UINT32_MAX;
    uint32_t mask = t->slot_count - 1, at = hash & mask;
    for (; t->slots[at]; at = (at + 1) & mask) {
        const struct intern_entry *x = &t->entries[t->slots[at] - 1];
        if (x->hash == hash && x->len == s.len && intern_equal(t->bytes.data + x->offset, s.ptr, s.len))
            return t->slots[at] - 1;
    }
    t->bytes.max = SIZE_MAX / 2;
    uint64_t offset = t->bytes.len;
    if (buf_reserve(&t->bytes, s.len + 1, e) || buf_add(&t->bytes, s.ptr, s.len, e)) return UINT32_MAX;
    t->entries[t->count] = (struct intern_entry){.offset = offset, .len = s.len, .hash = hash};
    t->slots[at] = ++t->count;
    return t->count - 1;
}

uint32_t intern_str(struct intern *t, struct str s, struct err *e) {
    return intern_hashed(t, s, hash_of(s), e);
}

int intern_strs(struct intern *t, const struct str *s, uint32_t n, uint32_t *numbers, struct err *e) {
    uint32_t hash[INTERN_BLOCK];
    for (uint32_t i = 0; i < n; i++) {
        hash[i] = s[i].ptr ? hash_of(s[i]) : 0;
        if (t->slot_count) __builtin_prefetch(&t->slots[hash[i] & (t->slot_count - 1)]);
    }
    for (uint32_t i = 0; i < n && t->slot_count; i++) {
        uint32_t slot = t->slots[hash[i] & (t->slot_count - 1)];
        if (slot) __builtin_prefetch(&t->entries[slot - 1]);
    }
    for (uint32_t i = 0; i < n; i++) {
        numbers[i] = s[i].ptr ? intern_hashed(t, s[i], hash[i], e) : UINT32_MAX;
        if (s[i].ptr && numbers[i] == UINT32_MAX) return e->code;
    }
    return 0;
}

uint32_t intern_pair(struct intern *t, uint64_t a, uint64_t b, struct err *e) {
    if (t->count == t->cap && grow(t, e)) return UINT32_MAX;
    uint64_t mixed = (a ^ (b * 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u;
    uint32_t hash = (uint32_t)(mixed >> 32), mask = t->slot_count - 1, at = hash & mask;
    for (; t->slots[at]; at = (at + 1) & mask) {
        const struct intern_entry *x = &t->entries[t->slots[at] - 1];
        if (x->offset == a && x->extra == b) return t->slots[at] - 1;
    }
    t->entries[t->count] = (struct intern_entry){.offset = a, .extra = b, .hash = hash};
    t->slots[at] = ++t->count;
    return t->count - 1;
}
