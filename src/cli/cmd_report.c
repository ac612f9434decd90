/* weir report: what result files say. */
#include "cli/cli.h"
#include "cli/report_show.h"

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
    .more =
        "Prices are yours to give; without --prices they are a public list's, and said to be assumed. The "
        "file:\n"
        "  {currency: EUR, cpu_hour: 0.035, gb_hour: 0.004, runs_per_month: 30, source: our offer of May}\n"
        "How the page is read: docs/report.md; how verdicts are made: docs/statistics.md.\n",
};

int cmd_report(int argc, char **argv) {
    struct err e = {0};
    const char *html = NULL, *prices = NULL;
    bool markdown = false, csv = false, json = false;
    const struct cli_option options[] = {
        {"html", "FILE", "also write a page, complete in itself", .text = &html},
        {"prices", "FILE", "what CPUs and memory cost, and how often it runs (YAML)", .text = &prices},
        {"markdown", NULL, "the tables as Markdown", .flag = &markdown},
        {"csv", NULL, "one line for each case, stack and metric", .flag = &csv},
        {"json", NULL, "everything, as one JSON object", .flag = &json},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (argc < 1 || argc > FILES_MAX)
        return cli_end(
            err_set(&e, ERR_USAGE, "say which results: 1 to %d files; see weir report --help", FILES_MAX),
            &e);
    if (markdown + csv + json > 1)
        return cli_end(err_set(&e, ERR_USAGE, "--markdown, --csv and --json exclude each other"), &e);
    for (int i = 0; i < argc; i++)
        for (int k = 0; k < i; k++)
            if (strcmp(argv[i], argv[k]) == 0)
                return cli_end(err_set(&e, ERR_USAGE, "%s is named twice", argv[i]), &e);
    enum report_form form = json ? REPORT_JSON : csv ? REPORT_CSV : markdown ? REPORT_MARKDOWN : REPORT_TEXT;
    return cli_end(report_show((const char *const *)argv, argc, form, html, prices, &e), &e);
}
