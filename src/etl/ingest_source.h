/* Where the bytes of an input file are: a descriptor, or an object of a store. */
#ifndef WEIR_ETL_INGEST_SOURCE_H
#define WEIR_ETL_INGEST_SOURCE_H

#include "base/files.h"
#include "edge/store.h"

struct ingest_source {
    int fd;                      /* -1 of an object */
    struct store_source *object; /* NULL of a descriptor */
    const char *path;            /* for messages */
    uint64_t bytes;
};

static inline int ingest_source_pread(const struct ingest_source *s, void *out, size_t len, uint64_t offset,
                                      struct err *e) {
    return s->object ? store_source_pread(s->object, out, len, offset, e)
                     : file_pread(s->fd, out, len, offset, s->path, e);
}

#endif
