/* pipeline.yaml: any bytes are read or refused; what is read prints back to the same. */
#include "etl/pipeline.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int rc) {
    if (rc) abort();
}

static void same_again(struct buf *text, struct buf *again) {
    struct pipeline p;
    struct err e = {0};
    must(pipeline_init(&p, &e));
    must(pipeline_parse_yaml(&p, buf_cstr(text), text->len, "printed", &e));
    must(pipeline_print_yaml(&p, again, &e));
    pipeline_release(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct pipeline p;
    struct err e = {0};
    struct buf yaml, json, second;
    buf_init(&yaml, 0);
    buf_init(&json, 0);
    buf_init(&second, 0);
    must(pipeline_init(&p, &e));
    int rc = pipeline_parse_yaml(&p, (const char *)data, size, "fuzz", &e);
    if (rc && (rc != ERR_INPUT || !*e.msg)) abort();
    if (!rc) {
        must(pipeline_check(&p, &e));
        must(pipeline_print_yaml(&p, &yaml, &e));
        must(pipeline_print_json(&p, &json, &e));
        same_again(&yaml, &second);
        if (second.len != yaml.len || memcmp(second.data, yaml.data, yaml.len) != 0) abort();
        buf_clear(&second);
        same_again(&json, &second); /* JSON carries all but the output names */
        size_t shared = (size_t)(strstr(buf_cstr(&yaml), "\noutput:\n") - (const char *)yaml.data);
        if (second.len < shared || memcmp(second.data, yaml.data, shared) != 0) abort();
    }
    pipeline_release(&p);
    buf_release(&yaml);
    buf_release(&json);
    buf_release(&second);
    return 0;
}
