/* Committing: attempt after attempt, each on the table's newest state, until the catalog takes one. */
#include "base/backoff.h"
#include "base/random.h"
#include "base/threads.h"
#include "etl/iceberg_snapshot.h"

#include <stdlib.h>

enum { RETRIES = 20, BUSY_MOST = 3, WAIT_FIRST_US = 20000, WAIT_MOST_US = 1000000 };

static int new_snapshot_id(const json_t *metadata, int64_t *id, struct err *e) {
    do {
        uint64_t r = 0;
        TRY(random_bytes(&r, sizeof r, e));
        *id = (int64_t)(r >> 1);
    } while (*id == 0 || (metadata && iceberg_snapshot(metadata, *id)));
    return 0;
}

/* Data files are written by the plan as opened; another writer may have changed the table since. */
static int check_plan(struct iceberg_writer *w, const struct iceberg_plan *now, struct err *e) {
    bool same = now->partitioned == w->plan.partitioned;
    for (uint32_t i = 0; i < w->column_count && same; i++)
        same = now->field_ids[i] == w->plan.field_ids[i] && now->promoted[i] == w->plan.promoted[i];
    return same ? 0
                : err_set(e, ERR_OUTSIDE,
                          "table %s: another writer changed its columns or partitioning meanwhile; run again",
                          w->name);
}

static int plan(struct iceberg_writer *w, struct iceberg_attempt *a, bool existed, struct err *e) {
    if (!w->state.metadata) {
        if (existed) return err_set(e, ERR_OUTSIDE, "table %s was dropped meanwhile; run again", w->name);
        a->plan = w->plan;
        return 0;
    }
    TRY(iceberg_plan_columns(w->state.metadata, w->name, w->columns, w->column_count, w->partition_column,
                             &a->arena, &a->plan, e));
    return check_plan(w, &a->plan, e);
}

static int reload(struct iceberg_writer *w, struct err *e) {
    struct iceberg_table now;
    TRY(lake_load(w->lake, w->namespace_name, w->table, &now, e));
    iceberg_table_release(&w->state);
    w->state = now;
    return 0;
}

static int set_result(struct iceberg_writer *w, bool skipped, int64_t snapshot_id, const char *location,
                      struct iceberg_result *out, struct err *e) {
    *out = (struct iceberg_result){.skipped = skipped,
                                   .snapshot_id = snapshot_id,
                                   .metadata_location = arena_printf(&w->arena, "%s", location)};
    return out->metadata_location ? 0 : err_nomem(e);
}

/* The table moved on while the swap was in doubt: it holds the snapshot if the swap took effect. */
static int settle_overtaken(struct iceberg_writer *w, const struct iceberg_attempt *a,
                            enum catalog_outcome *outcome, struct err *e) {
    *outcome = CATALOG_UNKNOWN;
    TRY(reload(w, e));
    bool held = w->state.metadata && iceberg_snapshot(w->state.metadata, a->snapshot_id);
    *outcome = held ? CATALOG_SWAPPED : CATALOG_LOST;
    return 0;
}

/* Nothing may fail for our own reasons once the catalog has taken the commit: what is needed afterwards is
 * made before. */
static int try_once(struct iceberg_writer *w, struct iceberg_attempt *a, enum catalog_outcome *outcome,
                    struct iceberg_result *out, struct err *e) {
    int rc = iceberg_attempt_write(a, e);
    if (!rc) rc = set_result(w, false, a->snapshot_id, a->metadata_location, out, e);
    char *location = rc ? NULL : strdup(a->metadata_location);
    if (!rc && !location) rc = err_nomem(e);
    if (!rc)
        rc = catalog_swap(w->lake->catalog, w->namespace_name, w->table, w->state.metadata_location, location,
                          outcome, e);
    if (!rc && *outcome == CATALOG_OVERTAKEN) {
        rc = settle_overtaken(w, a, outcome, e);
        if (!rc && *outcome == CATALOG_SWAPPED) {
            free(location);
            return 0;
        }
    }
    if (!rc && *outcome == CATALOG_SWAPPED) {
        iceberg_table_release(&w->state);
        w->state = (struct iceberg_table){location, json_incref(a->metadata)};
        return 0;
    }
    free(location);
    out->unknown = *outcome == CATALOG_UNKNOWN;
    if (out->unknown)
        return err_prefix(e,
                          "table %s: whether the commit took effect is unknown (run-id %s tells; a repeat "
                          "with it is safe)",
                          w->name, a->commit->run_id ? a->commit->run_id : "none");
    iceberg_attempt_undo(a);
    return rc ? err_prefix(e, "table %s: could not commit", w->name) : 0;
}

int iceberg_commit(struct iceberg_writer *w, const struct iceberg_commit *c, struct iceberg_result *out,
                   struct err *e) {
    bool existed = w->state.metadata != NULL;
    char uuid[37];
    *out = (struct iceberg_result){0};
    TRY(random_uuid(uuid, e));
    int64_t snapshot_id = 0;
    unsigned busy = 0, manifest_number = 0;
    for (unsigned number = 0;; number++) {
        TRY(reload(w, e));
        const json_t *run =
            c->run_id && w->state.metadata ? iceberg_run_snapshot(w->state.metadata, c->run_id) : NULL;
        if (run)
            return set_result(w, true, json_int(run, "snapshot-id", 0), w->state.metadata_location, out, e);
        if (!snapshot_id || (w->state.metadata && iceberg_snapshot(w->state.metadata, snapshot_id)))
            TRY(new_snapshot_id(w->state.metadata, &snapshot_id, e));

        struct iceberg_attempt a = {.w = w,
                                    .commit = c,
                                    .number = number,
                                    .snapshot_id = snapshot_id,
                                    .uuid = uuid,
                                    .manifest_number = manifest_number};
        arena_init(&a.arena);
        enum catalog_outcome outcome = CATALOG_LOST;
        int rc = plan(w, &a, existed, e);
        if (!rc) rc = try_once(w, &a, &outcome, out, e);
        manifest_number = a.manifest_number;
        iceberg_attempt_release(&a);
        if (rc || outcome == CATALOG_SWAPPED) return rc;

        if (outcome == CATALOG_BUSY && ++busy >= BUSY_MOST)
            return err_set(e, ERR_OUTSIDE, "table %s: could not commit: the catalog stays locked", w->name);
        int64_t retries = w->state.metadata
                              ? iceberg_property_int(w->state.metadata, "commit.retry.num-retries", RETRIES)
                              : RETRIES;
        if (number >= retries)
            return err_set(e, ERR_OUTSIDE, "table %s: could not commit: lost %u races to other writers",
                           w->name, number + 1);
        TRY(backoff_wait(number, WAIT_FIRST_US, WAIT_MOST_US, e));
    }
}
