#include "bench/container.h"

#include "base/clock.h"
#include "base/files.h"
#include "base/threads.h"
#include "bench/watch.h"
#include "edge/proc.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Labels of all our containers. */
static const char owner_label[] = "weir.owner", started_label[] = "weir.started";

enum { STATS_EVERY_NS = 1000000000, PIDS = 4096 };

struct container {
    const struct run_request *request;
    const struct docker *engine;
    char id[80];
    struct docker_wait *wait;
    struct group parent, inner;
    bool has_parent, has_inner;
    struct group_usage last; /* of the inner one */
    uint64_t oom_kills;
    int64_t kill_ns, stats_ns; /* CLOCK_MONOTONIC: when it is killed; of the next look at the statistics */
};

static int call(const struct container *c, const char *method, const char *what, long *status,
                json_t **answer, struct err *e) {
    char path[256];
    snprintf(path, sizeof path, "/containers/%s%s", c->id, what);
    return docker_call(c->engine, method, path, NULL, status, answer, e);
}

/* ---- images ---- */

int container_image(const struct docker *d, const char *image, struct container_image *out, struct err *e) {
    char path[1024];
    json_t *o = NULL;
    long status;
    *out = (struct container_image){0};
    snprintf(path, sizeof path, "/images/%s/json", image);
    int rc = docker_call(d, "GET", path, NULL, &status, &o, e);
    if (rc && status == 404)
        return err_set(
            e, ERR_OUTSIDE,
            "there is no image \"%s\" here; build it (make docker-build), name a registry that has it "
            "(--registry HOST), or leave its stack out (--stacks)",
            image);
    if (rc) return rc;
    const char *id = json_string_value(json_object_get(o, "Id"));
    out->disk_bytes = (uint64_t)json_integer_value(json_object_get(o, "Size"));
    snprintf(out->id, sizeof out->id, "%s", id ? id : "");
    json_decref(o);
    return 0;
}

/* A time span that events of layers open and close, in seconds. */
static double span(int64_t from, int64_t to) {
    return from && to > from ? (double)(to - from) / 1e9 : 0;
}

/* Download: from the first byte asked for to the last layer's last; extraction: what the layers took one
 * after the other. Both overlap. */
static void tell_pull(const struct docker_pull *p, struct run_image *image) {
    int64_t downloaded = 0;
    image->extract_s = 0;
    for (unsigned i = 0; i < p->count; i++) {
        const struct docker_layer *l = &p->layers[i];
        if (!l->present && !l->downloaded_ns && !l->extracted_ns)
            continue; /* "latest", "Digest": no layers */
        image->layers++;
        image->layers_present += l->present;
        image->pull_bytes += l->present ? 0 : l->bytes;
        if (l->downloaded_ns > downloaded) downloaded = l->downloaded_ns;
        image->extract_s += span(l->extract_ns, l->extracted_ns);
    }
    image->download_s = span(p->start_ns, downloaded);
    image->pull_s = (double)(p->end_ns - p->start_ns) / 1e9;
}

/* The image pulled, none of the benchmark's being there before; the run is requested when the pull is. */
static int pull(const struct run_container *k, struct run_outcome *out, struct err *e) {
    struct docker_pull *p = malloc(sizeof *p);
    char path[1024];
    if (!p) return err_nomem(e);
    for (const char *const *other = k->images; *other; other++) {
        struct err gone = {0};
        snprintf(path, sizeof path, "/images/%s", *other);
        docker_call(k->engine, "DELETE", path, NULL, NULL, NULL, &gone);
    }
    out->end.request_ns = clock_real_ns();
    int rc = docker_pull(k->engine, k->image, p, e);
    if (!rc) tell_pull(p, &out->image);
    free(p);
    return rc;
}

/* ---- making one ---- */

static json_t *strings(const char *const *words) {
    json_t *a = json_array();
    for (; words && *words; words++) json_array_append_new(a, json_string(*words));
    return a;
}

static json_t *labels(void) {
    char owner[32], started[32];
    struct proc self = {0};
    proc_read(getpid(), &self);
    snprintf(owner, sizeof owner, "%ld", (long)getpid());
    snprintf(started, sizeof started, "%llu", (unsigned long long)self.start_ticks);
    return json_pack("{s:s,s:s}", owner_label, owner, started_label, started);
}

static json_t *limits(const struct container *c, const char *cpu_list) {
    const struct run_request *q = c->request;
    char parent[160];
    snprintf(parent, sizeof parent, "/%.150s", q->name);
    json_t *o =
        json_pack("{s:o,s:s,s:[s],s:[s],s:s,s:I,s:I,s:I}", "Binds", strings(q->container->mounts),
                  "NetworkMode", q->container->network ? "host" : "none", "CapDrop", "ALL", "SecurityOpt",
                  "no-new-privileges", "CpusetCpus", cpu_list, "NanoCpus", (json_int_t)llround(q->cpus * 1e9),
                  "Memory", (json_int_t)q->memory_bytes, "MemorySwap", (json_int_t)q->memory_bytes);
    if (o && c->has_parent) json_object_set_new(o, "CgroupParent", json_string(parent));
    return o;
}

static int create(struct container *c, const char *cpu_list, struct err *e) {
    const struct run_request *q = c->request;
    char path[256];
    json_t *answer = NULL;
    json_t *env = strings(q->env);
    json_array_append_new(env, json_string("HOME=/tmp"));
    json_t *body = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o}", "Image", q->container->image, "User",
                             q->container->user, "Cmd", strings(q->argv + 1), "Env", env, "Labels", labels(),
                             "HostConfig", limits(c, cpu_list));
    if (!body) return err_set(e, ERR_INPUT, "a path or name for the container is not UTF-8");
    snprintf(path, sizeof path, "/containers/create?name=%s", q->name);
    int rc = docker_call(c->engine, "POST", path, body, NULL, &answer, e);
    json_decref(body);
    const char *id = json_string_value(json_object_get(answer, "Id"));
    if (!rc && !id) rc = err_set(e, ERR_OUTSIDE, "the container engine named no container");
    if (!rc) snprintf(c->id, sizeof c->id, "%s", id);
    json_decref(answer);
    return rc;
}

/* Where it runs: its first process and its control group, as seen from here. */
static pid_t look_inside(struct container *c, const struct runner *r) {
    struct err e = {0};
    json_t *o = NULL;
    if (call(c, "GET", "/json", NULL, &o, &e)) return 0;
    pid_t pid = (pid_t)json_integer_value(json_object_get(json_object_get(o, "State"), "Pid"));
    c->has_inner = pid > 0 && r->sampling_by_group && group_of(&c->inner, &r->place, pid);
    json_decref(o);
    return pid;
}

static void make_parent(struct container *c, const struct runner *r) {
    struct group_place top;
    struct err e = {0};
    if (strcmp(c->engine->group_driver, "cgroupfs") != 0 || !r->sampling_by_group ||
        !group_top(&top, &r->place))
        return;
    c->has_parent = group_make(&c->parent, &top, c->request->name, &(struct group_limits){0}, &e) == 0;
}

/* ---- watching it ---- */

static bool container_wait(void *ctx, int timeout_ms, struct run_outcome *out) {
    struct container *c = ctx;
    struct err e = {0};
    int status;
    if (c->kill_ns && clock_mono_ns() >= c->kill_ns) {
        c->kill_ns = 0;
        call(c, "POST", "/kill?signal=SIGKILL", NULL, NULL, &e);
    }
    if (!docker_wait(c->wait, timeout_ms, &status)) return false;
    out->end.exit_ns = clock_real_ns();
    return true;
}

static void container_stop(void *ctx) {
    struct container *c = ctx;
    struct err e = {0};
    c->kill_ns = clock_mono_ns() + RUNNER_GRACE_MS * INT64_C(1000000);
    call(c, "POST", "/kill?signal=SIGTERM", NULL, NULL, &e);
}

static void container_give_up(void *ctx) {
    struct err e = {0};
    call(ctx, "DELETE", "?force=1", NULL, NULL, &e);
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

/* The engine's own figures, once a second, beside ours: they take it some milliseconds. */
static void look_at_stats(struct container *c, struct run_image *image) {
    int64_t now = clock_mono_ns();
    struct err e = {0};
    json_t *o = NULL;
    if (now < c->stats_ns) return;
    c->stats_ns = now + STATS_EVERY_NS;
    if (call(c, "GET", "/stats?stream=false&one-shot=true", NULL, &o, &e)) return;
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
    look_at_stats(c, &out->image);
    if (!c->has_inner) return !out->sampler->group && out->sampler->root > 0;
    group_read(&c->inner, &now);
    keep_larger(&c->oom_kills, now.oom_kills);
    if (now.cpu_ns) c->last = now;
    c->has_inner = group_pids(&c->inner, &(pid_t){0}, 1) > 0;
    return c->has_inner;
}

/* ---- its end ---- */

/* How it ended, as waitpid would say: engines add 128 to a signal. */
static int end_state(struct container *c, struct run_outcome *out, struct err *e) {
    json_t *o = NULL;
    TRY(call(c, "GET", "/json", NULL, &o, e));
    const json_t *state = json_object_get(o, "State");
    int code = (int)json_integer_value(json_object_get(state, "ExitCode"));
    out->end.status = code > 128 && code < 128 + 65 ? code - 128 : (code & 0xff) << 8;
    if (json_is_true(json_object_get(state, "OOMKilled")) && !out->oom_kills) out->oom_kills = 1;
    json_decref(o);
    return 0;
}

static int save_output(struct container *c, struct err *e) {
    const char *path = c->request->output_file;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", path);
    int rc = docker_logs(c->engine, c->id, fd, e);
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
    TRY(call(c, "POST", "/start", NULL, NULL, e));
    TRY(docker_wait_start(c->engine, c->id, &c->wait, e));
    pid_t pid = look_inside(c, r);
    struct proc first = {0};
    if (pid > 0) proc_read(pid, &first);
    w.group = c->has_parent ? &c->parent : NULL;
    w.pressure = c->has_parent && c->parent.v2 ? &c->parent : NULL;
    watch_begin(&w);
    sampler_start(out->sampler, c->has_inner ? &c->inner : NULL, first.parent);
    int rc = watch_run(&w, e);
    keep_larger(&out->oom_kills, c->oom_kills);
    keep_larger(&out->peak_bytes, c->last.peak);
    keep_larger(&out->cpu_ns, c->last.cpu_ns);
    run_events_read(q->events_file, &out->events);
    if (!rc) rc = end_state(c, out, e);
    if (!rc) rc = save_output(c, e);
    if (!rc && q->flush_dir) out->flush_s = runner_flush(q->flush_dir);
    return rc;
}

int container_run(const struct runner *r, const struct run_request *q, struct run_outcome *out,
                  struct err *e) {
    struct container c = {.request = q, .engine = q->container->engine};
    char list[1024];
    cpu_set_t set;
    runner_choose_cpus(r, q->cpus, &set, list, sizeof list);
    out->end.request_ns = clock_real_ns();
    if (q->container->images) TRY(pull(q->container, out, e));
    make_parent(&c, r);
    out->image.own_group = c.has_parent;
    out->image.create_ns = clock_real_ns();
    int rc = create(&c, list, e);
    if (!rc) rc = run_created(&c, r, out, e);
    docker_wait_end(c.wait);
    if (*c.id) container_give_up(&c);
    if (c.has_parent) group_remove(&c.parent);
    if (c.has_parent) group_sweep_top(q->name, 0);
    return rc ? err_prefix(e, "%s", q->container->image) : 0;
}

/* ---- what an image says of itself ---- */

/* What `argv` prints in the folder of the image's entry point, into `text`. */
static int ask_image(const struct docker *d, const char *image, const char *const *argv, struct buf *text,
                     int *status, struct err *e) {
    char path[1024];
    json_t *o = NULL, *answer = NULL;
    struct container c = {.engine = d};
    snprintf(path, sizeof path, "/images/%s/json", image);
    TRY(docker_call(d, "GET", path, NULL, NULL, &o, e));
    const json_t *entry = json_object_get(json_object_get(o, "Config"), "Entrypoint");
    const char *run = json_string_value(json_array_get(entry, json_array_size(entry) - 1)),
               *slash = run ? strrchr(run, '/') : NULL;
    json_t *body =
        json_pack("{s:s,s:o,s:[],s:s%,s:o,s:{s:s}}", "Image", image, "Entrypoint", strings(argv), "Cmd",
                  "WorkingDir", slash ? run : "/", slash ? (size_t)(slash - run) : (size_t)1, "Labels",
                  labels(), "HostConfig", "NetworkMode", "none");
    int rc = body ? docker_call(d, "POST", "/containers/create", body, NULL, &answer, e) : err_nomem(e);
    const char *id = json_string_value(json_object_get(answer, "Id"));
    if (id) snprintf(c.id, sizeof c.id, "%s", id);
    json_decref(body);
    json_decref(answer);
    json_decref(o);
    int fd = rc ? -1 : memfd_create("weir", MFD_CLOEXEC);
    if (!rc && fd < 0) rc = err_errno(e, ERR_OUTSIDE, "could not make a file in memory");
    if (!rc) rc = call(&c, "POST", "/start", NULL, NULL, e);
    if (!rc) rc = docker_wait_start(d, c.id, &c.wait, e);
    while (!rc && !docker_wait(c.wait, 100, status)) rc = interrupt_check(e);
    if (!rc) rc = docker_logs(d, c.id, fd, e);
    char chunk[4096];
    ssize_t n;
    for (off_t at = 0; !rc && (n = pread(fd, chunk, sizeof chunk, at)) > 0; at += n)
        rc = buf_add(text, chunk, (size_t)n, e);
    if (fd >= 0) close(fd);
    docker_wait_end(c.wait);
    if (*c.id) container_give_up(&c);
    return rc;
}

int container_versions(const struct docker *d, const char *image, struct stack *s, json_t **found,
                       const char **why, struct err *e) {
    struct buf text;
    struct err problem = {0};
    int status = -1;
    *found = NULL;
    *why = "stack.yaml names no versions command";
    if (!s->versions) return 0;
    buf_init(&text, 1 << 16);
    int rc = ask_image(d, image, s->versions, &text, &status, &problem);
    if (!rc && status == 0) *found = json_loadb((const char *)text.data, text.len, 0, NULL);
    if (!json_is_object(*found)) {
        json_decref(*found);
        *found = NULL;
        *why = arena_printf(&s->arena, "%s", rc ? problem.msg : "its versions command failed in its image");
    }
    buf_release(&text);
    if (rc == ERR_INTERRUPTED) return err_set(e, rc, "%s", problem.msg);
    return *why ? 0 : err_nomem(e);
}

/* ---- what was left behind ---- */

/* Whether the process that began it still is: its number may be another's by now. */
static bool is_owned(const json_t *its_labels) {
    const char *owner = json_string_value(json_object_get(its_labels, owner_label)),
               *started = json_string_value(json_object_get(its_labels, started_label));
    struct proc p;
    return owner && started && proc_read((pid_t)strtol(owner, NULL, 10), &p) &&
           p.start_ticks == strtoull(started, NULL, 10);
}

unsigned container_sweep(const struct docker *d, const char *prefix, unsigned age_s) {
    struct err e = {0};
    json_t *list = NULL, *one;
    size_t i;
    unsigned swept = 0;
    if (docker_call(d, "GET", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22weir.owner%22%5D%7D",
                    NULL, NULL, &list, &e))
        return 0;
    json_array_foreach(list, i, one) {
        struct container c = {.engine = d};
        const char *id = json_string_value(json_object_get(one, "Id")),
                   *name = json_string_value(json_array_get(json_object_get(one, "Names"), 0));
        if (!id || !name || strncmp(name + 1, prefix, strlen(prefix)) != 0) continue;
        if (is_owned(json_object_get(one, "Labels"))) continue;
        snprintf(c.id, sizeof c.id, "%s", id);
        container_give_up(&c);
        group_sweep_top(name + 1, 0);
        swept++;
    }
    json_decref(list);
    group_sweep_top(prefix, age_s);
    return swept;
}
