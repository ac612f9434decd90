/* Country of an address from any MaxMind DB with country data, flattened into sorted ranges for speed
 * (pipeline.md 2.8; MaxMind DB file format 2.0).
 *
 * Measured on geo-whois-asn-country (7.8 MB, 1.0 M networks): opening takes 20-25 ms, keeps 5.3 MB; a
 * look-up 10 ns for addresses as they come, 30 ns (IPv4) and 70 ns (IPv6) for one of every network at random,
 * libmaxminddb's own about 190 ns. */
#ifndef WEIR_EDGE_MMDB_H
#define WEIR_EDGE_MMDB_H

#include "base/err.h"
#include "format/ip.h"

#include <pthread.h>

struct mmdb;

/* A network of the database with a country: the first address, prefix length, and the country's index. */
struct mmdb_network {
    struct ip_addr first;
    uint8_t prefix_len; /* 0–32 for IPv4, 0–128 for IPv6 */
    uint16_t country;
};

/* Open, check and flatten. A missing, unreadable or corrupt file, or one without country data: ERR_INPUT. */
int mmdb_open(const char *path, struct mmdb **out, struct err *e);
void mmdb_free(struct mmdb *db);

/* The index of the country of an address: 0 is "ZZ", nothing found. What libmaxminddb's tree walk finds;
 * IPv4-mapped IPv6 as IPv4. Any thread. */
uint16_t mmdb_country(const struct mmdb *db, const struct ip_addr *a);

/* Fetch what mmdb_country will read for this address: called some addresses ahead it hides the misses of the
 * caches. */
void mmdb_prefetch(const struct mmdb *db, const struct ip_addr *a);

/* "ZZ" for 0, else the code as the database has it. Valid until mmdb_free. Codes may be of any length up to
 * 255. */
struct str mmdb_country_name(const struct mmdb *db, uint16_t country);
uint16_t mmdb_country_count(const struct mmdb *db);

/* The flattened networks with a country, IPv4 then IPv6, ascending; for drawing addresses from. Neighbours of
 * one country are joined; what IPv6 shares with IPv4 (::/96, 2002::/16, …) is not repeated. Made by the first
 * call, then kept; 0 when out of memory. Any thread. */
size_t mmdb_networks(const struct mmdb *db, const struct mmdb_network **out);

/* "type" and build epoch of the database's metadata, for reports. */
const char *mmdb_type(const struct mmdb *db);
uint64_t mmdb_build_epoch(const struct mmdb *db);

/* Opening takes 30 ms for half a million ranges: a thread of its own does it while the input is read. */
struct mmdb_loader {
    const char *path;
    pthread_t thread;
    pthread_mutex_t lock;
    bool begun, running; /* running: not yet waited for */
    int rc;
    struct err err;
    struct mmdb *mmdb;
};

/* Begin. `path` must outlive it. */
void mmdb_loader_start(struct mmdb_loader *l, const char *path);

/* Wait for it; any thread, any number of times. Errors as of mmdb_open. */
int mmdb_loader_get(struct mmdb_loader *l, const struct mmdb **out, struct err *e);

/* Safe on a zeroed one. */
void mmdb_loader_release(struct mmdb_loader *l);

#endif
