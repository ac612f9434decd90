/* Joining units of consecutive input to what came before: sessions go on across units. */
#ifndef WEIR_ETL_UNIT_JOIN_H
#define WEIR_ETL_UNIT_JOIN_H

#include "etl/sessionize.h"
#include "etl/unit.h"
#include "etl/users.h"

struct unit_join {
    const struct pipeline *pipeline;
    struct users users;
    struct sessionize_counts counts; /* of settled keys; `users` at the end */
    struct arena arena;
};

int unit_join_init(struct unit_join *j, const struct pipeline *p, uint64_t users_memory, struct err *e);
void unit_join_release(struct unit_join *j);

/* Settle all of `u`, given the unit that follows it in the input (`next`; NULL: none). What in `next` comes
 * before a visitor's last event in `u` is settled with it and taken from `next`. *fits false: an event comes
 * before one that is settled, or in the same microsecond; or there are too many visitors. */
int unit_join_settle(struct unit_join *j, struct unit *u, struct unit *next, bool *fits, struct err *e);

#endif
