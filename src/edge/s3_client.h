/* Requests to an S3 service: signed, repeated while it makes sense, told apart when they fail. libcurl, with
 * as many handles (and kept connections) as threads call at once. */
#ifndef WEIR_EDGE_S3_CLIENT_H
#define WEIR_EDGE_S3_CLIENT_H

#include "base/buf.h"
#include "edge/s3_body.h"
#include "edge/store.h"

#include <stdatomic.h>

struct s3_client;

/* Keys come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN; what the options leave open
 * from AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, WEIR_S3_STYLE (path or
 * virtual); a certificate authority of one's own from AWS_CA_BUNDLE. No request is made. ERR_INPUT: no keys,
 * or an endpoint that is none. */
int s3_client_new(const struct store_options *o, struct s3_client **out, struct err *e);
void s3_client_free(struct s3_client *c);

struct s3_request {
    const char *method;
    const char *bucket, *key;   /* key: not encoded; "": the bucket itself */
    const char *query;          /* encoded and sorted; NULL: none */
    const struct s3_body *body; /* NULL: none */
    const char *range;          /* "bytes=0-9" */
    const char *if_match;       /* an ETag: the object must still be this one */
    bool if_none;               /* the object must not exist */
    bool with_checksum;         /* PUT: the server checks and keeps the body's SHA-256; GET: it tells it */
    bool checksum_of_parts;     /* CreateMultipartUpload: parts will have one */
    bool counted;               /* libcurl must not repeat it unseen, as it does on a kept connection */
    struct buf *out;            /* where the answer goes, appended; or */
    uint8_t *into;              /* … here, at most into_len bytes */
    size_t into_len;
    bool missing_ok;         /* 404 is an answer, not an error */
    bool exists_ok;          /* so are 409 and 412 */
    bool may_hide_error;     /* 200 may come with an error in the body (CompleteMultipartUpload) */
    bool cleanup;            /* short, and although an interrupt was seen */
    const atomic_bool *stop; /* set: give up; may be NULL */
};

struct s3_response {
    long status;
    unsigned tries;       /* > 1: an earlier one may have taken effect */
    size_t len;           /* of the answer */
    uint64_t total;       /* of the object: from Content-Range, else Content-Length */
    char etag[128];       /* as sent, quotes included */
    char sha256[80];      /* base64, as kept with the object; "": not told */
    char modified[64];    /* HTTP date */
    char body_sha256[48]; /* base64, of the request's body; with_checksum */
};

/* 0: an answer with 2xx, or one that the request allows. Repeated with growing, jittered pauses on connection
 * failures, timeouts, 429 and 5xx. Any thread. */
int s3_call(struct s3_client *c, const struct s3_request *q, struct s3_response *r, struct err *e);

/* The text of the first <tag> in an answer, entities decoded; false: none, or longer than cap - 1. */
bool s3_xml_text(const char *xml, const char *tag, char *out, size_t cap);

/* ---- what an answer means (s3_errors.c) ---- */

struct s3_failure {
    const char *endpoint;
    long status;
    const char *code, *message; /* of the answer's XML; "" */
    const char *region;         /* that the server names; "" */
    int64_t clock_ahead_s;      /* our clock against the server's */
};

/* An error that says what could not be done, to what, why, and what to do; returns e->code. */
int s3_explain(const struct s3_request *q, const struct s3_failure *f, struct err *e);

/* "could not read "s3://bucket/key"" */
void s3_what(const struct s3_request *q, char *out, size_t cap);

#endif
