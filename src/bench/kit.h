/* The conformance kit: small inputs for each clause of the pipeline and what must come out, as data
 * (tests/conformance/cases/README.md), and one run of it over a stack, through the contract. */
#ifndef WEIR_BENCH_KIT_H
#define WEIR_BENCH_KIT_H

#include "base/buf.h"
#include "bench/stack.h"

#include <jansson.h>

/* The kit's files, read. */
struct kit {
    json_t *clauses;   /* [{"clause", "title", "cases": [case, …]}, …] in the order of their numbers */
    json_t *databases; /* {name: {"base64": …}} */
    json_t *defaults;  /* the pipeline in force when a case says nothing */
};

/* Read a kit's folder; what is no kit: ERR_INPUT naming file and line. Release it in any case. */
int kit_read(struct kit *k, const char *folder, struct err *e);
void kit_release(struct kit *k);

/* Append the bytes that text, {"repeat", "times"}, {"base64"} or a list of them stand for. */
int kit_expand(const json_t *content, struct buf *out, struct err *e);

/* Whether a case's id ("2.5-offset-18:01") belongs to what was asked for: "2", "2.5", or the beginning of an
 * id that ends where a word does. */
bool kit_is_of(const char *id, const char *asked);

/* How far a case trusts the reader: "strict", "multiline" (quoted line ends) or "not strict". */
const char *kit_reading(const json_t *pipeline);

/* What to run. */
struct kit_request {
    const struct stack *stack;
    const struct kit *kit;
    const char *home;    /* where DuckDB is looked for first; may be NULL */
    const char *tmp_dir; /* absolute: everything is made in it, and removed unless keep */
    const char *asked;   /* as in kit_is_of; NULL: all */
    bool not_strict;     /* the cases again with input.csv.strict false: what then differs */
    bool keep;           /* leave each case's folder: job, inputs, lake */
    unsigned seconds;    /* for one job */
    double cpus;
    uint64_t memory_bytes;
    /* Called as each clause ends, with its report (below). */
    void (*each)(void *ctx, const json_t *clause);
    void *ctx;
};

/* The report, the caller's to json_decref:
 *   {"stack", "served", "not_strict", "passed", "failed", "skipped", "clauses": [{"clause", "title",
 * "passed", "failed", "skipped", "cases": [{"id", "result": "passed" | "failed" | "skipped", "reading",
 *    "problems": [text], "expected": counts, "got": counts or null}]}]}
 * counts are {"rows_in", "rows_out", "rejected"}; got has "changed", events that should not be there so, and
 * "lost", rows neither out nor rejected. No case asked for: ERR_USAGE. */
int kit_run(const struct kit_request *r, json_t **report, struct err *e);

#endif
