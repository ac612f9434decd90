/* From a generated event to the values of its row. Internal to gen*.c. */
#ifndef WEIR_ETL_GEN_ROW_H
#define WEIR_ETL_GEN_ROW_H

#include "edge/mmdb.h"
#include "etl/gen_text.h"

enum gen_field_id { GEN_STATUS = COLUMN_COUNT, GEN_BYTES, GEN_AGENT, GEN_LOAD_TIME, GEN_FIELD_COUNT };

extern const char *const gen_field_names[GEN_FIELD_COUNT];

enum { GEN_FIELD_MAX = 512 }; /* bytes of a value */

enum { GEN_CRLF = 1, GEN_BLANK_AFTER = 2 }; /* style: ended by CR LF; a blank line follows */

struct gen_row {
    struct str field[GEN_FIELD_COUNT]; /* as a CSV holds them, before quoting */
    uint32_t quoted;                   /* a bit a field: to be quoted, needed or not */
    uint8_t style;
    bool kept;
    uint8_t agent;    /* index: people's, then robots' */
    uint16_t country; /* of the address, by the network it was drawn from */
    bool nulled[3];   /* status, bytes, load_time written so that they do not fit (1.6) */
    /* The typed forms for Parquet; a missing time is `time_null`. */
    int64_t time_us, status, bytes;
    double load_time;
    bool time_null, status_null, bytes_null, load_time_null;
    char text[GEN_FIELD_COUNT][GEN_FIELD_MAX]; /* what fields may point into */
};

struct gen_rows; /* what all rows are made with; const once made */

int gen_rows_new(const struct gen_plan *p, const struct mmdb *db, struct arena *a, struct gen_rows **out,
                 struct err *e);
uint16_t gen_rows_countries(const struct gen_rows *r);
struct str gen_rows_country_name(const struct gen_rows *r, uint16_t country);

/* Fill in a row. Any thread. */
void gen_row_make(const struct gen_rows *r, const struct gen_event *v, struct gen_row *out);

#endif
