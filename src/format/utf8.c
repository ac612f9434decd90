#include "format/utf8.h"

#include "format/swar.h"

unsigned utf8_sequence(const uint8_t *p, size_t len) {
    uint8_t a = p[0];
    if (a < 0x80) return 1;
    if (a < 0xc2 || len < 2) return 0; /* a continuation byte, or C0, C1: always overlong */
    if (a < 0xe0) return (p[1] & 0xc0) == 0x80 ? 2 : 0;
    if (a < 0xf0) {
        uint8_t lo = a == 0xe0 ? 0xa0 : 0x80; /* overlong below */
        uint8_t hi = a == 0xed ? 0x9f : 0xbf; /* surrogates above */
        return len >= 3 && p[1] >= lo && p[1] <= hi && (p[2] & 0xc0) == 0x80 ? 3 : 0;
    }
    if (a > 0xf4) return 0;
    uint8_t lo = a == 0xf0 ? 0x90 : 0x80; /* overlong below */
    uint8_t hi = a == 0xf4 ? 0x8f : 0xbf; /* beyond U+10FFFF above */
    return len >= 4 && p[1] >= lo && p[1] <= hi && (p[2] & 0xc0) == 0x80 && (p[3] & 0xc0) == 0x80 ? 4 : 0;
}

bool utf8_valid(const uint8_t *p, size_t len) {
    const uint8_t *end = p + len;
    while (p < end) {
        if (*p < 0x80) {
            while (end - p >= 64) {
                uint64_t any = 0;
                for (int i = 0; i < 64; i += 8) any |= swar_load(p + i);
                if (any & SWAR_HIGHS) break;
                p += 64;
            }
            while (end - p >= 8 && !(swar_load(p) & SWAR_HIGHS)) p += 8;
            while (p < end && *p < 0x80) p++;
            if (p == end) return true;
        }
        unsigned n = utf8_sequence(p, (size_t)(end - p));
        if (!n) return false;
        p += n;
    }
    return true;
}
