#include "etl/tables.h"

uint32_t tables_events(const struct pipeline *p, struct iceberg_column out[EV_MAX]) {
    static const struct iceberg_column fixed[EV_COLUMNS] = {
        {"event_id", 1, PARQUET_STRING, true},        {"user_id", 2, PARQUET_STRING, true},
        {"session_id", 3, PARQUET_STRING, true},      {"event_seq", 4, PARQUET_INT32, true},
        {"event_time", 5, PARQUET_TIMESTAMPTZ, true}, {"session_start", 6, PARQUET_TIMESTAMPTZ, true},
        {"page_url", 7, PARQUET_STRING, false},       {"referrer", 8, PARQUET_STRING, false},
        {"device", 9, PARQUET_STRING, true},          {"ip_address", 10, PARQUET_STRING, false},
        {"country", 11, PARQUET_STRING, true},
    };
    static const enum parquet_type types[] = {
        [KEEP_STRING] = PARQUET_STRING, [KEEP_LONG] = PARQUET_INT64, [KEEP_DOUBLE] = PARQUET_DOUBLE};
    memcpy(out, fixed, sizeof fixed);
    for (uint32_t i = 0; i < p->keep_count; i++)
        out[EV_COLUMNS + i] = (struct iceberg_column){p->keep[i].name, (int32_t)(EV_COLUMNS + i + 1),
                                                      types[p->keep[i].type], false};
    return EV_COLUMNS + p->keep_count;
}

void tables_rejects(struct iceberg_column out[RJ_COLUMNS]) {
    out[RJ_REASON] = (struct iceberg_column){"reason", 1, PARQUET_STRING, true};
    for (int c = 0; c < COLUMN_COUNT; c++)
        out[RJ_FIELD + c] = (struct iceberg_column){column_names[c], RJ_FIELD + c + 1, PARQUET_STRING, false};
    out[RJ_RAW] = (struct iceberg_column){"raw", RJ_RAW + 1, PARQUET_STRING, false};
    out[RJ_SOURCE_FILE] = (struct iceberg_column){"source_file", RJ_SOURCE_FILE + 1, PARQUET_STRING, false};
}
