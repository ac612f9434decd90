/* The footer: FileMetaData of parquet.thrift, parquet-format 2.10. Field numbers are those of that file. */
#include "format/parquet.h"

#include "format/parquet_page.h"
#include "format/thrift.h"

enum { TYPE_INT32 = 1, TYPE_INT64 = 2, TYPE_DOUBLE = 5, TYPE_BYTE_ARRAY = 6 };
enum { REPETITION_REQUIRED = 0, REPETITION_OPTIONAL = 1 };
enum { CONVERTED_UTF8 = 0, CONVERTED_TIMESTAMP_MICROS = 10 };
enum { LOGICAL_STRING = 1, LOGICAL_TIMESTAMP = 8, UNIT_MICROS = 2 };
enum { CODEC_ZSTD = 6 };
enum { FORMAT_VERSION = 2 }; /* RLE_DICTIONARY, logical types */

static int32_t physical_type(enum parquet_type type) {
    switch (type) {
    case PARQUET_STRING: return TYPE_BYTE_ARRAY;
    case PARQUET_INT32: return TYPE_INT32;
    case PARQUET_INT64:
    case PARQUET_TIMESTAMPTZ: return TYPE_INT64;
    case PARQUET_DOUBLE: return TYPE_DOUBLE;
    }
    return TYPE_BYTE_ARRAY;
}

static void put_schema_element(struct thrift *t, const struct parquet_column *c) {
    thrift_element_struct_begin(t);
    thrift_i32(t, 1, physical_type(c->type));
    thrift_i32(t, 3, c->optional ? REPETITION_OPTIONAL : REPETITION_REQUIRED);
    thrift_string(t, 4, c->name);
    if (c->type == PARQUET_STRING) thrift_i32(t, 6, CONVERTED_UTF8);
    if (c->type == PARQUET_TIMESTAMPTZ) thrift_i32(t, 6, CONVERTED_TIMESTAMP_MICROS);
    thrift_i32(t, 9, c->field_id);
    if (c->type == PARQUET_STRING) {
        thrift_struct_begin(t, 10);
        thrift_struct_begin(t, LOGICAL_STRING);
        thrift_struct_end(t);
        thrift_struct_end(t);
    } else if (c->type == PARQUET_TIMESTAMPTZ) {
        thrift_struct_begin(t, 10);
        thrift_struct_begin(t, LOGICAL_TIMESTAMP);
        thrift_bool(t, 1, true); /* isAdjustedToUTC */
        thrift_struct_begin(t, 2);
        thrift_struct_begin(t, UNIT_MICROS);
        thrift_struct_end(t);
        thrift_struct_end(t);
        thrift_struct_end(t);
        thrift_struct_end(t);
    }
    thrift_struct_end(t);
}

static void put_statistics(struct thrift *t, const struct parquet_chunk_meta *m) {
    thrift_struct_begin(t, 12);
    thrift_i64(t, 3, (int64_t)m->null_count);
    /* Readers that know min_value alone, or max_value alone, are rare: without an upper bound give neither.
     */
    if (m->has_bounds && m->has_upper) {
        thrift_binary(t, 5, m->upper, m->upper_len);
        thrift_binary(t, 6, m->lower, m->lower_len);
        thrift_bool(t, 7, m->upper_exact);
        thrift_bool(t, 8, m->lower_exact);
    }
    thrift_struct_end(t);
}

static void put_page_count(struct thrift *t, enum parquet_page_type type, enum parquet_encoding encoding,
                           uint32_t count) {
    thrift_element_struct_begin(t);
    thrift_i32(t, 1, type);
    thrift_i32(t, 2, encoding);
    thrift_i32(t, 3, (int32_t)count);
    thrift_struct_end(t);
}

static void put_chunk(struct thrift *t, const struct parquet_column *c, const struct parquet_row_group *g,
                      const struct parquet_chunk_meta *m) {
    bool dictionary = m->dictionary_offset != UINT64_MAX;
    uint64_t first = g->offset + (dictionary ? m->dictionary_offset : m->data_offset);
    thrift_element_struct_begin(t);
    thrift_i64(t, 2, (int64_t)first); /* deprecated; parquet-mr writes this */
    thrift_struct_begin(t, 3);
    thrift_i32(t, 1, physical_type(c->type));
    thrift_list_begin(t, 2, THRIFT_I32, dictionary ? 3 : 2);
    thrift_element_i32(t, PARQUET_PLAIN);
    thrift_element_i32(t, PARQUET_RLE);
    if (dictionary) thrift_element_i32(t, PARQUET_RLE_DICTIONARY);
    thrift_list_begin(t, 3, THRIFT_BINARY, 1);
    thrift_element_string(t, c->name);
    thrift_i32(t, 4, CODEC_ZSTD);
    thrift_i64(t, 5, g->rows);
    thrift_i64(t, 6, (int64_t)m->uncompressed_bytes);
    thrift_i64(t, 7, (int64_t)m->compressed_bytes);
    thrift_i64(t, 9, (int64_t)(g->offset + m->data_offset));
    if (dictionary) thrift_i64(t, 11, (int64_t)(g->offset + m->dictionary_offset));
    put_statistics(t, m);
    /* From these a reader knows that every data page is dictionary-encoded, and may filter by the dictionary.
     */
    thrift_list_begin(t, 13, THRIFT_STRUCT, dictionary ? 2 : 1);
    if (dictionary) put_page_count(t, PARQUET_DICTIONARY_PAGE, PARQUET_PLAIN, 1);
    put_page_count(t, PARQUET_DATA_PAGE, dictionary ? PARQUET_RLE_DICTIONARY : PARQUET_PLAIN, m->data_pages);
    thrift_struct_end(t);
    thrift_struct_end(t);
}

static void put_row_group(struct thrift *t, const struct parquet_column *columns, uint32_t column_count,
                          const struct parquet_row_group *g, uint32_t ordinal) {
    thrift_element_struct_begin(t);
    thrift_list_begin(t, 1, THRIFT_STRUCT, column_count);
    for (uint32_t i = 0; i < column_count; i++) put_chunk(t, &columns[i], g, &g->columns[i]);
    thrift_i64(t, 2, (int64_t)g->uncompressed_bytes);
    thrift_i64(t, 3, g->rows);
    thrift_i64(t, 5, (int64_t)g->offset);
    thrift_i64(t, 6, (int64_t)g->bytes);
    if (ordinal <= INT16_MAX) thrift_i16(t, 7, (int16_t)ordinal);
    thrift_struct_end(t);
}

int parquet_footer(const struct parquet_column *columns, uint32_t column_count,
                   struct parquet_row_group *const *groups, uint32_t group_count, const char *created_by,
                   struct buf *out, struct err *e) {
    size_t start = out->len;
    int64_t rows = 0;
    for (uint32_t i = 0; i < group_count; i++) rows += groups[i]->rows;

    struct thrift t;
    thrift_begin(&t, out, e);
    thrift_i32(&t, 1, FORMAT_VERSION);
    thrift_list_begin(&t, 2, THRIFT_STRUCT, column_count + 1);
    thrift_element_struct_begin(&t);
    thrift_string(&t, 4, "table");
    thrift_i32(&t, 5, (int32_t)column_count);
    thrift_struct_end(&t);
    for (uint32_t i = 0; i < column_count; i++) put_schema_element(&t, &columns[i]);
    thrift_i64(&t, 3, rows);
    thrift_list_begin(&t, 4, THRIFT_STRUCT, group_count);
    for (uint32_t i = 0; i < group_count; i++) put_row_group(&t, columns, column_count, groups[i], i);
    thrift_string(&t, 6, created_by);
    thrift_list_begin(&t, 7, THRIFT_STRUCT, column_count);
    for (uint32_t i = 0; i < column_count; i++) {
        thrift_element_struct_begin(&t);
        thrift_struct_begin(&t, 1); /* TypeDefinedOrder: what makes min_value and max_value valid */
        thrift_struct_end(&t);
        thrift_struct_end(&t);
    }
    TRY(thrift_end(&t));

    size_t len = out->len - start;
    if (len > INT32_MAX) return err_set(e, ERR_OUTSIDE, "a Parquet footer of %zu bytes is too large", len);
    uint32_t length = (uint32_t)len;
    TRY(buf_add(out, &length, 4, e));
    return buf_add(out, parquet_magic, PARQUET_MAGIC_BYTES, e);
}
