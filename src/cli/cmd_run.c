/* weir run: one pipeline run, in this process (native) or by another stack through the contract. */
#include "base/clock.h"
#include "base/files.h"
#include "base/random.h"
#include "base/threads.h"
#include "base/units.h"
#include "bench/runner.h"
#include "bench/stack.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/native.h"
#include "cli/result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct cli_usage usage = {
    .name = "run",
    .synopsis = "[OPTIONS] INPUT...",
    .about = "Clean click events, find each visitor's country and sessions, and write the tables events and\n"
             "rejects in one go: overwriting what was there, or appending. INPUT: CSV files, also .gz and\n"
             ".zst, Parquet files, globs, folders (their *.csv, *.csv.gz, *.csv.zst, *.parquet), - for\n"
             "standard input (CSV).",
    .examples = "  weir run data                                  # a folder of CSV and Parquet files\n"
                "  weir run 'logs/2026-*.csv.gz' --mode append    # add a few more\n"
                "  zcat clicks.gz | weir run -                    # from standard input\n"
                "  weir run clicks.csv --pipeline pipeline.yaml   # other column names, kept columns, …\n"
                "  weir run --print-pipeline > pipeline.yaml      # what is in force, to start from\n",
    .more =
        "SIZE: KB, MB, GB are powers of 1000; k, m, g and KiB, MiB, GiB of 1024.\n"
        "Exit codes: 0 done, 2 usage, 3 bad input or configuration, 4 failure outside, 130 interrupted.\n",
};

struct arguments {
    const char *stack, *pipeline, *mmdb, *mode, *run_id, *namespace_name, *events, *rejects, *threads,
        *memory, *tmp_dir, *job;
    bool json, print_pipeline;
    struct cli_lake lake;
};

/* Everything a run needs, resolved. */
struct session {
    struct arguments args;
    struct job job;
    struct pipeline pipeline;
    struct native_options native;
};

static int load_pipeline(struct session *s, struct err *e) {
    const struct arguments *a = &s->args;
    struct pipeline *p = &s->pipeline;
    const char *file = a->pipeline ? a->pipeline : getenv("WEIR_PIPELINE");
    TRY(pipeline_init(p, e));
    if (file && *file) {
        struct buf text;
        buf_init(&text, 0);
        int rc = file_read_all(file, &text, PIPELINE_YAML_MAX, e);
        if (!rc)
            rc = pipeline_parse_yaml(p, (const char *)text.data, text.len, file, e);
        else
            rc = e->code = ERR_INPUT; /* a configuration that cannot be read, whatever the reason */
        buf_release(&text);
        TRY(rc);
    }
    if (a->namespace_name) p->namespace_name = a->namespace_name;
    if (a->events) p->events = a->events;
    if (a->rejects) p->rejects = a->rejects;
    return pipeline_check(p, e);
}

static int print_pipeline(const struct pipeline *p, bool json, struct err *e) {
    struct buf text;
    buf_init(&text, 0);
    int rc = json ? pipeline_print_json(p, &text, e) : pipeline_print_yaml(p, &text, e);
    if (!rc) printf("%s%s", buf_cstr(&text), json ? "\n" : "");
    buf_release(&text);
    return rc;
}

/* Physical memory, for stacks that want to be told a size when the user named none. */
static uint64_t machine_memory(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

static int fill_resources(struct session *s, struct err *e) {
    const struct arguments *a = &s->args;
    uint64_t threads = 0;
    if (a->threads) TRY(units_parse_u64(a->threads, "--threads", 1, 1024, &threads, e));
    if (a->memory) TRY(units_parse_size(a->memory, "--memory", &s->native.memory_bytes, e));
    if (a->memory && s->native.memory_bytes < 16 << 20)
        return err_set(e, ERR_USAGE, "--memory: \"%s\" is too little; at least 16 MiB", a->memory);
    s->native.threads = (unsigned)threads;
    s->job.cpus = threads ? (double)threads : threads_cpu_count();
    s->job.memory_bytes = s->native.memory_bytes ? s->native.memory_bytes : machine_memory();
    return 0;
}

static int fill_run_id(struct session *s, struct err *e) {
    const char *id = s->args.run_id;
    if (!id) {
        char *fresh = arena_alloc(&s->job.arena, 37);
        if (!fresh) return err_nomem(e);
        TRY(random_uuid(fresh, e));
        id = fresh;
    }
    size_t len = strlen(id);
    for (size_t i = 0; i < len; i++)
        if (id[i] <= ' ' || id[i] > '~') len = 0;
    if (!len || len > 200)
        return err_set(e, ERR_USAGE, "--run-id: must have 1 to 200 visible ASCII characters");
    s->job.run_id = id;
    return 0;
}

static int fill_job(struct session *s, char **operands, int count, struct err *e) {
    struct job *j = &s->job;
    const struct arguments *a = &s->args;
    struct buf json;
    if (a->mode && strcmp(a->mode, "overwrite") != 0 && strcmp(a->mode, "append") != 0)
        return err_set(e, ERR_USAGE, "--mode: \"%s\" must be overwrite or append", a->mode);
    if (a->mode) j->mode = a->mode;
    TRY(fill_run_id(s, e));
    TRY(fill_resources(s, e));
    if (count == 0) return err_set(e, ERR_USAGE, "no input: name files, folders or - ; see weir run --help");
    TRY(cli_lake_resolve(&a->lake, &j->arena, &s->native.lake, e));
    TRY(inputs_expand((const char *const *)operands, count, &s->native.lake.store, &j->arena, &j->inputs,
                      &j->input_count, e));
    TRY(cli_find_mmdb(a->mmdb, &j->arena, &j->mmdb, e));
    j->catalog_name = s->native.lake.catalog_name;
    j->catalog_uri = s->native.lake.catalog_uri;
    j->warehouse = s->native.lake.warehouse;
    j->s3 = s->native.lake.store;
    j->namespace_name = s->pipeline.namespace_name;
    j->events = s->pipeline.events;
    j->rejects = s->pipeline.rejects;
    if (a->tmp_dir) TRY(cli_absolute(a->tmp_dir, &j->arena, &j->tmp_dir, e));
    if (j->tmp_dir && !file_is_dir(j->tmp_dir))
        return err_set(e, ERR_INPUT, "--tmp-dir: \"%s\" is not a folder", a->tmp_dir);
    buf_init(&json, 0);
    int rc = pipeline_print_json(&s->pipeline, &json, e);
    if (!rc && !(j->pipeline = arena_copy(&j->arena, json.data, json.len))) rc = err_nomem(e);
    buf_release(&json);
    return rc;
}

/* How the stack's `run` ended, as our own error. */
static int judge(const struct stack *st, const struct stack_exit *end, struct err *e) {
    if (end->code == 0) return 0;
    if (end->signal)
        return err_set(e, ERR_OUTSIDE, "stack \"%s\" was ended by signal %d (%s)", st->name, end->signal,
                       strsignal(end->signal));
    if (end->code == ERR_INPUT)
        return err_set(e, ERR_INPUT, "stack \"%s\" refused its input or configuration", st->name);
    return err_set(e, ERR_OUTSIDE, "stack \"%s\" failed with exit code %d", st->name, end->code);
}

/* What a stack that runs has told, as one line on the terminal. */
struct watched {
    const char *stack, *events_file;
    int64_t start_ns;
};

static void show_stack(void *ctx) {
    const struct watched *w = ctx;
    struct run_events n;
    char rows[32] = "";
    run_events_read(w->events_file, &n);
    const char *phase = n.committed ? "committed" : n.ready ? "running" : n.start ? "starting" : "waiting";
    if (n.rows && !n.committed) snprintf(rows, sizeof rows, "  %.1f M rows", (double)n.rows / 1e6);
    fprintf(stderr, "\r\033[K%s  %s  %.0f s%s", w->stack, phase,
            (double)(clock_mono_ns() - w->start_ns) / 1e9, rows);
}

static int run_in_folder(struct session *s, const struct stack *st, const char *dir, json_t **result,
                         struct stack_exit *end, struct err *e) {
    struct job *j = &s->job;
    const char *file = arena_printf(&j->arena, "%s/job.json", dir);
    j->events_file = arena_printf(&j->arena, "%s/events.jsonl", dir);
    j->result_file = arena_printf(&j->arena, "%s/result.json", dir);
    j->tmp_dir = dir;
    if (!file || !j->events_file || !j->result_file) return err_nomem(e);
    TRY(job_write(j, file, e));
    const char *const argv[] = {"./run", file, NULL};
    struct watched w = {st->name, j->events_file, clock_mono_ns()};
    const struct stack_watch watch = {show_stack, &w};
    bool shown = !s->args.json && isatty(STDERR_FILENO);
    int rc = stack_spawn(st, argv, shown ? &watch : NULL, &j->arena, NULL, end, e);
    if (shown) fputs("\r\033[K", stderr);
    bool too_late = rc == ERR_INTERRUPTED && end->code == 0; /* the signal: the run was committed */
    if (!too_late) TRY(rc);
    TRY(judge(st, end, e));
    return job_result_read(j->result_file, result, e);
}

static int run_stack(struct session *s, json_t **result, struct result_context *context, struct err *e) {
    struct stack st;
    struct stack_exit end = {0};
    char root[PATH_MAX];
    for (unsigned i = 0; i < s->job.input_count; i++) {
        struct stat in;
        if (strcmp(s->job.inputs[i], "-") == 0)
            return err_set(e, ERR_USAGE, "standard input can be read by the native stack only");
        if (stat(s->job.inputs[i], &in) == 0 && S_ISFIFO(in.st_mode))
            return err_set(e, ERR_USAGE, "\"%s\" is a pipe, which the native stack only can read",
                           s->job.inputs[i]);
    }
    TRY(cli_stacks(root, e));
    const char *base = s->job.tmp_dir ? s->job.tmp_dir : getenv("TMPDIR");
    char *dir = arena_printf(&s->job.arena, "%s/weir-job-XXXXXX", base && *base ? base : "/tmp");
    if (!dir) return err_nomem(e);
    int rc = stack_read(&st, root, s->args.stack, e);
    if (!rc && !stack_has_feature(&st, "s3") && job_uses_s3(&s->job))
        rc = err_set(e, ERR_INPUT, "the stack %s does not read or write S3 (features in its stack.yaml)",
                     st.name);
    if (!rc && !mkdtemp(dir)) rc = err_errno(e, ERR_OUTSIDE, "could not make a folder like \"%s\"", dir);
    if (!rc) {
        int64_t start = clock_mono_ns();
        rc = run_in_folder(s, &st, dir, result, &end, e);
        context->seconds = (double)(clock_mono_ns() - start) / 1e9;
        context->peak_memory_bytes = (uint64_t)end.peak_kb * 1024;
        file_remove_tree(dir);
    }
    stack_release(&st);
    return rc;
}

static int run_native(struct session *s, json_t **result, struct result_context *context, struct err *e) {
    s->native.progress = !s->args.json;
    TRY(native_run(&s->job, &s->pipeline, &s->native, result, e));
    context->seconds = json_number_value(json_object_get(*result, "seconds"));
    context->peak_memory_bytes = (uint64_t)json_integer_value(json_object_get(*result, "peak_memory_bytes"));
    return 0;
}

static int run(struct session *s, char **operands, int count, struct err *e) {
    TRY(load_pipeline(s, e));
    if (s->args.print_pipeline) return print_pipeline(&s->pipeline, s->args.json, e);
    TRY(fill_job(s, operands, count, e));
    json_t *result = NULL;
    struct result_context context = {.job = &s->job, .lake = s->args.lake.lake};
    bool native = !s->args.stack || strcmp(s->args.stack, "native") == 0;
    TRY(native ? run_native(s, &result, &context, e) : run_stack(s, &result, &context, e));
    int rc = 0;
    if (s->args.json)
        rc = result_print_json(result, &context, e);
    else
        result_print_text(result, &context);
    json_decref(result);
    errno = 0;
    if (!rc && (fflush(stdout) || ferror(stdout)) && errno != EPIPE)
        rc = err_errno(e, ERR_OUTSIDE, "run %s is committed, but its result could not be written",
                       s->job.run_id);
    return rc;
}

/* stacks/native/run: the harness's side of the contract. */
static int run_job(struct session *s, struct err *e) {
    struct job *j = &s->job;
    job_release(j);
    TRY(job_read(j, s->args.job, e));
    TRY(job_event(j, cli_start_ns(), "start", e));
    TRY(pipeline_init(&s->pipeline, e));
    TRY(pipeline_parse_yaml(&s->pipeline, j->pipeline, strlen(j->pipeline), "pipeline", e));
    if (j->namespace_name) s->pipeline.namespace_name = j->namespace_name;
    if (j->events) s->pipeline.events = j->events;
    if (j->rejects) s->pipeline.rejects = j->rejects;
    TRY(pipeline_check(&s->pipeline, e));
    TRY(cli_find_mmdb(j->mmdb, &j->arena, &j->mmdb, e));
    const struct cli_lake lake = {.catalog = j->catalog_uri,
                                  .catalog_name = j->catalog_name,
                                  .warehouse = j->warehouse,
                                  .s3_endpoint = j->s3.s3_endpoint};
    TRY(cli_lake_resolve(&lake, &j->arena, &s->native.lake, e));
    s->native.lake.store.s3_region = j->s3.s3_region;
    s->native.lake.store.s3_style = j->s3.s3_style;
    s->native.threads = j->cpus > 0 ? (unsigned)(j->cpus + 0.999) : 0;
    /* The job names the whole machine's memory; a quarter is left to the page cache and the kernel. */
    s->native.memory_bytes = j->memory_bytes / 4 * 3;
    json_t *result = NULL;
    TRY(native_run(j, &s->pipeline, &s->native, &result, e));
    int rc = 0;
    char *text = json_dumps(result, JSON_INDENT(1));
    if (!text)
        rc = err_nomem(e);
    else if (j->result_file)
        rc = file_replace(j->result_file, text, strlen(text), e);
    free(text);
    json_decref(result);
    return rc ? rc : job_event(j, clock_real_ns(), "done", e);
}

int cmd_run(int argc, char **argv) {
    struct err e = {0};
    struct session s = {0};
    struct arguments *a = &s.args;
    const struct cli_option options[] = {
        {"pipeline", "FILE", "pipeline.yaml: column names, cleansing, gap … [WEIR_PIPELINE]",
         .text = &a->pipeline},
        {"mode", "MODE", "overwrite (default) or append", .text = &a->mode},
        {"mmdb", "FILE", "country database (MaxMind DB) [WEIR_MMDB, else the demo's]", .text = &a->mmdb},
        {"namespace", "NAME", "where the tables are [web]", .text = &a->namespace_name},
        {"events", "NAME", "the table of events [events]", .text = &a->events},
        {"rejects", "NAME", "the table of rejected rows [rejects]", .text = &a->rejects},
        {"run-id", "ID", "repeating a run with the same ID changes nothing [a new UUID]", .text = &a->run_id},
        {"threads", "N", "[as many as there are CPUs]", .text = &a->threads},
        {"memory", "SIZE", "budget; what does not fit is spilled to --tmp-dir", .text = &a->memory},
        {"tmp-dir", "DIR", "for spilled data [TMPDIR, else /tmp]", .text = &a->tmp_dir},
        {"stack", "NAME", "the stack that runs it [native]; see weir stack list", .text = &a->stack},
        {"json", NULL, "print the result as one JSON object", .flag = &a->json},
        {"print-pipeline", NULL, "print the pipeline in force as YAML (--json: JSON), run nothing",
         .flag = &a->print_pipeline},
        {"job", "FILE", "run a JOB.json of the stack contract instead", .text = &a->job},
        {0},
    };
    int rc = cli_parse(&usage, options, &a->lake, &argc, argv, &e);
    if (rc) return cli_end(rc, &e);
    interrupt_install();
    job_init(&s.job);
    rc = a->job ? run_job(&s, &e) : run(&s, argv, argc, &e);
    pipeline_release(&s.pipeline);
    job_release(&s.job);
    return cli_end(rc, &e);
}
