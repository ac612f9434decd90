#include "bench/container_made.h"

#include "edge/proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Labels of all our containers. */
static const char owner_label[] = "weir.owner", started_label[] = "weir.started";

int container_call(const struct container_made *c, const char *method, const char *what, long *status,
                   struct err *e) {
    char path[128];
    snprintf(path, sizeof path, "/containers/*%s", what);
    return docker_call(c->engine, method, path, c->id, NULL, status, NULL, e);
}

/* ---- making one ---- */

json_t *container_strings(const char *const *words) {
    json_t *a = json_array();
    for (; words && *words; words++) json_array_append_new(a, json_string(*words));
    return a;
}

static json_t *labels(void) {
    char owner[32], started[32];
    struct proc self = {0};
    proc_read(getpid(), &self);
    snprintf(owner, sizeof owner, "%ld", (long)getpid());
    snprintf(started, sizeof started, "%llu", (unsigned long long)self.start_ticks);
    return json_pack("{s:s,s:s}", owner_label, owner, started_label, started);
}

/* What holds for all of ours: no rights, and no more output kept than can be read in a moment, in a form that
 * can be read whatever the engine's own is. */
json_t *container_confine(json_t *host) {
    json_t *more =
        json_pack("{s:[s],s:[s],s:{s:s,s:{s:s}}}", "CapDrop", "ALL", "SecurityOpt", "no-new-privileges",
                  "LogConfig", "Type", "json-file", "Config", "max-size", "64m");
    if (!host || !more || json_object_update(host, more)) {
        json_decref(host);
        host = NULL;
    }
    json_decref(more);
    return host;
}

/* What an engine says, and goes on without: a limit. */
static int heed_warnings(const json_t *list, struct err *e) {
    static const char *const grave[] = {"discarded", "ignored"};
    const json_t *one;
    size_t i;
    json_array_foreach(list, i, one) {
        const char *text = json_string_value(one);
        for (size_t k = 0; text && k < sizeof grave / sizeof *grave; k++)
            if (strstr(text, grave[k]))
                return err_set(e, ERR_OUTSIDE, "the container engine does not keep to the limits: %.600s",
                               text);
    }
    return 0;
}

int container_make(struct container_made *c, const char *name, json_t *body, struct err *e) {
    json_t *answer = NULL;
    long status = 0;
    if (!body) return err_set(e, ERR_INPUT, "a path or name for the container is not UTF-8");
    json_object_set_new(body, "Labels", labels());
    int rc = docker_call(c->engine, "POST", "/containers/create?name=*", name, body, &status, &answer, e);
    const char *id = json_string_value(json_object_get(answer, "Id"));
    if (!rc && (!id || !*id)) rc = err_set(e, ERR_OUTSIDE, "the container engine named no container");
    if (id)
        snprintf(c->id, sizeof c->id, "%s", id);
    else if (rc && !status) /* it may be there all the same */
        snprintf(c->id, sizeof c->id, "%s", name);
    if (!rc) rc = heed_warnings(json_object_get(answer, "Warnings"), e);
    json_decref(answer);
    json_decref(body);
    return rc;
}

/* ---- removing ---- */

int container_discard(const struct container_made *c, struct err *e) {
    struct err problem = {0};
    long status;
    if (!*c->id || !container_call(c, "DELETE", "?force=1", &status, &problem)) return 0;
    if (status == 404 || status == 409) return 0; /* it is gone, or going */
    return err_set(e, ERR_OUTSIDE, "a container may be left (%.900s); weir doctor --clean removes it",
                   problem.msg);
}

/* ---- what was left behind ---- */

/* Whether the process that began it still is: its number may be another's by now. */
static bool is_owned(const json_t *its_labels) {
    const char *owner = json_string_value(json_object_get(its_labels, owner_label)),
               *started = json_string_value(json_object_get(its_labels, started_label));
    struct proc p;
    return owner && started && proc_read((pid_t)strtol(owner, NULL, 10), &p) &&
           p.start_ticks == strtoull(started, NULL, 10);
}

unsigned container_sweep(const struct docker *d, const char *prefix, unsigned age_s) {
    struct err e = {0};
    json_t *list = NULL, *one;
    size_t i;
    unsigned swept = 0;
    if (docker_call(d, "GET", "/containers/json?all=1&filters=%7B%22label%22%3A%5B%22weir.owner%22%5D%7D",
                    NULL, NULL, NULL, &list, &e))
        return 0;
    json_array_foreach(list, i, one) {
        struct container_made c = {.engine = d};
        const char *id = json_string_value(json_object_get(one, "Id")),
                   *name = json_string_value(json_array_get(json_object_get(one, "Names"), 0));
        if (name && *name == '/') name++;
        if (!id || !name || strncmp(name, prefix, strlen(prefix)) != 0) continue;
        if (is_owned(json_object_get(one, "Labels"))) continue;
        snprintf(c.id, sizeof c.id, "%s", id);
        swept += container_discard(&c, &e) == 0;
        group_sweep_top(name, 0);
    }
    json_decref(list);
    group_sweep_top(prefix, age_s);
    return swept;
}
