#include "edge/group.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PERIOD_US = 100000, FILE_MAX = 1 << 16, PATIENCE_MS = 2000 };

static const char *const part_names[GROUP_PARTS] = {"memory", "cpu", "cpuacct", "cpuset", ""};

/* <dir>/<name>; false when that is too long or there is no dir. */
static bool file_in(char out[PATH_MAX], const char *dir, const char *name) {
    return *dir && (size_t)snprintf(out, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* The file's text; "" when it cannot be read. */
static void read_file(const char *dir, const char *name, char *out, size_t cap) {
    char path[PATH_MAX];
    *out = 0;
    int fd = file_in(path, dir, name) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0) return;
    size_t len = 0;
    ssize_t n;
    while (len + 1 < cap && (n = read(fd, out + len, cap - 1 - len)) > 0) len += (size_t)n;
    out[len] = 0;
    close(fd);
}

static int write_file(const char *dir, const char *name, const char *text) {
    char path[PATH_MAX];
    if (!file_in(path, dir, name)) return ENAMETOOLONG;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    int rc = write(fd, text, strlen(text)) < 0 ? errno : 0;
    close(fd);
    return rc;
}

/* The number after `key` at a line's beginning, or the first of the text when key is ""; 0 when not there. */
static uint64_t number_after(const char *text, const char *key) {
    size_t len = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        if (strncmp(line, key, len) == 0 && (len == 0 || line[len] == ' '))
            return strtoull(line + len, NULL, 10);
    return 0;
}

static uint64_t read_number(const char *dir, const char *name) {
    char text[64];
    read_file(dir, name, text, sizeof text);
    return number_after(text, "");
}

/* ---- where groups can be made ---- */

/* The path of the group of `self` in the tree of a controller ("" : version 2); false: it has none. */
static bool own_path(const char *self, const char *controller, char *out, size_t cap) {
    FILE *f = fopen(self, "re");
    char line[PATH_MAX];
    bool found = false;
    while (f && !found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;
        if (!path) continue;
        *path++ = 0;
        names++;
        if (!*controller) found = !*names;
        for (char *save, *n = *controller ? strtok_r(names, ",", &save) : NULL; n && !found;
             n = strtok_r(NULL, ",", &save))
            found = strcmp(n, controller) == 0;
        if (found) snprintf(out, cap, "%s", path);
    }
    if (f) fclose(f);
    return found;
}

static bool is_writable_dir(const char *path) {
    return access(path, W_OK | X_OK) == 0;
}

/* The own group of a version 1 tree, else its root: inside a container the path may be the host's. */
static void find_v1(struct group_place *p, enum group_part part, const char *root, const char *self) {
    char path[PATH_MAX], dir[PATH_MAX];
    if (!own_path(self, part_names[part], path, sizeof path)) return;
    const char *tries[] = {path, ""};
    for (int i = 0; i < 2; i++) {
        const char *below = strcmp(tries[i], "/") ? tries[i] : "";
        if ((size_t)snprintf(dir, sizeof dir, "%s/%s%s", root, part_names[part], below) >= sizeof dir)
            continue;
        if (!is_writable_dir(dir)) continue;
        memcpy(p->dirs[part], dir, sizeof dir);
        return;
    }
}

static bool has_word(const char *text, const char *word) {
    size_t len = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at += len)
        if ((at == text || at[-1] == ' ') && (!at[len] || strchr(" \n", at[len]))) return true;
    return false;
}

/* Version 2: the nearest group, from the own one upwards, that passes memory on to groups below it. A group
 * with processes of its own cannot, which is why the own one seldom serves. */
static bool find_v2(struct group_place *p, const char *root, const char *self) {
    char path[PATH_MAX], dir[PATH_MAX], text[512];
    if (!own_path(self, "", path, sizeof path)) return false;
    if ((size_t)snprintf(dir, sizeof dir, "%s%s", root, strcmp(path, "/") ? path : "") >= sizeof dir)
        return false;
    for (size_t floor = strlen(root); strlen(dir) >= floor; *strrchr(dir, '/') = 0) {
        static const char *const wanted[] = {"+memory", "+cpu", "+cpuset", "+io"};
        if (!is_writable_dir(dir)) continue;
        read_file(dir, "cgroup.subtree_control", text, sizeof text);
        for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
            if (!has_word(text, wanted[i] + 1)) /* what is refused stays as it is */
                write_file(dir, "cgroup.subtree_control", wanted[i]);
        read_file(dir, "cgroup.subtree_control", text, sizeof text);
        if (!has_word(text, "memory")) continue;
        for (int part = 0; part < GROUP_PARTS; part++)
            if (part == GROUP_MEMORY || part == GROUP_UNIFIED || has_word(text, part_names[part]) ||
                (part == GROUP_CPUACCT && has_word(text, "cpu")))
                memcpy(p->dirs[part], dir, sizeof dir);
        return true;
    }
    return false;
}

static void find_unified(struct group_place *p, const char *root, const char *self) {
    char path[PATH_MAX], dir[PATH_MAX];
    if (!own_path(self, "", path, sizeof path)) return;
    if ((size_t)snprintf(dir, sizeof dir, "%s/unified%s", root, strcmp(path, "/") ? path : "") >= sizeof dir)
        return;
    if (is_writable_dir(dir)) memcpy(p->dirs[GROUP_UNIFIED], dir, sizeof dir);
}

/* Can a process really be moved into a new group? */
static bool can_move(const struct group_place *p, char why[256]) {
    struct group g;
    struct err e = {0};
    char name[64];
    snprintf(name, sizeof name, "weir-probe-%ld", (long)getpid());
    if (group_make(&g, p, name, &(struct group_limits){0}, &e)) {
        snprintf(why, 256, "%.250s", e.msg);
        return false;
    }
    pid_t pid = fork();
    if (pid == 0) _exit(group_enter(&g));
    int status = 0;
    bool moved = pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
    if (!moved)
        snprintf(why, 256, "no process can be moved into a group below %.120s: %s", p->dirs[GROUP_MEMORY],
                 pid > 0 ? strerror(WEXITSTATUS(status)) : "no process");
    group_remove(&g);
    return moved;
}

void group_find(struct group_place *p, const char *root, const char *self, bool probe) {
    char path[PATH_MAX];
    *p = (struct group_place){.kind = "none"};
    bool all_v2 = file_in(path, root, "cgroup.controllers") && access(path, F_OK) == 0;
    if (all_v2) {
        if (find_v2(p, root, self)) p->kind = "v2";
    } else {
        for (int part = 0; part < GROUP_UNIFIED; part++) find_v1(p, (enum group_part)part, root, self);
        find_unified(p, root, self);
        if (*p->dirs[GROUP_MEMORY]) p->kind = *p->dirs[GROUP_UNIFIED] ? "hybrid" : "v1";
    }
    if (strcmp(p->kind, "none") == 0)
        snprintf(p->why, sizeof p->why, "no group with memory accounting can be made below %.150s", root);
    else if (probe && !can_move(p, p->why))
        p->kind = "none";
    if (strcmp(p->kind, "none") == 0) memset(p->dirs, 0, sizeof p->dirs);
}

/* ---- beside an engine's ---- */

static const char trees[] = "/sys/fs/cgroup";

bool group_top(struct group_place *out, const struct group_place *p) {
    bool v2 = strcmp(p->kind, "v2") == 0;
    *out = (struct group_place){.kind = p->kind};
    for (int part = 0; part < GROUP_PARTS; part++) {
        const char *name = v2 ? "" : part == GROUP_UNIFIED ? "unified" : part_names[part];
        if (!*p->dirs[part]) continue;
        snprintf(out->dirs[part], sizeof out->dirs[part], "%s%s%s", trees, *name ? "/" : "", name);
        if (!is_writable_dir(out->dirs[part])) return false;
    }
    return *out->dirs[GROUP_MEMORY];
}

bool group_of(struct group *out, const struct group_place *p, pid_t pid) {
    char self[64], path[PATH_MAX];
    *out = (struct group){.v2 = strcmp(p->kind, "v2") == 0};
    snprintf(self, sizeof self, "/proc/%d/cgroup", (int)pid);
    for (int part = 0; part < GROUP_PARTS; part++) {
        const char *controller = out->v2 ? "" : part_names[part], *tree = controller;
        if (!out->v2 && part == GROUP_UNIFIED) tree = "unified";
        out->enter[part] = -1;
        if (!*p->dirs[part] || !own_path(self, controller, path, sizeof path)) continue;
        if ((size_t)snprintf(out->dirs[part], PATH_MAX, "%s%s%.64s%.3900s", trees, *tree ? "/" : "", tree,
                             path) >= PATH_MAX ||
            access(out->dirs[part], R_OK))
            *out->dirs[part] = 0;
    }
    return *out->dirs[GROUP_MEMORY] && group_pids(out, &pid, 1);
}

/* rmdir, and before that of the groups right below, which some engines leave, such as Podman its "conmon";
 * refused where a process is. Returns as rmdir. */
static int remove_dir(const char *dir) {
    char path[PATH_MAX];
    if (!rmdir(dir)) return 0;
    if (errno != EBUSY) return -1;
    DIR *d = opendir(dir);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (entry->d_type == DT_DIR && *entry->d_name != '.' && file_in(path, dir, entry->d_name))
            rmdir(path);
    if (d) closedir(d);
    return rmdir(dir);
}

static void sweep_tree(const char *tree, const char *prefix, unsigned age_s) {
    char path[PATH_MAX];
    struct stat st;
    DIR *d = opendir(tree);
    for (struct dirent *entry; d && (entry = readdir(d));) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 || !file_in(path, tree, entry->d_name))
            continue;
        if (!stat(path, &st) && st.st_ctim.tv_sec + (time_t)age_s <= time(NULL)) remove_dir(path);
    }
    if (d) closedir(d);
}

void group_sweep_top(const char *prefix, unsigned age_s) {
    char path[PATH_MAX];
    DIR *d = opendir(trees);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (*entry->d_name != '.' && file_in(path, trees, entry->d_name)) sweep_tree(path, prefix, age_s);
    if (d) closedir(d);
    sweep_tree(trees, prefix, age_s);
}

/* ---- making one ---- */

static int refuse(struct err *e, int code, const char *dir, const char *what) {
    errno = code;
    return err_errno(e, ERR_OUTSIDE, "could not set %s in %s", what, dir);
}

static int set(const struct group *g, enum group_part part, const char *name, const char *text,
               struct err *e) {
    int rc = write_file(g->dirs[part], name, text);
    return rc ? refuse(e, rc, g->dirs[part], name) : 0;
}

/* A version 1 cpuset takes nobody before it has CPUs and memory nodes. */
static int set_cpuset(const struct group *g, const struct group_place *p, const char *list, struct err *e) {
    char text[512];
    if (!*g->dirs[GROUP_CPUSET]) return 0;
    if (!g->v2) {
        read_file(p->dirs[GROUP_CPUSET], "cpuset.effective_mems", text, sizeof text);
        if (!*text) read_file(p->dirs[GROUP_CPUSET], "cpuset.mems", text, sizeof text);
        TRY(set(g, GROUP_CPUSET, "cpuset.mems", text, e));
        if (!list) {
            read_file(p->dirs[GROUP_CPUSET], "cpuset.effective_cpus", text, sizeof text);
            if (!*text) read_file(p->dirs[GROUP_CPUSET], "cpuset.cpus", text, sizeof text);
            list = text;
        }
    }
    return list ? set(g, GROUP_CPUSET, "cpuset.cpus", list, e) : 0;
}

static int set_cpu(const struct group *g, double cpus, struct err *e) {
    char text[64];
    if (!*g->dirs[GROUP_CPU] || !(cpus > 0)) return 0;
    long quota = (long)(cpus * PERIOD_US + 0.5);
    if (quota < 1000) quota = 1000; /* the kernel's least */
    if (g->v2) {
        snprintf(text, sizeof text, "%ld %d", quota, PERIOD_US);
        return set(g, GROUP_CPU, "cpu.max", text, e);
    }
    snprintf(text, sizeof text, "%d", PERIOD_US);
    TRY(set(g, GROUP_CPU, "cpu.cfs_period_us", text, e));
    snprintf(text, sizeof text, "%ld", quota);
    return set(g, GROUP_CPU, "cpu.cfs_quota_us", text, e);
}

static int set_memory(const struct group *g, uint64_t bytes, struct err *e) {
    char text[32];
    if (!bytes) return 0;
    snprintf(text, sizeof text, "%llu", (unsigned long long)bytes);
    if (g->v2) {
        TRY(set(g, GROUP_MEMORY, "memory.max", text, e));
        write_file(g->dirs[GROUP_MEMORY], "memory.swap.max", "0"); /* not there without swap */
        return 0;
    }
    TRY(set(g, GROUP_MEMORY, "memory.limit_in_bytes", text, e));
    write_file(g->dirs[GROUP_MEMORY], "memory.memsw.limit_in_bytes", text);
    return 0;
}

static int make_dirs(struct group *g, const struct group_place *p, const char *name, struct err *e) {
    for (int part = 0; part < GROUP_PARTS; part++) {
        if (!*p->dirs[part]) continue;
        if (!file_in(g->dirs[part], p->dirs[part], name))
            return err_set(e, ERR_OUTSIDE, "could not make a control group: its path is too long");
        if (mkdir(g->dirs[part], 0755) && errno != EEXIST) { /* one folder may serve several parts */
            char dir[PATH_MAX];
            memcpy(dir, g->dirs[part], sizeof dir);
            *g->dirs[part] = 0;
            return err_errno(e, ERR_OUTSIDE, "could not make the control group \"%s\"", dir);
        }
    }
    return 0;
}

static int open_procs(struct group *g, struct err *e) {
    char path[PATH_MAX];
    for (int part = 0; part < GROUP_PARTS; part++) {
        if (!*g->dirs[part] || (g->v2 && part != GROUP_UNIFIED)) continue;
        if (!file_in(path, g->dirs[part], "cgroup.procs") ||
            (g->enter[part] = open(path, O_WRONLY | O_CLOEXEC)) < 0)
            return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", path);
    }
    return 0;
}

int group_make(struct group *g, const struct group_place *p, const char *name,
               const struct group_limits *limits, struct err *e) {
    *g = (struct group){.v2 = strcmp(p->kind, "v2") == 0};
    for (int part = 0; part < GROUP_PARTS; part++) g->enter[part] = -1;
    int rc = make_dirs(g, p, name, e);
    if (!rc) rc = set_cpuset(g, p, limits->cpu_list, e);
    if (!rc) rc = set_cpu(g, limits->cpus, e);
    if (!rc) rc = set_memory(g, limits->memory_bytes, e);
    if (!rc) rc = open_procs(g, e);
    if (rc) group_remove(g);
    return rc;
}

int group_enter(const struct group *g) {
    for (int part = 0; part < GROUP_PARTS; part++)
        if (g->enter[part] >= 0 && write(g->enter[part], "0", 1) != 1) return errno ? errno : EIO;
    return 0;
}

/* ---- the end of one ---- */

unsigned group_pids(const struct group *g, pid_t *out, unsigned cap) {
    char text[FILE_MAX];
    unsigned n = 0;
    read_file(g->dirs[g->v2 ? GROUP_UNIFIED : GROUP_MEMORY], "cgroup.procs", text, sizeof text);
    for (char *at = text; *at && n < cap;) {
        out[n++] = (pid_t)strtol(at, &at, 10);
        while (*at == '\n') at++;
    }
    return n;
}

static void pause_ms(long ms) {
    const struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

unsigned group_kill(const struct group *g) {
    enum { PIDS = 4096 };
    static pid_t pids[PIDS];
    unsigned found = 0;
    for (int ms = 0; ms < PATIENCE_MS; ms += 5) { /* again: one may have forked meanwhile */
        unsigned n = group_pids(g, pids, PIDS);
        if (!n) break;
        if (n > found) found = n;
        write_file(g->dirs[GROUP_UNIFIED], "cgroup.kill", "1");
        for (unsigned i = 0; i < n; i++) kill(pids[i], SIGKILL);
        pause_ms(5);
    }
    return found;
}

void group_remove(struct group *g) {
    for (int part = 0; part < GROUP_PARTS; part++) {
        if (g->enter[part] >= 0) close(g->enter[part]);
        g->enter[part] = -1;
        /* The last process may still be on its way out. */
        for (int ms = 0; *g->dirs[part] && remove_dir(g->dirs[part]) && errno == EBUSY && ms < PATIENCE_MS;
             ms += 10)
            pause_ms(10);
        *g->dirs[part] = 0;
    }
}

unsigned group_sweep(const struct group_place *p, const char *prefix) {
    DIR *d = *p->dirs[GROUP_MEMORY] ? opendir(p->dirs[GROUP_MEMORY]) : NULL;
    unsigned swept = 0;
    for (struct dirent *entry; d && (entry = readdir(d));) {
        struct group g = {.v2 = strcmp(p->kind, "v2") == 0};
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
        for (int part = 0; part < GROUP_PARTS; part++) {
            g.enter[part] = -1;
            if (!file_in(g.dirs[part], p->dirs[part], entry->d_name)) *g.dirs[part] = 0;
        }
        group_kill(&g);
        group_remove(&g);
        swept++;
    }
    if (d) closedir(d);
    return swept;
}

/* ---- what it uses ---- */

static void read_v1(const struct group *g, struct group_usage *u) {
    char text[FILE_MAX];
    const char *memory = g->dirs[GROUP_MEMORY];
    read_file(memory, "memory.stat", text, sizeof text);
    uint64_t cache = number_after(text, "total_cache");
    u->anon = number_after(text, "total_rss");
    u->shared = number_after(text, "total_shmem");
    u->cache = cache > u->shared ? cache - u->shared : 0; /* "cache" holds shared memory too */
    u->peak = read_number(memory, "memory.max_usage_in_bytes");
    u->cpu_ns = read_number(g->dirs[GROUP_CPUACCT], "cpuacct.usage");
    read_file(memory, "memory.oom_control", text, sizeof text);
    u->oom_kills = number_after(text, "oom_kill");
}

static void read_v2(const struct group *g, struct group_usage *u) {
    char text[FILE_MAX];
    const char *dir = g->dirs[GROUP_MEMORY];
    read_file(dir, "memory.stat", text, sizeof text);
    uint64_t file = number_after(text, "file");
    u->anon = number_after(text, "anon");
    u->shared = number_after(text, "shmem");
    u->cache = file > u->shared ? file - u->shared : 0;
    u->peak = read_number(dir, "memory.peak");
    read_file(dir, "cpu.stat", text, sizeof text);
    u->cpu_ns = number_after(text, "usage_usec") * 1000;
    read_file(dir, "memory.events", text, sizeof text);
    u->oom_kills = number_after(text, "oom_kill");
}

void group_read(const struct group *g, struct group_usage *u) {
    *u = (struct group_usage){0};
    if (g->v2)
        read_v2(g, u);
    else
        read_v1(g, u);
}

void group_pressure(const struct group *g, int64_t us[PRESSURES]) {
    static const char *const own[] = {"cpu.pressure", "io.pressure", "memory.pressure"}, *const machine[] = {
                                                                                             "cpu", "io",
                                                                                             "memory"};
    for (int i = 0; i < PRESSURES; i++) {
        char text[512];
        read_file(g ? g->dirs[GROUP_UNIFIED] : "/proc/pressure", g ? own[i] : machine[i], text, sizeof text);
        const char *line = strstr(text, "some "), *total = line ? strstr(line, "total=") : NULL;
        us[i] = total ? (int64_t)strtoull(total + 6, NULL, 10) : -1;
    }
}
