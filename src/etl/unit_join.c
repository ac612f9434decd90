#include "etl/unit_join.h"

#include <stdlib.h>

int unit_join_init(struct unit_join *j, const struct pipeline *p, uint64_t users_memory, struct err *e) {
    *j = (struct unit_join){.pipeline = p};
    arena_init(&j->arena);
    return users_init(&j->users, users_memory, e);
}

void unit_join_release(struct unit_join *j) {
    users_release(&j->users);
    arena_release(&j->arena);
}

static int too_long(struct err *e) {
    return err_set(e, ERR_INPUT, "a session has more than 2147483647 events");
}

/* A run as it stands: join its first key to the visitor's last event, which may be none. */
static int settle_run(struct unit_join *j, const struct unit *u, struct unit_run *r, struct user_state *s,
                      bool *fits, struct err *e) {
    int64_t first = unit_first_us(u, r), last = unit_last_us(u, r);
    if (s->seq && first <= s->last_us) {
        *fits = false;
        return 0;
    }
    bool goes_on = s->seq && first - s->last_us <= j->pipeline->gap_us;
    r->start_us = goes_on ? s->start_us : first;
    r->seq = goes_on ? s->seq : 0;
    j->counts.sessions += !goes_on + r->inner_sessions;
    j->counts.kept += r->end - r->begin;
    uint64_t seq = r->inner_sessions ? r->tail_seq : (uint64_t)r->seq + (r->end - r->begin);
    if ((uint64_t)r->seq + (r->end - r->begin) > INT32_MAX) return too_long(e);
    s->start_us = r->inner_sessions ? r->tail_start_us : r->start_us;
    s->last_us = last;
    s->seq = (uint32_t)seq;
    return 0;
}

/* An event of either unit. */
struct item {
    struct unit *unit;
    uint32_t row;
    int64_t time_us;
};

/* 3.1, 3.2 among items of one user and time: order them, drop duplicates; *n is how many stay. Those of one
 * unit are in order and without duplicates among themselves. */
static int settle_tie(struct unit_join *j, struct item *items, uint32_t *n, struct err *e) {
    struct record *records = arena_alloc(&j->arena, *n * sizeof *records);
    struct item *sorted = arena_alloc(&j->arena, *n * sizeof *sorted);
    if (!records || !sorted) return err_nomem(e);
    for (uint32_t i = 0; i < *n; i++) {
        TRY(unit_record(j->pipeline, items[i].unit, items[i].row, &j->arena, &records[i], e));
        records[i].row = i;
    }
    record_sort(j->pipeline, records, *n);
    uint32_t kept = 0;
    for (uint32_t i = 0, last = 0; i < *n; i++) {
        const struct item *x = &items[records[i].row];
        if (i && str_eq(records[last].field[COL_EVENT_ID], records[i].field[COL_EVENT_ID])) {
            unit_drop(x->unit, x->row);
            j->counts.duplicates++;
            continue;
        }
        last = i;
        sorted[kept++] = *x;
    }
    memcpy(items, sorted, kept * sizeof *items);
    *n = kept;
    return 0;
}

static void take(struct item *to, struct unit *u, uint32_t key) {
    *to = (struct item){u, (uint32_t)key_row(&u->keys[key]), key_time_us(&u->keys[key])};
}

/* Both units hold events of the visitor that stand between each other: settle the run and what in the next
 * one comes before its end, event by event. */
static int settle_together(struct unit_join *j, struct unit *u, struct unit_run *r, struct unit *next,
                           struct unit_run *after, struct user_state *s, bool *fits, struct err *e) {
    int64_t end_us = unit_last_us(u, r), gap_us = j->pipeline->gap_us;
    uint32_t a = r->begin, b = after->begin, n = 0;
    while (b < after->end && key_time_us(&next->keys[b]) <= end_us) b++;
    uint32_t taken = b, count = (r->end - a) + (b - after->begin);
    arena_clear(&j->arena);
    struct item *items = arena_alloc(&j->arena, count * sizeof *items);
    if (!items) return err_nomem(e);
    b = after->begin;
    while (a < r->end || b < taken) {
        bool from_next = a == r->end || (b < taken && key_time_us(&next->keys[b]) < key_time_us(&u->keys[a]));
        if (from_next)
            take(&items[n++], next, b++);
        else
            take(&items[n++], u, a++);
    }
    if (s->seq && items[0].time_us <= s->last_us) {
        *fits = false;
        return 0;
    }
    for (uint32_t i = 0; i < n;) {
        uint32_t end = i + 1;
        while (end < n && items[end].time_us == items[i].time_us) end++;
        uint32_t tied = end - i;
        if (tied > 1) TRY(settle_tie(j, items + i, &tied, e));
        for (uint32_t k = i; k < i + tied; k++) {
            if (!s->seq || items[k].time_us - s->last_us > gap_us) {
                s->start_us = items[k].time_us;
                s->seq = 0;
                j->counts.sessions++;
            }
            if (s->seq == INT32_MAX) return too_long(e);
            s->last_us = items[k].time_us;
            unit_settle(items[k].unit, items[k].row, s->start_us, ++s->seq);
            j->counts.kept++;
        }
        i = end;
    }
    r->begin = r->end;
    after->begin = taken;
    if (taken < after->end) unit_measure_run(next, after, gap_us);
    return 0;
}

int unit_join_settle(struct unit_join *j, struct unit *u, struct unit *next, bool *fits, struct err *e) {
    enum { AHEAD = 8 };
    struct unit_run *after = next ? next->runs : NULL, *end = after ? after + next->run_count : NULL;
    for (uint32_t i = 0; i < u->run_count && *fits; i++) {
        struct unit_run *r = &u->runs[i];
        if (i + AHEAD < u->run_count) users_prefetch(&j->users, u->runs[i + AHEAD].user_hi);
        while (after < end &&
               (after->user_hi < r->user_hi || (after->user_hi == r->user_hi && after->user_lo < r->user_lo)))
            after++;
        if (r->begin == r->end) continue; /* settled with the unit before */
        struct user_state *s = users_find(&j->users, r->user_hi, r->user_lo, e);
        if (!s) {
            *fits = false;
            return e->code;
        }
        bool mixed = after < end && after->user_hi == r->user_hi && after->user_lo == r->user_lo &&
                     after->begin < after->end && unit_first_us(next, after) <= unit_last_us(u, r);
        TRY(mixed ? settle_together(j, u, r, next, after, s, fits, e) : settle_run(j, u, r, s, fits, e));
    }
    j->counts.users = j->users.count;
    return 0;
}
