#include "etl/load.h"

#include <stdlib.h>

enum { UNIT_BYTES = 24 << 20, UNITS_A_THREAD = 8 };

struct job {
    const struct load_options *o;
    uint32_t unit; /* consecutive chunks that a thread takes at a time: sessions mostly fall within */
    atomic_uint next;
    pthread_mutex_t lock;
    struct row_counts counts;
};

struct worker {
    struct job *job;
    const struct ingest *in;
    struct scanner *scanner;
    struct ingest_buffer input;
    struct results_reader results;
    struct day_writer writer;
};

static int load_row(struct worker *w, const struct scan_row *r, uint64_t packed, const uint8_t *data,
                    uint32_t file, struct err *e) {
    if (__builtin_expect(r->reason != REASON_NONE, 0))
        return day_writer_reject(&w->writer, r->reason, r, data, file, e);
    day_writer_count_nulled(&w->writer, r);
    if (__builtin_expect(!packed, 0))
        return day_writer_reject(&w->writer, REASON_DUPLICATE_EVENT, r, data, file, e);
    int64_t start_us;
    uint32_t seq;
    results_unpack(w->job->o->results, packed, r->time_us, &start_us, &seq);
    return day_writer_keep(&w->writer, r, start_us, seq, e);
}

static int load_chunk(struct worker *w, uint32_t index, struct err *e) {
    const struct load_options *o = w->job->o;
    const struct chunk_rows *c = &o->keys->chunks[index];
    const uint8_t *data;
    size_t len;
    uint64_t first;
    TRY(ingest_read(w->in, index, &w->input, &data, &len, &first, e));
    uint32_t file = w->in->chunks[index].file;
    TRY(scanner_begin(w->scanner, &w->in->files[file].layout, data, len, e));
    const uint64_t *values = NULL;
    uint64_t have = 0;
    uint32_t n = 0;
    for (struct scan_row r; scanner_next(w->scanner, &r); n++) {
        if (n == c->rows) return ingest_changed(w->in, file, e);
        if (!have) TRY(results_read(&w->results, c->base + n, &values, &have, e));
        have--;
        TRY(load_row(w, &r, *values++, data, file, e));
    }
    if (n != c->rows || len != c->len) return ingest_changed(w->in, file, e);
    progress_add(o->progress, len);
    return day_writer_tidy(&w->writer, e);
}

static int load_unit(struct worker *w, uint32_t unit, const struct threads_group *g, struct err *e) {
    uint32_t from = unit * w->job->unit, to = from + w->job->unit;
    if (to > w->in->chunk_count) to = w->in->chunk_count;
    for (uint32_t i = from; i < to && !threads_stopping(g); i++) TRY(load_chunk(w, i, e));
    return day_writer_turn(&w->writer, e);
}

static int worker_init(struct worker *w, unsigned index, struct err *e) {
    const struct load_options *o = w->job->o;
    w->scanner = scanner_new(w->in->pipeline, SCAN_FULL);
    if (!w->scanner) return err_nomem(e);
    TRY(day_writer_init(&w->writer, o->writer, &o->meta[index], e));
    return results_reader_init(&w->results, o->results, e);
}

static void worker_release(struct worker *w) {
    scanner_free(w->scanner);
    ingest_buffer_release(&w->input);
    results_reader_release(&w->results);
    if (w->writer.o) day_writer_release(&w->writer);
    free(w);
}

static int run_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct job *job = ctx;
    struct worker *w = calloc(1, sizeof *w);
    if (!w) return err_nomem(e);
    w->job = job;
    w->in = job->o->writer->in;
    int rc = worker_init(w, index, e);
    uint32_t units = (w->in->chunk_count + job->unit - 1) / job->unit;
    while (!rc && !threads_stopping(g)) {
        uint32_t unit = atomic_fetch_add(&job->next, 1);
        if (unit >= units) break;
        rc = load_unit(w, unit, g, e);
    }
    if (!rc && !threads_stopping(g)) rc = day_writer_finish(&w->writer, e);
    pthread_mutex_lock(&job->lock);
    row_counts_add(&job->counts, &w->writer.counts);
    pthread_mutex_unlock(&job->lock);
    worker_release(w);
    return rc;
}

int load(const struct load_options *o, struct row_counts *out, struct err *e) {
    struct job job = {.o = o, .unit = UNIT_BYTES / INGEST_CHUNK};
    uint32_t chunks = o->writer->in->chunk_count;
    pthread_mutex_init(&job.lock, NULL);
    if (chunks / (o->threads * UNITS_A_THREAD) < job.unit)
        job.unit = chunks / (o->threads * UNITS_A_THREAD) + 1;
    int rc = threads_run(o->threads, run_thread, &job, e);
    *out = job.counts;
    return rc;
}
