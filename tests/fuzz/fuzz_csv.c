/* The CSV reader: header, records, line structure, each compared with the rules written down a second time
 * (scan_naive_test.h). The first three bytes choose the settings, the rest is the file. */
#include "base/buf.h"
#include "etl/scan.h"
#include "etl/scan_naive_test.h"
#include "etl/scan_pipeline_test.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds) {
    if (!holds) abort();
}

/* The field of a row against the naive one. */
static void same_field(const struct pipeline *p, struct naive_field *f, struct str got) {
    bool there = naive_cleanse(p, f);
    must(there == (got.ptr != NULL));
    if (there) must(got.len == f->len && memcmp(got.ptr, f->text, f->len) == 0);
}

static enum reason naive_reason(const struct pipeline *p, const struct scan_layout *l, struct naive_record *n,
                                int64_t *us) {
    if (n->malformed || n->field_count != l->field_count) return REASON_MALFORMED_ROW;
    for (unsigned c = COL_EVENT_ID; c <= COL_TIMESTAMP; c++)
        if (!naive_cleanse(p, &n->field[l->column[c]])) return (enum reason)(REASON_MISSING_EVENT_ID + c);
    struct naive_field *t = &n->field[l->column[COL_TIMESTAMP]];
    return timestamp_parse(p->timestamp, (struct str){t->text, (uint32_t)t->len}, us) ? REASON_NONE
                                                                                      : REASON_BAD_TIMESTAMP;
}

static void same_row(const struct pipeline *p, const struct scan_layout *l, enum scan_mode mode,
                     const struct scan_row *row, struct naive_record *n) {
    int64_t us = 0;
    enum reason reason = naive_reason(p, l, n, &us);
    must(row->offset == n->offset && row->length == n->length && row->reason == reason);
    if (reason == REASON_NONE) must(row->time_us == us);
    if (reason == REASON_MALFORMED_ROW) return;
    for (unsigned c = 0; c < (mode == SCAN_KEYS ? COL_TIMESTAMP : COLUMN_COUNT); c++)
        same_field(p, &n->field[l->column[c]], row->field[c]);
    for (unsigned k = 0; mode == SCAN_FULL && reason == REASON_NONE && k < p->keep_count; k++)
        same_field(p, &n->field[l->keep[k]], row->keep[k].text);
}

static void check_records(const struct pipeline *p, const struct scan_layout *l, enum scan_mode mode,
                          const uint8_t *data, size_t len) {
    /* Exact memory and the padding granted, which holds what would do harm if it were taken for data. */
    uint8_t *chunk = malloc(len + SCAN_PADDING);
    struct scanner *s = scanner_new(p, mode);
    must(chunk && s);
    if (len) memcpy(chunk, data, len);
    for (size_t i = 0; i < SCAN_PADDING; i++) chunk[len + i] = (uint8_t) "\n\",9\xff"[i % 5];
    struct err e;
    struct scan_row row;
    struct naive_record n;
    must(scanner_begin(s, l, chunk, len, &e) == 0);
    uint64_t rows = 0;
    size_t pos = 0, line = 0;
    for (; naive_next(p, data, len, &pos, &n); rows++) {
        must(scanner_next(s, &row));
        same_row(p, l, mode, &row, &n);
        while (p->multiline && line < pos) { /* blank lines, then the record */
            size_t end = scan_multiline_record_end(p, data + line, len - line, true);
            size_t open = scan_multiline_record_end(p, data + line, len - line, false);
            must(end > 0 && line + end <= pos && (open == end || (open == 0 && line + end == len)));
            line += end;
        }
        naive_release(&n);
    }
    naive_release(&n);
    must(!scanner_next(s, &row));
    must(scanner_count_records(p, l, data, len) == rows);
    scanner_free(s);
    free(chunk);
}

static void check_header(const struct pipeline *p, const uint8_t *data, size_t len) {
    struct scan_layout l;
    struct err e = {0};
    size_t bom = len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0, pos = 0;
    struct naive_record n;
    bool good = naive_next(p, data + bom, len - bom, &pos, &n) && !n.malformed;
    for (unsigned c = 0; good && c < COLUMN_COUNT + p->keep_count; c++) {
        const char *name = c < COLUMN_COUNT ? p->columns[c] : p->keep[c - COLUMN_COUNT].name;
        unsigned found = 0;
        for (size_t i = 0; i < n.field_count; i++) {
            const char *t = n.field[i].text;
            size_t from = 0, to = n.field[i].len;
            while (from < to && (t[from] == ' ' || t[from] == '\t')) from++;
            while (from < to && (t[to - 1] == ' ' || t[to - 1] == '\t')) to--;
            found += to - from == strlen(name) && memcmp(t + from, name, to - from) == 0;
        }
        good = found == 1;
    }
    int rc = scan_header(p, data, len, true, "f.csv", &l, &e);
    must(rc == (good ? 0 : ERR_INPUT) && (rc == 0 || *e.msg));
    if (!rc) must(l.field_count == n.field_count && l.body == bom + pos);
    /* Of a longer file the same, or a wish for more. */
    struct scan_layout part;
    if (!scan_header(p, data, len, false, "f.csv", &part, &e)) must(!rc && part.body == l.body);
    if (!rc) check_records(p, &l, SCAN_FULL, data + l.body, len - l.body);
    naive_release(&n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 3 || size > 20000) return 0;
    uint8_t flags = data[0], shape = data[1], lead = data[2];
    data += 3, size -= 3;
    struct pipeline p = test_pipeline();
    p.multiline = flags & 1;
    p.keep_count = flags & 2 ? 3 : 0;
    p.delimiter = ",;\t|"[flags >> 2 & 3];
    static const char *const finders[] = {"portable", "avx2", "avx512", "neon"};
    setenv("WEIR_SIMD", finders[flags >> 4 & 3], 1);
    enum scan_mode mode = flags & 64 ? SCAN_KEYS : SCAN_FULL;
    struct scan_layout l = {.field_count = shape % 10 + 1u};
    for (unsigned c = 0; c < COLUMN_COUNT; c++) l.column[c] = (c * (1 + shape / 64u)) % l.field_count;
    for (unsigned k = 0; k < 3; k++) l.keep[k] = (COLUMN_COUNT + k) % l.field_count;
    if (!(flags & 128)) {
        check_header(&p, data, size);
        check_records(&p, &l, mode, data, size);
        return 0;
    }
    /* After a long line, so that what the scanner takes at a time ends somewhere in here. */
    size_t before = (32 << 10) - lead;
    uint8_t *longer = malloc(before + size);
    must(longer != NULL);
    memset(longer, 'x', before);
    longer[before - 1] = lead % 2 ? '\n' : 'x';
    if (size) memcpy(longer + before, data, size);
    check_records(&p, &l, mode, longer, before + size);
    free(longer);
    return 0;
}
