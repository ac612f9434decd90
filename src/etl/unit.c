#include "etl/unit.h"

#include "base/hugepage.h"
#include "etl/key_sort.h"
#include "format/timestamp.h"

#define XXH_INLINE_ALL
#include <stdlib.h>
#include <xxhash.h>

enum { DAYS_MAX = 64, FIRST_ROWS = 4096 };

struct unit *unit_new(void) {
    return calloc(1, sizeof(struct unit));
}

void unit_free(struct unit *u) {
    if (!u) return;
    for (uint32_t i = 0; i < u->group_cap; i++) event_group_free(u->groups[i]);
    free(u->groups);
    free(u->rows);
    free(u->keys);
    free(u->scratch);
    free(u->runs);
    free(u);
}

static void clear(struct unit *u) {
    for (uint32_t i = 0; i < u->days; i++) event_group_clear(u->groups[i]);
    u->days = u->row_count = u->key_count = u->run_count = 0;
    u->dropped = 0;
}

static int grow(struct unit *u, struct err *e) {
    uint32_t cap = u->cap ? u->cap + u->cap / 2 : FIRST_ROWS;
    struct unit_row *rows = realloc(u->rows, cap * sizeof *rows);
    if (rows) u->rows = rows;
    struct key *keys = realloc(u->keys, cap * sizeof *keys);
    if (keys) u->keys = keys;
    struct key *scratch = realloc(u->scratch, cap * sizeof *scratch);
    if (scratch) u->scratch = scratch;
    if (!rows || !keys || !scratch) return err_nomem(e);
    u->cap = cap;
    return 0;
}

/* The group of a day; NULL when there are too many days or, with *e filled, no memory. */
static struct event_group *group_of(struct unit *u, const struct day_writer_options *o, int32_t day,
                                    struct err *e) {
    for (uint32_t i = u->days; i--;) /* newest first: logs are time-ordered */
        if (u->groups[i]->day == day) return u->groups[i];
    if (u->days == DAYS_MAX) return NULL;
    if (u->days == u->group_cap) {
        struct event_group **groups = realloc(u->groups, (u->group_cap + 1) * sizeof *groups);
        if (!groups) return err_nomem(e), NULL;
        u->groups = groups;
        u->groups[u->group_cap] = event_group_new(o->in->pipeline, o->slabs);
        if (!u->groups[u->group_cap]) return err_nomem(e), NULL;
        u->group_cap++;
    }
    struct event_group *g = u->groups[u->days++];
    g->day = day;
    return g;
}

static int add_row(struct unit_reader *r, struct unit *u, const struct scan_row *row, uint32_t file,
                   bool *fits, struct err *e) {
    if (u->row_count == u->cap) TRY(grow(u, e));
    struct event_group *g = group_of(u, r->o, day_writer_day(r->o, row->time_us), e);
    if (!g) {
        *fits = false;
        return e->code;
    }
    struct str user = row->field[COL_USER_ID];
    XXH128_hash_t h = XXH3_128bits_withSeed(user.ptr, user.len, r->seed);
    uint32_t n = u->row_count++;
    u->keys[n] = (struct key){h.high64, (uint64_t)(row->time_us - KEY_TIME_MIN) << 10, (uint32_t)h.low64, n};
    TRY(event_group_add(g, row, 0, 0, e));
    u->rows[n] = (struct unit_row){.row = event_group_row(g, g->rows - 1), .file = file};
    return 0;
}

static int read_chunk(struct unit_reader *r, struct unit *u, uint32_t chunk, struct day_writer *w, bool *fits,
                      struct err *e) {
    const uint8_t *data;
    size_t len;
    uint64_t first;
    TRY(ingest_read(r->in, chunk, &r->input, &data, &len, &first, e));
    uint32_t file = r->in->chunks[chunk].file;
    const struct scan_layout *layout = &r->in->files[file].layout;
    r->counted += scanner_count_records(r->in->pipeline, layout, data, len);
    r->bytes += len;
    TRY(scanner_begin(r->scanner, layout, data, len, e));
    for (struct scan_row row; *fits && scanner_next(r->scanner, &row);) {
        if (__builtin_expect(row.reason != REASON_NONE, 0)) {
            TRY(day_writer_reject(w, row.reason, &row, data, file, e));
            continue;
        }
        day_writer_count_nulled(w, &row);
        TRY(add_row(r, u, &row, file, fits, e));
    }
    return 0;
}

int unit_record(const struct pipeline *p, const struct unit *u, uint32_t row, struct arena *a,
                struct record *out, struct err *e) {
    struct scan_row r;
    struct scan_keep_value *keep = arena_alloc(a, p->keep_count * sizeof *keep);
    if (!keep) return err_nomem(e);
    event_row_read(p, u->rows[row].row, &r, keep);
    out->row = row;
    return record_copy(p, &r, a, out, e);
}

void unit_drop(struct unit *u, uint32_t row) {
    u->rows[row].dropped = 1;
    u->dropped++;
}

/* 3.1, 3.2 for n > 1 keys of one user and time: order them and drop duplicates; *n is how many stay. */
static int settle_tie(struct unit_reader *r, struct unit *u, struct key *keys, uint32_t *n, struct err *e) {
    arena_clear(&r->arena);
    struct record *records = arena_alloc(&r->arena, *n * sizeof *records);
    if (!records) return err_nomem(e);
    for (uint32_t i = 0; i < *n; i++)
        TRY(unit_record(r->in->pipeline, u, (uint32_t)key_row(&keys[i]), &r->arena, &records[i], e));
    record_sort(r->in->pipeline, records, *n);
    uint32_t kept = 0;
    for (uint32_t i = 0, last = 0; i < *n; i++) {
        if (i && str_eq(records[last].field[COL_EVENT_ID], records[i].field[COL_EVENT_ID])) {
            unit_drop(u, (uint32_t)records[i].row);
            continue;
        }
        last = i;
        keys[kept++].row_lo = (uint32_t)records[i].row;
    }
    *n = kept;
    return 0;
}

static inline bool same_user(const struct key *a, const struct key *b) {
    return a->user_hi == b->user_hi && a->user_lo == b->user_lo;
}

/* Ties settled, duplicates taken out of the sorted keys. */
static int settle_ties(struct unit_reader *r, struct unit *u, struct err *e) {
    struct key *keys = u->keys;
    uint32_t kept = 0, n = u->key_count;
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i + 1;
        while (end < n && same_user(&keys[end], &keys[i]) && keys[end].time_row == keys[i].time_row) end++;
        uint32_t count = end - i;
        if (count > 1) TRY(settle_tie(r, u, keys + i, &count, e));
        if (kept < i) memmove(keys + kept, keys + i, count * sizeof *keys);
        kept += count;
        i = end;
    }
    u->key_count = kept;
    return 0;
}

void unit_measure_run(const struct unit *u, struct unit_run *r, int64_t gap_us) {
    int64_t last = unit_first_us(u, r);
    r->tail_seq = 1;
    r->inner_sessions = 0;
    r->tail_start_us = last;
    for (uint32_t i = r->begin + 1; i < r->end; i++) {
        int64_t time = key_time_us(&u->keys[i]);
        r->tail_seq++;
        if (time - last > gap_us) {
            r->inner_sessions++;
            r->tail_start_us = time;
            r->tail_seq = 1;
        }
        last = time;
    }
}

static int find_runs(struct unit *u, int64_t gap_us, struct err *e) {
    for (uint32_t i = 0; i < u->key_count;) {
        uint32_t end = i + 1;
        while (end < u->key_count && same_user(&u->keys[end], &u->keys[i])) end++;
        if (u->run_count == u->run_cap) {
            uint32_t cap = u->run_cap ? u->run_cap * 2 : FIRST_ROWS;
            struct unit_run *runs = realloc(u->runs, cap * sizeof *runs);
            if (!runs) return err_nomem(e);
            u->runs = runs;
            u->run_cap = cap;
        }
        struct unit_run *r = &u->runs[u->run_count++];
        *r = (struct unit_run){
            .user_hi = u->keys[i].user_hi, .user_lo = u->keys[i].user_lo, .begin = i, .end = end};
        unit_measure_run(u, r, gap_us);
        i = end;
    }
    return 0;
}

int unit_read(struct unit_reader *r, struct unit *u, uint32_t from, uint32_t to, struct day_writer *w,
              bool *fits, struct err *e) {
    clear(u);
    for (uint32_t i = from; i < to && *fits; i++) {
        TRY(interrupt_check(e));
        TRY(read_chunk(r, u, i, w, fits, e));
    }
    if (!*fits || !u->row_count) return 0;
    key_sort(u->keys, u->scratch, u->row_count, 0, r->counters);
    struct key *sorted = u->scratch;
    u->scratch = u->keys;
    u->keys = sorted;
    u->key_count = u->row_count;
    TRY(settle_ties(r, u, e));
    return find_runs(u, r->in->pipeline->gap_us, e);
}

/* Keys stand by user, rows by place in the input: what the keys some way on belong to is fetched ahead. */
static inline void fetch_ahead(const struct unit *u, uint32_t key) {
    enum { NEAR = 10, FAR = 20 };
    if (key + FAR >= u->key_count) return;
    __builtin_prefetch(&u->rows[u->keys[key + FAR].row_lo]);
    __builtin_prefetch(u->rows[u->keys[key + NEAR].row_lo].row, 1);
}

static void number_run(struct unit *u, const struct unit_run *r, int64_t gap_us) {
    int64_t start = r->start_us, last = 0;
    uint32_t seq = r->seq, session = u->sessions++;
    for (uint32_t i = r->begin; i < r->end; i++) {
        int64_t time = key_time_us(&u->keys[i]);
        fetch_ahead(u, i);
        if (i == r->begin ? !seq : time - last > gap_us) {
            start = time;
            seq = 0;
            session = u->sessions++;
        }
        unit_settle(u, (uint32_t)key_row(&u->keys[i]), start, ++seq)->session = session;
        last = time;
    }
}

static int reject_dropped(struct unit *u, struct day_writer *w, struct err *e) {
    struct scan_keep_value keep[KEEP_MAX];
    uint64_t left = u->dropped;
    for (uint32_t i = 0; i < u->row_count && left; i++) {
        if (!u->rows[i].dropped) continue;
        struct scan_row row;
        event_row_read(w->o->in->pipeline, u->rows[i].row, &row, keep);
        TRY(day_writer_reject(w, REASON_DUPLICATE_EVENT, &row, NULL, u->rows[i].file, e));
        unit_settle(u, i, 0, 0);
        left--;
    }
    for (uint32_t i = 0; i < u->days; i++) event_group_compact(u->groups[i]);
    return 0;
}

int unit_write(struct unit *u, struct day_writer *w, int64_t gap_us, struct err *e) {
    u->sessions = 0;
    for (uint32_t i = 0; i < u->run_count; i++) number_run(u, &u->runs[i], gap_us);
    for (uint32_t i = 0; i < u->days; i++) u->groups[i]->session_count = u->sessions;
    if (u->dropped) TRY(reject_dropped(u, w, e));
    for (uint32_t i = 0; i < u->days; i++) TRY(day_writer_keep_group(w, u->groups[i], e));
    clear(u);
    return day_writer_tidy(w, e);
}

int unit_reader_init(struct unit_reader *r, const struct day_writer_options *o, uint64_t seed,
                     struct err *e) {
    *r = (struct unit_reader){.in = o->in, .o = o, .seed = seed};
    arena_init(&r->arena);
    r->scanner = scanner_new(o->in->pipeline, SCAN_FULL);
    r->counters = malloc(KEY_SORT_COUNTERS * sizeof *r->counters);
    return r->scanner && r->counters ? 0 : err_nomem(e);
}

void unit_reader_release(struct unit_reader *r) {
    scanner_free(r->scanner);
    ingest_buffer_release(&r->input);
    arena_release(&r->arena);
    free(r->counters);
    *r = (struct unit_reader){0};
}
