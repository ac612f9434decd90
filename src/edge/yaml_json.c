#include "edge/yaml_json.h"

#include "base/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

enum { DEPTH_MAX = 16, NODES_MAX = 20000 };

struct reader {
    yaml_document_t *doc;
    const char *file;
    unsigned nodes;
    struct err *e;
};

static int fail(const struct reader *r, const yaml_node_t *at, const char *what) {
    return err_set(r->e, ERR_INPUT, "%s:%zu: %s", r->file, at->start_mark.line + 1, what);
}

static json_t *plain(const char *text) {
    char *end;
    if (!*text || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0) return json_null();
    if (strcasecmp(text, "true") == 0) return json_true();
    if (strcasecmp(text, "false") == 0) return json_false();
    errno = 0;
    long long whole = strtoll(text, &end, 10);
    if (!*end && !errno) return json_integer(whole);
    double real = strtod(text, &end);
    if (!*end && strspn(text, "+-.0123456789eE") == strlen(text)) return json_real(real);
    return json_string(text);
}

static int convert(struct reader *r, int index, unsigned depth, json_t **out);

static int convert_mapping(struct reader *r, const yaml_node_t *n, unsigned depth, json_t *o) {
    for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top; p++) {
        const yaml_node_t *key = yaml_document_get_node(r->doc, p->key);
        if (key->type != YAML_SCALAR_NODE) return fail(r, key, "a key must be a word");
        const char *name = (const char *)key->data.scalar.value;
        if (json_object_get(o, name)) return fail(r, key, "a key is given twice");
        json_t *value = NULL;
        TRY(convert(r, p->value, depth + 1, &value));
        if (json_object_set_new(o, name, value)) return fail(r, key, "not UTF-8");
    }
    return 0;
}

static int convert_list(struct reader *r, const yaml_node_t *n, unsigned depth, json_t *list) {
    for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top; i++) {
        json_t *value = NULL;
        TRY(convert(r, *i, depth + 1, &value));
        if (json_array_append_new(list, value)) return err_nomem(r->e);
    }
    return 0;
}

static int convert(struct reader *r, int index, unsigned depth, json_t **out) {
    const yaml_node_t *n = yaml_document_get_node(r->doc, index);
    if (depth > DEPTH_MAX || ++r->nodes > NODES_MAX) return fail(r, n, "too deep or too large");
    if (n->type == YAML_SCALAR_NODE) {
        const char *text = (const char *)n->data.scalar.value;
        *out = n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain(text) : json_string(text);
        return *out ? 0 : fail(r, n, "not UTF-8");
    }
    bool list = n->type == YAML_SEQUENCE_NODE;
    json_t *o = list ? json_array() : json_object();
    int rc = list ? convert_list(r, n, depth, o) : convert_mapping(r, n, depth, o);
    if (rc)
        json_decref(o);
    else
        *out = o;
    return rc;
}

int yaml_json_parse(const char *text, size_t len, const char *file, json_t **out, struct err *e) {
    yaml_parser_t parser;
    yaml_document_t doc;
    if (!yaml_parser_initialize(&parser)) return err_nomem(e);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = 0;
    if (yaml_parser_load(&parser, &doc)) {
        struct reader r = {.doc = &doc, .file = file, .e = e};
        if (yaml_document_get_root_node(&doc))
            rc = convert(&r, 1, 0, out);
        else if (!(*out = json_object()))
            rc = err_nomem(e);
        yaml_document_delete(&doc);
    } else {
        rc = err_set(e, ERR_INPUT, "%s:%zu: not YAML: %s", file, parser.problem_mark.line + 1,
                     parser.problem ? parser.problem : "unreadable");
    }
    yaml_parser_delete(&parser);
    return rc;
}

int yaml_json_read(const char *path, json_t **out, struct err *e) {
    struct buf text;
    buf_init(&text, 0);
    int rc = file_read_all(path, &text, YAML_JSON_MAX, e);
    if (!rc) rc = yaml_json_parse((const char *)text.data, text.len, path, out, e);
    buf_release(&text);
    return rc;
}
