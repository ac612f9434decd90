#include "etl/one_pass.h"

#include "base/random.h"
#include "etl/unit_join.h"

#include <stdlib.h>

enum { UNITS_A_THREAD = 4, PLACES = 16 };

struct job {
    const struct one_pass_options *o;
    const struct ingest *in;
    uint64_t seed;
    uint32_t chunks, units; /* chunks a unit; units of the input */
    atomic_uint next;
    /* Under the lock: whose turn it is to join its unit; the unit before, not yet settled; what all threads
     * made so far. */
    pthread_mutex_t lock;
    pthread_cond_t turned;
    uint32_t turn;
    bool ended, fits;
    struct unit *pending;
    struct unit_join join;
    struct one_pass_result *out;
};

struct worker {
    struct job *job;
    struct unit_reader reader;
    struct unit *unit;
    struct day_writer writer;
};

/* Nothing goes on: wake who waits. */
static void end(struct job *job, bool fits) {
    pthread_mutex_lock(&job->lock);
    job->ended = true;
    job->fits &= fits;
    pthread_cond_broadcast(&job->turned);
    pthread_mutex_unlock(&job->lock);
}

/* When all units before have been joined: settle the one before, give it back in place of w->unit. *before
 * is NULL when there is none, or all has ended. */
static int take_turn(struct worker *w, uint32_t index, struct unit **before, struct err *e) {
    struct job *job = w->job;
    *before = NULL;
    pthread_mutex_lock(&job->lock);
    while (job->turn != index && !job->ended) pthread_cond_wait(&job->turned, &job->lock);
    if (job->ended) {
        pthread_mutex_unlock(&job->lock);
        return 0;
    }
    int rc = 0;
    bool fits = true;
    job->join.counts.duplicates += w->unit->dropped;
    if (job->pending) rc = unit_join_settle(&job->join, job->pending, w->unit, &fits, e);
    if (!rc && fits) {
        *before = job->pending;
        job->pending = w->unit;
        w->unit = NULL;
    }
    job->turn++;
    job->fits &= fits;
    job->ended |= rc || !fits; /* what is half settled is nobody's to go on with */
    pthread_cond_broadcast(&job->turned);
    pthread_mutex_unlock(&job->lock);
    return rc;
}

/* The unit after the last is empty: it settles the last. */
static int run_unit(struct worker *w, uint32_t index, struct err *e) {
    struct job *job = w->job;
    uint32_t from = index * job->chunks, to = from + job->chunks;
    uint64_t read = w->reader.bytes;
    bool fits = true;
    if (to > job->in->chunk_count) to = job->in->chunk_count;
    if (!w->unit) w->unit = unit_new();
    if (!w->unit) return err_nomem(e);
    TRY(unit_read(&w->reader, w->unit, from, to, &w->writer, &fits, e));
    if (!fits) {
        end(job, false);
        return 0;
    }
    struct unit *before;
    TRY(take_turn(w, index, &before, e));
    if (!before) return 0;
    int rc = unit_write(before, &w->writer, job->in->pipeline->gap_us, e);
    w->unit = before;
    progress_add(job->o->progress, w->reader.bytes - read);
    return rc;
}

static void worker_free(struct worker *w) {
    unit_reader_release(&w->reader);
    unit_free(w->unit);
    if (w->writer.o) day_writer_release(&w->writer);
    free(w);
}

static bool goes_on(struct job *job, const struct threads_group *g) {
    pthread_mutex_lock(&job->lock);
    bool ended = job->ended;
    pthread_mutex_unlock(&job->lock);
    return !ended && !threads_stopping(g);
}

static int run_thread(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct job *job = ctx;
    struct worker *w = calloc(1, sizeof *w);
    if (!w) {
        end(job, true);
        return err_nomem(e);
    }
    w->job = job;
    int rc = unit_reader_init(&w->reader, job->o->writer, job->seed, e);
    if (!rc) rc = day_writer_init(&w->writer, job->o->writer, &job->o->meta[index], e);
    bool done = false;
    while (!rc && !done && goes_on(job, g)) {
        uint32_t unit = atomic_fetch_add(&job->next, 1);
        done = unit > job->units;
        if (!done) rc = run_unit(w, unit, e);
    }
    if (!rc && done) rc = day_writer_finish(&w->writer, e);
    if (rc || !done) end(job, true);
    pthread_mutex_lock(&job->lock);
    row_counts_add(&job->out->rows, &w->writer.counts);
    job->out->counted += w->reader.counted;
    pthread_mutex_unlock(&job->lock);
    worker_free(w);
    return rc;
}

/* Chunks whose rows are a row group's: of short records there are many, and each takes some 130 bytes besides
 * its text. */
static uint32_t unit_chunks(const struct one_pass_options *o) {
    enum { ROW_BYTES = 130, USUAL_RECORD = 173 };
    double usual = (double)(ROW_BYTES + USUAL_RECORD) / USUAL_RECORD;
    double takes = (ROW_BYTES + o->record_bytes) / o->record_bytes;
    double bytes = (double)o->writer->group_bytes * (takes > usual ? usual / takes : 1);
    return (uint32_t)(bytes / INGEST_CHUNK);
}

int one_pass(const struct one_pass_options *o, struct one_pass_result *out, struct err *e) {
    const struct ingest *in = o->writer->in;
    struct job job = {.o = o, .in = in, .fits = true, .out = out};
    *out = (struct one_pass_result){0};
    job.chunks = unit_chunks(o);
    uint32_t most = in->chunk_count / (o->threads * UNITS_A_THREAD) + 1;
    if (job.chunks > most) job.chunks = most;
    if (!job.chunks) job.chunks = 1;
    job.units = (in->chunk_count + job.chunks - 1) / job.chunks;
    pthread_mutex_init(&job.lock, NULL);
    pthread_cond_init(&job.turned, NULL);
    int rc = random_bytes(&job.seed, sizeof job.seed, e);
    if (!rc) rc = unit_join_init(&job.join, in->pipeline, o->users_memory, e);
    if (!rc) rc = threads_run(o->threads, run_thread, &job, e);
    out->unfit = !job.fits;
    out->sessions = job.join.counts;
    unit_free(job.pending);
    unit_join_release(&job.join);
    return rc;
}

/* The time of the first good record in a chunk; *found false: it has none. */
static int first_time(const struct ingest *in, struct scanner *s, struct ingest_buffer *b, uint32_t chunk,
                      struct one_pass_look *look, bool *found, int64_t *time_us, struct err *e) {
    const uint8_t *data;
    size_t len;
    uint64_t first;
    TRY(ingest_read(in, chunk, b, &data, &len, &first, e));
    const struct scan_layout *layout = &in->files[in->chunks[chunk].file].layout;
    TRY(scanner_begin(s, layout, data, len, e));
    look->bytes += len;
    look->records += scanner_count_records(in->pipeline, layout, data, len);
    *found = false;
    for (struct scan_row row; !*found && scanner_next(s, &row);)
        if (row.reason == REASON_NONE) {
            *found = true;
            *time_us = row.time_us;
        }
    return 0;
}

/* The i-th of the chunks that are looked at. */
static uint32_t place(const struct ingest *in, uint32_t i, uint32_t places) {
    return (uint32_t)((uint64_t)in->chunk_count * i / places);
}

int one_pass_look(const struct ingest *in, struct one_pass_look *out, struct err *e) {
    *out = (struct one_pass_look){0};
    struct ingest_buffer b = {0};
    struct scanner *s = scanner_new(in->pipeline, SCAN_KEYS);
    int rc = s ? 0 : err_nomem(e);
    uint32_t places = in->chunk_count < PLACES ? in->chunk_count : PLACES, back = 0;
    int64_t last = INT64_MIN;
    for (uint32_t i = 0; i < places; i++) ingest_expect(in, place(in, i, places));
    for (uint32_t i = 0; i < places && !rc; i++) {
        bool found = false;
        int64_t time = 0;
        rc = first_time(in, s, &b, place(in, i, places), out, &found, &time, e);
        if (!found) continue;
        back += time < last;
        last = time;
    }
    out->promising = back <= 1; /* one may be a record with a wrong clock */
    scanner_free(s);
    ingest_buffer_release(&b);
    return rc;
}
