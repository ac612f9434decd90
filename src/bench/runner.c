#include "bench/runner.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/files.h"
#include "bench/container.h"
#include "bench/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS_MAX = 64 << 20 };

/* ---- events ---- */

static void take_event(struct run_events *out, const json_t *o) {
    const char *name = json_string_value(json_object_get(o, "event"));
    int64_t t = json_integer_value(json_object_get(o, "t_ns"));
    const struct {
        const char *name;
        int64_t *at;
    } known[] = {
        {"start", &out->start}, {"ready", &out->ready}, {"committed", &out->committed}, {"done", &out->done}};
    if (!name) return;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(name, known[i].name) == 0 && !*known[i].at) *known[i].at = t;
    if (strcmp(name, "progress") == 0) out->rows = (uint64_t)json_integer_value(json_object_get(o, "rows"));
}

void run_events_read(const char *path, struct run_events *out) {
    struct buf text;
    struct err e = {0};
    *out = (struct run_events){0};
    buf_init(&text, 0);
    if (path && file_exists(path) && !file_read_all(path, &text, EVENTS_MAX, &e)) {
        const char *at = (const char *)text.data, *end = at + text.len, *lf;
        for (; at < end && (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
            json_t *o = json_loadb(at, (size_t)(lf - at), 0, NULL);
            take_event(out, o);
            json_decref(o);
        }
    }
    buf_release(&text);
}

/* ---- the machine ---- */

int runner_drop_caches(struct err *e) {
    static const char path[] = "/proc/sys/vm/drop_caches";
    sync();
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open %s", path);
    int rc = write(fd, "3", 1) == 1 ? 0 : err_errno(e, ERR_OUTSIDE, "could not write %s", path);
    close(fd);
    return rc;
}

void runner_init(struct runner *r) {
    *r = (struct runner){0};
    const char *off = getenv("WEIR_CGROUPS");
    if (off && strcmp(off, "off") == 0)
        r->place = (struct group_place){.kind = "none", .why = "WEIR_CGROUPS is off"};
    else
        group_find(&r->place, "/sys/fs/cgroup", "/proc/self/cgroup", true);
    if (sched_getaffinity(0, sizeof r->cpus, &r->cpus)) CPU_SET(0, &r->cpus);
    r->cpu_count = (unsigned)CPU_COUNT(&r->cpus);
    r->memory_limit = r->sampling_by_group = *r->place.dirs[GROUP_MEMORY];
    r->cpu_limit = *r->place.dirs[GROUP_CPU];
    r->can_drop_caches = access("/proc/sys/vm/drop_caches", W_OK) == 0;
}

void runner_choose_cpus(const struct runner *r, double wanted, cpu_set_t *set, char *list, size_t cap) {
    unsigned left = wanted > 0 ? (unsigned)ceil(wanted) : r->cpu_count,
             skip = r->cpu_count > left ? r->cpu_count - left : 0;
    size_t len = 0;
    CPU_ZERO(set);
    *list = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &r->cpus)) continue;
        if (skip && skip--) continue;
        CPU_SET(cpu, set);
        if (len < cap) len += (size_t)snprintf(list + len, cap - len, "%s%d", len ? "," : "", cpu);
    }
}

/* ---- one run ---- */

double runner_flush(const char *dir) {
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    int64_t start = clock_mono_ns();
    int rc = syncfs(fd);
    double seconds = (double)(clock_mono_ns() - start) / 1e9;
    close(fd);
    return rc ? -1 : seconds;
}

/* ---- a process ---- */

static bool process_wait(void *ctx, int timeout_ms, struct run_outcome *out) {
    return keeper_wait(ctx, timeout_ms, &out->end);
}

static void process_stop(void *ctx) {
    keeper_stop(ctx);
}

/* Never seen: the keeper ends its processes, or is ended. */
static void process_give_up(void *ctx) {
    kill(((struct keeper *)ctx)->pid, SIGKILL);
}

static int run_watched(const struct run_request *q, const struct keeper_request *k, struct run_outcome *out,
                       struct err *e) {
    struct keeper keeper;
    const bool own = k->group && *k->group->dirs[GROUP_UNIFIED];
    struct watch w = {.request = q,
                      .out = out,
                      .group = k->group,
                      .pressure = own ? k->group : NULL,
                      .wait = process_wait,
                      .stop = process_stop,
                      .give_up = process_give_up,
                      .ctx = &keeper};
    watch_begin(&w);
    TRY(keeper_start(&keeper, k, e));
    sampler_start(out->sampler, k->group, keeper.pid);
    int rc = watch_run(&w, e);
    run_events_read(q->events_file, &out->events);
    if (q->flush_dir) out->flush_s = runner_flush(q->flush_dir);
    return rc;
}

static int run_process(const struct runner *r, const struct run_request *q, struct run_outcome *out,
                       struct err *e) {
    char list[1024];
    cpu_set_t set;
    struct group group;
    runner_choose_cpus(r, q->cpus, &set, list, sizeof list);
    const struct group_limits limits = {.cpus = q->cpus, .cpu_list = list, .memory_bytes = q->memory_bytes};
    bool grouped = r->sampling_by_group;
    if (grouped) TRY(group_make(&group, &r->place, q->name, &limits, e));
    int output = open(q->output_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int rc = output < 0 ? err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", q->output_file) : 0;
    const struct keeper_request k = {.argv = q->argv,
                                     .env = q->env,
                                     .dir = q->dir,
                                     .input = q->input ? q->input[0] : -1,
                                     .input_end = q->input ? q->input[1] : -1,
                                     .output = output,
                                     .group = grouped ? &group : NULL,
                                     .cpus = &set,
                                     .grace_ms = RUNNER_GRACE_MS};
    if (!rc) rc = run_watched(q, &k, out, e);
    if (output >= 0) close(output);
    if (grouped) {
        group_kill(&group); /* only when the keeper could not */
        group_remove(&group);
    }
    return rc;
}

int runner_run(const struct runner *r, const struct run_request *q, struct run_outcome *out, struct err *e) {
    *out = (struct run_outcome){.flush_s = -1, .image = {.pull_s = -1, .download_s = -1, .extract_s = -1}};
    out->sampler = calloc(1, sizeof *out->sampler);
    if (!out->sampler) return err_nomem(e);
    return q->container ? container_run(r, q, out, e) : run_process(r, q, out, e);
}

void run_outcome_release(struct run_outcome *out) {
    free(out->sampler);
    out->sampler = NULL;
}
