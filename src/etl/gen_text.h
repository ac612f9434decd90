/* The site that the generated visitors visit: its pages, where they come from, what they come with. Internal
 * to gen*.c. */
#ifndef WEIR_ETL_GEN_TEXT_H
#define WEIR_ETL_GEN_TEXT_H

#include "base/arena.h"
#include "etl/gen_plan.h"

enum { GEN_SOURCES = 256, GEN_CAMPAIGNS = 64 };

struct gen_texts {
    struct str pages[GEN_PAGES];         /* URLs; some with commas, quotes, letters beyond ASCII */
    struct str sources[GEN_SOURCES];     /* referrers outside the site; some null */
    struct str campaigns[GEN_CAMPAIGNS]; /* "?utm_source=…" */
};

/* The texts live in the arena; they are the same for every seed. */
int gen_texts_init(struct gen_texts *t, struct arena *a, struct err *e);

extern const struct str gen_agents[];
extern const unsigned gen_agent_count;
extern const struct str gen_robot_agents[GEN_ROBOTS];
extern const struct str gen_robot_users[GEN_ROBOTS];

/* The default null tokens in every case (2.3). */
extern const struct str gen_nulls[];
extern const unsigned gen_null_count;

#endif
