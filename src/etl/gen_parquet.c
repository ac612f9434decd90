#include "etl/gen_parquet.h"

#include <stdlib.h>
#include <xxhash.h>

const struct parquet_column gen_parquet_columns[GEN_FIELD_COUNT] = {
    {"event_id", 1, PARQUET_STRING, true},       {"user_id", 2, PARQUET_STRING, true},
    {"timestamp", 3, PARQUET_TIMESTAMPTZ, true}, {"page_url", 4, PARQUET_STRING, true},
    {"referrer", 5, PARQUET_STRING, true},       {"device", 6, PARQUET_STRING, true},
    {"ip_address", 7, PARQUET_STRING, true},     {"status", 8, PARQUET_INT64, true},
    {"bytes", 9, PARQUET_INT64, true},           {"user_agent", 10, PARQUET_STRING, true},
    {"load_time", 11, PARQUET_DOUBLE, true},
};

/* A text column of a row group: its distinct values, and which one each row has. */
struct text_column {
    struct str *values;
    uint32_t *index; /* one a row */
    uint32_t *slots; /* value + 1, by hash; 0: free */
    uint32_t count, cap, slot_mask;
};

struct gen_columns {
    struct parquet_encoder *encoder;
    struct arena texts;
    struct text_column text[GEN_FIELD_COUNT];
    int64_t *time, *status, *bytes;
    double *load_time;
    uint8_t *time_null, *status_null, *bytes_null, *load_time_null;
    uint32_t rows, cap;
};

struct gen_columns *gen_columns_new(void) {
    struct gen_columns *c = calloc(1, sizeof *c);
    if (!c) return NULL;
    arena_init(&c->texts);
    const struct parquet_options options = {.zstd_level = 1, .plain_zstd = true};
    c->encoder = parquet_encoder_new(&options);
    if (c->encoder) return c;
    gen_columns_free(c);
    return NULL;
}

void gen_columns_free(struct gen_columns *c) {
    if (!c) return;
    if (c->encoder) parquet_encoder_free(c->encoder);
    arena_release(&c->texts);
    for (unsigned i = 0; i < GEN_FIELD_COUNT; i++) {
        free(c->text[i].values);
        free(c->text[i].index);
        free(c->text[i].slots);
    }
    free(c->time);
    free(c->status);
    free(c->bytes);
    free(c->load_time);
    free(c->time_null);
    free(c->status_null);
    free(c->bytes_null);
    free(c->load_time_null);
    free(c);
}

/* `old` resized to n items of `size`; when that fails *ok becomes false and it stays as it was. */
static void *resized(void *old, size_t n, size_t size, bool *ok) {
    void *p = realloc(old, n * size);
    if (p) return p;
    *ok = false;
    return old;
}

static int grow_rows(struct gen_columns *c, struct err *e) {
    uint32_t cap = c->cap ? 2 * c->cap : 4096;
    bool ok = true;
    c->time = resized(c->time, cap, sizeof *c->time, &ok);
    c->status = resized(c->status, cap, sizeof *c->status, &ok);
    c->bytes = resized(c->bytes, cap, sizeof *c->bytes, &ok);
    c->load_time = resized(c->load_time, cap, sizeof *c->load_time, &ok);
    c->time_null = resized(c->time_null, cap, 1, &ok);
    c->status_null = resized(c->status_null, cap, 1, &ok);
    c->bytes_null = resized(c->bytes_null, cap, 1, &ok);
    c->load_time_null = resized(c->load_time_null, cap, 1, &ok);
    for (unsigned i = 0; i < GEN_FIELD_COUNT; i++)
        if (gen_parquet_columns[i].type == PARQUET_STRING)
            c->text[i].index = resized(c->text[i].index, cap, sizeof(uint32_t), &ok);
    if (!ok) return err_nomem(e);
    c->cap = cap;
    return 0;
}

static int grow_values(struct text_column *t, struct err *e) {
    uint32_t cap = t->cap ? 2 * t->cap : 256, slot_count = 4 * cap;
    bool ok = true;
    t->values = resized(t->values, cap, sizeof *t->values, &ok);
    t->slots = resized(t->slots, slot_count, sizeof *t->slots, &ok);
    if (!ok) return err_nomem(e);
    memset(t->slots, 0, slot_count * sizeof *t->slots);
    t->cap = cap;
    t->slot_mask = slot_count - 1;
    for (uint32_t v = 0; v < t->count; v++) {
        uint32_t i = (uint32_t)XXH3_64bits(t->values[v].ptr, t->values[v].len) & t->slot_mask;
        while (t->slots[i]) i = (i + 1) & t->slot_mask;
        t->slots[i] = v + 1;
    }
    return 0;
}

static int add_text(struct gen_columns *c, struct text_column *t, struct str s, struct err *e) {
    if (t->count == t->cap) TRY(grow_values(t, e));
    uint32_t i = (uint32_t)XXH3_64bits(s.ptr, s.len) & t->slot_mask;
    for (; t->slots[i]; i = (i + 1) & t->slot_mask) {
        if (!str_eq(t->values[t->slots[i] - 1], s)) continue;
        t->index[c->rows] = t->slots[i] - 1;
        return 0;
    }
    char *copy = arena_copy(&c->texts, s.ptr, s.len);
    if (!copy) return err_nomem(e);
    t->values[t->count] = (struct str){copy, s.len};
    t->index[c->rows] = t->count++;
    t->slots[i] = t->count;
    return 0;
}

int gen_columns_add(struct gen_columns *c, const struct gen_row *row, unsigned fields, struct err *e) {
    if (c->rows == c->cap) TRY(grow_rows(c, e));
    for (unsigned i = 0; i < fields; i++)
        if (gen_parquet_columns[i].type == PARQUET_STRING) TRY(add_text(c, &c->text[i], row->field[i], e));
    uint32_t n = c->rows++;
    c->time[n] = row->time_us;
    c->time_null[n] = row->time_null;
    c->status[n] = row->status;
    c->status_null[n] = row->status_null;
    c->bytes[n] = row->bytes;
    c->bytes_null[n] = row->bytes_null;
    c->load_time[n] = row->load_time;
    c->load_time_null[n] = row->load_time_null;
    return 0;
}

static void clear(struct gen_columns *c) {
    for (unsigned i = 0; i < GEN_FIELD_COUNT; i++) {
        struct text_column *t = &c->text[i];
        if (t->slots) memset(t->slots, 0, ((size_t)t->slot_mask + 1) * sizeof *t->slots);
        t->count = 0;
    }
    arena_clear(&c->texts);
    c->rows = 0;
}

int gen_columns_encode(struct gen_columns *c, unsigned fields, struct buf *out, struct arena *arena,
                       struct parquet_row_group **group, struct err *e) {
    struct parquet_values v[GEN_FIELD_COUNT] = {0};
    for (unsigned i = 0; i < fields; i++)
        if (gen_parquet_columns[i].type == PARQUET_STRING)
            v[i] = (struct parquet_values){.strings = c->text[i].values,
                                           .index = c->text[i].index,
                                           .dictionary_count = c->text[i].count};
    v[COL_TIMESTAMP] = (struct parquet_values){.int64s = c->time, .null = c->time_null};
    if (fields > COLUMN_COUNT) {
        v[GEN_STATUS] = (struct parquet_values){.int64s = c->status, .null = c->status_null};
        v[GEN_BYTES] = (struct parquet_values){.int64s = c->bytes, .null = c->bytes_null};
        v[GEN_LOAD_TIME] = (struct parquet_values){.doubles = c->load_time, .null = c->load_time_null};
    }
    TRY(parquet_encode_row_group(c->encoder, gen_parquet_columns, fields, v, c->rows, out, arena, group, e));
    clear(c);
    return 0;
}
