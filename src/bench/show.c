#include "bench/show.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { BAR = 20, INTERVAL_NS = 100000000 };

void show_start(struct show *s, const struct plan *plan, const struct tally *tally, unsigned total) {
    *s = (struct show){.terminal = isatty(STDERR_FILENO), .plan = plan, .tally = tally, .total = total};
}

void show_end(struct show *s) {
    if (s->terminal) fputs("\r\033[K", stderr);
}

static void format_seconds(double s, char *out, size_t cap) {
    if (s < 99.95)
        snprintf(out, cap, "%.*f s", s < 9.995 ? 2 : 1, s);
    else if (s < 5400)
        snprintf(out, cap, "%.0f min", s / 60);
    else
        snprintf(out, cap, "%.1f h", s / 3600);
}

/* "2.31 s [2.28, 2.40], n=8"; from six samples on with the interval. */
static const char *so_far(const struct show *s, unsigned case_index, unsigned stack_index, char out[96]) {
    double median;
    struct stats_interval i;
    unsigned n = tally_median(s->tally, case_index, stack_index, &median, &i);
    if (!n) return "none";
    int digits = median < 9.995 ? 2 : median < 99.95 ? 1 : 0;
    size_t at = (size_t)snprintf(out, 96, "%.*f s", digits, median);
    if (i.known) at += (size_t)snprintf(out + at, 96 - at, " [%.*f, %.*f]", digits, i.low, digits, i.high);
    snprintf(out + at, 96 - at, ", n=%u", n);
    return out;
}

static unsigned columns(void) {
    struct winsize w;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20 ? w.ws_col : 80;
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
    char text[512];
    snprintf(text, sizeof text, "[%s] %u/%u  %s  %s %s%s%s%s%s%s%s  %s", bar, s->done, s->total,
             s->stack ? s->stack : "", what, now, *left ? "  about " : "", left, *left ? " left" : "",
             *s->last ? "  (" : "", s->last, *s->last ? ")" : "", s->name ? s->name : "");
    fprintf(stderr, "\r\033[K%.*s", (int)columns() - 1, text); /* a longer one would wrap, and stay */
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
    char job[32], middle[96], memory[32];
    const char *stack = s->plan->stacks[x->stack_index], *name = s->plan->cases[x->case_index].name;
    bool ok = strcmp(x->status, "ok") == 0;
    s->done++;
    if (x->busy_percent >= 10) s->busy++;
    if (!ok) {
        show_note(s, "%u/%u  %s  %s  %s: %s", s->done, s->total, stack, name, x->status, x->error);
        return;
    }
    format_seconds(x->job_s, job, sizeof job);
    units_format_size(x->peak_bytes, memory, sizeof memory);
    const char *median = so_far(s, x->case_index, x->stack_index, middle);
    if (s->terminal)
        snprintf(s->last, sizeof s->last, "%s %s", stack, median);
    else
        fprintf(stderr, "%u/%u  %s  %s  job %s (median so far %s), %s\n", s->done, s->total, stack, name, job,
                median, memory);
}

void show_remarks(struct show *s) {
    if (s->terminal) fputs("\r\033[K", stderr);
    if (s->busy)
        show_note(s,
                  "something else used a tenth of a CPU or more during %u of the samples; they are flagged "
                  "\"busy\". Stop it, or repeat",
                  s->busy);
}
