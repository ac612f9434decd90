#include "etl/gen_csv.h"

#include "base/random.h"

enum { ROW_MAX = 2 * GEN_FIELD_COUNT * (2 * GEN_FIELD_MAX + 3) + 256 };

_Static_assert(COLUMN_COUNT % 2 && GEN_FIELD_COUNT % 2, "taking every second field reaches all of them");

void gen_csv_layout_init(struct gen_csv_layout *l, unsigned fields, enum gen_dirt dirt, unsigned i) {
    bool other = dirt == GEN_DIRT_MUCH && i % 2;
    *l = (struct gen_csv_layout){
        .fields = fields, .bom = dirt != GEN_DIRT_NONE && i % 3 == 0, .padded = other};
    for (unsigned k = 0; k < fields; k++) l->order[k] = (uint8_t)(other ? (k * 2 + i) % fields : k);
}

int gen_csv_header(const struct gen_csv_layout *l, struct buf *out, struct err *e) {
    if (l->bom) TRY(buf_add(out, "\xef\xbb\xbf", 3, e));
    for (unsigned i = 0; i < l->fields; i++)
        TRY(buf_printf(out, e, "%s%s%s%s", i ? "," : "", l->padded && i % 2 ? " " : "",
                       gen_field_names[l->order[i]], l->padded && i % 3 == 0 ? " \t" : ""));
    return buf_add_byte(out, '\n', e);
}

static char *put(char *p, const char *text, size_t len) {
    memcpy(p, text, len);
    return p + len;
}

static char *put_field(char *p, struct str s, bool quoted) {
    if (!quoted) return put(p, s.ptr, s.len);
    *p++ = '"';
    for (uint32_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"') *p++ = '"';
        *p++ = s.ptr[i];
    }
    *p++ = '"';
    return p;
}

static char *put_fields(char *p, const struct gen_csv_layout *l, const struct gen_row *row, unsigned from,
                        unsigned to) {
    for (unsigned i = from; i < to; i++) {
        if (i) *p++ = ',';
        p = put_field(p, row->field[l->order[i]], row->quoted >> l->order[i] & 1);
    }
    return p;
}

/* Every way in which a record is malformed (2.1). */
static char *put_malformed(char *p, const struct gen_csv_layout *l, const struct gen_event *v,
                           const struct gen_row *row) {
    static const char *const not_utf8[] = {"\xff",
                                           "\xc3(",
                                           "\xc0\xaf",
                                           "\xed\xa0\x80",
                                           "\xf4\x90\x80\x80",
                                           "\xe2\x82",
                                           "\xf0\x80\x80\xaf",
                                           "\x80",
                                           "\xf8\x88\x80\x80\x80"};
    const unsigned fields = l->fields;
    const char *bad = not_utf8[v->detail / 16 % 9];
    switch (v->detail % 16) { /* what stands in the fourth field may be replaced */
    case 0:
    case 1: return put_fields(p, l, row, 0, fields - 1); /* a field too few */
    case 2:
    case 3: return put(put_fields(p, l, row, 0, fields), ",extra", 6);
    case 4: return put(put_fields(p, l, row, 0, fields - 1), ",\"0.5", 5); /* a quote left open */
    case 5: /* … further ahead: it takes all that follows */
        p = put(put_fields(p, l, row, 0, 3), ",\"", 2);
        return put_fields(p, l, row, 4, 5);
    case 6: /* text after a closing quote */
        p = put(put_field(p, row->field[l->order[0]], true), "x", 1);
        return put_fields(p, l, row, 1, fields);
    case 7: /* … even a space */
        p = put(put_field(p, row->field[l->order[0]], true), " ", 1);
        return put_fields(p, l, row, 1, fields);
    case 8: /* a quote not doubled */
        p = put_fields(p, l, row, 0, 3);
        p = put(p, ",\"/say \"hello\" now\"", 19);
        return put_fields(p, l, row, 4, fields);
    case 9:
    case 10:
    case 11: /* not UTF-8 */
        p = put_fields(p, l, row, 0, 3);
        p = put(put(p, ",/caf", 5), bad, strlen(bad));
        return put_fields(p, l, row, 4, fields);
    case 12: /* not UTF-8 in the last field, up to the line end */
        p = put_fields(p, l, row, 0, fields - 1);
        return put(put(p, ",", 1), bad, strlen(bad));
    case 13: return put(p, " \t", 1 + v->detail / 16 % 2); /* a line of blanks is a field */
    case 14: {                                             /* bytes of something else, without a line end */
        uint64_t x = v->number;
        *p++ = '\xff';
        for (unsigned i = 0; i < 40; i++) {
            x = random_mix64(x);
            char c = (char)x;
            *p++ = c == '\n' || c == '\r' ? '.' : c;
        }
        return p;
    }
    default: /* two records run together */
        p = put_fields(p, l, row, 0, fields);
        return put_fields(p, l, row, 0, fields);
    }
}

int gen_csv_row(const struct gen_csv_layout *l, const struct gen_event *v, const struct gen_row *row,
                bool last, struct buf *out, struct err *e) {
    TRY(buf_reserve(out, ROW_MAX, e));
    char *begin = (char *)out->data + out->len, *p = begin;
    p = v->kind == GEN_MALFORMED ? put_malformed(p, l, v, row) : put_fields(p, l, row, 0, l->fields);
    if (!last) {
        if (row->style & GEN_CRLF) *p++ = '\r';
        *p++ = '\n';
        if (row->style & GEN_BLANK_AFTER) {
            if (row->style & GEN_CRLF) *p++ = '\r';
            *p++ = '\n';
        }
    }
    out->len += (size_t)(p - begin);
    return 0;
}
