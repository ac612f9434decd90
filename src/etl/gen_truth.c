#include "etl/gen_truth.h"

#include <stdlib.h>

typedef unsigned long long ull; /* for %llu */

static void add(struct gen_tally *to, const struct gen_tally *t, unsigned days, unsigned countries) {
    for (int i = 0; i < GEN_KIND_COUNT; i++) to->kinds[i] += t->kinds[i];
    for (int i = 0; i < GEN_EDGES; i++) to->edges[i] += t->edges[i];
    for (int i = 0; i < 3; i++) to->nulled[i] += t->nulled[i];
    for (unsigned i = 0; i < days; i++) to->days[i] += t->days[i];
    for (unsigned i = 0; i < countries; i++) to->countries[i] += t->countries[i];
    to->sessions += t->sessions;
    to->once_users += t->once_users;
}

void gen_truth_sum(const struct gen_plan *p, struct gen_tally *const *tallies, unsigned count,
                   unsigned countries, struct gen_result *out) {
    struct gen_tally *sum = tallies[0];
    for (unsigned i = 1; i < count; i++) add(sum, tallies[i], p->days, countries);
    const uint64_t *k = sum->kinds;
    out->rows_in = p->rows;
    out->rows_out = k[GEN_KEPT] + k[GEN_AT_EDGE];
    out->rejected[REASON_MALFORMED_ROW] = k[GEN_MALFORMED];
    out->rejected[REASON_MISSING_EVENT_ID] = k[GEN_NO_EVENT_ID];
    out->rejected[REASON_MISSING_USER_ID] = k[GEN_NO_USER_ID];
    out->rejected[REASON_MISSING_TIMESTAMP] = k[GEN_NO_TIME];
    out->rejected[REASON_BAD_TIMESTAMP] = k[GEN_BAD_TIME];
    out->rejected[REASON_DUPLICATE_EVENT] = k[GEN_COPY] + k[GEN_COPY_RESPELT] + k[GEN_COPY_DIFFERENT];
    out->sessions = sum->sessions;
    out->users = gen_plan_seen(p) + sum->once_users + gen_plan_robots(p) + k[GEN_AT_EDGE];
}

static int print_text(struct buf *out, struct str s, struct err *e) {
    TRY(buf_add_byte(out, '"', e));
    for (uint32_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') TRY(buf_add_byte(out, '\\', e));
        if (c < ' ')
            TRY(buf_printf(out, e, "\\u%04x", c));
        else
            TRY(buf_add_byte(out, c, e));
    }
    return buf_add_byte(out, '"', e);
}

static int print_day(struct buf *out, bool *first, int32_t day, uint64_t rows, struct err *e) {
    int year;
    unsigned month, d;
    if (rows == 0) return 0;
    timestamp_civil_from_days(day, &year, &month, &d);
    TRY(buf_printf(out, e, "%s\n    \"%04d-%02u-%02u\": %llu", *first ? "" : ",", year, month, d, (ull)rows));
    *first = false;
    return 0;
}

/* Rows out by day: those at the edges of time first; several of them may share a day. */
static int print_days(const struct gen_plan *p, const struct gen_tally *sum, struct buf *out, struct err *e) {
    bool first = true;
    TRY(buf_add_str(out, "  \"days\": {", e));
    for (int i = 0; i < GEN_EDGES; i++) {
        int32_t day = timestamp_day(gen_edge_times[i]);
        uint64_t rows = 0;
        bool seen = false;
        for (int k = 0; k < GEN_EDGES; k++) {
            if (timestamp_day(gen_edge_times[k]) != day) continue;
            seen |= k < i;
            rows += sum->edges[k];
        }
        if (!seen) TRY(print_day(out, &first, day, rows, e));
    }
    for (unsigned i = 0; i < p->days; i++)
        TRY(print_day(out, &first, (int32_t)(p->start_us / GEN_DAY_US) + (int32_t)i, sum->days[i], e));
    return buf_add_str(out, "\n  },\n", e);
}

static int print_countries(const struct gen_rows *rows, const struct gen_tally *sum, struct buf *out,
                           struct err *e) {
    bool first = true;
    TRY(buf_add_str(out, "  \"countries\": {", e));
    for (unsigned i = 0; i < gen_rows_countries(rows); i++) {
        if (sum->countries[i] == 0) continue;
        TRY(buf_add_str(out, first ? "\n    " : ",\n    ", e));
        TRY(print_text(out, gen_rows_country_name(rows, (uint16_t)i), e));
        TRY(buf_printf(out, e, ": %llu", (ull)sum->countries[i]));
        first = false;
    }
    return buf_add_str(out, "\n  },\n", e);
}

int gen_truth_print(const struct gen_options *o, const struct gen_plan *p, const struct gen_rows *rows,
                    const struct mmdb *db, const struct gen_tally *sum, const struct gen_out *files,
                    const struct gen_result *result, struct buf *out, struct err *e) {
    static const char *const dirt[] = {"none", "some", "much"};
    TRY(buf_printf(out, e, "{\n  \"rows_in\": %llu,\n  \"rows_out\": %llu,\n  \"rejected\": {",
                   (ull)result->rows_in, (ull)result->rows_out));
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        TRY(buf_printf(out, e, "%s\n    \"%s\": %llu", i == REASON_NONE + 1 ? "" : ",", reason_names[i],
                       (ull)result->rejected[i]));
    TRY(buf_printf(out, e, "\n  },\n  \"sessions\": %llu,\n  \"users\": %llu,\n", (ull)result->sessions,
                   (ull)result->users));
    TRY(buf_printf(out, e, "  \"nulled\": {\"status\": %llu, \"bytes\": %llu, \"load_time\": %llu},\n",
                   (ull)sum->nulled[0], (ull)sum->nulled[1], (ull)sum->nulled[2]));
    TRY(print_days(p, sum, out, e));
    TRY(print_countries(rows, sum, out, e));
    TRY(buf_printf(
        out, e,
        "  \"made_with\": {\"seed\": %llu, \"rows\": %llu, \"format\": \"%s\", \"days\": %u, \"dirt\": "
        "\"%s\", \"robots_percent\": %g, \"mmdb_type\": ",
        (ull)o->seed, (ull)p->rows, o->format == GEN_CSV ? "csv" : "parquet", p->days, dirt[o->dirt],
        o->robot_percent));
    TRY(print_text(out, str_of(mmdb_type(db)), e));
    TRY(buf_printf(out, e, ", \"mmdb_build_epoch\": %llu},\n", (ull)mmdb_build_epoch(db)));
    TRY(buf_add_str(out, "  \"holds_for\": \"the default pipeline\",\n  \"files\": [", e));
    for (unsigned i = 0; i < files->count; i++)
        TRY(buf_printf(out, e, "%s\n    {\"name\": \"%s\", \"rows\": %llu, \"bytes\": %llu}", i ? "," : "",
                       files->files[i].name, (ull)files->files[i].rows, (ull)files->files[i].bytes));
    return buf_add_str(out, "\n  ]\n}\n", e);
}
