#include "edge/s3_multipart.h"

#include "edge/s3_sign.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int s3_multipart_create(const struct s3_object *o, char **id, bool *strays, struct err *e) {
    struct buf xml, encoded;
    struct s3_response r;
    char text[1024];
    buf_init(&xml, 1 << 16);
    buf_init(&encoded, 1 << 12);
    const struct s3_request q = {.method = "POST",
                                 .bucket = o->bucket,
                                 .key = o->key,
                                 .query = "uploads=",
                                 .checksum_of_parts = true,
                                 .counted = true,
                                 .out = &xml,
                                 .stop = o->stop};
    int rc = s3_call(o->client, &q, &r, e);
    *strays = rc || r.tries > 1;
    if (!rc && (!buf_cstr(&xml) || !s3_xml_text((char *)xml.data, "UploadId", text, sizeof text)))
        rc = err_set(e, ERR_OUTSIDE, "could not write \"s3://%s/%s\": the answer names no upload", o->bucket,
                     o->key);
    if (!rc) rc = s3_add_encoded(&encoded, text, false, e);
    const char *done = rc ? NULL : buf_cstr(&encoded);
    *id = done ? strdup(done) : NULL;
    if (!rc && !*id) rc = err_nomem(e);
    buf_release(&xml);
    buf_release(&encoded);
    return rc;
}

int s3_multipart_send(const struct s3_object *o, const char *id, unsigned number, const struct s3_body *body,
                      struct s3_part *sent, struct err *e) {
    char query[1200];
    struct s3_response r;
    snprintf(query, sizeof query, "partNumber=%u&uploadId=%s", number, id);
    const struct s3_request q = {.method = "PUT",
                                 .bucket = o->bucket,
                                 .key = o->key,
                                 .query = query,
                                 .body = body,
                                 .with_checksum = true,
                                 .stop = o->stop};
    TRY(s3_call(o->client, &q, &r, e));
    if (!*r.etag)
        return err_set(e, ERR_OUTSIDE, "could not write \"s3://%s/%s\": part %u was answered without ETag",
                       o->bucket, o->key, number);
    snprintf(sent->etag, sizeof sent->etag, "%s", r.etag);
    snprintf(sent->sha256, sizeof sent->sha256, "%s", r.body_sha256);
    return 0;
}

int s3_multipart_abort(const struct s3_object *o, const char *id, struct err *e) {
    char query[1200];
    struct s3_response r;
    snprintf(query, sizeof query, "uploadId=%s", id);
    const struct s3_request q = {.method = "DELETE",
                                 .bucket = o->bucket,
                                 .key = o->key,
                                 .query = query,
                                 .missing_ok = true,
                                 .cleanup = true};
    return s3_call(o->client, &q, &r, e);
}

static int abort_each(const struct s3_object *o, const char *xml, struct buf *id, struct err *e) {
    char text[1024];
    for (const char *at = xml; (at = strstr(at, "<UploadId>")); at++) {
        buf_clear(id);
        if (!s3_xml_text(at, "UploadId", text, sizeof text)) continue;
        TRY(s3_add_encoded(id, text, false, e));
        if (!buf_cstr(id)) return err_nomem(e);
        TRY(s3_multipart_abort(o, (char *)id->data, e));
    }
    return 0;
}

int s3_multipart_abort_all(const struct s3_object *o, struct err *e) {
    struct buf query, xml, id;
    struct s3_response r;
    buf_init(&query, 1 << 14);
    buf_init(&xml, 1 << 20);
    buf_init(&id, 1 << 12);
    int rc = buf_add_str(&query, "prefix=", e);
    if (!rc) rc = s3_add_encoded(&query, o->key, false, e);
    if (!rc) rc = buf_add_str(&query, "&uploads=", e);
    if (!rc && !buf_cstr(&query)) rc = err_nomem(e);
    if (!rc) {
        const struct s3_request q = {.method = "GET",
                                     .bucket = o->bucket,
                                     .key = "",
                                     .query = (char *)query.data,
                                     .out = &xml,
                                     .cleanup = true};
        rc = s3_call(o->client, &q, &r, e);
    }
    if (!rc && buf_cstr(&xml)) rc = abort_each(o, (char *)xml.data, &id, e);
    buf_release(&query);
    buf_release(&xml);
    buf_release(&id);
    return rc;
}

/* Whether the object stands there: the answer to the completion was lost. */
static int is_there(const struct s3_object *o, uint64_t bytes, struct err *e) {
    const struct s3_request q = {.method = "HEAD", .bucket = o->bucket, .key = o->key, .missing_ok = true};
    struct s3_response r;
    TRY(s3_call(o->client, &q, &r, e));
    return r.status == 200 && r.total == bytes
               ? 0
               : err_set(e, ERR_OUTSIDE, "could not write \"s3://%s/%s\": its upload is gone", o->bucket,
                         o->key);
}

static int list_parts(const struct s3_part *parts, unsigned count, struct buf *xml, struct err *e) {
    TRY(buf_add_str(xml, "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", e));
    for (unsigned i = 0; i < count; i++)
        TRY(buf_printf(xml, e,
                       "<Part><PartNumber>%u</PartNumber><ETag>%s</ETag><ChecksumSHA256>%s</ChecksumSHA256>"
                       "</Part>",
                       i + 1, parts[i].etag, parts[i].sha256));
    return buf_add_str(xml, "</CompleteMultipartUpload>", e);
}

int s3_multipart_complete(const struct s3_object *o, const char *id, const struct s3_part *parts,
                          unsigned count, uint64_t bytes, struct err *e) {
    struct buf xml, answer;
    struct s3_response r;
    char query[1200];
    snprintf(query, sizeof query, "uploadId=%s", id);
    buf_init(&xml, 0);
    buf_init(&answer, 1 << 16);
    int rc = list_parts(parts, count, &xml, e);
    if (!rc) {
        const void *piece = xml.data;
        const struct s3_body body = {&piece, xml.len, xml.len};
        const struct s3_request q = {.method = "POST",
                                     .bucket = o->bucket,
                                     .key = o->key,
                                     .query = query,
                                     .body = &body,
                                     .out = &answer,
                                     .missing_ok = true,
                                     .may_hide_error = true,
                                     .stop = o->stop};
        rc = s3_call(o->client, &q, &r, e);
    }
    if (!rc && r.status == 404) rc = is_there(o, bytes, e);
    buf_release(&xml);
    buf_release(&answer);
    return rc;
}
