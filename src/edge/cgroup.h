/* What this process's control groups allow (cgroup v1 and v2; kernel Documentation/admin-guide/cgroup-v2.rst
 * and cgroup-v1/). */
#ifndef WEIR_EDGE_CGROUP_H
#define WEIR_EDGE_CGROUP_H

#include <stdint.h>

/* Bytes of memory this process may use: the least limit of its cgroups, or what the machine has free. */
uint64_t cgroup_memory_bytes(void);

/* CPUs this process may keep busy: the least of its affinity and its cgroups' quotas, at least 1. */
unsigned cgroup_cpus(void);

/* Peak resident memory of this process so far (VmHWM), bytes; 0 when unknown. */
uint64_t cgroup_peak_memory_bytes(void);

#endif
