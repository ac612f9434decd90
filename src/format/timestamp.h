/* Timestamps: the text and integer forms of pipeline.md 2.5, to and from microseconds since 1970 UTC. */
#ifndef WEIR_FORMAT_TIMESTAMP_H
#define WEIR_FORMAT_TIMESTAMP_H

#include "base/str.h"

enum timestamp_form { TIMESTAMP_ISO8601, TIMESTAMP_EPOCH_S, TIMESTAMP_EPOCH_MS, TIMESTAMP_EPOCH_US };

/* Room for timestamp_print's text and a NUL. */
enum { TIMESTAMP_TEXT = 28 };

/* Parse trimmed text by 2.5; false: bad_timestamp. *us on success. May read up to 16 bytes beyond the text
 * (the caller's memory must allow it); their values do not matter. */
bool timestamp_parse(enum timestamp_form form, struct str text, int64_t *us);

/* The integer forms on a number; false when out of 1900–2261 UTC. */
bool timestamp_from_epoch(enum timestamp_form form, int64_t value, int64_t *us);

/* `YYYY-MM-DDTHH:MM:SS.ffffffZ` and a NUL, of a time within the years 0000–9999. */
void timestamp_print(int64_t us, char out[TIMESTAMP_TEXT]);

/* Days since 1970-01-01, floored (Iceberg's day transform), of a time within ±5 million years;
 * milliseconds, floored (3.4). */
int32_t timestamp_day(int64_t us);
int64_t timestamp_ms(int64_t us);

/* Civil date to days since 1970 (proleptic Gregorian; Hinnant's algorithm) and back. */
int32_t timestamp_days_from_civil(int year, unsigned month, unsigned day);
void timestamp_civil_from_days(int32_t days, int *year, unsigned *month, unsigned *day);

#endif
