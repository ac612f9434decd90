#include "etl/ingest_copy.h"

#include "base/files.h"
#include "base/progress.h"
#include "base/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { PIECE = 1 << 20 };

/* A copy under way. */
struct copy {
    const struct ingest_source *source;
    const char *path, *tmp_dir;
    int out;
    uint64_t taken, written;
    uint8_t *from, *to; /* PIECE bytes each */
    struct progress progress;
};

enum ingest_codec ingest_codec_of(const char *name) {
    size_t n = strlen(name);
    if (n > 3 && strcmp(name + n - 3, ".gz") == 0) return INGEST_GZIP;
    if (n > 4 && strcmp(name + n - 4, ".zst") == 0) return INGEST_ZSTD;
    return INGEST_PLAIN;
}

static int read_some(struct copy *c, size_t *got, struct err *e) {
    for (;;) {
        TRY(interrupt_check(e));
        if (c->source->object) {
            uint64_t left = c->source->bytes - c->taken;
            *got = left < PIECE ? (size_t)left : PIECE;
            TRY(ingest_source_pread(c->source, c->from, *got, c->taken, e));
            c->taken += *got;
            progress_add(&c->progress, *got);
            return 0;
        }
        ssize_t n = read(c->source->fd, c->from, PIECE);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_errno(e, ERR_OUTSIDE, "could not read \"%s\"", c->path);
        *got = (size_t)n;
        progress_add(&c->progress, *got);
        return 0;
    }
}

static int write_some(struct copy *c, const uint8_t *data, size_t len, struct err *e) {
    if (file_pwrite(c->out, data, len, c->written, c->tmp_dir, e))
        return err_prefix(e, "while copying \"%s\" to a temporary file (see --tmp-dir)", c->path);
    c->written += len;
    return 0;
}

static int copy_plain(struct copy *c, struct err *e) {
    for (size_t got = 1; got;) {
        TRY(read_some(c, &got, e));
        TRY(write_some(c, c->from, got, e));
    }
    return 0;
}

static int ends_early(const struct copy *c, const char *what, struct err *e) {
    return err_set(e, ERR_INPUT, "could not read \"%s\": the file ends before its %s data does (truncated?)",
                   c->path, what);
}

static int inflate_all(struct copy *c, z_stream *z, struct err *e) {
    bool between = false; /* a member has ended and none begun */
    for (size_t got = 0;;) {
        TRY(read_some(c, &got, e));
        if (!got) return between ? 0 : ends_early(c, "gzip", e);
        z->next_in = c->from;
        z->avail_in = (uInt)got;
        while (z->avail_in) {
            if (between) {
                /* Zero bytes after the last member are padding (gzip(1) ignores them). */
                while (z->avail_in && !*z->next_in) z->next_in++, z->avail_in--;
                if (!z->avail_in) break;
                inflateReset(z);
                between = false;
            }
            int rc = Z_OK;
            do {
                z->next_out = c->to;
                z->avail_out = PIECE;
                rc = inflate(z, Z_NO_FLUSH);
                if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
                    return err_set(e, ERR_INPUT, "could not read \"%s\": corrupt gzip data (%s)", c->path,
                                   z->msg ? z->msg : "unknown error");
                TRY(write_some(c, c->to, PIECE - z->avail_out, e));
            } while (rc != Z_STREAM_END && (z->avail_in || z->avail_out == 0) && rc != Z_BUF_ERROR);
            between = rc == Z_STREAM_END;
        }
    }
}

static int copy_gzip(struct copy *c, struct err *e) {
    z_stream z = {0};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return err_nomem(e);
    int rc = inflate_all(c, &z, e);
    inflateEnd(&z);
    return rc;
}

static int unzstd_all(struct copy *c, ZSTD_DStream *z, struct err *e) {
    size_t hint = 1; /* 0: a frame has just ended */
    for (size_t got = 0;;) {
        TRY(read_some(c, &got, e));
        if (!got) return hint == 0 ? 0 : ends_early(c, "zstd", e);
        ZSTD_inBuffer in = {c->from, got, 0};
        bool full = false;
        while (in.pos < in.size || full) {
            ZSTD_outBuffer out = {c->to, PIECE, 0};
            hint = ZSTD_decompressStream(z, &out, &in);
            if (ZSTD_isError(hint))
                return err_set(e, ERR_INPUT, "could not read \"%s\": corrupt zstd data (%s)", c->path,
                               ZSTD_getErrorName(hint));
            full = out.pos == out.size && hint != 0;
            TRY(write_some(c, c->to, out.pos, e));
        }
    }
}

static int copy_zstd(struct copy *c, struct err *e) {
    ZSTD_DStream *z = ZSTD_createDStream();
    if (!z) return err_nomem(e);
    ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, 31);
    int rc = unzstd_all(c, z, e);
    ZSTD_freeDStream(z);
    return rc;
}

int ingest_copy(const struct ingest_source *from, enum ingest_codec codec, const char *tmp_dir,
                bool show_progress, int *copy, uint64_t *bytes, struct err *e) {
    struct copy c = {.source = from, .path = from->path, .tmp_dir = tmp_dir, .out = -1};
    progress_start(&c.progress, show_progress, "unpack", 0);
    c.from = malloc(PIECE);
    c.to = malloc(PIECE);
    int rc = c.from && c.to ? file_temp(tmp_dir, &c.out, e) : err_nomem(e);
    if (!rc)
        rc = codec == INGEST_GZIP   ? copy_gzip(&c, e)
             : codec == INGEST_ZSTD ? copy_zstd(&c, e)
                                    : copy_plain(&c, e);
    progress_end(&c.progress);
    free(c.from);
    free(c.to);
    if (rc && c.out >= 0) close(c.out);
    *copy = rc ? -1 : c.out;
    *bytes = c.written;
    return rc;
}
