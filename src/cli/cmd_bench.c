/* weir bench: measure stacks against each other. */
#include "base/files.h"
#include "base/threads.h"
#include "base/units.h"
#include "bench/bench.h"
#include "bench/environment.h"
#include "bench/stack.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/report_show.h"
#include "edge/catalog_uri.h"
#include "edge/yaml_json.h"
#include "etl/pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const struct cli_usage usage = {
    .name = "bench",
    .synopsis = "--quick | PLAN [OPTIONS]",
    .about = "Measure stacks against each other: each sample a process or container of its own under the "
             "same limits,\n"
             "in random order, its result checked before its time counts. Results go to a file of JSON "
             "lines; weir\n"
             "report makes tables and a page of it. PLAN: a YAML file; some are in bench/.",
    .examples = "  weir bench --quick                              # small data, the stacks that are ready\n"
                "  weir bench --quick --input logs --runs 20       # one's own files\n"
                "  weir bench bench/sizes.yaml --list              # what would run, and how long it takes\n"
                "  weir bench bench/sizes.yaml --out sizes.jsonl\n"
                "  weir bench bench/sizes.yaml --out sizes.jsonl --resume   # after Ctrl-C or a crash\n"
                "  weir bench --quick --backend container          # images that make docker-build made\n",
    .more =
        "Plans, what is measured and how, and the result file: docs/bench.md.\n"
        "Exit codes: 0 all samples right, 1 some were not (they are in the results), 2 usage, 3 bad plan,\n"
        "4 failure outside, 130 interrupted (finished samples are kept).\n",
};

struct arguments {
    const char *stacks, *runs, *out, *pipeline, *mmdb, *data_dir, *serve, *backend, *registry, *catalog,
        *warehouse, *s3_endpoint;
    bool quick, resume, list, min_memory, profile;
};

/* Everything resolved. */
struct bench {
    struct arguments args;
    struct arena arena;
    struct plan plan;
    struct runner runner;
    struct docker engine;
    struct pipeline pipeline;
    struct bench_request request;
    char stacks_root[PATH_MAX], home[PATH_MAX], self[PATH_MAX];
    const char **input_words; /* --input's */
    int input_count;
};

/* --input takes all words up to the next option. */
static int take_inputs(struct bench *b, int *argc, char **argv, struct err *e) {
    int left = 0;
    b->input_words = arena_alloc(&b->arena, (size_t)(*argc + 1) * sizeof *b->input_words);
    if (!b->input_words) return err_nomem(e);
    for (int i = 0; i < *argc; i++) {
        bool joined = strncmp(argv[i], "--input=", 8) == 0;
        if (strcmp(argv[i], "--input") != 0 && !joined) {
            argv[left++] = argv[i];
            continue;
        }
        int before = b->input_count;
        if (joined) b->input_words[b->input_count++] = argv[i] + 8;
        while (!joined && i + 1 < *argc && strncmp(argv[i + 1], "--", 2) != 0)
            b->input_words[b->input_count++] = argv[++i];
        if (b->input_count == before)
            return err_set(e, ERR_USAGE, "--input needs files or folders; see weir bench --help");
    }
    *argc = left;
    argv[left] = NULL;
    return 0;
}

static int fill_inputs(struct bench *b, uint64_t *bytes, struct err *e) {
    struct data_request *d = &b->request.data;
    if (!b->input_count) return 0;
    const struct store_options nowhere = {0};
    TRY(inputs_expand(b->input_words, b->input_count, &nowhere, &b->arena, &d->inputs, &d->input_count, e));
    for (unsigned i = 0; i < d->input_count; i++) {
        struct stat st;
        if (strcmp(d->inputs[i], "-") == 0 || stat(d->inputs[i], &st) || !S_ISREG(st.st_mode))
            return err_set(e, ERR_USAGE, "--input: \"%s\" is no file that can be read again and again",
                           d->inputs[i]);
        *bytes += (uint64_t)st.st_size;
    }
    return 0;
}

static int fill_pipeline(struct bench *b, struct err *e) {
    const char *file = b->args.pipeline ? b->args.pipeline : getenv("WEIR_PIPELINE");
    struct buf text;
    TRY(pipeline_init(&b->pipeline, e));
    buf_init(&text, 0);
    int rc = 0;
    if (file && *file) {
        rc = file_read_all(file, &text, PIPELINE_YAML_MAX, e);
        if (!rc) rc = pipeline_parse_yaml(&b->pipeline, (const char *)text.data, text.len, file, e);
        b->request.own_pipeline = true;
    }
    buf_clear(&text);
    if (!rc) rc = pipeline_print_json(&b->pipeline, &text, e);
    if (!rc && !(b->request.pipeline = arena_copy(&b->arena, text.data, text.len))) rc = err_nomem(e);
    buf_release(&text);
    b->request.data.user_column = b->pipeline.columns[COL_USER_ID];
    b->request.data.delimiter = b->pipeline.delimiter;
    b->request.data.multiline = b->pipeline.multiline;
    return rc;
}

static int fill_places(struct bench *b, struct err *e) {
    struct bench_request *q = &b->request;
    struct arena *a = &b->arena;
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    ssize_t n = readlink("/proc/self/exe", b->self, sizeof b->self - 1);
    if (n <= 0) return err_errno(e, ERR_OUTSIDE, "could not find the weir binary");
    b->self[n] = 0;
    q->data.weir = b->self;
    TRY(cli_stacks(b->stacks_root, e));
    q->stacks_root = b->stacks_root;
    q->home = cli_home(b->home) ? b->home : NULL;
    TRY(cli_find_mmdb(b->args.mmdb, a, &q->data.mmdb, e));
    if (b->args.data_dir)
        TRY(cli_absolute(b->args.data_dir, a, &q->data.root, e));
    else if (cache && *cache)
        q->data.root = arena_printf(a, "%s/weir/bench", cache);
    else
        q->data.root = arena_printf(a, "%s/.cache/weir/bench", home && *home ? home : "/tmp");
    if (!q->data.root) return err_nomem(e);
    if (b->args.out) return cli_absolute(b->args.out, a, &q->out, e);
    char name[64];
    time_t now = time(NULL);
    struct tm tm;
    strftime(name, sizeof name, "bench-%Y%m%d-%H%M%S.jsonl", localtime_r(&now, &tm));
    return cli_absolute(name, a, &q->out, e);
}

/* "a,b" in *names. */
static int split_names(struct bench *b, const char *text, const char *names[], unsigned *count,
                       struct err *e) {
    char *copy = arena_printf(&b->arena, "%s", text), *save;
    if (!copy) return err_nomem(e);
    *count = 0;
    for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
        if (*count == PLAN_STACKS_MAX) return err_set(e, ERR_USAGE, "--stacks: too many");
        names[(*count)++] = w;
    }
    return *count ? 0 : err_set(e, ERR_USAGE, "--stacks: names, separated by commas; see weir stack list");
}

/* Of the stacks that come with weir, those that are ready here; others' first. */
static int ready_stacks(const char *root, const char *names[], unsigned *count, struct err *e) {
    static const char *const known[] = {"pythonic", "spark", "native"};
    *count = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        struct stack s;
        struct err problem = {0};
        json_t *versions = NULL;
        const char *why = NULL;
        int rc = 0;
        bool there = stack_read(&s, root, known[i], &problem) == 0;
        if (there) rc = stack_versions(&s, &versions, &why, e);
        if (versions)
            names[(*count)++] = known[i];
        else if (there && !rc)
            fprintf(stderr, "weir: stack %s is left out, it is not ready; run: weir stack setup %s\n",
                    known[i], known[i]);
        json_decref(versions);
        stack_release(&s);
        TRY(rc);
    }
    return *count ? 0 : err_set(e, ERR_INPUT, "no stack is ready; see weir stack check");
}

static int fill_plan(struct bench *b, char **argv, struct err *e) {
    const char *names[PLAN_STACKS_MAX];
    unsigned count = 0;
    uint64_t runs = 0, bytes = 0;
    if (b->args.runs) TRY(units_parse_u64(b->args.runs, "--runs", 1, 10000, &runs, e));
    TRY(fill_inputs(b, &bytes, e));
    if (b->args.stacks) TRY(split_names(b, b->args.stacks, names, &count, e));
    b->request.input_bytes = bytes;
    struct plan_context c = {.cpus = b->runner.cpu_count,
                             .memory_bytes = environment_memory_bytes(),
                             .stacks = count ? names : NULL,
                             .stack_count = count,
                             .repetitions = (unsigned)runs,
                             .backend = b->args.backend,
                             .registry = b->args.registry,
                             .own_input = b->input_count > 0,
                             .input_bytes = bytes};
    if (b->args.quick) {
        bool images = b->args.backend && strcmp(b->args.backend, "container") == 0;
        if (!count && images) TRY(split_names(b, "pythonic,spark,native", names, &count, e));
        if (!count) TRY(ready_stacks(b->stacks_root, names, &count, e));
        return plan_init_quick(&b->plan, names, count, &c, e);
    }
    json_t *root = NULL;
    TRY(yaml_json_read(argv[0], &root, e));
    int rc = plan_init(&b->plan, root, argv[0], &c, e);
    json_decref(root);
    return rc;
}

/* Only what stands on the command line: a benchmark makes and removes tables, so never in a lake that merely
 * lies about. */
static int fill_lake(struct bench *b, struct err *e) {
    struct bench_lake *lake = &b->request.lake;
    struct catalog_uri uri;
    if (!b->args.catalog && !b->args.warehouse && !b->args.s3_endpoint) return 0;
    if (!b->args.catalog || !b->args.warehouse)
        return err_set(e, ERR_USAGE, "give both --catalog and --warehouse, or neither");
    TRY(catalog_uri_parse(b->args.catalog, &b->arena, &uri, e));
    if (uri.password)
        return err_set(e, ERR_USAGE, "--catalog: a password would stand in the results; use PGPASSWORD");
    *lake = (struct bench_lake){uri.text, b->args.warehouse, b->args.s3_endpoint};
    return 0;
}

/* Studies asked for on the command line, in addition to the plan's. */
static int add_studies(struct bench *b, struct err *e) {
    uint64_t jobs = b->plan.serve_jobs;
    if (b->args.serve) TRY(units_parse_u64(b->args.serve, "--serve", 2, 1000, &jobs, e));
    b->plan.serve_jobs = (unsigned)jobs;
    b->plan.minimum_memory = b->plan.minimum_memory || b->args.min_memory;
    b->plan.profile = b->plan.profile || b->args.profile;
    if (b->plan.containers && (b->plan.serve_jobs || b->plan.profile))
        return err_set(e, ERR_USAGE,
                       "--serve and --profile are studies of processes; leave --backend container out");
    return 0;
}

static int run(struct bench *b, int argc, char **argv, unsigned *bad, struct err *e) {
    if (b->args.quick && argc) return err_set(e, ERR_USAGE, "--quick takes no plan: \"%s\"", argv[0]);
    if (!b->args.quick && argc != 1)
        return err_set(e, ERR_USAGE, "give --quick, or one plan; see weir bench --help");
    if (b->args.resume && !b->args.out)
        return err_set(e, ERR_USAGE, "--resume needs --out FILE, the results to go on with");
    runner_init(&b->runner);
    b->request.plan = &b->plan;
    b->request.runner = &b->runner;
    b->request.resume = b->args.resume;
    TRY(fill_pipeline(b, e));
    TRY(fill_places(b, e));
    TRY(fill_lake(b, e));
    TRY(fill_plan(b, argv, e));
    TRY(add_studies(b, e));
    if (b->args.list) return bench_list(&b->request), 0;
    if (b->plan.containers) TRY(docker_open(&b->engine, e));
    if (b->plan.containers) b->request.engine = &b->engine;
    return bench_run(&b->request, bad, e);
}

/* The table of what was found, its page beside the results, and where both are. */
static int show_results(const struct bench *b, struct err *e) {
    char page[PATH_MAX], home[PATH_MAX];
    const char *out = b->request.out;
    size_t n = strlen(out);
    if (n > 6 && strcmp(out + n - 6, ".jsonl") == 0) n -= 6;
    snprintf(page, sizeof page, "%.*s.html", (int)n, out);
    TRY(report_show(&out, 1, REPORT_TEXT, cli_home(home) ? page : NULL, NULL, e));
    printf("\nResults: %s\nNext:    weir report %s, weir compare BEFORE.jsonl %s\n", out, out, out);
    return 0;
}

int cmd_bench(int argc, char **argv) {
    struct err e = {0};
    struct bench b = {0};
    struct arguments *a = &b.args;
    unsigned bad = 0;
    const char *never = NULL;
    const struct cli_option options[] = {
        {"quick", NULL, "no plan: 64 MB, the stacks that are ready, ten runs each", .flag = &a->quick},
        {"stacks", "A,B", "these instead of the plan's; see weir stack list", .text = &a->stacks},
        {"input", "PATH...", "one's own files; smaller sizes hold whole users of them", .text = &never},
        {"runs", "N", "repetitions of each stack in each case", .text = &a->runs},
        {"out", "FILE.jsonl", "the results [bench-DATE-TIME.jsonl]", .text = &a->out},
        {"backend", "NAME", "process or container [the plan's, else process]", .text = &a->backend},
        {"registry", "HOST", "pull the images from there before each sample, and time it",
         .text = &a->registry},
        {"catalog", "URI", "tables go there, not into a folder beside the results", .text = &a->catalog},
        {"warehouse", "URI", "and their files there: s3://bucket/prefix, file:///abs/path",
         .text = &a->warehouse},
        {"s3-endpoint", "URL", "an S3 service other than AWS", .text = &a->s3_endpoint},
        {"resume", NULL, "go on with the samples that --out does not hold yet", .flag = &a->resume},
        {"list", NULL, "say what would run and about how long it takes", .flag = &a->list},
        {"min-memory", NULL, "also find the least memory that is enough", .flag = &a->min_memory},
        {"profile", NULL, "also run each stack once under a profiler: where its CPU time goes",
         .flag = &a->profile},
        {"serve", "N", "also run N jobs in one resident session of each stack that has one",
         .text = &a->serve},
        {"pipeline", "FILE", "pipeline.yaml [WEIR_PIPELINE]", .text = &a->pipeline},
        {"mmdb", "FILE", "country database [WEIR_MMDB, else the demo's]", .text = &a->mmdb},
        {"data-dir", "DIR", "where made data is kept [~/.cache/weir/bench]", .text = &a->data_dir},
        {0},
    };
    arena_init(&b.arena);
    const char **command = arena_zalloc(&b.arena, (size_t)(argc + 2) * sizeof *command);
    int rc = command ? 0 : err_nomem(&e);
    if (!rc) {
        command[0] = "weir";
        for (int i = 0; i < argc; i++) command[i + 1] = argv[i];
        b.request.command = command;
        rc = take_inputs(&b, &argc, argv, &e);
    }
    if (!rc) rc = cli_parse(&usage, options, NULL, &argc, argv, &e);
    if (!rc) {
        interrupt_install();
        rc = run(&b, argc, argv, &bad, &e);
        if (!rc && !a->list) rc = show_results(&b, &e);
        plan_release(&b.plan);
        pipeline_release(&b.pipeline);
    }
    if (!rc && bad)
        rc = err_set(&e, ERR_DIFFERENT, "%u sample%s not right: see \"status\" and \"error\" in %s", bad,
                     bad == 1 ? " is" : "s are", b.request.out);
    rc = cli_end(rc, &e);
    arena_release(&b.arena);
    return rc;
}
