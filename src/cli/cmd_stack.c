/* weir stack: which stacks there are, what each still needs on this machine, and whether it does what it
 * must. */
#include "base/files.h"
#include "base/threads.h"
#include "bench/stack.h"
#include "cli/cli.h"
#include "cli/stack_kit.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_usage usage = {
    .name = "stack",
    .synopsis = "list | check [NAME] | setup NAME | test NAME",
    .about =
        "A stack is a folder that runs the pipeline with some engine (docs/stacks.md). `check` asks each\n"
        "for its versions: a stack that cannot answer needs `setup`. `test` runs it on small inputs for "
        "each\n"
        "clause of the pipeline and compares every row of what comes out (docs/conformance.md).",
    .examples = "  weir stack list\n"
                "  weir stack check            # exit code 1 when one is not ready\n"
                "  weir stack setup pythonic\n"
                "  weir stack test pythonic    # exit code 1 when a case fails\n"
                "  weir stack test pythonic --clause 2.5 --keep /tmp/cases\n",
    .more = "Stacks are found in WEIR_STACKS, else in stacks/ beside the binary's build folder, else in\n"
            "PREFIX/share/weir/stacks; the cases in PREFIX/share/weir/conformance or the source tree.\n",
};

int cli_stacks(char out[PATH_MAX], struct err *e) {
    const char *variable = getenv("WEIR_STACKS");
    char home[PATH_MAX];
    if (variable && *variable) {
        if (!realpath(variable, out))
            return err_errno(e, ERR_INPUT, "could not find the stacks: WEIR_STACKS is \"%s\"", variable);
        return 0;
    }
    if (!cli_home(home) || (size_t)snprintf(out, PATH_MAX, "%s/stacks", home) >= PATH_MAX)
        return err_set(e, ERR_INPUT, "could not find the folder of stacks; set WEIR_STACKS");
    return 0;
}

static json_t *list_json(const char *const *items) {
    json_t *a = json_array();
    for (; *items; items++) json_array_append_new(a, json_string(*items));
    return a;
}

static void print_check(const char *stack, const json_t *found, const char *why, bool readable) {
    printf("%-12s %s", stack, found ? "ready: " : "not ready: ");
    const char *name, *separator = "";
    json_t *value;
    json_object_foreach((json_t *)found, name, value) {
        printf("%s%s %s", separator, name, json_is_string(value) ? json_string_value(value) : "?");
        separator = ", ";
    }
    if (!found) printf("%s", why);
    if (!found && readable) printf("; run: weir stack setup %s", stack);
    printf("\n");
}

/* A stack whose description is wrong is not ready either, and does not hide the others. */
static int check_one(const char *root, const char *name, json_t *all, bool *ready, struct err *e) {
    struct stack s;
    struct err problem = {0};
    const char *why = NULL;
    json_t *found = NULL;
    int rc = 0;
    bool readable = stack_read(&s, root, name, &problem) == 0;
    if (readable)
        rc = stack_versions(&s, &found, &why, e);
    else
        why = problem.msg;
    if (!found) *ready = false;
    if (!rc && all)
        json_object_set_new(
            all, name,
            json_pack("{s:b,s:O?,s:s?}", "ready", found != NULL, "versions", found, "reason", why));
    else if (!rc)
        print_check(name, found, why, readable);
    json_decref(found);
    stack_release(&s);
    return rc;
}

static int print_and_free(json_t *o, struct err *e) {
    char *text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    if (!text) return err_nomem(e);
    puts(text);
    free(text);
    return 0;
}

static int check(const char *root, const char *const *names, size_t count, bool json, struct err *e) {
    json_t *all = json ? json_object() : NULL;
    bool ready = true;
    int rc = 0;
    for (size_t i = 0; !rc && i < count; i++) rc = check_one(root, names[i], all, &ready, e);
    if (all && !rc)
        rc = print_and_free(all, e);
    else
        json_decref(all);
    if (!rc && !ready) rc = err_set(e, ERR_DIFFERENT, "a stack is not ready");
    return rc;
}

static json_t *describe(const struct stack *s) {
    return json_pack("{s:s,s:s?,s:s?,s:s?,s:s,s:o,s:o,s:o}", "name", s->name, "title", s->title, "url",
                     s->url, "made_by", s->made_by, "folder", s->dir, "backends", list_json(s->backends),
                     "features", list_json(s->features), "variants", list_json(s->variants));
}

/* All that can be read are listed; the first that cannot is the error. */
static int list(const char *root, const char *const *names, size_t count, bool json, struct err *e) {
    json_t *all = json ? json_array() : NULL;
    int bad = 0;
    for (size_t i = 0; i < count; i++) {
        struct stack s;
        struct err problem = {0};
        if (stack_read(&s, root, names[i], &problem)) {
            if (!bad) bad = err_set(e, problem.code, "%s", problem.msg);
        } else if (json) {
            json_array_append_new(all, describe(&s));
        } else {
            printf("%-12s %s (made by %s):", s.name, s.title ? s.title : "", s.made_by ? s.made_by : "?");
            for (const char **f = s.features; *f; f++) printf(" %s", *f);
            printf("\n");
        }
        stack_release(&s);
    }
    int rc = json ? print_and_free(all, e) : 0;
    return rc ? rc : bad;
}

static int setup(const char *root, const char *name, struct err *e) {
    struct stack s;
    struct stack_exit end = {0};
    const char *const argv[] = {"./setup", NULL};
    int rc = stack_read(&s, root, name, e);
    if (!rc) rc = stack_spawn(&s, argv, NULL, &s.arena, NULL, &end, e);
    if (!rc && end.code)
        rc = err_set(e, ERR_OUTSIDE, "the setup of stack \"%s\" failed (exit code %d)", name, end.code);
    stack_release(&s);
    return rc;
}

static int test(const char *root, const char *name, const struct stack_kit_options *options, struct err *e) {
    struct stack s;
    int rc = stack_read(&s, root, name, e);
    if (!rc) {
        interrupt_install();
        rc = stack_kit_run(&s, options, e);
    }
    stack_release(&s);
    return rc;
}

/* A stack asked for by name must be there. */
static int readable(const char *root, const char *name, struct err *e) {
    struct stack s;
    int rc = stack_read(&s, root, name, e);
    stack_release(&s);
    return rc;
}

static int dispatch(int argc, char **argv, const struct stack_kit_options *options, struct arena *arena,
                    struct err *e) {
    char root[PATH_MAX];
    bool json = options->json;
    const char **names = NULL;
    size_t count = 0;
    const char *verb = argc ? argv[0] : "list";
    if (argc > 2) return err_set(e, ERR_USAGE, "too many operands; see weir stack --help");
    TRY(cli_stacks(root, e));
    TRY(stack_names(root, arena, &names, &count, e));
    if (strcmp(verb, "list") == 0 && argc < 2) return list(root, names, count, json, e);
    if (strcmp(verb, "check") == 0 && argc < 2) return check(root, names, count, json, e);
    if (strcmp(verb, "check") == 0) TRY(readable(root, argv[1], e));
    if (strcmp(verb, "check") == 0) return check(root, (const char *const *)&argv[1], 1, json, e);
    if (strcmp(verb, "setup") == 0 && argc == 2) return setup(root, argv[1], e);
    if (strcmp(verb, "test") == 0 && argc == 2) return test(root, argv[1], options, e);
    return err_set(e, ERR_USAGE, "say list, check [NAME], setup NAME or test NAME; see weir stack --help");
}

int cmd_stack(int argc, char **argv) {
    struct err e = {0};
    struct arena arena;
    struct stack_kit_options o = {0};
    const struct cli_option options[] = {
        {"json", NULL, "print JSON (list, check, test)", .flag = &o.json},
        {"clause", "N", "test: only its cases: 2, 2.5, or one case's id", .text = &o.clause},
        {"not-strict", NULL, "test: what differs with input.csv.strict false", .flag = &o.not_strict},
        {"keep", "DIR", "test: leave each case's job, inputs and lake there", .text = &o.keep},
        {"timeout", "SECONDS", "test: for one run [300]", .text = &o.timeout},
        {"kit", "DIR", "test: other cases than those that come with weir", .text = &o.kit},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    arena_init(&arena);
    rc = dispatch(argc, argv, &o, &arena, &e);
    arena_release(&arena);
    if (rc == ERR_DIFFERENT && !e.code) return cli_end(0, &e) ? ERR_OUTSIDE : ERR_DIFFERENT;
    return cli_end(rc, &e);
}
