/* The examples that AWS publishes: "Signature Calculations for the Authorization Header" of the S3 API
 * reference, and the Signature Version 4 test suite. */
#include "edge/s3_sign.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void expect(const struct s3_sign *s, const char *signature) {
    struct buf out;
    struct err e = {0};
    buf_init(&out, 0);
    assert_int_equal(s3_sign(s, &out, &e), 0);
    const char *text = buf_cstr(&out), *found = strstr(text, "Signature=");
    assert_non_null(found);
    assert_string_equal(found + strlen("Signature="), signature);
    buf_release(&out);
}

static struct s3_sign of_s3(const char *method, const char *path, const char *query,
                            const struct s3_header *headers, size_t count, const char *payload) {
    return (struct s3_sign){.method = method,
                            .path = path,
                            .query = query,
                            .headers = headers,
                            .header_count = count,
                            .payload = payload,
                            .time = "20130524T000000Z",
                            .region = "us-east-1",
                            .service = "s3",
                            .access_key = "AKIAIOSFODNN7EXAMPLE",
                            .secret_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"};
}

static void test_s3_examples(void **state) {
    (void)state;
    const struct s3_header get[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                    {"range", "bytes=0-9"},
                                    {"x-amz-content-sha256", EMPTY},
                                    {"x-amz-date", "20130524T000000Z"}};
    struct s3_sign s = of_s3("GET", "/test.txt", "", get, 4, EMPTY);
    expect(&s, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");

    char body[S3_HEX_SHA256];
    uint8_t hash[32];
    struct err e;
    assert_int_equal(s3_sha256("Welcome to Amazon S3.", 21, hash, &e), 0);
    s3_hex(hash, body);
    const struct s3_header put[] = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                                    {"host", "examplebucket.s3.amazonaws.com"},
                                    {"x-amz-content-sha256", body},
                                    {"x-amz-date", "20130524T000000Z"},
                                    {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
    s = of_s3("PUT", "/test%24file.text", "", put, 5, body);
    expect(&s, "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");

    const struct s3_header plain[] = {{"host", "examplebucket.s3.amazonaws.com"},
                                      {"x-amz-content-sha256", EMPTY},
                                      {"x-amz-date", "20130524T000000Z"}};
    s = of_s3("GET", "/", "lifecycle=", plain, 3, EMPTY);
    expect(&s, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
    s = of_s3("GET", "/", "max-keys=2&prefix=J", plain, 3, EMPTY);
    expect(&s, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

static void test_suite_examples(void **state) {
    (void)state;
    const struct s3_header headers[] = {{"host", "example.amazonaws.com"},
                                        {"x-amz-date", "20150830T123600Z"}};
    struct s3_sign s = {.method = "GET",
                        .path = "/",
                        .query = "",
                        .headers = headers,
                        .header_count = 2,
                        .payload = EMPTY,
                        .time = "20150830T123600Z",
                        .region = "us-east-1",
                        .service = "service",
                        .access_key = "AKIDEXAMPLE",
                        .secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
    expect(&s, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"); /* get-vanilla */
    s.query = "Param1=value1&Param2=value2";
    expect(&s, "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"); /* …-query-order-key */
    s.method = "POST";
    s.query = "";
    expect(&s, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"); /* post-vanilla */
}

static void test_encoding(void **state) {
    (void)state;
    struct buf out;
    struct err e;
    buf_init(&out, 0);
    assert_int_equal(s3_add_encoded(&out, "a/event_time_day=2026-01-01/\xC3\xA9 +~", true, &e), 0);
    assert_string_equal(buf_cstr(&out), "a/event_time_day%3D2026-01-01/%C3%A9%20%2B~");
    buf_clear(&out);
    assert_int_equal(s3_add_encoded(&out, "a/b", false, &e), 0);
    assert_string_equal(buf_cstr(&out), "a%2Fb");
    buf_release(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_s3_examples),
                                       cmocka_unit_test(test_suite_examples),
                                       cmocka_unit_test(test_encoding)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
