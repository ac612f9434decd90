#include "edge/s3_sign.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

static int no_crypto(struct err *e) {
    return err_set(e, ERR_OUTSIDE, "could not sign a request: OpenSSL refuses SHA-256");
}

int s3_sha256(const void *data, size_t len, uint8_t out[32], struct err *e) {
    unsigned n = 32;
    return EVP_Digest(data ? data : "", len, out, &n, EVP_sha256(), NULL) == 1 ? 0 : no_crypto(e);
}

void s3_hex(const uint8_t hash[32], char out[S3_HEX_SHA256]) {
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < 32; i++) {
        out[2 * i] = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = 0;
}

int s3_add_encoded(struct buf *out, const char *text, bool keep_slash, struct err *e) {
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(plain, *text) || (keep_slash && *text == '/'))
            TRY(buf_add_byte(out, (uint8_t)*text, e));
        else
            TRY(buf_printf(out, e, "%%%02X", (unsigned)(uint8_t)*text));
    }
    return 0;
}

static int hmac(const void *key, size_t key_len, const void *data, size_t len, uint8_t out[32],
                struct err *e) {
    unsigned n = 32;
    return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &n) ? 0 : no_crypto(e);
}

static int hmac_text(uint8_t key[32], const char *text, size_t len, struct err *e) {
    uint8_t next[32];
    TRY(hmac(key, 32, text, len, next, e));
    memcpy(key, next, 32);
    return 0;
}

static int add_signed_names(const struct s3_sign *s, struct buf *out, struct err *e) {
    for (size_t i = 0; i < s->header_count; i++)
        TRY(buf_printf(out, e, "%s%s", i ? ";" : "", s->headers[i].name));
    return 0;
}

static int hash_request(const struct s3_sign *s, struct buf *text, char hex[S3_HEX_SHA256], struct err *e) {
    uint8_t hash[32];
    TRY(buf_printf(text, e, "%s\n%s\n%s\n", s->method, s->path, s->query));
    for (size_t i = 0; i < s->header_count; i++)
        TRY(buf_printf(text, e, "%s:%s\n", s->headers[i].name, s->headers[i].value));
    TRY(buf_add_byte(text, '\n', e));
    TRY(add_signed_names(s, text, e));
    TRY(buf_printf(text, e, "\n%s", s->payload));
    TRY(s3_sha256(text->data, text->len, hash, e));
    s3_hex(hash, hex);
    return 0;
}

/* The key of a day, region and service. */
static int derive_key(const struct s3_sign *s, uint8_t key[32], struct err *e) {
    char secret[512] = "AWS4";
    size_t n = strlen(s->secret_key);
    if (n > sizeof secret - 5) return err_set(e, ERR_INPUT, "AWS_SECRET_ACCESS_KEY is too long");
    memcpy(secret + 4, s->secret_key, n);
    int rc = hmac(secret, n + 4, s->time, 8, key, e);
    OPENSSL_cleanse(secret, sizeof secret);
    if (!rc) rc = hmac_text(key, s->region, strlen(s->region), e);
    if (!rc) rc = hmac_text(key, s->service, strlen(s->service), e);
    return rc ? rc : hmac_text(key, "aws4_request", 12, e);
}

static int sign(const struct s3_sign *s, struct buf *text, struct buf *out, struct err *e) {
    char request[S3_HEX_SHA256], signature[S3_HEX_SHA256];
    uint8_t key[32];
    TRY(hash_request(s, text, request, e));
    buf_clear(text);
    TRY(buf_printf(text, e, "AWS4-HMAC-SHA256\n%s\n%.8s/%s/%s/aws4_request\n%s", s->time, s->time, s->region,
                   s->service, request));
    int rc = derive_key(s, key, e);
    if (!rc) rc = hmac_text(key, (const char *)text->data, text->len, e);
    s3_hex(key, signature);
    OPENSSL_cleanse(key, sizeof key);
    TRY(rc);
    TRY(buf_printf(out, e, "AWS4-HMAC-SHA256 Credential=%s/%.8s/%s/%s/aws4_request, SignedHeaders=",
                   s->access_key, s->time, s->region, s->service));
    TRY(add_signed_names(s, out, e));
    return buf_printf(out, e, ", Signature=%s", signature);
}

int s3_sign(const struct s3_sign *s, struct buf *out, struct err *e) {
    struct buf text;
    buf_init(&text, 1 << 20);
    int rc = sign(s, &text, out, e);
    buf_release(&text);
    return rc;
}
