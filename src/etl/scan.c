#include "etl/scan.h"

#include "etl/row_format.h"
#include "format/csv.h"
#include "format/number.h"
#include "format/utf8.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* How a chunk is read
 *
 * The chunk is indexed a piece at a time, so that the index is small and the piece still in the cache when
 * its records are read. The index of a piece holds the position and kind of every delimiter, line feed and
 * quote.
 *
 * A record whose line lies within the piece and holds no quote, which is nearly all of them, is read off the
 * index: its fields lie between neighbouring entries. All others (quotes, records longer than a piece) go
 * through read_general, which takes the index entry by entry and indexes the next piece when one ends.
 *
 * UTF-8 is checked once for a whole piece, and only where it has bytes beyond ASCII; only when that fails is
 * each record looked at for itself. A line feed never stands inside a sequence, so both say the same.
 *
 * Measured (tests/bench/scan_bench.c; one Zen 5 core, gen data, 173 bytes a row, best of 7, on a machine
 * shared with others, hence the ranges; GB/s): index alone 14–20, keys 4.0–6.0 (29–44 ns a row), full 3.2–4.5
 * (38–55); with AVX2 7–9, 3.3–4.4, 2.5–3.4; portable 1.1–1.3, 1.0–1.6, 0.9–1.4. Every field quoted: keys 3.3,
 * full 2.7. Text beyond ASCII in every row: 2.7, 2.3; with broken UTF-8 in every piece 2.0, 1.9. */

enum { PIECE = 32 << 10, KEY_COLUMNS = COL_TIMESTAMP + 1 };

/* Ends every index. No position is that large. */
#define INDEX_END 0xffffffffu

struct field {
    const char *ptr;
    uint32_t len;
    bool doubled; /* holds doubled quotes, each still to be made one */
};

struct scanner {
    const struct pipeline *pipeline;
    const struct csv_kernels *kernels;
    enum scan_mode mode;
    char delimiter;
    bool multiline;

    /* Null tokens (2.3): of each first byte the lengths that occur, bit 63 for 63 and more. */
    uint64_t null_lengths[256];
    uint32_t null_longest;

    /* The chunk. */
    const struct scan_layout *layout;
    const uint8_t *data;
    size_t len;
    size_t next; /* where the next record begins */

    /* The piece: data[base..base + piece). */
    size_t base, piece;
    bool last;       /* ends with the chunk */
    bool known_utf8; /* so are all records that lie within it */
    uint32_t *index, *cursor;

    struct field *fields; /* of the record, in read_general; layout->field_count */
    size_t fields_cap;
    char *scratch; /* fields without doubled quotes; as large as a chunk, but only touched where used */
    size_t scratch_cap, scratch_used;
    struct scan_keep_value keep[KEEP_MAX];
    uint32_t *index_memory;
    bool rows; /* the chunk is rows of row_format.h: its index is empty */
    char time[TIMESTAMP_TEXT];
};

static uint8_t ascii_upper(uint8_t c) {
    return c >= 'a' && c <= 'z' ? (uint8_t)(c - 32) : c;
}

static char ascii_lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

struct scanner *scanner_new(const struct pipeline *p, enum scan_mode mode) {
    assert(p->delimiter != '"' && p->delimiter != '\n' && p->delimiter != '\r');
    struct scanner *s = calloc(1, sizeof *s);
    if (!s) return NULL;
    s->index_memory = malloc((1 + PIECE + CSV_BLOCK + 2) * sizeof *s->index);
    if (!s->index_memory) {
        free(s);
        return NULL;
    }
    s->index = s->cursor = s->index_memory + 1; /* index[-1] stands for the end of the line before */
    s->index[0] = INDEX_END;
    s->last = true;
    s->pipeline = p;
    s->kernels = csv_kernels();
    s->mode = mode;
    s->delimiter = p->delimiter;
    s->multiline = p->multiline;
    for (unsigned i = 0; i < p->null_token_count; i++) {
        struct str t = p->null_tokens[i];
        if (t.len == 0) continue; /* empty is null anyway */
        if (t.len > s->null_longest) s->null_longest = t.len;
        uint64_t bit = (uint64_t)1 << (t.len < 63 ? t.len : 63);
        s->null_lengths[(uint8_t)t.ptr[0]] |= bit;
        s->null_lengths[ascii_upper((uint8_t)t.ptr[0])] |= bit;
    }
    return s;
}

void scanner_free(struct scanner *s) {
    if (!s) return;
    free(s->index_memory);
    free(s->fields);
    free(s->scratch);
    free(s);
}

/* Index the piece that begins at `from`. */
static void index_piece(struct scanner *s, size_t from) {
    s->base = from;
    s->piece = s->len - from < PIECE ? s->len - from : PIECE;
    s->last = from + s->piece == s->len;
    struct csv_index_result r = s->kernels->index(s->data + from, s->piece, s->delimiter, s->index);
    uint32_t *end = s->index + r.count;
    if (s->last && s->len && s->data[s->len - 1] != '\n') *end++ = (uint32_t)s->piece | CSV_LF;
    *end = INDEX_END;
    s->index[-1] = CSV_POSITION; /* plus one is 0 in as many bits: the piece begins a record */
    s->cursor = s->index;
    s->known_utf8 = !r.high_bits;
    if (r.high_bits && from == s->next) {
        size_t whole = s->piece;
        if (!s->last) { /* as far as the last line end */
            while (end > s->index && !(end[-1] & CSV_LF)) end--;
            whole = end > s->index ? (end[-1] & CSV_POSITION) + 1 : 0;
        }
        s->known_utf8 = utf8_valid(s->data + from, whole);
    }
}

static int grow(void **memory, size_t *cap, size_t want, size_t size, struct err *e) {
    if (want <= *cap) return 0;
    free(*memory);
    *cap = 0;
    *memory = want > SIZE_MAX / size ? NULL : malloc(want * size);
    if (!*memory) return err_nomem(e);
    *cap = want;
    return 0;
}

/* An empty index sends scanner_next the way of piece ends, so that rows cost CSV nothing. */
static void begin_rows(struct scanner *s, const uint8_t *data, size_t len) {
    s->data = data;
    s->len = len;
    s->next = s->base = s->piece = 0;
    s->index[0] = INDEX_END;
    s->cursor = s->index;
}

int scanner_begin(struct scanner *s, const struct scan_layout *layout, const uint8_t *data, size_t len,
                  struct err *e) {
    assert(len <= UINT32_MAX);
    s->rows = layout->rows;
    if (s->rows) {
        begin_rows(s, data, len);
        return 0;
    }
    void *fields = s->fields, *scratch = s->scratch;
    int rc = grow(&fields, &s->fields_cap, layout->field_count, sizeof *s->fields, e);
    if (!rc) rc = grow(&scratch, &s->scratch_cap, len + SCAN_PADDING, 1, e);
    s->fields = fields;
    s->scratch = scratch;
    if (rc) return rc;
    s->layout = layout;
    s->data = data;
    s->len = len;
    s->next = 0;
    index_piece(s, 0);
    return 0;
}

/* ---- cleansing */

static bool equals_lower(const char *text, const char *lower, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        if (ascii_lower(text[i]) != lower[i]) return false;
    return true;
}

/* 2.3, of a text no longer than the longest token. */
static bool is_null(const struct scanner *s, struct str t) {
    if (t.len == 0) return true;
    if (!(s->null_lengths[(uint8_t)t.ptr[0]] >> (t.len < 63 ? t.len : 63) & 1)) return false;
    for (unsigned i = 0; i < s->pipeline->null_token_count; i++) {
        struct str token = s->pipeline->null_tokens[i];
        if (token.len == t.len && equals_lower(t.ptr, token.ptr, t.len)) return true;
    }
    return false;
}

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static struct str trim(struct str t) {
    while (t.len && is_blank(t.ptr[0])) t.ptr++, t.len--;
    while (t.len && is_blank(t.ptr[t.len - 1])) t.len--;
    return t;
}

/* 2.2 and 2.3. Whether a field is long is asked first: that an optional field is missing is what no branch
 * predictor can guess, and once is enough. */
static inline struct str cleanse(const struct scanner *s, struct str t) {
    if (t.len > s->null_longest) {
        if (!is_blank(t.ptr[0]) && !is_blank(t.ptr[t.len - 1])) return t;
        t = trim(t);
        if (t.len > s->null_longest) return t;
    }
    t = trim(t);
    return is_null(s, t) ? (struct str){0} : t;
}

static enum reason classify(const struct scanner *s, struct scan_row *row) {
    if (!row->field[COL_EVENT_ID].ptr) return REASON_MISSING_EVENT_ID;
    if (!row->field[COL_USER_ID].ptr) return REASON_MISSING_USER_ID;
    if (!row->field[COL_TIMESTAMP].ptr) return REASON_MISSING_TIMESTAMP;
    if (!timestamp_parse(s->pipeline->timestamp, row->field[COL_TIMESTAMP], &row->time_us))
        return REASON_BAD_TIMESTAMP;
    return REASON_NONE;
}

/* 1.6 */
static struct scan_keep_value keep_value(const struct scanner *s, unsigned i, struct str raw) {
    struct scan_keep_value v = {.text = cleanse(s, raw)};
    v.null = !v.text.ptr;
    if (v.null) return v;
    switch (s->pipeline->keep[i].type) {
    case KEEP_STRING: break;
    case KEEP_LONG: v.misfit = !number_parse_long(v.text, &v.i); break;
    case KEEP_DOUBLE: v.misfit = !number_parse_double(v.text, &v.d); break;
    }
    v.null = v.misfit;
    return v;
}

static void set_malformed(struct scan_row *row) {
    row->reason = REASON_MALFORMED_ROW;
    memset(row->field, 0, sizeof row->field);
}

/* ---- records read off the index */

/* Field number `i` of the record whose first entry is `entry`; it ends at `end` of the piece at the latest (a
 * carriage return may stand before the line feed). */
static inline struct str indexed_field(const uint8_t *piece, const uint32_t *entry, uint32_t i,
                                       uint32_t end) {
    uint32_t from = (entry[(ptrdiff_t)i - 1] + 1) & CSV_POSITION, to = entry[i] & CSV_POSITION;
    if (to > end) to = end;
    return (struct str){(const char *)piece + from, to - from};
}

static inline __attribute__((always_inline)) void read_columns(const struct scanner *s, struct scan_row *row,
                                                               const uint32_t *entry, uint32_t end,
                                                               unsigned columns) {
    const uint8_t *piece = s->data + s->base;
    const struct scan_layout *l = s->layout;
#pragma GCC unroll 7
    for (unsigned c = 0; c < columns; c++)
        row->field[c] = cleanse(s, indexed_field(piece, entry, l->column[c], end));
    row->reason = classify(s, row);
}

static void read_indexed(struct scanner *s, struct scan_row *row, const uint32_t *entry, uint32_t end) {
    if (s->mode == SCAN_KEYS) {
        read_columns(s, row, entry, end, KEY_COLUMNS);
        return;
    }
    read_columns(s, row, entry, end, COLUMN_COUNT);
    if (row->reason != REASON_NONE) return;
    for (unsigned k = 0; k < s->pipeline->keep_count; k++)
        s->keep[k] = keep_value(s, k, indexed_field(s->data + s->base, entry, s->layout->keep[k], end));
}

/* ---- records of every kind */

struct mark {
    size_t at;
    uint32_t kind; /* 0 for a delimiter, CSV_QUOTE, CSV_LF; the chunk's end is a CSV_LF at its length */
};

static struct mark take(struct scanner *s) {
    while (*s->cursor == INDEX_END) {
        if (s->last) return (struct mark){s->len, CSV_LF};
        index_piece(s, s->base + s->piece);
    }
    uint32_t v = *s->cursor++;
    return (struct mark){s->base + (v & CSV_POSITION), v & ~CSV_POSITION};
}

static bool byte_is(const struct scanner *s, size_t at, char c) {
    return at < s->len && s->data[at] == (uint8_t)c;
}

/* The quoted field whose opening quote is at `open`: fills *f and returns what ends it, a delimiter or the
 * record's end. *bad: the quote is left open, or text follows the closing one. */
static struct mark take_quoted(struct scanner *s, size_t open, struct field *f, bool *bad) {
    struct mark m = take(s); /* the opening quote */
    for (;;) {
        m = take(s);
        if (m.kind == CSV_LF && (m.at == s->len || !s->multiline)) {
            *bad = true;
            return m;
        }
        if (m.kind != CSV_QUOTE) continue;
        if (!byte_is(s, m.at + 1, '"')) break;
        take(s);
        f->doubled = true;
    }
    f->ptr = (const char *)s->data + open + 1;
    f->len = (uint32_t)(m.at - open - 1);
    size_t after = m.at + 1;
    m = take(s);
    if (m.at == after || (m.kind == CSV_LF && m.at == after + 1 && byte_is(s, after, '\r'))) return m;
    *bad = true; /* quotes mean nothing until the next line end (1.4) */
    while (m.kind != CSV_LF) m = take(s);
    return m;
}

/* The needed field as text: doubled quotes become one, in the scratch, once for each field. */
static struct str field_text(struct scanner *s, uint32_t number) {
    struct field *f = &s->fields[number];
    if (f->doubled) {
        char *out = s->scratch + s->scratch_used;
        uint32_t n = 0;
        for (uint32_t i = 0; i < f->len; i++) {
            out[n++] = f->ptr[i];
            i += f->ptr[i] == '"';
        }
        s->scratch_used += n;
        *f = (struct field){out, n, false};
    }
    return (struct str){f->ptr, f->len};
}

static void read_general(struct scanner *s, struct scan_row *row) {
    size_t start = s->next, from = start;
    uint32_t count = 0;
    bool bad = false;
    size_t base = s->base;
    struct mark m;
    do {
        struct field f = {0};
        if (byte_is(s, from, '"')) {
            m = take_quoted(s, from, &f, &bad);
        } else {
            do m = take(s);
            while (m.kind == CSV_QUOTE);
            size_t end = m.at;
            if (m.kind == CSV_LF && end > from && s->data[end - 1] == '\r') end--;
            f.ptr = (const char *)s->data + from;
            f.len = (uint32_t)(end - from);
        }
        if (count < s->layout->field_count) s->fields[count] = f;
        count++;
        from = m.at + 1;
    } while (m.kind != CSV_LF);
    bool one_piece = base == s->base;
    s->next = m.at < s->len ? m.at + 1 : s->len;
    size_t end = m.at > start && s->data[m.at - 1] == '\r' ? m.at - 1 : m.at;
    row->offset = (uint32_t)start;
    row->length = (uint32_t)(end - start);
    row->keep = s->keep;
    if (bad || count != s->layout->field_count ||
        (!(s->known_utf8 && one_piece) && !utf8_valid(s->data + start, end - start))) {
        set_malformed(row);
        return;
    }
    s->scratch_used = 0;
    for (unsigned c = 0; c < (s->mode == SCAN_KEYS ? KEY_COLUMNS : COLUMN_COUNT); c++)
        row->field[c] = cleanse(s, field_text(s, s->layout->column[c]));
    row->reason = classify(s, row);
    if (s->mode == SCAN_FULL && row->reason == REASON_NONE)
        for (unsigned k = 0; k < s->pipeline->keep_count; k++)
            s->keep[k] = keep_value(s, k, field_text(s, s->layout->keep[k]));
}

/* ---- rows of row_format.h */

struct row_value {
    struct str text; /* ROW_TEXT_MAX and below, ROW_LONG_TEXT; else null */
    int64_t number;  /* ROW_NUMBER */
};

static inline struct row_value take_value(uint8_t tag, const uint8_t **at) {
    struct row_value v = {0};
    if (tag <= ROW_TEXT_MAX) {
        v.text = (struct str){(const char *)*at, tag};
        *at += tag;
    } else if (tag == ROW_LONG_TEXT) {
        memcpy(&v.text.len, *at, 4);
        v.text.ptr = (const char *)*at + 4;
        *at += 4 + (size_t)v.text.len;
    } else if (tag == ROW_NUMBER) {
        memcpy(&v.number, *at, 8);
        *at += 8;
    }
    return v;
}

/* 2.4, and the range of 2.5; the time as text as far as rejects will want it (4.2). */
static enum reason classify_typed(struct scanner *s, struct scan_row *row, int64_t us) {
    enum reason reason = REASON_NONE;
    bool in_range = timestamp_from_epoch(TIMESTAMP_EPOCH_US, us, &row->time_us);
    if (!row->field[COL_EVENT_ID].ptr)
        reason = REASON_MISSING_EVENT_ID;
    else if (!row->field[COL_USER_ID].ptr)
        reason = REASON_MISSING_USER_ID;
    else if (!in_range)
        reason = REASON_BAD_TIMESTAMP;
    row->field[COL_TIMESTAMP] = STR("");
    if (reason == REASON_NONE || s->mode == SCAN_KEYS) return reason;
    if (in_range)
        timestamp_print(us, s->time);
    else
        snprintf(s->time, sizeof s->time, "%lld", (long long)us);
    row->field[COL_TIMESTAMP] = str_of(s->time);
    return reason;
}

static struct scan_keep_value row_keep_value(const struct scanner *s, unsigned k, uint8_t tag,
                                             const struct row_value *v) {
    if (tag == ROW_MISFIT) return (struct scan_keep_value){.null = true, .misfit = true};
    if (tag != ROW_NUMBER) return keep_value(s, k, v->text);
    struct scan_keep_value out = {.i = v->number};
    if (s->pipeline->keep[k].type == KEEP_DOUBLE) memcpy(&out.d, &v->number, 8);
    return out;
}

static bool next_row(struct scanner *s, struct scan_row *row) {
    if (s->next == s->len) return false;
    const uint8_t *start = s->data + s->next, *tag = start + ROW_LENGTH_BYTES;
    const uint8_t *at = tag + COLUMN_COUNT + s->pipeline->keep_count;
    row->offset = (uint32_t)s->next;
    row->length = row_length(start);
    row->keep = s->keep;
    s->next += row->length;
    int64_t time = 0;
    for (unsigned c = 0; c < (s->mode == SCAN_KEYS ? KEY_COLUMNS : COLUMN_COUNT); c++) {
        struct row_value v = take_value(tag[c], &at);
        row->field[c] = cleanse(s, v.text);
        if (c == COL_TIMESTAMP) time = v.number;
    }
    row->reason = tag[COL_TIMESTAMP] == ROW_NUMBER ? classify_typed(s, row, time) : classify(s, row);
    if (s->mode == SCAN_KEYS || row->reason != REASON_NONE) return true;
    for (unsigned k = 0; k < s->pipeline->keep_count; k++) {
        struct row_value v = take_value(tag[COLUMN_COUNT + k], &at);
        s->keep[k] = row_keep_value(s, k, tag[COLUMN_COUNT + k], &v);
    }
    return true;
}

bool scanner_next(struct scanner *s, struct scan_row *row) {
    for (;;) {
        const uint32_t *entry = s->cursor;
        uint32_t any = 0, v, count = 0;
        do {
            v = entry[count++];
            any |= v;
        } while (!(v & CSV_LF));
        if (v == INDEX_END) {
            if (s->rows) return next_row(s, row);
            if (s->last && s->next == s->len) return false;
            if (s->last || s->next == s->base) { /* longer than a piece */
                read_general(s, row);
                return true;
            }
            index_piece(s, s->next);
            continue;
        }
        if (any & CSV_QUOTE) {
            read_general(s, row);
            return true;
        }
        uint32_t start = (uint32_t)(s->next - s->base), end = v & CSV_POSITION;
        const uint8_t *piece = s->data + s->base;
        s->cursor += count;
        s->next = s->base + end < s->len ? s->base + end + 1 : s->len;
        if (end > start && piece[end - 1] == '\r') end--;
        if (end == start) continue; /* a blank line */
        row->offset = (uint32_t)(s->base + start);
        row->length = end - start;
        row->keep = s->keep;
        if (count != s->layout->field_count || (!s->known_utf8 && !utf8_valid(piece + start, end - start)))
            set_malformed(row);
        else
            read_indexed(s, row, entry, end);
        return true;
    }
}

struct str scan_device(struct str in, char *scratch) {
    if (!in.ptr) return STR("unknown");
    uint32_t i = 0;
    while (i < in.len && ascii_lower(in.ptr[i]) == in.ptr[i]) i++;
    if (i == in.len) return in;
    for (i = 0; i < in.len; i++) scratch[i] = ascii_lower(in.ptr[i]);
    return (struct str){scratch, in.len};
}
