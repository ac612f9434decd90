#include "cli/native.h"

#include "base/clock.h"
#include "base/threads.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct event_context {
    const struct job *job;
    int rc; /* of the first event that could not be written */
    struct err err;
};

static void on_event(void *ctx, const char *event) {
    struct event_context *c = ctx;
    if (!c->rc) c->rc = job_event(c->job, clock_real_ns(), event, &c->err);
}

/* As text: JSON numbers beyond 2^53 do not survive every reader. */
static json_t *table_json(const struct run_table_result *t) {
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)t->snapshot_id);
    return json_pack("{s:s,s:s,s:b}", "snapshot_id", id, "metadata_location", t->metadata_location, "skipped",
                     t->skipped);
}

static json_t *counts_json(const uint64_t *counts, const char *const *names, unsigned from, unsigned to) {
    json_t *o = json_object();
    for (unsigned i = from; i < to; i++)
        json_object_set_new(o, names[i], json_integer((json_int_t)counts[i]));
    return o;
}

static json_t *result_json(const struct job *job, const struct pipeline *p, const struct run_result *r) {
    const char *kept[KEEP_MAX];
    for (unsigned i = 0; i < p->keep_count; i++) kept[i] = p->keep[i].name;
    return json_pack(
        "{s:s,s:s,s:I,s:I,s:o,s:o,s:I,s:I,s:{s:o,s:o},s:o,s:{s:i,s:I,s:i,s:i},s:I,s:I,s:I,s:f,s:I}", "run_id",
        job->run_id, "stack", "native", "rows_in", (json_int_t)r->rows_in, "rows_out",
        (json_int_t)r->rows_out, "rejected",
        counts_json(r->rejected, reason_names, REASON_NONE + 1, REASON_COUNT), "nulled",
        counts_json(r->nulled, kept, 0, p->keep_count), "sessions", (json_int_t)r->sessions, "users",
        (json_int_t)r->users, "tables", "events", table_json(&r->events), "rejects", table_json(&r->rejects),
        "versions", native_versions(), "seen", "cpus", (int)threads_cpu_count(), "memory_bytes",
        (json_int_t)r->memory_bytes, "threads", (int)r->threads, "passes", (int)r->passes, "input_bytes",
        (json_int_t)r->input_bytes, "output_bytes", (json_int_t)r->output_bytes, "output_files",
        (json_int_t)r->output_files, "seconds", r->seconds, "peak_memory_bytes",
        (json_int_t)r->peak_memory_bytes);
}

int native_run(const struct job *job, const struct pipeline *p, const struct native_options *o,
               json_t **result, struct err *e) {
    struct event_context events = {.job = job};
    struct run_result r;
    const struct run_options run = {
        .pipeline = p,
        .inputs = job->inputs,
        .input_count = job->input_count,
        .mmdb_path = job->mmdb,
        .lake = o->lake,
        .mode = strcmp(job->mode, "append") == 0 ? ICEBERG_APPEND : ICEBERG_OVERWRITE,
        .run_id = job->run_id,
        .stack_name = "native",
        .threads = o->threads,
        .memory_bytes = o->memory_bytes,
        .tmp_dir = job->tmp_dir,
        .progress = o->progress,
        .two_scans = getenv("WEIR_TWO_SCANS") != NULL,
        .on_event = on_event,
        .event_ctx = &events,
    };
    memset(&r, 0, sizeof r);
    TRY(run_pipeline(&run, &r, e));
    if (events.rc) {
        *e = events.err;
        return events.rc;
    }
    *result = result_json(job, p, &r);
    return *result ? 0 : err_nomem(e);
}
