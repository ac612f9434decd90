#include "cli/report_show.h"

#include "base/files.h"
#include "bench/cost.h"
#include "bench/report.h"
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>

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

static int print(const struct summary *s, enum report_form form, struct err *e) {
    struct buf out;
    json_t *json = NULL;
    buf_init(&out, 0);
    int rc = form == REPORT_JSON       ? report_json(s, false, &json, e)
             : form == REPORT_CSV      ? report_csv(s, &out, e)
             : form == REPORT_MARKDOWN ? report_markdown(s, &out, e)
                                       : report_text(s, &out, e);
    if (!rc) rc = cli_print(&out, json, e);
    json_decref(json);
    buf_release(&out);
    return rc;
}

int report_show(const char *const *paths, int count, enum report_form form, const char *html,
                const char *prices_file, struct err *e) {
    struct results_file *files = calloc((size_t)count, sizeof *files);
    struct summary s = {0};
    struct cost_prices prices;
    cost_prices_default(&prices);
    int read = 0, rc = files ? 0 : err_nomem(e);
    if (!rc && prices_file) rc = cost_prices_read(&prices, prices_file, e);
    while (read < count && !rc) {
        rc = results_file_read(&files[read], paths[read], e);
        read++;
    }
    arena_init(&s.arena);
    if (!rc) rc = summary_make(&s, files, (size_t)count, e);
    s.prices = &prices;
    if (!rc) rc = print(&s, form, e);
    if (!rc && html) rc = write_page(&s, html, e);
    summary_release(&s);
    cost_prices_release(&prices);
    for (int i = 0; i < read; i++) results_file_release(&files[i]);
    free(files);
    return rc;
}
