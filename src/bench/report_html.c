/* The page: web/report.html with its style, its script, the chart library and the data put in. */
#include "base/files.h"
#include "bench/report.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PART_MAX = 4 << 20 };

/* Within <script> and <style> only "</" and "<!--" end or change anything: JSON may escape "<", ours is
 * written without them, and the library is checked. */
static int add_json(struct buf *out, const json_t *data, struct err *e) {
    char *dump = json_dumps(data, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!dump) return err_nomem(e);
    int rc = 0;
    for (const char *p = dump; *p && !rc;) {
        size_t n = strcspn(p, "<");
        rc = buf_add(out, p, n, e);
        p += n;
        if (!rc && *p == '<') rc = buf_add_str(out, "\\u003c", e), p++;
    }
    free(dump);
    return rc;
}

static int add_escaped(struct buf *out, const char *text, struct err *e) {
    for (; *text; text++) {
        const char *entity = *text == '<' ? "&lt;" : *text == '&' ? "&amp;" : *text == '>' ? "&gt;" : NULL;
        TRY(entity ? buf_add_str(out, entity, e) : buf_add_byte(out, (uint8_t)*text, e));
    }
    return 0;
}

static int add_file(struct buf *out, const char *folder, const char *name, const char *ends, struct err *e) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return err_set(e, ERR_INPUT, "the path of %s is too long", name);
    size_t start = out->len;
    TRY(file_read_all(path, out, PART_MAX, e));
    if (ends && memmem(out->data + start, out->len - start, ends, strlen(ends)))
        return err_set(e, ERR_INPUT, "%s holds \"%s\", which would end its element", path, ends);
    return 0;
}

struct page {
    const struct summary *summary;
    const char *web, *charts;
    struct buf *out;
};

static int table(const struct page *p, struct err *e) {
    struct buf text;
    buf_init(&text, 0);
    int rc = report_text(p->summary, &text, e);
    if (!rc && !buf_cstr(&text)) rc = err_nomem(e);
    if (!rc) rc = add_escaped(p->out, (const char *)text.data, e);
    buf_release(&text);
    return rc;
}

static int data(const struct page *p, struct err *e) {
    json_t *json = NULL;
    int rc = report_json(p->summary, true, &json, e);
    if (!rc) rc = add_json(p->out, json, e);
    json_decref(json);
    return rc;
}

static int part(const struct page *p, const char *name, size_t len, struct err *e) {
    if (len == 5 && memcmp(name, "style", 5) == 0) return add_file(p->out, p->web, "report.css", "</", e);
    if (len == 6 && memcmp(name, "script", 6) == 0) {
        TRY(add_file(p->out, p->web, "charts.js", "</script", e));
        return add_file(p->out, p->web, "report.js", "</script", e);
    }
    if (len == 12 && memcmp(name, "charts-style", 12) == 0)
        return p->charts ? add_file(p->out, p->charts, "uPlot.min.css", "</", e) : 0;
    if (len == 14 && memcmp(name, "charts-licence", 14) == 0)
        return p->charts ? add_file(p->out, p->charts, "LICENSE", "*/", e) : 0;
    if (len == 6 && memcmp(name, "charts", 6) == 0)
        return p->charts ? add_file(p->out, p->charts, "uPlot.iife.min.js", "</script", e) : 0;
    if (len == 5 && memcmp(name, "table", 5) == 0) return table(p, e);
    if (len == 4 && memcmp(name, "data", 4) == 0) return data(p, e);
    return err_set(e, ERR_INPUT, "web/report.html: unknown part {{%.*s}}", (int)len, name);
}

int report_html(const struct summary *s, const char *home, const char *charts, struct buf *out,
                struct err *e) {
    char web[PATH_MAX];
    struct page p = {s, web, charts, out};
    struct buf shell;
    snprintf(web, sizeof web, "%s/web", home);
    buf_init(&shell, 0);
    int rc = add_file(&shell, web, "report.html", NULL, e);
    if (!rc && !buf_cstr(&shell)) rc = err_nomem(e);
    for (const char *at = (const char *)shell.data; !rc && *at;) {
        const char *open = strstr(at, "{{"), *close = open ? strstr(open, "}}") : NULL;
        size_t n = close ? (size_t)(open - at) : strlen(at);
        rc = buf_add(out, at, n, e);
        if (!rc && close) rc = part(&p, open + 2, (size_t)(close - open - 2), e);
        at = close ? close + 2 : at + n;
    }
    buf_release(&shell);
    return rc;
}
