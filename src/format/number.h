/* The number forms of `keep` columns (pipeline.md 1.6). */
#ifndef WEIR_FORMAT_NUMBER_H
#define WEIR_FORMAT_NUMBER_H

#include "base/str.h"

/* `long`: an optional sign (+ or -) and 1–18 digits; false for anything else. */
bool number_parse_long(struct str text, int64_t *value);

/* `double`: -?digits[.digits][e[+-]digits], the e a small one, its sign optional; false for anything else.
 * Rounded correctly (to nearest, ties to even), whatever the locale. Too large for a double is false: it does
 * not fit. Too small is the nearest: a subnormal or zero, with its sign. */
bool number_parse_double(struct str text, double *value);

#endif
