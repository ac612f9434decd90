/* A container's image: there or not, pulled, and what it says of itself. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/threads.h"
#include "bench/container_made.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { VERSIONS_S = 120 };

/* Whether its programs are for another processor than this machine's: emulated, their times would mean
 * nothing. */
static bool is_foreign(const json_t *image) {
    static const char *const same[][2] = {{"x86_64", "amd64"}, {"aarch64", "arm64"}};
    const char *made_for = json_string_value(json_object_get(image, "Architecture"));
    struct utsname here;
    if (!made_for || !*made_for || uname(&here)) return false;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (strcmp(here.machine, same[i][0]) == 0) return strcmp(made_for, same[i][1]) != 0;
    return false;
}

/* What a stack's image must be. */
static int check_image(const char *image, const json_t *o, struct err *e) {
    if (!json_array_size(json_object_get(json_object_get(o, "Config"), "Entrypoint")))
        return err_set(
            e, ERR_INPUT,
            "image \"%s\" has no entry point; its Dockerfile must end in ENTRYPOINT [\"…/run\"], the stack's "
            "program that takes JOB.json (docs/stacks.md)",
            image);
    if (is_foreign(o))
        return err_set(e, ERR_INPUT,
                       "image \"%s\" is made for %s, another processor than this machine's; build it here",
                       image, json_string_value(json_object_get(o, "Architecture")));
    return 0;
}

int container_image(const struct docker *d, const char *image, struct container_image *out, struct err *e) {
    json_t *o = NULL;
    long status;
    *out = (struct container_image){0};
    int rc = docker_call(d, "GET", "/images/*/json", image, NULL, &status, &o, e);
    if (rc && status == 404)
        return err_set(
            e, ERR_OUTSIDE,
            "there is no image \"%s\" here; build it (make docker-build), name a registry that has it "
            "(--registry HOST), or leave its stack out (--stacks)",
            image);
    if (rc) return rc;
    const char *id = json_string_value(json_object_get(o, "Id"));
    out->disk_bytes = (uint64_t)json_integer_value(json_object_get(o, "Size"));
    snprintf(out->id, sizeof out->id, "%s", id ? id : "");
    rc = check_image(image, o, e);
    json_decref(o);
    return rc;
}

/* A time span that events of layers open and close, in seconds. */
static double span(int64_t from, int64_t to) {
    return from && to > from ? (double)(to - from) / 1e9 : 0;
}

/* Download: from the first byte asked for to the last layer's last; extraction: what the layers took one
 * after the other. Both overlap. */
static void tell_pull(const struct docker_pull *p, struct run_image *image) {
    int64_t downloaded = 0;
    image->extract_s = 0;
    for (unsigned i = 0; i < p->count; i++) {
        const struct docker_layer *l = &p->layers[i];
        if (!l->present && !l->downloaded_ns && !l->extracted_ns)
            continue; /* "latest", "Digest": no layers */
        image->layers++;
        image->layers_present += l->present;
        image->pull_bytes += l->present ? 0 : l->bytes;
        if (l->downloaded_ns > downloaded) downloaded = l->downloaded_ns;
        image->extract_s += span(l->extract_ns, l->extracted_ns);
    }
    image->download_s = span(p->start_ns, downloaded);
    image->pull_s = (double)(p->end_ns - p->start_ns) / 1e9;
}

int container_pull(const struct run_container *k, struct run_outcome *out, struct err *e) {
    struct docker_pull *p = malloc(sizeof *p);
    if (!p) return err_nomem(e);
    for (const char *const *other = k->images; *other; other++) {
        struct err gone = {0};
        docker_call(k->engine, "DELETE", "/images/*", *other, NULL, NULL, NULL, &gone);
    }
    out->end.request_ns = clock_real_ns();
    int rc = docker_pull(k->engine, k->image, p, e);
    if (!rc) tell_pull(p, &out->image);
    free(p);
    return rc;
}

/* ---- what an image says of itself ---- */

/* The folder of the image's entry point: what stack.yaml names stands beside it. */
static int folder_of(const struct docker *d, const char *image, char out[PATH_MAX], struct err *e) {
    json_t *o = NULL;
    TRY(docker_call(d, "GET", "/images/*/json", image, NULL, NULL, &o, e));
    const json_t *entry = json_object_get(json_object_get(o, "Config"), "Entrypoint");
    size_t words = json_array_size(entry);
    const char *run = words ? json_string_value(json_array_get(entry, words - 1)) : NULL,
               *slash = run ? strrchr(run, '/') : NULL;
    snprintf(out, PATH_MAX, "%.*s", slash > run ? (int)(slash - run) : 1, slash > run ? run : "/");
    json_decref(o);
    return 0;
}

static int read_output(const struct container_made *c, struct buf *text, struct err *e) {
    char chunk[4096];
    ssize_t n;
    int fd = memfd_create("weir", MFD_CLOEXEC);
    if (fd < 0) return err_errno(e, ERR_OUTSIDE, "could not make a file in memory");
    int rc = docker_logs(c->engine, c->id, fd, e);
    for (off_t at = 0; !rc && (n = pread(fd, chunk, sizeof chunk, at)) > 0; at += n)
        rc = buf_add(text, chunk, (size_t)n, e);
    close(fd);
    return rc;
}

/* What `argv` prints in the folder of the image's entry point, into `text`. */
static int ask_image(const struct docker *d, const char *image, const char *const *argv, struct buf *text,
                     int *status, struct err *e) {
    struct container_made c = {.engine = d};
    struct docker_wait *wait = NULL;
    char folder[PATH_MAX], name[64];
    TRY(folder_of(d, image, folder, e));
    snprintf(name, sizeof name, CONTAINER_VERSIONS "%ld-%lld", (long)getpid(), (long long)clock_mono_ns());
    json_t *body = json_pack("{s:s,s:o,s:[],s:s,s:o}", "Image", image, "Entrypoint", container_strings(argv),
                             "Cmd", "WorkingDir", folder, "HostConfig",
                             container_confine(json_pack("{s:s}", "NetworkMode", "none")));
    int rc = container_make(&c, name, body, e);
    if (!rc) rc = container_call(&c, "POST", "/start", NULL, e);
    if (!rc) rc = docker_wait_start(d, c.id, &wait, e);
    int64_t deadline = clock_mono_ns() + VERSIONS_S * INT64_C(1000000000);
    while (!rc && !docker_wait(wait, 100, status)) {
        rc = interrupt_check(e);
        if (!rc && clock_mono_ns() > deadline)
            rc = err_set(e, ERR_OUTSIDE, "its versions command is not done after %d s", VERSIONS_S);
    }
    if (!rc) rc = read_output(&c, text, e);
    docker_wait_end(wait);
    struct err left = {0};
    if (container_discard(&c, &left) && !rc) rc = err_set(e, left.code, "%s", left.msg);
    return rc;
}

int container_versions(const struct docker *d, const char *image, struct stack *s, json_t **found,
                       const char **why, struct err *e) {
    struct buf text;
    struct err problem = {0};
    int status = -1;
    *found = NULL;
    *why = "stack.yaml names no versions command";
    if (!s->versions) return 0;
    buf_init(&text, 1 << 16);
    int rc = ask_image(d, image, s->versions, &text, &status, &problem);
    if (!rc && status == 0) *found = json_loadb((const char *)text.data, text.len, 0, NULL);
    if (!json_is_object(*found)) {
        json_decref(*found);
        *found = NULL;
        *why = arena_printf(&s->arena, "%s", rc ? problem.msg : "its versions command failed in its image");
    }
    buf_release(&text);
    if (rc == ERR_INTERRUPTED) return err_set(e, rc, "%s", problem.msg);
    return *why ? 0 : err_nomem(e);
}
