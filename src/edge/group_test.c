/* Against trees as kernels show them: version 1, version 2 (systemd's delegated user slice), hybrid. Nothing
 * here needs rights; that limits hold is seen in tests/bench_harness. */
#include "edge/group.h"

#include "base/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char root[] = "/tmp/weir-group-XXXXXX";

static void put(const char *name, const char *text) {
    char path[PATH_MAX], dir[PATH_MAX];
    struct err e = {0};
    snprintf(path, sizeof path, "%s/%s", root, name);
    memcpy(dir, path, sizeof dir);
    *strrchr(dir, '/') = 0;
    assert_int_equal(file_make_dirs(dir, &e), 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *get(const char *name) {
    static char text[256];
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", root, name);
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
    return text;
}

static void find(struct group_place *p, const char *tree) {
    char at[PATH_MAX], self[PATH_MAX];
    snprintf(at, sizeof at, "%s/%s", root, tree);
    snprintf(self, sizeof self, "%s/self", root);
    group_find(p, at, self, false);
}

static const char v2_stat[] =
    "anon 104857600\nfile 31457280\nkernel 4194304\nshmem 10485760\nfile_mapped 0\n";

/* The own scope has processes, its parent passes controllers on. */
static void test_v2(void **state) {
    (void)state;
    struct group_place p;
    put("self", "0::/user.slice/user-1000.slice/app.slice/run-7.scope\n");
    put("v2/cgroup.controllers", "cpuset cpu io memory pids\n");
    put("v2/cgroup.subtree_control", "cpu memory pids\n");
    put("v2/user.slice/user-1000.slice/app.slice/cgroup.subtree_control", "cpuset cpu io memory pids\n");
    put("v2/user.slice/user-1000.slice/app.slice/run-7.scope/cgroup.procs", "77\n");
    find(&p, "v2");
    assert_string_equal(p.kind, "v2");
    assert_non_null(strstr(p.dirs[GROUP_MEMORY], "/app.slice"));
    assert_null(strstr(p.dirs[GROUP_MEMORY], "run-7.scope"));
}

static struct group open_v2(const struct group_place *p) {
    struct group g = {.v2 = true};
    for (int i = 0; i < GROUP_PARTS; i++) {
        g.enter[i] = -1;
        snprintf(g.dirs[i], sizeof g.dirs[i], "%.3000s/weir-1", p->dirs[GROUP_MEMORY]);
    }
    return g;
}

static void test_v2_usage(void **state) {
    (void)state;
    static const char at[] = "v2/user.slice/user-1000.slice/app.slice/weir-1/";
    struct group_place p;
    struct group_usage u;
    char name[256];
    int64_t us[PRESSURES];
    const struct {
        const char *file, *text;
    } files[] = {
        {"memory.stat", v2_stat},
        {"memory.peak", "173015040\n"},
        {"cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nsystem_usec 500000\nnr_periods 0\n"},
        {"memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 1\noom_group_kill 0\n"},
        {"cgroup.procs", "100\n101\n4242\n"},
        {"cpu.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\nfull avg10=0.00 avg60=0.00 "
                         "avg300=0.00 total=7\n"},
        {"io.pressure", "some avg10=1.53 avg60=0.43 avg300=0.09 total=53526\nfull avg10=0.00 avg60=0.00 "
                        "avg300=0.00 total=0\n"},
    };
    find(&p, "v2");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "%s%s", at, files[i].file);
        put(name, files[i].text);
    }
    struct group g = open_v2(&p);
    group_read(&g, &u);
    assert_int_equal(u.anon, 104857600);
    assert_int_equal(u.shared, 10485760);
    assert_int_equal(u.cache, 31457280 - 10485760); /* "file" holds shared memory too */
    assert_int_equal(u.peak, 173015040);
    assert_int_equal(u.cpu_ns, 2500000000);
    assert_int_equal(u.oom_kills, 1);
    pid_t pids[8];
    assert_int_equal(group_pids(&g, pids, 8), 3);
    assert_int_equal(pids[2], 4242);
    group_pressure(&g, us);
    assert_int_equal(us[PRESSURE_CPU], 1234);
    assert_int_equal(us[PRESSURE_IO], 53526);
    assert_int_equal(us[PRESSURE_MEMORY], -1); /* not there */
}

/* Files of a control group appear with its folder; here they are put there beforehand. */
static void test_v2_limits(void **state) {
    (void)state;
    static const char *const names[] = {"memory.max", "memory.swap.max", "cpu.max", "cpuset.cpus",
                                        "cgroup.procs"};
    struct group_place p;
    struct group g;
    struct err e = {0};
    char name[256];
    find(&p, "v2");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(name, sizeof name, "v2/user.slice/user-1000.slice/app.slice/weir-2/%s", names[i]);
        put(name, "");
    }
    const struct group_limits l = {.cpus = 1.5, .cpu_list = "2-3", .memory_bytes = 4000000000};
    assert_int_equal(group_make(&g, &p, "weir-2", &l, &e), 0);
    assert_string_equal(get("v2/user.slice/user-1000.slice/app.slice/weir-2/memory.max"), "4000000000");
    assert_string_equal(get("v2/user.slice/user-1000.slice/app.slice/weir-2/memory.swap.max"), "0");
    assert_string_equal(get("v2/user.slice/user-1000.slice/app.slice/weir-2/cpu.max"), "150000 100000");
    for (int i = 0; i < GROUP_PARTS; i++)
        if (g.enter[i] >= 0) close(g.enter[i]);
}

static void test_v1(void **state) {
    (void)state;
    struct group_place p;
    struct group_usage u;
    put("self", "9:cpuset:/\n4:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n");
    put("v1/memory/memory.stat", ""); /* inside a container the path is the host's: the root serves */
    put("v1/cpu/tasks", "");
    put("v1/cpuacct/docker/abc/tasks", "");
    put("v1/cpuset/cpuset.cpus", "0-3\n");
    find(&p, "v1");
    assert_string_equal(p.kind, "v1");
    assert_non_null(strstr(p.dirs[GROUP_MEMORY], "/v1/memory"));
    assert_non_null(strstr(p.dirs[GROUP_CPUACCT], "/docker/abc"));
    assert_string_equal(p.dirs[GROUP_UNIFIED], "");
    put("v1/memory/g/memory.stat", "cache 41943040\nrss 1\nshmem 10485760\ntotal_cache 41943040\ntotal_rss "
                                   "104857600\ntotal_rss_huge 0\ntotal_shmem 10485760\n");
    put("v1/memory/g/memory.max_usage_in_bytes", "157286400\n");
    put("v1/memory/g/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    put("v1/cpuacct/g/cpuacct.usage", "1234567890\n");
    struct group g = {0};
    snprintf(g.dirs[GROUP_MEMORY], PATH_MAX, "%s/v1/memory/g", root);
    snprintf(g.dirs[GROUP_CPUACCT], PATH_MAX, "%s/v1/cpuacct/g", root);
    group_read(&g, &u);
    assert_int_equal(u.anon, 104857600);
    assert_int_equal(u.shared, 10485760);
    assert_int_equal(u.cache, 31457280);
    assert_int_equal(u.peak, 157286400);
    assert_int_equal(u.cpu_ns, 1234567890);
    assert_int_equal(u.oom_kills, 2);
}

static void test_hybrid(void **state) {
    (void)state;
    struct group_place p;
    put("self", "4:memory:/\n0::/\n");
    put("hy/memory/tasks", "");
    put("hy/unified/cgroup.procs", "");
    find(&p, "hy");
    assert_string_equal(p.kind, "hybrid");
    assert_non_null(strstr(p.dirs[GROUP_UNIFIED], "/hy/unified"));
}

static void test_none(void **state) {
    (void)state;
    struct group_place p;
    put("self", "0::/\n");
    find(&p, "nothing");
    assert_string_equal(p.kind, "none");
    assert_true(*p.why);
    put("v2b/cgroup.controllers", "cpu\n"); /* version 2 without the memory controller */
    put("v2b/cgroup.subtree_control", "cpu\n");
    find(&p, "v2b");
    assert_string_equal(p.kind, "none");
    assert_string_equal(p.dirs[GROUP_CPU], "");
}

static int set_up(void **state) {
    (void)state;
    return mkdtemp(root) ? 0 : 1;
}

static int tear_down(void **state) {
    (void)state;
    file_remove_tree(root);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v2), cmocka_unit_test(test_v2_usage), cmocka_unit_test(test_v2_limits),
        cmocka_unit_test(test_v1), cmocka_unit_test(test_hybrid),   cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
