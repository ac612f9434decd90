#include "bench/verify_ledger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void say(json_t *problems, const char *what, int64_t claimed, int64_t held) {
    char text[256];
    snprintf(text, sizeof text, "%s: the ledger says %" PRId64 ", the table holds %" PRId64, what, claimed,
             held);
    json_array_append_new(problems, json_string(text));
}

static void check_events(const struct verify_pair *events, int side, const struct verify_claim *c,
                         json_t *problems) {
    if (c->rows_out != events->rows[side]) say(problems, "events", c->rows_out, events->rows[side]);
    if (c->unbalanced) {
        char text[256];
        snprintf(text, sizeof text, "run %.100s: rows in are not rows out + rejected", c->unbalanced);
        json_array_append_new(problems, json_string(text));
    }
}

static void check_rejects(const struct verify_pair *rejects, int side, const struct verify_claim *c,
                          json_t *problems) {
    int64_t known = 0;
    for (int i = 0; i < VERIFY_REASONS; i++) {
        int64_t held = json_integer_value(json_object_get(rejects->rejected[side], verify_reasons[i]));
        known += held;
        char what[64];
        snprintf(what, sizeof what, "rejects, %s", verify_reasons[i]);
        if (held != c->rejected[i]) say(problems, what, c->rejected[i], held);
    }
    if (known != rejects->rows[side])
        say(problems, "rejects of any other reason", 0, rejects->rows[side] - known);
}

/* Both snapshots of a run carry the same ledger (5.2). */
static void check_snapshots(const json_t *events, const json_t *rejects, json_t *problems) {
    const char *x = verify_summary(events, "weir.run-id"), *y = verify_summary(rejects, "weir.run-id"), *key;
    if (!x || !y || strcmp(x, y) != 0) return;
    json_t *value;
    json_object_foreach(json_object_get((json_t *)events, "summary"), key, value) {
        const char *other = verify_summary(rejects, key);
        bool counted = strncmp(key, "weir.rows-", 10) == 0 || strncmp(key, "weir.rejected.", 14) == 0;
        if (!counted || (other && strcmp(other, json_string_value(value)) == 0)) continue;
        char text[256];
        snprintf(text, sizeof text, "%.60s: %.40s by the snapshot of events, %.40s by that of rejects", key,
                 json_string_value(value), other ? other : "nothing");
        json_array_append_new(problems, json_string(text));
    }
}

int verify_ledger(const struct verify_pair *events, const struct verify_pair *rejects, int side,
                  struct arena *arena, bool *right, json_t **out, struct err *e) {
    struct verify_claim out_claim, reject_claim = {0};
    bool has_rejects = rejects->column_count > 0;
    TRY(verify_claimed(&events->tables[side], arena, &out_claim, e));
    if (has_rejects) TRY(verify_claimed(&rejects->tables[side], arena, &reject_claim, e));
    json_t *problems = json_array(), *unknown = json_array();
    if (out_claim.unknown)
        json_array_append_new(unknown, json_string(arena_printf(arena, "events: %s", out_claim.unknown)));
    else
        check_events(events, side, &out_claim, problems);
    if (has_rejects && reject_claim.unknown)
        json_array_append_new(unknown, json_string(arena_printf(arena, "rejects: %s", reject_claim.unknown)));
    else if (has_rejects)
        check_rejects(rejects, side, &reject_claim, problems);
    else
        json_array_append_new(unknown, json_string("rejects: there is no table to check"));
    if (has_rejects) check_snapshots(events->tables[side].snapshot, rejects->tables[side].snapshot, problems);
    *right = json_array_size(problems) == 0;
    *out = json_pack("{s:b,s:o,s:o}", "right", *right, "problems", problems, "uncheckable", unknown);
    if (*out && !out_claim.unknown) {
        json_object_set_new(*out, "runs", json_integer(out_claim.runs));
        json_object_set_new(*out, "rows_in", json_integer(out_claim.rows_in));
        json_object_set_new(*out, "rows_out", json_integer(out_claim.rows_out));
    }
    return *out ? 0 : err_nomem(e);
}
