/* Object container files: header, blocks, codecs. */
#include "format/avro.h"

#include <zlib.h>
#include <zstd.h>

enum { BLOCK_TARGET = 64 * 1024 }; /* uncompressed bytes of a written block */
enum codec { CODEC_NULL, CODEC_DEFLATE, CODEC_ZSTANDARD };

static const uint8_t magic[4] = {'O', 'b', 'j', 1};

/* The header is itself Avro: a map of bytes. */
static const struct avro_schema long_schema = {.kind = AVRO_LONG};
static const struct avro_schema bytes_schema = {.kind = AVRO_BYTES};
static struct avro_field meta_values = {NULL, AVRO_NO_ID, &bytes_schema};
static const struct avro_schema meta_schema = {.kind = AVRO_MAP, .fields = &meta_values, .field_count = 1};

/* ---- writing ---- */

static int add_meta(struct buf *out, const struct avro_meta *meta, size_t count, struct err *e) {
    struct avro_value n = avro_int((int64_t)count);
    TRY(avro_encode(&long_schema, &n, out, e));
    for (size_t i = 0; i < count; i++) {
        struct avro_value k = avro_bytes(meta[i].key, strlen(meta[i].key));
        struct avro_value v = avro_bytes(meta[i].value, strlen(meta[i].value));
        TRY(avro_encode(&bytes_schema, &k, out, e));
        TRY(avro_encode(&bytes_schema, &v, out, e));
    }
    return 0;
}

int avro_writer_init(struct avro_writer *w, struct buf *out, const struct avro_schema *schema,
                     const char *schema_json, const struct avro_meta *meta, size_t meta_count, bool deflate,
                     const uint8_t sync[AVRO_SYNC_BYTES], struct err *e) {
    *w = (struct avro_writer){.out = out, .schema = schema, .deflate = deflate};
    memcpy(w->sync, sync, AVRO_SYNC_BYTES);
    buf_init(&w->block, 0);
    struct avro_meta own[2] = {{"avro.schema", schema_json}, {"avro.codec", deflate ? "deflate" : "null"}};
    TRY(buf_add(out, magic, sizeof magic, e));
    TRY(add_meta(out, own, 2, e));
    if (meta_count) TRY(add_meta(out, meta, meta_count, e));
    TRY(buf_add_byte(out, 0, e));
    return buf_add(out, sync, AVRO_SYNC_BYTES, e);
}

static int deflate_into(struct buf *out, const struct buf *in, struct err *e) {
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) return err_nomem(e);
    size_t bound = deflateBound(&z, in->len);
    int rc = buf_reserve(out, bound, e);
    if (!rc) {
        z.next_in = in->data;
        z.avail_in = (uInt)in->len; /* a block is far below 4 GiB */
        z.next_out = out->data + out->len;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) == Z_STREAM_END)
            out->len += z.total_out;
        else
            rc = err_set(e, ERR_OUTSIDE, "Avro: deflate failed");
    }
    deflateEnd(&z);
    return rc;
}

static int flush(struct avro_writer *w, struct err *e) {
    if (!w->block_count) return 0;
    struct buf packed;
    buf_init(&packed, 0);
    int rc = w->deflate ? deflate_into(&packed, &w->block, e) : 0;
    const struct buf *body = w->deflate ? &packed : &w->block;
    struct avro_value n = avro_int((int64_t)w->block_count), len = avro_int((int64_t)body->len);
    if (!rc) rc = avro_encode(&long_schema, &n, w->out, e);
    if (!rc) rc = avro_encode(&long_schema, &len, w->out, e);
    if (!rc) rc = buf_add(w->out, body->data, body->len, e);
    if (!rc) rc = buf_add(w->out, w->sync, AVRO_SYNC_BYTES, e);
    buf_release(&packed);
    buf_clear(&w->block);
    w->block_count = 0;
    return rc;
}

int avro_writer_add(struct avro_writer *w, const struct avro_value *v, struct err *e) {
    TRY(avro_encode(w->schema, v, &w->block, e));
    w->block_count++;
    return w->block.len >= BLOCK_TARGET ? flush(w, e) : 0;
}

int avro_writer_end(struct avro_writer *w, struct err *e) {
    return flush(w, e);
}

void avro_writer_release(struct avro_writer *w) {
    buf_release(&w->block);
}

/* ---- reading ---- */

static int read_header(struct avro_reader *r, struct err *e) {
    if (r->end - r->at < (ptrdiff_t)sizeof magic || memcmp(r->at, magic, sizeof magic) != 0)
        return err_set(e, ERR_INPUT, "it is no Avro file");
    r->at += sizeof magic;
    struct avro_value map;
    TRY(avro_decode(&meta_schema, &r->at, r->end, &r->arena, &map, e));
    r->meta_count = map.count / 2;
    r->meta = arena_alloc(&r->arena, r->meta_count * sizeof *r->meta);
    if (!r->meta) return err_nomem(e);
    for (size_t i = 0; i < r->meta_count; i++) /* decoded bytes are followed by a NUL (arena_copy) */
        r->meta[i] = (struct avro_meta){(const char *)map.items[2 * i].bytes,
                                        (const char *)map.items[2 * i + 1].bytes};
    if (r->end - r->at < AVRO_SYNC_BYTES) return err_set(e, ERR_INPUT, "Avro: the header ends early");
    memcpy(r->sync, r->at, AVRO_SYNC_BYTES);
    r->at += AVRO_SYNC_BYTES;

    const char *codec = avro_reader_meta(r, "avro.codec");
    if (!codec || strcmp(codec, "null") == 0)
        r->codec = CODEC_NULL;
    else if (strcmp(codec, "deflate") == 0)
        r->codec = CODEC_DEFLATE;
    else if (strcmp(codec, "zstandard") == 0)
        r->codec = CODEC_ZSTANDARD;
    else
        return err_set(e, ERR_INPUT, "Avro: codec \"%s\" is not supported", codec);
    const char *schema = avro_reader_meta(r, "avro.schema");
    if (!schema) return err_set(e, ERR_INPUT, "Avro: the header has no schema");
    return avro_types_init(&r->types, schema, strlen(schema), e);
}

int avro_reader_init(struct avro_reader *r, const void *data, size_t len, size_t max_block, struct err *e) {
    memset(r, 0, sizeof *r);
    arena_init(&r->arena);
    r->at = data;
    r->end = r->at + len;
    buf_init(&r->block, max_block ? max_block : (size_t)1 << 30);
    int rc = read_header(r, e);
    if (rc) arena_release(&r->arena);
    return rc;
}

void avro_reader_release(struct avro_reader *r) {
    avro_types_release(&r->types);
    arena_release(&r->arena);
    buf_release(&r->block);
}

const char *avro_reader_meta(const struct avro_reader *r, const char *key) {
    for (size_t i = 0; i < r->meta_count; i++)
        if (strcmp(r->meta[i].key, key) == 0) return r->meta[i].value;
    return NULL;
}

static int inflate_block(struct avro_reader *r, const uint8_t *in, size_t len, struct err *e) {
    z_stream z = {0};
    if (len > UINT32_MAX) return err_set(e, ERR_INPUT, "Avro: a block is too large");
    if (inflateInit2(&z, -15) != Z_OK) return err_nomem(e);
    z.next_in = (Bytef *)in;
    z.avail_in = (uInt)len;
    int rc = 0, zrc = Z_OK;
    while (!rc && zrc == Z_OK) {
        size_t room = len * 4 < 65536 ? 65536 : len * 4;
        if (room > UINT32_MAX) room = UINT32_MAX;
        if (room > r->block.max - r->block.len) room = r->block.max - r->block.len;
        if (!room) rc = err_set(e, ERR_INPUT, "Avro: a block is larger than %zu bytes", r->block.max);
        if (!rc) rc = buf_reserve(&r->block, room, e);
        if (rc) break;
        z.next_out = r->block.data + r->block.len;
        z.avail_out = (uInt)room;
        zrc = inflate(&z, Z_NO_FLUSH);
        r->block.len += room - z.avail_out;
        if (zrc == Z_BUF_ERROR || (zrc == Z_OK && z.avail_out)) zrc = Z_DATA_ERROR; /* the input ended */
    }
    if (!rc && zrc != Z_STREAM_END) rc = err_set(e, ERR_INPUT, "Avro: a block does not inflate");
    inflateEnd(&z);
    return rc;
}

static int zstd_block(struct avro_reader *r, const uint8_t *in, size_t len, struct err *e) {
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    if (!ctx) return err_nomem(e);
    ZSTD_inBuffer ib = {in, len, 0};
    int rc = 0;
    size_t left = 1;
    while (!rc && left) {
        size_t room = ZSTD_DStreamOutSize();
        if (room > r->block.max - r->block.len) room = r->block.max - r->block.len;
        if (!room) rc = err_set(e, ERR_INPUT, "Avro: a block is larger than %zu bytes", r->block.max);
        if (!rc) rc = buf_reserve(&r->block, room, e);
        if (rc) break;
        ZSTD_outBuffer ob = {r->block.data + r->block.len, room, 0};
        left = ZSTD_decompressStream(ctx, &ob, &ib);
        r->block.len += ob.pos;
        if (ZSTD_isError(left) || (left && ib.pos == ib.size && ob.pos < ob.size))
            rc = err_set(e, ERR_INPUT, "Avro: a block does not decompress");
    }
    ZSTD_freeDCtx(ctx);
    return rc;
}

static int next_block(struct avro_reader *r, struct err *e) {
    struct arena scratch;
    arena_init(&scratch); /* longs take nothing from it */
    struct avro_value n, len;
    int rc = avro_decode(&long_schema, &r->at, r->end, &scratch, &n, e);
    if (!rc) rc = avro_decode(&long_schema, &r->at, r->end, &scratch, &len, e);
    arena_release(&scratch);
    if (rc) return rc;
    if (n.integer < 0 || len.integer < 0 || r->end - r->at < AVRO_SYNC_BYTES ||
        len.integer > r->end - r->at - AVRO_SYNC_BYTES)
        return err_set(e, ERR_INPUT, "Avro: a block ends early");
    const uint8_t *body = r->at;
    r->at += len.integer;
    if (memcmp(r->at, r->sync, AVRO_SYNC_BYTES) != 0)
        return err_set(e, ERR_INPUT, "Avro: a block is not followed by the file's sync marker");
    r->at += AVRO_SYNC_BYTES;

    buf_clear(&r->block);
    r->block_at = body;
    r->block_end = body + len.integer;
    if (r->codec != CODEC_NULL) {
        TRY((r->codec == CODEC_DEFLATE ? inflate_block : zstd_block)(r, body, (size_t)len.integer, e));
        r->block_at = r->block.data;
        r->block_end = r->block.data + r->block.len;
    }
    /* A record takes a byte at least in all that Iceberg writes; more would be a way to make us spin. */
    if (n.integer > r->block_end - r->block_at) return err_set(e, ERR_INPUT, "Avro: a block ends early");
    r->block_left = (uint64_t)n.integer;
    return 0;
}

int avro_reader_next(struct avro_reader *r, struct arena *arena, struct avro_value *out, bool *done,
                     struct err *e) {
    while (!r->block_left) {
        *done = r->at == r->end;
        if (*done) return 0;
        TRY(next_block(r, e));
    }
    *done = false;
    r->block_left--;
    return avro_decode(r->types.root, &r->block_at, r->block_end, arena, out, e);
}
