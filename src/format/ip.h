/* IP addresses as text (pipeline.md 2.7). */
#ifndef WEIR_FORMAT_IP_H
#define WEIR_FORMAT_IP_H

#include "base/str.h"

struct ip_addr {
    uint8_t bytes[16]; /* network order; an IPv4 address fills the first four */
    bool v6;           /* as written: ::ffff:1.2.3.4 is v6 */
};

/* IPv4 dotted decimal without leading zeros, or IPv6 without a zone, exactly what inet_pton(3) accepts; false
 * otherwise. */
bool ip_parse(struct str text, struct ip_addr *out);

/* The usual short form (inet_ntop(3)); out has 46 bytes. */
void ip_print(const struct ip_addr *a, char out[46]);

#endif
