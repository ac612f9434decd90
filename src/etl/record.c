#include "etl/record.h"

#include "format/ip.h"

#include <stdlib.h>

struct str record_ip(struct str text) {
    struct ip_addr ignored;
    return text.ptr && ip_parse(text, &ignored) ? text : (struct str){0};
}

static int copy_str(struct arena *a, struct str in, struct str *out, struct err *e) {
    *out = in;
    if (!in.ptr) return 0;
    out->ptr = arena_copy(a, in.ptr, in.len);
    return out->ptr ? 0 : err_nomem(e);
}

int record_copy(const struct pipeline *p, const struct scan_row *row, struct arena *a, struct record *out,
                struct err *e) {
    for (int c = 0; c < COLUMN_COUNT; c++) {
        struct str value = c == COL_IP ? record_ip(row->field[c]) : row->field[c];
        TRY(copy_str(a, value, &out->field[c], e));
    }
    struct str *device = &out->field[COL_DEVICE];
    *device = scan_device(*device, (char *)device->ptr);
    out->keep = arena_alloc(a, p->keep_count * sizeof *out->keep);
    if (!out->keep) return err_nomem(e);
    for (unsigned i = 0; i < p->keep_count; i++) {
        out->keep[i] = row->keep[i];
        if (p->keep[i].type == KEEP_STRING) TRY(copy_str(a, row->keep[i].text, &out->keep[i].text, e));
    }
    return 0;
}

static int compare_keep(enum keep_type type, const struct scan_keep_value *a,
                        const struct scan_keep_value *b) {
    if (a->null || b->null) return b->null - a->null;
    if (type == KEEP_LONG) return (a->i > b->i) - (a->i < b->i);
    if (type == KEEP_DOUBLE) return (a->d > b->d) - (a->d < b->d);
    return str_cmp(a->text, b->text);
}

int record_compare(const struct pipeline *p, const struct record *a, const struct record *b) {
    static const enum column order[] = {COL_EVENT_ID, COL_PAGE_URL, COL_REFERRER, COL_DEVICE, COL_IP};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        int c = str_cmp(a->field[order[i]], b->field[order[i]]);
        if (c) return c;
    }
    for (unsigned i = 0; i < p->keep_count; i++) {
        int c = compare_keep(p->keep[i].type, &a->keep[i], &b->keep[i]);
        if (c) return c;
    }
    return 0;
}

static int compare_rows(const void *a, const void *b, void *pipeline) {
    const struct record *x = a, *y = b;
    int c = record_compare(pipeline, x, y);
    return c ? c : (x->row > y->row) - (x->row < y->row);
}

void record_sort(const struct pipeline *p, struct record *records, uint32_t n) {
    qsort_r(records, n, sizeof *records, compare_rows, (void *)p);
}
