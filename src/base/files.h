/* Files: whole reads and writes that retry short and interrupted calls, durable where it says so. */
#ifndef WEIR_BASE_FILES_H
#define WEIR_BASE_FILES_H

#include "base/buf.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

/* Read exactly len bytes at offset; ERR_OUTSIDE on an I/O error or an early end. `path` is for the message.
 */
int file_pread(int fd, void *out, size_t len, uint64_t offset, const char *path, struct err *e);

/* Write all of it at offset. */
int file_pwrite(int fd, const void *data, size_t len, uint64_t offset, const char *path, struct err *e);

/* The whole file into *out (appended); `max` bytes at most. A missing file is ERR_INPUT. */
int file_read_all(const char *path, struct buf *out, size_t max, struct err *e);

/* A new file with these bytes, fsynced; fails when it exists. The directory is not fsynced. */
int file_write_new(const char *path, const void *data, size_t len, struct err *e);

/* Replace (or make) the file by writing beside it, fsync and rename, then fsync the directory. */
int file_replace(const char *path, const void *data, size_t len, struct err *e);

int file_fsync(int fd, const char *path, struct err *e);

/* fsync a directory, so that entries made in it survive a crash. */
int file_fsync_dir(const char *path, struct err *e);

/* mkdir -p; directories made are fsynced into their parents. */
int file_make_dirs(const char *path, struct err *e);

/* An unnamed temporary file in dir (O_TMPFILE, or unlinked at once): nothing is left behind whatever happens.
 * Returns the descriptor in *fd. */
int file_temp(const char *dir, int *fd, struct err *e);

/* Remove the file, or the folder and all in it, as far as that can be done; links are not followed, and what
 * is mounted there stays. */
void file_remove_tree(const char *path);

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* The first executable file of this name in the folders of PATH; false: there is none, *out is undefined. */
bool file_find_program(const char *name, char out[PATH_MAX]);

#endif
