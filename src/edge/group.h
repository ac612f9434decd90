/* Control groups that weir makes for what it measures: limits, use, and an end for all that is in one
 * (kernel Documentation/admin-guide/cgroup-v1/ and cgroup-v2.rst).
 *
 * Version 1 has a tree per controller, version 2 one for all; in the hybrid form the controllers are version
 * 1 and a version 2 tree beside them knows pressure and kills. */
#ifndef WEIR_EDGE_GROUP_H
#define WEIR_EDGE_GROUP_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum group_part { GROUP_MEMORY, GROUP_CPU, GROUP_CPUACCT, GROUP_CPUSET, GROUP_UNIFIED, GROUP_PARTS };

/* Where this process can make groups; "" where it cannot. */
struct group_place {
    const char *kind; /* "v1", "v2", "hybrid"; "none": memory cannot be accounted for */
    char dirs[GROUP_PARTS][PATH_MAX];
    char why[256]; /* with "none": why */
};

/* Look below `root` (/sys/fs/cgroup), for the process whose groups `self` (/proc/self/cgroup) lists. `probe`:
 * make a group, put a process into it, remove it; without, only what is there is looked at. */
void group_find(struct group_place *p, const char *root, const char *self, bool probe);

struct group_limits {
    double cpus;           /* 0: none */
    const char *cpu_list;  /* "0-1", or NULL */
    uint64_t memory_bytes; /* 0: none; swap is not given in addition */
};

struct group {
    bool v2;                          /* memory and CPU are version 2 */
    char dirs[GROUP_PARTS][PATH_MAX]; /* "" where there is none */
    int enter[GROUP_PARTS];           /* descriptors of cgroup.procs, or -1 */
};

/* Make the group `name`. ERR_OUTSIDE, nothing left behind, when a limit is refused. */
int group_make(struct group *g, const struct group_place *p, const char *name,
               const struct group_limits *limits, struct err *e);

/* Put the calling process into it; between fork and exec (async-signal-safe). 0, or errno. */
int group_enter(const struct group *g);

/* SIGKILL for all in it, until it is empty or two seconds have passed. Returns how many it found. */
unsigned group_kill(const struct group *g);

/* Close, and remove its folders. */
void group_remove(struct group *g);

/* Kill and remove the groups in `p` whose name begins with `prefix`: those of a harness that was killed. */
unsigned group_sweep(const struct group_place *p, const char *prefix);

/* Beside a container engine, which makes its own groups below ours when it is told ours as their parent: ours
 * then still holds peak and CPU time when the container and its group are gone. */

/* The top of all trees, which is where an engine looks for a parent "/name". False: nobody may make groups
 * there. */
bool group_top(struct group_place *out, const struct group_place *p);

/* The group that `pid` is in, in *out, only to be read. False: none with memory accounting can be seen from
 * here. */
bool group_of(struct group *out, const struct group_place *p, pid_t pid);

/* Remove the top groups whose name begins with `prefix`, what the engine made of them in the trees of other
 * controllers too, where they are empty and at least `age_s` seconds old. */
void group_sweep_top(const char *prefix, unsigned age_s);

/* Processes in it; at most `cap`. */
unsigned group_pids(const struct group *g, pid_t *out, unsigned cap);

struct group_usage {
    uint64_t anon, shared, cache; /* now: anonymous, shared memory (tmpfs, shm), page cache of files */
    uint64_t peak;                /* the kernel's own, page cache included; 0: the kernel keeps none */
    uint64_t cpu_ns, oom_kills;
};

/* What cannot be read stays 0. */
void group_read(const struct group *g, struct group_usage *u);

enum { PRESSURE_CPU, PRESSURE_IO, PRESSURE_MEMORY, PRESSURES };

/* Microseconds so far in which some task of the group stalled; -1: not known. `g` NULL: the whole machine's.
 */
void group_pressure(const struct group *g, int64_t us[PRESSURES]);

#endif
