#include "bench/stack_session.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/threads.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { GRACE_SECONDS = 10, MESSAGE_MAX = 4096, ANSWER_MAX = 1 << 20, TICK_MS = 100 };

struct stack_session {
    const struct stack *stack;
    bool serves;
    pid_t server;  /* 0: not running */
    int to, from;  /* its streams */
    int messages;  /* what the stack prints */
    struct buf in; /* what has come from it */
};

int stack_session_open(const struct stack *stack, const char *tmp_dir, struct stack_session **out,
                       struct err *e) {
    char serve[PATH_MAX];
    struct stack_session *s = calloc(1, sizeof *s);
    if (!s) return err_nomem(e);
    *s = (struct stack_session){.stack = stack, .to = -1, .from = -1, .messages = -1};
    buf_init(&s->in, ANSWER_MAX);
    s->serves = (size_t)snprintf(serve, sizeof serve, "%s/serve", stack->dir) < sizeof serve &&
                access(serve, X_OK) == 0;
    int rc = file_temp(tmp_dir, &s->messages, e);
    /* Every process writes at its end, whoever emptied it in between. */
    if (!rc && fcntl(s->messages, F_SETFL, O_APPEND)) rc = err_errno(e, ERR_OUTSIDE, "could not append");
    if (rc)
        stack_session_close(s);
    else
        *out = s;
    return rc;
}

bool stack_session_serves(const struct stack_session *s) {
    return s->serves;
}

static int64_t deadline_in(unsigned seconds) {
    return clock_mono_ns() + seconds * INT64_C(1000000000);
}

/* Wait until it has ended; false: it has not by then, or we were interrupted. */
static bool ended(pid_t pid, int64_t deadline, int *status, struct err *e) {
    for (long ns = 500000;; ns = ns < 10000000 ? ns * 2 : ns) {
        pid_t done = waitpid(pid, status, WNOHANG);
        if (done == pid || (done < 0 && errno == ECHILD)) return true;
        if (clock_mono_ns() > deadline || (e && interrupt_check(e))) return false;
        nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
    }
}

static void stop(pid_t pid) {
    int status;
    kill(-pid, SIGTERM);
    if (ended(pid, deadline_in(GRACE_SECONDS), &status, NULL)) return;
    kill(-pid, SIGKILL);
    waitpid(pid, &status, 0);
}

static void close_pipes(struct stack_session *s) {
    if (s->to >= 0) close(s->to);
    if (s->from >= 0) close(s->from);
    s->to = s->from = -1;
    buf_clear(&s->in);
}

static void end_server(struct stack_session *s, bool at_once) {
    int status;
    if (!s->server) return;
    close_pipes(s);
    if (at_once || !ended(s->server, deadline_in(GRACE_SECONDS), &status, NULL)) stop(s->server);
    s->server = 0;
}

void stack_session_close(struct stack_session *s) {
    if (!s) return;
    end_server(s, false);
    if (s->messages >= 0) close(s->messages);
    buf_release(&s->in);
    free(s);
}

/* What was printed since the file was emptied: its end, on one line. */
static const char *said(const struct stack_session *s, struct arena *arena) {
    char text[MESSAGE_MAX + 1];
    off_t size = lseek(s->messages, 0, SEEK_END), from = size > MESSAGE_MAX ? size - MESSAGE_MAX : 0;
    ssize_t n = pread(s->messages, text, MESSAGE_MAX, from);
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' ')) n--;
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\n') text[i] = ' ';
    return n > 0 ? arena_copy(arena, text, (size_t)n) : "it said nothing";
}

static int start_server(struct stack_session *s, struct err *e) {
    const char *const argv[] = {"./serve", NULL};
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC)) return err_errno(e, ERR_OUTSIDE, "could not make a pipe");
    if (pipe2(out, O_CLOEXEC)) {
        close(in[0]), close(in[1]);
        return err_errno(e, ERR_OUTSIDE, "could not make a pipe");
    }
    const struct stack_streams streams = {.in = in[0], .out = out[1], .err = s->messages};
    int rc = stack_start(s->stack, argv, &streams, &s->server, e);
    close(in[0]), close(out[1]);
    s->to = in[1], s->from = out[0];
    if (rc) {
        s->server = 0;
        close_pipes(s);
    }
    return rc;
}

static bool send_line(const struct stack_session *s, const char *text) {
    size_t len = strlen(text), done = 0;
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    while (done < len) {
        ssize_t n = write(s->to, text + done, len - done);
        if (n < 0 && errno != EINTR) break;
        if (n > 0) done += (size_t)n;
    }
    bool sent = done == len && write(s->to, "\n", 1) == 1;
    signal(SIGPIPE, before);
    return sent;
}

/* The next whole line of `serve` is taken from s->in into *line; false: there is none yet. */
static bool take_line(struct stack_session *s, struct arena *arena, const char **line) {
    const uint8_t *end = s->in.len ? memchr(s->in.data, '\n', s->in.len) : NULL;
    if (!end) return false;
    size_t len = (size_t)(end - s->in.data);
    *line = arena_copy(arena, s->in.data, len);
    memmove(s->in.data, end + 1, s->in.len - len - 1);
    s->in.len -= len + 1;
    return true;
}

/* Its answer for this job; other lines, such as an engine's own, are passed over. Errors may quote the input,
 * with NUL in it: the message then ends there. */
static bool is_answer(const char *line, const char *job, struct arena *arena, struct stack_answer *out) {
    json_t *o = line ? json_loads(line, JSON_ALLOW_NUL, NULL) : NULL;
    const char *of = json_string_value(json_object_get(o, "job")),
               *why = json_string_value(json_object_get(o, "error"));
    bool found = of && strcmp(of, job) == 0 && json_is_integer(json_object_get(o, "exit"));
    if (found) {
        out->code = (int)json_integer_value(json_object_get(o, "exit"));
        out->message = arena_copy(arena, why ? why : "", why ? strlen(why) : 0);
    }
    json_decref(o);
    return found;
}

/* How waiting for an answer ended. */
enum waited { ANSWERED, GONE, TOO_LONG, FAILED };

static enum waited wait_answer(struct stack_session *s, const char *job, int64_t deadline,
                               struct arena *arena, struct stack_answer *out, struct err *e) {
    char chunk[4096];
    for (;;) {
        for (const char *line; take_line(s, arena, &line);)
            if (is_answer(line, job, arena, out)) return ANSWERED;
        if (interrupt_check(e)) return FAILED;
        if (clock_mono_ns() > deadline) return TOO_LONG;
        struct pollfd p = {.fd = s->from, .events = POLLIN};
        if (poll(&p, 1, TICK_MS) <= 0) continue;
        ssize_t n = read(s->from, chunk, sizeof chunk);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return GONE;
        if (buf_add(&s->in, chunk, (size_t)n, e)) return FAILED;
    }
}

static int ask_server(struct stack_session *s, const char *job, unsigned seconds, struct arena *arena,
                      struct stack_answer *out, struct err *e) {
    if (!s->server) TRY(start_server(s, e));
    enum waited how = GONE;
    if (send_line(s, job)) how = wait_answer(s, job, deadline_in(seconds), arena, out, e);
    if (how == ANSWERED) return 0;
    end_server(s, true);
    if (how == FAILED) return e->code;
    const char *why = how == GONE ? "serve has ended" : "took too long and was stopped";
    out->message = arena_printf(arena, "%s: %s", why, said(s, arena));
    return out->message ? 0 : err_nomem(e);
}

static int run_once(struct stack_session *s, const char *job, unsigned seconds, struct arena *arena,
                    struct stack_answer *out, struct err *e) {
    const char *const argv[] = {"./run", job, NULL};
    const struct stack_streams streams = {.in = -1, .out = s->messages, .err = s->messages};
    pid_t pid;
    int status = 0;
    TRY(stack_start(s->stack, argv, &streams, &pid, e));
    if (!ended(pid, deadline_in(seconds), &status, e)) {
        stop(pid);
        if (e->code == ERR_INTERRUPTED) return e->code;
        out->message = arena_printf(arena, "took longer than %u s and was stopped", seconds);
    } else if (WIFSIGNALED(status)) {
        out->message = arena_printf(arena, "ended by signal %d (%s): %s", WTERMSIG(status),
                                    strsignal(WTERMSIG(status)), said(s, arena));
    } else {
        out->code = WEXITSTATUS(status);
        out->message = said(s, arena);
    }
    return out->message ? 0 : err_nomem(e);
}

int stack_session_run(struct stack_session *s, const char *job, unsigned seconds, struct arena *arena,
                      struct stack_answer *out, struct err *e) {
    *out = (struct stack_answer){.code = -1};
    if (ftruncate(s->messages, 0)) return err_errno(e, ERR_OUTSIDE, "could not empty a temporary file");
    return (s->serves ? ask_server : run_once)(s, job, seconds, arena, out, e);
}
