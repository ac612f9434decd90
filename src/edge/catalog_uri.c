#include "edge/catalog_uri.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

static bool is_scheme(const char *uri, const char *scheme) {
    return strncmp(uri, scheme, strlen(scheme)) == 0;
}

static int nothing_of_it(struct err *e) {
    return err_set(e, ERR_INPUT,
                   "the catalog's URI is not understood: write postgresql://user@host:port/database; special "
                   "characters as %%XX, a password better in PGPASSWORD or ~/.pgpass");
}

/* A URI that is not understood is shown only where it cannot hold a password. */
static int refuse(const char *given, struct err *e) {
    if (strpbrk(given, "@?")) return nothing_of_it(e);
    return err_set(e, ERR_INPUT,
                   "catalog \"%s\": write sqlite:///absolute/path/catalog.db or "
                   "postgresql://user@host:port/database",
                   given);
}

/* "sqlite:///x", "sqlite:/x" and SQLAlchemy's "sqlite:////x" name the same file. */
static int parse_sqlite(const char *given, struct arena *arena, struct catalog_uri *out, struct err *e) {
    const char *path = given + sizeof "sqlite:" - 1;
    if (*path != '/') return refuse(given, e);
    while (path[1] == '/') path++;
    if (!path[1]) return refuse(given, e);
    out->path = arena_printf(arena, "%s", path);
    out->text = arena_printf(arena, "sqlite://%s", path);
    return out->path && out->text ? 0 : err_nomem(e);
}

/* Percent-encoded, but for what may stand in any part and `plain`; NULL when out of memory. */
static const char *encode(struct arena *arena, const char *text, const char *plain) {
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(arena, 3 * strlen(text) + 1), *to = out;
    for (; out && *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool keep = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    strchr("-._~", c) || strchr(plain, c);
        if (keep) {
            *to++ = (char)c;
        } else {
            *to++ = '%';
            *to++ = hex[c >> 4];
            *to++ = hex[c & 15];
        }
    }
    if (out) *to = 0;
    return out;
}

static const char *value_of(const PQconninfoOption *options, const char *key) {
    for (; options->keyword; options++)
        if (strcmp(options->keyword, key) == 0) return options->val && *options->val ? options->val : NULL;
    return NULL;
}

/* host:port, or host1:port1,host2:port2; an IPv6 address in brackets. NULL when out of memory. */
static const char *authority(struct arena *arena, const char *hosts, const char *ports) {
    const char *out = "";
    while (out && *hosts) {
        size_t n = strcspn(hosts, ","), m = ports ? strcspn(ports, ",") : 0;
        bool six = memchr(hosts, ':', n);
        out = arena_printf(arena, "%s%s%s%.*s%s%s%.*s", out, *out ? "," : "", six ? "[" : "", (int)n, hosts,
                           six ? "]" : "", m ? ":" : "", (int)m, m ? ports : "");
        hosts += n + (hosts[n] == ',');
        if (ports && ports[m] == ',') ports += m + 1; /* one port may hold for all hosts */
    }
    return out;
}

/* The URI again, from libpq's reading of it: all but passwords. */
static int rebuild(const PQconninfoOption *options, struct arena *arena, const char **out, struct err *e) {
    const char *user = value_of(options, "user"), *host = value_of(options, "host");
    const char *port = value_of(options, "port"), *database = value_of(options, "dbname");
    bool socket = host && strchr(host, '/'); /* a socket's folder does not fit where hosts stand */
    const char *text = user ? encode(arena, user, "") : "";
    if (text) text = arena_printf(arena, "postgresql://%s%s", text, user ? "@" : "");
    const char *place = socket ? "" : authority(arena, host ? host : "", port);
    if (!host && port) place = arena_printf(arena, ":%s", port);
    const char *name = database ? encode(arena, database, "") : "";
    if (!text || !place || !name) return err_nomem(e);
    text = arena_printf(arena, "%s%s/%s", text, place, name);
    char mark = '?';
    for (const PQconninfoOption *o = options; text && o->keyword; o++) {
        static const char *const placed[] = {"user", "password", "dbname", "host", "port"};
        bool skip = !o->val || !*o->val;
        for (size_t i = 0; i < (socket ? 3 : 5); i++) skip |= strcmp(o->keyword, placed[i]) == 0;
        if (skip) continue;
        const char *value = encode(arena, o->val, "/,:");
        text = value ? arena_printf(arena, "%s%c%s=%s", text, mark, o->keyword, value) : NULL;
        mark = '&';
    }
    *out = text;
    return text ? 0 : err_nomem(e);
}

static int read_options(const PQconninfoOption *options, struct arena *arena, struct catalog_uri *out,
                        struct err *e) {
    const char *password = value_of(options, "password"), *host = value_of(options, "host");
    const char *port = value_of(options, "port");
    /* A password's own @ or / makes the rest of it look like a host or port. */
    if ((host && strpbrk(host, "@ ")) || (port && port[strspn(port, "0123456789,")])) return nothing_of_it(e);
    if (value_of(options, "sslpassword"))
        return err_set(e, ERR_INPUT,
                       "the catalog's URI has an sslpassword, which jobs and messages would show: use a "
                       "client key without one");
    if (password && !(out->password = arena_printf(arena, "%s", password))) return err_nomem(e);
    return rebuild(options, arena, &out->text, e);
}

int catalog_uri_parse(const char *given, struct arena *arena, struct catalog_uri *out, struct err *e) {
    *out = (struct catalog_uri){0};
    if (is_scheme(given, "sqlite:")) return parse_sqlite(given, arena, out, e);
    if (!is_scheme(given, "postgresql://") && !is_scheme(given, "postgres://")) return refuse(given, e);
    char *problem = NULL; /* not shown: it quotes */
    PQconninfoOption *options = PQconninfoParse(given, &problem);
    int rc = options ? read_options(options, arena, out, e) : nothing_of_it(e);
    PQfreemem(problem);
    PQconninfoFree(options);
    return rc;
}
