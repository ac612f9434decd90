/* weir doctor: what this machine can measure. */
#include "bench/doctor.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static const struct cli_usage usage = {
    .name = "doctor",
    .synopsis = "[--json] [--clean]",
    .about = "Say what weir bench can measure on this machine, what not, why, and what to do about it. Each "
             "thing\n"
             "is tried, not guessed.",
    .examples = "  weir doctor\n"
                "  weir doctor --clean         # end what killed benchmarks have left running\n",
    .more = "Exit codes: 0 all can be measured, 1 something cannot.\n",
};

static void print(const json_t *list) {
    size_t i;
    const json_t *x;
    json_array_foreach(list, i, x) {
        bool ok = json_is_true(json_object_get(x, "ok"));
        printf("%-3s %s\n", ok ? "yes" : "NO", json_string_value(json_object_get(x, "what")));
        if (ok) continue;
        const char *why = json_string_value(json_object_get(x, "why"));
        printf("      %s\n      do: %s\n", why ? why : "", json_string_value(json_object_get(x, "do")));
    }
}

static int run(bool json, bool clean, bool *all, struct err *e) {
    struct runner r;
    struct arena arena;
    char home[PATH_MAX], stacks[PATH_MAX];
    struct err unused = {0};
    const char *mmdb = NULL;
    runner_init(&r);
    if (clean) {
        unsigned n = doctor_clean(&r);
        fprintf(stderr, "ended and removed %u run%s of killed benchmarks\n", n, n == 1 ? "" : "s");
    }
    arena_init(&arena);
    bool at_home = cli_home(home), has_stacks = !cli_stacks(stacks, &unused);
    if (cli_find_mmdb(NULL, &arena, &mmdb, &unused)) mmdb = NULL;
    json_t *list = doctor_look(&r, at_home ? home : NULL, has_stacks ? stacks : NULL, mmdb);
    arena_release(&arena);
    if (!list) return err_nomem(e);
    size_t i;
    const json_t *x;
    json_array_foreach(list, i, x) if (json_is_false(json_object_get(x, "ok"))) *all = false;
    if (json) {
        char *text = json_dumps(list, JSON_INDENT(2));
        if (text) puts(text);
        free(text);
    } else {
        print(list);
    }
    json_decref(list);
    return 0;
}

int cmd_doctor(int argc, char **argv) {
    struct err e = {0};
    bool json = false, clean = false, all = true;
    const struct cli_option options[] = {
        {"json", NULL, "print a JSON list", .flag = &json},
        {"clean", NULL, "end and remove what killed benchmarks have left", .flag = &clean},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (!rc && argc) rc = err_set(&e, ERR_USAGE, "weir doctor takes no operand: \"%s\"", argv[0]);
    if (!rc) rc = run(json, clean, &all, &e);
    rc = cli_end(rc, &e);
    return rc ? rc : all ? 0 : ERR_DIFFERENT;
}
