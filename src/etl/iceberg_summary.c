/* A snapshot's summary: counts under the names that Iceberg's own writers use, then the caller's entries. */
#include "etl/iceberg_snapshot.h"

#include <stdio.h>
#include <stdlib.h>

static int put_text(json_t *summary, const char *key, const char *value, struct err *e) {
    json_t *text = json_string(value);
    if (!text) {
        json_t *again = json_string(value), *raw = json_string_nocheck(value);
        bool invalid = !again && raw; /* else there was no memory */
        json_decref(again);
        json_decref(raw);
        return invalid ? err_set(e, ERR_INPUT, "summary entry %s is not UTF-8", key) : err_nomem(e);
    }
    return json_object_set_new(summary, key, text) ? err_nomem(e) : 0;
}

static int put_count(json_t *summary, const char *key, int64_t value, struct err *e) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return put_text(summary, key, text, e);
}

/* Left out when 0, as Iceberg's own writers do. */
static int put_change(json_t *summary, const char *key, int64_t value, struct err *e) {
    return value ? put_count(summary, key, value, e) : 0;
}

/* A total: 0 after an overwrite, else what the parent's summary says, plus what was added; left out when the
 * parent does not say. */
static int put_total(const struct iceberg_attempt *a, json_t *summary, const json_t *before, const char *key,
                     int64_t added, struct err *e) {
    int64_t base = 0;
    if (a->commit->mode == ICEBERG_APPEND && before) {
        const char *text = json_text(before, key);
        char *end;
        if (!text) return 0;
        long long v = strtoll(text, &end, 10);
        if (end == text || *end || v < 0 || v > INT64_MAX / 2) return 0;
        base = v;
    }
    return put_count(summary, key, base + added, e);
}

static int compare_keys(const void *a, const void *b) {
    const struct buf *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int c = n ? memcmp(x->data, y->data, n) : 0;
    return c ? c : (x->len > y->len) - (x->len < y->len);
}

static int64_t distinct_partitions(struct iceberg_attempt *a) {
    if (a->partition_count > 1) qsort(a->partitions, a->partition_count, sizeof *a->partitions, compare_keys);
    int64_t n = 0;
    for (size_t i = 0; i < a->partition_count; i++)
        n += i == 0 || compare_keys(&a->partitions[i - 1], &a->partitions[i]) != 0;
    return n;
}

static int fill(struct iceberg_attempt *a, json_t *s, struct err *e) {
    const json_t *parent = iceberg_current_snapshot(a->metadata),
                 *before = json_object_get(parent, "summary");
    const struct iceberg_totals *added = &a->added, *removed = &a->removed;
    /* As Iceberg Java's overwrite: what removes nothing is an append, so that incremental readers take it. */
    bool removes = removed->files || removed->position_files || removed->equality_files;
    TRY(put_text(s, "operation", removes ? "overwrite" : "append", e));
    TRY(put_change(s, "added-data-files", added->files, e));
    TRY(put_change(s, "added-records", added->rows, e));
    TRY(put_change(s, "added-files-size", added->bytes, e));
    TRY(put_change(s, "deleted-data-files", removed->files, e));
    TRY(put_change(s, "deleted-records", removed->rows, e));
    TRY(put_change(s, "removed-files-size", removed->bytes + removed->delete_bytes, e));
    TRY(put_change(s, "removed-delete-files", removed->position_files + removed->equality_files, e));
    TRY(put_change(s, "removed-position-delete-files", removed->position_files, e));
    TRY(put_change(s, "removed-position-deletes", removed->position_rows, e));
    TRY(put_change(s, "removed-equality-delete-files", removed->equality_files, e));
    TRY(put_change(s, "removed-equality-deletes", removed->equality_rows, e));
    TRY(put_count(s, "changed-partition-count", distinct_partitions(a), e));
    TRY(put_total(a, s, before, "total-records", added->rows, e));
    TRY(put_total(a, s, before, "total-files-size", added->bytes, e));
    TRY(put_total(a, s, before, "total-data-files", added->files, e));
    TRY(put_total(a, s, before, "total-delete-files", 0, e));
    TRY(put_total(a, s, before, "total-position-deletes", 0, e));
    TRY(put_total(a, s, before, "total-equality-deletes", 0, e));
    TRY(put_text(s, "engine-name", "weir", e));
    TRY(put_text(s, "engine-version", WEIR_VERSION, e));
    for (uint32_t i = 0; i < a->commit->summary_count; i++)
        TRY(put_text(s, a->commit->summary[i].key, a->commit->summary[i].value, e));
    return a->commit->run_id ? put_text(s, "weir.run-id", a->commit->run_id, e) : 0;
}

int iceberg_attempt_summary(struct iceberg_attempt *a, json_t **out, struct err *e) {
    json_t *s = json_object();
    if (!s) return err_nomem(e);
    int rc = fill(a, s, e);
    if (rc)
        json_decref(s);
    else
        *out = s;
    return rc;
}
