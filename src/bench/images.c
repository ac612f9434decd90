#include "bench/images.h"

#include <stdlib.h>

const double image_links[IMAGE_LINKS] = {100e6, 1e9};

/* 0: no sample has it; of pulls only those count that brought all layers. */
static double median_of(const struct summary_stack *s, const char *key, bool of_pull, double *values) {
    size_t n = 0;
    for (size_t i = 0; i < s->count; i++) {
        const json_t *image = json_object_get(s->samples[i]->record, "image");
        double v = json_number_value(json_object_get(image, key));
        bool partial = json_integer_value(json_object_get(image, "layers_present"));
        if (v > 0 && !(of_pull && partial)) values[n++] = v;
    }
    stats_sort(values, n);
    return n ? stats_median(values, n) : 0;
}

bool image_figures_of(const struct summary_stack *s, struct image_figures *out) {
    double *values = calloc(s->count ? s->count : 1, sizeof *values);
    *out = (struct image_figures){0};
    if (!values) return false;
    out->disk_bytes = median_of(s, "disk_bytes", false, values);
    out->pull_bytes = median_of(s, "pull_bytes", true, values);
    out->download_s = median_of(s, "download_s", true, values);
    out->extract_s = median_of(s, "extract_s", true, values);
    for (int i = 0; i < IMAGE_LINKS && out->pull_bytes > 0; i++)
        out->modelled_s[i] = out->pull_bytes * 8 / image_links[i] + out->extract_s;
    free(values);
    return out->disk_bytes > 0;
}
