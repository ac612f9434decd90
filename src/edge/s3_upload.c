/* Objects uploaded while they are made: bytes gather to parts, which threads of the store send. An object
 * that fits into one part is put as it is; a larger one by multipart upload, visible only when complete.
 *
 * Memory: parts on their way are at most half of the limit and one part a producer more; what gathers is for
 * the caller to bound (store_upload_pressed). */
#include "edge/store_s3.h"

#include "base/clock.h"
#include "base/threads.h"
#include "edge/s3_location.h"
#include "edge/s3_multipart.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PART_BYTES = 8 << 20,
    PART_MIN = 5 << 20, /* S3's least, the last part apart */
    THREADS_MOST = 8,
    CLEANUP_MOST_S = 6 /* a run that was told to end has ten seconds (stack contract) */
};

struct s3_upload;

struct part {
    struct part *next;
    struct s3_upload *u;
    unsigned number; /* from 1; 0: the whole object */
    struct s3_growing data;
};

struct s3_upload {
    struct store_upload base;
    struct s3_uploads *pool;
    struct arena arena;
    struct s3_location at;
    struct s3_growing held;
    uint64_t bytes;
    /* Under the pool's lock: */
    unsigned parts, pending; /* handed over; of them not sent */
    struct s3_part *sent;
    unsigned sent_cap;
    char *id; /* of the multipart upload, encoded */
    bool creating, ended, complete, may_exist;
    bool strays; /* there may be uploads of it whose id never came */
};

struct s3_uploads {
    struct s3_client *client;
    uint64_t limit;
    size_t part_bytes;
    pthread_mutex_t lock;
    pthread_cond_t work, done;
    struct part *first, *last;
    struct slabs slabs;
    uint64_t on_way, gathered; /* bytes of memory */
    pthread_t threads[THREADS_MOST];
    unsigned thread_count, threads_most, idle;
    bool closing;
    atomic_bool failed;
    struct err err;           /* of the first that failed */
    int64_t cleanup_until_ns; /* once told to end; 0: not yet */
    atomic_bool unreachable;  /* cleaning up is vain */
};

static void fail(struct s3_uploads *p, const struct err *e) {
    if (!atomic_exchange(&p->failed, true)) p->err = *e;
}

/* The pool's failure as the caller's; under the lock. */
static int failure(const struct s3_uploads *p, struct err *e) {
    if (!atomic_load(&p->failed)) return 0;
    *e = p->err;
    return e->code;
}

static struct s3_object object_of(const struct s3_upload *u) {
    return (struct s3_object){u->pool->client, u->at.bucket, u->at.key, &u->pool->failed};
}

/* ---- the threads; requests are made without the lock ---- */

/* One thread begins the multipart upload, the others wait for it. Under the lock. */
static int begin_multipart(struct s3_upload *u, struct err *e) {
    struct s3_uploads *p = u->pool;
    while (u->creating) pthread_cond_wait(&p->done, &p->lock);
    if (u->id) return 0;
    TRY(failure(p, e));
    u->creating = true;
    pthread_mutex_unlock(&p->lock);
    char *id = NULL;
    bool strays = false;
    const struct s3_object o = object_of(u);
    int rc = s3_multipart_create(&o, &id, &strays, e);
    pthread_mutex_lock(&p->lock);
    u->strays = strays;
    u->id = id;
    u->creating = false;
    if (rc) fail(p, e);
    pthread_cond_broadcast(&p->done);
    return rc;
}

/* Under the lock, which is given up meanwhile. */
static int process(struct part *part, struct err *e) {
    struct s3_upload *u = part->u;
    struct s3_uploads *p = u->pool;
    struct s3_part sent;
    const struct s3_body body = s3_growing_body(&part->data);
    TRY(failure(p, e));
    if (!part->number) {
        u->may_exist = true;
        pthread_mutex_unlock(&p->lock);
        int rc = s3_put_new(p->client, u->at.bucket, u->at.key, &body, &p->failed, e);
        pthread_mutex_lock(&p->lock);
        u->complete = !rc;
        return rc;
    }
    TRY(begin_multipart(u, e));
    pthread_mutex_unlock(&p->lock);
    const struct s3_object o = object_of(u);
    int rc = s3_multipart_send(&o, u->id, part->number, &body, &sent, e);
    pthread_mutex_lock(&p->lock);
    TRY(rc);
    u->sent[part->number - 1] = sent;
    if (!u->ended || u->pending > 1) return 0;
    u->may_exist = true; /* the last one sent completes it */
    pthread_mutex_unlock(&p->lock);
    rc = s3_multipart_complete(&o, u->id, u->sent, u->parts, u->bytes, e);
    struct err ignored;
    if (!rc && u->strays) (void)s3_multipart_abort_all(&o, &ignored); /* they cost space, nothing else */
    pthread_mutex_lock(&p->lock);
    u->complete = !rc;
    return rc;
}

/* One that was on its way; under the lock. */
static void part_free(struct s3_uploads *p, struct part *part) {
    p->on_way -= s3_growing_memory(&part->data);
    s3_growing_release(&part->data);
    free(part);
}

static void *worker(void *ctx) {
    struct s3_uploads *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct part *part = p->first;
        if (!part && p->closing) break;
        if (!part) {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
            continue;
        }
        p->first = part->next;
        if (!p->first) p->last = NULL;
        struct err e = {0};
        if (process(part, &e)) fail(p, &e);
        part->u->pending--;
        part_free(p, part);
        pthread_cond_broadcast(&p->done);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

int s3_uploads_new(struct s3_client *c, uint64_t limit_bytes, struct s3_uploads **out, struct err *e) {
    struct s3_uploads *p = calloc(1, sizeof *p);
    if (!p) return err_nomem(e);
    p->client = c;
    slabs_init(&p->slabs);
    p->part_bytes = limit_bytes / 4 < PART_BYTES ? PART_MIN : PART_BYTES;
    p->limit = limit_bytes < 4 * p->part_bytes ? 4 * p->part_bytes : limit_bytes;
    uint64_t most = p->limit / 2 / p->part_bytes;
    p->threads_most = most < THREADS_MOST ? (unsigned)most : THREADS_MOST;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->done, NULL);
    *out = p;
    return 0;
}

void s3_uploads_free(struct s3_uploads *p) {
    if (!p) return;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->thread_count; i++) pthread_join(p->threads[i], NULL);
    slabs_release(&p->slabs);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->done);
    free(p);
}

/* ---- the caller's side ---- */

static struct s3_upload *of(struct store_upload *u) {
    return (struct s3_upload *)u;
}

static int reserve_sent(struct s3_upload *u, struct err *e) {
    if (u->parts < u->sent_cap) return 0;
    unsigned cap = u->sent_cap ? 2 * u->sent_cap : 8;
    struct s3_part *more = realloc(u->sent, cap * sizeof *more);
    if (!more) return err_nomem(e);
    u->sent = more;
    u->sent_cap = cap;
    return 0;
}

static int start_thread(struct s3_uploads *p, struct err *e) {
    if ((p->idle && !p->first) || p->thread_count == p->threads_most) return 0;
    if (pthread_create(&p->threads[p->thread_count], NULL, worker, p))
        return p->thread_count ? 0 : err_set(e, ERR_OUTSIDE, "could not start a thread to upload");
    p->thread_count++;
    return 0;
}

/* Queue what is held. Under the lock. */
static int hand_over(struct s3_upload *u, bool whole, struct err *e) {
    struct s3_uploads *p = u->pool;
    TRY(failure(p, e));
    TRY(reserve_sent(u, e));
    TRY(start_thread(p, e));
    struct part *part = malloc(sizeof *part);
    if (!part) return err_nomem(e);
    *part = (struct part){.u = u, .number = whole ? 0 : u->parts + 1, .data = u->held};
    u->held = (struct s3_growing){.slabs = &p->slabs};
    u->parts++;
    u->pending++;
    p->gathered -= s3_growing_memory(&part->data);
    p->on_way += s3_growing_memory(&part->data);
    if (p->last)
        p->last->next = part;
    else
        p->first = part;
    p->last = part;
    pthread_cond_signal(&p->work);
    return 0;
}

/* A part is handed over when more comes: all are of the same length but the last, which is never empty, as
 * some services want it. */
static int upload_add(struct store_upload *base, const void *data, size_t len, struct err *e) {
    struct s3_upload *u = of(base);
    struct s3_uploads *p = u->pool;
    int rc = 0;
    for (const uint8_t *from = data; !rc && len;) {
        size_t room = p->part_bytes - u->held.len, n = room < len ? room : len;
        size_t before = s3_growing_memory(&u->held);
        rc = s3_growing_add(&u->held, from, n, e);
        from += n;
        len -= n;
        pthread_mutex_lock(&p->lock);
        p->gathered += s3_growing_memory(&u->held) - before;
        if (!rc) u->bytes += n;
        if (!rc && len) rc = hand_over(u, false, e);
        pthread_mutex_unlock(&p->lock);
    }
    return rc;
}

static int upload_end(struct store_upload *base, struct err *e) {
    struct s3_upload *u = of(base);
    pthread_mutex_lock(&u->pool->lock);
    u->ended = true;
    int rc = hand_over(u, u->parts == 0, e);
    pthread_mutex_unlock(&u->pool->lock);
    return rc;
}

static int upload_wait_room(struct store_upload *base, struct err *e) {
    struct s3_uploads *p = of(base)->pool;
    pthread_mutex_lock(&p->lock);
    while (p->on_way > p->limit / 2 && !atomic_load(&p->failed)) pthread_cond_wait(&p->done, &p->lock);
    int rc = failure(p, e);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static int upload_wait(struct store_upload *base, struct err *e) {
    struct s3_upload *u = of(base);
    struct s3_uploads *p = u->pool;
    pthread_mutex_lock(&p->lock);
    while (!u->complete && !atomic_load(&p->failed)) pthread_cond_wait(&p->done, &p->lock);
    int rc = u->complete ? 0 : failure(p, e);
    pthread_mutex_unlock(&p->lock);
    return rc;
}

static size_t upload_held(const struct store_upload *base) {
    return ((const struct s3_upload *)base)->held.len;
}

static bool upload_pressed(const struct store_upload *base) {
    struct s3_uploads *p = ((const struct s3_upload *)base)->pool;
    pthread_mutex_lock(&p->lock);
    bool pressed = p->gathered > p->limit / 2;
    pthread_mutex_unlock(&p->lock);
    return pressed;
}

/* Forget what is queued of it, and wait for what is under way. Under the lock. */
static void withdraw(struct s3_upload *u) {
    struct s3_uploads *p = u->pool;
    struct part *kept = NULL, *last = NULL;
    for (struct part *part = p->first, *next; part; part = next) {
        next = part->next;
        part->next = NULL;
        if (part->u == u) {
            u->pending--;
            part_free(p, part);
            continue;
        }
        if (last)
            last->next = part;
        else
            kept = part;
        last = part;
    }
    p->first = kept;
    p->last = last;
    u->ended = false; /* nobody completes it any more */
    while (u->pending) pthread_cond_wait(&p->done, &p->lock);
}

/* A run that goes on, as it does in two scans after a first pass that came to nothing, may take its time. */
static bool is_late(struct s3_uploads *p) {
    struct err ignored;
    int64_t now = clock_mono_ns();
    if (!interrupt_check(&ignored)) return false;
    if (!p->cleanup_until_ns) p->cleanup_until_ns = now + (int64_t)CLEANUP_MOST_S * 1000000000;
    return now > p->cleanup_until_ns;
}

static void clean_up(struct s3_upload *u) {
    struct s3_uploads *p = u->pool;
    struct err ignored;
    const struct s3_object o = object_of(u);
    int rc = 0;
    if (atomic_load(&p->unreachable) || is_late(p)) return;
    if (u->strays)
        rc = s3_multipart_abort_all(&o, &ignored);
    else if (u->id && !u->complete)
        rc = s3_multipart_abort(&o, u->id, &ignored);
    if (!rc && u->may_exist) rc = s3_remove(p->client, u->at.bucket, u->at.key, true, &ignored);
    atomic_store(&p->unreachable, rc != 0);
}

static void upload_discard(struct store_upload *base) {
    struct s3_upload *u = of(base);
    pthread_mutex_lock(&u->pool->lock);
    withdraw(u);
    pthread_mutex_unlock(&u->pool->lock);
    clean_up(u);
}

static void upload_free(struct store_upload *base) {
    struct s3_upload *u = of(base);
    pthread_mutex_lock(&u->pool->lock);
    if (!u->complete) withdraw(u);
    u->pool->gathered -= s3_growing_memory(&u->held);
    pthread_mutex_unlock(&u->pool->lock);
    s3_growing_release(&u->held);
    arena_release(&u->arena);
    free(u->sent);
    free(u->id);
    free(u);
}

static const struct store_upload_ops ops = {upload_add,  upload_end,     upload_wait_room, upload_wait,
                                            upload_held, upload_pressed, upload_discard,   upload_free};

int s3_upload_begin(struct s3_uploads *p, const char *location, struct store_upload **out, struct err *e) {
    struct s3_upload *u = calloc(1, sizeof *u);
    if (!u) return err_nomem(e);
    u->base.ops = &ops;
    u->pool = p;
    atomic_store(&p->unreachable, false); /* the run goes on: what it makes is to be cleaned up again */
    arena_init(&u->arena);
    u->held.slabs = &p->slabs;
    int rc = s3_location_parse(location, &u->arena, &u->at, e);
    if (rc)
        upload_free(&u->base);
    else
        *out = &u->base;
    return rc;
}
