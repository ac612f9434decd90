/* A connection to PostgreSQL that waits no longer than it should and tells what went wrong: libpq, with
 * limits to waiting, Ctrl-C obeyed, and each failure classed by its SQLSTATE (PostgreSQL documentation,
 * appendix A). No message shows a password. */
#ifndef WEIR_EDGE_POSTGRES_H
#define WEIR_EDGE_POSTGRES_H

#include "base/err.h"

#include <libpq-fe.h>
#include <stdbool.h>

struct postgres {
    PGconn *db; /* NULL: the connection is lost */
    char *uri, *password;
};

/* What a failure means. */
enum postgres_failure {
    POSTGRES_NONE,
    POSTGRES_ERROR,       /* refused, and so it would be again */
    POSTGRES_CONFLICT,    /* another was first: a key is taken, or serialization failed */
    POSTGRES_LOCKED,      /* another holds a lock for too long */
    POSTGRES_UNAVAILABLE, /* the connection was lost, or there is none; the next call connects anew */
};

/* Copies of uri and password (NULL: libpq's PGPASSWORD or password file); connects not yet. */
int postgres_init(struct postgres *p, const char *uri, const char *password, struct err *e);
void postgres_release(struct postgres *p);

/* Connect if there is no connection. `patience_ms`: how long a server is waited for that is away, starting or
 * full; 0: one that does not answer is an error at once, one that is starting is given ten seconds.
 * ERR_INPUT: a wrong password, a missing database or role, missing rights. */
int postgres_connect(struct postgres *p, int patience_ms, struct err *e);

/* One statement with text parameters. On POSTGRES_NONE *out is the result, to be cleared. Else *e says why,
 * beginning with could not <what>. */
enum postgres_failure postgres_run(struct postgres *p, const char *what, const char *sql,
                                   const char *const *parameters, unsigned count, PGresult **out,
                                   struct err *e);

#endif
