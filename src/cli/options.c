#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTIONS_MAX = 64, WORD_MAX = 64 };

static size_t min3(size_t a, size_t b, size_t c) {
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's distance of two short words. */
static size_t distance(const char *a, const char *b) {
    size_t row[WORD_MAX + 1], n = strlen(b);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *word, const char *const *names, size_t stride, size_t count) {
    const char *best = NULL;
    size_t len = strlen(word), best_distance = len / 3 + 2; /* further off, a guess only confuses */
    if (len > WORD_MAX) return NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = *(const char *const *)((const char *)names + i * stride);
        if (strlen(name) > WORD_MAX) continue;
        size_t d = len > 1 && strncmp(name, word, len) == 0 ? 1 : distance(word, name);
        if (d < best_distance) {
            best = name;
            best_distance = d;
        }
    }
    return best;
}

static void print_options(const char *title, const struct cli_option *options) {
    size_t width = 0;
    for (const struct cli_option *o = options; o->name; o++) {
        size_t w = strlen(o->name) + (o->value ? 1 + strlen(o->value) : 0);
        if (o->help && w > width) width = w;
    }
    printf("\n%s:\n", title);
    for (const struct cli_option *o = options; o->name; o++)
        if (o->help)
            printf("  --%s%s%-*s  %s\n", o->name, o->value ? " " : "",
                   (int)(width - strlen(o->name) - (o->value ? 1 : 0)), o->value ? o->value : "", o->help);
}

static void print_help(const struct cli_usage *u, const struct cli_option *options,
                       const struct cli_option *lake) {
    printf("Examples:\n%s\nUsage: weir %s %s\n\n%s\n", u->examples, u->name, u->synopsis, u->about);
    if (options->name) print_options("Options", options);
    if (lake->name) print_options("Where the tables are", lake);
    if (u->more) printf("\n%s", u->more);
}

static const struct cli_option *find(const struct cli_option *const *all, size_t count, const char *name,
                                     size_t len) {
    for (size_t i = 0; i < count; i++)
        if (strlen(all[i]->name) == len && memcmp(all[i]->name, name, len) == 0) return all[i];
    return NULL;
}

static int unknown(const struct cli_usage *u, const struct cli_option *const *all, size_t count,
                   const char *arg, struct err *e) {
    const char *names[OPTIONS_MAX];
    char word[WORD_MAX + 1];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(arg, "="), arg);
    const char *name = word + strspn(word, "-");
    for (size_t i = 0; i < count; i++) names[i] = all[i]->name;
    const char *near = cli_nearest(name, names, sizeof *names, count);
    return err_set(e, ERR_USAGE, "unknown option \"%s\"%s%s%s; see weir %s --help", word,
                   near ? "; did you mean --" : "", near ? near : "", near ? "?" : "", u->name);
}

int cli_parse(const struct cli_usage *u, const struct cli_option *options, struct cli_lake *lake, int *argc,
              char **argv, struct err *e) {
    struct cli_lake unused = {0}, *l = lake ? lake : &unused;
    const struct cli_option lake_options[] = {
        {"lake", "DIR", "catalog DIR/catalog.db and warehouse DIR/warehouse [WEIR_LAKE, else lake]",
         .text = &l->lake},
        {"catalog", "URI", "sqlite:///abs/path or postgresql://user@host:port/db [WEIR_CATALOG]",
         .text = &l->catalog},
        {"catalog-name", "NAME", "its name, as other engines call it [WEIR_CATALOG_NAME, else weir]",
         .text = &l->catalog_name},
        {"warehouse", "URI", "where data goes: file:///abs/path, s3://bucket/prefix [WEIR_WAREHOUSE]",
         .text = &l->warehouse},
        {"s3-endpoint", "URL", "an S3 service other than AWS [WEIR_S3_ENDPOINT]", .text = &l->s3_endpoint},
        {0},
    };
    const struct cli_option *shared = lake ? lake_options : &lake_options[5];
    const struct cli_option *all[OPTIONS_MAX];
    size_t count = 0;
    for (const struct cli_option *o = options; o->name && count < OPTIONS_MAX; o++) all[count++] = o;
    for (const struct cli_option *o = shared; o->name && count < OPTIONS_MAX; o++) all[count++] = o;

    int left = 0, i = 1;
    for (; i < *argc; i++) {
        char *arg = argv[i];
        if (strcmp(arg, "--") == 0) {
            i++;
            break;
        }
        if (arg[0] != '-' || !arg[1]) { /* "-" alone is standard input */
            argv[left++] = arg;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(u, options, shared);
            return CLI_HELP;
        }
        const char *equals = strchr(arg, '=');
        size_t len = (equals ? (size_t)(equals - arg) : strlen(arg));
        const struct cli_option *o = arg[1] == '-' ? find(all, count, arg + 2, len - 2) : NULL;
        if (!o) return unknown(u, all, count, arg, e);
        if (!o->value && equals)
            return err_set(e, ERR_USAGE, "--%s takes no value; see weir %s --help", o->name, u->name);
        if (!o->value) {
            *o->flag = true;
        } else if (equals) {
            *o->text = equals + 1;
        } else if (i + 1 < *argc) {
            *o->text = argv[++i];
        } else {
            return err_set(e, ERR_USAGE, "--%s needs a value: --%s %s; see weir %s --help", o->name, o->name,
                           o->value, u->name);
        }
        if (o->value && !**o->text)
            return err_set(e, ERR_USAGE, "--%s: its value is empty; see weir %s --help", o->name, u->name);
    }
    while (i < *argc) argv[left++] = argv[i++];
    argv[left] = NULL;
    *argc = left;
    return 0;
}

int cli_end(int rc, struct err *e) {
    if (rc == CLI_HELP) rc = 0;
    errno = 0;
    /* A reader that has seen enough (`| head`) is no error; a full disk is. */
    if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !rc)
        rc = err_errno(e, ERR_OUTSIDE, "could not write standard output");
    if (rc > 0) fprintf(stderr, "weir: %s\n", e->msg);
    return rc;
}

int cli_print(const struct buf *text, const json_t *json, struct err *e) {
    char *dump = json ? json_dumps(json, JSON_INDENT(1) | JSON_REAL_PRECISION(12)) : NULL;
    if (json && !dump) return err_nomem(e);
    int rc = 0;
    errno = 0;
    if (dump ? puts(dump) < 0 : fwrite(text->data, 1, text->len, stdout) < text->len)
        rc = errno == EPIPE ? 0 : err_errno(e, ERR_OUTSIDE, "could not write standard output");
    if (!rc && ferror(stdout)) clearerr(stdout);
    free(dump);
    return rc;
}
