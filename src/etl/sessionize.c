#include "etl/sessionize.h"

#include "etl/key_runs.h"
#include "etl/key_sort.h"
#include "etl/ties.h"

#include <stdlib.h>

struct job {
    struct keys *keys;
    const struct ingest *in;
    struct results *results;
    uint32_t sort_records; /* that one thread may sort at once */
    const char *tmp_dir;
    struct progress *progress;
    atomic_uint next;
    atomic_uint_fast64_t users, sessions, kept, duplicates;
};

/* One thread's state; `user` and what follows is that of the user at hand, which may span calls of consume().
 */
struct worker {
    struct job *job;
    struct results_writer results;
    struct tie_reader ties;
    struct key_sorter sorter;
    struct sessionize_counts counts;
    bool has_user;
    uint64_t user_hi;
    uint32_t user_lo;
    int64_t last_us, start_us;
    uint32_t seq;
};

static uint64_t dense_row(const struct keys *k, uint64_t id) {
    return k->chunks[id >> KEY_ROW_BITS].base + (id & ((1u << KEY_ROW_BITS) - 1));
}

/* 3.3, 3.4: the next kept event of the user at hand. */
static int keep_event(struct worker *w, uint64_t row_id, int64_t time_us, bool first, struct err *e) {
    if (first || time_us - w->last_us > w->job->in->pipeline->gap_us) {
        w->start_us = time_us;
        w->seq = 0;
        w->counts.sessions++;
    }
    w->last_us = time_us;
    if (w->seq == INT32_MAX) return err_set(e, ERR_INPUT, "a session has more than 2147483647 events");
    w->seq++;
    w->counts.kept++;
    uint64_t packed = 0;
    TRY(results_pack(w->job->results, time_us, w->start_us, w->seq, &packed, e));
    return results_put(&w->results, dense_row(w->job->keys, row_id), packed, e);
}

/* 3.1, 3.2 for n > 1 events of one user and time. */
static int keep_tied(struct worker *w, const struct key *keys, uint32_t n, bool first, struct err *e) {
    struct record *records = NULL;
    TRY(tie_resolve(&w->ties, keys, n, &records, e));
    int64_t time_us = key_time_us(keys);
    const struct record *kept = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (kept && str_eq(kept->field[COL_EVENT_ID], records[i].field[COL_EVENT_ID])) {
            w->counts.duplicates++;
            continue;
        }
        TRY(keep_event(w, records[i].row, time_us, first && !kept, e));
        kept = &records[i];
    }
    return 0;
}

/* Sessions for sorted keys. The last tie may go on in the next batch: unless `final`, it is left; *used says
 * how many were consumed. */
static int consume(void *ctx, const struct key *keys, uint32_t n, bool final, uint32_t *used, struct err *e) {
    enum { AHEAD = 24 };
    struct worker *w = ctx;
    const struct keys *k = w->job->keys;
    uint64_t *slots = w->job->results->memory;
    uint32_t i = 0;
    while (i < n) {
        /* The results are far larger than the caches: fetching slots ahead halves this stage (.36 → .21 CPU
         * s). */
        if (slots && i + AHEAD < n) __builtin_prefetch(&slots[dense_row(k, key_row(&keys[i + AHEAD]))], 1);
        const struct key *a = &keys[i];
        uint32_t j = i + 1;
        while (j < n && keys[j].user_hi == a->user_hi && keys[j].user_lo == a->user_lo &&
               keys[j].time_row >> 10 == a->time_row >> 10)
            j++;
        if (j == n && !final) break;
        bool first = !w->has_user || a->user_hi != w->user_hi || a->user_lo != w->user_lo;
        if (first) {
            w->has_user = true;
            w->user_hi = a->user_hi;
            w->user_lo = a->user_lo;
            w->counts.users++;
        }
        if (j - i == 1)
            TRY(keep_event(w, key_row(a), key_time_us(a), first, e));
        else
            TRY(keep_tied(w, a, j - i, first, e));
        i = j;
    }
    *used = i;
    return 0;
}

static int run_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    (void)index;
    struct job *job = ctx;
    struct worker w = {.job = job};
    int rc = results_writer_init(&w.results, job->results, e);
    if (!rc) rc = tie_reader_init(&w.ties, job->keys, job->in, e);
    if (!rc) rc = key_sorter_init(&w.sorter, job->keys, job->sort_records, job->tmp_dir, e);
    while (!rc && !threads_stopping(g)) {
        uint32_t partition = atomic_fetch_add(&job->next, 1);
        if (partition >= job->keys->spill.partition_count) break;
        uint64_t bytes = job->keys->spill.partitions[partition].records * sizeof(struct key);
        w.has_user = false;
        rc = key_sorter_run(&w.sorter, partition, g, consume, &w, e);
        progress_add(job->progress, bytes);
    }
    if (!rc) rc = results_writer_end(&w.results, e);
    atomic_fetch_add(&job->users, w.counts.users);
    atomic_fetch_add(&job->sessions, w.counts.sessions);
    atomic_fetch_add(&job->kept, w.counts.kept);
    atomic_fetch_add(&job->duplicates, w.counts.duplicates);
    results_writer_release(&w.results);
    tie_reader_release(&w.ties);
    key_sorter_release(&w.sorter);
    return rc;
}

int sessionize(struct keys *k, const struct ingest *in, struct results *results, unsigned threads,
               uint64_t sort_memory, const char *tmp_dir, struct progress *progress,
               struct sessionize_counts *out, struct err *e) {
    struct job job = {.keys = k,
                      .in = in,
                      .results = results,
                      .sort_records = (uint32_t)(sort_memory / (2 * sizeof(struct key))),
                      .tmp_dir = tmp_dir,
                      .progress = progress};
    TRY(threads_run(threads, run_thread, &job, e));
    *out = (struct sessionize_counts){atomic_load(&job.users), atomic_load(&job.sessions),
                                      atomic_load(&job.kept), atomic_load(&job.duplicates)};
    return 0;
}
