#include "bench/verify_sql.h"

#include "edge/duckdb.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_ROWS = 10 };

const char *const verify_sides[2] = {"a", "b"};

int verify_script_arg(struct verify_script *s, const char *arg, struct err *e) {
    return arg ? buf_add(&s->args, &arg, sizeof arg, e) : err_nomem(e);
}

int verify_script_end(struct verify_script *s, struct err *e) {
    TRY(verify_script_arg(s, "-cmd", e));
    TRY(verify_script_arg(s, arena_copy(s->arena, s->sql.data, s->sql.len), e));
    buf_clear(&s->sql);
    return 0;
}

/* A column as it is compared: times as epoch µs, runs of U+FFFD as one (pipeline.md 4.2 leaves open how many
 * replace a run of bad bytes), raw of malformed rows only. */
static int add_value(struct buf *sql, const struct verify_pair *p, size_t i, struct err *e) {
    const struct verify_column *c = &p->columns[i];
    bool raw = (int)i == p->raw;
    if (raw) {
        TRY(buf_add_str(sql, "CASE WHEN ", e));
        TRY(duckdb_add_identifier(sql, p->columns[p->reason].name, e));
        TRY(buf_add_str(sql, " = 'malformed_row' THEN ", e));
    }
    if (c->is_time) {
        TRY(buf_add_str(sql, "epoch_us(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ")", e));
    } else if (c->is_text) {
        TRY(buf_add_str(sql, "CASE WHEN contains(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ", '\xEF\xBF\xBD') THEN regexp_replace(", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, ", '\xEF\xBF\xBD+', '\xEF\xBF\xBD', 'g') ELSE ", e));
        TRY(duckdb_add_identifier(sql, c->name, e));
        TRY(buf_add_str(sql, " END", e));
    } else {
        TRY(duckdb_add_identifier(sql, c->name, e));
    }
    if (raw) TRY(buf_add_str(sql, " END", e));
    return buf_printf(sql, e, " AS c%zu", i);
}

/* "c1, c4, c0, ": the key's columns, each followed by `how`. */
static int add_keys(struct buf *sql, const struct verify_pair *p, const char *how, struct err *e) {
    static const char *const order[] = {"user_id", "event_time", "timestamp", "event_id"};
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (size_t i = 0; i < p->column_count; i++)
            if (p->columns[i].is_key && strcmp(p->columns[i].name, order[k]) == 0)
                TRY(buf_printf(sql, e, "c%zu%s, ", i, how));
    return 0;
}

/* json_array(c0, c1, …): all columns, or the keys and then column `only`. */
static int add_row(struct buf *sql, const struct verify_pair *p, int only, struct err *e) {
    TRY(buf_add_str(sql, "json_array(", e));
    if (only >= 0) {
        TRY(add_keys(sql, p, "", e));
        return buf_printf(sql, e, "c%d)::VARCHAR", only);
    }
    for (size_t i = 0; i < p->column_count; i++) TRY(buf_printf(sql, e, "%sc%zu", i ? ", " : "", i));
    return buf_add_str(sql, ")::VARCHAR", e);
}

int verify_sql_view(struct verify_script *s, const struct verify_pair *p, int side, struct err *e) {
    struct buf *sql = &s->sql;
    const struct verify_table *t = &p->tables[side];
    TRY(buf_printf(sql, e, "CREATE TEMP VIEW %s_%s AS SELECT ", p->what, verify_sides[side]));
    for (size_t i = 0; i < p->column_count; i++) {
        if (i) TRY(buf_add_str(sql, ", ", e));
        TRY(add_value(sql, p, i, e));
    }
    TRY(buf_add_str(sql, " FROM iceberg_scan(", e));
    TRY(duckdb_add_literal(sql, t->path, e));
    if (t->is_gzip) TRY(buf_add_str(sql, ", metadata_compression_codec => 'gzip'", e));
    if (!t->is_current)
        TRY(buf_printf(sql, e, ", snapshot_from_id => %" JSON_INTEGER_FORMAT,
                       json_integer_value(json_object_get(t->snapshot, "snapshot-id"))));
    TRY(buf_add_str(sql, ");", e));
    return verify_script_end(s, e);
}

/* Sums of 64-bit halves are exact: 2^63 rows fit into a HUGEINT. */
static int add_digest(struct buf *sql, const char *name, struct err *e) {
    return buf_printf(sql, e,
                      "lower(concat(to_hex(coalesce(sum((%s & 18446744073709551615::UHUGEINT)::UBIGINT), 0)"
                      "::HUGEINT), ':', to_hex(coalesce(sum((%s >> 64)::UBIGINT), 0)::HUGEINT)))",
                      name, name);
}

int verify_sql_digests(struct verify_script *s, const struct verify_pair *p, int side, bool columns,
                       struct err *e) {
    struct buf *sql = &s->sql;
    size_t n = columns ? p->column_count : 0;
    TRY(buf_add_str(sql, "SELECT json_object('rows', count(*), 'digest', ", e));
    TRY(add_digest(sql, "m", e));
    TRY(buf_add_str(sql, ", 'columns', json_array(", e));
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "m%zu", i);
        if (i) TRY(buf_add_str(sql, ", ", e));
        TRY(add_digest(sql, name, e));
    }
    TRY(buf_add_str(sql, ")) FROM (SELECT md5_number(", e));
    TRY(add_row(sql, p, -1, e));
    TRY(buf_add_str(sql, ") AS m", e));
    for (size_t i = 0; i < n; i++) {
        TRY(buf_add_str(sql, ", md5_number(", e));
        TRY(add_row(sql, p, (int)i, e));
        TRY(buf_printf(sql, e, ") AS m%zu", i));
    }
    TRY(buf_printf(sql, e, " FROM %s_%s);", p->what, verify_sides[side]));
    return verify_script_end(s, e);
}

int verify_sql_reasons(struct verify_script *s, const struct verify_pair *p, int side, struct err *e) {
    struct buf *sql = &s->sql;
    TRY(buf_printf(sql, e,
                   "SELECT coalesce(json_group_object(r, n)::VARCHAR, '{}') FROM (SELECT coalesce(c%d, "
                   "'null') AS r, count(*) AS n FROM %s_%s GROUP BY r ORDER BY r);",
                   p->reason, p->what, verify_sides[side]));
    return verify_script_end(s, e);
}

int verify_sql_hashes(struct verify_script *s, const struct verify_pair *p, int side, struct err *e) {
    struct buf *sql = &s->sql;
    TRY(buf_add_str(sql, "SELECT json_array(", e));
    for (size_t i = 0; i < p->column_count; i++)
        TRY(buf_printf(sql, e, "%scoalesce(sum(hash(json_array(c%zu)::VARCHAR)), 0)::VARCHAR", i ? ", " : "",
                       i));
    TRY(buf_printf(sql, e, ") FROM %s_%s;", p->what, verify_sides[side]));
    return verify_script_end(s, e);
}

/* The surplus is of hashes, n times more in A. */
int verify_sql_surplus(struct verify_script *s, const struct verify_pair *p, struct err *e) {
    struct buf *sql = &s->sql;
    TRY(buf_printf(sql, e, "CREATE TEMP TABLE %s_surplus AS SELECT m, sum(n)::BIGINT AS n FROM (", p->what));
    for (int side = 0; side < 2; side++) {
        TRY(buf_add_str(sql, side ? " UNION ALL SELECT md5_number(" : "SELECT md5_number(", e));
        TRY(add_row(sql, p, -1, e));
        TRY(buf_printf(sql, e, ") AS m, %s AS n FROM %s_%s", side ? "-1" : "1", p->what, verify_sides[side]));
    }
    TRY(buf_add_str(sql, ") GROUP BY m HAVING sum(n) <> 0;", e));
    TRY(verify_script_end(s, e));
    TRY(buf_printf(
        sql, e,
        "SELECT json_array(coalesce(sum(greatest(n, 0)), 0)::BIGINT, coalesce(sum(greatest(-n, 0)), "
        "0)::BIGINT) FROM %s_surplus;",
        p->what));
    return verify_script_end(s, e);
}

/* Copies of one row become one line: of 1000 rows the ten first, so that the sort keeps no more. */
int verify_sql_first(struct verify_script *s, const struct verify_pair *p, int side, struct err *e) {
    struct buf *sql = &s->sql;
    struct buf order;
    buf_init(&order, 0);
    int rc = add_keys(&order, p, " NULLS FIRST", e);
    for (size_t i = 0; i < p->column_count && !rc; i++)
        rc = buf_printf(&order, e, "%sc%zu NULLS FIRST", i ? ", " : "", i);
    if (!rc) rc = buf_add_str(sql, "SELECT json_array(n", e);
    for (size_t i = 0; i < p->column_count && !rc; i++)
        rc = buf_printf(sql, e,
                        p->columns[i].is_time
                            ? ", strftime(make_timestamp(c%zu), '%%Y-%%m-%%dT%%H:%%M:%%S.%%fZ')"
                            : ", c%zu",
                        i);
    const char *by = buf_cstr(&order);
    if (!rc && !by) rc = err_nomem(e);
    if (!rc)
        rc = buf_printf(sql, e,
                        ") FROM (SELECT DISTINCT * FROM (SELECT t.*, %ss.n AS n FROM (SELECT *, md5_number(",
                        side ? "-" : "");
    if (!rc) rc = add_row(sql, p, -1, e);
    if (!rc)
        rc =
            buf_printf(sql, e,
                       ") AS m FROM %s_%s) t JOIN %s_surplus s ON t.m = s.m WHERE s.n %s 0 ORDER BY %s LIMIT "
                       "1000)) ORDER BY %s LIMIT %d;",
                       p->what, verify_sides[side], p->what, side ? "<" : ">", by, by, FIRST_ROWS);
    buf_release(&order);
    if (!rc) rc = verify_script_end(s, e);
    if (!rc) rc = buf_add_str(sql, "SELECT '[]';", e);
    return rc ? rc : verify_script_end(s, e);
}
