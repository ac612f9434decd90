#include "bench/sampler.h"

#include "base/clock.h"
#include "edge/proc.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

enum { PIDS = 4096 };

static uint64_t own_cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

void sampler_start(struct sampler *s, const struct group *group, pid_t root) {
    *s = (struct sampler){.group = group, .root = root, .start_ns = clock_mono_ns(), .merged = 1};
}

/* Programs beyond the table's size share its last entry. */
static unsigned name_index(struct sampler *s, const char *name) {
    for (unsigned i = 0; i < s->names; i++)
        if (strcmp(s->name[i], name) == 0) return i;
    if (s->names == SAMPLER_NAMES) return SAMPLER_NAMES - 1;
    bool last = s->names == SAMPLER_NAMES - 1;
    memcpy(s->name[s->names], last ? "others" : name, last ? 7 : strlen(name) + 1);
    return s->names++;
}

/* Without a group, what the processes add up to: shared pages count once for each. */
static void look_at_processes(struct sampler *s, struct sampler_point *at) {
    static pid_t pids[PIDS];
    uint64_t anon = 0, shared = 0, cpu_ns = 0;
    unsigned n = s->group ? group_pids(s->group, pids, PIDS) : proc_below(s->root, pids, PIDS);
    for (unsigned i = 0; i < n; i++) {
        struct proc p;
        if (!proc_read(pids[i], &p) || p.state == 'Z') continue;
        at->rss[name_index(s, p.name)] += p.rss_bytes;
        anon += p.rss_bytes - (p.shared_bytes < p.rss_bytes ? p.shared_bytes : p.rss_bytes);
        shared += p.shared_bytes;
        cpu_ns += p.cpu_ns;
    }
    if (s->group) return;
    at->anon = anon;
    at->shared = shared;
    at->cpu_ns = cpu_ns;
}

static void keep_larger(uint64_t *a, uint64_t b) {
    if (b > *a) *a = b;
}

/* `from` came later. */
static void merge(struct sampler_point *into, const struct sampler_point *from) {
    keep_larger(&into->anon, from->anon);
    keep_larger(&into->shared, from->shared);
    keep_larger(&into->cache, from->cache);
    for (unsigned i = 0; i < SAMPLER_NAMES; i++) keep_larger(&into->rss[i], from->rss[i]);
    into->t_s = from->t_s;
    into->cpu_ns = from->cpu_ns;
}

static void keep(struct sampler *s, const struct sampler_point *at) {
    if (s->pending && s->pending < s->merged) {
        merge(&s->points[s->count - 1], at);
        s->pending++;
        return;
    }
    if (s->count == SAMPLER_POINTS) {
        for (unsigned i = 0; i < SAMPLER_POINTS / 2; i++) {
            struct sampler_point p = s->points[2 * i];
            merge(&p, &s->points[2 * i + 1]);
            s->points[i] = p;
        }
        s->count = SAMPLER_POINTS / 2;
        s->merged *= 2;
    }
    s->points[s->count++] = *at;
    s->pending = 1;
}

void sampler_look(struct sampler *s) {
    uint64_t before = own_cpu_ns();
    struct sampler_point at = {.t_s = (double)(clock_mono_ns() - s->start_ns) / 1e9};
    if (s->group) {
        group_read(s->group, &s->last);
        at.anon = s->last.anon;
        at.shared = s->last.shared;
        at.cache = s->last.cache;
        at.cpu_ns = s->last.cpu_ns;
    }
    look_at_processes(s, &at);
    /* Without a group the shared pages are mostly one library mapped many times. */
    keep_larger(&s->peak_anon, at.anon + (s->group ? at.shared : 0));
    keep_larger(&s->peak_cache, at.cache);
    keep(s, &at);
    s->looks++;
    s->cost_ns += own_cpu_ns() - before;
}

static json_t *column(const struct sampler *s, size_t offset) {
    json_t *a = json_array();
    for (unsigned i = 0; i < s->count; i++) {
        uint64_t v;
        memcpy(&v, (const char *)&s->points[i] + offset, sizeof v);
        json_array_append_new(a, json_integer((json_int_t)v));
    }
    return a;
}

static json_t *times(const struct sampler *s) {
    json_t *a = json_array();
    for (unsigned i = 0; i < s->count; i++)
        json_array_append_new(a, json_real((double)(int64_t)(s->points[i].t_s * 1e4 + .5) / 1e4));
    return a;
}

/* Of one CPU, since the point before. */
static json_t *cpu_percent(const struct sampler *s) {
    json_t *a = json_array();
    double t = 0;
    uint64_t cpu_ns = 0;
    for (unsigned i = 0; i < s->count; i++) {
        const struct sampler_point *p = &s->points[i];
        double used = p->cpu_ns > cpu_ns ? (double)(p->cpu_ns - cpu_ns) / 1e9 : 0;
        double percent = p->t_s > t ? 100 * used / (p->t_s - t) : 0;
        json_array_append_new(a, json_real((double)(int64_t)(percent * 10 + .5) / 10));
        t = p->t_s;
        cpu_ns = p->cpu_ns;
    }
    return a;
}

json_t *sampler_series(const struct sampler *s, double interval_s) {
    json_t *by = json_object();
    for (unsigned i = 0; i < s->names; i++)
        json_object_set_new(
            by, s->name[i],
            json_pack("{s:o}", "rss", column(s, offsetof(struct sampler_point, rss) + i * sizeof(uint64_t))));
    return json_pack("{s:f,s:o,s:o,s:o,s:o,s:o,s:o}", "dt_s", interval_s * s->merged, "t_s", times(s), "anon",
                     column(s, offsetof(struct sampler_point, anon)), "shared",
                     column(s, offsetof(struct sampler_point, shared)), "cache",
                     column(s, offsetof(struct sampler_point, cache)), "cpu_percent", cpu_percent(s),
                     "by_process", by);
}
