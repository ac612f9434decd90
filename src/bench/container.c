#include "bench/container.h"

#include "base/clock.h"
#include "bench/container_made.h"
#include "bench/watch.h"
#include "edge/proc.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    STATS_EVERY_NS = 1000000000,
    TELL_S = 5,
    SEEN_S = 3,
    STATS_S = 5,
    INSPECT_S = 10,
    WAITS = 5,
    PIDS = 4096
};

struct container {
    const struct run_request *request;
    struct container_made made;
    struct docker_wait *wait;
    struct group parent, inner;
    bool has_parent, has_inner;
    struct group_usage last; /* of the inner one */
    uint64_t oom_kills;
    /* CLOCK_MONOTONIC: when it was asked for, is killed, the next statistics are due */
    int64_t create_ns, kill_ns, stats_ns;
    int64_t empty_ns, empty_real_ns; /* when its group had no process left: CLOCK_MONOTONIC, CLOCK_REALTIME */
    unsigned waits;                  /* that the engine broke off */
    bool lost;                       /* the engine no longer tells how it is */
};

/* ---- making one ---- */

static json_t *limits(const struct container *c, const char *cpu_list) {
    const struct run_request *q = c->request;
    char parent[160];
    snprintf(parent, sizeof parent, "/%.150s", q->name);
    json_t *o = json_pack("{s:o,s:s,s:s,s:I,s:I,s:I}", "Binds", container_strings(q->container->mounts),
                          "NetworkMode", q->container->network ? "host" : "none", "CpusetCpus", cpu_list,
                          "NanoCpus", (json_int_t)llround(q->cpus * 1e9), "Memory",
                          (json_int_t)q->memory_bytes, "MemorySwap", (json_int_t)q->memory_bytes);
    if (o && c->has_parent) json_object_set_new(o, "CgroupParent", json_string(parent));
    return container_confine(o);
}

static int create(struct container *c, const char *cpu_list, struct err *e) {
    const struct run_request *q = c->request;
    json_t *env = container_strings(q->env);
    json_array_append_new(env, json_string("HOME=/tmp"));
    json_t *body =
        json_pack("{s:s,s:s,s:o,s:o,s:o}", "Image", q->container->image, "User", q->container->user, "Cmd",
                  container_strings(q->argv + 1), "Env", env, "HostConfig", limits(c, cpu_list));
    return container_make(&c->made, q->name, body, e);
}

/* Whether `pid` is, as seen from here, the first process of a container: another kernel's numbers mean others
 * here. */
static bool is_first_inside(pid_t pid) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *f = fopen(path, "re");
    bool first = false;
    while (f && fgets(line, sizeof line, f)) {
        const char *last = strrchr(line, '\t');
        if (strncmp(line, "NSpid:", 6) == 0) first = last > line + 6 && strcmp(last, "\t1\n") == 0;
    }
    if (f) fclose(f);
    return first;
}

static int inspect(const struct container *c, json_t **o, const json_t **state, struct err *e) {
    TRY(docker_look(c->made.engine, "/containers/*/json", c->made.id, INSPECT_S, o, e));
    *state = json_object_get(*o, "State");
    if (json_is_object(*state)) return 0;
    json_decref(*o);
    return err_set(e, ERR_OUTSIDE, "the container engine does not say how the container is");
}

/* Where it runs: its first process and its control group, as seen from here. *pid 0: it has ended already. */
static int look_inside(struct container *c, const struct runner *r, pid_t *pid, struct err *e) {
    const struct timespec pause = {.tv_nsec = 20000000};
    const int64_t deadline = clock_mono_ns() + SEEN_S * INT64_C(1000000000);
    do { /* it may have ended, and the engine not have noticed yet */
        json_t *o = NULL;
        const json_t *state;
        TRY(inspect(c, &o, &state, e));
        *pid = (pid_t)json_integer_value(json_object_get(state, "Pid"));
        if (!json_is_true(json_object_get(state, "Running"))) *pid = 0;
        json_decref(o);
        if (*pid <= 0) return *pid = 0, 0;
        if (!is_first_inside(*pid)) {
            nanosleep(&pause, NULL);
            continue;
        }
        c->has_inner =
            r->sampling_by_group && group_of(&c->inner, &r->place, *pid) &&
            strstr(c->inner.dirs[GROUP_MEMORY], c->made.id); /* rootless, it may be in the user's own group */
        return 0;
    } while (clock_mono_ns() < deadline);
    return err_set(e, ERR_OUTSIDE,
                   "its processes cannot be seen from here: the engine runs them in a virtual machine, or "
                   "weir is itself in a container; what they use could not be measured");
}

static void make_parent(struct container *c, const struct runner *r) {
    struct group_place top;
    struct err e = {0};
    if (strcmp(c->made.engine->group_driver, "cgroupfs") != 0 || !r->sampling_by_group ||
        !group_top(&top, &r->place))
        return;
    c->has_parent = group_make(&c->parent, &top, c->request->name, &(struct group_limits){0}, &e) == 0;
}

/* ---- watching it ---- */

/* The engine broke the wait off, or lets us wait for what seems to have ended: wait again, if it runs on. */
static bool goes_on(struct container *c) {
    struct err e = {0};
    json_t *o = NULL;
    const json_t *state;
    c->lost = ++c->waits > WAITS || inspect(c, &o, &state, &e);
    if (c->lost) return false;
    bool running = json_is_true(json_object_get(state, "Running"));
    json_decref(o);
    if (!running) return false;
    docker_wait_end(c->wait);
    c->wait = NULL;
    c->lost = docker_wait_start(c->made.engine, c->made.id, &c->wait, &e) != 0;
    return !c->lost;
}

static bool container_wait(void *ctx, int timeout_ms, struct run_outcome *out) {
    struct container *c = ctx;
    struct err e = {0};
    int status;
    if (!c->lost && c->kill_ns && clock_mono_ns() >= c->kill_ns) {
        c->kill_ns = 0;
        container_call(&c->made, "POST", "/kill?signal=SIGKILL", NULL, &e);
    }
    bool told = c->lost || docker_wait(c->wait, timeout_ms, &status);
    bool late = c->empty_ns && clock_mono_ns() - c->empty_ns > TELL_S * INT64_C(1000000000);
    if (!told && !late) return false;
    out->end.exit_ns = told ? clock_real_ns() : c->empty_real_ns;
    if (late) c->empty_ns = clock_mono_ns(); /* to ask again so much later */
    return c->lost || (told && status >= 0) || !goes_on(c);
}

static void container_stop(void *ctx) {
    struct container *c = ctx;
    struct err e = {0};
    long status;
    c->kill_ns = clock_mono_ns() + RUNNER_GRACE_MS * INT64_C(1000000);
    if (container_call(&c->made, "POST", "/kill?signal=SIGTERM", &status, &e) && !status) c->lost = true;
}

static void container_give_up(void *ctx) {
    struct container *c = ctx;
    struct err e = {0};
    container_discard(&c->made, &e);
}

static void keep_larger(uint64_t *a, uint64_t b) {
    if (b > *a) *a = b;
}

/* Bytes of all its processes, and of those they waited for. What came after the last look is not in it. */
static void look_at_io(const struct container *c, struct keeper_report *end) {
    static pid_t pids[PIDS];
    struct proc_io sum = {0}, one;
    unsigned n = c->has_inner ? group_pids(&c->inner, pids, PIDS) : 0;
    for (unsigned i = 0; i < n; i++) {
        if (!proc_io(pids[i], &one)) continue;
        sum.read_chars += one.read_chars;
        sum.written_chars += one.written_chars;
        sum.read_bytes += one.read_bytes;
        sum.written_bytes += one.written_bytes;
    }
    keep_larger(&end->read_chars, sum.read_chars);
    keep_larger(&end->written_chars, sum.written_chars);
    keep_larger(&end->read_bytes, sum.read_bytes);
    keep_larger(&end->written_bytes, sum.written_bytes);
}

/* The engine's own figures, once a second, beside ours: they take it some milliseconds; where they take
 * longer, so seldom that nineteen twentieths of the time are left for ours. */
static void look_at_stats(struct container *c, struct run_image *image) {
    int64_t now = clock_mono_ns();
    struct err e = {0};
    json_t *o = NULL;
    if (now < c->stats_ns) return;
    int rc = docker_look(c->made.engine, "/containers/*/stats?stream=false&one-shot=true", c->made.id,
                         STATS_S, &o, &e);
    int64_t took = clock_mono_ns() - now;
    c->stats_ns = now + (20 * took > STATS_EVERY_NS ? 20 * took : STATS_EVERY_NS);
    if (rc) return;
    const json_t *memory = json_object_get(o, "memory_stats"),
                 *cpu = json_object_get(json_object_get(o, "cpu_stats"), "cpu_usage");
    double cpu_s = (double)json_integer_value(json_object_get(cpu, "total_usage")) / 1e9;
    keep_larger(&image->engine_peak_bytes, (uint64_t)json_integer_value(json_object_get(memory, "usage")));
    keep_larger(&image->engine_peak_bytes,
                (uint64_t)json_integer_value(json_object_get(memory, "max_usage")));
    if (cpu_s > image->engine_cpu_s) image->engine_cpu_s = cpu_s;
    json_decref(o);
}

/* False: there is nothing to see, for its group is gone, which the engine will tell soon, or it ended at
 * once. */
static bool container_look(void *ctx, struct run_outcome *out) {
    struct container *c = ctx;
    struct group_usage now;
    look_at_io(c, &out->end);
    if (!c->lost) look_at_stats(c, &out->image);
    if (!c->has_inner) return !out->sampler->group && out->sampler->root > 0;
    group_read(&c->inner, &now);
    keep_larger(&c->oom_kills, now.oom_kills);
    if (now.cpu_ns) c->last = now;
    c->has_inner = group_pids(&c->inner, &(pid_t){0}, 1) > 0;
    if (c->has_inner) return true;
    c->empty_ns = clock_mono_ns();
    c->empty_real_ns = clock_real_ns();
    return false;
}

/* ---- its end ---- */

/* How it ended, as waitpid would say: engines add 128 to a signal. */
static int end_state(struct container *c, struct run_outcome *out, struct err *e) {
    json_t *o = NULL;
    const json_t *state;
    TRY(inspect(c, &o, &state, e));
    const json_t *code = json_object_get(state, "ExitCode");
    json_int_t n = json_integer_value(code);
    bool told =
        json_is_integer(code) && n >= 0 && n <= 255 && !json_is_true(json_object_get(state, "Running"));
    out->end.status = n > 128 && n < 128 + 65 ? (int)n - 128 : (int)n << 8;
    if (json_is_true(json_object_get(state, "OOMKilled")) && !out->oom_kills) out->oom_kills = 1;
    json_decref(o);
    return told ? 0 : err_set(e, ERR_OUTSIDE, "the container engine does not say how the container ended");
}

static int save_output(struct container *c, struct err *e) {
    const char *path = c->request->output_file;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", path);
    int rc = docker_logs(c->made.engine, c->made.id, fd, e);
    close(fd);
    return rc;
}

static int run_created(struct container *c, const struct runner *r, struct run_outcome *out, struct err *e) {
    const struct run_request *q = c->request;
    struct watch w = {.request = q,
                      .out = out,
                      .wait = container_wait,
                      .look = container_look,
                      .stop = container_stop,
                      .give_up = container_give_up,
                      .ctx = c};
    TRY(container_call(&c->made, "POST", "/start", NULL, e));
    TRY(docker_wait_start(c->made.engine, c->made.id, &c->wait, e));
    pid_t pid;
    TRY(look_inside(c, r, &pid, e));
    struct proc first = {0};
    if (pid > 0) proc_read(pid, &first);
    w.group = c->has_parent ? &c->parent : NULL;
    w.pressure = c->has_parent && c->parent.v2 ? &c->parent : NULL;
    watch_begin(&w);
    sampler_start(out->sampler, c->has_inner ? &c->inner : NULL, first.parent);
    out->sampler->start_ns = c->create_ns;
    int rc = watch_run(&w, e);
    keep_larger(&out->oom_kills, c->oom_kills);
    keep_larger(&out->peak_bytes, c->last.peak);
    keep_larger(&out->cpu_ns, c->last.cpu_ns);
    run_events_read(q->events_file, &out->events);
    if (!rc && c->lost) rc = err_set(e, ERR_OUTSIDE, "the container engine stopped answering while it ran");
    if (!rc) rc = end_state(c, out, e);
    if (!rc) rc = save_output(c, e);
    if (!rc && q->flush_dir) out->flush_s = runner_flush(q->flush_dir);
    return rc;
}

/* Remove it and its groups; `rc`: what went wrong before. Of an engine that is silent its processes are ended
 * by ourselves, as far as we may. */
static int end_container(struct container *c, int rc, struct err *e) {
    struct err left = {0}, before = {.code = rc};
    docker_wait_end(c->wait);
    if (rc) before = *e;
    if (container_discard(&c->made, &left)) {
        if (c->has_inner) group_kill(&c->inner);
        return err_set(e, rc ? rc : left.code, "%s%s%s", before.msg, rc ? "; " : "", left.msg);
    }
    if (c->has_parent) group_remove(&c->parent);
    if (c->has_parent) group_sweep_top(c->request->name, 0);
    return rc;
}

int container_run(const struct runner *r, const struct run_request *q, struct run_outcome *out,
                  struct err *e) {
    struct container c = {.request = q, .made = {.engine = q->container->engine}};
    char list[1024];
    cpu_set_t set;
    runner_choose_cpus(r, q->cpus, &set, list, sizeof list);
    out->end.request_ns = clock_real_ns();
    if (q->container->images) TRY(container_pull(q->container, out, e));
    make_parent(&c, r);
    out->image.own_group = c.has_parent;
    out->image.create_ns = clock_real_ns();
    c.create_ns = clock_mono_ns();
    int rc = create(&c, list, e);
    if (!rc) rc = run_created(&c, r, out, e);
    return end_container(&c, rc, e) ? err_prefix(e, "%s", q->container->image) : 0;
}
