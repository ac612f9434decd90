/* The catalog's URI: sqlite:///abs/path, or postgresql://user@host:port/database?option=value… as libpq
 * defines it (PostgreSQL documentation, 34.1.1.2; its TLS options, several hosts, socket folders). */
#ifndef WEIR_EDGE_CATALOG_URI_H
#define WEIR_EDGE_CATALOG_URI_H

#include "base/arena.h"

struct catalog_uri {
    const char *text;     /* in one form, without any password: fit for messages, jobs, results */
    const char *path;     /* of SQLite's file; NULL: PostgreSQL */
    const char *password; /* decoded; NULL when the URI held none */
};

/* Text in the arena. ERR_INPUT when it is no such URI; the message shows nothing of a password. */
int catalog_uri_parse(const char *given, struct arena *arena, struct catalog_uri *out, struct err *e);

#endif
