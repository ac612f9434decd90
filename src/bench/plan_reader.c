#include "bench/plan_reader.h"

#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int plan_wrong(const struct plan_reader *r, const char *key, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_INPUT, "%s: %s: %s", r->file, key, text);
}

int plan_only_keys(const struct plan_reader *r, const json_t *o, const char *where,
                   const char *const *allowed) {
    const char *key;
    json_t *value;
    if (!json_is_object(o)) return plan_wrong(r, where, "must be a mapping (key: value)");
    json_object_foreach((json_t *)o, key, value) {
        size_t i = 0;
        while (allowed[i] && strcmp(allowed[i], key) != 0) i++;
        if (allowed[i]) continue;
        char all[512];
        size_t at = 0;
        for (i = 0; allowed[i] && at < sizeof all; i++)
            at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", i ? ", " : "", allowed[i]);
        return plan_wrong(r, where, "unknown key \"%.60s\"; allowed: %s", key, all);
    }
    return 0;
}

int plan_read_text(const struct plan_reader *r, const json_t *o, const char *key, const char **out) {
    const json_t *v = json_object_get(o, key);
    if (!v) return 0;
    if (!json_is_string(v) || !json_string_length(v)) return plan_wrong(r, key, "must be text");
    *out = arena_printf(&r->p->arena, "%s", json_string_value(v));
    return *out ? 0 : err_nomem(r->e);
}

int plan_read_whole(const struct plan_reader *r, const json_t *o, const char *key, int64_t lo, int64_t hi,
                    int64_t *out) {
    const json_t *v = json_object_get(o, key);
    if (!v) return 0;
    int64_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < lo || n > hi)
        return plan_wrong(r, key, "must be a whole number from %lld to %lld", (long long)lo, (long long)hi);
    *out = n;
    return 0;
}

int plan_read_size(const struct plan_reader *r, const json_t *o, const char *key, uint64_t *out) {
    const json_t *v = json_object_get(o, key);
    struct err e = {0};
    if (!v) return 0;
    if (json_is_integer(v) && json_integer_value(v) > 0)
        *out = (uint64_t)json_integer_value(v);
    else if (!json_is_string(v) || units_parse_size(json_string_value(v), key, out, &e) || !*out)
        return plan_wrong(r, key, "must be a size like 64MB or 2GiB");
    return 0;
}

int plan_read_duration(const struct plan_reader *r, const json_t *o, const char *key, double *out) {
    const json_t *v = json_object_get(o, key);
    if (!v) return 0;
    double n = json_number_value(v), unit = 1;
    if (json_is_string(v)) {
        char *end;
        n = strtod(json_string_value(v), &end);
        unit = strcmp(end, "s") == 0 ? 1 : strcmp(end, "m") == 0 ? 60 : strcmp(end, "h") == 0 ? 3600 : 0;
    }
    if (!(n * unit > 0 && n * unit < 1e8))
        return plan_wrong(r, key, "must be a duration like 90s, 10m or 2h");
    *out = n * unit;
    return 0;
}

int plan_read_yes(const struct plan_reader *r, const json_t *o, const char *key, bool *out) {
    const json_t *v = json_object_get(o, key);
    if (v && !json_is_boolean(v)) return plan_wrong(r, key, "must be true or false");
    *out = json_is_true(v);
    return 0;
}

int plan_read_choice(const struct plan_reader *r, const json_t *o, const char *key, const char *first,
                     const char *second, bool *has_first, bool *has_second) {
    const json_t *v = json_object_get(o, key);
    if (!v) return 0;
    *has_first = *has_second = false;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        bool is_first = word && strcmp(word, first) == 0, is_second = word && strcmp(word, second) == 0;
        if (!is_first && !is_second)
            return plan_wrong(r, key, "must be %s, %s, or a list of both", first, second);
        *has_first = *has_first || is_first;
        *has_second = *has_second || is_second;
    }
    return n ? 0 : plan_wrong(r, key, "must not be empty");
}

int plan_read_words(const struct plan_reader *r, const json_t *o, const char *key, const char *const *words,
                    const char *out[], size_t cap, size_t *count) {
    const json_t *v = json_object_get(o, key);
    *count = 0;
    if (!v) return 0;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n < 1 || n > cap) return plan_wrong(r, key, "must be one or a list of 1 to %zu", cap);
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_is_array(v) ? json_array_get(v, i) : v);
        size_t k = 0;
        while (word && words[k] && strcmp(words[k], word) != 0) k++;
        if (!word || !words[k]) {
            char all[256] = "";
            size_t at = 0;
            for (k = 0; words[k] && at < sizeof all; k++)
                at += (size_t)snprintf(all + at, sizeof all - at, "%s%s", k ? ", " : "", words[k]);
            return plan_wrong(r, key, "\"%.60s\" is none of: %s", word ? word : "(not text)", all);
        }
        out[(*count)++] = words[k];
    }
    return 0;
}

int plan_read_share(const struct plan_reader *r, const json_t *o, const char *key, double *out) {
    const json_t *v = json_object_get(o, key);
    if (!v) return 0;
    double n = json_number_value(v);
    if (json_is_string(v)) {
        char *end;
        n = strtod(json_string_value(v), &end) / 100;
        if (strcmp(end, "%") != 0) n = 0;
    }
    if (!(n >= 0.001 && n <= 1))
        return plan_wrong(r, key, "must be a share like 5%% or 0.05, from 0.1%% to 100%%");
    *out = n;
    return 0;
}
