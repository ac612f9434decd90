#include "etl/load.h"

#include "etl/event_group.h"
#include "etl/reject_group.h"

#include <stdlib.h>

enum { DAY_SLOTS = 1024, UNIT_BYTES = 24 << 20, UNITS_A_THREAD = 8, IDLE_ROWS = 1 << 17 };

struct job {
    const struct load_options *o;
    uint32_t unit; /* consecutive chunks that a thread takes at a time: sessions mostly fall within */
    struct str *source_files;
    atomic_uint next;
    pthread_mutex_t lock;
    struct load_counts counts;
};

struct worker {
    struct job *job;
    const struct load_options *o;
    struct scanner *scanner;
    struct ingest_buffer input;
    struct results_reader results;
    struct parquet_encoder *encoder;
    struct event_encoder *columns; /* rows to columns */
    struct arena scratch, *meta;   /* scratch: of rejects */
    struct buf out;
    struct event_group **groups; /* of the days at hand; the first `active` */
    struct event_group *spare;   /* one kept for its memory */
    uint32_t active, group_cap;
    struct event_group *by_day[DAY_SLOTS]; /* a cache */
    struct reject_group rejects;
    uint64_t rows; /* seen by this thread */
    struct load_counts counts;
};

/* Write a group's rows, if any; it stays, empty, with its memory: its day will often go on. */
static int write_events(struct worker *w, struct event_group *g, struct err *e) {
    struct parquet_row_group *meta;
    if (!g->rows) return 0;
    buf_clear(&w->out);
    TRY(event_encode(w->columns, g, w->encoder, w->o->events->columns, &w->out, w->meta, &meta, e));
    TRY(data_files_add(w->o->events, g->day, &w->out, meta, e));
    event_group_clear(g);
    return 0;
}

/* Write a group and give it up: its day has passed and its memory may serve another (`reuse`), or there is
 * too little memory. */
static int retire(struct worker *w, uint32_t index, bool reuse, struct err *e) {
    struct event_group *g = w->groups[index];
    TRY(write_events(w, g, e));
    w->groups[index] = w->groups[--w->active];
    if (w->by_day[g->day & (DAY_SLOTS - 1)] == g) w->by_day[g->day & (DAY_SLOTS - 1)] = NULL;
    if (reuse && !w->spare)
        w->spare = g;
    else
        event_group_free(g);
    return 0;
}

static int write_rejects(struct worker *w, struct err *e) {
    struct parquet_row_group *meta;
    if (!w->rejects.rows) return 0;
    buf_clear(&w->out);
    TRY(reject_group_encode(&w->rejects, w->encoder, w->o->rejects->columns, &w->scratch, &w->out, w->meta,
                            &meta, e));
    TRY(data_files_add(w->o->rejects, 0, &w->out, meta, e));
    reject_group_clear(&w->rejects);
    return 0;
}

static struct event_group *find_day(struct worker *w, int32_t day) {
    for (uint32_t i = 0; i < w->active; i++)
        if (w->groups[i]->day == day) return w->groups[i];
    if (w->active == w->group_cap) {
        uint32_t cap = w->group_cap ? w->group_cap * 2 : 16;
        struct event_group **groups = realloc(w->groups, cap * sizeof *groups);
        if (!groups) return NULL;
        w->groups = groups;
        w->group_cap = cap;
    }
    struct event_group *g = w->spare ? w->spare : event_group_new(w->o->in->pipeline);
    if (!g) return NULL;
    w->spare = NULL;
    g->day = day;
    w->groups[w->active++] = g;
    return g;
}

/* 1.6, of duplicates too: which of two equal copies stays must not show in the ledger. */
static void count_nulled(struct worker *w, const struct scan_row *r) {
    for (unsigned i = 0; i < w->o->in->pipeline->keep_count; i++) w->counts.nulled[i] += r->keep[i].misfit;
}

static int keep(struct worker *w, const struct scan_row *r, uint64_t packed, struct err *e) {
    w->counts.kept++;
    if (!w->o->events) return 0;
    int64_t start_us;
    uint32_t seq;
    results_unpack(w->o->results, packed, r->time_us, &start_us, &seq);
    int32_t day = w->o->events->partition_column ? timestamp_day(r->time_us) : 0;
    struct event_group **slot = &w->by_day[day & (DAY_SLOTS - 1)];
    if (!*slot || (*slot)->day != day) *slot = find_day(w, day);
    if (!*slot) return err_nomem(e);
    (*slot)->touched = w->rows;
    return event_group_add(*slot, r, start_us, seq, e);
}

static int reject(struct worker *w, enum reason reason, const struct scan_row *r, const uint8_t *chunk,
                  uint32_t file, struct err *e) {
    w->counts.rejected[reason]++;
    return w->o->rejects ? reject_group_add(&w->rejects, reason, r, chunk, file, e) : 0;
}

static uint32_t largest_group(const struct worker *w, uint64_t (*size)(const struct event_group *)) {
    uint32_t largest = 0;
    for (uint32_t i = 1; i < w->active; i++)
        if (size(w->groups[i]) > size(w->groups[largest])) largest = i;
    return largest;
}

/* Write what is full, what the log has passed by, and, largest first, what the pool has no room for. With
 * many days open, groups are between empty and full: when a group is written at two fifths of the pool, its
 * memory fits in the pool together with theirs and need not be given back and faulted in again (a fifth of a
 * shuffled run). */
static int tidy(struct worker *w, struct err *e) {
    uint64_t used = 0, held = 0;
    for (uint32_t i = w->active; i--;) {
        struct event_group *g = w->groups[i];
        if (w->rows - g->touched > IDLE_ROWS)
            TRY(retire(w, i, true, e));
        else if (event_group_bytes(g) >= w->o->group_bytes)
            TRY(write_events(w, g, e));
    }
    for (uint32_t i = 0; i < w->active; i++) {
        used += event_group_bytes(w->groups[i]);
        held += event_group_memory(w->groups[i]);
    }
    while (used > w->o->pool_bytes / 5 * 2) {
        struct event_group *g = w->groups[largest_group(w, event_group_bytes)];
        used -= event_group_bytes(g);
        TRY(write_events(w, g, e));
    }
    while (held > w->o->pool_bytes) {
        uint32_t i = largest_group(w, event_group_memory);
        held -= event_group_memory(w->groups[i]);
        TRY(retire(w, i, false, e));
    }
    return reject_group_bytes(&w->rejects) >= w->o->group_bytes ? write_rejects(w, e) : 0;
}

static int load_chunk(struct worker *w, uint32_t index, struct err *e) {
    const struct load_options *o = w->o;
    const struct chunk_rows *c = &o->keys->chunks[index];
    const uint8_t *data;
    size_t len;
    uint64_t first;
    TRY(ingest_read(o->in, index, &w->input, &data, &len, &first, e));
    uint32_t file = o->in->chunks[index].file;
    TRY(scanner_begin(w->scanner, &o->in->files[file].layout, data, len, e));
    const uint64_t *values = NULL;
    uint64_t have = 0;
    uint32_t n = 0;
    for (struct scan_row r; scanner_next(w->scanner, &r); n++) {
        if (n == c->rows) return ingest_changed(o->in, file, e);
        if (!have) TRY(results_read(&w->results, c->base + n, &values, &have, e));
        have--;
        uint64_t packed = *values++;
        w->rows++;
        if (r.reason == REASON_NONE) count_nulled(w, &r);
        if (__builtin_expect(r.reason != REASON_NONE, 0))
            TRY(reject(w, r.reason, &r, data, file, e));
        else if (__builtin_expect(!packed, 0))
            TRY(reject(w, REASON_DUPLICATE_EVENT, &r, data, file, e));
        else
            TRY(keep(w, &r, packed, e));
    }
    if (n != c->rows || len != c->len) return ingest_changed(o->in, file, e);
    progress_add(o->progress, len);
    return tidy(w, e);
}

static int load_unit(struct worker *w, uint32_t unit, const struct threads_group *g, struct err *e) {
    uint32_t from = unit * w->job->unit, to = from + w->job->unit;
    if (to > w->o->in->chunk_count) to = w->o->in->chunk_count;
    for (uint32_t i = from; i < to && !threads_stopping(g); i++) TRY(load_chunk(w, i, e));
    /* The next unit lies elsewhere in time: a group that is nearly full would gain little from it. */
    for (uint32_t i = w->active; i--;)
        if (event_group_bytes(w->groups[i]) >= w->o->group_bytes / 4 * 3)
            TRY(write_events(w, w->groups[i], e));
    return 0;
}

static int worker_init(struct worker *w, unsigned index, struct err *e) {
    const struct load_options *o = w->o;
    w->meta = &o->meta[index];
    arena_init(&w->scratch);
    buf_init(&w->out, 0);
    reject_group_init(&w->rejects, o->in->pipeline, w->job->source_files, o->in->file_count);
    w->scanner = scanner_new(o->in->pipeline, SCAN_FULL);
    w->encoder = parquet_encoder_new(&(struct parquet_options){.zstd_level = 1});
    w->columns = event_encoder_new(o->in->pipeline, o->mmdb);
    if (!w->scanner || !w->encoder || !w->columns) return err_nomem(e);
    return results_reader_init(&w->results, o->results, e);
}

static void worker_release(struct worker *w) {
    for (uint32_t i = 0; i < w->active; i++) event_group_free(w->groups[i]);
    event_group_free(w->spare);
    free(w->groups);
    reject_group_release(&w->rejects);
    scanner_free(w->scanner);
    ingest_buffer_release(&w->input);
    results_reader_release(&w->results);
    parquet_encoder_free(w->encoder);
    event_encoder_free(w->columns);
    arena_release(&w->scratch);
    buf_release(&w->out);
}

static void add_counts(struct load_counts *to, const struct load_counts *from) {
    to->kept += from->kept;
    for (int i = 0; i < REASON_COUNT; i++) to->rejected[i] += from->rejected[i];
    for (int i = 0; i < KEEP_MAX; i++) to->nulled[i] += from->nulled[i];
}

static int run_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct job *job = ctx;
    struct worker *w = calloc(1, sizeof *w);
    if (!w) return err_nomem(e);
    w->job = job;
    w->o = job->o;
    int rc = worker_init(w, index, e);
    uint32_t units = (job->o->in->chunk_count + job->unit - 1) / job->unit;
    while (!rc && !threads_stopping(g)) {
        uint32_t unit = atomic_fetch_add(&job->next, 1);
        if (unit >= units) break;
        rc = load_unit(w, unit, g, e);
    }
    while (!rc && w->active && !threads_stopping(g)) rc = retire(w, w->active - 1, false, e);
    if (!rc && !threads_stopping(g)) rc = write_rejects(w, e);
    pthread_mutex_lock(&job->lock);
    add_counts(&job->counts, &w->counts);
    pthread_mutex_unlock(&job->lock);
    worker_release(w);
    free(w);
    return rc;
}

int load(const struct load_options *o, struct load_counts *out, struct err *e) {
    struct job job = {.o = o};
    pthread_mutex_init(&job.lock, NULL);
    job.unit = UNIT_BYTES / INGEST_CHUNK;
    if (o->in->chunk_count / (o->threads * UNITS_A_THREAD) < job.unit)
        job.unit = o->in->chunk_count / (o->threads * UNITS_A_THREAD) + 1;
    job.source_files = malloc((o->in->file_count + 1) * sizeof *job.source_files);
    if (!job.source_files) return err_nomem(e);
    for (uint32_t i = 0; i < o->in->file_count; i++) job.source_files[i] = str_of(o->in->files[i].base_name);
    int rc = threads_run(o->threads, run_thread, &job, e);
    free(job.source_files);
    *out = job.counts;
    return rc;
}
