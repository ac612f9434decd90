#include "bench/cost.h"

#include "edge/yaml_json.h"

#include <math.h>
#include <string.h>

void cost_prices_default(struct cost_prices *p) {
    *p = (struct cost_prices){.currency = "USD",
                              .source = "AWS Fargate, Linux x86, us-east-1, list price",
                              .cpu_hour = 0.04048,
                              .gb_hour = 0.004445,
                              .runs_per_month = 730};
    arena_init(&p->arena);
}

void cost_prices_release(struct cost_prices *p) {
    arena_release(&p->arena);
}

static int wrong(const char *path, const char *key, const char *what, struct err *e) {
    return err_set(e, ERR_INPUT, "%s: %.64s: %s", path, key, what);
}

static int read_prices(struct cost_prices *p, const json_t *root, const char *path, struct err *e) {
    const struct {
        const char *key;
        const char **text;
        double *number;
    } known[] = {{"currency", &p->currency, NULL},
                 {"source", &p->source, NULL},
                 {"cpu_hour", NULL, &p->cpu_hour},
                 {"gb_hour", NULL, &p->gb_hour},
                 {"runs_per_month", NULL, &p->runs_per_month}};
    enum { KNOWN = sizeof known / sizeof *known };
    const char *key;
    json_t *value;
    p->source = path; /* unless it says */
    json_object_foreach((json_t *)root, key, value) {
        size_t i = 0;
        while (i < KNOWN && strcmp(known[i].key, key) != 0) i++;
        if (i == KNOWN)
            return wrong(path, key,
                         "unknown key; allowed: currency, source, cpu_hour, gb_hour, runs_per_month", e);
        double number = json_number_value(value);
        if (known[i].number) {
            if (!json_is_number(value) || !(number >= 0 && number < 1e12))
                return wrong(path, key, "must be a number from 0", e);
            *known[i].number = number;
        } else {
            if (!json_is_string(value) || !json_string_length(value))
                return wrong(path, key, "must be text", e);
            *known[i].text = arena_printf(&p->arena, "%s", json_string_value(value));
            if (!*known[i].text) return err_nomem(e);
        }
    }
    return 0;
}

int cost_prices_read(struct cost_prices *p, const char *path, struct err *e) {
    json_t *root = NULL;
    TRY(yaml_json_read(path, &root, e));
    int rc = json_is_object(root) ? read_prices(p, root, path, e)
                                  : err_set(e, ERR_INPUT, "%s: must be a mapping (key: value)", path);
    json_decref(root);
    p->own = true;
    return rc;
}

bool cost_of(const struct cost_prices *p, const struct summary_case *c, const struct summary_stack *s,
             struct cost *out) {
    const struct summary_cell *total = &s->cells[METRIC_TOTAL];
    if (!total->n || !(c->cpus > 0) || !(c->memory_bytes > 0)) return false;
    double second = (c->cpus * p->cpu_hour + c->memory_bytes / 1e9 * p->gb_hour) / 3600;
    double run = total->median * second;
    *out = (struct cost){.run = run, .low = run, .high = run};
    if (total->interval.known) {
        out->low = total->interval.low * second;
        out->high = total->interval.high * second;
    }
    out->per_gb = c->bytes > 0 ? run / (c->bytes / 1e9) : 0;
    out->per_month = run * p->runs_per_month;
    return true;
}
