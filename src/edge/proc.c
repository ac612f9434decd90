#include "edge/proc.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_small(const char *path, char *out, size_t cap) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, out, cap - 1);
    close(fd);
    out[n > 0 ? n : 0] = 0;
    return n > 0;
}

static uint64_t ticks_to_ns(uint64_t ticks) {
    static long hz;
    if (!hz) hz = sysconf(_SC_CLK_TCK);
    return ticks * (UINT64_C(1000000000) / (uint64_t)hz);
}

static bool read_stat(pid_t pid, struct proc *out) {
    char path[64], text[1024];
    uint64_t user, system;
    int parent;
    *out = (struct proc){.pid = pid};
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (!read_small(path, text, sizeof text)) return false;
    /* The name stands in parentheses and may hold any byte, parentheses too. */
    char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close) return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(close - open - 1), open + 1);
    if (sscanf(close + 2,
               "%c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
               " %*d %*d %*d %*d %*d %*d %" SCNu64,
               &out->state, &parent, &user, &system, &out->start_ticks) != 5)
        return false;
    out->parent = parent;
    out->cpu_ns = ticks_to_ns(user + system);
    return true;
}

bool proc_read(pid_t pid, struct proc *out) {
    char path[64], text[256];
    uint64_t size, resident = 0, shared = 0;
    if (!read_stat(pid, out)) return false;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    if (read_small(path, text, sizeof text) &&
        sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, &resident, &shared) == 3) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        out->rss_bytes = resident * page;
        out->shared_bytes = shared * page;
    }
    return true;
}

/* ---- descendants ---- */

struct found {
    pid_t *pids;
    unsigned count, cap;
};

/* Append the children of one thread; false: this kernel does not tell. */
static bool add_children(pid_t pid, const char *thread, struct found *f) {
    char path[96], text[16384];
    snprintf(path, sizeof path, "/proc/%ld/task/%.20s/children", (long)pid, thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = 0;
    for (char *at = text, *end; f->count < f->cap; at = end) {
        pid_t child = (pid_t)strtol(at, &end, 10);
        if (end == at) break;
        f->pids[f->count++] = child;
    }
    return true;
}

/* Each thread has its own. What is read while processes end may miss some; the next look finds them. */
static void add_children_of_all(pid_t pid, struct found *f) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/task", (long)pid);
    DIR *d = opendir(path);
    for (struct dirent *entry; d && (entry = readdir(d));)
        if (isdigit((unsigned char)*entry->d_name)) add_children(pid, entry->d_name, f);
    if (d) closedir(d);
}

struct link {
    pid_t pid, parent;
};

/* By the parents of all processes: works everywhere, and costs a look at each. */
static void add_by_parents(pid_t root, struct found *f) {
    enum { ALL = 16384 };
    static struct link all[ALL];
    unsigned count = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *entry; d && count < ALL && (entry = readdir(d));) {
        struct proc p;
        if (!isdigit((unsigned char)*entry->d_name)) continue;
        if (read_stat((pid_t)strtol(entry->d_name, NULL, 10), &p))
            all[count++] = (struct link){p.pid, p.parent};
    }
    if (d) closedir(d);
    for (int next = -1; next < (int)f->count; next++) {
        pid_t of = next < 0 ? root : f->pids[next];
        for (unsigned i = 0; i < count && f->count < f->cap; i++)
            if (all[i].parent == of) f->pids[f->count++] = all[i].pid;
    }
}

unsigned proc_below(pid_t root, pid_t *out, unsigned cap) {
    struct found f = {.pids = out, .cap = cap};
    char self[24];
    snprintf(self, sizeof self, "%ld", (long)root);
    if (!add_children(root, self, &f)) {
        add_by_parents(root, &f);
        return f.count;
    }
    f.count = 0;
    add_children_of_all(root, &f);
    for (unsigned next = 0; next < f.count; next++) add_children_of_all(f.pids[next], &f);
    return f.count;
}

static uint64_t field(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

static bool read_io(const char *path, struct proc_io *out) {
    char text[512];
    *out = (struct proc_io){0};
    if (!read_small(path, text, sizeof text)) return false;
    out->read_chars = field(text, "rchar: ");
    out->written_chars = field(text, "wchar: ");
    out->read_bytes = field(text, "\nread_bytes: ");
    /* What was cancelled, truncated before it reached the disk, was made nevertheless. */
    out->written_bytes = field(text, "\nwrite_bytes: ");
    return true;
}

bool proc_io_self(struct proc_io *out) {
    return read_io("/proc/self/io", out);
}

bool proc_io(pid_t pid, struct proc_io *out) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
    return read_io(path, out);
}

uint64_t proc_machine_busy_ns(void) {
    char text[512];
    uint64_t user, nice, system, idle, wait, irq, soft, steal;
    if (!read_small("/proc/stat", text, sizeof text) ||
        sscanf(text,
               "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
               " %" SCNu64,
               &user, &nice, &system, &idle, &wait, &irq, &soft, &steal) != 8)
        return 0;
    return ticks_to_ns(user + nice + system + irq + soft + steal);
}
