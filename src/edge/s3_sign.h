/* AWS Signature Version 4 in the Authorization header (AWS documentation: "Signature Calculations for the
 * Authorization Header"). Our own, as libcurl before 8.x signs neither unsorted queries nor paths with `=`
 * rightly (curl issues 9717, 13754), and partition folders have one in their name. */
#ifndef WEIR_EDGE_S3_SIGN_H
#define WEIR_EDGE_S3_SIGN_H

#include "base/buf.h"

enum { S3_HEX_SHA256 = 65 }; /* with the NUL */

struct s3_header {
    const char *name, *value; /* name: lower case */
};

struct s3_sign {
    const char *method;
    const char *path;                /* encoded, from "/" on */
    const char *query;               /* encoded and sorted, as it is sent; "": none */
    const struct s3_header *headers; /* the signed ones, sorted by name */
    size_t header_count;
    const char *payload; /* its SHA-256 in hex */
    const char *time;    /* "20130524T000000Z" */
    const char *region, *service;
    const char *access_key, *secret_key;
};

/* Append the value of the Authorization header. */
int s3_sign(const struct s3_sign *s, struct buf *out, struct err *e);

/* SHA-256 of some bytes: raw, and as hex. */
int s3_sha256(const void *data, size_t len, uint8_t out[32], struct err *e);
void s3_hex(const uint8_t hash[32], char out[S3_HEX_SHA256]);

/* Append text as URIs encode it: all but A-Z a-z 0-9 - . _ ~, and but '/' where `keep_slash`. */
int s3_add_encoded(struct buf *out, const char *text, bool keep_slash, struct err *e);

#endif
