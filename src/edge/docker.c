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

enum { ANSWER_MAX = 64 << 20, LINE_BYTES_MAX = 1 << 20, PATH_BYTES_MAX = 4096, FRAME_HEAD = 8 };
enum { CONNECT_S = 10, OPEN_S = 30, CALL_S = 120, LATE_S = 10, SILENT_S = 900 };

/* ---- requests ---- */

struct request {
    CURL *curl;
    struct curl_slist *headers;
    char *body;
    int64_t interrupted_ns; /* CLOCK_MONOTONIC, when that was seen; 0: not yet */
    int64_t late_ns;        /* what it may take after that */
    char url[PATH_BYTES_MAX];
    char why[CURL_ERROR_SIZE];
};

static void release(struct request *r) {
    if (r->curl) curl_easy_cleanup(r->curl);
    curl_slist_free_all(r->headers);
    free(r->body);
}

typedef size_t taker(char *data, size_t size, size_t n, void *ctx);

/* `path` with `name` for its *, percent-encoded but for what may stand in any part of a URL. */
static int make_url(char *out, const char *path, const char *name, struct err *e) {
    static const char plain[] = "-._~/:@", hex[] = "0123456789ABCDEF";
    size_t len = (size_t)snprintf(out, PATH_BYTES_MAX, "http://engine");
    for (; *path && len + 4 < PATH_BYTES_MAX; path++) {
        if (*path != '*' || !name) out[len++] = *path;
        for (const char *c = *path == '*' ? name : NULL; c && *c && len + 4 < PATH_BYTES_MAX; c++) {
            bool keep = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                        strchr(plain, *c);
            if (!keep) out[len++] = '%';
            out[len++] = keep ? *c : hex[(unsigned char)*c >> 4];
            if (!keep) out[len++] = hex[(unsigned char)*c & 15];
        }
    }
    out[len] = 0;
    if (len + 4 >= PATH_BYTES_MAX)
        return err_set(e, ERR_INPUT, "a name is too long for the container engine: \"%.60s…\"",
                       name ? name : "");
    return 0;
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    struct request *r = ctx;
    struct err seen = {0};
    (void)a, (void)b, (void)c, (void)d;
    if (!r->interrupted_ns && interrupt_check(&seen)) r->interrupted_ns = clock_mono_ns();
    return r->interrupted_ns && clock_mono_ns() - r->interrupted_ns >= r->late_ns;
}

/* What is asked for after an interrupt is cleaning up: it may take its time, but not for ever. */
static void heed_interrupts(struct request *r, bool at_once) {
    struct err seen = {0};
    bool late = interrupt_check(&seen) != 0;
    r->interrupted_ns = late ? clock_mono_ns() : 0;
    r->late_ns = at_once && !late ? 0 : LATE_S * INT64_C(1000000000);
    curl_easy_setopt(r->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(r->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(r->curl, CURLOPT_XFERINFODATA, r);
}

/* *r may not move afterwards. */
static int prepare(struct request *r, const struct docker *d, const char *method, const char *path,
                   const char *name, const json_t *body, taker *take, void *ctx, struct err *e) {
    *r = (struct request){.curl = curl_easy_init()};
    if (!r->curl) return err_nomem(e);
    TRY(make_url(r->url, path, name, e));
    curl_easy_setopt(r->curl, CURLOPT_UNIX_SOCKET_PATH, d->socket);
    curl_easy_setopt(r->curl, CURLOPT_URL, r->url);
    curl_easy_setopt(r->curl, CURLOPT_PATH_AS_IS, 1L);
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

/* Of a connection that was refused the system knows more than curl, which speaks of a port. */
static int no_answer(const struct docker *d, const struct request *r, CURLcode rc, struct err *e) {
    long os = 0;
    if (rc == CURLE_ABORTED_BY_CALLBACK && r->interrupted_ns)
        return err_set(e, ERR_INTERRUPTED, "interrupted; the container engine at %s had not answered",
                       d->socket);
    if (rc == CURLE_COULDNT_CONNECT) curl_easy_getinfo(r->curl, CURLINFO_OS_ERRNO, &os);
    err_set(e, ERR_OUTSIDE, "the container engine at %s does not answer: %s", d->socket,
            os        ? strerror((int)os)
            : *r->why ? r->why
                      : curl_easy_strerror(rc));
    if (os == EACCES)
        err_set(e, ERR_OUTSIDE,
                "you may not use the container engine at %s; join its group (usermod -aG docker), or start a "
                "rootless one",
                d->socket);
    return ERR_OUTSIDE;
}

static size_t take_text(char *data, size_t size, size_t n, void *ctx) {
    struct err e = {0};
    return buf_add(ctx, data, size * n, &e) ? 0 : size * n;
}

/* The engine's own words for what went wrong; NULL: none. */
static const char *words_of(const json_t *o) {
    static const char *const keys[] = {"error", "message", "cause"};
    const char *said = NULL;
    for (size_t i = 0; !said && i < sizeof keys / sizeof *keys; i++)
        said = json_string_value(json_object_get(o, keys[i]));
    return said && *said ? said : NULL;
}

static int refused(const char *said, const struct request *r, long status, struct err *e) {
    if (said) return err_set(e, ERR_OUTSIDE, "container engine: %.900s", said);
    return err_set(e, ERR_OUTSIDE, "container engine: status %ld for %.200s", status,
                   strchr(r->url + 7, '/'));
}

/* What was asked for is JSON, or nothing. */
static int take_answer(const struct docker *d, const struct request *r, const struct buf *text,
                       json_t **answer, struct err *e) {
    json_error_t problem;
    if (!text->len) return *answer = json_null(), 0;
    *answer = json_loadb((const char *)text->data, text->len, JSON_DECODE_ANY, &problem);
    if (*answer) return 0;
    return err_set(e, ERR_OUTSIDE, "what answers at %s is no container engine: %.200s is not JSON (%.200s)",
                   d->socket, strchr(r->url + 7, '/'), problem.text);
}

static int exchange(struct request *r, const struct docker *d, const struct buf *text, unsigned seconds,
                    long *status, json_t **answer, struct err *e) {
    curl_easy_setopt(r->curl, CURLOPT_TIMEOUT, (long)seconds);
    CURLcode done = curl_easy_perform(r->curl);
    if (done) return no_answer(d, r, done, e);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, status);
    if (*status < 400) return answer ? take_answer(d, r, text, answer, e) : 0;
    json_t *o = json_loadb((const char *)text->data, text->len, 0, NULL);
    refused(words_of(o), r, *status, e);
    json_decref(o);
    return ERR_OUTSIDE;
}

static int ask(const struct docker *d, const char *method, const char *path, const char *name,
               const json_t *body, unsigned seconds, long *status, json_t **answer, struct err *e) {
    struct request r;
    struct buf text;
    long found = 0;
    buf_init(&text, ANSWER_MAX);
    int rc = prepare(&r, d, method, path, name, body, take_text, &text, e);
    if (!rc) heed_interrupts(&r, strcmp(method, "GET") == 0);
    if (!rc) rc = exchange(&r, d, &text, seconds, &found, answer, e);
    if (status) *status = found;
    release(&r);
    buf_release(&text);
    return rc;
}

int docker_call(const struct docker *d, const char *method, const char *path, const char *name,
                const json_t *body, long *status, json_t **answer, struct err *e) {
    return ask(d, method, path, name, body, CALL_S, status, answer, e);
}

int docker_look(const struct docker *d, const char *path, const char *name, unsigned seconds, json_t **answer,
                struct err *e) {
    return ask(d, "GET", path, name, NULL, seconds, NULL, answer, e);
}

/* ---- finding it ---- */

static void take_names(struct docker *d, const json_t *version, const json_t *info) {
    const char *platform = json_string_value(json_object_get(json_object_get(version, "Platform"), "Name")),
               *number = json_string_value(json_object_get(version, "Version")),
               *driver = json_string_value(json_object_get(info, "CgroupDriver"));
    const json_t *first = json_array_get(json_object_get(version, "Components"), 0), *option;
    const char *component = json_string_value(json_object_get(first, "Name"));
    size_t i;
    bool podman = component && strstr(component, "Podman");
    snprintf(d->name, sizeof d->name, "%s",
             podman                  ? "Podman"
             : platform && *platform ? platform
                                     : "Docker Engine");
    snprintf(d->version, sizeof d->version, "%s", number ? number : "?");
    snprintf(d->group_driver, sizeof d->group_driver, "%s", driver ? driver : "");
    json_array_foreach(json_object_get(info, "SecurityOptions"), i, option) {
        const char *text = json_string_value(option);
        d->rootless = d->rootless || (text && strstr(text, "rootless"));
    }
}

static int try_socket(struct docker *d, const char *path, struct err *e) {
    json_t *version = NULL, *info = NULL;
    *d = (struct docker){0};
    if ((size_t)snprintf(d->socket, sizeof d->socket, "%s", path) >= sizeof d->socket)
        return err_set(e, ERR_INPUT, "DOCKER_HOST is too long");
    int rc = docker_look(d, "/version", NULL, OPEN_S, &version, e);
    if (!rc && !json_is_string(json_object_get(version, "ApiVersion")))
        rc = err_set(e, ERR_OUTSIDE,
                     "what answers at %s is no container engine: it names no version of its API", d->socket);
    if (!rc) rc = docker_look(d, "/info", NULL, OPEN_S, &info, e);
    if (!rc) take_names(d, version, info);
    json_decref(version);
    json_decref(info);
    return rc;
}

int docker_open(struct docker *d, struct err *e) {
    static const char scheme[] = "unix://";
    const char *host = getenv("DOCKER_HOST"), *runtime = getenv("XDG_RUNTIME_DIR");
    char rootless[PATH_MAX], podman[PATH_MAX];
    *d = (struct docker){0};
    curl_global_init(CURL_GLOBAL_ALL);
    if (host && *host) {
        if (strncmp(host, scheme, sizeof scheme - 1) != 0 || host[sizeof scheme - 1] != '/')
            return err_set(e, ERR_INPUT,
                           "DOCKER_HOST is \"%.200s\": weir measures containers of this machine only, by a "
                           "socket such as unix:///run/docker.sock",
                           host);
        return try_socket(d, host + sizeof scheme - 1, e);
    }
    snprintf(rootless, sizeof rootless, "%s/docker.sock", runtime ? runtime : "/run");
    snprintf(podman, sizeof podman, "%s/podman/podman.sock", runtime ? runtime : "/run");
    const char *const known[] = {"/run/docker.sock", "/var/run/docker.sock", rootless, podman,
                                 "/run/podman/podman.sock"};
    int rc = 0;
    for (size_t i = 0; i < sizeof known / sizeof *known && rc != ERR_INTERRUPTED; i++) {
        struct err problem = {0};
        if (access(known[i], F_OK)) continue;
        int one = try_socket(d, known[i], &problem);
        if (!one) return 0;
        if (!rc || one == ERR_INTERRUPTED) *e = problem; /* the first that there is, is meant */
        rc = one;
    }
    if (rc) return e->code;
    return err_set(e, ERR_OUTSIDE,
                   "no container engine: there is no /run/docker.sock; start Docker or Podman's socket "
                   "(systemctl --user start podman.socket), or say where it is with DOCKER_HOST=unix://PATH");
}

/* ---- pulling ---- */

struct puller {
    struct docker_pull *pull;
    struct buf line;
    char problem[512];
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
               *id = json_string_value(json_object_get(o, "id")), *problem = words_of(o);
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

static void take_line(struct puller *p, const char *text, size_t len) {
    json_t *o = json_loadb(text, len, 0, NULL);
    take_event(p, o);
    json_decref(o);
}

/* Of the stream of objects, one a line. */
static size_t take_progress(char *data, size_t size, size_t n, void *ctx) {
    struct puller *p = ctx;
    size_t len = size * n;
    struct err none = {0};
    if (buf_add(&p->line, data, len, &none)) {
        snprintf(p->problem, sizeof p->problem, "the engine sent a line of more than %d bytes",
                 LINE_BYTES_MAX);
        return 0;
    }
    char *at = (char *)p->line.data, *end = at + p->line.len, *lf;
    for (; (lf = memchr(at, '\n', (size_t)(end - at))); at = lf + 1) take_line(p, at, (size_t)(lf - at));
    memmove(p->line.data, at, (size_t)(end - at));
    p->line.len = (size_t)(end - at);
    return len;
}

static int pull_result(const struct docker *d, const struct request *r, CURLcode done, struct puller *p,
                       struct err *e) {
    long status = 0;
    if (p->line.len) take_line(p, (const char *)p->line.data, p->line.len); /* the last may lack its end */
    if (done == CURLE_ABORTED_BY_CALLBACK) return err_set(e, ERR_INTERRUPTED, "interrupted");
    if (*p->problem) return refused(p->problem, r, 0, e);
    if (done) return no_answer(d, r, done, e);
    curl_easy_getinfo(r->curl, CURLINFO_RESPONSE_CODE, &status);
    return status < 400 ? 0 : refused(NULL, r, status, e);
}

int docker_pull(const struct docker *d, const char *image, struct docker_pull *out, struct err *e) {
    const char *slash = strrchr(image, '/'), *colon = strrchr(slash ? slash : image, ':');
    char path[PATH_BYTES_MAX];
    struct request r;
    struct puller p = {.pull = out};
    *out = (struct docker_pull){.start_ns = clock_mono_ns()};
    char *name = strndup(image, colon ? (size_t)(colon - image) : strlen(image));
    if (!name) return err_nomem(e);
    snprintf(path, sizeof path, "/images/create?fromImage=*&tag=%s", colon ? colon + 1 : "latest");
    buf_init(&p.line, LINE_BYTES_MAX);
    int rc = prepare(&r, d, "POST", path, name, NULL, take_progress, &p, e);
    if (!rc) {
        heed_interrupts(&r, true);
        curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
        curl_easy_setopt(r.curl, CURLOPT_LOW_SPEED_TIME, (long)SILENT_S);
        rc = pull_result(d, &r, curl_easy_perform(r.curl), &p, e);
    }
    out->end_ns = clock_mono_ns();
    release(&r);
    buf_release(&p.line);
    free(name);
    return rc ? err_prefix(e, "could not pull \"%s\"", image) : 0;
}

/* ---- waiting ---- */

struct docker_wait {
    struct request request;
    CURLM *multi;
    struct buf text;
};

int docker_wait_start(const struct docker *d, const char *container, struct docker_wait **out,
                      struct err *e) {
    struct docker_wait *w = calloc(1, sizeof *w);
    if (!w) return err_nomem(e);
    buf_init(&w->text, ANSWER_MAX);
    int rc = prepare(&w->request, d, "POST", "/containers/*/wait?condition=not-running", container, NULL,
                     take_text, &w->text, e),
        running;
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
    struct request r;
    struct unframer u = {.to = to};
    int rc =
        prepare(&r, d, "GET", "/containers/*/logs?stdout=1&stderr=1", container, NULL, take_frames, &u, e);
    if (!rc) {
        heed_interrupts(&r, false);
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
