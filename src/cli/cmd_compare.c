/* weir compare: did anything get slower between two results? */
#include "bench/compare.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

static const struct cli_usage usage = {
    .name = "compare",
    .synopsis = "[--json] A.jsonl B.jsonl",
    .about =
        "Say what got faster or slower from A to B, two results of weir bench: for each case, stack and "
        "metric\n"
        "that both have, the ratio of the medians with its interval. The intervals are made wider for the\n"
        "number of comparisons, so that all of them hold together at 95 %.",
    .examples = "  weir compare main.jsonl branch.jsonl         # exit code 1 when something got slower\n"
                "  weir compare --json v1.jsonl v2.jsonl > change.json\n",
    .more =
        "A verdict needs 10 samples on each side, and A against A to be a tie in both. How: "
        "docs/statistics.md.\n"
        "Exit codes: 0 nothing is slower, 1 something is, 2 usage, 3 not readable or nothing in common.\n",
};

static int print(const struct compare *c, bool as_json, struct err *e) {
    struct buf out;
    json_t *json = NULL;
    buf_init(&out, 0);
    int rc = as_json ? compare_json(c, &json, e) : compare_text(c, &out, e);
    if (!rc) rc = cli_print(&out, json, e);
    json_decref(json);
    buf_release(&out);
    return rc;
}

static int run(char **paths, bool as_json, struct err *e) {
    struct results_file files[2] = {0};
    struct compare c = {0};
    int rc = results_file_read(&files[0], paths[0], e);
    if (!rc) rc = results_file_read(&files[1], paths[1], e);
    if (!rc) rc = compare_make(&c, files, e);
    if (!rc) rc = print(&c, as_json, e);
    bool slower = c.slower > 0;
    compare_release(&c);
    results_file_release(&files[0]);
    results_file_release(&files[1]);
    return rc ? rc : slower ? ERR_DIFFERENT : 0;
}

int cmd_compare(int argc, char **argv) {
    struct err e = {0};
    bool as_json = false;
    const struct cli_option options[] = {
        {"json", NULL, "print one JSON object", .flag = &as_json},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (argc != 2)
        return cli_end(err_set(&e, ERR_USAGE, "say which two results to compare; see weir compare --help"),
                       &e);
    rc = run(argv, as_json, &e);
    return rc == ERR_DIFFERENT && !e.code ? (cli_end(0, &e) ? ERR_OUTSIDE : ERR_DIFFERENT) : cli_end(rc, &e);
}
