/* The keys of one partition in order, whatever its size: sorted in memory where they fit, else as sorted runs
 * in a temporary file that are merged. */
#ifndef WEIR_ETL_KEY_RUNS_H
#define WEIR_ETL_KEY_RUNS_H

#include "etl/keys.h"

/* One thread's sorter; its memory grows with the partitions met, up to twice sort_records keys. */
struct key_sorter {
    struct keys *keys;
    uint32_t sort_records, cap;
    struct key *in, *out; /* cap keys each */
    uint32_t *counters;
    const char *tmp_dir;
};

int key_sorter_init(struct key_sorter *s, struct keys *k, uint32_t sort_records, const char *tmp_dir,
                    struct err *e);
void key_sorter_release(struct key_sorter *s);

/* Given sorted keys; sets *used to how many it is done with (all, when `final`); the rest come again with
 * more behind them. */
typedef int key_consumer(void *ctx, const struct key *keys, uint32_t n, bool final, uint32_t *used,
                         struct err *e);

/* Hand a partition's keys to the consumer in order. */
int key_sorter_run(struct key_sorter *s, uint32_t partition, const struct threads_group *g,
                   key_consumer *consume, void *ctx, struct err *e);

#endif
