/* Copies of input that can be read only once: decompressed, into an unnamed temporary file. */
#ifndef WEIR_ETL_INGEST_COPY_H
#define WEIR_ETL_INGEST_COPY_H

#include "etl/ingest_source.h"

#include <stdbool.h>
#include <stdint.h>

enum ingest_codec { INGEST_PLAIN, INGEST_GZIP, INGEST_ZSTD };

/* By the name's ending: .gz, .zst. */
enum ingest_codec ingest_codec_of(const char *base_name);

/* Copy all of a source, a descriptor from its current offset, to a new temporary file in tmp_dir; its
 * descriptor in *copy and its length in *bytes. Truncated or corrupt compressed data: ERR_INPUT. Several gzip
 * members or zstd frames follow each other as one. */
int ingest_copy(const struct ingest_source *from, enum ingest_codec codec, const char *tmp_dir,
                bool show_progress, int *copy, uint64_t *bytes, struct err *e);

#endif
