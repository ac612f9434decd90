/* pipeline.yaml by tables: each key has a function that reads its value. libyaml's document form gives every
 * node its line; the schema's fixed depth bounds the walk whatever aliases say. */
#include "etl/pipeline.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <yaml.h>

struct reader {
    struct pipeline *p;
    yaml_document_t *doc;
    const char *file;
    struct err *e;
    char path[256]; /* of the key being read: "input.columns.event_id"; only known keys enter it */
};

struct key {
    const char *name;
    int (*read)(struct reader *r, yaml_node_t *value);
};

static int fail(struct reader *r, const yaml_node_t *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct reader *r, const yaml_node_t *at, const char *fmt, ...) {
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(r->e, ERR_INPUT, "%s:%zu: %s%s%s", r->file, at->start_mark.line + 1, r->path,
                   *r->path ? ": " : "", text);
}

/* Enter a key; returns the length to go back to. */
static size_t enter(struct reader *r, const char *name) {
    size_t len = strlen(r->path);
    snprintf(r->path + len, sizeof r->path - len, "%s%s", len ? "." : "", name);
    return len;
}

static const char *kind(const yaml_node_t *n) {
    return n->type == YAML_MAPPING_NODE ? "a mapping" : n->type == YAML_SEQUENCE_NODE ? "a list" : "a value";
}

static bool is_plain(const yaml_node_t *n) {
    return n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static const char *scalar(const yaml_node_t *n) {
    return (const char *)n->data.scalar.value;
}

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static const char *const true_words[] = {"true", "True", "TRUE", NULL};
static const char *const false_words[] = {"false", "False", "FALSE", NULL};
static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};

/* `key:` with nothing after it (its lines commented out, say) leaves the defaults. */
static bool is_nothing(const yaml_node_t *n) {
    return is_plain(n) && n->data.scalar.length == 0;
}

static void join_names(const struct key *keys, size_t count, char *out, size_t cap) {
    size_t at = 0;
    *out = 0;
    for (size_t i = 0; i < count && at < cap; i++)
        at += (size_t)snprintf(out + at, cap - at, "%s%s", i ? ", " : "", keys[i].name);
}

static int read_mapping(struct reader *r, yaml_node_t *node, const struct key *keys, size_t count,
                        uint32_t *seen) {
    *seen = 0;
    if (is_nothing(node)) return 0;
    if (node->type != YAML_MAPPING_NODE)
        return fail(r, node, "must be a mapping (key: value), not %s", kind(node));
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *name = yaml_document_get_node(r->doc, pair->key);
        yaml_node_t *value = yaml_document_get_node(r->doc, pair->value);
        if (name->type != YAML_SCALAR_NODE) return fail(r, name, "a key must be a word, not %s", kind(name));
        size_t i = 0;
        while (i < count && strcmp(keys[i].name, scalar(name)) != 0) i++;
        if (i == count) {
            char allowed[256];
            join_names(keys, count, allowed, sizeof allowed);
            return fail(r, name, "unknown key \"%.100s\"; allowed: %s", scalar(name), allowed);
        }
        if (*seen & UINT32_C(1) << i) return fail(r, name, "key \"%s\" is given twice", keys[i].name);
        *seen |= UINT32_C(1) << i;
        size_t back = enter(r, keys[i].name);
        TRY(keys[i].read(r, value));
        r->path[back] = 0;
    }
    return 0;
}

static int read_bool(struct reader *r, yaml_node_t *n, bool *out) {
    if (is_plain(n) && is_one_of(scalar(n), true_words)) return *out = true, 0;
    if (is_plain(n) && is_one_of(scalar(n), false_words)) return *out = false, 0;
    return fail(r, n, "must be true or false");
}

/* One of `count` words; its index. */
static int read_word(struct reader *r, yaml_node_t *n, const char *const *words, int count, int *out) {
    for (int i = 0; n->type == YAML_SCALAR_NODE && i < count; i++)
        if (strcmp(scalar(n), words[i]) == 0) return *out = i, 0;
    char allowed[128];
    size_t at = 0;
    for (int i = 0; i < count; i++)
        at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s%s", i ? ", " : "", words[i]);
    return fail(r, n, "must be one of: %s", allowed);
}

static bool is_number(const char *text) {
    size_t digits = 0, other = 0;
    for (; *text; text++) {
        if (*text >= '0' && *text <= '9')
            digits++;
        else if (!strchr("+-.eE_", *text))
            other++;
    }
    return digits && !other;
}

/* Bytes that would be invisible, or that YAML would not carry back: C0, DEL, C1, U+2028, U+2029, U+FEFF. */
static bool has_control(const unsigned char *s, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (s[i] < 0x20 || s[i] == 0x7f) return true;
        if (s[i] == 0xc2 && i + 1 < len && s[i + 1] < 0xa0) return true;
        if (s[i] == 0xe2 && i + 2 < len && s[i + 1] == 0x80 && (s[i + 2] == 0xa8 || s[i + 2] == 0xa9))
            return true;
        if (s[i] == 0xef && i + 2 < len && s[i + 1] == 0xbb && s[i + 2] == 0xbf) return true;
        if (s[i] == 0xef && i + 2 < len && s[i + 1] == 0xbf && s[i + 2] >= 0xbe) return true;
    }
    return false;
}

/* A scalar's bytes, checked as every text is: length, no control characters, no blanks around it (fields are
 * trimmed before they are compared, 2.2). */
static int read_raw_text(struct reader *r, yaml_node_t *n, struct str *out) {
    if (n->type != YAML_SCALAR_NODE) return fail(r, n, "must be text, not %s", kind(n));
    size_t len = n->data.scalar.length;
    const char *s = scalar(n);
    if (len > PIPELINE_NAME_MAX)
        return fail(r, n, "is %zu bytes long; at most %d are allowed", len, PIPELINE_NAME_MAX);
    if (has_control(n->data.scalar.value, len)) return fail(r, n, "must not hold control characters");
    if (len && (s[0] == ' ' || s[len - 1] == ' ')) return fail(r, n, "must not begin or end with a blank");
    char *copy = arena_copy(&r->p->arena, s, len);
    if (!copy) return err_nomem(r->e);
    *out = (struct str){copy, (uint32_t)len};
    return 0;
}

/* Text that YAML too calls text: 5, true and null need quotes. */
static int check_is_text(struct reader *r, yaml_node_t *n) {
    if (n->type != YAML_SCALAR_NODE) return fail(r, n, "must be text, not %s", kind(n));
    if (!is_plain(n)) return 0;
    const char *s = scalar(n);
    if (is_nothing(n)) return fail(r, n, "has no value");
    if (is_one_of(s, null_words) || is_one_of(s, true_words) || is_one_of(s, false_words) || is_number(s))
        return fail(r, n, "must be text: write \"%.100s\" in quotes", s);
    return 0;
}

static int read_name(struct reader *r, yaml_node_t *n, const char **out) {
    struct str s;
    TRY(check_is_text(r, n));
    TRY(read_raw_text(r, n, &s));
    if (!s.len) return fail(r, n, "must not be empty");
    *out = s.ptr;
    return 0;
}

static int read_columns(struct reader *r, yaml_node_t *node) {
    if (is_nothing(node)) return 0;
    if (node->type != YAML_MAPPING_NODE)
        return fail(r, node, "must be a mapping (column: name in the input), not %s", kind(node));
    bool seen[COLUMN_COUNT] = {false};
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
         pair++) {
        yaml_node_t *name = yaml_document_get_node(r->doc, pair->key);
        if (name->type != YAML_SCALAR_NODE) return fail(r, name, "a key must be a word, not %s", kind(name));
        int i = 0;
        while (i < COLUMN_COUNT && strcmp(column_names[i], scalar(name)) != 0) i++;
        if (i == COLUMN_COUNT)
            return fail(r, name,
                        "unknown key \"%.100s\"; allowed: event_id, user_id, timestamp, page_url, referrer, "
                        "device, ip_address",
                        scalar(name));
        if (seen[i]) return fail(r, name, "key \"%s\" is given twice", column_names[i]);
        seen[i] = true;
        size_t back = enter(r, column_names[i]);
        TRY(read_name(r, yaml_document_get_node(r->doc, pair->value), &r->p->columns[i]));
        r->path[back] = 0;
    }
    return 0;
}

static int read_delimiter(struct reader *r, yaml_node_t *n) {
    TRY(check_is_text(r, n));
    const unsigned char *s = n->data.scalar.value;
    if (n->data.scalar.length != 1 || s[0] >= 0x80 || !s[0] || strchr("\"\r\n", s[0]))
        return fail(r, n,
                    "must be one ASCII character other than the quote, CR and LF, "
                    "for example \";\" or \"\\t\" (in double quotes)");
    r->p->delimiter = (char)s[0];
    return 0;
}

static int read_multiline(struct reader *r, yaml_node_t *n) {
    return read_bool(r, n, &r->p->multiline);
}

static int read_strict(struct reader *r, yaml_node_t *n) {
    return read_bool(r, n, &r->p->strict);
}

static int read_csv(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {
        {"delimiter", read_delimiter}, {"multiline", read_multiline}, {"strict", read_strict}};
    uint32_t seen = 0;
    return read_mapping(r, n, keys, sizeof keys / sizeof *keys, &seen);
}

static int read_keep_name(struct reader *r, yaml_node_t *n) {
    /* Without regard to case: Spark and DuckDB find columns so. */
    static const char *const output[] = {"event_id",   "user_id",       "session_id", "event_seq",
                                         "event_time", "session_start", "page_url",   "referrer",
                                         "device",     "ip_address",    "country"};
    struct keep_column *k = &r->p->keep[r->p->keep_count];
    TRY(read_name(r, n, &k->name));
    for (size_t i = 0; i < sizeof output / sizeof *output; i++)
        if (strcasecmp(k->name, output[i]) == 0)
            return fail(r, n, "\"%s\" is already a column of the events table", k->name);
    for (unsigned i = 0; i < r->p->keep_count; i++)
        if (strcasecmp(k->name, r->p->keep[i].name) == 0)
            return fail(r, n, "\"%s\" is listed twice", k->name);
    return 0;
}

static int read_keep_type(struct reader *r, yaml_node_t *n) {
    int type = 0;
    TRY(read_word(r, n, keep_type_names, KEEP_DOUBLE + 1, &type));
    r->p->keep[r->p->keep_count].type = (enum keep_type)type;
    return 0;
}

/* "path[i]" for list elements. */
static size_t enter_element(struct reader *r, size_t i) {
    size_t len = strlen(r->path);
    snprintf(r->path + len, sizeof r->path - len, "[%zu]", i);
    return len;
}

static int check_list(struct reader *r, yaml_node_t *n, size_t max, size_t *count) {
    if (n->type != YAML_SEQUENCE_NODE) return fail(r, n, "must be a list, not %s", kind(n));
    *count = (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (*count > max) return fail(r, n, "has %zu entries; at most %zu are allowed", *count, max);
    return 0;
}

static int read_keep(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {{"name", read_keep_name}, {"type", read_keep_type}};
    size_t count = 0;
    if (is_nothing(n)) return 0;
    TRY(check_list(r, n, KEEP_MAX, &count));
    r->p->keep_count = 0;
    r->p->keep = arena_zalloc(&r->p->arena, count * sizeof *r->p->keep);
    if (!r->p->keep) return err_nomem(r->e);
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *element = yaml_document_get_node(r->doc, n->data.sequence.items.start[i]);
        uint32_t seen = 0;
        size_t back = enter_element(r, i);
        TRY(read_mapping(r, element, keys, 2, &seen));
        if (seen != 3) return fail(r, element, "needs both name and type, as in {name: status, type: long}");
        r->path[back] = 0;
        r->p->keep_count++;
    }
    return 0;
}

static int read_input(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {{"columns", read_columns}, {"csv", read_csv}, {"keep", read_keep}};
    uint32_t seen = 0;
    return read_mapping(r, n, keys, sizeof keys / sizeof *keys, &seen);
}

static int read_null_tokens(struct reader *r, yaml_node_t *n) {
    size_t count = 0;
    if (is_nothing(n)) return 0;
    TRY(check_list(r, n, NULL_TOKEN_MAX, &count));
    struct str *tokens = arena_alloc(&r->p->arena, count * sizeof *tokens);
    if (!tokens) return err_nomem(r->e);
    unsigned kept = 0;
    for (size_t i = 0; i < count; i++) {
        yaml_node_t *element = yaml_document_get_node(r->doc, n->data.sequence.items.start[i]);
        size_t back = enter_element(r, i);
        /* As written, quotes or not: [null, nan, -1] is what people mean by it. */
        struct str token;
        TRY(read_raw_text(r, element, &token));
        r->path[back] = 0;
        char *text = (char *)token.ptr;
        for (uint32_t j = 0; j < token.len; j++)
            if (text[j] >= 'A' && text[j] <= 'Z') text[j] = (char)(text[j] | 0x20);
        bool known = token.len == 0; /* an empty field is null anyhow (2.3) */
        for (unsigned j = 0; j < kept; j++) known = known || str_eq(tokens[j], token);
        if (!known) tokens[kept++] = token;
    }
    r->p->null_tokens = tokens;
    r->p->null_token_count = kept;
    return 0;
}

static int read_timestamp(struct reader *r, yaml_node_t *n) {
    int form = 0;
    TRY(read_word(r, n, timestamp_form_names, TIMESTAMP_EPOCH_US + 1, &form));
    r->p->timestamp = (enum timestamp_form)form;
    return 0;
}

static int read_clean(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {{"null_tokens", read_null_tokens}, {"timestamp", read_timestamp}};
    uint32_t seen = 0;
    return read_mapping(r, n, keys, sizeof keys / sizeof *keys, &seen);
}

static int read_geo_ip(struct reader *r, yaml_node_t *n) {
    static const char *const words[] = {"keep", "drop"};
    int word = 0;
    TRY(read_word(r, n, words, 2, &word));
    r->p->drop_ip = word == 1;
    return 0;
}

static int read_geo(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {{"ip", read_geo_ip}};
    uint32_t seen = 0;
    return read_mapping(r, n, keys, 1, &seen);
}

/* A thousand years: more than the range of timestamps (2.5), and far from overflow in microseconds. */
static const int64_t gap_seconds_max = INT64_C(31536000000);

static int read_gap(struct reader *r, yaml_node_t *n) {
    int64_t v = 0;
    const char *s = is_plain(n) ? scalar(n) : "";
    size_t len = strspn(s, "0123456789");
    bool ok = len > 0 && len <= 11 && !s[len] && (s[0] != '0' || len == 1); /* 030 is octal to some */
    for (size_t i = 0; ok && i < len; i++) v = v * 10 + (s[i] - '0');
    if (!ok || v > gap_seconds_max)
        return fail(r, n, "must be a whole number of seconds from 0 to %lld", (long long)gap_seconds_max);
    r->p->gap_us = v * 1000000;
    return 0;
}

static int read_sessions(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {{"gap_seconds", read_gap}};
    uint32_t seen = 0;
    return read_mapping(r, n, keys, 1, &seen);
}

static int read_output_name(struct reader *r, yaml_node_t *n, const char **out) {
    TRY(read_name(r, n, out));
    const char *problem = pipeline_name_problem(*out);
    return problem ? fail(r, n, "\"%.100s\" %s", *out, problem) : 0;
}

static int read_namespace(struct reader *r, yaml_node_t *n) {
    return read_output_name(r, n, &r->p->namespace_name);
}

static int read_events(struct reader *r, yaml_node_t *n) {
    return read_output_name(r, n, &r->p->events);
}

static int read_rejects(struct reader *r, yaml_node_t *n) {
    return read_output_name(r, n, &r->p->rejects);
}

static int read_output(struct reader *r, yaml_node_t *n) {
    static const struct key keys[] = {
        {"namespace", read_namespace}, {"events", read_events}, {"rejects", read_rejects}};
    uint32_t seen = 0;
    TRY(read_mapping(r, n, keys, sizeof keys / sizeof *keys, &seen));
    if (strcasecmp(r->p->events, r->p->rejects) == 0)
        return fail(r, n, "events and rejects are both called \"%s\"", r->p->events);
    return 0;
}

static int read_document(struct reader *r, yaml_node_t *root) {
    static const struct key keys[] = {{"input", read_input},
                                      {"clean", read_clean},
                                      {"geo", read_geo},
                                      {"sessions", read_sessions},
                                      {"output", read_output}};
    uint32_t seen = 0;
    return read_mapping(r, root, keys, sizeof keys / sizeof *keys, &seen);
}

static int syntax_error(const yaml_parser_t *parser, const char *file, struct err *e) {
    if (parser->error == YAML_MEMORY_ERROR) return err_nomem(e);
    if (parser->error == YAML_READER_ERROR)
        return err_set(e, ERR_INPUT, "%s: byte %zu: not YAML: %s", file, parser->problem_offset,
                       parser->problem ? parser->problem : "unreadable");
    return err_set(e, ERR_INPUT, "%s:%zu: not YAML: %s%s%s", file, parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "syntax error", parser->context ? " " : "",
                   parser->context ? parser->context : "");
}

static int parse_documents(struct pipeline *p, yaml_parser_t *parser, const char *file, struct err *e) {
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc)) return syntax_error(parser, file, e);
    struct reader r = {.p = p, .doc = &doc, .file = file, .e = e};
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    int rc = root ? read_document(&r, root) : 0;
    bool more = root != NULL;
    yaml_document_delete(&doc);
    if (rc || !more) return rc;
    if (!yaml_parser_load(parser, &doc)) return syntax_error(parser, file, e);
    root = yaml_document_get_root_node(&doc);
    if (root) {
        r.path[0] = 0;
        rc = fail(&r, root, "a second document begins here; one is allowed");
    }
    yaml_document_delete(&doc);
    return rc;
}

int pipeline_parse_yaml(struct pipeline *p, const char *text, size_t len, const char *file, struct err *e) {
    if (len > PIPELINE_YAML_MAX)
        return err_set(e, ERR_INPUT, "%s: larger than %d bytes", file, PIPELINE_YAML_MAX);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) return err_nomem(e);
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    int rc = parse_documents(p, &parser, file, e);
    yaml_parser_delete(&parser);
    return rc;
}
