/* Objects of an S3 service as files (Amazon S3 API reference). There are no folders: what has a common
 * beginning up to a slash lies together. An object is durable once written. */
#include "edge/store_s3.h"

#include "edge/s3_location.h"
#include "edge/s3_sign.h"

#include <ctype.h>
#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIST_MAX = 8 << 20, UPLOAD_BYTES = 64 << 20, READ_BYTES = 48 << 20 };

struct s3_store {
    struct store base;
    struct s3_client *client;
    struct s3_uploads *uploads; /* NULL until the first */
    struct s3_sources *sources; /* likewise */
    uint64_t upload_bytes, read_bytes;
    pthread_mutex_t lock;
};

/* ---- locations ---- */

static bool is_bucket(const char *name, size_t len) {
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr(".-_", name[i])) return false;
    return len >= 3 && len <= 63 && isalnum((unsigned char)name[0]);
}

int s3_location_parse(const char *location, struct arena *a, struct s3_location *out, struct err *e) {
    const char *sep = store_is_s3(location) ? strstr(location, "://") : NULL;
    const char *bucket = sep ? sep + 3 : "";
    size_t n = strcspn(bucket, "/");
    if (!is_bucket(bucket, n))
        return err_set(e, ERR_INPUT, "\"%s\" is no S3 location; write s3://bucket/prefix", location);
    const char *key = bucket + n + (bucket[n] == '/');
    size_t len = strlen(key);
    while (len && key[len - 1] == '/') len--;
    out->bucket = arena_copy(a, bucket, n);
    out->key = arena_copy(a, key, len);
    return out->bucket && out->key ? 0 : err_nomem(e);
}

/* With memory of an arena that the caller releases, also on failure. */
static int parse(const char *location, struct arena *a, struct s3_location *l, struct err *e) {
    arena_init(a);
    return s3_location_parse(location, a, l, e);
}

static struct s3_client *client_of(struct store *s) {
    return ((struct s3_store *)s)->client;
}

/* ---- reading ---- */

/* What the service says that was written must be what came. A checksum of parts' checksums ("…-3") says
 * nothing of the whole. */
static int check_bytes(const char *location, const struct s3_response *r, const uint8_t *data,
                       struct err *e) {
    uint8_t hash[32];
    char text[48];
    if (!*r->sha256 || strchr(r->sha256, '-')) return 0;
    TRY(s3_sha256(data, r->len, hash, e));
    EVP_EncodeBlock((unsigned char *)text, hash, sizeof hash);
    return strcmp(text, r->sha256) == 0
               ? 0
               : err_set(e, ERR_OUTSIDE, "could not read \"%s\": its bytes are not those of its checksum",
                         location);
}

static int s3_read(struct store *s, const char *location, size_t max, struct buf *out, struct err *e) {
    struct arena a;
    struct s3_location l;
    struct s3_response r;
    struct buf data;
    int rc = parse(location, &a, &l, e);
    buf_init(&data, max ? max : 1);
    if (!rc) {
        const struct s3_request q = {
            .method = "GET", .bucket = l.bucket, .key = l.key, .with_checksum = true, .out = &data};
        rc = s3_call(client_of(s), &q, &r, e);
    }
    if (!rc) rc = check_bytes(location, &r, data.data, e);
    if (!rc) rc = buf_add(out, data.data, data.len, e);
    buf_release(&data);
    arena_release(&a);
    return rc;
}

/* ---- writing ---- */

/* Whether the object that stands there is ours: our first try was answered, but the answer was lost. */
static int is_ours(struct s3_client *c, const char *bucket, const char *key, const struct s3_body *body,
                   const char *sha256, bool *ours, struct err *e) {
    const struct s3_request q = {
        .method = "HEAD", .bucket = bucket, .key = key, .with_checksum = true, .missing_ok = true};
    struct s3_response r;
    TRY(s3_call(c, &q, &r, e));
    *ours = r.status == 200 && r.total == body->len && strcmp(r.sha256, sha256) == 0;
    if (*ours || r.status != 200 || r.total != body->len || *r.sha256) return 0;
    uint8_t md5[16]; /* a service that keeps no checksums: the ETag is the MD5 */
    char hex[35] = "\"";
    struct err refused;
    if (s3_body_md5(body, md5, &refused)) return 0;
    for (int i = 0; i < 16; i++) snprintf(hex + 1 + 2 * i, 3, "%02x", md5[i]);
    *ours = strncasecmp(r.etag, hex, 33) == 0;
    return 0;
}

int s3_put_new(struct s3_client *c, const char *bucket, const char *key, const struct s3_body *body,
               const atomic_bool *stop, struct err *e) {
    const struct s3_request q = {.method = "PUT",
                                 .bucket = bucket,
                                 .key = key,
                                 .body = body,
                                 .if_none = true,
                                 .with_checksum = true,
                                 .exists_ok = true,
                                 .stop = stop};
    struct s3_response r;
    bool ours = false;
    TRY(s3_call(c, &q, &r, e));
    if (r.status < 300) return 0;
    /* It may be ours: an answer got lost, and the request was repeated, by libcurl even unseen. */
    TRY(is_ours(c, bucket, key, body, r.body_sha256, &ours, e));
    return ours ? 0
                : err_set(e, ERR_OUTSIDE, "could not write \"s3://%s/%s\": it exists already", bucket, key);
}

static int s3_write_new(struct store *s, const char *location, const void *data, size_t len, struct err *e) {
    struct arena a;
    struct s3_location l;
    const struct s3_body body = {&data, len, len};
    int rc = parse(location, &a, &l, e);
    if (!rc) rc = s3_put_new(client_of(s), l.bucket, l.key, &body, NULL, e);
    arena_release(&a);
    return rc;
}

static int s3_sync_folder(struct store *s, const char *location, struct err *e) {
    (void)s, (void)location, (void)e;
    return 0;
}

int s3_remove(struct s3_client *c, const char *bucket, const char *key, bool cleanup, struct err *e) {
    const struct s3_request q = {
        .method = "DELETE", .bucket = bucket, .key = key, .missing_ok = true, .cleanup = cleanup};
    struct s3_response r;
    return s3_call(c, &q, &r, e);
}

static int s3_store_remove(struct store *s, const char *location, bool folder, struct err *e) {
    struct arena a;
    struct s3_location l;
    if (folder) return 0;
    int rc = parse(location, &a, &l, e);
    if (!rc) rc = s3_remove(client_of(s), l.bucket, l.key, true, e);
    arena_release(&a);
    return rc;
}

/* ---- listing ---- */

static int hex_digit(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* encoding-type=url: keys come encoded, as XML cannot hold all of them. */
static void decode(char *text) {
    char *out = text;
    for (const char *p = text; *p; out++) {
        int high = *p == '%' ? hex_digit(p[1]) : -1, low = high >= 0 ? hex_digit(p[2]) : -1;
        *out = low >= 0 ? (char)(high * 16 + low) : *p == '+' ? ' ' : *p;
        p += low >= 0 ? 3 : 1;
    }
    *out = 0;
}

/* "2026-01-31T12:00:00.000Z" */
static int64_t time_ns(const char *text) {
    struct tm tm = {0};
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) ? (int64_t)timegm(&tm) * 1000000000 : INT64_MAX;
}

static int list_page(const char *bucket, char *xml, store_entry_fn *fn, void *ctx, struct err *e) {
    static const char begin[] = "<Contents>", end[] = "</Contents>";
    for (char *at = strstr(xml, begin), *next; at; at = strstr(next, begin)) {
        char key[3100], size[32], modified[64], path[3200];
        next = strstr(at, end);
        if (!next)
            return err_set(e, ERR_OUTSIDE, "could not list \"s3://%s\": the answer is cut off", bucket);
        *next++ = 0;
        if (!s3_xml_text(at, "Key", key, sizeof key) || !s3_xml_text(at, "Size", size, sizeof size) ||
            !s3_xml_text(at, "LastModified", modified, sizeof modified))
            return err_set(e, ERR_OUTSIDE, "could not list \"s3://%s\": the answer is none of S3's", bucket);
        decode(key);
        size_t n = strlen(key);
        if (!n || key[n - 1] == '/') continue; /* what some tools make for a folder */
        snprintf(path, sizeof path, "s3://%s/%s", bucket, key);
        const struct store_entry entry = {
            .path = path, .bytes = strtoull(size, NULL, 10), .modified_ns = time_ns(modified)};
        TRY(fn(ctx, &entry, e));
    }
    return 0;
}

static int make_query(const struct s3_location *l, const char *token, struct buf *query, struct err *e) {
    buf_clear(query);
    if (token) {
        TRY(buf_add_str(query, "continuation-token=", e));
        TRY(s3_add_encoded(query, token, false, e));
        TRY(buf_add_byte(query, '&', e));
    }
    TRY(buf_add_str(query, "encoding-type=url&list-type=2&prefix=", e));
    TRY(s3_add_encoded(query, l->key, false, e));
    if (*l->key) TRY(buf_add_str(query, "%2F", e));
    return buf_cstr(query) ? 0 : err_nomem(e);
}

static int list_all(struct s3_client *c, const struct s3_location *l, struct buf *query, struct buf *xml,
                    store_entry_fn *fn, void *ctx, struct err *e) {
    char token[2048], more[8];
    for (bool first = true, done = false; !done; first = false) {
        struct s3_response r;
        TRY(make_query(l, first ? NULL : token, query, e));
        buf_clear(xml);
        const struct s3_request q = {
            .method = "GET", .bucket = l->bucket, .key = "", .query = (char *)query->data, .out = xml};
        TRY(s3_call(c, &q, &r, e));
        if (!buf_cstr(xml)) return err_nomem(e);
        char *text = (char *)xml->data;
        done = !s3_xml_text(text, "IsTruncated", more, sizeof more) || strcmp(more, "true") != 0;
        if (!done && !s3_xml_text(text, "NextContinuationToken", token, sizeof token))
            return err_set(e, ERR_OUTSIDE, "could not list \"s3://%s\": the answer is none of S3's",
                           l->bucket);
        TRY(list_page(l->bucket, text, fn, ctx, e));
    }
    return 0;
}

static int s3_list(struct store *s, const char *location, store_entry_fn *fn, void *ctx, struct err *e) {
    struct arena a;
    struct s3_location l;
    struct buf query, xml;
    buf_init(&query, 1 << 16);
    buf_init(&xml, LIST_MAX);
    int rc = parse(location, &a, &l, e);
    if (!rc) rc = list_all(client_of(s), &l, &query, &xml, fn, ctx, e);
    buf_release(&query);
    buf_release(&xml);
    arena_release(&a);
    return rc;
}

/* ---- the rest ---- */

static int s3_resolve(struct store *s, const char *location, struct arena *arena, char **path,
                      struct err *e) {
    (void)s;
    struct s3_location l;
    TRY(s3_location_parse(location, arena, &l, e));
    *path = store_name(arena, location);
    return *path ? 0 : err_nomem(e);
}

static int s3_identify(struct store *s, const char *location, bool *exists, uint64_t *device, uint64_t *inode,
                       struct err *e) {
    struct arena a;
    struct s3_location l;
    struct s3_response r = {0};
    int rc = parse(location, &a, &l, e);
    if (!rc) {
        const struct s3_request q = {.method = "HEAD", .bucket = l.bucket, .key = l.key, .missing_ok = true};
        rc = s3_call(client_of(s), &q, &r, e);
    }
    *exists = r.status == 200;
    *device = *inode = 0;
    arena_release(&a);
    return rc;
}

static int s3_check(struct store *s, const char *location, struct err *e) {
    struct arena a;
    struct s3_location l;
    struct s3_response r;
    struct buf ignored;
    buf_init(&ignored, 1 << 20);
    int rc = parse(location, &a, &l, e);
    if (!rc) {
        const struct s3_request q = {.method = "GET",
                                     .bucket = l.bucket,
                                     .key = "",
                                     .query = "list-type=2&max-keys=1",
                                     .out = &ignored};
        rc = s3_call(client_of(s), &q, &r, e);
    }
    buf_release(&ignored);
    arena_release(&a);
    return rc;
}

static int s3_store_upload_begin(struct store *s, const char *location, struct store_upload **out,
                                 struct err *e) {
    struct s3_store *t = (struct s3_store *)s;
    int rc = 0;
    pthread_mutex_lock(&t->lock);
    if (!t->uploads) rc = s3_uploads_new(t->client, t->upload_bytes, &t->uploads, e);
    pthread_mutex_unlock(&t->lock);
    return rc ? rc : s3_upload_begin(t->uploads, location, out, e);
}

static int s3_store_source_open(struct store *s, const char *location, struct store_source **out,
                                uint64_t *bytes, struct err *e) {
    struct s3_store *t = (struct s3_store *)s;
    int rc = 0;
    pthread_mutex_lock(&t->lock);
    if (!t->sources) rc = s3_sources_new(t->client, t->read_bytes, &t->sources, e);
    pthread_mutex_unlock(&t->lock);
    return rc ? rc : s3_source_open(t->sources, location, out, bytes, e);
}

static void s3_close(struct store *s) {
    struct s3_store *t = (struct s3_store *)s;
    s3_uploads_free(t->uploads);
    s3_sources_free(t->sources);
    s3_client_free(t->client);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static const struct store_ops s3_ops = {
    s3_close,   s3_read,     s3_write_new, s3_sync_folder,        s3_store_remove,     s3_list,
    s3_resolve, s3_identify, s3_check,     s3_store_upload_begin, s3_store_source_open};

int store_s3_open(const struct store_options *o, struct store **out, struct err *e) {
    struct s3_store *t = calloc(1, sizeof *t);
    if (!t) return err_nomem(e);
    t->base.ops = &s3_ops;
    t->upload_bytes = o->upload_bytes ? o->upload_bytes : UPLOAD_BYTES;
    t->read_bytes = o->read_bytes ? o->read_bytes : READ_BYTES;
    pthread_mutex_init(&t->lock, NULL);
    int rc = s3_client_new(o, &t->client, e);
    if (rc)
        s3_close(&t->base);
    else
        *out = &t->base;
    return rc;
}
