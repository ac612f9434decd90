/* Images of a case's stacks: their size, and how long a pull would take over other links. */
#ifndef WEIR_BENCH_IMAGES_H
#define WEIR_BENCH_IMAGES_H

#include "bench/summary.h"

/* Modelled, never measured: pull = bytes × 8 / link + extraction, as if nothing overlapped. */
enum { IMAGE_LINKS = 2 };
extern const double image_links[IMAGE_LINKS]; /* bits a second */

/* Of the samples that pulled it, medians. */
struct image_figures {
    double disk_bytes;
    double pull_bytes; /* compressed; 0: it was never pulled, and what follows is not known */
    double download_s, extract_s;
    double modelled_s[IMAGE_LINKS];
};

/* False: no container ran. */
bool image_figures_of(const struct summary_stack *s, struct image_figures *out);

#endif
