/* s3://bucket/key (s3a, s3n) taken apart. */
#ifndef WEIR_EDGE_S3_LOCATION_H
#define WEIR_EDGE_S3_LOCATION_H

#include "base/arena.h"

struct s3_location {
    const char *bucket, *key; /* key: without trailing slashes; "": the bucket itself */
};

/* In memory of the arena. ERR_INPUT: no such location, or no bucket's name. */
int s3_location_parse(const char *location, struct arena *a, struct s3_location *out, struct err *e);

#endif
