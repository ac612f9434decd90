#include "bench/environment.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <xxhash.h>

uint64_t environment_memory_bytes(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

/* What follows `key` on the first line that begins with it, quotes and blanks stripped. */
static void find_line(const char *path, const char *key, char *out, size_t cap) {
    char line[512];
    FILE *f = fopen(path, "re");
    *out = 0;
    while (f && !*out && fgets(line, sizeof line, f)) {
        if (strncmp(line, key, strlen(key)) != 0) continue;
        char *text = line + strlen(key);
        text += strspn(text, " \t:=\"");
        text[strcspn(text, "\"\n")] = 0;
        snprintf(out, cap, "%s", text);
    }
    if (f) fclose(f);
}

json_t *environment_json(const char *cgroup, unsigned cpus) {
    struct utsname name;
    char id[128], os[256], cpu[256], governor[64], clock[64], hash[17] = "";
    uname(&name);
    find_line("/etc/machine-id", "", id, sizeof id);
    if (*id) snprintf(hash, sizeof hash, "%016" PRIx64, (uint64_t)XXH64(id, strlen(id), 0));
    find_line("/etc/os-release", "PRETTY_NAME", os, sizeof os);
    find_line("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    find_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "", governor, sizeof governor);
    find_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", "", clock, sizeof clock);
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:i,s:I,s:s,s:s,s:s}", "machine", hash, "host", name.nodename,
                     "kernel", name.release, "arch", name.machine, "os", os, "cpu", cpu, "cpus", (int)cpus,
                     "memory_bytes", (json_int_t)environment_memory_bytes(), "cgroup", cgroup, "governor",
                     governor, "clock", clock);
}
