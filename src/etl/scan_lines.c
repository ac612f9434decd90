/* Line structure alone: counting records (5.1) and finding where one ends (1.4). Shares nothing with the
 * scanner but the rules, so that the ledger's two sides come from different code. */
#include "etl/row_format.h"
#include "etl/scan.h"
#include "format/csv.h"

size_t scan_multiline_record_end(const struct pipeline *p, const uint8_t *data, size_t len, bool eof) {
    size_t at_end = eof ? len : 0;
    const uint8_t *lf = memchr(data, '\n', len);
    size_t first_line = lf ? (size_t)(lf - data) + 1 : len;
    if (!memchr(data, '"', first_line)) return lf ? first_line : at_end;

    enum { FIELD_START, PLAIN, QUOTED, QUOTE_SEEN, NO_QUOTES } state = FIELD_START;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = data[i];
        if (state == QUOTED) {
            if (c == '"') state = QUOTE_SEEN;
        } else if (c == '\n') {
            return i + 1;
        } else if (state == QUOTE_SEEN && c == '"') {
            state = QUOTED;
        } else if (state != NO_QUOTES) {
            if (c == (uint8_t)p->delimiter)
                state = FIELD_START;
            else if (state == FIELD_START && c == '"')
                state = QUOTED;
            else
                state = state == QUOTE_SEEN ? NO_QUOTES : PLAIN;
        }
    }
    return at_end;
}

static uint64_t count_rows(const uint8_t *data, size_t len) {
    uint64_t n = 0;
    for (size_t i = 0; i < len; i += row_length(data + i)) n++;
    return n;
}

uint64_t scanner_count_records(const struct pipeline *p, const struct scan_layout *layout,
                               const uint8_t *data, size_t len) {
    const struct csv_kernels *kernels = csv_kernels();
    uint64_t n = 0;
    if (layout->rows) return count_rows(data, len);
    while (p->multiline && len) {
        /* Lines before the first that holds a quote are a record each. */
        const uint8_t *quote = memchr(data, '"', len);
        if (!quote) break;
        const uint8_t *before = memrchr(data, '\n', (size_t)(quote - data));
        size_t plain = before ? (size_t)(before - data) + 1 : 0;
        n += kernels->count_lines(data, plain) + 1;
        size_t taken = plain + scan_multiline_record_end(p, data + plain, len - plain, true);
        data += taken;
        len -= taken;
    }
    return n + kernels->count_lines(data, len);
}
