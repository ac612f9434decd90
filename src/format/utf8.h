/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef WEIR_FORMAT_UTF8_H
#define WEIR_FORMAT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Are these bytes well-formed UTF-8? Reads nothing beyond them. */
bool utf8_valid(const uint8_t *data, size_t len);

/* Length of the well-formed sequence at data (1–4); 0 when there is none within len bytes. len > 0. */
unsigned utf8_sequence(const uint8_t *data, size_t len);

#endif
