/* What a benchmark's containers need: images, folders under the same paths as here, a user without rights. */
#include "bench/session.h"

#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MOUNTS_MAX = 256 };

static const char image_user[] = "10001:10001"; /* what weir's images make */

static int open_image(struct session *s, unsigned i, struct err *e) {
    const struct docker *d = s->q->engine;
    struct stack *st = &s->stacks[i];
    struct container_image image;
    struct err absent = {0};
    const char *why = NULL;
    int rc = container_image(d, s->images[i], &image, &absent);
    if (rc && (rc != ERR_OUTSIDE || !s->plan->registry)) *e = absent;
    if (rc == ERR_OUTSIDE && s->plan->registry) {
        struct docker_pull *pull = arena_alloc(&s->arena, sizeof *pull);
        if (!pull) return err_nomem(e);
        show_doing(&s->show, "pulling the images once");
        rc = docker_pull(d, s->images[i], pull, e);
        if (!rc) rc = container_image(d, s->images[i], &image, e);
    }
    TRY(rc);
    TRY(container_versions(d, s->images[i], st, &s->versions[i], &why, e));
    if (s->versions[i]) return 0;
    return err_set(e, ERR_INPUT, "image \"%s\": %s", s->images[i], why);
}

int session_open_images(struct session *s, struct err *e) {
    const unsigned count = s->plan->stack_count;
    s->images = arena_zalloc(&s->arena, (count + 1) * sizeof *s->images);
    if (!s->images) return err_nomem(e);
    for (unsigned i = 0; i < count; i++)
        if (!(s->images[i] = plan_image(s->plan, s->stacks[i].folder, &s->arena))) return err_nomem(e);
    for (unsigned i = 0; i < count; i++) TRY(open_image(s, i, e));
    return 0;
}

/* ---- folders ---- */

/* "<path>:<path>:ro", once. */
static int mount(const char **list, unsigned *count, const char *path, const char *how, struct arena *a,
                 struct err *e) {
    const char *text = arena_printf(a, "%s:%s%s", path, path, how);
    if (!text) return err_nomem(e);
    if (strchr(path, ':'))
        return err_set(
            e, ERR_INPUT,
            "\"%s\" has a colon in its path: it cannot be mounted into a container; use another name for it",
            path);
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(list[i], text) == 0) return 0;
    list[(*count)++] = text;
    return 0;
}

/* The inputs, each for itself: a folder of theirs, such as /tmp, would hide what the image has there, and a
 * link would lead out of it. Only very many are mounted by their folders. */
static int mount_inputs(const struct job *job, const char **list, unsigned *count, struct arena *a,
                        struct err *e) {
    for (unsigned i = 0; i < job->input_count; i++) {
        const char *path = job->inputs[i];
        if (job->input_count > FILE_MOUNTS_MAX) {
            char *copy = arena_printf(a, "%s", path);
            if (!copy) return err_nomem(e);
            path = dirname(copy);
        }
        TRY(mount(list, count, path, ":ro", a, e));
    }
    return 0;
}

/* The certificates that the lake's S3 is trusted by; NULL: those of the image. */
static int find_authorities(const struct session *s, struct arena *a, const char **out, struct err *e) {
    const char *given = s->q->lake.catalog ? getenv("AWS_CA_BUNDLE") : NULL;
    char path[PATH_MAX];
    *out = NULL;
    if (!given || !*given) return 0;
    if (!realpath(given, path)) return err_errno(e, ERR_INPUT, "AWS_CA_BUNDLE: \"%s\"", given);
    return (*out = arena_printf(a, "%s", path)) ? 0 : err_nomem(e);
}

/* The inputs, the country database and certificates to read, the run's own folder to write. */
static int choose_mounts(const struct job *job, const char *authorities, const char *dir, struct arena *a,
                         const char *const **out, struct err *e) {
    unsigned count = 0;
    const char **list = arena_zalloc(a, (job->input_count + 4) * sizeof *list);
    if (!list) return err_nomem(e);
    TRY(mount_inputs(job, list, &count, a, e));
    if (job->mmdb) TRY(mount(list, &count, job->mmdb, ":ro", a, e));
    if (authorities) TRY(mount(list, &count, authorities, ":ro", a, e));
    TRY(mount(list, &count, dir, "", a, e));
    *out = list;
    return 0;
}

/* ---- users ---- */

/* Ourselves; for root the images' user, who is given the run's folder. In an engine without root, its root is
 * us. */
static int choose_user(const struct session *s, const char *dir, struct arena *a, const char **out,
                       struct err *e) {
    static const char *const folders[] = {"", "/tmp", "/job.json", "/lake", "/lake/warehouse"};
    unsigned uid, gid;
    *out = s->q->engine->rootless ? "0:0" : image_user;
    if (getuid() && !s->q->engine->rootless) *out = arena_printf(a, "%u:%u", getuid(), getgid());
    if (!*out) return err_nomem(e);
    if (getuid() || s->q->engine->rootless) return 0;
    if (sscanf(*out, "%u:%u", &uid, &gid) != 2) return 0;
    for (size_t i = 0; i < (s->q->lake.catalog ? 3 : sizeof folders / sizeof *folders); i++) {
        const char *path = arena_printf(a, "%s%s", dir, folders[i]);
        if (!path) return err_nomem(e);
        if (chown(path, uid, gid))
            return err_errno(e, ERR_OUTSIDE, "could not give \"%s\" to %s", path, *out);
    }
    return 0;
}

/* ---- the environment: the variant's, and secrets for the lake ---- */

static int choose_env(const struct session *s, const struct stack *stack, const char *authorities,
                      struct arena *a, const char *const **out, struct err *e) {
    static const char *const secrets[] = {"AWS_ACCESS_KEY_ID",
                                          "AWS_SECRET_ACCESS_KEY",
                                          "AWS_SESSION_TOKEN",
                                          "AWS_REGION",
                                          "AWS_DEFAULT_REGION",
                                          "PGPASSWORD",
                                          NULL};
    const char **list = arena_zalloc(a, sizeof secrets + sizeof *list + sizeof stack->env);
    size_t count = 0;
    if (!list) return err_nomem(e);
    for (; stack->env[count]; count++) list[count] = stack->env[count];
    for (const char *const *name = secrets; s->q->lake.catalog && *name; name++) {
        const char *value = getenv(*name);
        if (value && !(list[count++] = arena_printf(a, "%s=%s", *name, value))) return err_nomem(e);
    }
    if (authorities && !(list[count++] = arena_printf(a, "AWS_CA_BUNDLE=%s", authorities)))
        return err_nomem(e);
    *out = list;
    return 0;
}

int session_container(struct session *s, const struct session_job *j, const char *dir, struct job *job,
                      struct run_container *out, struct err *e) {
    *out = (struct run_container){.engine = s->q->engine,
                                  .image = s->images[j->stack_index],
                                  .images = s->plan->registry ? s->images : NULL,
                                  .network = s->q->lake.catalog};
    const char *authorities;
    TRY(find_authorities(s, &job->arena, &authorities, e));
    TRY(choose_env(s, &s->stacks[j->stack_index], authorities, &job->arena, &out->env, e));
    TRY(choose_mounts(job, authorities, dir, &job->arena, &out->mounts, e));
    return choose_user(s, dir, &job->arena, &out->user, e);
}

/* ---- the result file ---- */

static json_t *seconds(double s) {
    return s < 0 ? json_null() : json_real(round(s * 1e6) / 1e6);
}

json_t *session_image(const struct session *s, unsigned stack_index, const struct run_image *image) {
    struct container_image now = {0};
    struct err e = {0};
    container_image(s->q->engine, s->images[stack_index], &now, &e);
    return json_pack("{s:s,s:s,s:I,s:I,s:i,s:i,s:o,s:o,s:I,s:f,s:b}", "name", s->images[stack_index], "id",
                     now.id, "disk_bytes", (json_int_t)now.disk_bytes, "pull_bytes",
                     (json_int_t)image->pull_bytes, "layers", (int)image->layers, "layers_present",
                     (int)image->layers_present, "download_s", seconds(image->download_s), "extract_s",
                     seconds(image->extract_s), "engine_peak_bytes", (json_int_t)image->engine_peak_bytes,
                     "engine_cpu_s", image->engine_cpu_s, "own_group", (int)image->own_group);
}
