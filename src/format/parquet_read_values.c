#include "format/parquet_read_values.h"

#include "format/swar.h"
#include "format/utf8.h"

#include <stdlib.h>

/* parquet.thrift: Encoding */
enum {
    PLAIN = 0,
    PLAIN_DICTIONARY = 2,
    DELTA_BINARY_PACKED = 5,
    DELTA_LENGTH_BYTE_ARRAY = 6,
    DELTA_BYTE_ARRAY = 7,
    RLE_DICTIONARY = 8,
    BYTE_STREAM_SPLIT = 9
};

static int corrupt(struct err *e) {
    return err_set(e, ERR_INPUT, "a page's values are corrupt");
}

static int not_utf8(struct err *e) {
    return err_set(e, ERR_INPUT, "its text is not UTF-8");
}

void value_dictionary_release(struct value_dictionary *d) {
    free(d->cells.texts);
    free(d->cells.numbers);
    free(d->cells.reals);
    *d = (struct value_dictionary){0};
}

void value_reader_init(struct value_reader *v, size_t text_max) {
    memset(v, 0, sizeof *v);
    v->text_max = text_max;
    buf_init(&v->text, text_max + PARQUET_TEXT_SLACK);
    buf_init(&v->last, text_max);
}

void value_reader_release(struct value_reader *v) {
    buf_release(&v->text);
    buf_release(&v->last);
}

/* Bytes of a value of fixed width; 0: it has none. */
static unsigned width_of(int32_t physical) {
    switch (physical) {
    case PARQUET_PHYSICAL_INT32:
    case PARQUET_PHYSICAL_FLOAT: return 4;
    case PARQUET_PHYSICAL_INT64:
    case PARQUET_PHYSICAL_DOUBLE: return 8;
    case PARQUET_PHYSICAL_INT96: return 12;
    default: return 0;
    }
}

static bool suits(int32_t physical, int32_t encoding) {
    bool text = physical == PARQUET_PHYSICAL_BYTE_ARRAY;
    bool whole = physical == PARQUET_PHYSICAL_INT32 || physical == PARQUET_PHYSICAL_INT64;
    switch (encoding) {
    case PLAIN:
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY: return true;
    case DELTA_BINARY_PACKED: return whole;
    case DELTA_LENGTH_BYTE_ARRAY:
    case DELTA_BYTE_ARRAY: return text;
    case BYTE_STREAM_SPLIT: return !text && physical != PARQUET_PHYSICAL_INT96;
    default: return false;
    }
}

static int begin_dictionary(struct value_reader *v, size_t len, struct err *e) {
    if (!v->dictionary) return err_set(e, ERR_INPUT, "a page needs a dictionary and there is none");
    unsigned width = len ? *v->at : 0;
    if (width > 32) return corrupt(e);
    rle_reader_init(&v->index, v->at + (len > 0), len - (len > 0), width);
    return 0;
}

/* Texts' bytes begin where the streams of their lengths end. */
static int begin_texts(struct value_reader *v, struct err *e) {
    if (v->encoding == DELTA_BYTE_ARRAY) {
        if (!delta_reader_init(&v->prefixes, v->at, (size_t)(v->end - v->at))) return corrupt(e);
        v->at = delta_end(&v->prefixes);
        if (!v->at) return corrupt(e);
        buf_clear(&v->last);
    }
    if (!delta_reader_init(&v->lengths, v->at, (size_t)(v->end - v->at))) return corrupt(e);
    v->at = delta_end(&v->lengths);
    return v->at ? 0 : corrupt(e);
}

int value_reader_begin(struct value_reader *v, const struct parquet_field *field, int32_t encoding,
                       const uint8_t *data, size_t len, const struct value_dictionary *dictionary,
                       struct err *e) {
    v->kind = field->kind;
    v->physical = field->physical;
    v->encoding = encoding;
    v->at = data;
    v->end = data + len;
    v->dictionary = dictionary;
    if (!suits(field->physical, encoding))
        return err_set(e, ERR_INPUT, "a page has encoding %d, which cannot be read here for its type",
                       (int)encoding);
    switch (encoding) {
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY: return begin_dictionary(v, len, e);
    case DELTA_BINARY_PACKED:
        if (len && !delta_reader_init(&v->lengths, data, len)) return corrupt(e);
        if (!len) v->lengths = (struct delta_reader){.at = data, .end = data};
        return 0;
    case DELTA_LENGTH_BYTE_ARRAY:
    case DELTA_BYTE_ARRAY:
        if (len) return begin_texts(v, e);
        v->lengths = v->prefixes = (struct delta_reader){.at = data, .end = data};
        return 0;
    case BYTE_STREAM_SPLIT:
        v->position = 0;
        v->total = len / width_of(field->physical);
        return 0;
    default: return 0;
    }
}

/* ---- texts */

static bool all_ascii(const uint8_t *p, const uint8_t *end) {
    uint64_t any = 0;
    for (; end - p >= 8; p += 8) any |= swar_load(p);
    for (; p < end; p++) any |= *p;
    return !(any & SWAR_HIGHS);
}

/* Texts that lie between two places, other bytes perhaps between them. */
static int check_texts(const struct str *t, uint32_t count, const uint8_t *from, const uint8_t *to,
                       struct err *e) {
    if (all_ascii(from, to)) return 0;
    for (uint32_t i = 0; i < count; i++)
        if (!utf8_valid((const uint8_t *)t[i].ptr, t[i].len)) return not_utf8(e);
    return 0;
}

static int plain_texts(struct value_reader *v, struct str *out, uint32_t count, struct err *e) {
    const uint8_t *p = v->at, *from = p;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t len;
        if (v->end - p < 4) return corrupt(e);
        memcpy(&len, p, 4);
        p += 4;
        if (len > (size_t)(v->end - p)) return corrupt(e);
        out[i] = (struct str){(const char *)p, len};
        p += len;
    }
    v->at = p;
    return check_texts(out, count, from, p, e);
}

static int delta_length_texts(struct value_reader *v, struct str *out, uint32_t count, struct err *e) {
    const uint8_t *from = v->at;
    if (!delta_read(&v->lengths, v->length, count)) return corrupt(e);
    for (uint32_t i = 0; i < count; i++) {
        int32_t len = (int32_t)v->length[i];
        if (len < 0 || len > v->end - v->at) return corrupt(e);
        out[i] = (struct str){(const char *)v->at, (uint32_t)len};
        v->at += len;
    }
    return check_texts(out, count, from, v->at, e);
}

static int delta_texts(struct value_reader *v, struct str *out, uint32_t count, struct err *e) {
    if (!delta_read(&v->prefixes, v->prefix, count) || !delta_read(&v->lengths, v->length, count))
        return corrupt(e);
    uint64_t bytes = 0, last = v->last.len;
    for (uint32_t i = 0; i < count; i++) {
        int32_t prefix = (int32_t)v->prefix[i], len = (int32_t)v->length[i];
        if (prefix < 0 || len < 0 || (uint64_t)prefix > last) return corrupt(e);
        last = (uint64_t)prefix + (uint64_t)len;
        bytes += last;
    }
    if (bytes > v->text_max)
        return err_set(e, ERR_INPUT, "its values are too large: %llu bytes in %u rows",
                       (unsigned long long)bytes, (unsigned)count);
    buf_clear(&v->text);
    TRY(buf_reserve(&v->text, bytes + PARQUET_TEXT_SLACK, e));
    const char *before = (const char *)v->last.data;
    char *to = (char *)v->text.data;
    for (uint32_t i = 0; i < count; i++) {
        size_t prefix = (size_t)v->prefix[i] & INT32_MAX, len = (size_t)v->length[i] & INT32_MAX;
        if (len > (size_t)(v->end - v->at)) return corrupt(e);
        if (prefix) memcpy(to, before, prefix);
        memcpy(to + prefix, v->at, len);
        v->at += len;
        out[i] = (struct str){to, (uint32_t)(prefix + len)};
        before = to;
        to += prefix + len;
    }
    if (count) {
        buf_clear(&v->last);
        TRY(buf_add(&v->last, out[count - 1].ptr, out[count - 1].len, e));
    }
    memset(to, 0, PARQUET_TEXT_SLACK);
    return check_texts(out, count, v->text.data, (const uint8_t *)to, e);
}

/* ---- values of fixed width */

/* A Julian day and nanoseconds of the day to microseconds since 1970, floored; saturated where int64 ends. */
static int64_t int96_us(const uint8_t *p) {
    enum { DAY_OF_1970 = 2440588 };
    const int64_t day_us = 86400000000;
    int64_t ns, us;
    int32_t day;
    memcpy(&ns, p, 8);
    memcpy(&day, p + 8, 4);
    us = ns / 1000 - (ns % 1000 < 0);
    int64_t days = (int64_t)day - DAY_OF_1970, start;
    if (__builtin_mul_overflow(days, day_us, &start) || __builtin_add_overflow(start, us, &us))
        return days < 0 ? INT64_MIN : INT64_MAX;
    return us;
}

static int64_t widen(const struct value_reader *v, uint32_t bits) {
    return v->kind == PARQUET_KIND_UINT ? (int64_t)bits : (int32_t)bits;
}

/* One value from its bytes to cell i. */
static inline void put_fixed(const struct value_reader *v, const uint8_t *p, const struct value_cells *out,
                             uint32_t i) {
    uint32_t u;
    float f;
    switch (v->physical) {
    case PARQUET_PHYSICAL_INT32:
        memcpy(&u, p, 4);
        out->numbers[i] = widen(v, u);
        break;
    case PARQUET_PHYSICAL_INT64: memcpy(&out->numbers[i], p, 8); break;
    case PARQUET_PHYSICAL_INT96: out->numbers[i] = int96_us(p); break;
    case PARQUET_PHYSICAL_FLOAT:
        memcpy(&f, p, 4);
        out->reals[i] = (double)f;
        break;
    default: memcpy(&out->reals[i], p, 8); break;
    }
}

static int plain_fixed(struct value_reader *v, const struct value_cells *out, uint32_t count, struct err *e) {
    unsigned width = width_of(v->physical);
    if ((size_t)(v->end - v->at) / width < count) return corrupt(e);
    if (v->physical == PARQUET_PHYSICAL_INT64)
        memcpy(out->numbers, v->at, (size_t)count * 8);
    else if (v->physical == PARQUET_PHYSICAL_DOUBLE)
        memcpy(out->reals, v->at, (size_t)count * 8);
    else
        for (uint32_t i = 0; i < count; i++) put_fixed(v, v->at + (size_t)i * width, out, i);
    v->at += (size_t)count * width;
    return 0;
}

static int split_fixed(struct value_reader *v, const struct value_cells *out, uint32_t count, struct err *e) {
    unsigned width = width_of(v->physical);
    if (v->total - v->position < count) return corrupt(e);
    for (uint32_t i = 0; i < count; i++, v->position++) {
        uint8_t bytes[12];
        for (unsigned b = 0; b < width; b++) bytes[b] = v->at[b * v->total + v->position];
        put_fixed(v, bytes, out, i);
    }
    return 0;
}

static int delta_numbers(struct value_reader *v, int64_t *out, uint32_t count, struct err *e) {
    if (!delta_read(&v->lengths, out, count)) return corrupt(e);
    if (v->physical == PARQUET_PHYSICAL_INT32)
        for (uint32_t i = 0; i < count; i++) out[i] = widen(v, (uint32_t)out[i]);
    return 0;
}

/* ---- dictionaries */

static int look_up(struct value_reader *v, const struct value_cells *out, uint32_t count, struct err *e) {
    const struct value_dictionary *d = v->dictionary;
    if (!rle_read(&v->index, v->scratch, count)) return corrupt(e);
    uint32_t largest = 0;
    for (uint32_t i = 0; i < count; i++) largest = v->scratch[i] > largest ? v->scratch[i] : largest;
    if (count && largest >= d->count) return corrupt(e);
    if (d->cells.texts)
        for (uint32_t i = 0; i < count; i++) out->texts[i] = d->cells.texts[v->scratch[i]];
    else if (d->cells.numbers)
        for (uint32_t i = 0; i < count; i++) out->numbers[i] = d->cells.numbers[v->scratch[i]];
    else
        for (uint32_t i = 0; i < count; i++) out->reals[i] = d->cells.reals[v->scratch[i]];
    return 0;
}

int value_read(struct value_reader *v, const struct value_cells *out, uint32_t count, struct err *e) {
    bool text = v->physical == PARQUET_PHYSICAL_BYTE_ARRAY;
    switch (v->encoding) {
    case PLAIN: return text ? plain_texts(v, out->texts, count, e) : plain_fixed(v, out, count, e);
    case PLAIN_DICTIONARY:
    case RLE_DICTIONARY: return look_up(v, out, count, e);
    case DELTA_BINARY_PACKED: return delta_numbers(v, out->numbers, count, e);
    case DELTA_LENGTH_BYTE_ARRAY: return delta_length_texts(v, out->texts, count, e);
    case DELTA_BYTE_ARRAY: return delta_texts(v, out->texts, count, e);
    default: return split_fixed(v, out, count, e);
    }
}

static int grow_dictionary(struct value_dictionary *d, const struct parquet_field *field, uint32_t count,
                           struct err *e) {
    static const struct value_cells none;
    uint64_t cap = count ? count : 1;
    bool text = field->kind == PARQUET_KIND_TEXT, real = field->kind == PARQUET_KIND_REAL;
    bool same = text ? d->cells.texts != NULL : real ? d->cells.reals != NULL : d->cells.numbers != NULL;
    d->count = 0;
    if (same && cap <= d->cap) return 0;
    free(d->cells.texts);
    free(d->cells.numbers);
    free(d->cells.reals);
    d->cells = none;
    d->cap = cap;
    if (text)
        d->cells.texts = malloc(cap * sizeof *d->cells.texts);
    else if (real)
        d->cells.reals = malloc(cap * sizeof *d->cells.reals);
    else
        d->cells.numbers = malloc(cap * sizeof *d->cells.numbers);
    return d->cells.texts || d->cells.reals || d->cells.numbers ? 0 : err_nomem(e);
}

int value_dictionary_read(struct value_dictionary *d, struct value_reader *v,
                          const struct parquet_field *field, uint32_t count, const uint8_t *data, size_t len,
                          struct err *e) {
    unsigned width = width_of(field->physical);
    if (len / (width ? width : 4) < count) return corrupt(e);
    TRY(grow_dictionary(d, field, count, e));
    TRY(value_reader_begin(v, field, PLAIN, data, len, NULL, e));
    TRY(value_read(v, &d->cells, count, e));
    d->count = count;
    return 0;
}
