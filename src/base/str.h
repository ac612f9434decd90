/* A string slice: bytes with a length, not owned, not NUL-terminated. */
#ifndef WEIR_BASE_STR_H
#define WEIR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `ptr == NULL` stands for null (SQL sense); an empty string has a non-NULL `ptr` and `len` 0. */
struct str {
    const char *ptr;
    uint32_t len;
};

/* A string literal as a slice. */
#define STR(literal) ((struct str){(literal), (uint32_t)(sizeof(literal) - 1)})

static inline struct str str_of(const char *text) {
    return (struct str){text, text ? (uint32_t)strlen(text) : 0};
}

/* Bytewise equality; null equals null only. */
static inline bool str_eq(struct str a, struct str b) {
    return a.len == b.len && (a.ptr == NULL) == (b.ptr == NULL) &&
           (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Bytewise order, nulls first, a prefix before the longer (pipeline.md 3.1): <0, 0, >0. */
static inline int str_cmp(struct str a, struct str b) {
    if (!a.ptr || !b.ptr) return (a.ptr != NULL) - (b.ptr != NULL);
    uint32_t n = a.len < b.len ? a.len : b.len;
    int c = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return c ? c : (a.len > b.len) - (a.len < b.len);
}

#endif
