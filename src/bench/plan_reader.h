/* Values of a plan's file, each checked. A key that is not there leaves *out as it is; one that is wrong is
 * ERR_INPUT, which names file, key and what it must be. Texts are copied into the plan's arena. */
#ifndef WEIR_BENCH_PLAN_READER_H
#define WEIR_BENCH_PLAN_READER_H

#include "bench/plan.h"

struct plan_reader {
    struct plan *p;
    const char *file;
    struct err *e;
};

int plan_wrong(const struct plan_reader *r, const char *key, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A mapping with no other keys than those, up to NULL; `where` names it in messages. */
int plan_only_keys(const struct plan_reader *r, const json_t *o, const char *where,
                   const char *const *allowed);

int plan_read_text(const struct plan_reader *r, const json_t *o, const char *key, const char **out);
int plan_read_whole(const struct plan_reader *r, const json_t *o, const char *key, int64_t lo, int64_t hi,
                    int64_t *out);

/* "64MB", or bytes. */
int plan_read_size(const struct plan_reader *r, const json_t *o, const char *key, uint64_t *out);

/* In seconds: a number, or "90s", "10m", "2h". */
int plan_read_duration(const struct plan_reader *r, const json_t *o, const char *key, double *out);

/* "5%", or 0.05; from 0.001 to 1. */
int plan_read_share(const struct plan_reader *r, const json_t *o, const char *key, double *out);

/* false where there is no such key. */
int plan_read_yes(const struct plan_reader *r, const json_t *o, const char *key, bool *out);

/* A word, or a list of words, out of two: which were there. */
int plan_read_choice(const struct plan_reader *r, const json_t *o, const char *key, const char *first,
                     const char *second, bool *has_first, bool *has_second);

/* A word, or a list of 1 to cap words, out of `words`, which ends with NULL; out[] are those. *count 0: there
 * is no such key. */
int plan_read_words(const struct plan_reader *r, const json_t *o, const char *key, const char *const *words,
                    const char *out[], size_t cap, size_t *count);

#endif
