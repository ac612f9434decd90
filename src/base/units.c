#include "base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int units_parse_size(const char *text, const char *what, uint64_t *bytes, struct err *e) {
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"", 1},       {"B", 1},         {"KB", 1e3},         {"MB", 1e6},           {"GB", 1e9},
        {"TB", 1e12},  {"k", 1024},      {"m", 1048576},      {"g", 1073741824},     {"t", 1099511627776},
        {"KiB", 1024}, {"MiB", 1048576}, {"GiB", 1073741824}, {"TiB", 1099511627776}};
    char *end = NULL;
    double value = isdigit((unsigned char)text[0]) ? strtod(text, &end) : -1;
    if (value >= 0) {
        while (*end == ' ') end++;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (strcasecmp(end, units[i].name) == 0 && value * units[i].factor < 9.2e18) {
                *bytes = (uint64_t)(value * units[i].factor);
                return 0;
            }
    }
    return err_set(e, ERR_USAGE, "%s: \"%s\" is not a size; write for example 256MB, 1.5GB or 512MiB", what,
                   text);
}

int units_parse_u64(const char *text, const char *what, uint64_t lo, uint64_t hi, uint64_t *value,
                    struct err *e) {
    uint64_t v = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p); p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (UINT64_MAX - digit) / 10) break;
        v = v * 10 + digit;
    }
    if (p == text || *p || v < lo || v > hi)
        return err_set(e, ERR_USAGE, "%s: \"%s\" is not a whole number from %llu to %llu", what, text,
                       (unsigned long long)lo, (unsigned long long)hi);
    *value = v;
    return 0;
}

const char *units_format_size(uint64_t bytes, char *out, size_t cap) {
    static const char *const names[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    double v = (double)bytes;
    int i = 0;
    while (v >= 999.5 && i < 6) {
        v /= 1000;
        i++;
    }
    int digits = i == 0 || v >= 99.95 ? 0 : v >= 9.995 ? 1 : 2;
    snprintf(out, cap, "%.*f %s", digits, v, names[i]);
    return out;
}

const char *units_format_count(uint64_t n, char *out, size_t cap) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;
    for (int i = 0; i < len && at + 2 < cap; i++) {
        if (i && (len - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = 0;
    return out;
}
