#include "etl/scan.h"
#include "format/utf8.h"

#include <stdlib.h>

/* The header is one short line: split byte by byte, apart from the scanner's ways. */

enum { LISTED_MAX = 1200 }; /* bytes of names that an error lists */

struct names {
    struct str *name;
    uint32_t count;
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
        out->name[out->count++] = name;
        if (i == len) return NULL;
        i++; /* the delimiter; a name follows it, perhaps an empty one */
    }
}

static int add_name(struct buf *list, struct str name, struct err *e) {
    if (list->len) TRY(buf_add_str(list, ", ", e));
    if (list->len + name.len <= LISTED_MAX) return buf_add(list, name.ptr, name.len, e);
    return buf_add_str(list, "…", e);
}

static int missing_column(const struct names *names, const char *wanted, const char *file, struct err *e) {
    struct buf list;
    buf_init(&list, 0);
    int rc = 0;
    for (uint32_t i = 0; !rc && i < names->count && list.len <= LISTED_MAX; i++)
        rc = add_name(&list, names->name[i], e);
    const char *text = rc ? NULL : buf_cstr(&list);
    rc = text ? err_set(e, ERR_INPUT, "could not read \"%s\": no column \"%s\" in its header; there are: %s",
                        file, wanted, text)
              : err_nomem(e);
    buf_release(&list);
    return rc;
}

static int find_column(const struct names *names, const char *wanted, const char *file, uint32_t *number,
                       struct err *e) {
    bool found = false;
    for (uint32_t i = 0; i < names->count; i++) {
        if (!str_eq(names->name[i], str_of(wanted))) continue;
        if (found)
            return err_set(e, ERR_INPUT, "could not read \"%s\": its header names column \"%s\" twice", file,
                           wanted);
        found = true;
        *number = i;
    }
    return found ? 0 : missing_column(names, wanted, file, e);
}

static int find_columns(const struct pipeline *p, const struct names *names, const char *file,
                        struct scan_layout *out, struct err *e) {
    out->field_count = names->count;
    for (unsigned c = 0; c < COLUMN_COUNT; c++)
        TRY(find_column(names, p->columns[c], file, &out->column[c], e));
    for (unsigned k = 0; k < p->keep_count; k++)
        TRY(find_column(names, p->keep[k].name, file, &out->keep[k], e));
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
    struct names names = {.name = malloc((end - start + 1) * sizeof *names.name),
                          .text = malloc(end - start)};
    int rc;
    if (!names.name || !names.text) {
        rc = err_nomem(e);
    } else {
        const char *why = split(data + start, end - start, (uint8_t)p->delimiter, &names);
        rc = why ? err_set(e, ERR_INPUT, "could not read \"%s\": its header is malformed: %s", file, why)
                 : find_columns(p, &names, file, out, e);
    }
    if (!rc) out->body = body;
    free(names.name);
    free(names.text);
    return rc;
}
