#include "edge/docker.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/threads.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ANSWER_MAX = 64 << 20, CONNECT_S = 10, CALL_S = 120, FRAME_HEAD = 8 };

/* ---- requests ---- */

struct request {
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    char url[2048];
    char why[CURL_ERROR_SIZE];
};

static void release(struct request *r) {
    if (r->curl) curl_easy_cleanup(r->curl);
    curl_slist_free_all(r->headers);
    free(r->body);
}

typedef size_t taker(char *data, size_t size, size_t n, void *ctx);

static int prepare(struct request *r, const struct docker *d, const char *method, const char *path,
                   const json_t *body, taker *take, void *ctx, struct err *e) {
    *r = (struct request){.curl = curl_easy_init()};
    if (!r->curl) return err_nomem(e);
    if ((size_t)snprintf(r->url, sizeof r->url, "http://engine%s", path) >= sizeof r->url)
        return err_set(e, ERR_INPUT, "a name is too long for the container engine");
    curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH, d->socket);
    curl_easy_setopt(r->curl, CURLOPT_URL, r->url);
    curl_easy_setopt(r->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(r->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(r->curl, CURLOPT_ERRORBUFFER, r->why);
    curl_easy_setopt(r->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(r->curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(r->curl, CURLOPT_WRITEDATA, ctx);
    curl_easy_setopt(r->curl, CURLOPT_CUSTOMREQUEST, method);
    if (strcmp(method, "POST") != 0) return 0;
    r->body = body ? json_dumps(body, JSON_COMPACT) : strdup("");
    r->headers = curl_slist_append(NULL, "Content-Type: application/json");
    if (!r->body || !r->headers) return err_nomem(e);
    curl_easy_setopt(r->curl, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(r->curl, CURLOPT_POSTFIELDS, r->body);
    return 0;
}

static int no_answer(const struct docker *d, const struct request *r, CURLcode rc, struct err *e) {
    return err_set(e, ERR_OUTSIDE, "the container engine at %s does not answer: %s", d->socket,
                   *r->why ? r->why : curl_easy_strerror(rc));
}

static size_t take_text(char *data, size_t size, size_t n, void *ctx) {
    struct err e = {0};
    return buf_add(ctx, data, size * n, &e) ? 0 : size * n;
}

/* The engine's own words for what went wrong. */
static int refused(const struct buf *text, const char *path, long status, struct err *e) {
    json_t *o = json_loadb((const char *)text->data, text->len, 0, NULL);
    const char *said = json_string_value(json_object_get(o, "message"));
    if (!said) said = json_string_value(json_object_get(o, "cause"));
    err_set(e, ERR_OUTSIDE, "container engine: %.900s", said ? said : "refused");
    if (!said) err_set(e, ERR_OUTSIDE, "container engine: status %ld for %.200s", status, path);
    json_decref(o);
    return ERR_OUTSIDE;
}

int docker_call(const struct docker *d, const char *method, const char *path, const json_t *body,
                long *status, json_t **answer, struct err *e) {
    struct request r;
    struct buf text;
    long found = 0;
    buf_init(&text, ANSWER_MAX);
    int rc = prepare(&r, d, method, path, body, take_text, &text, e);
    if (!rc) {
        curl_easy_setopt(r.curl, CURLOPT_TIMEOUT, (long)CALL_S);
        CURLcode done = curl_easy_perform(r.curl);
        curl_easy_getinfo(r.curl, CURLINFO_RESPONSE_CODE, &found);
        if (done)
            rc = no_answer(d, &r, done, e);
        else if (found >= 400)
            rc = refused(&text, path, found, e);
    }
    if (!rc && answer) {
        *answer =
            text.len ? json_loadb((const char *)text.data, text.len, JSON_DECODE_ANY, NULL) : json_null();
        if (!*answer) *answer = json_null(); /* such as the "OK" of _ping */
    }
    if (status) *status = found;
    release(&r);
    buf_release(&text);
    return rc;
}

/* ---- finding it ---- */

static bool answers(struct docker *d, struct err *e) {
    json_t *version = NULL, *info = NULL;
    if (docker_call(d, "GET", "/version", NULL, NULL, &version, e)) return false;
    const char *platform = json_string_value(json_object_get(json_object_get(version, "Platform"), "Name")),
               *number = json_string_value(json_object_get(version, "Version"));
    const json_t *first = json_array_get(json_object_get(version, "Components"), 0);
    const char *component = json_string_value(json_object_get(first, "Name"));
    bool podman = component && strstr(component, "Podman");
    snprintf(d->name, sizeof d->name, "%s",
             podman                  ? "Podman"
             : platform && *platform ? platform
                                     : "Docker Engine");
    snprintf(d->version, sizeof d->version, "%s", number ? number : "?");
    bool ok = docker_call(d, "GET", "/info", NULL, NULL, &info, e) == 0;
    const char *driver = json_string_value(json_object_get(info, "CgroupDriver"));
    snprintf(d->group_driver, sizeof d->group_driver, "%s", driver ? driver : "");
    const json_t *option;
    size_t i;
    json_array_foreach(json_object_get(info, "SecurityOptions"), i, option) {
        const char *text = json_string_value(option);
        d->rootless = d->rootless || (text && strstr(text, "rootless"));
    }
    json_decref(version);
    json_decref(info);
    return ok;
}

int docker_open(struct docker *d, struct err *e) {
    const char *host = getenv("DOCKER_HOST"), *runtime = getenv("XDG_RUNTIME_DIR");
    char own[PATH_MAX];
    *d = (struct docker){0};
    curl_global_init(CURL_GLOBAL_ALL);
    if (host && *host) {
        if (strncmp(host, "unix://", 7) != 0)
            return err_set(e, ERR_INPUT,
                           "DOCKER_HOST is \"%.200s\": weir measures containers of this machine only, by a "
                           "socket such as unix:///run/docker.sock",
                           host);
        snprintf(d->socket, sizeof d->socket, "%s", host + 7);
        return answers(d, e) ? 0 : e->code;
    }
    snprintf(own, sizeof own, "%s/podman/podman.sock", runtime ? runtime : "/run");
    const char *const known[] = {"/run/docker.sock", "/var/run/docker.sock", own, "/run/podman/podman.sock"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (access(known[i], F_OK)) continue;
        snprintf(d->socket, sizeof d->socket, "%s", known[i]);
        return answers(d, e) ? 0 : e->code;
    }
    return err_set(e, ERR_OUTSIDE,
                   "no container engine: there is no /run/docker.sock; start Docker or Podman's socket "
                   "(systemctl --user start podman.socket), or say where it is with DOCKER_HOST=unix://PATH");
}

/* ---- pulling ---- */

struct puller {
    struct docker_pull *pull;
    struct buf line;
    char problem[512];
    struct err *e; /* interrupted */
};

static struct docker_layer *layer_of(struct docker_pull *p, const char *id) {
    for (unsigned i = 0; i < p->count; i++)
        if (strcmp(p->layers[i].id, id) == 0) return &p->layers[i];
    if (p->count == DOCKER_LAYERS) return NULL;
    struct docker_layer *l = &p->layers[p->count++];
    *l = (struct docker_layer){0};
    snprintf(l->id, sizeof l->id, "%s", id);
    return l;
}

static void take_event(struct puller *p, const json_t *o) {
    const char *status = json_string_value(json_object_get(o, "status")),
               *id = json_string_value(json_object_get(o, "id")),
               *problem = json_string_value(json_object_get(o, "error"));
    int64_t now = clock_mono_ns();
    if (problem) snprintf(p->problem, sizeof p->problem, "%s", problem);
    if (!status || !id || strncmp(status, "Pulling from", 12) == 0) return;
    struct docker_layer *l = layer_of(p->pull, id);
    if (!l) return;
    int64_t total = json_integer_value(json_object_get(json_object_get(o, "progressDetail"), "total"));
    bool extracting = strcmp(status, "Extracting") == 0;
    if (total > 0 && (uint64_t)total > l->bytes) l->bytes = (uint64_t)total;
    if (strcmp(status, "Already exists") == 0) l->present = true;
    if (extracting && !l->extract_ns) l->extract_ns = now;
    if (strcmp(status, "Download complete") == 0) l->downloaded_ns = now;
    if (strcmp(status, "Pull complete") == 0) l->extracted_ns = now;
}

static int on_pull_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    struct puller *p = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return interrupt_check(p->e);
}

/* Of the stream of objects, one a line. */
static size_t take_progress(char *data, size_t size, size_t n, void *ctx) {
    struct puller *p = ctx;
    size_t len = size * n;
    struct err none = {0};
    if (buf_add(&p->line, data, len, &none)) return 0;
    char *at = (char *)p->line.data, *end = at + p->line.len, *lf;
    for (; (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) {
        json_t *o = json_loadb(at, (size_t)(lf - at), 0, NULL);
        take_event(p, o);
        json_decref(o);
    }
    memmove(p->line.data, at, (size_t)(end - at));
    p->line.len = (size_t)(end - at);
    return len;
}

static int pull_result(const struct docker *d, const struct request *r, CURLcode done, struct puller *p,
                       const char *image, struct err *e) {
    long status = 0;
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    if (p->e->code == ERR_INTERRUPTED) return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (done) return no_answer(d, r, done, e);
    if (status >= 400) {
        refused(&p->line, r->url, status, e);
        return err_prefix(e, "could not pull \"%s\"", image);
    }
    if (*p->problem) return err_set(e, ERR_OUTSIDE, "could not pull \"%s\": %s", image, p->problem);
    return 0;
}

int docker_pull(const struct docker *d, const char *image, struct docker_pull *out, struct err *e) {
    const char *slash = strrchr(image, '/'), *colon = strrchr(slash ? slash : image, ':');
    size_t name = colon ? (size_t)(colon - image) : strlen(image);
    char path[1024];
    struct request r;
    struct err interrupted = {0};
    struct puller p = {.pull = out, .e = &interrupted};
    *out = (struct docker_pull){.start_ns = clock_mono_ns()};
    snprintf(path, sizeof path, "/images/create?fromImage=%.*s&tag=%s", (int)name, image,
             colon ? colon + 1 : "latest");
    buf_init(&p.line, ANSWER_MAX);
    int rc = prepare(&r, d, "POST", path, NULL, take_progress, &p, e);
    if (!rc) {
        curl_easy_setopt(r.curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(r.curl, CURLOPT_XFERINFOFUNCTION, on_pull_progress);
        curl_easy_setopt(r.curl, CURLOPT_XFERINFODATA, &p);
    }
    if (!rc) rc = pull_result(d, &r, curl_easy_perform(r.curl), &p, image, e);
    out->end_ns = clock_mono_ns();
    release(&r);
    buf_release(&p.line);
    return rc;
}

/* ---- waiting ---- */

struct docker_wait {
    struct request request;
    CURLM *multi;
    struct buf text;
};

int docker_wait_start(const struct docker *d, const char *container, struct docker_wait **out,
                      struct err *e) {
    char path[256];
    struct docker_wait *w = calloc(1, sizeof *w);
    if (!w) return err_nomem(e);
    buf_init(&w->text, ANSWER_MAX);
    snprintf(path, sizeof path, "/containers/%s/wait?condition=not-running", container);
    int rc = prepare(&w->request, d, "POST", path, NULL, take_text, &w->text, e), running;
    if (!rc && !(w->multi = curl_multi_init())) rc = err_nomem(e);
    if (!rc && (curl_multi_add_handle(w->multi, w->request.curl) || curl_multi_perform(w->multi, &running)))
        rc = err_set(e, ERR_OUTSIDE, "could not wait for a container");
    if (rc)
        docker_wait_end(w);
    else
        *out = w;
    return rc;
}

bool docker_wait(struct docker_wait *w, int timeout_ms, int *status) {
    int running = 0;
    if (curl_multi_poll(w->multi, NULL, 0, timeout_ms, NULL)) running = -1;
    if (!running && curl_multi_perform(w->multi, &running)) running = -1;
    if (running > 0) return false;
    json_t *o = json_loadb((const char *)w->text.data, w->text.len, 0, NULL);
    const json_t *code = json_object_get(o, "StatusCode");
    *status = json_is_integer(code) ? (int)json_integer_value(code) : -1;
    json_decref(o);
    return true;
}

void docker_wait_end(struct docker_wait *w) {
    if (!w) return;
    if (w->multi && w->request.curl) curl_multi_remove_handle(w->multi, w->request.curl);
    if (w->multi) curl_multi_cleanup(w->multi);
    release(&w->request);
    buf_release(&w->text);
    free(w);
}

/* ---- logs ---- */

/* Frames: stream, three zeros, length as 32 bits, big-endian; then so many bytes. */
struct unframer {
    int to;
    uint8_t head[FRAME_HEAD];
    size_t have, left;
    bool failed;
};

static size_t take_frames(char *data, size_t size, size_t n, void *ctx) {
    struct unframer *u = ctx;
    size_t len = size * n, at = 0;
    while (at < len && !u->failed) {
        if (!u->left) {
            u->head[u->have++] = (uint8_t)data[at++];
            if (u->have < FRAME_HEAD) continue;
            u->left =
                (size_t)u->head[4] << 24 | (size_t)u->head[5] << 16 | (size_t)u->head[6] << 8 | u->head[7];
            u->have = 0;
            continue;
        }
        size_t part = len - at < u->left ? len - at : u->left;
        ssize_t done = write(u->to, data + at, part);
        if (done < 0 && errno == EINTR) continue;
        u->failed = done <= 0;
        if (u->failed) break;
        at += (size_t)done;
        u->left -= (size_t)done;
    }
    return u->failed ? 0 : len;
}

int docker_logs(const struct docker *d, const char *container, int to, struct err *e) {
    char path[256];
    struct request r;
    struct unframer u = {.to = to};
    snprintf(path, sizeof path, "/containers/%s/logs?stdout=1&stderr=1", container);
    int rc = prepare(&r, d, "GET", path, NULL, take_frames, &u, e);
    if (!rc) {
        curl_easy_setopt(r.curl, CURLOPT_FAILONERROR, 1L);
        curl_easy_setopt(r.curl, CURLOPT_TIMEOUT, (long)CALL_S);
        CURLcode done = curl_easy_perform(r.curl);
        if (u.failed)
            rc = err_errno(e, ERR_OUTSIDE, "could not write what a container printed");
        else if (done)
            rc = no_answer(d, &r, done, e);
    }
    release(&r);
    return rc;
}
