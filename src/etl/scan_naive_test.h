/* The rules for records (pipeline.md 1.2, 1.4, 2.1–2.3) written down a second time, byte by byte and without
 * regard to speed: what the scanner is compared with in tests and fuzzing. */
#ifndef WEIR_ETL_SCAN_NAIVE_TEST_H
#define WEIR_ETL_SCAN_NAIVE_TEST_H

#include "etl/scan.h"

#include <stdlib.h>

struct naive_field {
    char *text; /* unquoted, not yet trimmed; malloc'd with 16 spare bytes */
    size_t len, cap;
};

struct naive_record {
    size_t offset, length; /* without the line end */
    bool malformed;        /* but for the number of fields */
    struct naive_field *field;
    size_t field_count;
};

/* Bytes of the line end at i: 0 for none. The end of the data counts as one of 0 bytes: ask before. */
static inline size_t naive_line_end(const uint8_t *d, size_t len, size_t i) {
    if (d[i] == '\n') return 1;
    if (d[i] == '\r' && i + 1 < len && d[i + 1] == '\n') return 2;
    return d[i] == '\r' && i + 1 == len ? 1 : 0;
}

static inline bool naive_utf8(const uint8_t *d, size_t len) {
    for (size_t i = 0; i < len;) {
        uint32_t c = d[i++], more = 0, least = 0;
        if (c >= 0xf8) return false;
        if (c >= 0xf0) {
            c &= 7, more = 3, least = 0x10000;
        } else if (c >= 0xe0) {
            c &= 15, more = 2, least = 0x800;
        } else if (c >= 0xc0) {
            c &= 31, more = 1, least = 0x80;
        } else if (c >= 0x80) {
            return false;
        }
        for (; more; more--) {
            if (i == len || d[i] < 0x80 || d[i] > 0xbf) return false;
            c = c * 64 + (d[i++] - 0x80);
        }
        if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return false;
    }
    return true;
}

static inline struct naive_field *naive_add_field(struct naive_record *r) {
    r->field = realloc(r->field, (r->field_count + 1) * sizeof *r->field);
    struct naive_field *f = &r->field[r->field_count++];
    *f = (struct naive_field){.text = calloc(16, 1)};
    return f;
}

static inline void naive_push(struct naive_field *f, uint8_t c) {
    if (f->len == f->cap) {
        f->cap = f->cap * 2 + 32;
        f->text = realloc(f->text, f->cap + 16);
        memset(f->text + f->len, 0, f->cap + 16 - f->len);
    }
    f->text[f->len++] = (char)c;
}

static inline void naive_release(struct naive_record *r) {
    for (size_t i = 0; i < r->field_count; i++) free(r->field[i].text);
    free(r->field);
    *r = (struct naive_record){0};
}

/* Read the record at *pos and move on; false when only blank lines are left. */
static inline bool naive_next(const struct pipeline *p, const uint8_t *d, size_t len, size_t *pos,
                              struct naive_record *r) {
    size_t i = *pos;
    while (i < len && naive_line_end(d, len, i)) i += naive_line_end(d, len, i);
    *r = (struct naive_record){.offset = i};
    if (i == len) {
        *pos = i;
        return false;
    }
    for (;;) { /* a field begins at i */
        struct naive_field *f = naive_add_field(r);
        if (i < len && d[i] == '"') {
            bool closed = false;
            for (i++; i < len && !closed;) {
                size_t line_end = naive_line_end(d, len, i);
                bool at_file_end = i + line_end == len && d[i] == '\r';
                if (line_end && (!p->multiline || (at_file_end && line_end == 1))) break;
                if (d[i] != '"') {
                    naive_push(f, d[i++]);
                } else if (i + 1 < len && d[i + 1] == '"') {
                    naive_push(f, '"');
                    i += 2;
                } else {
                    closed = true;
                    i++;
                }
            }
            if (!closed) {
                r->malformed = true;
            } else if (i < len && d[i] != (uint8_t)p->delimiter && !naive_line_end(d, len, i)) {
                r->malformed = true;
                while (i < len && !naive_line_end(d, len, i)) i++;
            }
        } else {
            while (i < len && d[i] != (uint8_t)p->delimiter && !naive_line_end(d, len, i))
                naive_push(f, d[i++]);
        }
        if (i == len || naive_line_end(d, len, i)) break;
        i++; /* the delimiter */
    }
    r->length = i - r->offset;
    if (!naive_utf8(d + r->offset, r->length)) r->malformed = true;
    *pos = i + (i < len ? naive_line_end(d, len, i) : 0);
    return true;
}

/* 2.2 and 2.3 in place: false for null. */
static inline bool naive_cleanse(const struct pipeline *p, struct naive_field *f) {
    while (f->len && (f->text[0] == ' ' || f->text[0] == '\t')) memmove(f->text, f->text + 1, --f->len);
    while (f->len && (f->text[f->len - 1] == ' ' || f->text[f->len - 1] == '\t')) f->len--;
    if (f->len == 0) return false;
    for (unsigned t = 0; t < p->null_token_count; t++) {
        bool same = p->null_tokens[t].len == f->len;
        for (size_t i = 0; same && i < f->len; i++) {
            char c = f->text[i];
            if (c >= 'A' && c <= 'Z') c = (char)(c - 'A' + 'a');
            same = c == p->null_tokens[t].ptr[i];
        }
        if (same) return false;
    }
    return true;
}

#endif
