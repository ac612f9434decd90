#include "bench/images.h"

#include <stdlib.h>
#include <string.h>

const double image_links[IMAGE_LINKS] = {100e6, 1e9};

enum { FIGURES = 4 };
static const char *const keys[FIGURES] = {"disk_bytes", "pull_bytes", "download_s", "extract_s"};

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median_of(const struct summary_stack *s, const char *key, double *values) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const json_t *image = json_object_get(s->samples[i]->record, "image");
        double v = json_number_value(json_object_get(image, key));
        bool complete = !json_integer_value(json_object_get(image, "layers_present"));
        if (v > 0 && (complete || strcmp(key, keys[0]) == 0)) values[n++] = v;
    }
    qsort(values, n, sizeof *values, ascending);
    return n ? stats_median(values, n) : 0;
}

bool image_figures_of(const struct summary_stack *s, struct image_figures *out) {
    double found[FIGURES], *values = calloc(s->count ? s->count : 1, sizeof *values);
    *out = (struct image_figures){0};
    for (int k = 0; values && k < FIGURES; k++) found[k] = median_of(s, keys[k], values);
    if (values) *out = (struct image_figures){found[0], found[1], found[2], found[3], {0}};
    for (int i = 0; i < IMAGE_LINKS && out->pull_bytes > 0; i++)
        out->modelled_s[i] = out->pull_bytes * 8 / image_links[i] + out->extract_s;
    free(values);
    return out->disk_bytes > 0;
}
