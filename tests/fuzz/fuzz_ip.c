/* Addresses: exactly what inet_pton(3) accepts, and as it reads them (pipeline.md 2.7). */
#include "format/ip.h"

#include <arpa/inet.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parse in exact memory. */
static bool parse(const uint8_t *data, size_t size, struct ip_addr *a) {
    char *text = malloc(size ? size : 1);
    if (!text) abort();
    if (size) memcpy(text, data, size);
    bool ok = ip_parse((struct str){text, (uint32_t)size}, a);
    free(text);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 4096) return 0;
    char *z = malloc(size + 1);
    if (!z) abort();
    if (size) memcpy(z, data, size);
    z[size] = 0;
    uint8_t v4[16] = {0}, v6[16] = {0};
    bool nul = size && memchr(z, 0, size);
    bool is4 = !nul && inet_pton(AF_INET, z, v4) == 1, is6 = !nul && inet_pton(AF_INET6, z, v6) == 1;
    free(z);
    struct ip_addr a = {0}, again;
    if (parse(data, size, &a) != (is4 || is6)) abort();
    if (!is4 && !is6) return 0;
    if (a.v6 != is6 || memcmp(a.bytes, is6 ? v6 : v4, is6 ? 16 : 4) != 0) abort();
    char text[46];
    ip_print(&a, text);
    if (!parse((const uint8_t *)text, strlen(text), &again)) abort();
    if (again.v6 != a.v6 || memcmp(again.bytes, a.bytes, 16) != 0) abort();
    return 0;
}
