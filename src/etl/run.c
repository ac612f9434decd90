#include "etl/run.h"

#include "base/clock.h"
#include "base/random.h"
#include "edge/cgroup.h"
#include "etl/load.h"
#include "etl/one_pass.h"
#include "etl/sessionize.h"
#include "etl/tables.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* How the budget of anonymous memory is spent; figures for the default on two threads. */
struct budget {
    unsigned threads;
    uint64_t bytes;   /* 512 MB; time-ordered input needs less than half of it */
    uint64_t keys;    /* 241 MB: 10 million keys before they spill */
    uint64_t sort;    /* 30 MB a thread */
    uint64_t results; /* 144 MB: 18 million rows before they spill */
    uint64_t group;   /* 8 MB of rows make a row group */
    uint64_t reading; /* 48 MB read ahead from S3 */
    uint64_t uploads; /* 64 MB of files that go to S3; 0: none do */
};

enum {
    MB = 1000000,
    GROUP_MAX = 8 * MB,
    GROUP_MIN = MB / 2,
    DEFAULT_BYTES = 512 * MB,
    THREAD_BYTES = 128 * MB,
    FIXED = 10 * MB,        /* country data, code, libraries */
    THREAD_FIXED = 10 * MB, /* a thread's buffers, compression contexts and tables */
    UPLOADS_MIN = 20 << 20, /* four parts of S3's least size */
    READING_MIN = 12 << 20, /* six blocks */
    THREAD_MIN = 16 * MB    /* with less than this for each, there are fewer threads */
};

static struct budget plan_budget(const struct run_options *o) {
    struct budget b = {.threads = o->threads ? o->threads : cgroup_cpus(), .bytes = o->memory_bytes};
    if (!b.bytes) {
        uint64_t allowed = cgroup_memory_bytes() / 2;
        b.bytes = (uint64_t)b.threads * THREAD_BYTES;
        if (b.bytes < DEFAULT_BYTES) b.bytes = DEFAULT_BYTES;
        if (b.bytes > allowed) b.bytes = allowed;
    }
    uint64_t most = b.bytes > FIXED + THREAD_MIN ? (b.bytes - FIXED) / THREAD_MIN : 1;
    if (b.threads > most) b.threads = (unsigned)most;
    if (store_is_s3(o->lake.warehouse)) b.uploads = b.bytes / 8 < UPLOADS_MIN ? UPLOADS_MIN : b.bytes / 8;
    for (unsigned i = 0; i < o->input_count && !b.reading; i++)
        if (store_is_s3(o->inputs[i])) b.reading = b.bytes / 12 < READING_MIN ? READING_MIN : b.bytes / 12;
    uint64_t fixed = FIXED + b.reading + b.uploads + (uint64_t)b.threads * THREAD_FIXED;
    uint64_t free = b.bytes > 2 * fixed ? b.bytes - fixed : b.bytes / 2;
    b.keys = free / 2;
    b.sort = free / 8 / b.threads;
    b.results = free / 10 * 3;
    b.group = b.bytes / 12 / b.threads;
    if (b.group > GROUP_MAX) b.group = GROUP_MAX;
    if (b.group < GROUP_MIN) b.group = GROUP_MIN;
    return b;
}

/* What one thread may hold in unfinished groups, when `held` bytes of results are in memory. */
static uint64_t pool_bytes(const struct budget *b, uint64_t held) {
    uint64_t taken = held + FIXED + b->reading + b->uploads + (uint64_t)b->threads * THREAD_FIXED;
    uint64_t pool = taken < b->bytes ? (b->bytes - taken) / 2 / b->threads : 0;
    return pool > GROUP_MIN ? pool : GROUP_MIN;
}

/* One output table of the run. */
struct output {
    struct iceberg_writer *writer;
    struct iceberg_column columns[EV_MAX];
    uint32_t column_count;
    struct parquet_column parquet[EV_MAX];
    const char *day_column; /* NULL: unpartitioned */
    struct data_files files;
    bool skip, committed, keep_files;
};

struct run {
    const struct run_options *o;
    struct budget budget;
    const char *tmp_dir;
    char prefix[37];
    struct ingest in;
    struct mmdb_loader countries;
    struct slabs slabs;
    struct store *input_store; /* where input is that lies on S3 */
    struct lake *lake;
    struct output events, rejects;
    struct keys keys;
    struct results results;
    struct sessionize_counts sessions;
    struct row_counts counts;
    uint64_t counted;   /* records by structure alone (5.1) */
    struct arena *meta; /* one a thread */
    struct str *source_files;
    struct progress progress;
    struct run_result *out;
};

static void init_files(struct run *r, struct output *t) {
    data_files_init(&t->files, t->parquet, t->column_count, iceberg_writer_store(t->writer),
                    iceberg_writer_data_dir(t->writer), t->day_column, r->prefix);
}

static int open_output(struct run *r, struct output *t, const char *name, int partition_column,
                       struct err *e) {
    const struct pipeline *p = r->o->pipeline;
    TRY(iceberg_writer_open(r->lake, p->namespace_name, name, t->columns, t->column_count, partition_column,
                            &t->writer, e));
    for (uint32_t i = 0; i < t->column_count; i++)
        t->parquet[i] = (struct parquet_column){t->columns[i].name, iceberg_writer_field_id(t->writer, i),
                                                t->columns[i].type, !t->columns[i].required};
    t->skip = iceberg_writer_has_run(t->writer, r->o->run_id);
    if (partition_column >= 0 && iceberg_writer_partitioned(t->writer))
        t->day_column = t->columns[partition_column].name;
    init_files(r, t);
    return 0;
}

static int open_all(struct run *r, struct err *e) {
    const struct run_options *o = r->o;
    struct store_options reading = o->lake.store;
    reading.read_bytes = r->budget.reading;
    TRY(store_open(&reading, &r->input_store, e));
    TRY(ingest_open(&r->in, o->pipeline, o->inputs, o->input_count, r->budget.threads, r->tmp_dir,
                    o->progress, r->input_store, e));
    r->out->input_bytes = r->in.bytes;
    mmdb_loader_start(&r->countries, o->mmdb_path);
    TRY(random_uuid(r->prefix, e));
    struct lake_options lake = o->lake;
    lake.store.upload_bytes = r->budget.uploads;
    TRY(lake_open(&lake, true, &r->lake, e));
    r->events.column_count = tables_events(o->pipeline, r->events.columns);
    tables_rejects(r->rejects.columns);
    r->rejects.column_count = RJ_COLUMNS;
    TRY(open_output(r, &r->rejects, o->pipeline->rejects, -1, e));
    return open_output(r, &r->events, o->pipeline->events, EV_EVENT_TIME, e);
}

static struct day_writer_options writer_options(struct run *r, uint64_t pool) {
    return (struct day_writer_options){.in = &r->in,
                                       .countries = &r->countries,
                                       .slabs = &r->slabs,
                                       .events = r->events.skip ? NULL : &r->events.files,
                                       .rejects = r->rejects.skip ? NULL : &r->rejects.files,
                                       .group_bytes = r->budget.group,
                                       .pool_bytes = pool,
                                       .source_files = r->source_files};
}

/* What a pass that came to nothing wrote. */
static int discard_files(struct run *r, struct err *e) {
    struct output *outputs[] = {&r->rejects, &r->events};
    TRY(random_uuid(r->prefix, e));
    for (int i = 0; i < 2; i++) {
        data_files_discard(&outputs[i]->files);
        data_files_release(&outputs[i]->files);
        init_files(r, outputs[i]);
    }
    for (unsigned i = 0; i < r->budget.threads; i++) arena_clear(&r->meta[i]);
    return 0;
}

/* *done false: the input must be read in two scans. */
static int transform_in_one_pass(struct run *r, bool *done, struct err *e) {
    const struct budget *b = &r->budget;
    *done = false;
    if (r->o->two_scans || r->events.skip || r->rejects.skip) return 0;
    struct one_pass_look look;
    TRY(one_pass_look(&r->in, &look, e));
    if (!look.promising) return 0;
    progress_start(&r->progress, r->o->progress, "load", r->in.bytes);
    struct day_writer_options w = writer_options(r, pool_bytes(b, b->keys));
    struct one_pass_options o = {.writer = &w,
                                 .threads = b->threads,
                                 .users_memory = b->keys,
                                 .record_bytes = look.records ? (double)look.bytes / (double)look.records : 1,
                                 .meta = r->meta,
                                 .progress = &r->progress};
    struct one_pass_result result;
    TRY(one_pass(&o, &result, e));
    *done = !result.unfit;
    if (result.unfit) return discard_files(r, e);
    r->counted = result.counted;
    r->counts = result.rows;
    r->sessions = result.sessions;
    return 0;
}

static int transform_in_two_scans(struct run *r, struct err *e) {
    const struct run_options *o = r->o;
    const struct budget *b = &r->budget;
    progress_start(&r->progress, o->progress, "scan", r->in.bytes);
    TRY(keys_scan(&r->keys, &r->in, b->threads, &r->slabs, b->keys, r->tmp_dir, &r->progress, e));
    r->counted = r->keys.counted;
    TRY(results_init(&r->results, r->keys.rows, b->results, r->tmp_dir, e));
    progress_start(&r->progress, o->progress, "sessions", r->keys.kept * sizeof(struct key));
    TRY(sessionize(&r->keys, &r->in, &r->results, b->threads, b->sort, r->tmp_dir, &r->progress, &r->sessions,
                   e));
    spill_release(&r->keys.spill);
    uint64_t held = r->results.memory ? r->keys.rows * sizeof(uint64_t) : 0;
    progress_start(&r->progress, o->progress, "write", r->in.bytes);
    struct day_writer_options w = writer_options(r, pool_bytes(b, held));
    struct load_options l = {.writer = &w,
                             .keys = &r->keys,
                             .results = &r->results,
                             .threads = b->threads,
                             .meta = r->meta,
                             .progress = &r->progress};
    return load(&l, &r->counts, e);
}

static int transform(struct run *r, struct err *e) {
    bool done;
    r->source_files = malloc((r->in.file_count + 1) * sizeof *r->source_files);
    if (!r->source_files) return err_nomem(e);
    for (uint32_t i = 0; i < r->in.file_count; i++) r->source_files[i] = str_of(r->in.files[i].base_name);
    TRY(transform_in_one_pass(r, &done, e));
    r->out->passes = done ? 1 : 2;
    if (!done) TRY(transform_in_two_scans(r, e));
    const struct mmdb *countries;
    TRY(mmdb_loader_get(&r->countries, &countries, e)); /* input without events did not ask for them */
    return ingest_check_unchanged(&r->in, e);
}

/* 5.1: three independent counts must agree: lines counted by structure, rows in the files written, rows
 * classified. */
static int check_ledger(struct run *r, struct err *e) {
    struct run_result *out = r->out;
    out->rows_in = r->counted;
    out->rows_out = r->events.skip ? r->counts.kept : r->events.files.rows;
    uint64_t rejected = 0;
    for (int i = 0; i < REASON_COUNT; i++) rejected += out->rejected[i] = r->counts.rejected[i];
    memcpy(out->nulled, r->counts.nulled, sizeof out->nulled);
    out->sessions = r->sessions.sessions;
    out->users = r->sessions.users;
    bool files = r->rejects.skip || r->rejects.files.rows == rejected;
    if (out->rows_in == out->rows_out + rejected && files && r->sessions.kept == out->rows_out &&
        r->sessions.duplicates == out->rejected[REASON_DUPLICATE_EVENT])
        return 0;
    return err_set(e, ERR_OUTSIDE,
                   "the ledger does not balance: %llu rows in, %llu out, %llu rejected (%llu written, %llu "
                   "sessionized); "
                   "nothing was committed. This is a defect of weir: please report it",
                   (unsigned long long)out->rows_in, (unsigned long long)out->rows_out,
                   (unsigned long long)rejected, (unsigned long long)r->rejects.files.rows,
                   (unsigned long long)r->sessions.kept);
}

/* The summary entries of 5.2. */
struct summary {
    struct arena arena;
    struct iceberg_property *properties;
    uint32_t count;
};

static int add_property(struct summary *s, const char *key, const char *value, struct err *e) {
    if (!key || !value) return err_nomem(e);
    s->properties[s->count++] = (struct iceberg_property){key, value};
    return 0;
}

static int add_count(struct summary *s, const char *prefix, const char *name, uint64_t n, struct err *e) {
    return add_property(s, arena_printf(&s->arena, "%s%s", prefix, name),
                        arena_printf(&s->arena, "%llu", (unsigned long long)n), e);
}

static int fill_summary(const struct run *r, struct summary *s, struct err *e) {
    const struct pipeline *p = r->o->pipeline;
    const struct run_result *out = r->out;
    s->properties = arena_alloc(&s->arena, (REASON_COUNT + p->keep_count + 8) * sizeof *s->properties);
    if (!s->properties) return err_nomem(e);
    TRY(add_property(s, "weir.run-id", r->o->run_id, e));
    TRY(add_property(s, "weir.stack", r->o->stack_name, e));
    TRY(add_count(s, "weir.rows-in", "", out->rows_in, e));
    TRY(add_count(s, "weir.rows-out", "", out->rows_out, e));
    for (int i = 1; i < REASON_COUNT; i++)
        TRY(add_count(s, "weir.rejected.", reason_names[i], out->rejected[i], e));
    for (unsigned i = 0; i < p->keep_count; i++)
        TRY(add_count(s, "weir.nulled.", p->keep[i].name, out->nulled[i], e));
    TRY(add_property(s, "weir.events-table", arena_printf(&s->arena, "%s.%s", p->namespace_name, p->events),
                     e));
    return add_property(s, "weir.rejects-table",
                        arena_printf(&s->arena, "%s.%s", p->namespace_name, p->rejects), e);
}

static int commit_table(struct run *r, struct output *t, const struct summary *s,
                        struct run_table_result *out, struct err *e) {
    struct iceberg_commit c = {r->o->mode,     r->o->run_id,  t->files.finished,
                               t->files.count, s->properties, s->count};
    struct iceberg_result result = {0};
    int rc = iceberg_commit(t->writer, &c, &result, e);
    t->committed = !rc && !result.skipped;
    t->skip |= result.skipped; /* by another process with this run-id, since we looked */
    t->keep_files = result.unknown;
    if (rc) return rc;
    out->skipped = result.skipped;
    out->snapshot_id = result.snapshot_id;
    if (result.metadata_location)
        snprintf(out->metadata_location, sizeof out->metadata_location, "%s", result.metadata_location);
    return 0;
}

static int commit(struct run *r, struct err *e) {
    struct summary s = {0};
    unsigned threads = r->budget.threads;
    TRY(data_files_finish(&r->events.files, threads, e));
    TRY(data_files_finish(&r->rejects.files, threads, e));
    r->out->output_bytes = r->events.files.bytes + r->rejects.files.bytes;
    r->out->output_files = r->events.files.count + r->rejects.files.count;
    TRY(interrupt_check(e));
    int rc = fill_summary(r, &s, e);
    /* 4.5: rejects first; the run has happened when events has its snapshot. */
    if (!rc) rc = commit_table(r, &r->rejects, &s, &r->out->rejects, e);
    if (!rc) rc = commit_table(r, &r->events, &s, &r->out->events, e);
    arena_release(&s.arena);
    return rc;
}

/* Both tables hold this run already: its ledger is read back from the summary. */
static int repeat(struct run *r, struct err *e) {
    struct run_result *out = r->out;
    const struct pipeline *p = r->o->pipeline;
    char key[512];
    const struct {
        const char *key;
        uint64_t *value;
    } plain[] = {{"weir.rows-in", &out->rows_in}, {"weir.rows-out", &out->rows_out}};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        const char *v = iceberg_writer_run_property(r->events.writer, r->o->run_id, plain[i].key);
        if (v) *plain[i].value = strtoull(v, NULL, 10);
    }
    for (int i = 1; i < REASON_COUNT; i++) {
        snprintf(key, sizeof key, "weir.rejected.%s", reason_names[i]);
        const char *v = iceberg_writer_run_property(r->events.writer, r->o->run_id, key);
        if (v) out->rejected[i] = strtoull(v, NULL, 10);
    }
    for (unsigned i = 0; i < p->keep_count; i++) {
        snprintf(key, sizeof key, "weir.nulled.%s", p->keep[i].name);
        const char *v = iceberg_writer_run_property(r->events.writer, r->o->run_id, key);
        if (v) out->nulled[i] = strtoull(v, NULL, 10);
    }
    return commit(r, e); /* both are skipped, and say where they are */
}

static void release(struct run *r, bool failed) {
    struct output *outputs[] = {&r->rejects, &r->events};
    for (int i = 0; i < 2; i++) {
        struct output *t = outputs[i];
        if (t->writer && !t->committed && (failed || t->skip) && !t->keep_files)
            data_files_discard(&t->files);
        data_files_release(&t->files);
        iceberg_writer_free(t->writer);
    }
    for (unsigned i = 0; r->meta && i < r->budget.threads; i++) arena_release(&r->meta[i]);
    free(r->meta);
    free(r->source_files);
    results_release(&r->results);
    keys_release(&r->keys);
    slabs_release(&r->slabs);
    ingest_release(&r->in);
    store_close(r->input_store);
    mmdb_loader_release(&r->countries);
    lake_close(r->lake);
}

static int run(struct run *r, struct err *e) {
    r->meta = calloc(r->budget.threads, sizeof *r->meta);
    if (!r->meta) return err_nomem(e);
    TRY(open_all(r, e));
    if (r->events.skip && r->rejects.skip) return repeat(r, e);
    int rc = transform(r, e);
    progress_end(&r->progress);
    TRY(rc);
    TRY(check_ledger(r, e));
    return commit(r, e);
}

int run_pipeline(const struct run_options *o, struct run_result *out, struct err *e) {
    int64_t start_ns = clock_mono_ns();
    memset(out, 0, sizeof *out);
    struct run *r = calloc(1, sizeof *r);
    if (!r) return err_nomem(e);
    r->o = o;
    r->out = out;
    r->budget = plan_budget(o);
    slabs_init(&r->slabs);
    out->threads = r->budget.threads;
    out->memory_bytes = r->budget.bytes;
    const char *tmp = getenv("TMPDIR");
    r->tmp_dir = o->tmp_dir ? o->tmp_dir : tmp && *tmp ? tmp : "/tmp";
    if (o->on_event) o->on_event(o->event_ctx, "ready");
    int rc = run(r, e);
    if (!rc && o->on_event) o->on_event(o->event_ctx, "committed");
    release(r, rc != 0);
    free(r);
    out->seconds = (double)(clock_mono_ns() - start_ns) / 1e9;
    out->peak_memory_bytes = cgroup_peak_memory_bytes();
    return rc;
}
