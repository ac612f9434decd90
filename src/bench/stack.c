#include "bench/stack.h"

#include "base/buf.h"
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { STACK_YAML_MAX = 1 << 16 };

struct reader {
    struct stack *s;
    const char *variant; /* whose settings are wanted; NULL: none's */
    yaml_document_t *doc;
    char file[PATH_MAX];
    struct err *e;
};

static int fail(const struct reader *r, const yaml_node_t *at, const char *key, const char *what) {
    return err_set(r->e, ERR_INPUT, "%s:%zu: %.64s: %s", r->file, at->start_mark.line + 1, key, what);
}

static const char *text_of(const yaml_node_t *n) {
    return n->type == YAML_SCALAR_NODE ? (const char *)n->data.scalar.value : NULL;
}

static int copy_text(struct reader *r, const char *key, const yaml_node_t *n, const char **out) {
    const char *text = text_of(n);
    if (!text || !*text) return fail(r, n, key, "must be text");
    *out = arena_printf(&r->s->arena, "%s", text);
    return *out ? 0 : err_nomem(r->e);
}

static int copy_list(struct reader *r, const char *key, const yaml_node_t *n, const char **out) {
    if (n->type != YAML_SEQUENCE_NODE) return fail(r, n, key, "must be a list");
    size_t count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (count > STACK_LIST_MAX) return fail(r, n, key, "has too many entries");
    for (size_t i = 0; i < count; i++)
        TRY(copy_text(r, key, yaml_document_get_node(r->doc, n->data.sequence.items.start[i]), &out[i]));
    return 0;
}

/* Called for each pair of a mapping, at its index. */
typedef int pair_fn(struct reader *r, size_t index, const yaml_node_t *name, const yaml_node_t *value);

static int each_pair(struct reader *r, const char *key, const yaml_node_t *n, pair_fn *fn) {
    if (n->type != YAML_MAPPING_NODE) return fail(r, n, key, "must be a mapping");
    size_t count = (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    if (count > STACK_LIST_MAX) return fail(r, n, key, "has too many entries");
    for (size_t i = 0; i < count; i++)
        TRY(fn(r, i, yaml_document_get_node(r->doc, n->data.mapping.pairs.start[i].key),
               yaml_document_get_node(r->doc, n->data.mapping.pairs.start[i].value)));
    return 0;
}

static int read_variable(struct reader *r, size_t index, const yaml_node_t *name, const yaml_node_t *value) {
    const char *key = text_of(name), *text = text_of(value);
    if (!key || !*key || strchr(key, '=') || !text)
        return fail(r, name, "env", "must be of the form NAME: text");
    r->s->env[index] = arena_printf(&r->s->arena, "%s=%s", key, text);
    return r->s->env[index] ? 0 : err_nomem(r->e);
}

static int read_setting(struct reader *r, size_t index, const yaml_node_t *name, const yaml_node_t *value) {
    const char *key = text_of(name);
    (void)index;
    if (key && strcmp(key, "env") == 0) return each_pair(r, key, value, read_variable);
    if (key && strcmp(key, "note") == 0) return copy_text(r, key, value, &r->s->note);
    return fail(r, name, "variants", "a variant has env and note");
}

static int read_variant(struct reader *r, size_t index, const yaml_node_t *name, const yaml_node_t *value) {
    TRY(copy_text(r, "variants", name, &r->s->variants[index]));
    bool wanted = r->variant && strcmp(r->variant, r->s->variants[index]) == 0;
    return wanted ? each_pair(r, r->variant, value, read_setting) : 0;
}

static int read_key(struct reader *r, const yaml_node_t *name, const yaml_node_t *value) {
    struct stack *s = r->s;
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"name", &s->name},       {"title", &s->title},   {"url", &s->url},
                 {"made_by", &s->made_by}, {"colour", &s->colour}, {"profiler", &s->profiler}};
    const char *key = text_of(name);
    if (!key) return fail(r, name, "stack.yaml", "a key must be a word");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(key, texts[i].key) == 0) return copy_text(r, key, value, texts[i].out);
    if (strcmp(key, "backends") == 0) return copy_list(r, key, value, s->backends);
    if (strcmp(key, "features") == 0) return copy_list(r, key, value, s->features);
    if (strcmp(key, "variants") == 0) return each_pair(r, key, value, read_variant);
    if (strcmp(key, "versions") == 0) {
        s->versions = arena_zalloc(&s->arena, (STACK_LIST_MAX + 1) * sizeof *s->versions);
        if (!s->versions) return err_nomem(r->e);
        TRY(copy_list(r, key, value, s->versions));
        return *s->versions ? 0 : fail(r, value, key, "must name a command");
    }
    return fail(r, name, key,
                "unknown key; allowed: name, title, url, made_by, versions, backends, features, colour, "
                "profiler, variants");
}

static int read_document(struct reader *r, const char *name) {
    yaml_node_t *root = yaml_document_get_root_node(r->doc);
    if (!root || root->type != YAML_MAPPING_NODE)
        return err_set(r->e, ERR_INPUT, "%s: must be a mapping (key: value)", r->file);
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start; pair < root->data.mapping.pairs.top; pair++)
        TRY(read_key(r, yaml_document_get_node(r->doc, pair->key),
                     yaml_document_get_node(r->doc, pair->value)));
    if (!r->s->name || strcmp(r->s->name, name) != 0)
        return err_set(r->e, ERR_INPUT, "%s: name must be \"%s\", as its folder is called", r->file, name);
    return 0;
}

static int parse(struct reader *r, const struct buf *text, const char *name) {
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser)) return err_nomem(r->e);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text->data, text->len);
    int rc = 0;
    if (yaml_parser_load(&parser, &doc)) {
        r->doc = &doc;
        rc = read_document(r, name);
        yaml_document_delete(&doc);
    } else {
        rc = err_set(r->e, ERR_INPUT, "%s:%zu: not YAML: %s", r->file, parser.problem_mark.line + 1,
                     parser.problem ? parser.problem : "unreadable");
    }
    yaml_parser_delete(&parser);
    return rc;
}

static int read_folder(struct stack *s, const char *root, const char *folder, const char *variant,
                       struct err *e) {
    *s = (struct stack){0};
    arena_init(&s->arena);
    struct reader r = {.s = s, .variant = variant, .e = e};
    if (strchr(folder, '/') || *folder == '.' ||
        (size_t)snprintf(s->dir, sizeof s->dir, "%s/%s", root, folder) >= sizeof s->dir ||
        (size_t)snprintf(r.file, sizeof r.file, "%s/stack.yaml", s->dir) >= sizeof r.file)
        return err_set(e, ERR_INPUT, "\"%.100s\" is not a stack's name", folder);
    if (!file_exists(r.file))
        return err_set(e, ERR_INPUT, "no stack \"%s\" in %s; see weir stack list", folder, root);
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read_all(r.file, &text, STACK_YAML_MAX, e);
    if (!rc) rc = parse(&r, &text, folder);
    buf_release(&text);
    s->folder = s->name;
    return rc;
}

static bool has(const char *const *names, const char *name) {
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

/* The first stack that has the variant; what cannot be read is not looked at. */
static bool find_variant(struct stack *s, const char *root, const char *name) {
    struct arena arena;
    const char **folders = NULL;
    size_t count = 0;
    bool found = false;
    struct err e = {0};
    arena_init(&arena);
    if (stack_names(root, &arena, &folders, &count, &e)) count = 0;
    for (size_t i = 0; i < count && !found; i++) {
        found = read_folder(s, root, folders[i], name, &e) == 0 && has(s->variants, name);
        if (!found) stack_release(s);
    }
    arena_release(&arena);
    return found;
}

int stack_read(struct stack *s, const char *root, const char *name, struct err *e) {
    struct stack other;
    struct err absent = {0};
    int rc = read_folder(s, root, name, NULL, &absent);
    if (!rc || file_exists(s->dir) || !find_variant(&other, root, name)) {
        if (rc) *e = absent;
        return rc;
    }
    stack_release(s);
    *s = other;
    s->name = arena_printf(&s->arena, "%s", name);
    return s->name ? 0 : err_nomem(e);
}

bool stack_has_feature(const struct stack *s, const char *name) {
    return has(s->features, name);
}

void stack_release(struct stack *s) {
    arena_release(&s->arena);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

int stack_names(const char *root, struct arena *arena, const char ***names, size_t *count, struct err *e) {
    enum { STACKS_MAX = 256 };
    const char **found = arena_alloc(arena, STACKS_MAX * sizeof *found);
    if (!found) return err_nomem(e);
    DIR *d = opendir(root);
    if (!d) return err_errno(e, ERR_INPUT, "could not list the stacks in \"%s\"", root);
    size_t n = 0;
    int rc = 0;
    for (struct dirent *entry; !rc && n < STACKS_MAX && (entry = readdir(d));) {
        char file[PATH_MAX];
        if (entry->d_name[0] == '.') continue;
        if ((size_t)snprintf(file, sizeof file, "%s/%s/stack.yaml", root, entry->d_name) >= sizeof file)
            continue;
        if (!file_exists(file)) continue;
        found[n] = arena_printf(arena, "%s", entry->d_name);
        if (!found[n++]) rc = err_nomem(e);
    }
    closedir(d);
    if (rc) return rc;
    qsort(found, n, sizeof *found, by_name);
    *names = found;
    *count = n;
    return 0;
}
