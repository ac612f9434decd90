/* A main for fuzz targets without a fuzzer: runs the target once over each file named, and over each file of
 * each folder named. What the target finds ends the process. */
#include "base/files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned done;

/* 0, or 1 when it cannot be read. */
static int replay(const char *path) {
    struct buf b;
    struct err e = {0};
    buf_init(&b, 0);
    int rc = file_read_all(path, &b, (size_t)1 << 30, &e);
    uint8_t *exact = rc ? NULL : malloc(b.len ? b.len : 1); /* so that reading beyond it shows */
    if (exact) {
        if (b.len) memcpy(exact, b.data, b.len);
        LLVMFuzzerTestOneInput(exact, b.len);
        done++;
    } else {
        fprintf(stderr, "%s\n", rc ? e.msg : "out of memory");
    }
    free(exact);
    buf_release(&b);
    return exact == NULL;
}

static int replay_folder(const char *path) {
    DIR *d = opendir(path);
    if (!d) {
        perror(path);
        return 1;
    }
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(d));) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        if (*entry->d_name != '.') failed |= replay(file);
    }
    closedir(d);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0;
    for (int i = 1; i < argc; i++) failed |= file_is_dir(argv[i]) ? replay_folder(argv[i]) : replay(argv[i]);
    printf("%s: %u inputs\n", argv[0], done);
    return failed || done == 0; /* no seeds at all is a mistake too */
}
