#include "etl/day_writer.h"

#include "format/timestamp.h"

#include <stdlib.h>

enum { IDLE_ROWS = 1 << 17 };

static int make_encoder(struct day_writer *w, struct err *e) {
    const struct mmdb *countries;
    TRY(mmdb_loader_get(w->o->countries, &countries, e));
    w->columns = event_encoder_new(w->o->in->pipeline, countries);
    return w->columns ? 0 : err_nomem(e);
}

/* Write a group's rows, if any; it stays, empty: its day will often go on. */
static int write_events(struct day_writer *w, struct event_group *g, struct err *e) {
    struct parquet_row_group *meta;
    if (!g->rows) return 0;
    if (!w->columns) TRY(make_encoder(w, e));
    buf_clear(&w->out);
    TRY(event_encode(w->columns, g, w->encoder, w->o->events->columns, &w->out, w->meta, &meta, e));
    TRY(data_files_add(w->o->events, g->day, &w->out, meta, e));
    event_group_clear(g);
    return 0;
}

/* Write a group and give it up: its day has passed. */
static int retire(struct day_writer *w, uint32_t index, struct err *e) {
    struct event_group *g = w->groups[index];
    TRY(write_events(w, g, e));
    w->groups[index] = w->groups[--w->active];
    struct event_group **cached = &w->by_day[g->day & (DAY_WRITER_SLOTS - 1)];
    if (*cached == g) *cached = NULL;
    event_group_free(g);
    return 0;
}

static int write_rejects(struct day_writer *w, struct err *e) {
    struct parquet_row_group *meta;
    if (!w->rejects.rows) return 0;
    buf_clear(&w->out);
    TRY(reject_group_encode(&w->rejects, w->encoder, w->o->rejects->columns, &w->scratch, &w->out, w->meta,
                            &meta, e));
    TRY(data_files_add(w->o->rejects, 0, &w->out, meta, e));
    reject_group_clear(&w->rejects);
    return 0;
}

static struct event_group *find_day(struct day_writer *w, int32_t day) {
    for (uint32_t i = 0; i < w->active; i++)
        if (w->groups[i]->day == day) return w->groups[i];
    if (w->active == w->group_cap) {
        uint32_t cap = w->group_cap ? w->group_cap * 2 : 16;
        struct event_group **groups = realloc(w->groups, cap * sizeof *groups);
        if (!groups) return NULL;
        w->groups = groups;
        w->group_cap = cap;
    }
    struct event_group *g = event_group_new(w->o->in->pipeline, w->o->slabs);
    if (!g) return NULL;
    g->day = day;
    w->groups[w->active++] = g;
    return g;
}

static struct event_group *group_of(struct day_writer *w, int32_t day) {
    struct event_group **slot = &w->by_day[day & (DAY_WRITER_SLOTS - 1)];
    if (!*slot || (*slot)->day != day) *slot = find_day(w, day);
    if (*slot) (*slot)->touched = w->rows;
    return *slot;
}

void day_writer_count_nulled(struct day_writer *w, const struct scan_row *r) {
    for (unsigned i = 0; i < w->o->in->pipeline->keep_count; i++) w->counts.nulled[i] += r->keep[i].misfit;
}

int day_writer_keep(struct day_writer *w, const struct scan_row *r, int64_t start_us, uint32_t seq,
                    struct err *e) {
    w->counts.kept++;
    w->rows++;
    if (!w->o->events) return 0;
    struct event_group *g = group_of(w, day_writer_day(w->o, r->time_us));
    if (!g) return err_nomem(e);
    return event_group_add(g, r, start_us, seq, e);
}

int day_writer_keep_group(struct day_writer *w, struct event_group *g, struct err *e) {
    w->counts.kept += g->rows;
    w->rows += g->rows;
    if (event_group_bytes(g) >= w->o->group_bytes / 2) return write_events(w, g, e);
    if (!g->rows) return 0;
    struct event_group *to = group_of(w, g->day);
    if (!to) return err_nomem(e);
    TRY(event_group_append(to, g, e));
    event_group_clear(g);
    return 0;
}

int day_writer_reject(struct day_writer *w, enum reason reason, const struct scan_row *r,
                      const uint8_t *chunk, uint32_t file, struct err *e) {
    w->counts.rejected[reason]++;
    w->rows++;
    if (!w->o->rejects) return 0;
    TRY(reject_group_add(&w->rejects, reason, r, chunk, file, e));
    return reject_group_bytes(&w->rejects) >= w->o->group_bytes / 2 ? write_rejects(w, e) : 0;
}

static struct event_group *largest_group(const struct day_writer *w) {
    uint32_t largest = 0;
    for (uint32_t i = 1; i < w->active; i++)
        if (event_group_memory(w->groups[i]) > event_group_memory(w->groups[largest])) largest = i;
    return w->groups[largest];
}

int day_writer_tidy(struct day_writer *w, struct err *e) {
    uint64_t held = 0;
    for (uint32_t i = w->active; i--;) {
        struct event_group *g = w->groups[i];
        if (w->rows - g->touched > IDLE_ROWS)
            TRY(retire(w, i, e));
        else if (event_group_bytes(g) >= w->o->group_bytes)
            TRY(write_events(w, g, e));
    }
    for (uint32_t i = 0; i < w->active; i++) held += event_group_memory(w->groups[i]);
    while (held > w->o->pool_bytes) {
        struct event_group *g = largest_group(w);
        held -= event_group_memory(g);
        TRY(write_events(w, g, e));
    }
    return 0;
}

int day_writer_turn(struct day_writer *w, struct err *e) {
    for (uint32_t i = w->active; i--;)
        if (event_group_bytes(w->groups[i]) >= w->o->group_bytes / 4 * 3)
            TRY(write_events(w, w->groups[i], e));
    return 0;
}

int day_writer_finish(struct day_writer *w, struct err *e) {
    while (w->active) TRY(retire(w, w->active - 1, e));
    return write_rejects(w, e);
}

int day_writer_init(struct day_writer *w, const struct day_writer_options *o, struct arena *meta,
                    struct err *e) {
    memset(w, 0, sizeof *w);
    w->o = o;
    w->meta = meta;
    arena_init(&w->scratch);
    buf_init(&w->out, 0);
    reject_group_init(&w->rejects, o->in->pipeline, o->source_files, o->in->file_count);
    w->encoder = parquet_encoder_new(&(struct parquet_options){.zstd_level = 1});
    return w->encoder ? 0 : err_nomem(e);
}

void day_writer_release(struct day_writer *w) {
    for (uint32_t i = 0; i < w->active; i++) event_group_free(w->groups[i]);
    free(w->groups);
    reject_group_release(&w->rejects);
    parquet_encoder_free(w->encoder);
    event_encoder_free(w->columns);
    arena_release(&w->scratch);
    buf_release(&w->out);
}

void row_counts_add(struct row_counts *to, const struct row_counts *from) {
    to->kept += from->kept;
    for (int i = 0; i < REASON_COUNT; i++) to->rejected[i] += from->rejected[i];
    for (int i = 0; i < KEEP_MAX; i++) to->nulled[i] += from->nulled[i];
}
