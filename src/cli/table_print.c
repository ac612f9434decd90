/* The table commands' output for people. */
#include "base/units.h"
#include "cli/table_view.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *count_text(const json_t *o, const char *key, char out[32]) {
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0) return "?";
    return units_format_count((uint64_t)n, out, 32);
}

static const char *size_text(const json_t *o, const char *key, char out[32]) {
    const json_t *v = json_object_get(o, key);
    json_int_t n = json_integer_value(v);
    if (!json_is_integer(v) || n < 0) return "?";
    return units_format_size((uint64_t)n, out, 32);
}

static const char *plain(const json_t *o, const char *key) {
    const char *text = json_text(o, key);
    return text ? text : "";
}

void table_print_lines(const json_t *tables) {
    size_t i, width = strlen("TABLE");
    const json_t *t;
    json_array_foreach(tables, i, t) if (strlen(plain(t, "table")) > width) width = strlen(plain(t, "table"));
    if (json_array_size(tables) == 0) {
        printf("no tables yet; weir run makes them\n");
        return;
    }
    printf("%-*s %15s %8s %10s %10s  %s\n", (int)width, "TABLE", "ROWS", "FILES", "SIZE", "SNAPSHOTS",
           "LAST CHANGED");
    json_array_foreach(tables, i, t) {
        char rows[32], files[32], bytes[32], snapshots[32];
        if (json_object_get(t, "error")) {
            printf("%-*s %15s  cannot be read\n", (int)width, plain(t, "table"), "?");
            continue;
        }
        printf("%-*s %15s %8s %10s %10s  %s\n", (int)width, plain(t, "table"), count_text(t, "rows", rows),
               count_text(t, "files", files), size_text(t, "bytes", bytes),
               count_text(t, "snapshots", snapshots), plain(t, "last_updated"));
    }
}

void table_print_show(const json_t *view) {
    char rows[32], files[32], bytes[32];
    size_t i;
    const json_t *item;
    const char *key;
    json_t *value;
    printf("%s: %s rows in %s files, %s\n", plain(view, "table"), count_text(view, "rows", rows),
           count_text(view, "files", files), size_text(view, "bytes", bytes));
    printf("  location      %s\n  metadata      %s\n", plain(view, "location"),
           plain(view, "metadata_location"));
    printf("  last changed  %s, format version %d\n  partitioned   ", plain(view, "last_updated"),
           (int)json_int(view, "format_version", 0));
    const json_t *partitioning = json_object_get(view, "partitioning");
    if (json_array_size(partitioning) == 0) printf("no");
    json_array_foreach(partitioning, i, item) printf("%s%s", i ? ", " : "by ", json_string_value(item));
    printf("\n  columns\n");
    json_array_foreach(json_object_get(view, "columns"), i, item) {
        const char *type = json_text(item, "type");
        printf("    %4d  %-24s %s%s\n", (int)json_int(item, "id", 0), plain(item, "name"),
               type ? type : "nested", json_is_true(json_object_get(item, "required")) ? ", required" : "");
    }
    json_t *properties = json_object_get(view, "properties");
    if (json_object_size(properties)) printf("  properties\n");
    json_object_foreach(properties, key, value)
        printf("    %s = %s\n", key, json_is_string(value) ? json_string_value(value) : "?");
}

void table_print_history(const json_t *view) {
    size_t i;
    const json_t *s;
    printf("%s\n", plain(view, "table"));
    if (json_array_size(json_object_get(view, "snapshots")) == 0)
        printf("  no snapshots yet\n");
    else
        printf("  %-20s %20s  %-10s %13s %13s %13s  %s\n", "COMMITTED", "SNAPSHOT", "OPERATION", "ADDED",
               "DELETED", "TOTAL", "RUN");
    json_array_foreach(json_object_get(view, "snapshots"), i, s) {
        char added[32], deleted[32], total[32];
        printf("  %-20s %20lld  %-10s %13s %13s %13s  %s%s\n", plain(s, "committed"),
               (long long)json_int(s, "snapshot_id", 0), plain(s, "operation"),
               count_text(s, "added_rows", added), count_text(s, "deleted_rows", deleted),
               count_text(s, "total_rows", total), plain(s, "run_id"),
               json_is_true(json_object_get(s, "current")) ? "  (current)" : "");
    }
}

static void print_partition(const json_t *partition, char *out, size_t cap) {
    const char *key;
    json_t *value;
    size_t n = 0;
    *out = 0;
    json_object_foreach((json_t *)partition, key, value) {
        char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        int w = snprintf(out + n, cap - n, "%s%s", n ? ", " : "",
                         text                    ? text
                         : json_is_string(value) ? json_string_value(value)
                                                 : "?");
        free(text);
        n += w < 0 ? 0 : (size_t)w;
        if (n >= cap) return;
    }
}

void table_print_files(const json_t *view) {
    size_t i;
    const json_t *f;
    printf("%s\n", plain(view, "table"));
    if (json_array_size(json_object_get(view, "files")) == 0)
        printf("  no files\n");
    else
        printf("  %-12s %13s %10s  %s\n", "PARTITION", "ROWS", "SIZE", "FILE");
    json_array_foreach(json_object_get(view, "files"), i, f) {
        char partition[256], rows[32], bytes[32];
        bool data = strcmp(plain(f, "content"), "data") == 0;
        print_partition(json_object_get(f, "partition"), partition, sizeof partition);
        printf("  %-12s %13s %10s  %s%s%s%s\n", partition, count_text(f, "rows", rows),
               size_text(f, "bytes", bytes), plain(f, "path"), data ? "" : " (",
               data ? "" : plain(f, "content"), data ? "" : ")");
    }
}
