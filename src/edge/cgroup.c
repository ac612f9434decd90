#include "edge/cgroup.h"

#include "base/threads.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The first number of a small file; "max" and what cannot be read give UINT64_MAX. *second is the number
 * after it. */
static uint64_t read_number(const char *path, uint64_t *second) {
    FILE *f = fopen(path, "re");
    unsigned long long a = 0, b = 0;
    int n = f ? fscanf(f, "%llu %llu", &a, &b) : 0;
    uint64_t value = n >= 1 ? a : UINT64_MAX;
    if (f && n == 0 && second) { /* "max 100000" */
        rewind(f);
        n = fscanf(f, "%*s %llu", &b) == 1 ? 2 : 0;
    }
    if (second) *second = n == 2 ? b : 0;
    if (f) fclose(f);
    return value;
}

/* Call `look` with the folder of the group at `path` below `root` and of each group above it. */
static void each_level(const char *root, const char *path, void (*look)(const char *dir, void *ctx),
                       void *ctx) {
    char dir[PATH_MAX];
    if ((size_t)snprintf(dir, sizeof dir, "%s%s", root, path) >= sizeof dir) return;
    size_t root_len = strlen(root);
    for (;;) {
        look(dir, ctx);
        char *slash = strrchr(dir, '/');
        if (!slash || (size_t)(slash - dir) < root_len) return;
        *slash = 0;
    }
}

/* Call `look` for the groups of this process in the hierarchy of a v1 controller, or the v2 one when
 * `controller` is "". */
static void each_group(const char *controller, void (*look)(const char *dir, void *ctx), void *ctx) {
    FILE *f = fopen("/proc/self/cgroup", "re");
    char line[PATH_MAX], root[64];
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        names++;
        if (!*controller && !*names) {
            const char *v2 = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0
                                 ? "/sys/fs/cgroup"
                                 : "/sys/fs/cgroup/unified";
            each_level(v2, path, look, ctx);
        }
        for (char *save, *name = *controller ? strtok_r(names, ",", &save) : NULL; name;
             name = strtok_r(NULL, ",", &save))
            if (strcmp(name, controller) == 0) {
                snprintf(root, sizeof root, "/sys/fs/cgroup/%s", controller);
                each_level(root, path, look, ctx);
                each_level(root, "", look,
                           ctx); /* inside a container the path is the host's: its own root counts */
            }
    }
    if (f) fclose(f);
}

static void look_memory(const char *dir, void *ctx) {
    static const char *const names[] = {"memory.max", "memory.limit_in_bytes"};
    uint64_t *least = ctx;
    char path[PATH_MAX + 32];
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        uint64_t limit = read_number(path, NULL);
        if (limit < *least) *least = limit;
    }
}

static void look_cpu(const char *dir, void *ctx) {
    double *least = ctx;
    char path[PATH_MAX + 32];
    uint64_t period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    uint64_t quota = read_number(path, &period);
    if (quota == UINT64_MAX) {
        snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
        quota = read_number(path, NULL);
        snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
        period = read_number(path, NULL);
    }
    if (quota < (1ull << 40) && period && period < (1ull << 40) && (double)quota / (double)period < *least)
        *least = (double)quota / (double)period;
}

static uint64_t status_kb(const char *file, const char *key) {
    FILE *f = fopen(file, "re");
    char line[256];
    unsigned long long kb = 0;
    size_t n = strlen(key);
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, key, n) == 0 && line[n] == ':') {
            kb = strtoull(line + n + 1, NULL, 10);
            break;
        }
    if (f) fclose(f);
    return kb * 1024;
}

uint64_t cgroup_memory_bytes(void) {
    uint64_t least = status_kb("/proc/meminfo", "MemAvailable");
    if (!least) least = (uint64_t)1 << 30;
    each_group("memory", look_memory, &least);
    each_group("", look_memory, &least);
    return least;
}

unsigned cgroup_cpus(void) {
    double least = threads_cpu_count();
    each_group("cpu", look_cpu, &least);
    each_group("", look_cpu, &least);
    unsigned whole = (unsigned)(least + 0.5);
    return whole ? whole : 1;
}

uint64_t cgroup_peak_memory_bytes(void) {
    return status_kb("/proc/self/status", "VmHWM");
}
