/* Rows as Parquet input is copied for the scanner (ingest_parquet.c writes them, scan.c reads them back): the
 * seven columns in the order of enum column, then the keep columns.
 *
 *   4 bytes    length of the whole row, these included (little-endian, as all numbers here)
 *   a byte a column: how it stands below
 *   what the columns have to say, one after the other
 *
 * Texts are as they were read, before trimming and null tokens. */
#ifndef WEIR_ETL_ROW_FORMAT_H
#define WEIR_ETL_ROW_FORMAT_H

#include <stdint.h>
#include <string.h>

enum row_tag {
    ROW_TEXT_MAX = 250,  /* up to here: a text of so many bytes */
    ROW_LONG_TEXT = 251, /* a text: 4 bytes of length, then it */
    ROW_NUMBER = 252,    /* 8 bytes: of a timestamp, microseconds since 1970, saturated where int64 ends; of a
                            long or double, its value */
    ROW_MISFIT = 253,    /* a value that does not fit the keep column's type (1.6) */
    ROW_NULL = 255
};

enum { ROW_LENGTH_BYTES = 4 };

static inline uint32_t row_length(const uint8_t *row) {
    uint32_t len;
    memcpy(&len, row, sizeof len);
    return len;
}

#endif
