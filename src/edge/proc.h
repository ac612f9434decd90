/* Processes as /proc shows them (proc(5)). */
#ifndef WEIR_EDGE_PROC_H
#define WEIR_EDGE_PROC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc {
    pid_t pid, parent;
    char name[32]; /* of its command; what exec set last */
    char state;    /* R, S, D, Z, … */
    uint64_t start_ticks, cpu_ns;
    uint64_t rss_bytes, shared_bytes; /* resident; of it pages of files and shared memory */
};

/* False: there is no such process. Memory of a zombie is 0. */
bool proc_read(pid_t pid, struct proc *out);

/* The processes below `root` (it is not among them), at most `cap`; needs no rights. */
unsigned proc_below(pid_t root, pid_t *out, unsigned cap);

/* /proc/PID/io: of the process and of those children that it has waited for. */
struct proc_io {
    uint64_t read_chars, written_chars; /* through read and write, page cache or not */
    uint64_t read_bytes, written_bytes; /* from storage; pages made dirty */
};

bool proc_io_self(struct proc_io *out);

/* Of another process; false: not there, or not ours to see. */
bool proc_io(pid_t pid, struct proc_io *out);

/* CPU time of the whole machine in use so far, idle and waiting left out, nanoseconds. */
uint64_t proc_machine_busy_ns(void);

#endif
