#include "edge/s3_client.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/threads.h"
#include "edge/s3_config.h"
#include "edge/s3_sign.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    TRIES = 12,      /* about 15 s in all: a server that is started anew is waited for */
    FIRST_TRIES = 4, /* … of a server that never answered: less than a second */
    LONG_S = 60,     /* … and of one whose tries take long, such as a name that is looked up in vain */
    CLEANUP_TRIES = 2,
    PAUSE_FIRST_US = 100000,
    PAUSE_MOST_US = 2000000,
    CONNECT_S = 10,
    STALL_S = 30, /* without a byte */
    CLEANUP_S = 3,
    HEADERS_MAX = 12,
    ERROR_MAX = 64 << 10
};

/* A libcurl handle with its connection; one thread's at a time. */
struct handle {
    struct handle *next;
    CURL *curl;
    struct buf url, text, error;
    char why[CURL_ERROR_SIZE];
};

struct s3_client {
    struct s3_config config;
    pthread_mutex_t lock;
    struct handle *idle;
    atomic_bool answered; /* the server is known to be there */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void) {
    curl_global_init(CURL_GLOBAL_ALL);
}

int s3_client_new(const struct store_options *o, struct s3_client **out, struct err *e) {
    pthread_once(&once, start_curl);
    struct s3_client *c = calloc(1, sizeof *c);
    if (!c) return err_nomem(e);
    pthread_mutex_init(&c->lock, NULL);
    int rc = s3_config_read(o, &c->config, e);
    if (rc)
        s3_client_free(c);
    else
        *out = c;
    return rc;
}

static void handle_free(struct handle *h) {
    if (h->curl) curl_easy_cleanup(h->curl);
    buf_release(&h->url);
    buf_release(&h->text);
    buf_release(&h->error);
    free(h);
}

void s3_client_free(struct s3_client *c) {
    if (!c) return;
    for (struct handle *h = c->idle, *next; h; h = next) {
        next = h->next;
        handle_free(h);
    }
    s3_config_release(&c->config);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct handle *take_handle(struct s3_client *c) {
    pthread_mutex_lock(&c->lock);
    struct handle *h = c->idle;
    if (h) c->idle = h->next;
    pthread_mutex_unlock(&c->lock);
    if (h || !(h = calloc(1, sizeof *h))) return h;
    buf_init(&h->url, 0);
    buf_init(&h->text, 0);
    buf_init(&h->error, ERROR_MAX);
    h->curl = curl_easy_init();
    if (h->curl) return h;
    handle_free(h);
    return NULL;
}

static void give_back(struct s3_client *c, struct handle *h) {
    pthread_mutex_lock(&c->lock);
    h->next = c->idle;
    c->idle = h;
    pthread_mutex_unlock(&c->lock);
}

/* ---- one request ---- */

/* A request on its way. */
struct call {
    struct s3_client *client;
    const struct s3_request *q;
    struct s3_response *r;
    struct handle *h;
    struct buf path, host;
    char payload[S3_HEX_SHA256];
    char code[64], message[512], region[64];
    size_t out_start; /* what q->out held before */
    size_t sent;      /* of the body */
    int64_t server_time_s;
    bool too_large;
};

static size_t on_body(char *data, size_t size, size_t count, void *ctx) {
    struct call *c = ctx;
    size_t n = size * count;
    struct err ignored;
    if (c->r->status < 200 || c->r->status > 299) { /* an error's text; its beginning does */
        size_t room = ERROR_MAX / 2 - c->h->error.len, part = n < room ? n : room;
        return buf_add(&c->h->error, data, part, &ignored) ? 0 : n;
    }
    if (c->q->into) {
        if (n > c->q->into_len - c->r->len) {
            c->too_large = true;
            return 0;
        }
        memcpy(c->q->into + c->r->len, data, n);
    } else if (c->q->out && buf_add(c->q->out, data, n, &ignored)) {
        c->too_large = true;
        return 0;
    }
    c->r->len += n;
    return n;
}

static size_t on_send(char *to, size_t size, size_t count, void *ctx) {
    struct call *c = ctx;
    size_t n = s3_body_read(c->q->body, c->sent, to, size * count);
    c->sent += n;
    return n;
}

/* A kept connection turned out to be closed: from the beginning, on another. */
static int on_rewind(void *ctx, curl_off_t offset, int origin) {
    struct call *c = ctx;
    if (origin != SEEK_SET || offset < 0 || (size_t)offset > c->q->body->len) return CURL_SEEKFUNC_FAIL;
    c->sent = (size_t)offset;
    return CURL_SEEKFUNC_OK;
}

/* The value of a header line when it has this name (lower case). */
static bool header_value(const char *line, size_t len, const char *name, char *out, size_t cap) {
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0) return false;
    for (n++; n < len && line[n] == ' ';) n++;
    while (len > n && (line[len - 1] == '\r' || line[len - 1] == '\n')) len--;
    if (len - n >= cap) return false;
    memcpy(out, line + n, len - n);
    out[len - n] = 0;
    return true;
}

static size_t on_header(char *line, size_t size, size_t count, void *ctx) {
    struct call *c = ctx;
    struct s3_response *r = c->r;
    size_t n = size * count;
    char value[256];
    if (n > 9 && strncmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', n);
        r->status = space ? strtol(space, NULL, 10) : 0;
        r->len = 0;
        r->total = 0;
        r->etag[0] = r->sha256[0] = r->modified[0] = 0;
        return n;
    }
    header_value(line, n, "etag", r->etag, sizeof r->etag);
    header_value(line, n, "last-modified", r->modified, sizeof r->modified);
    header_value(line, n, "x-amz-checksum-sha256", r->sha256, sizeof r->sha256);
    header_value(line, n, "x-amz-bucket-region", c->region, sizeof c->region);
    if (header_value(line, n, "date", value, sizeof value)) c->server_time_s = curl_getdate(value, NULL);
    if (header_value(line, n, "content-length", value, sizeof value) && !r->total)
        r->total = strtoull(value, NULL, 10);
    if (header_value(line, n, "content-range", value, sizeof value)) {
        const char *slash = strchr(value, '/');
        if (slash) r->total = strtoull(slash + 1, NULL, 10);
    }
    return n;
}

static bool should_stop(const struct s3_request *q) {
    struct err ignored;
    if (q->cleanup) return false;
    return (q->stop && atomic_load(q->stop)) || interrupt_check(&ignored);
}

static int on_progress(void *ctx, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    const struct call *call = ctx;
    (void)a, (void)b, (void)c, (void)d;
    return should_stop(call->q);
}

static int stopped(const struct s3_request *q, struct err *e) {
    TRY(interrupt_check(e));
    char what[1400];
    s3_what(q, what, sizeof what);
    return err_set(e, ERR_OUTSIDE, "%s: given up", what);
}

/* Host, path and URL. */
static int address(struct call *c, struct err *e) {
    const struct s3_request *q = c->q;
    bool path_style =
        c->client->config.path_style || strchr(q->bucket, '.'); /* a dot breaks certificates' names */
    buf_clear(&c->host);
    buf_clear(&c->path);
    if (!path_style) TRY(buf_printf(&c->host, e, "%s.", q->bucket));
    TRY(buf_add_str(&c->host, c->client->config.authority, e));
    TRY(buf_add_byte(&c->path, '/', e));
    if (path_style) {
        TRY(s3_add_encoded(&c->path, q->bucket, false, e));
        if (*q->key) TRY(buf_add_byte(&c->path, '/', e));
    }
    TRY(s3_add_encoded(&c->path, q->key, true, e));
    if (!buf_cstr(&c->host) || !buf_cstr(&c->path)) return err_nomem(e);
    struct buf *url = &c->h->url;
    buf_clear(url);
    TRY(buf_printf(url, e, "%s://%s%s", c->client->config.scheme, (char *)c->host.data,
                   (char *)c->path.data));
    if (q->query && *q->query) TRY(buf_printf(url, e, "?%s", q->query));
    return buf_cstr(url) ? 0 : err_nomem(e);
}

static int add_line(struct curl_slist **list, const char *line, struct err *e) {
    struct curl_slist *more = line ? curl_slist_append(*list, line) : NULL;
    if (!more) return err_nomem(e);
    *list = more;
    return 0;
}

static int add_header(struct curl_slist **list, struct buf *text, const char *name, const char *value,
                      struct err *e) {
    buf_clear(text);
    TRY(buf_printf(text, e, "%s: %s", name, value));
    return add_line(list, buf_cstr(text), e);
}

/* Sign, for now, and list all headers. */
static int make_headers(struct call *c, struct curl_slist **list, struct err *e) {
    const struct s3_request *q = c->q;
    char now[32];
    time_t t = (time_t)(clock_real_ns() / 1000000000);
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(now, sizeof now, "%Y%m%dT%H%M%SZ", &tm);
    struct s3_header h[HEADERS_MAX];
    size_t n = 0; /* sorted by name */
    h[n++] = (struct s3_header){"host", (char *)c->host.data};
    if (q->checksum_of_parts) h[n++] = (struct s3_header){"x-amz-checksum-algorithm", "SHA256"};
    if (q->with_checksum && q->body) h[n++] = (struct s3_header){"x-amz-checksum-sha256", c->r->body_sha256};
    if (q->with_checksum && !q->body) h[n++] = (struct s3_header){"x-amz-checksum-mode", "ENABLED"};
    h[n++] = (struct s3_header){"x-amz-content-sha256", c->payload};
    h[n++] = (struct s3_header){"x-amz-date", now};
    if (c->client->config.token) h[n++] = (struct s3_header){"x-amz-security-token", c->client->config.token};
    struct buf *text = &c->h->text;
    for (size_t i = 0; i < n; i++) TRY(add_header(list, text, h[i].name, h[i].value, e));
    const struct s3_sign s = {.method = q->method,
                              .path = (char *)c->path.data,
                              .query = q->query ? q->query : "",
                              .headers = h,
                              .header_count = n,
                              .payload = c->payload,
                              .time = now,
                              .region = c->client->config.region,
                              .service = "s3",
                              .access_key = c->client->config.access_key,
                              .secret_key = c->client->config.secret_key};
    buf_clear(text);
    TRY(buf_add_str(text, "authorization: ", e));
    TRY(s3_sign(&s, text, e));
    TRY(add_line(list, buf_cstr(text), e));
    if (q->range) TRY(add_header(list, text, "range", q->range, e));
    if (q->if_match) TRY(add_header(list, text, "if-match", q->if_match, e));
    if (q->if_none) TRY(add_line(list, "if-none-match: *", e));
    TRY(add_line(list, "expect:", e)); /* a round trip saved */
    TRY(add_line(list, "accept:", e));
    return add_line(list, "content-type:", e);
}

static void set_body(struct call *c) {
    CURL *curl = c->h->curl;
    if (!c->q->body) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
        return;
    }
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->q->body->len);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_send);
    curl_easy_setopt(curl, CURLOPT_READDATA, c);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, on_rewind);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, c);
}

static void set_options(struct call *c, const struct curl_slist *headers) {
    CURL *curl = c->h->curl;
    const struct s3_request *q = c->q;
    curl_easy_reset(curl); /* connections stay */
    curl_easy_setopt(curl, CURLOPT_URL, (char *)c->h->url.data);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, c->h->why);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "weir/" WEIR_VERSION);
    /* libcurl takes a new one for each transfer: from 128 KB on of fresh pages each time, in malloc's way. */
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 96L << 10);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 512L << 10);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, c);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, c);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)(q->cleanup ? CLEANUP_S : CONNECT_S));
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
    if (q->cleanup) curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)CLEANUP_S);
    if (q->counted) curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    if (c->client->config.loopback) curl_easy_setopt(curl, CURLOPT_PROXY, "");
    if (c->client->config.ca_file) curl_easy_setopt(curl, CURLOPT_CAINFO, c->client->config.ca_file);
    if (strcmp(q->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (strcmp(q->method, "GET") != 0) {
        if (strcmp(q->method, "DELETE") != 0) set_body(c);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, q->method);
    }
}

static int perform(struct call *c, CURLcode *code, struct err *e) {
    struct curl_slist *headers = NULL;
    if (c->q->out) c->q->out->len = c->out_start;
    buf_clear(&c->h->error);
    c->r->status = 0;
    c->r->len = 0;
    c->sent = 0;
    c->h->why[0] = c->code[0] = c->message[0] = 0;
    int rc = address(c, e);
    if (!rc) rc = make_headers(c, &headers, e);
    if (!rc) {
        set_options(c, headers);
        *code = curl_easy_perform(c->h->curl);
    }
    curl_slist_free_all(headers);
    return rc;
}

/* ---- what came of it ---- */

static void read_error(struct call *c, struct buf *xml) {
    const char *text = buf_cstr(xml);
    if (!text || !s3_xml_text(text, "Code", c->code, sizeof c->code)) c->code[0] = 0;
    if (!text || !s3_xml_text(text, "Message", c->message, sizeof c->message)) c->message[0] = 0;
    if (text && !*c->region && !s3_xml_text(text, "Region", c->region, sizeof c->region)) c->region[0] = 0;
}

/* Errors that say: not now. */
static bool is_passing(const struct call *c) {
    static const char *const codes[] = {
        "RequestTimeout",  "SlowDown", "InternalError", "ServiceUnavailable", "XMinioServerNotInitialized",
        "OperationAborted"};
    long s = c->r->status;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(c->code, codes[i]) == 0) return true;
    return s == 408 || s == 429 || (s >= 500 && s != 501 && s != 505);
}

static bool curl_is_passing(CURLcode code) {
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_PARTIAL_FILE:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_SSL_CONNECT_ERROR: return true;
    default: return false;
    }
}

static int curl_failed(const struct call *c, CURLcode code, struct err *e) {
    char what[1400];
    const char *why = c->h->why[0] ? c->h->why : curl_easy_strerror(code);
    s3_what(c->q, what, sizeof what);
    if (c->too_large) return err_set(e, ERR_INPUT, "%s: it is larger than expected", what);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return err_set(e, ERR_OUTSIDE,
                       "%s: %s cannot be reached (%s); check --s3-endpoint, and that it is running", what,
                       c->client->config.endpoint, why);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return err_set(e, ERR_INPUT,
                       "%s: the certificate of %s is not trusted (%s); set AWS_CA_BUNDLE to its authority's",
                       what, c->client->config.endpoint, why);
    return err_set(e, ERR_OUTSIDE, "%s: %s: %s", what, c->client->config.endpoint, why);
}

/* 0 with *again when the request should be made once more, *again false when it is done. */
static int judge(struct call *c, CURLcode code, bool *again, struct err *e) {
    const struct s3_request *q = c->q;
    long status = c->r->status;
    *again = false;
    if (code == CURLE_ABORTED_BY_CALLBACK) return stopped(q, e);
    if (code != CURLE_OK) {
        *again = !c->too_large && curl_is_passing(code);
        return curl_failed(c, code, e);
    }
    atomic_store(&c->client->answered, true);
    if (status >= 200 && status <= 299) {
        if (!q->may_hide_error || !q->out || !strstr(buf_cstr(q->out) ? (char *)q->out->data : "", "<Error>"))
            return 0;
        read_error(c, q->out);
        c->r->status = status = 500;
    } else {
        read_error(c, &c->h->error);
    }
    bool no_bucket = strcmp(c->code, "NoSuchBucket") == 0;
    if (q->missing_ok && status == 404 && !no_bucket) return 0;
    if (q->exists_ok && (status == 412 || (status == 409 && strcmp(c->code, "OperationAborted") != 0)))
        return 0;
    *again = is_passing(c);
    const struct s3_failure f = {
        .endpoint = c->client->config.endpoint,
        .status = status,
        .code = c->code,
        .message = c->message,
        .region = c->region,
        .clock_ahead_s = c->server_time_s > 0 ? clock_real_ns() / 1000000000 - c->server_time_s : 0};
    return s3_explain(q, &f, e);
}

static int repeat(struct call *c, struct err *e) {
    const struct s3_request *q = c->q;
    int64_t begun = clock_mono_ns();
    for (unsigned tried = 1;; tried++) {
        CURLcode code = CURLE_OK;
        bool again;
        struct err failed = {0};
        c->r->tries = tried;
        TRY(perform(c, &code, e));
        if (!judge(c, code, &again, &failed)) return 0;
        bool patient =
            atomic_load(&c->client->answered) && clock_mono_ns() - begun < (int64_t)LONG_S * 1000000000;
        unsigned most = q->cleanup ? CLEANUP_TRIES : patient ? TRIES : FIRST_TRIES;
        if (!again || tried >= most) {
            *e = failed;
            return e->code;
        }
        int rc = backoff_wait(tried - 1, PAUSE_FIRST_US, PAUSE_MOST_US, e);
        if (!q->cleanup) TRY(rc);
        if (should_stop(q)) return stopped(q, e);
    }
}

static int call_once(struct s3_client *client, const struct s3_request *q, struct s3_response *r,
                     struct err *e);

/* An answer to HEAD has no body that says why: ask for a byte, and be told. */
static int ask_why(struct s3_client *client, const struct s3_request *head, struct s3_response *r,
                   struct err *e) {
    struct s3_request q = *head;
    struct s3_response again;
    struct err why = {0};
    q.method = "GET";
    q.range = "bytes=0-0";
    if (r->status >= 400 && call_once(client, &q, &again, &why) && why.code != ERR_OUTSIDE) *e = why;
    return e->code;
}

int s3_call(struct s3_client *client, const struct s3_request *q, struct s3_response *r, struct err *e) {
    int rc = call_once(client, q, r, e);
    return rc && strcmp(q->method, "HEAD") == 0 ? ask_why(client, q, r, e) : rc;
}

static int call_once(struct s3_client *client, const struct s3_request *q, struct s3_response *r,
                     struct err *e) {
    uint8_t hash[32];
    memset(r, 0, sizeof *r);
    if (should_stop(q)) return stopped(q, e);
    struct call c = {.client = client, .q = q, .r = r, .out_start = q->out ? q->out->len : 0};
    const struct s3_body none = {0};
    TRY(s3_body_sha256(q->body ? q->body : &none, hash, e));
    s3_hex(hash, c.payload);
    EVP_EncodeBlock((unsigned char *)r->body_sha256, hash, sizeof hash);
    if (!(c.h = take_handle(client))) return err_nomem(e);
    buf_init(&c.path, 1 << 16);
    buf_init(&c.host, 1 << 12);
    int rc = repeat(&c, e);
    buf_release(&c.path);
    buf_release(&c.host);
    give_back(client, c.h);
    return rc;
}
