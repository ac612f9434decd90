/* Timestamps: the first byte chooses the form, the rest is the text; compared with a slow reading of
 * pipeline.md 2.5 that leaves the calendar to the C library. */
#include "format/timestamp.h"

#include <stdlib.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    const uint8_t *p, *end;
};

static bool one_of(struct reader *r, const char *set, char *which) {
    if (r->p == r->end || !*r->p || !strchr(set, *r->p)) return false;
    *which = (char)*r->p++;
    return true;
}

/* From `least` to `most` digits, as many as there are; -1 when too few or too many. */
static int64_t digits(struct reader *r, int least, int most, int *count) {
    int64_t v = 0;
    int n = 0;
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; n++) {
        if (n == most) return -1;
        v = v * 10 + (*r->p++ - '0');
    }
    if (count) *count = n;
    return n < least ? -1 : v;
}

/* Exactly two digits, whatever follows. */
static int64_t pair(struct reader *r) {
    struct reader two = {r->p, r->end - r->p >= 2 ? r->p + 2 : r->end};
    int64_t v = digits(&two, 2, 2, NULL);
    r->p = two.p;
    return v;
}

static bool read_iso(struct reader r, int64_t *us) {
    char c;
    int64_t year = digits(&r, 4, 4, NULL);
    if (year < 1900 || year > 2261 || !one_of(&r, "-", &c)) return false;
    int64_t month = digits(&r, 2, 2, NULL);
    if (month < 1 || month > 12 || !one_of(&r, "-", &c)) return false;
    int64_t day = digits(&r, 2, 2, NULL);
    if (day < 1 || !one_of(&r, "T ", &c)) return false;
    int64_t hour = digits(&r, 2, 2, NULL);
    if (hour < 0 || hour > 23 || !one_of(&r, ":", &c)) return false;
    int64_t minute = digits(&r, 2, 2, NULL);
    if (minute < 0 || minute > 59 || !one_of(&r, ":", &c)) return false;
    int64_t second = digits(&r, 2, 2, NULL);
    if (second < 0 || second > 59) return false;
    int64_t fraction = 0, offset_s = 0;
    if (one_of(&r, ".", &c)) {
        int n;
        fraction = digits(&r, 1, 6, &n);
        if (fraction < 0) return false;
        while (n++ < 6) fraction *= 10;
    }
    if (one_of(&r, "+-", &c)) {
        char colon;
        int64_t hours = pair(&r);
        one_of(&r, ":", &colon);
        int64_t minutes = pair(&r);
        if (hours < 0 || minutes < 0 || minutes > 59 || hours * 60 + minutes > 1080) return false;
        offset_s = (hours * 60 + minutes) * (c == '-' ? -60 : 60);
    } else {
        one_of(&r, "Z", &c);
    }
    if (r.p != r.end) return false;
    struct tm tm = {.tm_year = (int)year - 1900, .tm_mon = (int)month - 1, .tm_mday = (int)day};
    int64_t midnight = timegm(&tm);
    if (tm.tm_mday != day) return false;
    *us = (midnight + hour * 3600 + minute * 60 + second - offset_s) * 1000000 + fraction;
    return true;
}

static bool read_epoch(struct reader r, int64_t unit_us, int64_t *us) {
    char sign = '+';
    one_of(&r, "+-", &sign);
    int64_t v = digits(&r, 1, 18, NULL);
    if (v < 0 || r.p != r.end) return false;
    if (sign == '-') v = -v;
    __int128 exact = (__int128)v * unit_us;
    *us = (int64_t)exact;
    return exact >= -2208988800000000 && exact < 9214646400000000;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 4096) return 0;
    enum timestamp_form form = data[0] % 4;
    static const int64_t units[] = {0, 1000000, 1000, 1};
    struct reader r = {data + 1, data + size};
    int64_t expected = 0, us = 0, back = 0;
    bool ok = form == TIMESTAMP_ISO8601 ? read_iso(r, &expected) : read_epoch(r, units[form], &expected);
    static const char kinds[] = {'0', 'Z', ':', '\0', '\xff'};
    for (size_t i = 0; i < sizeof kinds; i++) {
        char *text = malloc(size - 1 + 16);
        if (!text) abort();
        memcpy(text, data + 1, size - 1);
        memset(text + size - 1, kinds[i], 16);
        if (timestamp_parse(form, (struct str){text, (uint32_t)size - 1}, &us) != ok) abort();
        free(text);
        if (ok && us != expected) abort();
    }
    if (!ok || us < -2208988800000000 || us >= 9214646400000000) return 0;
    char printed[TIMESTAMP_TEXT + 16];
    timestamp_print(us, printed);
    if (!timestamp_parse(TIMESTAMP_ISO8601, (struct str){printed, TIMESTAMP_TEXT - 1}, &back) || back != us)
        abort();
    return 0;
}
