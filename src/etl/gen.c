#include "etl/gen.h"

#include "base/clock.h"
#include "base/progress.h"
#include "base/threads.h"
#include "etl/gen_csv.h"
#include "etl/gen_out.h"
#include "etl/gen_parquet.h"
#include "etl/gen_truth.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    STEP_ROWS = 400000,  /* slices are taken together up to about so many rows */
    SAMPLE_ROWS = 60000, /* made and forgotten, to tell how large a row is */
    THREADS_MAX = 256,
    PER_ROW_GUESS = 300, /* bytes, for the progress bar */
    FLUSH_BYTES = 16 << 20,
};

/* What one thread works with. */
struct worker {
    struct gen_maker maker;
    struct gen_row row;
    const struct gen_event **events; /* of a bucket */
    uint64_t *keys, *keys2;          /* time in the bucket << 32 | number in events */
    size_t cap;
    struct buf out;
    struct gen_columns *columns;
    struct arena groups;
};

struct bucket {
    uint64_t first_row;
    uint32_t rows;
};

struct run {
    const struct gen_options *o;
    struct gen_plan plan;
    struct gen_rows *rows;
    struct gen_out out;
    unsigned fields, step_slices;
    struct gen_cell *cells; /* (step_slices + 1) × groups: the slice before the step, then the step's */
    struct bucket *buckets; /* of the step */
    struct worker *workers;
    unsigned threads;
    /* The step in work. */
    unsigned first_slice, slices;
    atomic_uint next;
    /* Whose turn it is to be given room in the files. */
    pthread_mutex_t turn_lock;
    pthread_cond_t turn_changed;
    unsigned turn;
    struct progress bar;
};

void gen_options_init(struct gen_options *o) {
    *o = (struct gen_options){.seed = 1, .files = 1, .days = 30, .dirt = GEN_DIRT_SOME, .robot_percent = 4};
}

/* ---- cells ---- */

static int make_cells(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct run *r = ctx;
    unsigned groups = r->plan.groups, count = r->slices * groups;
    for (unsigned i; !threads_stopping(g) && (i = atomic_fetch_add(&r->next, 1)) < count;)
        TRY(gen_cell_make(&r->plan, &r->workers[index].maker, r->first_slice + i / groups, i % groups,
                          &r->cells[groups + i], e));
    return 0;
}

static uint32_t cell_rows(const struct gen_cell *c, unsigned bucket) {
    return c->bucket ? c->bucket[bucket + 1] - c->bucket[bucket] : 0;
}

static void count_buckets(struct run *r, uint64_t *row) {
    unsigned groups = r->plan.groups, per_slice = r->plan.buckets;
    for (unsigned i = 0; i < r->slices * per_slice; i++) {
        const struct gen_cell *before = r->cells + i / per_slice * groups, *own = before + groups;
        uint32_t rows = 0;
        for (unsigned g = 0; g < groups; g++)
            rows += cell_rows(&before[g], per_slice + i % per_slice) + cell_rows(&own[g], i % per_slice);
        r->buckets[i] = (struct bucket){*row, rows};
        *row += rows;
    }
}

/* ---- buckets ---- */

static int worker_reserve(struct worker *w, size_t rows, struct err *e) {
    if (rows <= w->cap) return 0;
    free(w->events);
    free(w->keys);
    free(w->keys2);
    w->cap = 0;
    w->events = malloc(rows * sizeof *w->events);
    w->keys = malloc(rows * sizeof *w->keys);
    w->keys2 = malloc(rows * sizeof *w->keys2);
    if (!w->events || !w->keys || !w->keys2) return err_nomem(e);
    w->cap = rows;
    return 0;
}

/* Ascending by the upper 24 bits of the lower 56, stable. */
static void sort_keys(struct worker *w, size_t n) {
    enum { DIGIT = 12 };
    for (unsigned shift = 32; shift < 32 + 2 * DIGIT; shift += DIGIT) {
        size_t at[1 << DIGIT] = {0}, sum = 0;
        for (size_t i = 0; i < n; i++) at[w->keys[i] >> shift & ((1 << DIGIT) - 1)]++;
        for (unsigned d = 0; d < 1 << DIGIT; d++) {
            size_t count = at[d];
            at[d] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++) w->keys2[at[w->keys[i] >> shift & ((1 << DIGIT) - 1)]++] = w->keys[i];
        uint64_t *swap = w->keys;
        w->keys = w->keys2;
        w->keys2 = swap;
    }
}

/* The bucket's events in the order of the log, to the millisecond; then as they were made. */
static void gather(struct run *r, struct worker *w, unsigned i) {
    const struct gen_plan *p = &r->plan;
    unsigned slice = i / p->buckets, b = i % p->buckets;
    int64_t slice_us = p->start_us + (r->first_slice + slice) * GEN_SLICE_US;
    const struct gen_cell *before = r->cells + slice * p->groups;
    size_t n = 0;
    for (unsigned c = 0; c < 2 * p->groups; c++) { /* the groups' earlier cells, then their own */
        unsigned at = c < p->groups ? p->buckets + b : b;
        if (!before[c].bucket) continue;
        for (uint32_t k = before[c].bucket[at]; k < before[c].bucket[at + 1]; k++) {
            const struct gen_event *v = &before[c].events[k];
            w->events[n] = v;
            w->keys[n] = (uint64_t)((gen_position(v) - slice_us) / 1000) << 32 | n; /* below 7.2 M: 23 bits */
            n++;
        }
    }
    sort_keys(w, n);
}

/* In which file a row stands: by day of its place in the log, or in equal parts. */
static unsigned file_of(const struct run *r, unsigned bucket, uint64_t row) {
    if (r->o->daily) return (r->first_slice + bucket / r->plan.buckets) / GEN_SLICES_PER_DAY;
    return (unsigned)((unsigned __int128)row * r->out.count / r->plan.rows);
}

/* Whether a file's last line lacks its end (1.2). */
static bool ends_bare(const struct run *r, uint64_t row) {
    if (r->plan.dirt == GEN_DIRT_NONE) return false;
    if (row + 1 == r->plan.rows) return true;
    return !r->o->daily && file_of(r, 0, row) % 2 == 0 && file_of(r, 0, row + 1) != file_of(r, 0, row);
}

static int take_turn(struct run *r, unsigned bucket, struct threads_group *g, struct err *e) {
    pthread_mutex_lock(&r->turn_lock);
    while (r->turn != bucket && !threads_stopping(g)) {
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 20000000; /* so that an interrupt or another's error is seen */
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        pthread_cond_timedwait(&r->turn_changed, &r->turn_lock, &until);
    }
    bool mine = r->turn == bucket;
    if (!mine) pthread_mutex_unlock(&r->turn_lock);
    return mine ? 0 : err_set(e, ERR_INTERRUPTED, "interrupted; nothing was made");
}

static void pass_turn(struct run *r) {
    r->turn++;
    pthread_cond_broadcast(&r->turn_changed);
    pthread_mutex_unlock(&r->turn_lock);
}

/* A run of a bucket's rows that stands in one file. */
struct piece {
    unsigned file;
    uint32_t rows;
    size_t begin, end; /* in the worker's buffer */
    uint64_t offset;
    struct parquet_row_group *group;
};

static int add_group(struct gen_file *f, struct parquet_row_group *g, struct err *e) {
    if (f->group_count == f->group_cap) {
        unsigned cap = f->group_cap ? 2 * f->group_cap : 16;
        struct parquet_row_group **p = realloc(f->groups, cap * sizeof(struct parquet_row_group *));
        if (!p) return err_nomem(e);
        f->groups = p;
        f->group_cap = cap;
    }
    f->groups[f->group_count++] = g;
    return 0;
}

static int place(struct run *r, struct piece *pieces, unsigned count, struct err *e) {
    for (unsigned i = 0; i < count; i++) {
        struct gen_file *f = &r->out.files[pieces[i].file];
        pieces[i].offset = f->bytes;
        f->bytes += pieces[i].end - pieces[i].begin;
        f->rows += pieces[i].rows;
        if (!pieces[i].group) continue;
        pieces[i].group->offset = pieces[i].offset;
        TRY(add_group(f, pieces[i].group, e));
    }
    return 0;
}

static int write_pieces(struct run *r, struct worker *w, struct piece *pieces, unsigned count,
                        unsigned bucket, struct threads_group *g, struct err *e) {
    TRY(take_turn(r, bucket, g, e));
    int rc = place(r, pieces, count, e);
    pass_turn(r);
    for (unsigned i = 0; !rc && i < count; i++)
        rc = gen_out_write(&r->out, pieces[i].file, w->out.data + pieces[i].begin,
                           pieces[i].end - pieces[i].begin, pieces[i].offset, e);
    progress_add(&r->bar, w->out.len);
    return rc;
}

static void tally_row(struct gen_tally *t, const struct gen_row *row) {
    if (!row->kept) return;
    t->countries[row->country]++;
    for (int i = 0; i < 3; i++) t->nulled[i] += row->nulled[i];
}

static int make_bucket(struct run *r, struct worker *w, unsigned i, struct piece **pieces,
                       unsigned *piece_cap, struct threads_group *g, struct err *e) {
    struct bucket *b = &r->buckets[i];
    struct gen_csv_layout layout;
    bool csv = r->o->format == GEN_CSV;
    unsigned count = 0;
    TRY(worker_reserve(w, b->rows, e));
    gather(r, w, i);
    buf_clear(&w->out);
    for (uint32_t k = 0; k < b->rows;) {
        unsigned file = file_of(r, i, b->first_row + k);
        if (count == *piece_cap) {
            unsigned cap = *piece_cap ? 2 * *piece_cap : 4;
            struct piece *p = realloc(*pieces, cap * sizeof *p);
            if (!p) return err_nomem(e);
            *pieces = p;
            *piece_cap = cap;
        }
        struct piece *p = &(*pieces)[count++];
        *p = (struct piece){.file = file, .begin = w->out.len};
        gen_csv_layout_init(&layout, r->fields, r->plan.dirt, file);
        for (; k < b->rows && file_of(r, i, b->first_row + k) == file; k++, p->rows++) {
            const struct gen_event *v = w->events[(uint32_t)w->keys[k]];
            gen_row_make(r->rows, v, &w->row);
            tally_row(&w->maker.tally, &w->row);
            if (csv)
                TRY(gen_csv_row(&layout, v, &w->row, ends_bare(r, b->first_row + k), &w->out, e));
            else
                TRY(gen_columns_add(w->columns, &w->row, r->fields, e));
        }
        if (!csv) TRY(gen_columns_encode(w->columns, r->fields, &w->out, &w->groups, &p->group, e));
        p->end = w->out.len;
    }
    return write_pieces(r, w, *pieces, count, i, g, e);
}

static int make_buckets(void *ctx, unsigned index, struct threads_group *g, struct err *e) {
    struct run *r = ctx;
    struct piece *pieces = NULL;
    unsigned cap = 0, count = r->slices * r->plan.buckets;
    int rc = 0;
    for (unsigned i; !rc && !threads_stopping(g) && (i = atomic_fetch_add(&r->next, 1)) < count;)
        rc = make_bucket(r, &r->workers[index], i, &pieces, &cap, g, e);
    free(pieces);
    return rc;
}

/* ---- the run ---- */

static int add_header(const struct run *r, unsigned file, struct buf *head, struct err *e) {
    struct gen_csv_layout layout;
    gen_csv_layout_init(&layout, r->fields, r->plan.dirt, file);
    return gen_csv_header(&layout, head, e);
}

static int begin_files(struct run *r, struct err *e) {
    struct buf head;
    buf_init(&head, 4096);
    int rc = 0;
    for (unsigned i = 0; !rc && i < r->out.count; i++) {
        buf_clear(&head);
        if (r->o->format == GEN_CSV)
            rc = add_header(r, i, &head, e);
        else
            rc = buf_add(&head, parquet_magic, PARQUET_MAGIC_BYTES, e);
        if (!rc) rc = gen_out_write(&r->out, i, head.data, head.len, 0, e);
        r->out.files[i].bytes = head.len;
    }
    buf_release(&head);
    return rc;
}

static int end_files(struct run *r, struct err *e) {
    if (r->o->format == GEN_CSV) return 0;
    struct buf foot;
    buf_init(&foot, 0);
    int rc = 0;
    for (unsigned i = 0; !rc && i < r->out.count; i++) {
        struct gen_file *f = &r->out.files[i];
        buf_clear(&foot);
        rc = parquet_footer(gen_parquet_columns, r->fields, f->groups, f->group_count,
                            "weir version " WEIR_VERSION, &foot, e);
        if (!rc) rc = gen_out_write(&r->out, i, foot.data, foot.len, f->bytes, e);
        f->bytes += foot.len;
    }
    buf_release(&foot);
    return rc;
}

static int run_steps(struct run *r, struct err *e) {
    const struct gen_plan *p = &r->plan;
    uint64_t row = 0;
    for (unsigned s = 0; s < p->slices; s += r->slices) {
        r->first_slice = s;
        r->slices = p->slices - s < r->step_slices ? p->slices - s : r->step_slices;
        atomic_store(&r->next, 0);
        TRY(threads_run(r->threads, make_cells, r, e));
        count_buckets(r, &row);
        atomic_store(&r->next, 0);
        r->turn = 0;
        TRY(threads_run(r->threads, make_buckets, r, e));
        for (unsigned g = 0; g < p->groups; g++) { /* the step's last slice goes before the next step */
            struct gen_cell swap = r->cells[g];
            r->cells[g] = r->cells[r->slices * p->groups + g];
            r->cells[r->slices * p->groups + g] = swap;
        }
    }
    if (row != p->rows)
        return err_set(e, ERR_OUTSIDE, "the generator made %llu rows instead of %llu: please report this",
                       (unsigned long long)row, (unsigned long long)p->rows);
    return 0;
}

static int make_workers(struct run *r, struct err *e) {
    r->workers = calloc(r->threads, sizeof *r->workers);
    if (!r->workers) return err_nomem(e);
    for (unsigned i = 0; i < r->threads; i++) {
        struct worker *w = &r->workers[i];
        buf_init(&w->out, 0);
        arena_init(&w->groups);
        TRY(gen_maker_init(&w->maker, &r->plan, e));
        w->maker.tally.countries = calloc(gen_rows_countries(r->rows), sizeof(uint64_t));
        if (!w->maker.tally.countries) return err_nomem(e);
        if (r->o->format == GEN_PARQUET && !(w->columns = gen_columns_new())) return err_nomem(e);
    }
    return 0;
}

static void release(struct run *r) {
    for (unsigned i = 0; r->workers && i < r->threads; i++) {
        struct worker *w = &r->workers[i];
        free(w->maker.tally.countries);
        gen_maker_release(&w->maker);
        gen_columns_free(w->columns);
        arena_release(&w->groups);
        buf_release(&w->out);
        free(w->events);
        free(w->keys);
        free(w->keys2);
    }
    free(r->workers);
    if (r->cells)
        for (size_t i = 0; i < (size_t)(r->step_slices + 1) * r->plan.groups; i++)
            gen_cell_release(&r->cells[i]);
    free(r->cells);
    free(r->buckets);
    gen_plan_release(&r->plan);
    gen_out_release(&r->out);
    pthread_mutex_destroy(&r->turn_lock);
    pthread_cond_destroy(&r->turn_changed);
}

static int run(struct run *r, uint64_t rows, const struct mmdb *db, struct arena *a,
               struct gen_result *result, struct err *e) {
    TRY(gen_plan_init(&r->plan, r->o, rows, a, e));
    TRY(gen_rows_new(&r->plan, db, a, &r->rows, e));
    TRY(gen_out_open(&r->out, r->o, (int32_t)(r->plan.start_us / GEN_DAY_US), e));
    uint64_t per_slice = rows / r->plan.slices + 1, slices = STEP_ROWS / per_slice + 1;
    r->step_slices = slices < r->plan.slices ? (unsigned)slices : r->plan.slices;
    r->fields = r->o->plain ? COLUMN_COUNT : GEN_FIELD_COUNT;
    r->threads = r->o->threads ? r->o->threads : threads_cpu_count();
    if (r->threads > THREADS_MAX) r->threads = THREADS_MAX;
    r->cells = calloc((size_t)(r->step_slices + 1) * r->plan.groups, sizeof *r->cells);
    r->buckets = calloc((size_t)r->step_slices * r->plan.buckets, sizeof *r->buckets);
    if (!r->cells || !r->buckets) return err_nomem(e);
    TRY(make_workers(r, e));
    TRY(begin_files(r, e));
    TRY(run_steps(r, e));
    TRY(end_files(r, e));

    struct gen_tally *tallies[THREADS_MAX];
    for (unsigned i = 0; i < r->threads; i++) tallies[i] = &r->workers[i].maker.tally;
    struct buf text;
    buf_init(&text, 0);
    gen_truth_sum(&r->plan, tallies, r->threads, gen_rows_countries(r->rows), result);
    for (unsigned i = 0; i < r->out.count; i++) result->bytes += r->out.files[i].bytes;
    result->files = r->out.count;
    int rc = gen_truth_print(r->o, &r->plan, r->rows, db, tallies[0], &r->out, result, &text, e);
    if (!rc) rc = interrupt_check(e);
    if (!rc) rc = gen_out_commit(&r->out, &text, e);
    buf_release(&text);
    return rc;
}

static int run_once(const struct gen_options *o, uint64_t rows, const struct mmdb *db,
                    struct gen_result *result, struct err *e) {
    struct run r = {.o = o};
    struct arena a;
    arena_init(&a);
    pthread_mutex_init(&r.turn_lock, NULL);
    pthread_cond_init(&r.turn_changed, NULL);
    *result = (struct gen_result){0};
    progress_start(&r.bar, o->progress, "generate", o->rows ? rows * PER_ROW_GUESS : o->size_bytes);
    int rc = run(&r, rows, db, &a, result, e);
    progress_end(&r.bar);
    release(&r);
    arena_release(&a);
    return rc;
}

/* How many rows make `size_bytes`: by the size of some that are made and forgotten. */
static int rows_for_size(const struct gen_options *o, const struct mmdb *db, uint64_t *rows, struct err *e) {
    struct gen_options sample = *o;
    struct gen_result result;
    sample.out_dir = NULL;
    sample.progress = sample.daily = false;
    sample.files = sample.days = 1;
    TRY(run_once(&sample, SAMPLE_ROWS, db, &result, e));
    *rows = (uint64_t)((unsigned __int128)o->size_bytes * SAMPLE_ROWS / result.bytes);
    if (*rows == 0) *rows = 1;
    return 0;
}

int gen_run(const struct gen_options *o, struct gen_result *out, struct err *e) {
    int64_t begin = clock_mono_ns();
    struct mmdb *db;
    TRY(mmdb_open(o->mmdb_path, &db, e));
    uint64_t rows = o->rows;
    int rc = rows ? 0 : rows_for_size(o, db, &rows, e);
    if (!rc && o->files > rows)
        rc = err_set(e, ERR_USAGE, "--files %u: more files than rows (%llu)", o->files,
                     (unsigned long long)rows);
    if (!rc) rc = run_once(o, rows, db, out, e);
    mmdb_free(db);
    if (!rc) out->seconds = (double)(clock_mono_ns() - begin) / 1e9;
    return rc;
}
