/* Write a Parquet file from columns given on standard input: parquet_writer FILE < columns.
 *
 * All numbers little-endian, u32 unless said otherwise. Columns: column count, group count, page bytes, plain
 * zstd (0 or 1); for each column type (enum parquet_type), optional, field id, name (length, bytes); for each
 * group rows, then for each column mode (0 plain, 1 dictionary); plain: for each row null (u8) and, unless
 * null, the value; dictionary: count, values, then one index a row (UINT32_MAX: null). A string value is its
 * length and its bytes. */
#include "base/files.h"
#include "format/parquet.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void take(void *out, size_t len) {
    if (len && fread(out, 1, len, stdin) != len) {
        fputs("the input ends early\n", stderr);
        exit(3);
    }
}

static uint32_t take_u32(void) {
    uint32_t v;
    take(&v, 4);
    return v;
}

static void *must(void *p) {
    if (!p) {
        fputs("out of memory\n", stderr);
        exit(4);
    }
    return p;
}

struct column_values {
    struct str *strings;
    int64_t *int64s;
    int32_t *int32s;
    double *doubles;
    uint8_t *null;
    uint32_t *index;
};

static void take_value(const struct parquet_column *c, struct column_values *v, uint32_t i,
                       struct arena *arena) {
    switch (c->type) {
    case PARQUET_STRING: {
        uint32_t len = take_u32();
        char *p = must(arena_alloc(arena, len)); /* exactly as long: reading beyond is found by a sanitizer */
        take(p, len);
        v->strings[i] = (struct str){p, len};
        break;
    }
    case PARQUET_INT32: take(&v->int32s[i], 4); break;
    case PARQUET_INT64:
    case PARQUET_TIMESTAMPTZ: take(&v->int64s[i], 8); break;
    case PARQUET_DOUBLE: take(&v->doubles[i], 8); break;
    }
}

static struct parquet_values take_column(const struct parquet_column *c, uint32_t rows, struct arena *arena) {
    uint32_t mode = take_u32();
    uint32_t count = mode ? take_u32() : rows;
    struct column_values v = {
        .strings = must(arena_zalloc(arena, count * sizeof(struct str))),
        .int64s = must(arena_zalloc(arena, count * sizeof(int64_t))),
        .int32s = must(arena_zalloc(arena, count * sizeof(int32_t))),
        .doubles = must(arena_zalloc(arena, count * sizeof(double))),
        .null = must(arena_zalloc(arena, count)),
    };
    for (uint32_t i = 0; i < count; i++) {
        if (!mode) take(&v.null[i], 1);
        if (!v.null[i]) take_value(c, &v, i, arena);
    }
    if (mode) {
        v.index = must(arena_alloc(arena, rows * sizeof(uint32_t)));
        take(v.index, rows * sizeof(uint32_t));
    }
    return (struct parquet_values){
        .null = mode || c->type == PARQUET_STRING ? NULL : v.null,
        .strings = v.strings,
        .int64s = v.int64s,
        .int32s = v.int32s,
        .doubles = v.doubles,
        .index = v.index,
        .dictionary_count = mode ? count : 0,
    };
}

static int write_file(const char *path, struct err *e) {
    struct arena arena;
    arena_init(&arena);
    struct buf out;
    buf_init(&out, 0);
    uint32_t column_count = take_u32(), group_count = take_u32();
    struct parquet_options options = {.zstd_level = 1, .page_bytes = take_u32()};
    options.plain_zstd = take_u32() != 0;
    struct parquet_column *columns = must(arena_zalloc(&arena, column_count * sizeof *columns));
    for (uint32_t i = 0; i < column_count; i++) {
        columns[i].type = (enum parquet_type)take_u32();
        columns[i].optional = take_u32() != 0;
        columns[i].field_id = (int32_t)take_u32();
        uint32_t len = take_u32();
        char *name = must(arena_zalloc(&arena, len + 1));
        take(name, len);
        columns[i].name = name;
    }
    struct parquet_row_group **groups = must(arena_zalloc(&arena, (group_count + 1) * sizeof *groups));
    struct parquet_values *values = must(arena_zalloc(&arena, (column_count + 1) * sizeof *values));
    struct parquet_encoder *enc = must(parquet_encoder_new(&options));
    int rc = buf_add(&out, parquet_magic, PARQUET_MAGIC_BYTES, e);
    for (uint32_t g = 0; !rc && g < group_count; g++) {
        uint32_t rows = take_u32();
        for (uint32_t i = 0; i < column_count; i++) values[i] = take_column(&columns[i], rows, &arena);
        uint64_t offset = out.len;
        rc = parquet_encode_row_group(enc, columns, column_count, values, rows, &out, &arena, &groups[g], e);
        if (!rc) groups[g]->offset = offset;
    }
    if (!rc) rc = parquet_footer(columns, column_count, groups, group_count, "weir version 0.1.0", &out, e);
    if (!rc) {
        unlink(path);
        rc = file_write_new(path, out.data, out.len, e);
    }
    parquet_encoder_free(enc);
    buf_release(&out);
    arena_release(&arena);
    return rc;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: parquet_writer FILE < columns\n", stderr);
        return 2;
    }
    struct err e;
    int rc = write_file(argv[1], &e);
    if (rc) fprintf(stderr, "%s\n", e.msg);
    return rc;
}
