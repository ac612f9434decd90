/* How an S3 service is reached and who we are there: from the options, else AWS's variables (s3_client.h). */
#ifndef WEIR_EDGE_S3_CONFIG_H
#define WEIR_EDGE_S3_CONFIG_H

#include "edge/store.h"

struct s3_config {
    char *scheme, *authority, *region; /* "http", "127.0.0.1:9000" */
    char *endpoint;                    /* both, for messages */
    char *access_key, *secret_key;
    char *token, *ca_file; /* NULL: none */
    bool path_style;       /* the bucket is in the path, not in the host's name */
    bool loopback;         /* no proxy is asked */
};

/* ERR_INPUT: no keys, or an endpoint that is none. To be released in any case; secrets are wiped. */
int s3_config_read(const struct store_options *o, struct s3_config *out, struct err *e);
void s3_config_release(struct s3_config *c);

#endif
