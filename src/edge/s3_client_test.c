/* What needs no service: answers in XML, what they mean, configuration, locations. The rest is in tests/s3.
 */
#include "edge/s3_client.h"
#include "edge/s3_config.h"
#include "edge/s3_location.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_xml(void **state) {
    (void)state;
    char out[16];
    assert_true(s3_xml_text("<Error><Code>SlowDown</Code></Error>", "Code", out, sizeof out));
    assert_string_equal(out, "SlowDown");
    assert_true(s3_xml_text("<K>a&amp;b&lt;&gt;&quot;&apos;</K>", "K", out, sizeof out));
    assert_string_equal(out, "a&b<>\"'");
    assert_true(s3_xml_text("<K></K>", "K", out, sizeof out));
    assert_string_equal(out, "");
    assert_true(s3_xml_text("<K>123456789012345</K>", "K", out, sizeof out));
    assert_false(s3_xml_text("<K>1234567890123456</K>", "K", out, sizeof out)); /* too long */
    assert_false(s3_xml_text("<K>cut off", "K", out, sizeof out));
    assert_false(s3_xml_text("", "K", out, sizeof out));
    assert_false(s3_xml_text("<Key>x</Key>", "K", out, sizeof out));
}

static void expect(const struct s3_request *q, long status, const char *code, int rc, const char *text) {
    const struct s3_failure f = {.endpoint = "http://h:9",
                                 .status = status,
                                 .code = code,
                                 .message = "made up",
                                 .region = "eu-central-1",
                                 .clock_ahead_s = -3600};
    struct err e = {0};
    assert_int_equal(s3_explain(q, &f, &e), rc);
    if (!strstr(e.msg, text)) fail_msg("\"%s\" is not in \"%s\"", text, e.msg);
    if (!strstr(e.msg, "s3://lake")) fail_msg("\"%s\" does not say where", e.msg);
}

static void test_errors(void **state) {
    (void)state;
    const struct s3_request get = {.method = "GET", .bucket = "lake", .key = "a/b", .if_match = "\"x\""};
    const struct s3_request put = {.method = "PUT", .bucket = "lake", .key = "a/b"};
    const struct s3_request list = {.method = "GET", .bucket = "lake", .key = ""};
    expect(&get, 403, "InvalidAccessKeyId", ERR_INPUT, "check AWS_ACCESS_KEY_ID");
    expect(&put, 403, "SignatureDoesNotMatch", ERR_INPUT, "could not write \"s3://lake/a/b\"");
    expect(&get, 400, "ExpiredToken", ERR_INPUT, "have expired; get new ones");
    expect(&get, 403, "RequestTimeTooSkewed", ERR_INPUT, "clock is 3600 s behind the server's");
    expect(&list, 404, "NoSuchBucket", ERR_INPUT, "there is no bucket \"lake\" at http://h:9");
    expect(&get, 404, "NoSuchKey", ERR_INPUT, "there is no such object");
    expect(&get, 301, "PermanentRedirect", ERR_INPUT, "another region: eu-central-1; set AWS_REGION");
    expect(&get, 403, "AccessDenied", ERR_INPUT,
           "could not read \"s3://lake/a/b\": http://h:9 denies access");
    expect(&get, 412, "PreconditionFailed", ERR_INPUT, "it was changed while it was read");
    expect(&put, 412, "PreconditionFailed", ERR_OUTSIDE, "it exists already");
    expect(&put, 507, "XMinioStorageFull", ERR_OUTSIDE, "answered 507 XMinioStorageFull: made up");
}

static void expect_config(const char *endpoint, int code) {
    const struct store_options o = {.s3_endpoint = endpoint};
    struct s3_config c;
    struct err e = {0};
    assert_int_equal(s3_config_read(&o, &c, &e), code);
    if (code && strstr(e.msg, "hidden")) fail_msg("a secret is in \"%s\"", e.msg);
    s3_config_release(&c);
}

static void test_config(void **state) {
    (void)state;
    static const char *const unset[] = {"AWS_ENDPOINT_URL",   "AWS_ENDPOINT_URL_S3", "AWS_REGION",
                                        "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN",   "WEIR_S3_STYLE"};
    for (size_t i = 0; i < sizeof unset / sizeof *unset; i++) unsetenv(unset[i]);
    setenv("AWS_ACCESS_KEY_ID", "AKID", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "hidden", 1);
    struct s3_config c;
    struct err e = {0};
    assert_int_equal(s3_config_read(&(struct store_options){0}, &c, &e), 0);
    assert_string_equal(c.endpoint, "https://s3.us-east-1.amazonaws.com");
    assert_false(c.path_style);
    assert_null(c.token);
    s3_config_release(&c);
    setenv("AWS_REGION", "eu-central-1", 1);
    assert_int_equal(s3_config_read(&(struct store_options){.s3_endpoint = "http://[::1]:9/"}, &c, &e), 0);
    assert_string_equal(c.endpoint, "http://[::1]:9");
    assert_string_equal(c.region, "eu-central-1");
    assert_true(c.path_style && c.loopback);
    s3_config_release(&c);
    expect_config("127.0.0.1:9000", ERR_INPUT);
    expect_config("ftp://h", ERR_INPUT);
    expect_config("http://", ERR_INPUT);
    expect_config("http://h/path", ERR_INPUT);
    expect_config("http://me:hidden@h", ERR_INPUT);
    setenv("AWS_SESSION_TOKEN", "hidden\r\nx-amz-acl: public-read", 1);
    expect_config("http://h", ERR_INPUT);
    unsetenv("AWS_SESSION_TOKEN");
    setenv("WEIR_S3_STYLE", "neither", 1);
    expect_config("http://h", ERR_INPUT);
    unsetenv("WEIR_S3_STYLE");
    unsetenv("AWS_SECRET_ACCESS_KEY");
    expect_config("http://h", ERR_INPUT);
}

static void expect_location(const char *text, const char *bucket, const char *key) {
    struct arena a;
    struct s3_location l;
    struct err e = {0};
    arena_init(&a);
    int rc = s3_location_parse(text, &a, &l, &e);
    assert_int_equal(rc, bucket ? 0 : ERR_INPUT);
    if (bucket) {
        assert_string_equal(l.bucket, bucket);
        assert_string_equal(l.key, key);
    }
    arena_release(&a);
}

static void test_locations(void **state) {
    (void)state;
    expect_location("s3://lake", "lake", "");
    expect_location("s3://lake//", "lake", "");
    expect_location("s3a://my.lake-1/a//b/", "my.lake-1", "a//b");
    expect_location("s3n://lake/day=1/?#%20", "lake", "day=1/?#%20");
    expect_location("s3://", NULL, NULL);
    expect_location("s3://x/y", NULL, NULL); /* no bucket is so short */
    expect_location("s3://-lake/y", NULL, NULL);
    expect_location("s3://la ke/y", NULL, NULL);
    expect_location("s3://lake@evil/y", NULL, NULL);
    expect_location("file:///lake/y", NULL, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_xml), cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_config), cmocka_unit_test(test_locations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
