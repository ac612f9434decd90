/* Results shown: as text on standard output, and as a page. */
#ifndef WEIR_CLI_REPORT_SHOW_H
#define WEIR_CLI_REPORT_SHOW_H

#include "base/err.h"

enum report_form { REPORT_TEXT, REPORT_MARKDOWN, REPORT_CSV, REPORT_JSON };

/* Read result files, print what they say, and write the page to `html` (NULL: no page). `prices`: a file of
 * prices (bench/cost.h); NULL: the defaults. */
int report_show(const char *const *paths, int count, enum report_form form, const char *html,
                const char *prices, struct err *e);

#endif
