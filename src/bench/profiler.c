#include "bench/profiler.h"

#include "base/files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RATE "199" /* a second; no divisor of a timer's */

static const struct profiler known[] = {
    {.name = "perf",
     .code = "native code",
     .ends = "data",
     .how = "Debian's package linux-perf, and kernel.perf_event_paranoid at most 2"},
    {.name = "py-spy", .code = "Python", .ends = "raw", .how = "scripts/setup --dev, or pip install py-spy"},
    {.name = "jfr",
     .code = "the JVM",
     .ends = "jfr",
     .how = "the JDK's command jfr: Debian's package openjdk-17-jdk-headless"},
};

bool profiler_at(size_t i, const char *home, struct profiler *out) {
    if (i >= sizeof known / sizeof *known) return false;
    *out = known[i];
    int n = home ? snprintf(out->program, PATH_MAX, "%s/.venv/bin/%s", home, out->name) : PATH_MAX;
    if (n < PATH_MAX && access(out->program, X_OK) == 0) return true;
    if (!file_find_program(out->name, out->program)) out->program[0] = 0;
    return true;
}

bool profiler_find(const char *name, const char *home, struct profiler *out) {
    for (size_t i = 0; profiler_at(i, home, out); i++)
        if (strcmp(out->name, name) == 0) return true;
    return false;
}

static void put(const char *argv[PROFILER_ARGV_MAX], const char *const *words) {
    size_t n = 0;
    while (argv[n]) n++;
    for (; *words && n + 1 < PROFILER_ARGV_MAX; words++) argv[n++] = *words;
    argv[n] = NULL;
}

int profiler_command(const struct profiler *p, const char *file, const char *job, struct arena *arena,
                     const char *argv[PROFILER_ARGV_MAX], const char *env[2], struct err *e) {
    const char *const run[] = {"./run", job, NULL};
    argv[0] = env[0] = env[1] = NULL;
    if (strcmp(p->name, "perf") == 0) {
        const char *const words[] = {p->program, "record",   "--quiet", "--event", "cpu-clock", "--freq",
                                     RATE,       "--output", file,      "--",      NULL};
        put(argv, words);
    } else if (strcmp(p->name, "py-spy") == 0) {
        /* It gives up when its child is no Python yet, as where `run` is a shell's script: so one that is. */
        static const char call[] = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))";
        const char *const words[] = {
            p->program, "record", "--subprocesses", "--rate", RATE, "--format", "raw", "--output",
            file,       "--",     "python3",        "-c",     call, NULL};
        put(argv, words);
    } else {
        env[0] = arena_printf(arena,
                              "JAVA_TOOL_OPTIONS=-XX:StartFlightRecording=settings=profile,dumponexit=true,"
                              "filename=%s -Xlog:jfr*=off",
                              file);
        if (!env[0]) return err_nomem(e);
    }
    put(argv, run);
    return 0;
}

bool profiler_print(const struct profiler *p, const char *file, const char *argv[PROFILER_ARGV_MAX]) {
    const char *const perf[] = {p->program, "script", "--fields", "ip,sym", "--input", file, NULL},
                      *const jfr[] = {p->program,      "print", "--events", "jdk.ExecutionSample",
                                      "--stack-depth", "1",     file,       NULL};
    argv[0] = NULL;
    if (strcmp(p->name, "py-spy") == 0) return false;
    put(argv, strcmp(p->name, "perf") == 0 ? perf : jfr);
    return true;
}

/* ---- reading ---- */

struct counted {
    char *name;
    long long n;
};

struct counts {
    struct arena *arena;
    struct counted *all;
    size_t count, cap;
    long long total;
};

static int count_one(struct counts *c, const char *name, size_t len, long long n, struct err *e) {
    c->total += n;
    for (size_t i = 0; i < c->count; i++)
        if (strncmp(c->all[i].name, name, len) == 0 && !c->all[i].name[len]) {
            c->all[i].n += n;
            return 0;
        }
    if (c->count == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 256;
        struct counted *grown = realloc(c->all, cap * sizeof *grown);
        if (!grown) return err_nomem(e);
        c->all = grown;
        c->cap = cap;
    }
    char *copy = arena_printf(c->arena, "%.*s", (int)len, name);
    if (!copy) return err_nomem(e);
    c->all[c->count++] = (struct counted){copy, n};
    return 0;
}

/* "    7f2ac0 ZSTD_compressBlock_fast" */
static int perf_line(struct counts *c, const char *line, struct err *e) {
    const char *name = line + strspn(line, " \t");
    name += strcspn(name, " \t");
    name += strspn(name, " \t");
    return *name ? count_one(c, name, strlen(name), 1, e) : 0;
}

/* "main (a.py:3);work (/lib/b.py:70) 12": the innermost frame without its line, the file without its folder.
 */
static int py_spy_line(struct counts *c, const char *line, struct err *e) {
    const char *space = strrchr(line, ' ');
    if (!space) return 0;
    long long n = atoll(space + 1);
    const char *frame = line;
    for (const char *p = line; p < space; p++)
        if (*p == ';') frame = p + 1;
    char name[512];
    const char *open = memchr(frame, '(', (size_t)(space - frame));
    const char *file = open ? open + 1 : space, *end = file;
    while (end < space && *end != ':' && *end != ')') end++;
    for (const char *p = file; p < end; p++)
        if (*p == '/') file = p + 1;
    if (open)
        snprintf(name, sizeof name, "%.*s(%.*s)", (int)(open - frame), frame, (int)(end - file), file);
    else
        snprintf(name, sizeof name, "%.*s", (int)(space - frame), frame);
    return n > 0 ? count_one(c, name, strlen(name), n, e) : 0;
}

/* The line behind "stackTrace = [": "    java.util.regex.Pattern$Curly.match(Matcher, int) line: 4297". */
static int jfr_line(struct counts *c, const char *line, bool *next, struct err *e) {
    bool frame = *next;
    *next = strstr(line, "stackTrace = [") != NULL;
    if (!frame) return 0;
    const char *name = line + strspn(line, " \t");
    size_t len = strcspn(name, "(");
    return len ? count_one(c, name, len, 1, e) : 0;
}

static int most_first(const void *a, const void *b) {
    const struct counted *x = a, *y = b;
    return x->n != y->n ? (x->n < y->n) - (x->n > y->n) : strcmp(x->name, y->name);
}

static int read_counts(const struct profiler *p, FILE *f, struct counts *c, struct err *e) {
    char *line = NULL;
    size_t cap = 0;
    bool next = false;
    int rc = 0;
    for (ssize_t n; !rc && (n = getline(&line, &cap, f)) > 0;) {
        if (line[n - 1] == '\n') line[n - 1] = 0;
        rc = strcmp(p->name, "perf") == 0     ? perf_line(c, line, e)
             : strcmp(p->name, "py-spy") == 0 ? py_spy_line(c, line, e)
                                              : jfr_line(c, line, &next, e);
    }
    free(line);
    return rc;
}

int profiler_read(const struct profiler *p, const char *text_file, struct arena *arena,
                  struct profile_function *out, size_t cap, size_t *count, long long *samples,
                  struct err *e) {
    struct counts c = {.arena = arena};
    *count = 0;
    *samples = 0;
    FILE *f = fopen(text_file, "re");
    if (!f) return err_errno(e, ERR_OUTSIDE, "could not open \"%s\"", text_file);
    int rc = read_counts(p, f, &c, e);
    fclose(f);
    if (!rc && c.count) qsort(c.all, c.count, sizeof *c.all, most_first);
    for (size_t i = 0; !rc && i < c.count && i < cap; i++)
        out[(*count)++] =
            (struct profile_function){c.all[i].name, 100.0 * (double)c.all[i].n / (double)c.total};
    *samples = c.total;
    free(c.all);
    return rc;
}
