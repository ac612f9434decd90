#include "edge/postgres.h"

#include "base/backoff.h"
#include "base/clock.h"
#include "base/threads.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARAMETERS_MAX = 8,
    TEXT_OID = 25,
    CONNECT_MS = 15000,    /* an attempt to connect, unless connect_timeout says otherwise */
    ANSWER_MS = 60000,     /* a statement; locks are waited for 5 s (below) */
    INTERRUPTED_MS = 3000, /* what is left to either after Ctrl-C */
    STARTING_MS = 10000,
    TICK_MS = 100,
    PAUSE_FIRST_US = 40000, /* between attempts, see base/backoff.h */
    PAUSE_MOST_US = 800000,
};

int postgres_init(struct postgres *p, const char *uri, const char *password, struct err *e) {
    *p = (struct postgres){.uri = strdup(uri), .password = password ? strdup(password) : NULL};
    return p->uri && (p->password || !password) ? 0 : err_nomem(e);
}

static void drop(struct postgres *p) {
    PQfinish(p->db);
    p->db = NULL;
}

void postgres_release(struct postgres *p) {
    drop(p);
    free(p->uri);
    free(p->password);
}

/* ---- waiting ---- */

static int64_t now_ms(void) {
    return clock_mono_ns() / 1000000;
}

/* Until the socket is ready; false when the time is up. */
static bool wait_ready(PGconn *db, short events, int64_t *deadline_ms) {
    struct err ignored;
    struct pollfd fd = {.fd = PQsocket(db), .events = events};
    do {
        if (interrupt_check(&ignored) && *deadline_ms > now_ms() + INTERRUPTED_MS)
            *deadline_ms = now_ms() + INTERRUPTED_MS;
        if (poll(&fd, 1, TICK_MS) > 0) return true;
    } while (now_ms() < *deadline_ms);
    return false;
}

/* The last result of what was sent; NULL when the connection is lost or the time is up. */
static PGresult *answer(PGconn *db) {
    int64_t deadline = now_ms() + ANSWER_MS;
    PGresult *last = NULL, *next;
    for (;;) {
        int unsent = PQflush(db);
        if (unsent < 0) break;
        while (!unsent && !PQisBusy(db)) {
            if (!(next = PQgetResult(db))) return last;
            PQclear(last);
            last = next;
            if (PQstatus(db) == CONNECTION_BAD) return last;
        }
        if (!wait_ready(db, unsent ? POLLIN | POLLOUT : POLLIN, &deadline) || !PQconsumeInput(db)) break;
    }
    PQclear(last);
    return NULL;
}

/* ---- what went wrong ---- */

static bool is_class(const char *state, const char *start) {
    return strncmp(state, start, strlen(start)) == 0;
}

static bool is_one_of(const char *state, const char *const *list) {
    for (; *list; list++)
        if (strcmp(state, *list) == 0) return true;
    return false;
}

static enum postgres_failure failure_of(const char *state) {
    /* unique key; serialization; deadlock; table, type made by another at the same time */
    static const char *const conflicts[] = {"23505", "40001", "40P01", "42P07", "42710", NULL};
    static const char *const locks[] = {"55P03", "57014", NULL}; /* lock_timeout, statement_timeout */
    static const char *const unknown[] = {"40003", "08007", NULL};
    if (is_one_of(state, conflicts)) return POSTGRES_CONFLICT;
    if (is_one_of(state, locks)) return POSTGRES_LOCKED;
    if (is_class(state, "57P") || is_class(state, "08") || is_one_of(state, unknown))
        return POSTGRES_UNAVAILABLE;
    return POSTGRES_ERROR;
}

/* Configuration, rather than the world: authentication, database, role, rights, missing table, too long. */
static int code_of(const char *state) {
    static const char *const ours[] = {"3D000", "42501", "42P01", "3F000", "22001", NULL};
    return is_class(state, "28") || is_one_of(state, ours) ? ERR_INPUT : ERR_OUTSIDE;
}

static const char *hint_of(const char *state) {
    if (is_class(state, "28")) return "; set PGUSER, and PGPASSWORD or ~/.pgpass";
    if (strcmp(state, "3D000") == 0) return "; make it first: createdb";
    if (strcmp(state, "42501") == 0)
        return "; the role needs CREATE on the schema once, then SELECT, INSERT and UPDATE on iceberg_tables "
               "and iceberg_namespace_properties";
    if (strcmp(state, "22001") == 0) return "; the catalog's columns hold names of 255, locations of 1000";
    return "";
}

/* libpq's messages have several lines, the first of which says most. */
static int line_of(const char *text) {
    return (int)strcspn(text, "\n");
}

static enum postgres_failure fail(struct postgres *p, const char *what, const PGresult *r, struct err *e) {
    const char *state = r ? PQresultErrorField(r, PG_DIAG_SQLSTATE) : NULL;
    const char *said = r ? PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    bool lost = !r || PQstatus(p->db) == CONNECTION_BAD;
    if (!said) said = *PQerrorMessage(p->db) ? PQerrorMessage(p->db) : "the server does not answer";
    enum postgres_failure f = state ? failure_of(state) : POSTGRES_ERROR;
    err_set(e, state ? code_of(state) : ERR_OUTSIDE, "could not %s: catalog \"%s\": %.*s%s", what, p->uri,
            line_of(said), said, state ? hint_of(state) : "");
    if (!lost && f != POSTGRES_UNAVAILABLE) return f;
    drop(p);
    return POSTGRES_UNAVAILABLE;
}

/* ---- connecting ---- */

/* In verbose messages "FATAL:  28P01: …": the SQLSTATE, which libpq does not tell otherwise; "" for none. */
static const char *state_in(const char *message, char out[6]) {
    *out = 0;
    for (const char *at = message; (at = strstr(at, ":  ")) != NULL; at += 3)
        if (strspn(at + 3, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && at[8] == ':')
            snprintf(out, 6, "%.5s", at + 3);
    return out;
}

/* The line with the last SQLSTATE, which is left out of it; else the first line. */
static void say_connect(struct postgres *p, int code, const char *message, const char *state, struct err *e) {
    char mark[12];
    snprintf(mark, sizeof mark, ":  %s: ", state);
    const char *line = message, *cut = NULL, *at = *state ? message : NULL;
    while (at && (at = strstr(at, mark)) != NULL) cut = at++;
    if (cut)
        for (line = cut; line > message && line[-1] != '\n';) line--;
    const char *rest = cut ? cut + strlen(mark) : line;
    err_set(e, code, "could not reach catalog \"%s\": %.*s%s%.*s%s", p->uri, cut ? (int)(cut - line) : 0,
            line, cut ? ": " : "", line_of(rest), rest, hint_of(state));
}

static PGconn *start(const struct postgres *p) {
    bool own = !getenv("PGCONNECT_TIMEOUT");
    const char *const keys[] = {"tcp_user_timeout", "keepalives_idle", "keepalives_interval",
                                "keepalives_count", "fallback_application_name",
                                own ? "connect_timeout" : "fallback_application_name",
                                /* what stands before the URI gives way to it */
                                "dbname", "password", "client_encoding", NULL};
    const char *const values[] = {"10000", "10",        "5",    "3", "weir", own ? "15" : "weir",
                                  p->uri,  p->password, "UTF8", NULL};
    return PQconnectStartParams(keys, values, 1);
}

/* Else libpq prints them. */
static void no_notice(void *ctx, const char *message) {
    (void)ctx, (void)message;
}

static int64_t connect_ms(PGconn *db) {
    int64_t ms = CONNECT_MS;
    PQconninfoOption *options = PQconninfo(db);
    for (const PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "connect_timeout") == 0 && o->val && atoi(o->val) > 0)
            ms = (int64_t)atoi(o->val) * 1000;
    PQconninfoFree(options);
    return ms;
}

/* Once connected: how long locks are waited for; and a commit that we report must survive a crash. */
static const char session_sql[] = "SET lock_timeout = 5000; "
                                  "SELECT set_config('synchronous_commit', 'on', false) WHERE "
                                  "current_setting('synchronous_commit') = 'off'";

static bool begin_session(struct postgres *p) {
    PGresult *r = PQsendQuery(p->db, session_sql) ? answer(p->db) : NULL;
    bool ok = PQresultStatus(r) == PGRES_TUPLES_OK;
    PQclear(r);
    return ok;
}

/* One attempt. On failure `state` is the server's SQLSTATE, or "". */
static int connect_once(struct postgres *p, char state[6], struct err *e) {
    *state = 0;
    if (!(p->db = start(p))) return err_nomem(e);
    PQsetErrorVerbosity(p->db, PQERRORS_VERBOSE);
    PQsetNoticeProcessor(p->db, no_notice, NULL);
    int64_t deadline = now_ms() + connect_ms(p->db);
    bool in_time = true;
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (PQstatus(p->db) != CONNECTION_BAD && next != PGRES_POLLING_OK && next != PGRES_POLLING_FAILED &&
           (in_time = wait_ready(p->db, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, &deadline)))
        next = PQconnectPoll(p->db);
    if (next == PGRES_POLLING_OK && PQsetnonblocking(p->db, 1) == 0 && begin_session(p)) {
        PQsetErrorVerbosity(p->db, PQERRORS_DEFAULT);
        return 0;
    }
    const char *said = PQerrorMessage(p->db);
    state_in(said, state);
    bool wanted = PQconnectionNeedsPassword(p->db);
    say_connect(p, wanted ? ERR_INPUT : code_of(state),
                in_time && *said ? said : "the server does not answer", state, e);
    if (wanted && !*state) /* libpq asked for a password before the server could refuse one */
        err_set(e, ERR_INPUT, "could not reach catalog \"%s\": it wants a password%s", p->uri,
                hint_of("28P01"));
    drop(p);
    return e->code;
}

int postgres_connect(struct postgres *p, int patience_ms, struct err *e) {
    if (p->db && PQstatus(p->db) == CONNECTION_OK) return 0;
    drop(p);
    int64_t started = now_ms();
    for (unsigned number = 0;; number++) {
        char state[6];
        int rc = connect_once(p, state, e);
        if (!rc || rc == ERR_INPUT) return rc;
        /* starting or shutting down, or too many sessions for the moment */
        bool passing = strcmp(state, "57P03") == 0 || strcmp(state, "53300") == 0;
        int64_t patience = passing && patience_ms < STARTING_MS ? STARTING_MS : patience_ms;
        if (now_ms() - started >= patience) return rc;
        TRY(backoff_wait(number, PAUSE_FIRST_US, PAUSE_MOST_US, e));
    }
}

enum postgres_failure postgres_run(struct postgres *p, const char *what, const char *sql,
                                   const char *const *parameters, unsigned count, PGresult **out,
                                   struct err *e) {
    Oid types[PARAMETERS_MAX];
    if (!p->db) {
        err_set(e, ERR_OUTSIDE, "could not %s: catalog \"%s\": the connection was lost", what, p->uri);
        return POSTGRES_UNAVAILABLE;
    }
    for (unsigned i = 0; i < count && i < PARAMETERS_MAX; i++) types[i] = TEXT_OID;
    PGresult *r = NULL;
    if (PQsendQueryParams(p->db, sql, (int)count, types, parameters, NULL, NULL, 0)) r = answer(p->db);
    ExecStatusType status = PQresultStatus(r);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
        *out = r;
        return POSTGRES_NONE;
    }
    enum postgres_failure f = fail(p, what, r, e);
    PQclear(r);
    return f;
}
