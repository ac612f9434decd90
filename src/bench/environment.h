/* The machine that measures, as the result file tells it. */
#ifndef WEIR_BENCH_ENVIRONMENT_H
#define WEIR_BENCH_ENVIRONMENT_H

#include <jansson.h>
#include <stdint.h>

/* machine (a hash of /etc/machine-id), host, kernel, os, cpu, cpus, memory_bytes, cgroup, governor, clock. */
json_t *environment_json(const char *cgroup, unsigned cpus);

uint64_t environment_memory_bytes(void);

#endif
