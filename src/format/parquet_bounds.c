#include "format/parquet_bounds.h"

#include <math.h>

void string_bound_set(struct string_bound *b, const uint8_t *data, uint32_t len) {
    uint8_t prefix[16] = {0};
    if (len > sizeof b->data) len = sizeof b->data;
    if (len) memcpy(b->data, data, len);
    b->len = (uint8_t)len;
    memcpy(prefix, b->data, len < 16 ? len : 16);
    memcpy(b->word, prefix, 16);
    b->settled = len > 16 && ((b->word[0] | b->word[1]) & UINT64_C(0x8080808080808080)) == 0;
    b->word[0] = __builtin_bswap64(b->word[0]);
    b->word[1] = __builtin_bswap64(b->word[1]);
}

static int compare(const struct string_bound *b, const uint8_t *data, uint32_t len) {
    size_t n = b->len < len ? b->len : len;
    int c = n ? memcmp(b->data, data, n) : 0;
    return c ? c : (b->len > len) - (b->len < len);
}

void string_bounds_add_slow(struct string_bounds *b, const uint8_t *data, uint32_t len) {
    if (!b->any || compare(&b->lower, data, len) > 0) string_bound_set(&b->lower, data, len);
    if (!b->any || compare(&b->upper, data, len) < 0) string_bound_set(&b->upper, data, len);
    b->any = true;
}

static bool is_continuation(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

size_t bound_truncate(const uint8_t *data, size_t len) {
    size_t chars = 0, i = 0;
    for (; i < len; i++) {
        if (is_continuation(data[i])) continue;
        if (chars == PARQUET_BOUND_CHARS) break;
        chars++;
    }
    return i < PARQUET_BOUND ? i : PARQUET_BOUND; /* the latter only when it is not UTF-8 */
}

/* The code point in data[0 … len), which must be all of it; -1 when it is not UTF-8. */
static int32_t decode(const uint8_t *data, size_t len) {
    static const uint8_t first_mask[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    static const uint8_t lead[5] = {0, 0x00, 0xc0, 0xe0, 0xf0};
    if (len < 1 || len > 4 || (data[0] & ~first_mask[len] & 0xff) != lead[len]) return -1;
    int32_t c = data[0] & first_mask[len];
    for (size_t i = 1; i < len; i++) {
        if (!is_continuation(data[i])) return -1;
        c = c << 6 | (data[i] & 0x3f);
    }
    return c;
}

static size_t encode(int32_t c, uint8_t *out) {
    if (c < 0x80) return out[0] = (uint8_t)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i; i--, c >>= 6) out[i] = (uint8_t)(0x80 | (c & 0x3f));
    out[0] = (uint8_t)((0xf00 >> n & 0xf0) | c);
    return n;
}

size_t bound_round_up(uint8_t *data, size_t len) {
    while (len) {
        size_t start = len - 1;
        while (start && is_continuation(data[start])) start--;
        int32_t c = decode(data + start, len - start);
        if (c < 0) return 0;
        if (c < 0x10ffff) {
            c = c == 0xd7ff ? 0xe000 : c + 1; /* surrogates are no characters */
            uint8_t next[4];
            size_t n = encode(c, next);
            if (start + n > PARQUET_BOUND) return 0; /* possible only where it is not UTF-8 */
            memcpy(data + start, next, n);
            return start + n;
        }
        len = start;
    }
    return 0;
}

void string_bounds_finish(const struct string_bounds *b, struct parquet_chunk_meta *meta) {
    if (!b->any) return;
    meta->has_bounds = true;
    size_t n = bound_truncate(b->lower.data, b->lower.len);
    if (n) memcpy(meta->lower, b->lower.data, n);
    meta->lower_len = (uint8_t)n;
    meta->lower_exact = n == b->lower.len;

    n = bound_truncate(b->upper.data, b->upper.len);
    if (n) memcpy(meta->upper, b->upper.data, n);
    meta->upper_exact = n == b->upper.len;
    if (!meta->upper_exact) n = bound_round_up(meta->upper, n);
    meta->upper_len = (uint8_t)n;
    meta->has_upper = meta->upper_exact || n;
}

static void set_fixed(struct parquet_chunk_meta *meta, const void *low, const void *high, size_t len) {
    meta->has_bounds = meta->has_upper = meta->lower_exact = meta->upper_exact = true;
    memcpy(meta->lower, low, len); /* little-endian hosts only, as the rest of the writer */
    memcpy(meta->upper, high, len);
    meta->lower_len = meta->upper_len = (uint8_t)len;
}

void int32_bounds(const int32_t *values, size_t count, struct parquet_chunk_meta *meta) {
    if (!count) return;
    int32_t low = values[0], high = values[0];
    if (meta->has_bounds) {
        memcpy(&low, meta->lower, sizeof low);
        memcpy(&high, meta->upper, sizeof high);
    }
    for (size_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    set_fixed(meta, &low, &high, sizeof low);
}

void int64_bounds(const int64_t *values, size_t count, struct parquet_chunk_meta *meta) {
    if (!count) return;
    int64_t low = values[0], high = values[0];
    if (meta->has_bounds) {
        memcpy(&low, meta->lower, sizeof low);
        memcpy(&high, meta->upper, sizeof high);
    }
    for (size_t i = 0; i < count; i++) {
        low = values[i] < low ? values[i] : low;
        high = values[i] > high ? values[i] : high;
    }
    set_fixed(meta, &low, &high, sizeof low);
}

void double_bounds(const double *values, size_t count, struct parquet_chunk_meta *meta) {
    double low = INFINITY, high = -INFINITY;
    bool any = meta->has_bounds;
    if (any) {
        memcpy(&low, meta->lower, sizeof low);
        memcpy(&high, meta->upper, sizeof high);
    }
    for (size_t i = 0; i < count; i++) {
        double v = values[i];
        if (isnan(v)) {
            meta->nan_count++;
            continue;
        }
        any = true;
        low = v < low ? v : low;
        high = v > high ? v : high;
    }
    if (!any) return;
    if (low == 0) low = -0.0;
    if (high == 0) high = 0.0;
    set_fixed(meta, &low, &high, sizeof low);
}
