#include "bench/show.h"

#include "base/clock.h"
#include "base/units.h"
#include "bench/stats.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAR = 20, INTERVAL_NS = 100000000 };

int show_start(struct show *s, const struct plan *plan, unsigned total, struct err *e) {
    size_t pairs = (size_t)plan->case_count * plan->stack_count;
    *s = (struct show){.terminal = isatty(STDERR_FILENO), .plan = plan, .total = total};
    s->job_s = calloc(pairs * SHOW_KEPT, sizeof *s->job_s);
    s->counts = calloc(pairs, sizeof *s->counts);
    return s->job_s && s->counts ? 0 : err_nomem(e);
}

void show_end(struct show *s) {
    if (s->terminal) fputs("\r\033[K", stderr);
    free(s->job_s);
    free(s->counts);
    s->job_s = NULL;
    s->counts = NULL;
}

static void format_seconds(double s, char *out, size_t cap) {
    if (s < 99.95)
        snprintf(out, cap, "%.*f s", s < 9.995 ? 2 : 1, s);
    else if (s < 5400)
        snprintf(out, cap, "%.0f min", s / 60);
    else
        snprintf(out, cap, "%.1f h", s / 3600);
}

static size_t pair_index(const struct show *s, unsigned case_index, unsigned stack_index) {
    return (size_t)case_index * s->plan->stack_count + stack_index;
}

/* 0 when there is none yet. */
static double median(const struct show *s, size_t pair) {
    double sorted[SHOW_KEPT];
    unsigned n = s->counts[pair];
    if (!n) return 0;
    memcpy(sorted, s->job_s + pair * SHOW_KEPT, n * sizeof *sorted);
    stats_sort(sorted, n);
    return stats_median(sorted, n);
}

static void draw(struct show *s, const char *what, double seconds) {
    char bar[BAR + 1], left[32] = "", now[32] = "";
    int64_t t = clock_mono_ns();
    if (!s->terminal || t < s->next_ns) return;
    s->next_ns = t + INTERVAL_NS;
    for (unsigned i = 0; i < BAR; i++) bar[i] = i < s->done * BAR / (s->total ? s->total : 1) ? '#' : '.';
    bar[BAR] = 0;
    if (s->left_s > 0) format_seconds(s->left_s, left, sizeof left);
    if (seconds >= 0) format_seconds(seconds, now, sizeof now);
    fprintf(stderr, "\r\033[K[%s] %u/%u  %s  %s  %s %s%s%s%s", bar, s->done, s->total,
            s->stack ? s->stack : "", s->name ? s->name : "", what, now, *left ? "  about " : "", left,
            *left ? " left" : "");
}

void show_doing(struct show *s, const char *what) {
    s->next_ns = 0;
    draw(s, what, -1);
}

void show_run(struct show *s, const char *stack, const char *case_name) {
    s->stack = stack;
    s->name = case_name;
    s->next_ns = 0;
}

void show_tick(void *show, const struct run_events *n, double seconds) {
    const char *phase = n->done        ? "exit"
                        : n->committed ? "committed"
                        : n->ready     ? "execution"
                        : n->start     ? "init"
                                       : "start";
    draw(show, phase, seconds);
}

void show_note(struct show *s, const char *fmt, ...) {
    va_list ap;
    if (s->terminal) fputs("\r\033[K", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    s->next_ns = 0;
}

void show_sample(struct show *s, const struct show_sample *x) {
    char job[32], middle[32], memory[32];
    size_t pair = pair_index(s, x->case_index, x->stack_index);
    const char *stack = s->plan->stacks[x->stack_index], *name = s->plan->cases[x->case_index].name;
    bool ok = strcmp(x->status, "ok") == 0;
    s->done++;
    if (x->busy_percent >= 10) s->busy++;
    if (!ok) {
        show_note(s, "%u/%u  %s  %s  %s: %s", s->done, s->total, stack, name, x->status, x->error);
        return;
    }
    if (x->counts && s->counts[pair] < SHOW_KEPT) s->job_s[pair * SHOW_KEPT + s->counts[pair]++] = x->job_s;
    if (s->terminal) return;
    format_seconds(x->job_s, job, sizeof job);
    if (s->counts[pair])
        format_seconds(median(s, pair), middle, sizeof middle);
    else
        snprintf(middle, sizeof middle, "none");
    units_format_size(x->peak_bytes, memory, sizeof memory);
    fprintf(stderr, "%u/%u  %s  %s  job %s (median so far %s), %s\n", s->done, s->total, stack, name, job,
            middle, memory);
}

void show_remarks(struct show *s) {
    if (s->terminal) fputs("\r\033[K", stderr);
    if (s->busy)
        show_note(s,
                  "something else used a tenth of a CPU or more during %u of the samples; they are flagged "
                  "\"busy\". Stop it, or repeat",
                  s->busy);
}
