#include "cli/stack_kit.h"

#include "base/files.h"
#include "base/threads.h"
#include "base/units.h"
#include "bench/kit.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CASE_CPUS = 2, CASE_SECONDS = 300 };
static const uint64_t case_memory_bytes = UINT64_C(2) << 30;

/* --kit, else in PREFIX/share/weir, else in the source tree. */
static int find_kit(const char *given, struct arena *arena, const char **out, struct err *e) {
    char home[PATH_MAX];
    if (given) return cli_absolute(given, arena, out, e);
    if (!cli_home(home)) return err_set(e, ERR_INPUT, "could not find the conformance kit; give --kit DIR");
    *out = arena_printf(arena, "%s/conformance", home);
    if (*out && !file_is_dir(*out)) *out = arena_printf(arena, "%s/tests/conformance/cases", home);
    return *out ? 0 : err_nomem(e);
}

/* --keep DIR, made, or a folder of our own. */
static int make_folder(const struct stack_kit_options *o, struct arena *arena, const char **out,
                       struct err *e) {
    const char *tmp = getenv("TMPDIR");
    if (o->keep) {
        TRY(cli_absolute(o->keep, arena, out, e));
        return file_make_dirs(*out, e);
    }
    const char *base;
    TRY(cli_absolute(tmp && *tmp ? tmp : "/tmp", arena, &base, e));
    char *dir = arena_printf(arena, "%s/weir-kit-XXXXXX", base);
    if (!dir) return err_nomem(e);
    if (!mkdtemp(dir)) return err_errno(e, ERR_OUTSIDE, "could not make a folder in \"%s\"", base);
    *out = dir;
    return 0;
}

/* ---- for people ---- */

static int count(const json_t *o, const char *key) {
    return (int)json_integer_value(json_object_get(o, key));
}

static void print_counts(const json_t *expected, const json_t *got) {
    printf("      rows in, out, rejected: expected %d, %d, %d; ", count(expected, "rows_in"),
           count(expected, "rows_out"), count(expected, "rejected"));
    if (json_is_null(got))
        printf("got no result\n");
    else
        printf("got %d, %d, %d; %d event%s otherwise than strictly read, %d lost\n", count(got, "rows_in"),
               count(got, "rows_out"), count(got, "rejected"), count(got, "changed"),
               count(got, "changed") == 1 ? "" : "s", count(got, "lost"));
}

static void print_case(const json_t *o, bool not_strict) {
    size_t i;
    const json_t *line;
    printf("    %s\n", json_string_value(json_object_get(o, "id")));
    if (not_strict) {
        print_counts(json_object_get(o, "expected"), json_object_get(o, "got"));
        return;
    }
    json_array_foreach(json_object_get(o, "problems"), i, line) printf("      %s\n", json_string_value(line));
}

/* How many cases each lacking feature left out: " (gz 5, keep 62)". */
static void print_needs(const json_t *clause) {
    json_t *counts = json_object(), *n;
    size_t i;
    const json_t *o;
    const char *name, *before = " (no ";
    json_array_foreach(json_object_get(clause, "cases"), i, o) {
        name = json_string_value(json_object_get(o, "needs"));
        if (name) json_object_set_new(counts, name, json_integer(count(counts, name) + 1));
    }
    json_object_foreach(counts, name, n) {
        printf("%s%s", before, name);
        before = ", ";
    }
    if (json_object_size(counts)) printf(")");
    json_decref(counts);
}

static void print_clause(void *ctx, const json_t *clause) {
    const bool *not_strict = ctx;
    const char *title = json_string_value(json_object_get(clause, "title"));
    int failed = count(clause, "failed"), skipped = count(clause, "skipped");
    size_t i;
    const json_t *o;
    printf("%s  %-32s %4d %s", json_string_value(json_object_get(clause, "clause")), title,
           count(clause, "passed"), *not_strict ? "alike" : "passed");
    if (failed) printf(", %d %s", failed, *not_strict ? "different" : "FAILED");
    if (skipped) {
        printf(", %d skipped", skipped);
        print_needs(clause);
    }
    printf("\n");
    json_array_foreach(json_object_get(clause, "cases"), i,
                       o) if (strcmp(json_string_value(json_object_get(o, "result")), "failed") == 0)
        print_case(o, *not_strict);
    fflush(stdout);
}

static int print_report(const json_t *report, const struct stack_kit_options *o, struct err *e) {
    if (!o->json) {
        printf("%s: %d %s, %d %s, %d skipped\n", json_string_value(json_object_get(report, "stack")),
               count(report, "passed"), o->not_strict ? "alike" : "passed", count(report, "failed"),
               o->not_strict ? "different" : "failed", count(report, "skipped"));
        return 0;
    }
    char *text = json_dumps(report, JSON_INDENT(1));
    if (!text) return err_nomem(e);
    puts(text);
    free(text);
    return 0;
}

/* ---- the command ---- */

static int run(const struct stack *s, const struct stack_kit_options *o, const char *dir, struct kit *kit,
               const char *folder, struct err *e) {
    char home[PATH_MAX];
    uint64_t seconds = CASE_SECONDS;
    json_t *report = NULL;
    bool not_strict = o->not_strict;
    if (o->timeout) TRY(units_parse_u64(o->timeout, "--timeout", 1, 86400, &seconds, e));
    TRY(kit_read(kit, folder, e));
    const struct kit_request r = {.stack = s,
                                  .kit = kit,
                                  .home = cli_home(home) ? home : NULL,
                                  .tmp_dir = dir,
                                  .asked = o->clause,
                                  .not_strict = o->not_strict,
                                  .keep = o->keep != NULL,
                                  .seconds = (unsigned)seconds,
                                  .cpus = CASE_CPUS,
                                  .memory_bytes = case_memory_bytes,
                                  .each = o->json ? NULL : print_clause,
                                  .ctx = &not_strict};
    TRY(kit_run(&r, &report, e));
    int rc = print_report(report, o, e);
    bool failed = count(report, "failed") && !o->not_strict;
    json_decref(report);
    return rc ? rc : failed ? ERR_DIFFERENT : 0;
}

int stack_kit_run(const struct stack *s, const struct stack_kit_options *o, struct err *e) {
    struct arena arena;
    struct kit kit = {0};
    const char *folder, *dir = NULL;
    arena_init(&arena);
    int rc = find_kit(o->kit, &arena, &folder, e);
    if (!rc) rc = make_folder(o, &arena, &dir, e);
    if (!rc) rc = run(s, o, dir, &kit, folder, e);
    if (dir && !o->keep) file_remove_tree(dir);
    kit_release(&kit);
    arena_release(&arena);
    return rc;
}
