/* The data that a benchmark reads: made by `weir gen` and kept, or the user's own files. */
#ifndef WEIR_BENCH_DATA_H
#define WEIR_BENCH_DATA_H

#include "bench/plan.h"

struct data_request {
    const char *weir;        /* its binary, to run `gen` */
    const char *root;        /* where made data is kept */
    const char *mmdb;        /* addresses are drawn from it */
    const char *user_column; /* of CSV, as pipeline.yaml names it */
    char delimiter;
    bool multiline;
    const char *const *inputs; /* the user's own files, absolute; NULL: data is made */
    unsigned input_count;
};

struct data_set {
    const char *const *paths; /* absolute */
    unsigned count;
    uint64_t rows, bytes; /* rows 0: not known */
    char sha256[65];      /* of the file; of several, of the list that sha256sum prints */
    json_t *truth;        /* what the pipeline must find (weir gen); NULL: nobody knows */
};

/* Make it, unless it is there. Memory is in `arena`; release the set. */
int data_prepare(const struct data_request *q, const struct plan_data *d, struct arena *arena,
                 struct data_set *out, struct err *e);
void data_release(struct data_set *s);

/* Read all of it once, so that it is in the page cache as far as it fits. */
int data_warm(const struct data_set *s, struct err *e);

#endif
