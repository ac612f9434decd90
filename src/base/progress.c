#include "base/progress.h"

#include "base/clock.h"
#include "base/units.h"

#include <stdio.h>
#include <unistd.h>

enum { INTERVAL_NS = 100000000, FIRST_NS = 300000000, BAR = 24 };

void progress_start(struct progress *p, bool wanted, const char *label, uint64_t total) {
    p->enabled = wanted && isatty(STDERR_FILENO);
    p->label = label;
    p->total = total;
    p->start_ns = clock_mono_ns();
    atomic_store(&p->done, 0);
    atomic_store(&p->next_ns, p->start_ns + FIRST_NS);
}

static void draw(const struct progress *p, uint64_t done, int64_t now) {
    char bar[BAR + 1], size[32], rate[32];
    double share = p->total ? (double)done / (double)p->total : 0,
           seconds = (double)(now - p->start_ns) / 1e9;
    if (share > 1) share = 1;
    for (int i = 0; i < BAR; i++) bar[i] = i < (int)(share * BAR) ? '#' : '.';
    bar[BAR] = 0;
    units_format_size(done, size, sizeof size);
    units_format_size((uint64_t)((double)done / seconds), rate, sizeof rate);
    if (share > 0)
        fprintf(stderr, "\r\033[K%-10s [%s] %3d %%  %s  %s/s  %.0f s left", p->label, bar, (int)(share * 100),
                size, rate, seconds * (1 - share) / share);
    else
        fprintf(stderr, "\r\033[K%-10s %s  %s/s", p->label, size, rate);
}

void progress_add(struct progress *p, uint64_t bytes) {
    uint64_t done = atomic_fetch_add(&p->done, bytes) + bytes;
    if (!p->enabled) return;
    int64_t now = clock_mono_ns(), next = atomic_load(&p->next_ns);
    if (now < next || !atomic_compare_exchange_strong(&p->next_ns, &next, now + INTERVAL_NS)) return;
    draw(p, done, now);
}

void progress_end(struct progress *p) {
    if (p->enabled) fputs("\r\033[K", stderr);
}
