/* What the parts of the S3 store share: the client, and writing whole objects. */
#ifndef WEIR_EDGE_STORE_S3_H
#define WEIR_EDGE_STORE_S3_H

#include "edge/s3_client.h"

struct s3_uploads; /* the threads that upload */

int s3_uploads_new(struct s3_client *c, uint64_t limit_bytes, struct s3_uploads **out, struct err *e);
void s3_uploads_free(struct s3_uploads *p);
int s3_upload_begin(struct s3_uploads *p, const char *location, struct store_upload **out, struct err *e);

struct s3_sources; /* the threads that read ahead, and what they read */

int s3_sources_new(struct s3_client *c, uint64_t limit_bytes, struct s3_sources **out, struct err *e);
void s3_sources_free(struct s3_sources *p);
int s3_source_open(struct s3_sources *p, const char *location, struct store_source **out, uint64_t *bytes,
                   struct err *e);

/* A new object of these bytes. It must not exist, unless an earlier try of this very call made it. */
int s3_put_new(struct s3_client *c, const char *bucket, const char *key, const struct s3_body *body,
               const atomic_bool *stop, struct err *e);

/* Remove an object; missing: success. cleanup: as s3_request's. */
int s3_remove(struct s3_client *c, const char *bucket, const char *key, bool cleanup, struct err *e);

#endif
