/* From samples to cases, stacks and their medians. Verdicts are made in summary_verdict.c. */
#include "bench/summary_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct summary_metric summary_metrics[METRICS] = {
    [METRIC_IMAGE_PULL] = {"image_pull_s", "Image Pull (s)", "image pull", 1, true},
    [METRIC_CONTAINER_START] = {"container_start_s", "Container Start (s)", "container start", 1, true},
    [METRIC_INIT] = {"init_s", "Init (s)", "initialisation", 1, true},
    [METRIC_EXECUTION] = {"execution_s", "Execution Time (s)", "execution", 1, true},
    [METRIC_JOB] = {"job_s", "Job Time (s)", "job time", 1, true},
    [METRIC_TOTAL] = {"total_s", "Total Time (s)", "total time", 1, true},
    [METRIC_PEAK_MEMORY] = {"peak_anon_bytes", "Peak Memory (MB)", "peak memory", 1e-6, true},
    [METRIC_CPU] = {"cpu_s", "CPU time (s)", "CPU time", 1, true},
    [METRIC_CPU_SHARE] = {"avg_cpu_percent", "Avg CPU (%)", "CPU share", 1, false},
    [METRIC_FLUSH] = {"flush_s", "Flush (s)", "flush", 1, true},
    [METRIC_PEAK_CGROUP] = {"peak_memory_bytes", "Peak with page cache (MB)", "peak with page cache", 1e-6,
                            false},
    [METRIC_PEAK_CACHE] = {"peak_cache_bytes", "Page cache (MB)", "page cache", 1e-6, false},
    [METRIC_READ] = {"read_bytes", "Read (MB)", "bytes read", 1e-6, false},
    [METRIC_WRITTEN] = {"written_bytes", "Written (MB)", "bytes written", 1e-6, false},
    [METRIC_OUTPUT_BYTES] = {"output_bytes", "Output (MB)", "output", 1e-6, false},
    [METRIC_OUTPUT_FILES] = {"output_files", "Output files", "output files", 1, false},
    [METRIC_OUTPUT_ROW_GROUPS] = {"output_row_groups", "Output row groups", "row groups", 1, false},
    [METRIC_PRESSURE_CPU] = {"pressure_cpu_us", "Stalled on CPU (s)", "CPU stalls", 1e-6, false},
    [METRIC_PRESSURE_IO] = {"pressure_io_us", "Stalled on I/O (s)", "I/O stalls", 1e-6, false},
    [METRIC_PRESSURE_MEMORY] = {"pressure_memory_us", "Stalled on memory (s)", "memory stalls", 1e-6, false},
};

const char *summary_format(double value, double like, char out[32]) {
    double size = fabs(like);
    int decimals = size >= 100 || size == floor(size) ? 0
                   : size >= 10                       ? 1
                   : size >= 1                        ? 2
                   : size >= 0.01                     ? 3
                                                      : 5;
    snprintf(out, 32, "%.*f", decimals, value);
    return out;
}

const char *summary_sample_names(const struct summary_stack *s, bool usable, struct arena *arena) {
    const char *out = "";
    int64_t first = 0, last = 0;
    bool open = false;
    for (size_t i = 0; i <= s->count && out; i++) {
        if (i < s->count && s->samples[i]->usable != usable) continue;
        int64_t id = i < s->count ? s->samples[i]->id : 0;
        if (i < s->count && open && id == last + 1) {
            last = id;
            continue;
        }
        if (open && first == last)
            out = arena_printf(arena, "%s%s%lld", out, *out ? ", " : "", (long long)first);
        else if (open)
            out = arena_printf(arena, "%s%s%lld–%lld", out, *out ? ", " : "", (long long)first,
                               (long long)last);
        first = last = id;
        open = true;
    }
    return out;
}

/* ---- cases ---- */

static double number_of(const json_t *o, const char *key) {
    return json_number_value(json_object_get(o, key));
}

/* What must be the same for two samples to be of one case, beside its name: nothing is pooled over these. */
static bool same_place(const struct results_run *a, const struct results_run *b) {
    static const char *const keys[] = {"machine", "kernel", "cpu", "cpus", "memory_bytes"};
    if (strcmp(a->weir, b->weir) != 0) return false;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *x = json_object_get(a->environment, keys[i]),
                     *y = json_object_get(b->environment, keys[i]);
        if (x != y && !(x && y && json_equal(x, y))) return false;
    }
    return strcmp(results_text(a->record, "backend", ""), results_text(b->record, "backend", "")) == 0;
}

static struct summary_case *case_of(struct summary *s, size_t file, const struct results_sample *sample) {
    const struct results_run *run = &s->files[file].runs[sample->run];
    for (size_t i = 0; i < s->case_count; i++) {
        struct summary_case *c = &s->cases[i];
        if (c->file_index == file && strcmp(c->name, sample->name) == 0 && same_place(c->run, run)) return c;
    }
    return NULL;
}

static const json_t *data_of(const struct results_file *f, const struct summary_case *c) {
    const json_t *named = NULL;
    for (size_t i = f->data_count; i-- > 0;) {
        if (strcmp(results_text(f->data[i], "data", ""), c->data) != 0) continue;
        if (strcmp(results_text(f->data[i], "format", ""), c->format) == 0) return f->data[i];
        if (!named) named = f->data[i];
    }
    return named;
}

static const char *machine_of(const struct results_run *run, struct arena *arena) {
    const char *cpu = results_text(run->environment, "cpu", "unknown machine");
    const char *id = results_text(run->environment, "machine", "");
    return *id ? arena_printf(arena, "%s (%.8s)", cpu, id) : arena_printf(arena, "%s", cpu);
}

static int case_add(struct summary *s, size_t file, const struct results_sample *sample, struct err *e) {
    const struct results_file *f = &s->files[file];
    const json_t *r = sample->record;
    struct summary_case *c = &s->cases[s->case_count++];
    memset(c, 0, sizeof *c);
    c->file = f;
    c->file_index = file;
    c->run = &f->runs[sample->run];
    c->name = sample->name;
    c->data = results_text(r, "data", "");
    c->format = results_text(r, "format", "");
    c->cache = results_text(r, "cache", "");
    c->strict_known = json_is_boolean(json_object_get(r, "strict"));
    c->strict = json_is_true(json_object_get(r, "strict"));
    c->cpus = number_of(r, "cpus");
    c->memory_bytes = number_of(r, "memory_bytes");
    c->data_record = data_of(f, c);
    c->rows = number_of(c->data_record, "rows");
    c->bytes = number_of(c->data_record, "bytes");
    c->machine = machine_of(c->run, &s->arena);
    return c->machine ? 0 : err_nomem(e);
}

static int date_seen(struct summary *s, struct summary_case *c, const struct results_run *run,
                     struct err *e) {
    const char *date = arena_printf(&s->arena, "%.10s", run->created);
    if (!date) return err_nomem(e);
    if (!c->first_date || strcmp(date, c->first_date) < 0) c->first_date = date;
    if (!c->last_date || strcmp(date, c->last_date) > 0) c->last_date = date;
    return 0;
}

/* ---- stacks ---- */

static struct summary_stack *stack_of(struct summary_case *c, const char *name) {
    for (size_t i = 0; i < c->stack_count; i++)
        if (strcmp(c->stacks[i].name, name) == 0) return &c->stacks[i];
    return NULL;
}

static int stack_add(struct summary *s, struct summary_case *c, const char *name, struct err *e) {
    const struct results_file *f = c->file;
    if (stack_of(c, name)) return 0;
    if (c->stack_count == SUMMARY_STACKS_MAX)
        return err_set(e, ERR_INPUT, "%s: case \"%s\" has more than %d stacks", f->path, c->name,
                       SUMMARY_STACKS_MAX);
    struct summary_stack new = {.name = name,
                                .record = results_find(f->stacks, f->stack_count, "stack", name)};
    if (!new.record)
        return err_set(e, ERR_INPUT,
                       "%s: there are samples of \"%s\" but no line that says who made it (type \"stack\")",
                       f->path, name);
    new.title = results_text(new.record, "title", name);
    new.made_by = results_text(new.record, "made_by", "others");
    new.colour = results_text(new.record, "colour", "#666666");
    new.ours = strcmp(new.made_by, "weir") == 0;
    new.samples = arena_alloc(&s->arena, f->sample_count * sizeof *new.samples);
    if (!new.samples) return err_nomem(e);
    c->independent += !new.ours;
    c->stacks[c->stack_count++] = new;
    return 0;
}

static const struct results_sample *first_of(const struct results_file *f, size_t run, const char *name) {
    for (size_t i = 0; i < f->sample_count; i++)
        if (f->samples[i].run == run && strcmp(f->samples[i].name, name) == 0) return &f->samples[i];
    return NULL;
}

/* The cases that a plan names come in its order, though they were run at random. */
static int planned(struct summary *s, size_t file, struct err *e) {
    const struct results_file *f = &s->files[file];
    for (size_t r = 0; r < f->run_count; r++) {
        const json_t *names = json_object_get(json_object_get(f->runs[r].record, "plan"), "cases"), *name;
        size_t i;
        json_array_foreach(names, i, name) {
            const char *text = json_string_value(name);
            const struct results_sample *sample = text ? first_of(f, r, text) : NULL;
            if (sample && !case_of(s, file, sample)) TRY(case_add(s, file, sample, e));
        }
    }
    return 0;
}

static int collect(struct summary *s, size_t file, struct err *e) {
    const struct results_file *f = &s->files[file];
    TRY(planned(s, file, e));
    for (size_t i = 0; i < f->sample_count; i++) {
        const struct results_sample *sample = &f->samples[i];
        if (!case_of(s, file, sample)) TRY(case_add(s, file, sample, e));
        struct summary_case *c = case_of(s, file, sample);
        TRY(stack_add(s, c, sample->stack, e));
        TRY(date_seen(s, c, &f->runs[sample->run], e));
        struct summary_stack *stack = stack_of(c, sample->stack);
        if (sample->twin == 'b') continue; /* n is the same for all stacks */
        stack->samples[stack->count++] = sample;
        stack->usable += sample->usable;
    }
    return 0;
}

const json_t *summary_stop(const struct summary_case *c) {
    return results_find(c->file->stops, c->file->stop_count, "case", c->name);
}

/* ---- cells ---- */

int summary_values(struct summary *s, const struct results_sample *const *samples, size_t count,
                   enum summary_metric_id m, double **sorted, size_t *n, struct err *e) {
    *n = 0;
    *sorted = arena_alloc(&s->arena, count * sizeof **sorted);
    if (!*sorted) return err_nomem(e);
    for (size_t i = 0; i < count; i++)
        if (results_metric(samples[i], summary_metrics[m].key, &(*sorted)[*n])) ++*n;
    stats_sort(*sorted, *n);
    return 0;
}

/* The reason why a stack has no value: the sample's own, else that none is usable. */
static const char *why_not(const struct summary_stack *stack, const char *key) {
    for (size_t i = 0; i < stack->count; i++) {
        const char *why = results_text(json_object_get(stack->samples[i]->record, "unavailable"), key, NULL);
        if (why) return why;
    }
    return stack->usable ? "not measured" : "no run gave a verified result";
}

static int cell(struct summary *s, struct summary_stack *stack, enum summary_metric_id m, struct err *e) {
    struct summary_cell *c = &stack->cells[m];
    TRY(summary_values(s, stack->samples, stack->count, m, &c->sorted, &c->n, e));
    if (!c->n) {
        c->unavailable = why_not(stack, summary_metrics[m].key);
        return 0;
    }
    c->median = stats_median(c->sorted, c->n);
    c->interval = stats_median_interval(c->sorted, c->n, STATS_LEVEL);
    TRY(stats_mad(c->sorted, c->n, &c->mad, e));
    for (size_t i = 0; i < c->n; i++) c->outliers += stats_is_outlier(c->sorted[i], c->median, c->mad);
    return 0;
}

/* A stack's place among the file's "stack" records: the order in which the benchmark named them. */
static size_t place_of(const struct summary_case *c, const struct summary_stack *stack) {
    for (size_t i = 0; i < c->file->stack_count; i++)
        if (strcmp(results_text(c->file->stacks[i], "stack", ""), stack->name) == 0) return i;
    return c->file->stack_count;
}

/* Independent ones first, each kind in the order of the file. */
static void order(struct summary_case *c) {
    for (size_t i = 1; i < c->stack_count; i++)
        for (size_t k = i; k > 0; k--) {
            struct summary_stack *x = &c->stacks[k - 1], *y = &c->stacks[k], swap = *x;
            bool behind = x->ours != y->ours ? x->ours : place_of(c, x) > place_of(c, y);
            if (!behind) break;
            *x = *y;
            *y = swap;
        }
}

static int fill(struct summary *s, struct summary_case *c, struct err *e) {
    for (size_t i = 0; i < c->stack_count; i++) {
        struct summary_stack *stack = &c->stacks[i];
        for (int m = 0; m < METRICS; m++) TRY(cell(s, stack, (enum summary_metric_id)m, e));
        size_t n = stack->usable;
        if (n && (!c->n_least || n < c->n_least)) c->n_least = n;
        if (n > c->n_most) c->n_most = n;
    }
    return 0;
}

int summary_make(struct summary *s, const struct results_file *files, size_t count, struct err *e) {
    *s = (struct summary){.files = files, .file_count = count};
    arena_init(&s->arena);
    size_t samples = 0;
    for (size_t i = 0; i < count; i++) {
        /* At most a case for each sample; counted by distinct names it is far less. */
        const struct results_file *f = &files[i];
        for (size_t j = 0; j < f->sample_count; j++) {
            bool seen = false;
            for (size_t k = 0; k < j && !seen; k++)
                seen = strcmp(f->samples[k].name, f->samples[j].name) == 0 &&
                       f->samples[k].run == f->samples[j].run;
            samples += !seen;
        }
    }
    s->cases = arena_alloc(&s->arena, samples * sizeof *s->cases);
    if (!s->cases) return err_nomem(e);
    for (size_t i = 0; i < count; i++) TRY(collect(s, i, e));
    for (size_t i = 0; i < s->case_count; i++) {
        order(&s->cases[i]);
        TRY(fill(s, &s->cases[i], e));
    }
    return summary_judge(s, e);
}

void summary_release(struct summary *s) {
    arena_release(&s->arena);
}
