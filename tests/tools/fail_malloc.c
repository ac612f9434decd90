/* Preloaded: allocation number FAIL_MALLOC_AT fails, or with FAIL_MALLOC_ON all from it on. Writes the number
 * of allocations to FAIL_MALLOC_COUNT at exit. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);

static atomic_long count;
static long at = -1;
static int on;

__attribute__((constructor)) static void start(void) {
    const char *text = getenv("FAIL_MALLOC_AT");
    on = getenv("FAIL_MALLOC_ON") != NULL;
    count = 0;
    at = text ? atol(text) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *path = getenv("FAIL_MALLOC_COUNT");
    char text[32];
    int n = snprintf(text, sizeof text, "%ld", (long)count);
    int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd >= 0 && write(fd, text, (size_t)n) == n) close(fd);
}

static int fails(void) {
    if (at < 0) return 0; /* before start() */
    long n = ++count;
    if (!at || (on ? n < at : n != at)) return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size) {
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size) {
    return fails() ? NULL : __libc_realloc(p, size);
}
