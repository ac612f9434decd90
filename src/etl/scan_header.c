#include "etl/scan.h"

#include "etl/column_names.h"
#include "format/utf8.h"

#include <stdlib.h>

/* The header is one short line: split byte by byte, apart from the scanner's ways. */

struct names {
    struct column_names list;
    char *text; /* holds the quoted ones without their quotes */
    size_t text_len;
};

static void trim(struct str *t) {
    while (t->len && (t->ptr[0] == ' ' || t->ptr[0] == '\t')) t->ptr++, t->len--;
    while (t->len && (t->ptr[t->len - 1] == ' ' || t->ptr[t->len - 1] == '\t')) t->len--;
}

/* Split one record without its line end; NULL, or what is malformed about it. `names` has room for one name
 * more than there are bytes. */
static const char *split(const uint8_t *data, size_t len, uint8_t delimiter, struct names *out) {
    if (!utf8_valid(data, len)) return "it is not UTF-8";
    size_t i = 0;
    for (;;) {
        struct str name = {(const char *)data + i, 0};
        if (i < len && data[i] == '"') {
            name.ptr = out->text + out->text_len;
            for (i++;; i++) {
                if (i == len) return "a quote is left open";
                if (data[i] == '"') {
                    if (i + 1 == len || data[i + 1] != '"') break;
                    i++;
                }
                out->text[out->text_len++] = (char)data[i];
                name.len++;
            }
            if (++i < len && data[i] != delimiter) return "text follows a closing quote";
        } else {
            for (; i < len && data[i] != delimiter; i++) name.len++;
        }
        trim(&name);
        out->list.name[out->list.count++] = name;
        if (i == len) return NULL;
        i++; /* the delimiter; a name follows it, perhaps an empty one */
    }
}

static int find_columns(const struct pipeline *p, const struct names *names, const char *file,
                        struct scan_layout *out, struct err *e) {
    out->rows = false;
    out->field_count = names->list.count;
    for (unsigned c = 0; c < COLUMN_COUNT; c++)
        TRY(column_find(&names->list, p->columns[c], "header", file, &out->column[c], e));
    for (unsigned k = 0; k < p->keep_count; k++)
        TRY(column_find(&names->list, p->keep[k].name, "header", file, &out->keep[k], e));
    return 0;
}

int scan_header(const struct pipeline *p, const uint8_t *data, size_t len, bool whole, const char *file,
                struct scan_layout *out, struct err *e) {
    size_t start = len >= 3 && !memcmp(data, "\xef\xbb\xbf", 3) ? 3 : 0, end, body;
    for (;; start = body) {
        const uint8_t *lf = memchr(data + start, '\n', len - start);
        end = lf ? (size_t)(lf - data) : len;
        body = lf ? end + 1 : len;
        if (p->multiline) {
            body = start + scan_multiline_record_end(p, data + start, len - start, whole);
            end = body > start && data[body - 1] == '\n' ? body - 1 : body;
            lf = body > start ? lf : NULL;
        }
        if (end > start && data[end - 1] == '\r') end--;
        if (!whole && (!lf || (end == start && body == len)))
            return err_set(e, ERR_INPUT, "could not read \"%s\": no header line ends in its first %zu bytes",
                           file, len);
        if (end > start) break;
        if (body == len) return err_set(e, ERR_INPUT, "could not read \"%s\": it has no header line", file);
    }
    struct names names = {.list.name = malloc((end - start + 1) * sizeof *names.list.name),
                          .text = malloc(end - start)};
    int rc;
    if (!names.list.name || !names.text) {
        rc = err_nomem(e);
    } else {
        const char *why = split(data + start, end - start, (uint8_t)p->delimiter, &names);
        rc = why ? err_set(e, ERR_INPUT, "could not read \"%s\": its header is malformed: %s", file, why)
                 : find_columns(p, &names, file, out, e);
    }
    if (!rc) out->body = body;
    free(names.list.name);
    free(names.text);
    return rc;
}
