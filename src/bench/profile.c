/* The study of where CPU time goes: one extra run of each stack under a profiler, whose times do not count.
 */
#include "bench/profiler.h"
#include "bench/session.h"

#include "base/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FUNCTIONS = 25 };

struct profile {
    struct session *s;
    const struct plan_case *c;
    unsigned case_index, stack_index;
    struct profiler tool;
    char file[4300], text[4300]; /* what the profiler wrote; the same as text */
};

/* The profiler's own command, its output into the text file. */
static int print_text(struct profile *p, struct err *e) {
    const struct stack *stack = &p->s->stacks[p->stack_index];
    const char *argv[PROFILER_ARGV_MAX];
    pid_t pid;
    int status;
    if (!profiler_print(&p->tool, p->file, argv)) {
        snprintf(p->text, sizeof p->text, "%s", p->file);
        return 0;
    }
    int out = open(p->text, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int rc = out < 0 || quiet < 0 ? err_errno(e, ERR_OUTSIDE, "could not write \"%s\"", p->text) : 0;
    if (!rc) rc = stack_start(stack, argv, &(struct stack_streams){-1, out, quiet}, &pid, e);
    if (out >= 0) close(out);
    if (quiet >= 0) close(quiet);
    if (rc) return rc;
    while (waitpid(pid, &status, 0) < 0) continue;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? 0
               : err_set(e, ERR_OUTSIDE, "%s could not print its profile", p->tool.name);
}

/* What the profiler saw, or why nothing, into the line. */
static void tell(struct profile *p, const struct session_result *r, json_t *line) {
    struct arena arena;
    struct profile_function functions[FUNCTIONS];
    size_t count = 0;
    long long samples = 0;
    struct err why = {0};
    json_t *list = json_array();
    arena_init(&arena);
    json_object_set_new(line, "functions", list);
    if (strcmp(r->verdict.status, "ok") != 0)
        err_set(&why, ERR_OUTSIDE, "%s: %s", r->verdict.status, r->verdict.error);
    else if (!file_exists(p->file))
        err_set(&why, ERR_OUTSIDE, "%s wrote nothing; %s says why", p->tool.name, r->output_path);
    else if (!print_text(p, &why) &&
             !profiler_read(&p->tool, p->text, &arena, functions, FUNCTIONS, &count, &samples, &why) &&
             !samples)
        err_set(&why, ERR_OUTSIDE, "%s took no samples", p->tool.name);
    for (size_t i = 0; i < count; i++) {
        json_t *one = json_pack("{s:s,s:f}", "function", functions[i].name, "percent", functions[i].percent);
        if (one) json_array_append_new(list, one); /* a name may be no UTF-8 */
    }
    const char *slash = strrchr(p->s->work, '/');
    size_t folder = slash ? (size_t)(slash + 1 - p->s->work) : 0;
    json_object_set_new(line, "samples", json_integer(samples));
    json_object_set_new(line, "file", samples ? json_string(p->file + folder) : json_null());
    json_object_set_new(line, "error", json_string(why.msg));
    arena_release(&arena);
    if (*why.msg) show_note(&p->s->show, "%s  no profile: %s", p->s->plan->stacks[p->stack_index], why.msg);
}

static int take(struct profile *p, struct err *e) {
    struct session *s = p->s;
    const char *name = s->plan->stacks[p->stack_index];
    char label[160], folder[4200];
    struct session_result r;
    snprintf(label, sizeof label, "profile-%u-%.60s", p->case_index + 1, name);
    snprintf(folder, sizeof folder, "%s/profile", s->work);
    snprintf(p->file, sizeof p->file, "%s/%u-%.60s.%s", folder, p->case_index + 1, name, p->tool.ends);
    snprintf(p->text, sizeof p->text, "%s/%u-%.60s.txt", folder, p->case_index + 1, name);
    TRY(file_make_dirs(folder, e));
    unlink(p->file);
    const struct session_job j = {.c = p->c,
                                  .case_index = p->case_index,
                                  .stack_index = p->stack_index,
                                  .label = label,
                                  .limits = p->c->resources,
                                  .profiler = &p->tool,
                                  .profile = p->file};
    TRY(session_ready_data(s, p->c->data, e));
    json_t *line = json_pack("{s:s,s:s,s:s,s:s}", "type", "profile", "case", p->c->name, "stack", name,
                             "profiler", p->tool.name);
    int rc = session_run(s, &j, &r, e);
    if (!rc) tell(p, &r, line);
    if (!rc) rc = results_add(&s->results, json_incref(line), e);
    json_decref(line);
    session_result_release(&r);
    return rc;
}

static int profile_stack(struct session *s, unsigned case_index, unsigned stack_index, struct err *e) {
    const struct stack *stack = &s->stacks[stack_index];
    struct profile p = {
        .s = s, .c = &s->plan->cases[case_index], .case_index = case_index, .stack_index = stack_index};
    if (!stack->profiler) {
        show_note(&s->show, "%s  no profile: its stack.yaml names no profiler", stack->name);
        return 0;
    }
    if (!profiler_find(stack->profiler, s->q->home, &p.tool)) {
        show_note(&s->show, "%s  no profile: \"%s\" is not a profiler that weir knows", stack->name,
                  stack->profiler);
        return 0;
    }
    if (!*p.tool.program) {
        show_note(&s->show, "%s  no profile: %s is not there (%s)", stack->name, p.tool.name, p.tool.how);
        return 0;
    }
    return take(&p, e);
}

int session_profile(struct session *s, json_t *lines, struct err *e) {
    for (unsigned c = 0; c < s->plan->case_count; c++)
        for (unsigned k = 0; session_is_studied(s, c) && k < s->plan->stack_count; k++)
            if (!session_has_line(lines, "profile", s->plan->cases[c].name, s->plan->stacks[k]))
                TRY(profile_stack(s, c, k, e));
    return 0;
}
