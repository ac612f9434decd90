/* Answers of an S3 service that are errors, in words that say what to do. */
#include "edge/s3_client.h"

#include <stdio.h>
#include <string.h>

static void append(char **out, const char *end, char c) {
    if (*out < end) *(*out)++ = c;
}

bool s3_xml_text(const char *xml, const char *tag, char *out, size_t cap) {
    static const struct {
        const char *name;
        char c;
    } entities[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char open[64];
    size_t n = (size_t)snprintf(open, sizeof open, "<%s>", tag);
    const char *p = n < sizeof open ? strstr(xml, open) : NULL, *end = out + cap - 1;
    if (!p) return false;
    for (p += n; *p && *p != '<' && out < end;) {
        size_t len = 1;
        char c = *p;
        for (size_t i = 0; *p == '&' && i < sizeof entities / sizeof *entities; i++)
            if (strncmp(p, entities[i].name, strlen(entities[i].name)) == 0) {
                c = entities[i].c;
                len = strlen(entities[i].name);
            }
        append(&out, end, c);
        p += len;
    }
    *out = 0;
    return *p == '<';
}

void s3_what(const struct s3_request *q, char *out, size_t cap) {
    const char *verb = strcmp(q->method, "GET") == 0      ? "read"
                       : strcmp(q->method, "HEAD") == 0   ? "look at"
                       : strcmp(q->method, "DELETE") == 0 ? "remove"
                                                          : "write";
    if (!*q->key && strcmp(verb, "read") == 0) verb = "list";
    snprintf(out, cap, "could not %s \"s3://%s%s%s\"", verb, q->bucket, *q->key ? "/" : "", q->key);
}

static bool is(const struct s3_failure *f, const char *code) {
    return strcmp(f->code, code) == 0;
}

int s3_explain(const struct s3_request *q, const struct s3_failure *f, struct err *e) {
    char what[1400];
    s3_what(q, what, sizeof what);
    if (is(f, "InvalidAccessKeyId"))
        return err_set(e, ERR_INPUT, "%s: %s does not know the access key; check AWS_ACCESS_KEY_ID", what,
                       f->endpoint);
    if (is(f, "SignatureDoesNotMatch"))
        return err_set(e, ERR_INPUT,
                       "%s: the secret key does not belong to the access key; check AWS_SECRET_ACCESS_KEY",
                       what);
    if (is(f, "ExpiredToken") || is(f, "TokenRefreshRequired") || is(f, "ExpiredTokenException"))
        return err_set(e, ERR_INPUT,
                       "%s: the credentials have expired; get new ones (AWS_ACCESS_KEY_ID, "
                       "AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN)",
                       what);
    if (is(f, "InvalidToken") || is(f, "InvalidTokenId"))
        return err_set(e, ERR_INPUT, "%s: the session token is refused; check AWS_SESSION_TOKEN", what);
    if (is(f, "RequestTimeTooSkewed"))
        return err_set(e, ERR_INPUT, "%s: this machine's clock is %lld s %s the server's; set it (NTP)", what,
                       (long long)(f->clock_ahead_s < 0 ? -f->clock_ahead_s : f->clock_ahead_s),
                       f->clock_ahead_s < 0 ? "behind" : "ahead of");
    if (is(f, "NoSuchBucket"))
        return err_set(e, ERR_INPUT, "%s: there is no bucket \"%s\" at %s; make it, or check the name", what,
                       q->bucket, f->endpoint);
    if (is(f, "PermanentRedirect") || is(f, "AuthorizationHeaderMalformed") || f->status == 301)
        return err_set(e, ERR_INPUT, "%s: the bucket is in another region%s%s; set AWS_REGION", what,
                       *f->region ? ": " : "", f->region);
    if (is(f, "XAmzContentSHA256Mismatch") || is(f, "BadDigest"))
        return err_set(e, ERR_OUTSIDE, "%s: the bytes were damaged on their way (%s)", what, f->code);
    if (f->status == 404) return err_set(e, ERR_INPUT, "%s: there is no such object", what);
    if (f->status == 403)
        return err_set(e, ERR_INPUT, "%s: %s denies access%s%s; check the keys and their rights", what,
                       f->endpoint, *f->code ? ": " : "", f->code);
    if (f->status == 412 && q->if_match)
        return err_set(e, ERR_INPUT, "%s: it was changed while it was read; run again when it is complete",
                       what);
    if (f->status == 412 || f->status == 409) return err_set(e, ERR_OUTSIDE, "%s: it exists already", what);
    return err_set(e, ERR_OUTSIDE, "%s: %s answered %ld%s%s%s%s", what, f->endpoint, f->status,
                   *f->code ? " " : "", f->code, *f->message ? ": " : "", f->message);
}
