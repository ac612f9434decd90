/* The requests of a multipart upload (Amazon S3 API reference). */
#ifndef WEIR_EDGE_S3_MULTIPART_H
#define WEIR_EDGE_S3_MULTIPART_H

#include "edge/s3_client.h"

/* What is uploaded to where. */
struct s3_object {
    struct s3_client *client;
    const char *bucket, *key;
    const atomic_bool *stop; /* as s3_request's */
};

/* A part that was sent, by which the completion names it. */
struct s3_part {
    char etag[128], sha256[48];
};

/* Begin one; *id, encoded, is the caller's to free. *strays: others may have been begun whose id never came.
 */
int s3_multipart_create(const struct s3_object *o, char **id, bool *strays, struct err *e);

/* Part `number`, from 1. */
int s3_multipart_send(const struct s3_object *o, const char *id, unsigned number, const struct s3_body *body,
                      struct s3_part *sent, struct err *e);

/* Make the object of its parts, `bytes` in all. An answer that was lost is made up for by a look. */
int s3_multipart_complete(const struct s3_object *o, const char *id, const struct s3_part *parts,
                          unsigned count, uint64_t bytes, struct err *e);

/* End one, or all of this object, whose name must be ours alone. Made although an interrupt was seen. */
int s3_multipart_abort(const struct s3_object *o, const char *id, struct err *e);
int s3_multipart_abort_all(const struct s3_object *o, struct err *e);

#endif
