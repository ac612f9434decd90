/* What the commands share: options, help, errors, and where things are found.
 *
 * A command is `int cmd_<name>(int argc, char **argv)`, argv[0] being its name; it returns the exit code
 * (err.h) and has one line in main.c's table. The usual shape:
 *
 *     const struct cli_option options[] = {
 *         {"rows", "N", "how many rows", .text = &rows},
 *         {"json", NULL, "print one JSON object", .flag = &json},
 *         {0},
 *     };
 *     int rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
 *     if (rc) return cli_end(rc, &e);
 *     … argv[0 … argc-1] are now the operands …
 *     interrupt_install();  // a command that polls interrupt_check(); others end on SIGINT as usual
 *     return cli_end(run(…, &e), &e);
 */
#ifndef WEIR_CLI_CLI_H
#define WEIR_CLI_CLI_H

#include "base/arena.h"
#include "base/buf.h"
#include "etl/iceberg.h"

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

/* What cli_parse returns when help was asked for and printed. */
enum { CLI_HELP = -1 };

struct cli_option {
    const char *name;  /* "lake" for --lake; NULL ends the table */
    const char *value; /* what help calls its value; NULL: a flag without value */
    const char *help;  /* one line; NULL: not shown */
    const char **text; /* where the value goes (argv's memory) … */
    bool *flag;        /* … or true */
};

/* Help shows the examples first, then the options. */
struct cli_usage {
    const char *name;     /* "run" */
    const char *synopsis; /* what follows `weir run` */
    const char *about;    /* what it does: a sentence or two, lines at most 100 wide */
    const char *examples; /* lines, each ending in a newline; may hold comments */
    const char *more;     /* printed after the options; may be NULL */
};

/* Where the tables are, as given; the shared options --lake, --catalog, --catalog-name, --warehouse,
 * --s3-endpoint. */
struct cli_lake {
    const char *lake, *catalog, *catalog_name, *warehouse, *s3_endpoint;
};

/* Read `--name VALUE` and `--name=VALUE` anywhere before a `--`; what is left over is moved to the front of
 * argv (*argc of them, argv[0] no longer the command's name). `lake`: also the shared lake options, or NULL.
 * An option given twice: the last holds. A wrong one: ERR_USAGE. --help prints and returns CLI_HELP. */
int cli_parse(const struct cli_usage *usage, const struct cli_option *options, struct cli_lake *lake,
              int *argc, char **argv, struct err *e);

/* The exit code for a command's result: prints `weir: <message>` on standard error when rc is an error, and
 * reports standard output that could not be written. */
int cli_end(int rc, struct err *e);

/* Write this to standard output, or the JSON, indented, when that is not NULL. A reader that has seen enough
 * is no error. */
int cli_print(const struct buf *text, const json_t *json, struct err *e);

/* Of `count` names `stride` bytes apart, the one most like `word`, or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t stride, size_t count);

/* Fill in what was not given from WEIR_LAKE, WEIR_CATALOG, WEIR_CATALOG_NAME, WEIR_WAREHOUSE and the embedded
 * defaults (cli.md), as absolute locations in `arena`. */
int cli_lake_resolve(const struct cli_lake *given, struct arena *arena, struct lake_options *out,
                     struct err *e);

/* The path made absolute against the working directory, not resolved further; need not exist. */
int cli_absolute(const char *path, struct arena *arena, const char **out, struct err *e);

/* The folder that holds stacks/: the source tree of this binary, or PREFIX/share/weir. False: neither. */
bool cli_home(char out[PATH_MAX]);

/* The folder that holds the page's chart library, uPlot: WEIR_UPLOT, else <home>/.cache/uplot or
 * <home>/web/uplot. False: it is in none. */
bool cli_charts(const char *home, char out[PATH_MAX]);

/* The folder of stacks: WEIR_STACKS, else <home>/stacks. ERR_INPUT when there is none. */
int cli_stacks(char out[PATH_MAX], struct err *e);

/* CLOCK_REALTIME at the process's first instructions. */
int64_t cli_start_ns(void);

/* The country database: `given` (--mmdb), else WEIR_MMDB, else where setup puts the demo's. Absolute.
 * ERR_INPUT, saying what to do, when there is none (pipeline.md 2.8). */
int cli_find_mmdb(const char *given, struct arena *arena, const char **out, struct err *e);

/* The commands. */
int cmd_run(int argc, char **argv);
int cmd_sql(int argc, char **argv);
int cmd_table(int argc, char **argv);
int cmd_gen(int argc, char **argv);
int cmd_stack(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_compare(int argc, char **argv);

#endif
