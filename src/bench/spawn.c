/* Child processes of stacks. */
#include "bench/stack.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { OUTPUT_MAX = 1 << 16, GRACE_SECONDS = 10 };

/* Ours and, first, so that they hold, the variant's; from malloc. */
static const char **environment_of(const struct stack *s) {
    size_t own = 0, all = 0;
    while (s->env[own]) own++;
    while (environ[all]) all++;
    const char **out = calloc(own + all + 1, sizeof *out);
    if (!out) return NULL;
    memcpy(out, s->env, own * sizeof *out);
    memcpy(out + own, environ, all * sizeof *out);
    return out;
}

/* Returns an errno. */
static int spawn(const struct stack *s, const char *const *argv, const struct stack_streams *to, pid_t *pid) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    int rc = posix_spawn_file_actions_init(&files);
    if (rc) return rc;
    if ((rc = posix_spawnattr_init(&attr))) {
        posix_spawn_file_actions_destroy(&files);
        return rc;
    }
    if (to->in >= 0)
        rc = posix_spawn_file_actions_adddup2(&files, to->in, 0);
    else
        rc = posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (!rc) rc = posix_spawn_file_actions_adddup2(&files, to->out >= 0 ? to->out : STDERR_FILENO, 1);
    if (!rc && to->err >= 0) rc = posix_spawn_file_actions_adddup2(&files, to->err, 2);
    if (!rc) rc = posix_spawn_file_actions_addchdir_np(&files, s->dir);
    if (!rc) rc = posix_spawnattr_setsigmask(&attr, &none);
    if (!rc) rc = posix_spawnattr_setsigdefault(&attr, &defaults);
    if (!rc) rc = posix_spawnattr_setpgroup(&attr, 0);
    if (!rc)
        rc = posix_spawnattr_setflags(&attr,
                                      POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    bool path = strchr(argv[0], '/') != NULL;
    const char **env = environment_of(s);
    if (!rc && !env) rc = ENOMEM;
    if (!rc)
        rc = (path ? posix_spawn : posix_spawnp)(pid, argv[0], &files, &attr, (char *const *)argv,
                                                 (char *const *)env);
    free(env);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

int stack_start(const struct stack *s, const char *const *argv, const struct stack_streams *to, pid_t *pid,
                struct err *e) {
    int rc = spawn(s, argv, to, pid);
    if (!rc) return 0;
    errno = rc;
    return err_errno(e, ERR_OUTSIDE, "could not start \"%s\" of stack \"%s\"", argv[0], s->name);
}

/* Take what the pipe holds; what is over the maximum is read and dropped, so that the child never blocks. */
static int drain(int fd, struct buf *text, struct err *e) {
    char chunk[4096];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) > 0) {
        size_t room = OUTPUT_MAX - text->len;
        TRY(buf_add(text, chunk, (size_t)n < room ? (size_t)n : room, e));
    }
    return 0;
}

/* SIGCHLD, SIGINT and SIGTERM are blocked here, so none is missed between a look and the wait. */
static int wait_for(pid_t pid, int from, struct buf *text, const sigset_t *signals,
                    const struct stack_watch *watch, struct stack_exit *end, struct err *e) {
    bool interrupted = false;
    int status = 0, rc = 0;
    int64_t deadline = INT64_MAX;
    struct rusage usage;
    for (;;) {
        if (from >= 0 && !rc) rc = drain(from, text, e);
        pid_t done = wait4(pid, &status, WNOHANG, &usage);
        if (done == pid) break;
        const struct timespec tick = {.tv_nsec = from >= 0 ? 10000000 : 200000000};
        int sig = sigtimedwait(signals, NULL, &tick);
        if (watch) watch->look(watch->ctx);
        if ((sig == SIGINT || sig == SIGTERM) && !interrupted) {
            interrupted = true;
            deadline = clock_mono_ns() + GRACE_SECONDS * INT64_C(1000000000);
            kill(-pid, SIGTERM);
        }
        if (clock_mono_ns() > deadline) {
            kill(-pid, SIGKILL);
            deadline = INT64_MAX;
        }
    }
    if (from >= 0 && !rc) rc = drain(from, text, e);
    *end = (struct stack_exit){.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                               .signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
                               .peak_kb = usage.ru_maxrss};
    if (interrupted) return err_set(e, ERR_INTERRUPTED, "interrupted");
    return rc;
}

int stack_spawn(const struct stack *s, const char *const *argv, const struct stack_watch *watch,
                struct arena *arena, const char **out, struct stack_exit *end, struct err *e) {
    int pipes[2] = {-1, -1};
    if (out && pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
        return err_errno(e, ERR_OUTSIDE, "could not make a pipe for stack \"%s\"", s->name);
    if (out) fcntl(pipes[1], F_SETFL, 0); /* only our end never blocks */
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, &before);
    struct buf text;
    buf_init(&text, OUTPUT_MAX + 1);
    pid_t pid;
    int rc = stack_start(s, argv, &(struct stack_streams){-1, pipes[1], -1}, &pid, e);
    if (pipes[1] >= 0) close(pipes[1]);
    if (!rc) rc = wait_for(pid, pipes[0], &text, &signals, watch, end, e);
    if (pipes[0] >= 0) close(pipes[0]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!rc && out) {
        *out = arena_copy(arena, text.data, text.len);
        if (!*out) rc = err_nomem(e);
    }
    buf_release(&text);
    return rc;
}

int stack_versions(struct stack *s, json_t **found, const char **why, struct err *e) {
    struct err problem = {0};
    struct stack_exit end = {0};
    const char *text = NULL;
    *found = NULL;
    if (!s->versions) {
        *why = "stack.yaml names no versions command";
        return 0;
    }
    int rc = stack_spawn(s, s->versions, NULL, &s->arena, &text, &end, &problem);
    if (rc == ERR_INTERRUPTED) return err_set(e, rc, "%s", problem.msg);
    if (rc) {
        *why = arena_printf(&s->arena, "%s", problem.msg);
        return *why ? 0 : err_nomem(e);
    }
    *found = end.code ? NULL : json_loads(text, 0, NULL);
    if (json_is_object(*found)) return 0;
    json_decref(*found);
    *found = NULL;
    *why = end.code ? "its versions command failed" : "its versions command prints no JSON object";
    return 0;
}
