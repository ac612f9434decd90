/* weir: the command line. */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/native.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *about;
} commands[] = {
    {"run", cmd_run, "clean, locate and sessionize click files into Iceberg tables"},
    {"gen", cmd_gen, "make click data of any size with a known truth"},
    {"table", cmd_table, "list tables, show them, their history and files; clean up left-overs"},
    {"sql", cmd_sql, "query the tables with DuckDB: a shell, or one query"},
    {"verify", cmd_verify, "say whether two results are equal, and where they differ"},
    {"bench", cmd_bench, "measure stacks against each other, every result checked"},
    {"report", cmd_report, "say what a benchmark found: tables, and a page with charts"},
    {"compare", cmd_compare, "say what got faster or slower between two results"},
    {"doctor", cmd_doctor, "say what can be measured on this machine, what not and why"},
    {"stack", cmd_stack, "list the stacks that can run it, check and set them up"},
    {NULL, NULL, NULL},
};

static int64_t start_ns;

int64_t cli_start_ns(void) {
    return start_ns;
}

static int print_versions(struct err *e) {
    json_t *o = native_versions();
    char *text = o ? json_dumps(o, 0) : NULL;
    json_decref(o);
    if (!text) return err_nomem(e);
    puts(text);
    free(text);
    return 0;
}

static void print_help(void) {
    puts("weir turns clickstream files into sessions in an Apache Iceberg lakehouse.\n\n"
         "Examples:\n"
         "  weir gen --rows 1000000 --out data         # make data to try it with\n"
         "  weir run data                              # load it: tables web.events and web.rejects\n"
         "  weir sql \"select country, count(*) from sessions group by 1 order by 2 desc limit 5\"\n\n"
         "Commands:");
    for (const struct command *c = commands; c->name; c++) printf("  %-8s %s\n", c->name, c->about);
    puts("\nweir COMMAND --help shows a command's examples and options; weir --version the version.");
}

int main(int argc, char **argv) {
    /* Large blocks are mapped, always: memory given back is then really back, and budgets hold. */
    mallopt(M_MMAP_THRESHOLD, 128 << 10);

    start_ns = clock_real_ns();
    struct err e = {0};
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write like any other */
    if (argc < 2) {
        print_help();
        return cli_end(0, &e);
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help();
        return cli_end(0, &e);
    }
    if (strcmp(name, "--version") == 0) {
        if (argc > 2 && strcmp(argv[2], "--json") == 0) return cli_end(print_versions(&e), &e);
        puts("weir " WEIR_VERSION);
        return cli_end(0, &e);
    }
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(name, c->name) == 0) return c->run(argc - 1, argv + 1);
    const char *near =
        cli_nearest(name, &commands->name, sizeof *commands, sizeof commands / sizeof *commands - 1);
    return cli_end(err_set(&e, ERR_USAGE, "unknown command \"%s\"%s%s%s; see weir --help", name,
                           near ? "; did you mean " : "", near ? near : "", near ? "?" : ""),
                   &e);
}
