/* Uses exactly as much as it is told, so that what was measured can be held against it:
 *
 *   load memory BYTES       touch so many anonymous bytes, keep them for half a second
 *   load shared BYTES       the same in shared memory
 *   load cpu SECONDS        burn so much CPU time, half of the time asleep
 *   load write BYTES FILE   write so many bytes, keep still for half a second
 *   load children N FILE    N children one after the other, each 10 ms of CPU time and 1 MB written
 *   load hidden FILE        a grandchild that nobody waits for: 100 MB, half a second of CPU time, 10 MB
 *   load daemon             leave a process behind that would sleep for an hour
 *   load crash | hang | deaf
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void rest(double seconds) {
    const struct timespec t = {.tv_sec = (time_t)seconds,
                               .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void burn(double seconds) {
    double end = cpu_seconds() + seconds;
    while (cpu_seconds() < end) {
    }
}

static void hold(size_t bytes, int flags) {
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) exit(5);
    memset(p, 1, bytes);
    rest(0.5);
    munmap(p, bytes);
}

static void write_file(const char *path, size_t bytes) {
    static char block[1 << 20];
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0) exit(5);
    memset(block, 'x', sizeof block);
    while (bytes) {
        size_t n = bytes < sizeof block ? bytes : sizeof block;
        if (write(fd, block, n) != (ssize_t)n) exit(5);
        bytes -= n;
    }
    close(fd);
}

static void children(int count, const char *path) {
    for (int i = 0; i < count; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            burn(0.01);
            write_file(path, 1000000);
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
}

/* Its parent ends at once, so that it is nobody's child; who runs us only sees a pipe close. */
static void hidden(const char *path) {
    int pipes[2];
    char c;
    if (pipe(pipes)) exit(5);
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork()) _exit(0);
        burn(0.5);
        write_file(path, 10000000);
        hold(100000000, MAP_PRIVATE);
        _exit(0);
    }
    close(pipes[1]);
    waitpid(pid, NULL, 0);
    if (read(pipes[0], &c, 1) < 0) exit(5);
}

static void leave_daemon(void) {
    pid_t pid = fork();
    if (pid == 0) {
        setsid();
        if (fork()) _exit(0);
        rest(3600);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *amount = argc > 2 ? argv[2] : "0";
    if (strcmp(what, "memory") == 0) hold(strtoull(amount, NULL, 10), MAP_PRIVATE);
    if (strcmp(what, "shared") == 0) hold(strtoull(amount, NULL, 10), MAP_SHARED);
    for (double left = strcmp(what, "cpu") == 0 ? atof(amount) : 0; left > 0; left -= 0.1) {
        burn(left < 0.1 ? left : 0.1);
        rest(0.1);
    }
    if (strcmp(what, "write") == 0) {
        write_file(argv[3], strtoull(amount, NULL, 10));
        rest(0.5); /* so that the page cache is read when all is written */
    }
    if (strcmp(what, "children") == 0) children(atoi(amount), argv[3]);
    if (strcmp(what, "hidden") == 0) hidden(amount);
    if (strcmp(what, "daemon") == 0) leave_daemon();
    if (strcmp(what, "crash") == 0) abort();
    if (strcmp(what, "deaf") == 0) signal(SIGTERM, SIG_IGN);
    if (strcmp(what, "hang") == 0 || strcmp(what, "deaf") == 0) rest(3600);
    return 0;
}
