#include "bench/pace.h"

#include "base/buf.h"
#include "base/files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 4 << 20, SIZES_MAX = 64, KIND = 96 };

/* What a row of clicks takes as CSV, and a guess for stacks of which nothing is known. */
static const double row_bytes = 300, guess_start_s = 8, guess_s_per_byte = 40e-9;

void pace_open(struct pace *p, const char *root) {
    struct buf text;
    struct err e = {0};
    *p = (struct pace){0};
    if ((size_t)snprintf(p->path, sizeof p->path, "%s/pace.json", root) >= sizeof p->path) *p->path = 0;
    buf_init(&text, 0);
    if (file_exists(p->path) && !file_read_all(p->path, &text, FILE_MAX, &e))
        p->known = json_loadb((const char *)text.data, text.len, 0, NULL);
    buf_release(&text);
    if (!json_is_object(p->known)) {
        json_decref(p->known);
        p->known = json_object();
    }
}

void pace_release(struct pace *p) {
    json_decref(p->known);
    p->known = NULL;
}

double pace_bytes(const struct plan_data *d, uint64_t own) {
    return d->rows ? row_bytes * (double)d->rows : d->size_bytes ? (double)d->size_bytes : (double)own;
}

static void kind_of(const struct plan_case *c, const char *format, char out[KIND]) {
    snprintf(out, KIND, "%s/%s/%s/%gcpu/%.0fMB", format, c->strict ? "strict" : "idiomatic",
             c->cold ? "cold" : "warm", c->resources.cpus, (double)c->resources.memory_bytes / 1e6);
}

static double number(const json_t *pair, size_t i) {
    return json_number_value(json_array_get(pair, i));
}

void pace_add(struct pace *p, const char *stack, const struct plan_case *c, const char *format, double bytes,
              double seconds) {
    char kind[KIND];
    kind_of(c, format, kind);
    json_t *kinds = json_object_get(p->known, stack);
    if (!json_is_object(kinds)) json_object_set_new(p->known, stack, kinds = json_object());
    json_t *list = json_object_get(kinds, kind);
    if (!json_is_array(list)) json_object_set_new(kinds, kind, list = json_array());
    size_t i = 0;
    while (i < json_array_size(list) && number(json_array_get(list, i), 0) < bytes) i++;
    if (i < json_array_size(list) && number(json_array_get(list, i), 0) <= bytes) json_array_remove(list, i);
    if (json_array_size(list) < SIZES_MAX)
        json_array_insert_new(list, i, json_pack("[f,f]", bytes, round(seconds * 1e3) / 1e3));
}

/* By the straight line through the two nearest sizes, which lie around `bytes` where there are such; from one
 * size alone, half of the time, four seconds at most, is taken as starting. */
static double from_sizes(const json_t *list, double bytes) {
    size_t n = json_array_size(list), i = 0;
    if (!n) return NAN;
    while (i + 2 < n && number(json_array_get(list, i + 1), 0) < bytes) i++;
    const json_t *low = json_array_get(list, i), *high = json_array_get(list, i + 1);
    double x = number(low, 0), y = number(low, 1), start = fmin(4, y / 2), slope = (y - start) / x;
    if (!(x > 0 && y > 0)) return NAN;
    if (high && number(high, 0) > x) slope = (number(high, 1) - y) / (number(high, 0) - x);
    double seconds = y + slope * (bytes - x);
    return seconds > y / 10 ? seconds : y / 10;
}

/* How many parts of "csv/strict/warm/2cpu/4000MB" two have in common, the more telling ones first. */
static unsigned likeness(const char *a, const char *b) {
    static const unsigned weights[] = {8, 4, 1, 16, 2};
    unsigned sum = 0;
    for (size_t i = 0; i < sizeof weights / sizeof *weights && *a && *b; i++) {
        size_t n = strcspn(a, "/"), m = strcspn(b, "/");
        if (n == m && memcmp(a, b, n) == 0) sum += weights[i];
        a += n + (a[n] == '/');
        b += m + (b[m] == '/');
    }
    return sum;
}

double pace_of(const struct pace *p, const char *stack, const struct plan_case *c, const char *format,
               double bytes, enum pace_source *source) {
    const json_t *kinds = json_object_get(p->known, stack), *list, *same = NULL, *like = NULL;
    const char *kind;
    char wanted[KIND];
    unsigned best = 0;
    kind_of(c, format, wanted);
    json_object_foreach((json_t *)kinds, kind, list) {
        unsigned now = likeness(kind, wanted);
        if (strcmp(kind, wanted) == 0) same = list;
        if (!like || now > best) like = list, best = now;
    }
    double seconds = from_sizes(same ? same : like, bytes);
    if (!(seconds > 0)) {
        *source = PACE_GUESS;
        return guess_start_s + guess_s_per_byte * bytes / c->resources.cpus;
    }
    *source = PACE_LIKE;
    for (size_t i = 0; i < json_array_size(same); i++)
        if (fabs(number(json_array_get(same, i), 0) - bytes) < 0.02 * bytes) *source = PACE_SAME;
    return seconds;
}

void pace_keep(const struct pace *p) {
    struct err e = {0};
    char *text = json_dumps(p->known, JSON_INDENT(1) | JSON_SORT_KEYS | JSON_REAL_PRECISION(9));
    if (text) file_replace(p->path, text, strlen(text), &e);
    free(text);
}
