#include "bench/doctor.h"

#include "base/units.h"
#include "bench/container.h"
#include "bench/environment.h"
#include "bench/profiler.h"
#include "bench/stack.h"
#include "edge/duckdb.h"
#include "edge/proc.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void add(json_t *list, const char *name, bool ok, const char *what, const char *why,
                const char *todo) {
    json_array_append_new(list, json_pack("{s:s,s:b,s:s,s:s?,s:s?}", "name", name, "ok", (int)ok, "what",
                                          what, "why", ok ? NULL : why, "do", ok ? NULL : todo));
}

static const char *const as_root = "run as root, or in a delegated group: systemd-run --user --scope -p "
                                   "Delegate=yes weir bench …";

static void look_at_groups(json_t *list, const struct runner *r) {
    char what[160];
    snprintf(what, sizeof what,
             "control groups (%s): memory of all processes of a run, with the kernel's peak", r->place.kind);
    add(list, "groups", r->sampling_by_group, what, r->place.why, as_root);
    add(list, "memory_limit", r->memory_limit, "memory limits, and the least memory that is enough",
        r->place.why, as_root);
    add(list, "cpu_limit", r->cpu_limit, "CPU limits in parts of a CPU; whole CPUs by affinity anyway",
        "no control group with the cpu controller can be made", as_root);
    int64_t us[PRESSURES];
    group_pressure(NULL, us);
    add(list, "pressure", us[PRESSURE_CPU] >= 0, "time stalled for CPU, I/O and memory",
        "/proc/pressure is not there", "boot with psi=1, or use a kernel with CONFIG_PSI");
}

static void look_at_kernel(json_t *list, const struct runner *r) {
    struct proc_io io;
    add(list, "io", proc_io_self(&io), "bytes read and written, ended children included",
        "/proc/self/io cannot be read", "use a kernel with CONFIG_TASK_IO_ACCOUNTING");
    add(list, "cold", r->can_drop_caches, "cold runs: the page cache dropped before each",
        "/proc/sys/vm/drop_caches is not writable", "run as root");
    struct timespec tick;
    json_t *env = environment_json(r->place.kind, r->cpu_count);
    const char *clock = json_string_value(json_object_get(env, "clock")),
               *governor = json_string_value(json_object_get(env, "governor"));
    bool steady = !governor || !*governor || strcmp(governor, "performance") == 0;
    char what[160];
    snprintf(what, sizeof what, "a clock of %ld ns (%s)",
             clock_getres(CLOCK_REALTIME, &tick) ? 0 : tick.tv_nsec, clock ? clock : "");
    add(list, "clock", true, what, NULL, NULL);
    add(list, "governor", steady, "CPUs at a steady speed", "the frequency governor is not \"performance\"",
        "cpupower frequency-set -g performance");
    json_decref(env);
}

/* Half a second of the machine at rest, as far as we are concerned. */
static void look_at_others(json_t *list) {
    const struct timespec half = {.tv_nsec = 500000000};
    char what[160];
    uint64_t before = proc_machine_busy_ns();
    nanosleep(&half, NULL);
    double percent = (double)(proc_machine_busy_ns() - before) / 5e6;
    snprintf(what, sizeof what, "a quiet machine: others use %.0f %% of a CPU now", percent);
    add(list, "quiet", percent < 10, what, "samples during which others use a tenth of a CPU are flagged",
        "stop what else runs, and look again");
}

static void look_at_engine(json_t *list) {
    struct docker d;
    struct err e = {0};
    char what[320] = "runs in containers (weir bench --backend container)";
    bool there = docker_open(&d, &e) == 0;
    if (there)
        snprintf(what, sizeof what, "runs in containers, by %s %s at %.80s", d.name, d.version, d.socket);
    add(list, "containers", there, what, e.msg, "start Docker or Podman's socket, or set DOCKER_HOST");
}

static void look_at_stacks(json_t *list, const char *root) {
    struct arena arena;
    const char **names = NULL;
    size_t count = 0;
    struct err e = {0};
    arena_init(&arena);
    if (!root || stack_names(root, &arena, &names, &count, &e)) count = 0;
    for (size_t i = 0; i < count; i++) {
        struct stack s;
        json_t *versions = NULL;
        const char *why = e.msg;
        char name[96], what[160], todo[160];
        snprintf(name, sizeof name, "stack %.60s", names[i]);
        snprintf(todo, sizeof todo, "weir stack setup %.60s", names[i]);
        if (!stack_read(&s, root, names[i], &e)) stack_versions(&s, &versions, &why, &e);
        snprintf(what, sizeof what, "%s", s.title ? s.title : names[i]);
        add(list, name, versions != NULL, what, why, todo);
        json_decref(versions);
        stack_release(&s);
    }
    arena_release(&arena);
}

static void look_at_tools(json_t *list, const char *home, const char *mmdb) {
    struct duckdb d;
    struct err e = {0};
    bool found = !duckdb_find(home, &d, &e);
    add(list, "duckdb", found, "DuckDB, which checks results: without it no time counts", e.msg,
        "scripts/setup, or set WEIR_DUCKDB");
    add(list, "mmdb", mmdb != NULL, "a country database", "none was found",
        "scripts/setup for a free one, or give --mmdb FILE");
}

static void look_at_profilers(json_t *list, const char *home) {
    struct profiler p;
    for (size_t i = 0; profiler_at(i, home, &p); i++) {
        char what[96];
        snprintf(what, sizeof what, "CPU profiles of %s (weir bench --profile)", p.code);
        add(list, p.name, *p.program, what, "it is not on PATH", p.how);
    }
}

json_t *doctor_look(const struct runner *r, const char *home, const char *stacks_root, const char *mmdb) {
    json_t *list = json_array();
    if (!list) return NULL;
    look_at_groups(list, r);
    look_at_kernel(list, r);
    look_at_others(list);
    look_at_tools(list, home, mmdb);
    look_at_profilers(list, home);
    look_at_engine(list);
    look_at_stacks(list, stacks_root);
    return list;
}

enum { FRESH_SECONDS = 10 }; /* of a group: just made, and its run not in it yet */

/* weir's groups are called weir-<16 hex digits of the result file>-…: left over when no keeper watches. */
static bool is_watched(const char *dir, const char *name) {
    char path[PATH_MAX + 300];
    struct stat st;
    int pid;
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (stat(path, &st) == 0 && st.st_ctim.tv_sec + FRESH_SECONDS > time(NULL)) return true;
    if (st.st_nlink > 2) return true; /* a container's group lies in it, which container_sweep judges */
    snprintf(path, sizeof path, "%s/%s/cgroup.procs", dir, name);
    FILE *f = fopen(path, "re");
    bool watched = false;
    while (f && !watched && fscanf(f, "%d", &pid) == 1) {
        struct proc p;
        /* Up to the keeper, whose own parent is a weir that lives. */
        for (int depth = 0; depth < 64 && pid > 1 && proc_read(pid, &p) && !watched; depth++, pid = p.parent)
            watched = strcmp(p.name, "weir-keeper") == 0 && p.parent > 1;
    }
    if (f) fclose(f);
    return watched;
}

unsigned doctor_clean(const struct runner *r) {
    const char *dir = r->place.dirs[GROUP_MEMORY];
    struct docker engine;
    struct err none = {0};
    unsigned swept = docker_open(&engine, &none) ? 0 : container_sweep(&engine, "weir-", FRESH_SECONDS);
    DIR *d = *dir ? opendir(dir) : NULL;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (strncmp(entry->d_name, "weir-", 5) != 0 || is_watched(dir, entry->d_name)) continue;
        swept += group_sweep(&r->place, entry->d_name);
    }
    if (d) closedir(d);
    return swept;
}
