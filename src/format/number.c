#include "format/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

bool number_parse_long(struct str t, int64_t *value) {
    const char *p = t.ptr, *end = p + t.len;
    bool negative = p < end && *p == '-';
    if (p < end && (*p == '-' || *p == '+')) p++;
    if (end - p < 1 || end - p > 18) return false;
    int64_t v = 0;
    for (; p < end; p++) {
        if (!is_digit(*p)) return false;
        v = v * 10 + (*p - '0');
    }
    *value = negative ? -v : v;
    return true;
}

/* A decimal number as read: digits[0..count) × 10^exponent. Whether a decimal rounds up or down is settled by
 * its first 768 significant digits and by whether anything but zeros follows, so more need not be kept. */
enum { DIGITS_MAX = 770 };

struct decimal {
    bool negative;
    unsigned count;   /* significant digits kept */
    int64_t exponent; /* of the last one kept */
    char text[800];   /* the digits, then room for an exponent */
};

static void add_digit(struct decimal *d, char c, bool fraction) {
    if (d->count == 0 && c == '0') { /* leading zeros are not significant */
        d->exponent -= fraction;
    } else if (d->count < DIGITS_MAX) {
        d->text[d->count++] = c;
        d->exponent -= fraction;
    } else {
        if (c != '0') d->text[DIGITS_MAX - 1] = '1'; /* not exactly what was kept: a little more */
        d->exponent += !fraction;
    }
}

static bool read_decimal(struct str t, struct decimal *d) {
    const char *p = t.ptr, *end = p + t.len;
    d->negative = p < end && *p == '-';
    d->count = 0;
    d->exponent = 0;
    p += d->negative;
    if (p == end || !is_digit(*p)) return false;
    for (; p < end && is_digit(*p); p++) add_digit(d, *p, false);
    if (p < end && *p == '.') {
        if (++p == end || !is_digit(*p)) return false;
        for (; p < end && is_digit(*p); p++) add_digit(d, *p, true);
    }
    if (p < end && *p == 'e') {
        bool minus = ++p < end && *p == '-';
        if (p < end && (*p == '-' || *p == '+')) p++;
        if (p == end) return false;
        int64_t x = 0;
        for (; p < end; p++) {
            if (!is_digit(*p)) return false;
            if (x < 100000000000) x = x * 10 + (*p - '0'); /* saturates far outside any double */
        }
        d->exponent += minus ? -x : x;
    }
    return p == end;
}

bool number_parse_double(struct str t, double *value) {
    static const double exact[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    if (!read_decimal(t, &d)) return false;
    double v = 0;
    if (d.count && d.count <= 15 && d.exponent >= -22 && d.exponent <= 22) {
        /* Clinger's fast path: both factors are exact doubles, so one operation rounds once. */
        uint64_t m = 0;
        for (unsigned i = 0; i < d.count; i++) m = m * 10 + (uint64_t)(d.text[i] - '0');
        v = d.exponent < 0 ? (double)m / exact[-d.exponent] : (double)m * exact[d.exponent];
    } else if (d.count) {
        /* No decimal point in what strtod sees, so the locale has no say. */
        snprintf(d.text + d.count, sizeof d.text - d.count, "e%lld", (long long)d.exponent);
        v = strtod(d.text, NULL);
        if (isinf(v)) return false;
    }
    *value = d.negative ? -v : v;
    return true;
}
