#include "cli/result.h"

#include "base/units.h"
#include "edge/store.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t number(const json_t *o, const char *key) {
    json_int_t v = json_integer_value(json_object_get(o, key));
    return v > 0 ? (uint64_t)v : 0;
}

int result_print_json(const json_t *result, const struct result_context *c, struct err *e) {
    static const char *const copied[] = {"rows_in", "rows_out", "rejected", "nulled", "sessions", "users"};
    const json_t *tables = json_object_get(result, "tables"), *events = json_object_get(tables, "events");
    json_t *o = json_pack("{s:s,s:O?,s:s}", "run_id", c->job->run_id, "stack",
                          json_object_get(result, "stack"), "mode", c->job->mode);
    if (!o) return err_nomem(e);
    for (size_t i = 0; i < sizeof copied / sizeof *copied; i++)
        json_object_set(o, copied[i], json_object_get(result, copied[i]));
    json_object_set(o, "snapshot_id", json_object_get(events, "snapshot_id"));
    json_object_set(o, "metadata_location", json_object_get(events, "metadata_location"));
    json_object_set(o, "tables", (json_t *)tables);
    json_object_set_new(o, "seconds", json_real(c->seconds));
    json_object_set_new(o, "peak_memory_bytes", json_integer((json_int_t)c->peak_memory_bytes));
    json_object_set(o, "versions", json_object_get(result, "versions"));
    json_object_set(o, "seen", json_object_get(result, "seen"));
    char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(9));
    json_decref(o);
    if (!text) return err_nomem(e);
    puts(text);
    free(text);
    return 0;
}

static void print_count(const char *indent, const char *label, uint64_t n, const char *note) {
    char text[32];
    printf("%s%-*s %15s%s%s\n", indent, (int)(28 - strlen(indent)), label,
           units_format_count(n, text, sizeof text), *note ? "  " : "", note);
}

static void print_table(const json_t *tables, const char *which, const char *namespace_name,
                        const char *name) {
    const json_t *t = json_object_get(tables, which);
    const json_t *id = json_object_get(t, "snapshot_id");
    char number_text[32] = "";
    if (json_is_integer(id))
        snprintf(number_text, sizeof number_text, "%lld", (long long)json_integer_value(id));
    char full[160];
    snprintf(full, sizeof full, "%s.%s", namespace_name, name);
    printf("%-28s snapshot %s%s\n", full, json_is_string(id) ? json_string_value(id) : number_text,
           json_is_true(json_object_get(t, "skipped")) ? ", there already by this run-id: skipped" : "");
}

void result_print_text(const json_t *result, const struct result_context *c) {
    const json_t *rejected = json_object_get(result, "rejected"), *nulled = json_object_get(result, "nulled");
    const json_t *tables = json_object_get(result, "tables"), *value;
    const char *reason;
    uint64_t in = number(result, "rows_in"), out = number(result, "rows_out");
    print_count("", "rows read", in, "");
    print_count("  ", c->job->events, out, "");
    print_count("  ", c->job->rejects, in > out ? in - out : 0, "");
    json_object_foreach((json_t *)rejected, reason, value) {
        if (json_integer_value(value) > 0)
            print_count("    ", reason, (uint64_t)json_integer_value(value), "");
    }
    json_object_foreach((json_t *)nulled, reason, value) {
        if (json_integer_value(value) > 0)
            print_count("  ", reason, (uint64_t)json_integer_value(value), "values did not fit: null");
    }
    if (!json_is_true(json_object_get(json_object_get(tables, "events"), "skipped"))) { /* else unknown */
        print_count("", "sessions", number(result, "sessions"), "");
        print_count("", "visitors", number(result, "users"), "");
    }
    printf("\n");
    print_table(tables, "rejects", c->job->namespace_name, c->job->rejects);
    print_table(tables, "events", c->job->namespace_name, c->job->events);
    char peak[32], rate[32] = "";
    if (c->seconds > 0) units_format_count((uint64_t)((double)in / c->seconds), rate, sizeof rate);
    printf("%-28s %.2f s, %s rows/s, %s of memory at most\n", "time", c->seconds, rate,
           units_format_size(c->peak_memory_bytes, peak, sizeof peak));
    /* What only the command line says has to be said again; of file: locations the lake's is one. */
    bool say = store_is_s3(c->job->warehouse) && !getenv("WEIR_WAREHOUSE");
    const char *warehouse = say ? c->job->warehouse : "", *more = say ? " --warehouse " : "";
    const char *lake = c->lake ? c->lake : "", *option = c->lake ? " --lake " : "";
    printf("\nNext: weir sql%s%s%s%s \"select country, count(*) as n from sessions group by 1 order by 2 "
           "desc\"\n"
           "      weir table show%s%s%s%s %s.%s\n",
           option, lake, more, warehouse, option, lake, more, warehouse, c->job->namespace_name,
           c->job->events);
}
