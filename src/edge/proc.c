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

bool proc_read(pid_t pid, struct proc *out) {
    char path[64], text[1024];
    uint64_t user, system, size, resident = 0, shared = 0;
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
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)pid);
    if (read_small(path, text, sizeof text) &&
        sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64, &size, &resident, &shared) == 3) {
        uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
        out->rss_bytes = resident * page;
        out->shared_bytes = shared * page;
    }
    return true;
}

struct link {
    pid_t pid, parent;
};

unsigned proc_below(pid_t root, pid_t *out, unsigned cap) {
    enum { ALL = 16384 };
    static struct link all[ALL];
    unsigned count = 0, found = 0;
    DIR *d = opendir("/proc");
    for (struct dirent *entry; d && count < ALL && (entry = readdir(d));) {
        struct proc p;
        if (!isdigit((unsigned char)*entry->d_name)) continue;
        if (proc_read((pid_t)strtol(entry->d_name, NULL, 10), &p))
            all[count++] = (struct link){p.pid, p.parent};
    }
    if (d) closedir(d);
    for (int next = -1; next < (int)found && found < cap; next++) {
        pid_t of = next < 0 ? root : out[next];
        for (unsigned i = 0; i < count && found < cap; i++)
            if (all[i].parent == of) out[found++] = all[i].pid;
    }
    return found;
}

static uint64_t field(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? strtoull(at + strlen(key), NULL, 10) : 0;
}

bool proc_io_self(struct proc_io *out) {
    char text[512];
    *out = (struct proc_io){0};
    if (!read_small("/proc/self/io", text, sizeof text)) return false;
    out->read_chars = field(text, "rchar: ");
    out->written_chars = field(text, "wchar: ");
    out->read_bytes = field(text, "\nread_bytes: ");
    /* What was cancelled, truncated before it reached the disk, was made nevertheless. */
    out->written_bytes = field(text, "\nwrite_bytes: ");
    return true;
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
