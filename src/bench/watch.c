#include "bench/watch.h"

#include "base/clock.h"
#include "base/threads.h"
#include "edge/proc.h"

enum { PATIENCE_MS = 3 * RUNNER_GRACE_MS };

void watch_begin(struct watch *w) {
    group_pressure(w->pressure, w->before_us);
    w->busy_ns = proc_machine_busy_ns();
    w->start_ns = clock_mono_ns();
}

static void look(struct watch *w, int64_t now) {
    const struct run_request *q = w->request;
    struct run_outcome *out = w->out;
    if (!w->look || w->look(w->ctx, out)) sampler_look(out->sampler);
    if (!q->tick) return;
    if (q->events_file) run_events_read(q->events_file, &out->events);
    q->tick(q->ctx, &out->events, (double)(now - w->start_ns) / 1e9);
}

/* Looks at fixed moments, however long a look takes. */
static int until_over(struct watch *w, struct err *e) {
    const double timeout_s = w->request->timeout_s;
    int64_t next = w->start_ns, deadline = INT64_MAX, gone = INT64_MAX;
    if (timeout_s > 0) deadline = w->start_ns + (int64_t)(timeout_s * 1e9);
    bool given_up = false;
    int rc = 0;
    for (;;) {
        int64_t now = clock_mono_ns();
        int wait_ms = next > now ? (int)((next - now + 999999) / 1000000) : 0;
        if (w->wait(w->ctx, wait_ms, w->out)) return rc;
        now = clock_mono_ns();
        if (!rc && (rc = interrupt_check(e))) {
            err_set(e, rc, "interrupted");
            deadline = now;
        }
        if (now >= deadline) {
            if (!rc) w->out->timed_out = true;
            w->stop(w->ctx);
            deadline = INT64_MAX;
            gone = now + PATIENCE_MS * INT64_C(1000000);
        }
        if (now >= gone && given_up)
            return rc ? rc : err_set(e, ERR_OUTSIDE, "it was killed, and nothing says that it has ended");
        if (now >= gone) {
            w->give_up(w->ctx);
            given_up = true;
            gone = clock_mono_ns() + RUNNER_GRACE_MS * INT64_C(1000000);
        }
        if (now < next) continue;
        look(w, now);
        next += RUNNER_INTERVAL_MS * INT64_C(1000000);
        if (next < now) next = now + RUNNER_INTERVAL_MS * INT64_C(1000000);
    }
}

static void settle(const struct watch *w) {
    struct run_outcome *out = w->out;
    double wall_s = (double)(clock_mono_ns() - w->start_ns) / 1e9;
    uint64_t busy_ns = proc_machine_busy_ns() - w->busy_ns;
    int64_t after[PRESSURES];
    struct group_usage last = out->sampler->last;
    group_pressure(w->pressure, after);
    for (int i = 0; i < PRESSURES; i++)
        out->pressure_us[i] = w->before_us[i] < 0 || after[i] < 0 ? -1 : after[i] - w->before_us[i];
    if (w->group) group_read(w->group, &last);
    out->cpu_ns = last.cpu_ns ? last.cpu_ns : out->end.cpu_ns;
    out->peak_bytes = last.peak;
    out->oom_kills = last.oom_kills;
    out->total_s = (double)(out->end.exit_ns - out->end.request_ns) / 1e9;
    out->cost_share = wall_s > 0 ? (double)out->sampler->cost_ns / 1e9 / wall_s : 0;
    double others = ((double)busy_ns - (double)out->cpu_ns - (double)out->sampler->cost_ns) / 1e9;
    out->busy_percent = wall_s > 0 && others > 0 ? 100 * others / wall_s : 0;
}

int watch_run(struct watch *w, struct err *e) {
    int rc = until_over(w, e);
    settle(w);
    return rc;
}
