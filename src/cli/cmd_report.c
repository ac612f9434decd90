/* weir report: what result files say. */
#include "base/files.h"
#include "bench/report.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 64 };

static const struct cli_usage usage = {
    .name = "report",
    .synopsis = "[OPTIONS] FILE.jsonl...",
    .about =
        "Print the comparison table of results of weir bench, and write them as a page that works offline.\n"
        "Several files, of several machines too, stand side by side and are never pooled. A winner is named\n"
        "only among stacks that weir's authors did not make, from 10 samples on, where the interval of the\n"
        "ratio leaves no doubt and A against A was a tie.",
    .examples = "  weir report results.jsonl                         # the table of each case\n"
                "  weir report results.jsonl --html report.html      # and a page with charts\n"
                "  weir report laptop.jsonl server.jsonl --markdown  # for a README or a pull request\n"
                "  weir report results.jsonl --csv > results.csv     # for a spreadsheet\n",
    .more = "How the page is read: docs/report.md; how verdicts are made: docs/statistics.md.\n",
};

struct arguments {
    const char *html;
    bool markdown, csv, json;
};

static int write_page(const struct summary *s, const char *path, struct err *e) {
    char home[PATH_MAX], charts[PATH_MAX];
    struct buf out;
    if (!cli_home(home))
        return err_set(e, ERR_INPUT,
                       "no web/ beside this binary, so no page can be made: run it from the source tree "
                       "or from where make install put it");
    bool has_charts = cli_charts(home, charts);
    buf_init(&out, 0);
    int rc = report_html(s, home, has_charts ? charts : NULL, &out, e);
    if (!rc) rc = file_replace(path, out.data, out.len, e);
    if (!rc)
        fprintf(stderr, "wrote %s%s\n", path,
                has_charts ? "" : " without charts over time: scripts/setup fetches their library, uPlot");
    buf_release(&out);
    return rc;
}

static int print(const struct summary *s, const struct arguments *a, struct err *e) {
    struct buf out;
    json_t *json = NULL;
    buf_init(&out, 0);
    int rc = a->json       ? report_json(s, false, &json, e)
             : a->csv      ? report_csv(s, &out, e)
             : a->markdown ? report_markdown(s, &out, e)
                           : report_text(s, &out, e);
    if (!rc) rc = cli_print(&out, json, e);
    json_decref(json);
    buf_release(&out);
    return rc;
}

static int run(const struct arguments *a, int count, char **paths, struct err *e) {
    struct results_file *files = calloc((size_t)count, sizeof *files);
    struct summary s = {0};
    int read = 0, rc = files ? 0 : err_nomem(e);
    while (read < count && !rc) {
        rc = results_file_read(&files[read], paths[read], e);
        read++;
    }
    arena_init(&s.arena);
    if (!rc) rc = summary_make(&s, files, (size_t)count, e);
    if (!rc) rc = print(&s, a, e);
    if (!rc && a->html) rc = write_page(&s, a->html, e);
    summary_release(&s);
    for (int i = 0; i < read; i++) results_file_release(&files[i]);
    free(files);
    return rc;
}

int cmd_report(int argc, char **argv) {
    struct err e = {0};
    struct arguments a = {0};
    const struct cli_option options[] = {
        {"html", "FILE", "also write a page, complete in itself", .text = &a.html},
        {"markdown", NULL, "the tables as Markdown", .flag = &a.markdown},
        {"csv", NULL, "one line for each case, stack and metric", .flag = &a.csv},
        {"json", NULL, "everything, as one JSON object", .flag = &a.json},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (argc < 1 || argc > FILES_MAX)
        return cli_end(
            err_set(&e, ERR_USAGE, "say which results: 1 to %d files; see weir report --help", FILES_MAX),
            &e);
    if (a.markdown + a.csv + a.json > 1)
        return cli_end(err_set(&e, ERR_USAGE, "--markdown, --csv and --json exclude each other"), &e);
    for (int i = 0; i < argc; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(argv[i], argv[k]) == 0)
                return cli_end(err_set(&e, ERR_USAGE, "%s is named twice", argv[i]), &e);
    return cli_end(run(&a, argc, argv, &e), &e);
}
