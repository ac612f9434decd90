#include "format/csv.h"

#include "format/swar.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#include <arm_neon.h>
#define HAVE_NEON 1
#endif

/* ---- portable */

static struct csv_index_result index_portable(const uint8_t *data, size_t len, char delimiter,
                                              uint32_t *out) {
    struct csv_index_result r = {0};
    uint8_t high = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = data[i];
        high |= c;
        if (c == '\n')
            out[r.count++] = (uint32_t)i | CSV_LF;
        else if (c == '"')
            out[r.count++] = (uint32_t)i | CSV_QUOTE;
        else if (c == (uint8_t)delimiter)
            out[r.count++] = (uint32_t)i;
    }
    r.high_bits = high >= 0x80;
    return r;
}

/* A line feed ends a line that is not blank unless it begins the data or follows another, with one carriage
 * return between them or without. The loop is plain, so that each target's compiler pass can vectorise it:
 * sums of at most 255 in bytes, then widened. */
static inline __attribute__((always_inline)) uint64_t count_lines_body(const uint8_t *d, size_t len) {
    uint64_t n = 0;
    if (len == 0) return 0;
    if (len > 1) n += d[1] == '\n' && d[0] != '\n' && d[0] != '\r';
    for (size_t i = 2; i < len;) {
        size_t stop = len - i > 65535 ? i + 65535 : len;
        uint16_t sum = 0;
        for (; i < stop; i++) {
            uint8_t blank = (uint8_t)((d[i - 1] == '\n') | ((d[i - 1] == '\r') & (d[i - 2] == '\n')));
            sum = (uint16_t)(sum + (uint8_t)((d[i] == '\n') & !blank));
        }
        n += sum;
    }
    bool lone_cr = d[len - 1] == '\r' && (len == 1 || d[len - 2] == '\n');
    return n + (d[len - 1] != '\n' && !lone_cr);
}

static uint64_t count_lines_portable(const uint8_t *data, size_t len) {
    return count_lines_body(data, len);
}

/* The entries of one block of 64 bytes, given the set of each kind as a bit mask. */
static inline uint32_t *put_block(uint32_t *out, uint32_t base, uint64_t delimiters, uint64_t lfs,
                                  uint64_t quotes) {
    for (uint64_t all = delimiters | lfs | quotes; all; all &= all - 1) {
        unsigned bit = (unsigned)__builtin_ctzll(all);
        *out++ = (base + bit) | (uint32_t)(lfs >> bit & 1) << 31 | (uint32_t)(quotes >> bit & 1) << 30;
    }
    return out;
}

/* Bits of the block at i that are inside len. */
static inline uint64_t inside(size_t i, size_t len) {
    return len - i >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << (len - i)) - 1;
}

#if defined(__x86_64__)
/* ---- AVX2 */

__attribute__((target("avx2"))) static inline uint64_t equal_avx2(__m256i a, __m256i b, __m256i what) {
    uint32_t lo = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, what));
    uint32_t hi = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, what));
    return lo | (uint64_t)hi << 32;
}

__attribute__((target("avx2,bmi,bmi2"))) static struct csv_index_result
index_avx2(const uint8_t *data, size_t len, char delimiter, uint32_t *out) {
    const __m256i del = _mm256_set1_epi8(delimiter), lf = _mm256_set1_epi8('\n'),
                  quote = _mm256_set1_epi8('"');
    uint32_t *next = out;
    uint64_t high = 0;
    for (size_t i = 0; i < len; i += 64) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(data + i));
        __m256i b = _mm256_loadu_si256((const __m256i *)(data + i + 32));
        uint64_t keep = inside(i, len);
        uint32_t high_a = (uint32_t)_mm256_movemask_epi8(a), high_b = (uint32_t)_mm256_movemask_epi8(b);
        high |= (high_a | (uint64_t)high_b << 32) & keep;
        next = put_block(next, (uint32_t)i, equal_avx2(a, b, del) & keep, equal_avx2(a, b, lf) & keep,
                         equal_avx2(a, b, quote) & keep);
    }
    return (struct csv_index_result){(size_t)(next - out), high != 0};
}

__attribute__((target("avx2"))) static uint64_t count_lines_avx2(const uint8_t *data, size_t len) {
    return count_lines_body(data, len);
}

/* ---- AVX-512 (with VBMI2: Ice Lake, Zen 4 and later) */

#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vbmi2,bmi,bmi2,popcnt")))

TARGET_AVX512 static struct csv_index_result index_avx512(const uint8_t *data, size_t len, char delimiter,
                                                          uint32_t *out) {
    static const uint8_t ascending[64] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                          16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31,
                                          32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
                                          48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};
    const __m512i del = _mm512_set1_epi8(delimiter), lf = _mm512_set1_epi8('\n'),
                  quote = _mm512_set1_epi8('"');
    const __m512i places = _mm512_loadu_si512(ascending);
    const __m512i lf_bit = _mm512_set1_epi32((int)CSV_LF), quote_bit = _mm512_set1_epi32((int)CSV_QUOTE);
    uint32_t *next = out;
    uint64_t high = 0;
    for (size_t i = 0; i < len; i += 64) {
        uint64_t keep = inside(i, len);
        __m512i v = _mm512_loadu_si512(data + i);
        high |= _mm512_movepi8_mask(v) & keep;
        uint64_t lfs = _mm512_cmpeq_epi8_mask(v, lf) & keep, quotes = _mm512_cmpeq_epi8_mask(v, quote) & keep;
        uint64_t all = (_mm512_cmpeq_epi8_mask(v, del) & keep) | lfs | quotes;
        /* Gather the places of the set bits, and by the same gathering which of them are which. */
        __m512i found = _mm512_maskz_compress_epi8(all, places);
        uint64_t is_lf = _pext_u64(lfs, all), is_quote = _pext_u64(quotes, all);
        unsigned count = (unsigned)_mm_popcnt_u64(all);
        __m512i base = _mm512_set1_epi32((int)i);
        for (unsigned k = 0;; k += 16) {
            __m512i e = _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(found)), base);
            e = _mm512_mask_or_epi32(e, (__mmask16)(is_lf >> k), e, lf_bit);
            e = _mm512_mask_or_epi32(e, (__mmask16)(is_quote >> k), e, quote_bit);
            _mm512_storeu_si512(next + k, e);
            if (k + 16 >= count) break;
            found = _mm512_alignr_epi32(found, found, 4); /* the next 16 */
        }
        next += count;
    }
    return (struct csv_index_result){(size_t)(next - out), high != 0};
}

TARGET_AVX512 static uint64_t count_lines_avx512(const uint8_t *data, size_t len) {
    return count_lines_body(data, len);
}
#endif

#if defined(HAVE_NEON)
/* ---- NEON */

/* One bit a byte of four comparisons' results, by adding neighbours of weighted bits. */
static inline uint64_t bits_neon(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d) {
    static const uint8_t weights[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t w = vld1q_u8(weights);
    uint8x16_t ab = vpaddq_u8(vandq_u8(a, w), vandq_u8(b, w));
    uint8x16_t cd = vpaddq_u8(vandq_u8(c, w), vandq_u8(d, w));
    uint8x16_t sum = vpaddq_u8(ab, cd);
    sum = vpaddq_u8(sum, sum);
    return vgetq_lane_u64(vreinterpretq_u64_u8(sum), 0);
}

static struct csv_index_result index_neon(const uint8_t *data, size_t len, char delimiter, uint32_t *out) {
    const uint8x16_t del = vdupq_n_u8((uint8_t)delimiter), lf = vdupq_n_u8('\n'), quote = vdupq_n_u8('"');
    const uint8x16_t top = vdupq_n_u8(0x80);
    uint32_t *next = out;
    uint64_t high = 0;
    for (size_t i = 0; i < len; i += 64) {
        uint8x16_t a = vld1q_u8(data + i), b = vld1q_u8(data + i + 16);
        uint8x16_t c = vld1q_u8(data + i + 32), d = vld1q_u8(data + i + 48);
        uint64_t keep = inside(i, len);
        high |= bits_neon(vcgeq_u8(a, top), vcgeq_u8(b, top), vcgeq_u8(c, top), vcgeq_u8(d, top)) & keep;
        uint64_t dels = bits_neon(vceqq_u8(a, del), vceqq_u8(b, del), vceqq_u8(c, del), vceqq_u8(d, del));
        uint64_t lfs = bits_neon(vceqq_u8(a, lf), vceqq_u8(b, lf), vceqq_u8(c, lf), vceqq_u8(d, lf));
        uint64_t quotes =
            bits_neon(vceqq_u8(a, quote), vceqq_u8(b, quote), vceqq_u8(c, quote), vceqq_u8(d, quote));
        next = put_block(next, (uint32_t)i, dels & keep, lfs & keep, quotes & keep);
    }
    return (struct csv_index_result){(size_t)(next - out), high != 0};
}
#endif

/* ---- the dispatch table */

static const struct csv_kernels table[] = {
    {"portable", index_portable, count_lines_portable},
#if defined(__x86_64__)
    {"avx2", index_avx2, count_lines_avx2},
    {"avx512", index_avx512, count_lines_avx512},
#endif
#if defined(HAVE_NEON)
    {"neon", index_neon, count_lines_portable}, /* NEON is the baseline there: the plain loop has it */
#endif
};

enum { KERNEL_COUNT = sizeof table / sizeof table[0] };

static bool runs_here(const struct csv_kernels *k) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool avx2 =
        __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    if (!strcmp(k->name, "avx2")) return avx2;
    if (!strcmp(k->name, "avx512"))
        return avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi2");
#endif
    (void)k;
    return true;
}

const struct csv_kernels *csv_kernels(void) {
    const char *wanted = getenv("WEIR_SIMD");
    for (unsigned i = KERNEL_COUNT; i-- > 0;)
        if ((!wanted || !*wanted || !strcmp(wanted, table[i].name)) && runs_here(&table[i])) return &table[i];
    return &table[0];
}

unsigned csv_kernels_all(const struct csv_kernels *out[4]) {
    unsigned n = 0;
    for (unsigned i = 0; i < KERNEL_COUNT; i++)
        if (runs_here(&table[i])) out[n++] = &table[i];
    return n;
}
