/* The tables that `weir verify` compares: found, at the right snapshot, with what the summaries of their
 * snapshots claim (pipeline.md 4.4 to 5.2). */
#ifndef WEIR_BENCH_VERIFY_TABLES_H
#define WEIR_BENCH_VERIFY_TABLES_H

#include "base/arena.h"
#include "bench/verify.h"

enum { VERIFY_REASONS = 6 };
extern const char *const verify_reasons[VERIFY_REASONS];

struct verify_table {
    const char *name;         /* as asked for, or as the summary names it */
    const char *path;         /* of its metadata file */
    json_t *metadata;         /* NULL: there is none to compare */
    const json_t *snapshot;   /* the one to read, in metadata */
    bool is_current, is_gzip; /* is_current: it is the table's current snapshot */
};

/* What is asked for in r->tables[side]; ERR_INPUT when there is no such table. */
int verify_find_events(const struct verify_request *r, int side, struct arena *arena,
                       struct verify_table *out, struct err *e);

/* The rejects of the same run: r->rejects[side], else the table that the summary names, in the catalog or
 * beside the events, at the snapshot with the same run-id. When the summary names none, out->metadata stays
 * NULL. */
int verify_find_rejects(const struct verify_request *r, int side, const struct verify_table *events,
                        struct arena *arena, struct verify_table *out, struct err *e);

void verify_table_release(struct verify_table *t);

/* The schema's columns at the snapshot: an array of Iceberg fields. */
const json_t *verify_fields(const struct verify_table *t);

/* The one of that name, or NULL. */
const json_t *verify_field(const json_t *fields, const char *name);

/* The summary's text under key, or NULL. */
const char *verify_summary(const json_t *snapshot, const char *key);

/* What the runs that made the table claim it holds: the sums over the snapshot and those before it, back to
 * the last overwrite. */
struct verify_claim {
    const char *unknown; /* why nothing can be said, in the arena; NULL: the rest holds */
    int64_t runs, rows_in, rows_out, rejected[VERIFY_REASONS];
    const char
        *unbalanced; /* NULL, or a run-id, in the metadata, whose rows in are not rows out + rejected */
};

int verify_claimed(const struct verify_table *t, struct arena *arena, struct verify_claim *out,
                   struct err *e);

#endif
