/* Input: files opened, headers read, and the bytes cut into chunks of whole records that can be read twice,
 * by any thread.
 *
 * A local uncompressed CSV file is read in place. What cannot be read twice (gzip, zstd, pipes, standard
 * input) is first copied, decompressed, to an unnamed temporary file: both scans then work alike. So is
 * Parquet, as rows (ingest_parquet.h): what ends in .parquet, and files with Parquet's magic at both ends. */
#ifndef WEIR_ETL_INGEST_H
#define WEIR_ETL_INGEST_H

#include "base/progress.h"
#include "base/threads.h"
#include "edge/store.h"
#include "etl/scan.h"

/* A chunk is this large, more or less; 0.5 MB ties with 1 MB and keeps thread memory small. */
enum { INGEST_CHUNK = 512 << 10 };

struct ingest_file {
    const char *path;            /* as given; the caller's memory */
    const char *base_name;       /* for source_file (4.2) */
    int fd;                      /* -1: not opened, or an object */
    struct store_source *object; /* NULL: fd */
    bool copied;                 /* fd is a temporary copy */
    uint64_t bytes;              /* uncompressed; of Parquet, what was copied */
    int64_t mtime_ns;
    struct scan_layout layout;
    struct ingest_parquet *parquet; /* until it is copied; NULL: CSV, or copied */
};

/* A span of a file's bytes. `exact`: begins and ends at record boundaries; else the records that begin in it
 * are its own. */
struct ingest_chunk {
    uint32_t file;
    bool exact;
    uint64_t begin, end;
};

struct ingest {
    const struct pipeline *pipeline;
    struct ingest_file *files;
    uint32_t file_count;
    struct ingest_chunk *chunks; /* in input order */
    uint32_t chunk_count, chunk_cap;
    uint64_t bytes; /* of all files, uncompressed */
};

/* Open all inputs and read their headers; errors name the file (ERR_INPUT). "-" is standard input. Parquet is
 * copied by so many threads. s3://bucket/key is read from the store, which must outlive it; NULL: none is. */
int ingest_open(struct ingest *in, const struct pipeline *p, const char *const *inputs, unsigned count,
                unsigned threads, const char *tmp_dir, bool show_progress, struct store *store,
                struct err *e);
void ingest_release(struct ingest *in);

/* A thread's read buffer. */
struct ingest_buffer {
    uint8_t *data;
    size_t cap;
};
void ingest_buffer_release(struct ingest_buffer *b);

/* A chunk will be read soon: where that takes a request, it is made. */
void ingest_expect(const struct ingest *in, uint32_t chunk);

/* Read a chunk's records into the buffer; *data and *len stay valid until the next read. `first` is the file
 * offset of *data. SCAN_PADDING bytes after them are readable. */
int ingest_read(const struct ingest *in, uint32_t chunk, struct ingest_buffer *b, const uint8_t **data,
                size_t *len, uint64_t *first, struct err *e);

/* Read len bytes at a file offset into the buffer, padding readable. */
int ingest_read_span(const struct ingest *in, uint32_t file, uint64_t offset, size_t len,
                     struct ingest_buffer *b, struct err *e);

/* ERR_INPUT: a file is not what it was at the first scan. */
int ingest_changed(const struct ingest *in, uint32_t file, struct err *e);

/* ERR_INPUT when a file was changed since it was opened. */
int ingest_check_unchanged(const struct ingest *in, struct err *e);

#endif
