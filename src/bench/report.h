/* Views of a summary: tables for people, CSV and JSON for programs, one HTML page (docs/report.md). All are
 * appended to a buffer; none computes anything the summary does not hold. */
#ifndef WEIR_BENCH_REPORT_H
#define WEIR_BENCH_REPORT_H

#include "base/buf.h"
#include "bench/summary.h"

/* The comparison table of each case, what it says in words, and the notes that belong to it. */
int report_text(const struct summary *s, struct buf *out, struct err *e);
int report_markdown(const struct summary *s, struct buf *out, struct err *e);

/* One line for each file, case, stack and metric, in the units of the result file. */
int report_csv(const struct summary *s, struct buf *out, struct err *e);

/* Everything, as one object. `page`: with all that the page draws (curves over time) too. *out is the
 * caller's. */
int report_json(const struct summary *s, bool page, json_t **out, struct err *e);

/* The page, self-contained. `home`: the folder that holds web/; `charts`: the folder that holds uPlot's
 * files, or NULL: the page then has its tables and says how to get the charts. A missing part of web/:
 * ERR_INPUT. */
int report_html(const struct summary *s, const char *home, const char *charts, struct buf *out,
                struct err *e);

#endif
