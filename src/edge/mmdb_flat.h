/* A MaxMind DB's tree as sorted ranges: what edge/mmdb_flatten.c makes and edge/mmdb.c reads. */
#ifndef WEIR_EDGE_MMDB_FLAT_H
#define WEIR_EDGE_MMDB_FLAT_H

#include "edge/mmdb.h"

#include <maxminddb.h>

/* A value is a country's index, or, in the IPv6 part only, one of two escapes:
 *
 *   MMDB_ALIAS|depth  the tree shares its IPv4 part here (::/96, 2002::/16, …): the 32 bits after it decide
 *   MMDB_GROUP|g      the upper half does not decide: group g of ranges of the lower half does
 */
enum { MMDB_ALIAS = 1 << 30, MMDB_GROUP = (int)(1u << 29), MMDB_ESCAPE_ARG = MMDB_GROUP - 1 };

enum { MMDB_TOP_BITS = 16, MMDB_TOP_COUNT = 1 << MMDB_TOP_BITS };

struct mmdb_u64s {
    uint64_t *at;
    size_t count, cap;
};
struct mmdb_u32s {
    uint32_t *at;
    size_t count, cap;
};

struct mmdb {
    /* IPv4: range i has values4[i]; it begins where those of an upper half of 16 bits t do, top4[t] being the
     * first of them, at the lower half low4[i]. */
    uint16_t *low4, *values4;
    uint32_t *top4; /* MMDB_TOP_COUNT + 1 */
    size_t count4;
    /* IPv6: the same on the upper 64 bits, and groups of ranges on the lower 64 bits. */
    struct mmdb_u64s high6, low6;
    struct mmdb_u32s values6, group_values6, groups6; /* groups6: where each begins in low6, and the end */
    uint32_t *top6;                                   /* MMDB_TOP_COUNT + 1; NULL: no IPv6 part */

    struct str *names;
    uint32_t name_count, name_cap;

    pthread_mutex_t lock; /* for `networks`, made when first wanted */
    struct mmdb_network *networks;
    size_t network_count, network_cap;

    char *type;
    uint64_t build_epoch;
};

/* The ranges of an open database into a zeroed *db; after an error, too, mmdb_free it. `path` is for
 * messages. ERR_INPUT: the file is corrupt, or has no country data. */
int mmdb_flatten(const char *path, MMDB_s *m, struct mmdb *db, struct err *e);

#endif
