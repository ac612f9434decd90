/* weir gen: deterministic click data with a known truth. */
#include "base/threads.h"
#include "base/units.h"
#include "cli/cli.h"
#include "etl/gen.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct cli_usage usage = {
    .name = "gen",
    .synopsis = "--rows N | --size SIZE --out DIR",
    .about =
        "Make click data from a seed: the same seed and database give the same bytes. DIR/truth.json says\n"
        "what the pipeline must find in it: ledger, sessions, visitors, rows per day and country.",
    .examples = "  weir gen --rows 1000000 --out data                  # one CSV file over 30 days\n"
                "  weir gen --size 10GB --daily --out data             # about 10 GB, a file a day\n"
                "  weir gen --rows 50000 --dirt much --seed 7 --out t  # every odd case there is\n"
                "  weir gen --size 1GB --format parquet --files 8 --out data\n",
    .more = "--dirt none is clean data; some (default) has 1.2 % bad or repeated rows and 3 % legal "
            "oddities; much\n"
            "has 11 % and 25 %. In Parquet there are no malformed rows. The truth holds for the default "
            "pipeline.\n"
            "DIR is made when missing; an earlier gen's output in it is replaced, anything else refused.\n",
};

struct texts {
    const char *rows, *size, *seed, *format, *files, *days, *dirt, *robots, *threads;
    bool json;
};

/* The index of `text` among `names`. */
static int parse_word(const char *text, const char *what, const char *const *names, unsigned *out,
                      struct err *e) {
    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return 0;
    }
    char all[128] = "";
    for (unsigned i = 0; names[i]; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", names[i]);
    return err_set(e, ERR_USAGE, "%s: \"%s\" is none of %s", what, text, all);
}

static int parse_small(const char *text, const char *what, uint64_t lo, uint64_t hi, unsigned *out,
                       struct err *e) {
    uint64_t v = 0;
    if (!text) return 0;
    TRY(units_parse_u64(text, what, lo, hi, &v, e));
    *out = (unsigned)v;
    return 0;
}

static int parse(const struct texts *t, struct gen_options *o, struct err *e) {
    static const char *const formats[] = {"csv", "parquet", NULL}, *const dirts[] = {"none", "some", "much",
                                                                                     NULL};
    unsigned word;
    if (!o->out_dir) return err_set(e, ERR_USAGE, "say where to: --out DIR");
    if (!t->rows == !t->size) return err_set(e, ERR_USAGE, "say how much: either --rows N or --size SIZE");
    if (o->daily && t->files) return err_set(e, ERR_USAGE, "--daily and --files exclude each other");
    if (t->rows) TRY(units_parse_u64(t->rows, "--rows", 1, UINT64_C(1) << 40, &o->rows, e));
    if (t->size) {
        TRY(units_parse_size(t->size, "--size", &o->size_bytes, e));
        if (o->size_bytes == 0 || o->size_bytes > UINT64_C(1) << 50)
            return err_set(e, ERR_USAGE, "--size: \"%s\" is out of range", t->size);
    }
    if (t->seed) TRY(units_parse_u64(t->seed, "--seed", 0, UINT64_MAX, &o->seed, e));
    TRY(parse_small(t->files, "--files", 1, GEN_FILES_MAX, &o->files, e));
    TRY(parse_small(t->days, "--days", 1, GEN_DAYS_MAX, &o->days, e));
    TRY(parse_small(t->threads, "--threads", 1, 256, &o->threads, e));
    if (t->format) {
        TRY(parse_word(t->format, "--format", formats, &word, e));
        o->format = (enum gen_format)word;
    }
    if (t->dirt) {
        TRY(parse_word(t->dirt, "--dirt", dirts, &word, e));
        o->dirt = (enum gen_dirt)word;
    }
    if (t->robots) {
        char *end;
        o->robot_percent = strtod(t->robots, &end);
        if (end == t->robots || *end || !(o->robot_percent >= 0 && o->robot_percent <= GEN_ROBOT_PERCENT_MAX))
            return err_set(e, ERR_USAGE, "--robots: \"%s\" is no percentage from 0 to %d", t->robots,
                           GEN_ROBOT_PERCENT_MAX);
    }
    return 0;
}

static void print_json(const struct gen_result *r) {
    printf("{\"rows_in\":%" PRIu64 ",\"rows_out\":%" PRIu64 ",\"rejected\":{", r->rows_in, r->rows_out);
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        printf("%s\"%s\":%" PRIu64, i == REASON_NONE + 1 ? "" : ",", reason_names[i], r->rejected[i]);
    printf("},\"sessions\":%" PRIu64 ",\"users\":%" PRIu64 ",\"files\":%u,\"bytes\":%" PRIu64
           ",\"seconds\":%.3f}\n",
           r->sessions, r->users, r->files, r->bytes, r->seconds);
}

static void print_text(const struct gen_result *r, const char *dir) {
    char rows[32], size[32], rate[32], sessions[32], users[32];
    units_format_count(r->rows_in, rows, sizeof rows);
    units_format_size(r->bytes, size, sizeof size);
    units_format_size((uint64_t)((double)r->bytes / r->seconds), rate, sizeof rate);
    units_format_count(r->sessions, sessions, sizeof sessions);
    units_format_count(r->users, users, sizeof users);
    printf("%s rows, %s in %u file%s in %s: %s sessions of %s visitors (%.1f s, %s/s)\n", rows, size,
           r->files, r->files == 1 ? "" : "s", dir, sessions, users, r->seconds, rate);
    for (int i = REASON_NONE + 1; i < REASON_COUNT; i++)
        if (r->rejected[i])
            printf("  %-18s %10s rows to be rejected\n", reason_names[i],
                   units_format_count(r->rejected[i], rows, sizeof rows));
}

int cmd_gen(int argc, char **argv) {
    struct err e = {0};
    struct texts t = {0};
    struct gen_options o;
    struct gen_result result;
    struct arena arena;
    const char *mmdb = NULL;
    gen_options_init(&o);
    o.progress = true;
    const struct cli_option options[] = {
        {"rows", "N", "exactly so many rows", .text = &t.rows},
        {"size", "SIZE", "about so many bytes in all (1GB, 500MB, 2GiB): CSV to 1 %, Parquet to 10 %",
         .text = &t.size},
        {"out", "DIR", "where to", .text = &o.out_dir},
        {"seed", "S", "a number; another one gives other data (default 1)", .text = &t.seed},
        {"format", "FORMAT", "csv (default) or parquet", .text = &t.format},
        {"files", "K", "so many files of equal row counts (default 1)", .text = &t.files},
        {"daily", NULL, "one file a day instead", .flag = &o.daily},
        {"days", "D", "days that the data spans, from 2025-03-03 (default 30)", .text = &t.days},
        {"dirt", "HOW", "none, some (default) or much", .text = &t.dirt},
        {"robots", "PERCENT",
         "share of rows from three robots; the first makes two thirds of them (default 4)",
         .text = &t.robots},
        {"plain", NULL, "only the seven columns, without status, bytes, user_agent, load_time",
         .flag = &o.plain},
        {"mmdb", "FILE", "country database to draw addresses from (or WEIR_MMDB)", .text = &mmdb},
        {"threads", "N", "default: all; the bytes do not depend on it", .text = &t.threads},
        {"json", NULL, "print one JSON object", .flag = &t.json},
        {0},
    };
    int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    if (argc) return cli_end(err_set(&e, ERR_USAGE, "weir gen takes no operand: \"%s\"", argv[0]), &e);
    interrupt_install();
    arena_init(&arena);
    rc = parse(&t, &o, &e);
    if (!rc) rc = cli_find_mmdb(mmdb, &arena, &o.mmdb_path, &e);
    if (!rc) rc = gen_run(&o, &result, &e);
    if (!rc && t.json) print_json(&result);
    if (!rc && !t.json) print_text(&result, o.out_dir);
    arena_release(&arena);
    return cli_end(rc, &e);
}
