/* The pipeline as configured: what `pipeline.yaml`, or `pipeline` in a JOB.json, says (stack-contract.md;
 * pipeline.md gives the meaning of every key by clause). */
#ifndef WEIR_ETL_PIPELINE_H
#define WEIR_ETL_PIPELINE_H

#include "base/arena.h"
#include "base/buf.h"
#include "format/timestamp.h"

#include <stdbool.h>
#include <stdint.h>

/* The seven input columns (1.1), in the order in which rejects hold them (4.2). */
enum column {
    COL_EVENT_ID,
    COL_USER_ID,
    COL_TIMESTAMP,
    COL_PAGE_URL,
    COL_REFERRER,
    COL_DEVICE,
    COL_IP,
    COLUMN_COUNT
};

/* Why a record is rejected; REASON_NONE: it is not. Counted in the ledger in this order (5.2). */
enum reason {
    REASON_NONE,
    REASON_MALFORMED_ROW,
    REASON_MISSING_EVENT_ID,
    REASON_MISSING_USER_ID,
    REASON_MISSING_TIMESTAMP,
    REASON_BAD_TIMESTAMP,
    REASON_DUPLICATE_EVENT,
    REASON_COUNT
};

/* "event_id", …; and "malformed_row", … ("" for REASON_NONE). */
extern const char *const column_names[COLUMN_COUNT];
extern const char *const reason_names[REASON_COUNT];

enum keep_type { KEEP_STRING, KEEP_LONG, KEEP_DOUBLE };

/* "string", "long", "double"; and "iso8601", "epoch_s", …. */
extern const char *const keep_type_names[KEEP_DOUBLE + 1];
extern const char *const timestamp_form_names[TIMESTAMP_EPOCH_US + 1];

struct keep_column {
    const char *name;
    enum keep_type type;
};

/* More than this is a configuration error; names and tokens are in bytes. */
enum { KEEP_MAX = 64, NULL_TOKEN_MAX = 64, PIPELINE_NAME_MAX = 255, PIPELINE_YAML_MAX = 1 << 20 };

/* Owns all it points at, in its arena. */
struct pipeline {
    struct arena arena;
    const char *columns[COLUMN_COUNT]; /* the input's name of each */
    char delimiter;
    bool multiline, strict;
    struct keep_column *keep;
    unsigned keep_count;
    struct str *null_tokens; /* ASCII lower case */
    unsigned null_token_count;
    enum timestamp_form timestamp;
    bool drop_ip;   /* geo.ip: drop */
    int64_t gap_us; /* sessions.gap_seconds */
    const char *namespace_name, *events, *rejects;
};

/* The built-in defaults. */
int pipeline_init(struct pipeline *p, struct err *e);
void pipeline_release(struct pipeline *p);

/* Change what the YAML says; an empty text changes nothing. Unknown or repeated keys, wrong types, values out
 * of range, more than one document: ERR_INPUT, "FILE:LINE: key.path: …" and what is allowed. `file` names it
 * in errors. After an error the pipeline may only be released. */
int pipeline_parse_yaml(struct pipeline *p, const char *text, size_t len, const char *file, struct err *e);

/* What is wrong with a namespace's or table's name ("may hold …"), or NULL: it becomes a folder and an SQL
 * name. */
const char *pipeline_name_problem(const char *name);

/* Check the output names again after the caller changed them (--events, …): ERR_INPUT. */
int pipeline_check(const struct pipeline *p, struct err *e);

/* As YAML, every key, in a form that pipeline_parse_yaml reads back to the same. */
int pipeline_print_yaml(const struct pipeline *p, struct buf *out, struct err *e);

/* As the compact JSON object that a JOB.json carries under "pipeline" (JSON is YAML: the parser above reads
 * it back). */
int pipeline_print_json(const struct pipeline *p, struct buf *out, struct err *e);

#endif
