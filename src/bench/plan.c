#include "bench/plan.h"

#include "base/random.h"
#include "bench/plan_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS = 10, QUICK_BUDGET_S = 900 };

/* ---- data ---- */

static const struct plan_data sizes[] = {
    {.name = "tiny", .size_bytes = UINT64_C(4000000)},
    {.name = "small", .size_bytes = UINT64_C(64000000)},
    {.name = "medium", .size_bytes = UINT64_C(1000000000)},
    {.name = "large", .size_bytes = UINT64_C(10000000000)},
};

static struct plan_data *add_data(struct plan *p, const char *name) {
    struct plan_data *d = &p->data[p->data_count++];
    *d = (struct plan_data){.name = name, .format = "csv", .dirt = "some", .seed = 1, .files = 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (str_eq(str_of(sizes[i].name), str_of(name))) d->size_bytes = sizes[i].size_bytes;
    return d;
}

static bool is_word(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static const char *const formats[] = {"csv", "parquet", NULL};

static int read_data_mapping(const struct plan_reader *r, const json_t *o, const struct plan_context *c) {
    static const char *const keys[] = {"name", "size", "rows", "seed", "format", "dirt", "files", NULL};
    static const char *const dirts[] = {"none", "some", "much", NULL};
    const char *wanted[2];
    size_t count;
    TRY(plan_only_keys(r, o, "data", keys));
    const char *name = NULL;
    TRY(plan_read_text(r, o, "name", &name));
    if (!name || strpbrk(name, "/ \t"))
        return plan_wrong(r, "data", "each needs a name, without / and blanks");
    struct plan_data *d = add_data(r->p, name);
    int64_t seed = 1, files = 1, rows = 0;
    TRY(plan_read_whole(r, o, "seed", 0, INT64_MAX, &seed));
    TRY(plan_read_whole(r, o, "files", 1, 10000, &files));
    TRY(plan_read_whole(r, o, "rows", 1, INT64_C(1) << 40, &rows));
    TRY(plan_read_words(r, o, "format", formats, wanted, 2, &count));
    if (count) d->format = wanted[0];
    TRY(plan_read_text(r, o, "dirt", &d->dirt));
    if (!is_word(d->dirt, dirts)) return plan_wrong(r, "dirt", "must be none, some or much");
    if (rows && json_object_get(o, "size")) return plan_wrong(r, "data", "give either size or rows");
    if (rows) d->size_bytes = 0;
    TRY(plan_read_size(r, o, "size", &d->size_bytes));
    d->rows = (uint64_t)rows;
    d->seed = (uint64_t)seed;
    d->files = (unsigned)files;
    if (!d->rows && !d->size_bytes && !c->own_input)
        return plan_wrong(r, "data", "\"%s\" needs a size or rows; tiny, small, medium and large have one",
                          name);
    if (d->rows && c->own_input)
        return plan_wrong(r, "data", "\"%s\": with --input, say a size, or nothing for all of it", name);
    if (count < 2) return 0;
    /* The same rows twice: that needs their number, since a size means each format's own bytes. */
    if (!d->rows)
        return plan_wrong(r, "data", "\"%s\" in two formats needs rows, so that both hold the same ones",
                          name);
    if (r->p->data_count == PLAN_DATA_MAX)
        return plan_wrong(r, "data", "has more than %d entries", PLAN_DATA_MAX);
    struct plan_data *other = &r->p->data[r->p->data_count++];
    *other = *d;
    other->format = wanted[1];
    return 0;
}

/* No two may be called the same, but for their format. */
static int check_data(const struct plan_reader *r) {
    const struct plan *p = r->p;
    for (unsigned i = 0; i < p->data_count; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcmp(p->data[k].name, p->data[i].name) == 0 &&
                strcmp(p->data[k].format, p->data[i].format) == 0)
                return plan_wrong(r, "data", "two are called \"%s\"", p->data[k].name);
    return 0;
}

static int read_data(const struct plan_reader *r, const json_t *root, const struct plan_context *c) {
    const json_t *v = json_object_get(root, "data");
    if (!v) {
        add_data(r->p, c->own_input ? "all" : "small");
        return 0;
    }
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n < 1 || n > PLAN_DATA_MAX) return plan_wrong(r, "data", "must have 1 to %d entries", PLAN_DATA_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v;
        const char *name = json_string_value(one);
        if (r->p->data_count == PLAN_DATA_MAX)
            return plan_wrong(r, "data", "has more than %d entries", PLAN_DATA_MAX);
        if (!name) {
            TRY(read_data_mapping(r, one, c));
        } else {
            const char *copy = arena_printf(&r->p->arena, "%s", name);
            if (!copy) return err_nomem(r->e);
            struct plan_data *d = add_data(r->p, copy);
            if (!d->size_bytes && !(c->own_input && strcmp(name, "all") == 0))
                return plan_wrong(r, "data",
                                  "\"%s\" is none of tiny, small, medium, large; give {name, size}", name);
        }
    }
    return check_data(r);
}

/* ---- resources, stacks ---- */

/* What one run may have when nobody says: all CPUs, and 4 GB or three quarters of what the machine has. */
static struct plan_resources default_resources(const struct plan_context *c) {
    uint64_t most = c->memory_bytes / 4 * 3, usual = UINT64_C(4000000000);
    return (struct plan_resources){.cpus = c->cpus, .memory_bytes = most < usual ? most : usual};
}

/* What cases are made of, beside data: all combinations. */
struct axes {
    bool warm, cold, strict, idiomatic;
    struct plan_resources resources[PLAN_RESOURCES_MAX];
    unsigned resource_count, repetitions;
};

static int read_resources(const struct plan_reader *r, const json_t *o, const struct plan_context *c,
                          struct axes *axes) {
    static const char *const keys[] = {"cpus", "memory", NULL};
    const json_t *v = json_object_get(o, "resources");
    if (!v) return 0;
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (n < 1 || n > PLAN_RESOURCES_MAX)
        return plan_wrong(r, "resources", "must have 1 to %d entries", PLAN_RESOURCES_MAX);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(v) ? json_array_get(v, i) : v, *cpus;
        struct plan_resources *out = &axes->resources[i];
        *out = default_resources(c);
        TRY(plan_only_keys(r, one, "resources", keys));
        TRY(plan_read_size(r, one, "memory", &out->memory_bytes));
        if ((cpus = json_object_get(one, "cpus"))) out->cpus = json_number_value(cpus);
        if (!(out->cpus >= 0.1 && out->cpus <= c->cpus))
            return plan_wrong(r, "resources.cpus", "must be 0.1 to %u, the CPUs of this machine", c->cpus);
        if (out->memory_bytes > c->memory_bytes)
            return plan_wrong(r, "resources.memory", "is more than this machine's memory");
    }
    axes->resource_count = (unsigned)n;
    return 0;
}

static int read_axes(const struct plan_reader *r, const json_t *o, const struct plan_context *c,
                     struct axes *axes) {
    int64_t repetitions = axes->repetitions;
    TRY(read_resources(r, o, c, axes));
    TRY(plan_read_choice(r, o, "cache", "warm", "cold", &axes->warm, &axes->cold));
    TRY(plan_read_choice(r, o, "parsing", "strict", "idiomatic", &axes->strict, &axes->idiomatic));
    TRY(plan_read_whole(r, o, "repetitions", 1, 10000, &repetitions));
    axes->repetitions = c->repetitions ? c->repetitions : (unsigned)repetitions;
    return 0;
}

static int take_stacks(struct plan *p, const char *const *names, unsigned count, struct err *e) {
    if (count < 1 || count > PLAN_STACKS_MAX)
        return err_set(e, ERR_INPUT, "a benchmark needs 1 to %d stacks", PLAN_STACKS_MAX);
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                return err_set(e, ERR_INPUT, "stack \"%s\" is named twice", names[i]);
        p->stacks[i] = arena_printf(&p->arena, "%s", names[i]);
        if (!p->stacks[i]) return err_nomem(e);
    }
    p->stack_count = count;
    return 0;
}

static int read_stacks(const struct plan_reader *r, const json_t *root, const struct plan_context *c) {
    const json_t *v = json_object_get(root, "stacks");
    const char *names[PLAN_STACKS_MAX];
    size_t n = json_array_size(v);
    if (c->stacks) return take_stacks(r->p, c->stacks, c->stack_count, r->e);
    if (!json_is_array(v) || n < 1 || n > PLAN_STACKS_MAX)
        return plan_wrong(r, "stacks", "must be a list of stacks; see weir stack list");
    for (size_t i = 0; i < n; i++)
        if (!(names[i] = json_string_value(json_array_get(v, i))))
            return plan_wrong(r, "stacks", "must be a list of names");
    return take_stacks(r->p, names, (unsigned)n, r->e);
}

/* ---- cases ---- */

static int add_case(struct plan *p, const struct plan_case *made, struct err *e) {
    const struct plan_resources *q = &made->resources;
    const struct plan_data *d = &p->data[made->data];
    char memory[32];
    if (p->case_count == PLAN_CASES_MAX)
        return err_set(e, ERR_INPUT, "the plan has more than %d cases", PLAN_CASES_MAX);
    bool giga = q->memory_bytes >= 1000000000;
    snprintf(memory, sizeof memory, "%.4g%s", (double)q->memory_bytes / (giga ? 1e9 : 1e6),
             giga ? "GB" : "MB");
    struct plan_case *out = &p->cases[p->case_count++];
    *out = *made;
    out->name = arena_printf(&p->arena, "%s/%s/%s/%s/%gcpu/%s%s", d->name, d->format,
                             made->strict ? "strict" : "idiomatic", made->cold ? "cold" : "warm", q->cpus,
                             memory, p->containers ? "/container" : "");
    if (!out->name) return err_nomem(e);
    for (unsigned i = 0; i + 1 < p->case_count; i++)
        if (strcmp(p->cases[i].name, out->name) == 0)
            return err_set(e, ERR_INPUT, "the plan has the case %s twice", out->name);
    if (made->repetitions > p->repetitions) p->repetitions = made->repetitions;
    p->cold = p->cold || made->cold;
    return 0;
}

static int make_cases(struct plan *p, unsigned data, const struct axes *a, struct err *e) {
    for (int parsing = 0; parsing < 2; parsing++)
        for (int cache = 0; cache < 2; cache++)
            for (unsigned q = 0; q < a->resource_count; q++) {
                const struct plan_case made = {.data = data,
                                               .strict = !parsing,
                                               .cold = cache,
                                               .resources = a->resources[q],
                                               .repetitions = a->repetitions};
                if ((parsing ? a->idiomatic : a->strict) && (cache ? a->cold : a->warm))
                    TRY(add_case(p, &made, e));
            }
    return 0;
}

/* One entry of `cases`: some of the data, and what differs from the plan's own keys. */
static int read_case(const struct plan_reader *r, const json_t *o, const struct plan_context *c,
                     const struct axes *whole) {
    static const char *const keys[] = {"data",      "format",      "parsing", "cache",
                                       "resources", "repetitions", NULL};
    struct plan *p = r->p;
    const char *names[PLAN_DATA_MAX + 1] = {NULL}, *data[PLAN_DATA_MAX], *format[2];
    size_t data_count, format_count;
    struct axes axes = *whole;
    bool any = false;
    TRY(plan_only_keys(r, o, "cases", keys));
    for (unsigned i = 0; i < p->data_count; i++) names[i] = p->data[i].name;
    TRY(plan_read_words(r, o, "data", names, data, PLAN_DATA_MAX, &data_count));
    TRY(plan_read_words(r, o, "format", formats, format, 2, &format_count));
    TRY(read_axes(r, o, c, &axes));
    for (unsigned i = 0; i < p->data_count; i++) {
        bool wanted = !data_count, right = !format_count;
        for (size_t k = 0; k < data_count; k++) wanted = wanted || strcmp(data[k], p->data[i].name) == 0;
        for (size_t k = 0; k < format_count; k++) right = right || strcmp(format[k], p->data[i].format) == 0;
        any = any || (wanted && right);
        if (wanted && right) TRY(make_cases(p, i, &axes, r->e));
    }
    return any ? 0 : plan_wrong(r, "cases", "no data of the plan is in the format \"%s\"", format[0]);
}

static int read_cases(const struct plan_reader *r, const json_t *root, const struct plan_context *c,
                      const struct axes *axes) {
    const json_t *v = json_object_get(root, "cases"), *one;
    size_t i;
    if (v && (!json_is_array(v) || !json_array_size(v)))
        return plan_wrong(r, "cases", "must be a list of mappings, such as {data: small, cache: cold}");
    for (unsigned d = 0; !v && d < r->p->data_count; d++) TRY(make_cases(r->p, d, axes, r->e));
    json_array_foreach(v, i, one) TRY(read_case(r, one, c, axes));
    return 0;
}

/* ---- whole plans ---- */

static void set_defaults(struct plan *p) {
    *p = (struct plan){.seed = 1, .timeout_s = 3600};
    arena_init(&p->arena);
    p->least = 6;
}

static struct axes default_axes(const struct plan_context *c) {
    return (struct axes){.warm = true,
                         .strict = true,
                         .resources = {default_resources(c)},
                         .resource_count = 1,
                         .repetitions = c->repetitions ? c->repetitions : RUNS};
}

/* 0.05 or "5%". */
static int read_aa(const struct plan_reader *r, const json_t *root) {
    struct plan *p = r->p;
    const json_t *v = json_object_get(root, "aa");
    p->aa = p->stacks[0];
    if (json_is_false(v)) return p->aa = NULL, 0;
    if (!v) return 0;
    TRY(plan_read_text(r, root, "aa", &p->aa));
    for (unsigned i = 0; i < p->stack_count; i++)
        if (strcmp(p->stacks[i], p->aa) == 0) return 0;
    return plan_wrong(r, "aa", "\"%s\" is none of the plan's stacks", p->aa);
}

/* A registry's host, by what tells it from a user of Docker Hub (a dot, a port, or "localhost"), and what may
 * follow it in an image's name. What is none would name other images, such as those that were built here. */
static bool is_registry(const char *name) {
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:/[]";
    size_t len = strlen(name), host = strcspn(name, "/");
    if (!host || len > 200 || name[len - 1] == '/' || strstr(name, "//") || name[strspn(name, allowed)])
        return false;
    if (host == 9 && strncmp(name, "localhost", 9) == 0) return true;
    return (memchr(name, '.', host) || memchr(name, ':', host)) && name[host - 1] != ':';
}

/* Where runs take place; the command line's word counts more than the plan's. */
static int take_backend(struct plan *p, const char *backend, const struct plan_context *c, struct err *e) {
    if (c->backend) backend = c->backend;
    if (c->registry) p->registry = c->registry;
    if (strcmp(backend, "process") != 0 && strcmp(backend, "container") != 0)
        return err_set(e, ERR_INPUT, "backend: \"%.40s\" is neither process nor container", backend);
    p->containers = strcmp(backend, "container") == 0;
    if (p->registry && !p->containers)
        return err_set(e, ERR_INPUT, "registry: only containers have images; say backend: container");
    if (p->registry && !is_registry(p->registry))
        return err_set(
            e, ERR_INPUT,
            "registry: \"%.100s\" is none: write HOST:PORT, or HOST:PORT/FOLDER, without a scheme, such as "
            "127.0.0.1:5000",
            p->registry);
    if (p->containers && (p->serve_jobs || p->profile))
        return err_set(e, ERR_INPUT,
                       "serve and profile are studies of processes; leave backend: container out");
    return 0;
}

static int read_plan(const struct plan_reader *r, const json_t *root, const struct plan_context *c) {
    static const char *const keys[] = {"name",           "stacks",      "data",     "cases",     "resources",
                                       "backend",        "repetitions", "cache",    "parsing",   "seed",
                                       "timeout",        "budget",      "aa",       "precision", "serve",
                                       "minimum_memory", "profile",     "registry", NULL};
    struct plan *p = r->p;
    struct axes axes = default_axes(c);
    const char *backend = "process";
    int64_t seed = 1, serve = 0;
    TRY(plan_only_keys(r, root, "plan", keys));
    TRY(plan_read_text(r, root, "name", &p->name));
    TRY(plan_read_text(r, root, "backend", &backend));
    TRY(plan_read_text(r, root, "registry", &p->registry));
    TRY(read_stacks(r, root, c));
    TRY(read_data(r, root, c));
    TRY(read_axes(r, root, c, &axes));
    TRY(plan_read_whole(r, root, "seed", 0, INT64_MAX, &seed));
    TRY(plan_read_whole(r, root, "serve", 2, 1000, &serve));
    TRY(plan_read_duration(r, root, "timeout", &p->timeout_s));
    TRY(plan_read_share(r, root, "precision", &p->precision));
    TRY(plan_read_duration(r, root, "budget", &p->budget_s));
    TRY(read_aa(r, root));
    TRY(plan_read_yes(r, root, "minimum_memory", &p->minimum_memory));
    TRY(plan_read_yes(r, root, "profile", &p->profile));
    p->seed = (uint64_t)seed;
    p->serve_jobs = (unsigned)serve;
    if (take_backend(p, backend, c, r->e)) return err_prefix(r->e, "%s", r->file);
    return read_cases(r, root, c, &axes);
}

int plan_init(struct plan *p, const json_t *root, const char *file, const struct plan_context *c,
              struct err *e) {
    const struct plan_reader r = {.p = p, .file = file, .e = e};
    set_defaults(p);
    TRY(read_plan(&r, root, c));
    if (!p->name) {
        const char *slash = strrchr(file, '/');
        p->name = arena_printf(&p->arena, "%s", slash ? slash + 1 : file);
    }
    return p->name ? 0 : err_nomem(e);
}

int plan_init_quick(struct plan *p, const char *const *stacks, unsigned count, const struct plan_context *c,
                    struct err *e) {
    set_defaults(p);
    p->name = "quick";
    if (!c->repetitions) p->budget_s = QUICK_BUDGET_S;
    p->timeout_s = 600;
    TRY(take_stacks(p, stacks, count, e));
    TRY(take_backend(p, "process", c, e));
    struct plan_data *d = add_data(p, "small");
    if (c->own_input && c->input_bytes <= d->size_bytes) {
        d->name = "all";
        d->size_bytes = 0;
    }
    const struct axes axes = default_axes(c);
    p->aa = p->stacks[0];
    return make_cases(p, 0, &axes, e);
}

void plan_release(struct plan *p) {
    arena_release(&p->arena);
}

json_t *plan_json(const struct plan *p) {
    json_t *stacks = json_array(), *data = json_array(), *cases = json_array();
    for (unsigned i = 0; i < p->stack_count; i++) json_array_append_new(stacks, json_string(p->stacks[i]));
    for (unsigned i = 0; i < p->data_count; i++) {
        const struct plan_data *d = &p->data[i];
        json_array_append_new(data, json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:i}", "name", d->name, "format",
                                              d->format, "dirt", d->dirt, "size_bytes",
                                              (json_int_t)d->size_bytes, "rows", (json_int_t)d->rows, "seed",
                                              (json_int_t)d->seed, "files", (int)d->files));
    }
    json_t *repetitions = json_array();
    for (unsigned i = 0; i < p->case_count; i++) {
        json_array_append_new(cases, json_string(p->cases[i].name));
        json_array_append_new(repetitions, json_integer(p->cases[i].repetitions));
    }
    return json_pack("{s:s,s:s,s:s*,s:o,s:o,s:o,s:i,s:o,s:f,s:I,s:f,s:f,s:s?,s:i,s:b,s:b}", "name", p->name,
                     "backend", p->containers ? "container" : "process", "registry", p->registry, "stacks",
                     stacks, "data", data, "cases", cases, "repetitions", (int)p->repetitions,
                     "case_repetitions", repetitions, "precision", p->precision, "seed", (json_int_t)p->seed,
                     "timeout_s", p->timeout_s, "budget_s", p->budget_s, "aa", p->aa, "serve",
                     (int)p->serve_jobs, "minimum_memory", (int)p->minimum_memory, "profile",
                     (int)p->profile);
}

const char *plan_image(const struct plan *p, const char *stack, struct arena *arena) {
    const char *registry = p->registry ? p->registry : "";
    return arena_printf(arena, "%s%sweir-%s:latest", registry, *registry ? "/" : "", stack);
}

unsigned plan_case_samples(const struct plan *p) {
    return p->stack_count + (p->aa ? 1 : 0);
}

int plan_order(const struct plan *p, struct plan_step **out, unsigned *count, struct err *e) {
    struct rng rng;
    size_t most = (size_t)p->repetitions * p->case_count * plan_case_samples(p);
    struct plan_step *steps = calloc(most ? most : 1, sizeof *steps);
    if (!steps) return err_nomem(e);
    rng_init(&rng, p->seed, 0);
    unsigned n = 0;
    for (unsigned r = 0; r < p->repetitions; r++) {
        unsigned first = n;
        for (unsigned c = 0; c < p->case_count; c++)
            for (unsigned s = 0; r < p->cases[c].repetitions && s < p->stack_count; s++) {
                bool twin = p->aa && strcmp(p->aa, p->stacks[s]) == 0;
                steps[n++] = (struct plan_step){r + 1, c, s, twin ? 'a' : 0};
                if (twin) steps[n++] = (struct plan_step){r + 1, c, s, 'b'};
            }
        for (unsigned i = n; i > first + 1; i--) { /* Fisher and Yates */
            unsigned k = first + (unsigned)rng_below(&rng, i - first);
            struct plan_step swap = steps[i - 1];
            steps[i - 1] = steps[k];
            steps[k] = swap;
        }
    }
    *out = steps;
    *count = n;
    return 0;
}
