#include "format/timestamp.h"

#include "format/number.h"
#include "format/swar.h"

/* ISO 8601 text takes one of two ways with the same result. The usual lengths (19, 20, 23, 24, 26, 27 bytes:
 * no fraction or three or six digits, no zone or Z) are checked and converted eight bytes at a time; all
 * else, and whatever is wrong, goes digit by digit. */

static const int64_t US_PER_S = 1000000, US_PER_MIN = 60 * US_PER_S, US_PER_HOUR = 60 * US_PER_MIN,
                     US_PER_DAY = 24 * US_PER_HOUR;

enum { YEAR_MIN = 1900, YEAR_MAX = 2261 };

/* Days from 1970-01-01 to 1900-01-01 and to 2262-01-01. */
static const int64_t DAY_MIN = -25567, DAY_END = 106651;

int32_t timestamp_days_from_civil(int y, unsigned m, unsigned d) {
    y -= m <= 2; /* years begin in March, so that the leap day is the last */
    int era = (y >= 0 ? y : y - 399) / 400;
    unsigned yoe = (unsigned)(y - era * 400);
    unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + (int32_t)doe - 719468;
}

void timestamp_civil_from_days(int32_t days, int *year, unsigned *month, unsigned *day) {
    int64_t z = (int64_t)days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    unsigned doe = (unsigned)(z - era * 146097);
    unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    unsigned mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
    *year = (int)(yoe + era * 400) + (*month <= 2);
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

int32_t timestamp_day(int64_t us) {
    return (int32_t)floor_div(us, US_PER_DAY);
}

int64_t timestamp_ms(int64_t us) {
    return floor_div(us, 1000);
}

/* Fields as written, the year as century and year of the century, to microseconds; false when the date or the
 * time of day does not exist. None is above 99. Branches only once, at the end. */
static inline bool civil_us(unsigned century, unsigned yy, unsigned month, unsigned day, unsigned hour,
                            unsigned minute, unsigned second, unsigned fraction_us, int64_t *us) {
    static const uint8_t month_days[16] = {0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31, 0, 0, 0};
    static const uint16_t days_before[16] = {0,   0,   31,  59,  90,  120, 151, 181,
                                             212, 243, 273, 304, 334, 0,   0,   0};
    unsigned year = century * 100 + yy, m = month & 15;
    unsigned leap = ((yy ? yy : century) & 3) == 0;
    bool wrong = (year - YEAR_MIN > YEAR_MAX - YEAR_MIN) | (month > 12) |
                 (day - 1 >= month_days[m] + (leap & (m == 2))) | (hour > 23) | (minute > 59) | (second > 59);
    /* Leap years before this one: year/4 - year/100 + year/400, without this one. */
    unsigned leaps = century * 24 + century / 4 + yy / 4 - leap;
    int64_t days = (int32_t)(year * 365 + leaps + days_before[m] + (leap & (m > 2)) + day) - (719162 + 366);
    *us = days * US_PER_DAY + (int64_t)(hour * 3600 + minute * 60 + second) * US_PER_S + fraction_us;
    return !wrong;
}

static inline bool is_digit(char c) {
    return (unsigned char)(c - '0') <= 9;
}

/* n digits at p; false when one is not. */
static bool digits(const char *p, unsigned n, unsigned *value) {
    unsigned v = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!is_digit(p[i])) return false;
        v = v * 10 + (unsigned)(p[i] - '0');
    }
    *value = v;
    return true;
}

/* "Z", "+HH:MM", "+HHMM" or nothing to the offset from UTC. */
static bool parse_zone(const char *p, size_t n, int64_t *offset_us) {
    *offset_us = 0;
    if (n == 0 || (n == 1 && *p == 'Z')) return true;
    if ((*p != '+' && *p != '-') || !(n == 5 || (n == 6 && p[3] == ':'))) return false;
    unsigned hours, minutes;
    if (!digits(p + 1, 2, &hours) || !digits(p + n - 2, 2, &minutes)) return false;
    if (minutes > 59 || hours * 60 + minutes > 18 * 60) return false;
    *offset_us = (int64_t)hours * US_PER_HOUR + (int64_t)minutes * US_PER_MIN;
    if (*p == '-') *offset_us = -*offset_us;
    return true;
}

static bool parse_iso_general(struct str t, int64_t *us) {
    const char *p = t.ptr, *end = p + t.len;
    unsigned century, yy, month, day, hour, minute, second, fraction = 0;
    if (t.len < 19) return false;
    if (p[4] != '-' || p[7] != '-' || (p[10] != 'T' && p[10] != ' ') || p[13] != ':' || p[16] != ':')
        return false;
    if (!digits(p, 2, &century) || !digits(p + 2, 2, &yy) || !digits(p + 5, 2, &month) ||
        !digits(p + 8, 2, &day) || !digits(p + 11, 2, &hour) || !digits(p + 14, 2, &minute) ||
        !digits(p + 17, 2, &second))
        return false;
    p += 19;
    if (p < end && *p == '.') {
        unsigned n = 0;
        for (p++; p < end && is_digit(*p); p++, n++) {
            if (n == 6) return false;
            fraction = fraction * 10 + (unsigned)(*p - '0');
        }
        if (n == 0) return false;
        for (; n < 6; n++) fraction *= 10;
    }
    int64_t local, offset;
    if (!parse_zone(p, (size_t)(end - p), &offset)) return false;
    if (!civil_us(century, yy, month, day, hour, minute, second, fraction, &local)) return false;
    *us = local - offset;
    return true;
}

/* Nonzero when a byte of x is above its limit: `add` is 0x76 (limit 9) or 0x7f (limit 0) in each byte. */
static inline uint64_t above(uint64_t x, uint64_t add) {
    return ((x + add) | x) & SWAR_HIGHS;
}

static inline unsigned byte_at(uint64_t x, unsigned i) {
    return (unsigned)(x >> (8 * i)) & 0xff;
}

static inline bool parse_iso_fast(struct str t, int64_t *us) {
    const char *p = t.ptr;
    if (t.len < 19 || t.len > 27) return false;
    /* Exclusive or with the shape ("0000-00-", "00T00:00", ":00") turns digits into 0–9 and what must be as
     * it is into 0; the limits above say which is which. */
    uint64_t a = swar_load(p) ^ 0x2d30302d30303030u;
    uint64_t b = swar_load(p + 8) ^ 0x30303a3030543030u;
    uint64_t w = swar_load(p + 16), c = (w ^ 0x30303au) & 0xffffffu;
    if (p[10] == ' ') b &= ~(uint64_t)0xff0000;
    uint64_t bad = above(a, 0x7f76767f76767676u) | above(b, 0x76767f76767f7676u) | above(c, 0x76767fu);
    unsigned fraction = 0;
    switch (t.len) {
    case 19: break;
    case 20: bad |= (uint64_t)(p[19] ^ 'Z'); break;
    case 24: bad |= (uint64_t)(p[23] ^ 'Z'); /* fallthrough */
    case 23: {
        uint64_t f = (w >> 24 ^ 0x3030302eu) & 0xffffffffu; /* ".000" */
        bad |= above(f, 0x7676767fu);
        fraction = (byte_at(f, 1) * 100 + byte_at(f, 2) * 10 + byte_at(f, 3)) * 1000;
        break;
    }
    case 27: bad |= (uint64_t)(p[26] ^ 'Z'); /* fallthrough */
    case 26: {
        uint64_t f = (swar_load(p + 19) ^ 0x3030303030302eu) & 0xffffffffffffffu; /* ".000000" */
        bad |= above(f, 0x7676767676767fu);
        uint64_t two = f * 10 + (f >> 8); /* byte i: the two-digit number at i */
        fraction = byte_at(two, 1) * 10000 + byte_at(two, 3) * 100 + byte_at(two, 5);
        break;
    }
    default: return false;
    }
    if (bad) return false;
    a = a * 10 + (a >> 8);
    b = b * 10 + (b >> 8);
    c = c * 10 + (c >> 8);
    return civil_us(byte_at(a, 0), byte_at(a, 2), byte_at(a, 5), byte_at(b, 0), byte_at(b, 3), byte_at(b, 6),
                    byte_at(c, 1), fraction, us);
}

static bool parse_epoch(enum timestamp_form form, struct str t, int64_t *us) {
    int64_t v;
    return number_parse_long(t, &v) && timestamp_from_epoch(form, v, us);
}

bool timestamp_parse(enum timestamp_form form, struct str text, int64_t *us) {
    if (form != TIMESTAMP_ISO8601) return parse_epoch(form, text, us);
    return parse_iso_fast(text, us) || parse_iso_general(text, us);
}

bool timestamp_from_epoch(enum timestamp_form form, int64_t value, int64_t *us) {
    int64_t unit_us = form == TIMESTAMP_EPOCH_S ? US_PER_S : form == TIMESTAMP_EPOCH_MS ? 1000 : 1;
    int64_t per_day = US_PER_DAY / unit_us;
    if (value < DAY_MIN * per_day || value >= DAY_END * per_day) return false;
    *us = value * unit_us;
    return true;
}

static char *put(char *out, unsigned value, unsigned width, char after) {
    for (unsigned i = width; i-- > 0; value /= 10) out[i] = (char)('0' + value % 10);
    out[width] = after;
    return out + width + 1;
}

void timestamp_print(int64_t us, char out[TIMESTAMP_TEXT]) {
    int32_t days = timestamp_day(us);
    int64_t in_day = us - days * US_PER_DAY;
    unsigned seconds = (unsigned)(in_day / US_PER_S), month, day;
    int year;
    timestamp_civil_from_days(days, &year, &month, &day);
    out = put(out, (unsigned)year, 4, '-');
    out = put(out, month, 2, '-');
    out = put(out, day, 2, 'T');
    out = put(out, seconds / 3600, 2, ':');
    out = put(out, seconds / 60 % 60, 2, ':');
    out = put(out, seconds % 60, 2, '.');
    out = put(out, (unsigned)(in_day % US_PER_S), 6, 'Z');
    *out = 0;
}
