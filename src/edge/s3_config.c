#include "edge/s3_config.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *variable(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

static const char *first(const char *a, const char *b, const char *c) {
    return a && *a ? a : b ? b : c;
}

int store_s3_complete(struct store_options *o, struct err *e) {
    const char *style = variable("WEIR_S3_STYLE");
    o->s3_endpoint = first(o->s3_endpoint, variable("AWS_ENDPOINT_URL_S3"), variable("AWS_ENDPOINT_URL"));
    o->s3_region = first(o->s3_region, variable("AWS_REGION"), variable("AWS_DEFAULT_REGION"));
    if (!o->s3_region) o->s3_region = "us-east-1";
    if (o->s3_style) return 0;
    if (style && strcmp(style, "path") != 0 && strcmp(style, "virtual") != 0)
        return err_set(e, ERR_INPUT, "WEIR_S3_STYLE: \"%s\" must be path or virtual", style);
    bool path = style ? strcmp(style, "path") == 0 : o->s3_endpoint != NULL;
    o->s3_style = path ? STORE_S3_PATH : STORE_S3_VIRTUAL;
    return 0;
}

/* A copy of a variable's value; NULL when there is none or memory is out. */
static char *copy(const char *text) {
    return text ? strdup(text) : NULL;
}

static int set_endpoint(struct s3_config *c, const char *url, struct err *e) {
    const char *sep = strstr(url, "://"), *host = sep ? sep + 3 : NULL;
    size_t scheme = sep ? (size_t)(sep - url) : 0, n = host ? strlen(host) : 0;
    bool known =
        (scheme == 4 && strncmp(url, "http", 4) == 0) || (scheme == 5 && strncmp(url, "https", 5) == 0);
    while (n && host[n - 1] == '/') n--;
    if (!known || !n || strcspn(host, "/?#@ \t") < n)
        return err_set(e, ERR_INPUT,
                       "S3 endpoint \"%.*s\": write http://host:port or https://host, without path or keys",
                       strchr(url, '@') ? (int)scheme : (int)strlen(url), url);
    c->scheme = strndup(url, scheme);
    c->authority = strndup(host, n);
    if (!c->scheme || !c->authority || asprintf(&c->endpoint, "%s://%s", c->scheme, c->authority) < 0)
        return err_nomem(e);
    c->loopback =
        strncmp(host, "127.", 4) == 0 || strncmp(host, "localhost", 9) == 0 || strncmp(host, "[::1]", 5) == 0;
    return 0;
}

/* Values go into headers: a line end in one would forge more of them. */
static int check_value(const char *name, const char *value, struct err *e) {
    for (const char *p = value ? value : ""; *p; p++)
        if (*p <= ' ' || *p > '~')
            return err_set(e, ERR_INPUT, "%s holds a space or a control character", name);
    return 0;
}

static int configure(struct s3_config *c, struct store_options o, struct err *e) {
    TRY(store_s3_complete(&o, e));
    c->region = strdup(o.s3_region);
    if (!c->region) return err_nomem(e);
    TRY(check_value("AWS_REGION", c->region, e));
    char of_aws[256];
    snprintf(of_aws, sizeof of_aws, "https://s3.%.200s.amazonaws.com", c->region);
    TRY(set_endpoint(c, o.s3_endpoint ? o.s3_endpoint : of_aws, e));
    c->path_style = o.s3_style == STORE_S3_PATH;
    c->access_key = copy(variable("AWS_ACCESS_KEY_ID"));
    c->secret_key = copy(variable("AWS_SECRET_ACCESS_KEY"));
    c->token = copy(variable("AWS_SESSION_TOKEN"));
    c->ca_file = copy(variable("AWS_CA_BUNDLE"));
    if (!c->access_key || !c->secret_key)
        return err_set(e, ERR_INPUT, "no keys for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
    TRY(check_value("AWS_ACCESS_KEY_ID", c->access_key, e));
    return check_value("AWS_SESSION_TOKEN", c->token, e);
}

static void free_secret(char *text) {
    if (text) OPENSSL_cleanse(text, strlen(text));
    free(text);
}

void s3_config_release(struct s3_config *c) {
    free(c->scheme);
    free(c->authority);
    free(c->region);
    free(c->endpoint);
    free(c->access_key);
    free_secret(c->secret_key);
    free_secret(c->token);
    free(c->ca_file);
    *c = (struct s3_config){0};
}

int s3_config_read(const struct store_options *o, struct s3_config *out, struct err *e) {
    *out = (struct s3_config){0};
    return configure(out, *o, e);
}
