#include "edge/mmdb.h"

#include "edge/mmdb_flat.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int mmdb_open(const char *path, struct mmdb **out, struct err *e) {
    /* libmaxminddb says the same for a missing file, a folder and an empty one: ask the system first. */
    struct stat st;
    if (stat(path, &st) || access(path, R_OK))
        return err_errno(e, ERR_INPUT, "could not open the MaxMind DB \"%s\"", path);
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return err_set(e, ERR_INPUT, "\"%s\" is not a usable MaxMind DB: %s", path,
                       S_ISREG(st.st_mode) ? "it is empty" : "not a regular file");
    MMDB_s m;
    int rc = MMDB_open(path, MMDB_MODE_MMAP, &m);
    if (rc == MMDB_OUT_OF_MEMORY_ERROR) return err_nomem(e);
    if (rc != MMDB_SUCCESS)
        return err_set(e, ERR_INPUT, "\"%s\" is not a usable MaxMind DB: %s", path, MMDB_strerror(rc));
    struct mmdb *db = calloc(1, sizeof *db);
    if (db) pthread_mutex_init(&db->lock, NULL);
    rc = db ? mmdb_flatten(path, &m, db, e) : err_nomem(e);
    MMDB_close(&m);
    if (rc) {
        mmdb_free(db);
        return rc;
    }
    *out = db;
    return 0;
}

void mmdb_free(struct mmdb *db) {
    if (!db) return;
    free(db->low4);
    free(db->values4);
    free(db->top4);
    free(db->high6.at);
    free(db->low6.at);
    free(db->values6.at);
    free(db->group_values6.at);
    free(db->groups6.at);
    free(db->top6);
    for (uint32_t i = 0; i < db->name_count; i++) free((char *)db->names[i].ptr);
    free(db->names);
    free(db->networks);
    free(db->type);
    pthread_mutex_destroy(&db->lock);
    free(db);
}

/* ---- looking up ---- */

/* How many of at[0..n) are at most key; branch-free: with branches it took about twice as long. */
static inline size_t count_le16(const uint16_t *at, size_t n, uint16_t key) {
    const uint16_t *p = at;
    while (n > 1) {
        size_t half = n / 2;
        p += (p[half - 1] <= key) * half;
        n -= half;
    }
    return (size_t)(p - at) + (n && *p <= key);
}

static inline size_t count_le64(const uint64_t *at, size_t n, uint64_t key) {
    const uint64_t *p = at;
    while (n > 1) {
        size_t half = n / 2;
        p += (p[half - 1] <= key) * half;
        n -= half;
    }
    return (size_t)(p - at) + (n && *p <= key);
}

static inline uint16_t country4(const struct mmdb *db, uint32_t a) {
    uint32_t from = db->top4[a >> 16], to = db->top4[(a >> 16) + 1];
    return db->values4[from + count_le16(db->low4 + from, to - from, (uint16_t)a) - 1];
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}

static uint16_t country6(const struct mmdb *db, uint64_t high, uint64_t low) {
    if (!db->top6) return 0;
    uint32_t from = db->top6[high >> 48], to = db->top6[(high >> 48) + 1];
    uint32_t value = db->values6.at[from + count_le64(db->high6.at + from, to - from, high) - 1];
    if (value & MMDB_GROUP) {
        const uint32_t *group = db->groups6.at + (value & MMDB_ESCAPE_ARG);
        value =
            db->group_values6.at[group[0] + count_le64(db->low6.at + group[0], group[1] - group[0], low) - 1];
    }
    if (value & MMDB_ALIAS) {
        unsigned depth = value & MMDB_ESCAPE_ARG;
        unsigned __int128 a = (unsigned __int128)high << 64 | low;
        return country4(db, (uint32_t)(a >> (96 - depth)));
    }
    return (uint16_t)value;
}

void mmdb_prefetch(const struct mmdb *db, const struct ip_addr *a) {
    if (a->v6) return;
    uint32_t from = db->top4[(uint32_t)a->bytes[0] << 8 | a->bytes[1]];
    __builtin_prefetch(db->low4 + from);
    __builtin_prefetch(db->values4 + from);
}

uint16_t mmdb_country(const struct mmdb *db, const struct ip_addr *a) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *p = a->bytes;
    if (a->v6) {
        if (memcmp(p, mapped, sizeof mapped)) return country6(db, load64(p), load64(p + 8));
        p += sizeof mapped;
    }
    return country4(db, (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]);
}

struct str mmdb_country_name(const struct mmdb *db, uint16_t country) {
    return db->names[country];
}

uint16_t mmdb_country_count(const struct mmdb *db) {
    return (uint16_t)db->name_count;
}

const char *mmdb_type(const struct mmdb *db) {
    return db->type;
}

uint64_t mmdb_build_epoch(const struct mmdb *db) {
    return db->build_epoch;
}

/* ---- networks ---- */

static bool add_network(struct mmdb *db, unsigned __int128 first, unsigned prefix_len, bool v6,
                        uint16_t country) {
    if (db->network_count == db->network_cap) {
        size_t cap = db->network_cap ? db->network_cap + db->network_cap / 2 : 4096;
        struct mmdb_network *p = realloc(db->networks, cap * sizeof *p);
        if (!p) return false;
        db->networks = p;
        db->network_cap = cap;
    }
    struct mmdb_network *n = &db->networks[db->network_count++];
    *n = (struct mmdb_network){.first.v6 = v6, .prefix_len = (uint8_t)prefix_len, .country = country};
    for (unsigned i = 0; i < (v6 ? 16 : 4); i++)
        n->first.bytes[i] = (uint8_t)(first >> (v6 ? 120 - 8 * i : 24 - 8 * i));
    return true;
}

/* The range [first, last] as aligned networks, ascending. */
static bool add_range(struct mmdb *db, unsigned __int128 first, unsigned __int128 last, bool v6,
                      uint32_t value) {
    if (value == 0 || value & (MMDB_ALIAS | MMDB_GROUP)) return true;
    const unsigned bits = v6 ? 128 : 32;
    for (;;) {
        unsigned host = 0;
        while (host < bits && !(first >> host & 1)) {
            unsigned __int128 end = first | ((((unsigned __int128)1 << host) - 1) << 1 | 1);
            if (end > last) break;
            host++;
        }
        if (!add_network(db, first, bits - host, v6, (uint16_t)value)) return false;
        unsigned __int128 end = host == 128 ? last : first | (((unsigned __int128)1 << host) - 1);
        if (end >= last) return true;
        first = end + 1;
    }
}

static bool make_networks(struct mmdb *db) {
    for (size_t top = 0; top < MMDB_TOP_COUNT; top++) {
        for (size_t i = db->top4[top]; i < db->top4[top + 1]; i++) {
            uint32_t first = (uint32_t)top << 16 | db->low4[i], last = UINT32_MAX;
            if (i + 1 < db->count4) {
                size_t next = top;
                while (db->top4[next + 1] <= i + 1) next++;
                last = ((uint32_t)next << 16 | db->low4[i + 1]) - 1;
            }
            if (!add_range(db, first, last, false, db->values4[i])) return false;
        }
    }
    for (size_t i = 0; i < db->high6.count; i++) {
        uint64_t high = db->high6.at[i],
                 high_last = i + 1 < db->high6.count ? db->high6.at[i + 1] - 1 : UINT64_MAX;
        unsigned __int128 base = (unsigned __int128)high << 64;
        uint32_t value = db->values6.at[i];
        if (!(value & MMDB_GROUP)) {
            if (!add_range(db, base, (unsigned __int128)high_last << 64 | UINT64_MAX, true, value))
                return false;
            continue;
        }
        const uint32_t *group = db->groups6.at + (value & MMDB_ESCAPE_ARG);
        for (uint32_t j = group[0]; j < group[1]; j++) {
            uint64_t low_last = j + 1 < group[1] ? db->low6.at[j + 1] - 1 : UINT64_MAX;
            if (!add_range(db, base | db->low6.at[j], base | low_last, true, db->group_values6.at[j]))
                return false;
        }
    }
    return true;
}

size_t mmdb_networks(const struct mmdb *const_db, const struct mmdb_network **out) {
    struct mmdb *db = (struct mmdb *)const_db; /* what is made here once does not show elsewhere */
    pthread_mutex_lock(&db->lock);
    if (!db->networks && !make_networks(db)) {
        free(db->networks);
        db->networks = NULL;
        db->network_count = db->network_cap = 0;
    }
    pthread_mutex_unlock(&db->lock);
    *out = db->networks;
    return db->network_count;
}
