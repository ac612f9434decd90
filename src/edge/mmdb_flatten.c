/* From the tree of a MaxMind DB, walked once, to ranges (MaxMind DB file format 2.0). */
#include "edge/mmdb_flat.h"

#include <stdlib.h>

enum {
    NAME_MAX_BYTES = 255,
    SEPARATOR = 16,        /* zero bytes between tree and data */
    WALK_MAX = 1 << 26,    /* node visits: a tree that shares subtrees wildly is refused, not expanded */
    RECORD_DEPTH_MAX = 32, /* nesting of one record */
    RECORD_VALUES_MAX = 1000000, /* values in one record, pointers followed */
};

struct record_slot {
    uint32_t offset; /* into the data section, plus 1; 0: free */
    uint32_t value;
};

struct walk {
    const char *path;
    MMDB_s *m;
    struct mmdb *db;
    struct record_slot *slots; /* country by record, open addressing */
    size_t slot_count, slot_mask;
    uint64_t visits;
    uint32_t root4; /* record value of the IPv4 part's root */
    unsigned depth_max;
    bool v6;
    /* IPv4 ranges while walking. */
    struct mmdb_u32s starts, values;
    /* IPv6: the value in force, and whether a group is open at `group_high`. */
    uint32_t current;
    bool any, group_open;
    uint64_t group_high;
};

static int push64(struct mmdb_u64s *l, uint64_t v, struct err *e) {
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap + l->cap / 2 : 1024;
        uint64_t *p = realloc(l->at, cap * sizeof *p);
        if (!p) return err_nomem(e);
        l->at = p;
        l->cap = cap;
    }
    l->at[l->count++] = v;
    return 0;
}

static int push32(struct mmdb_u32s *l, uint32_t v, struct err *e) {
    if (l->count == l->cap) {
        size_t cap = l->cap ? l->cap + l->cap / 2 : 1024;
        uint32_t *p = realloc(l->at, cap * sizeof *p);
        if (!p) return err_nomem(e);
        l->at = p;
        l->cap = cap;
    }
    l->at[l->count++] = v;
    return 0;
}

static void trim32(struct mmdb_u32s *l) {
    uint32_t *p = l->count ? realloc(l->at, l->count * sizeof *p) : NULL;
    if (p) l->at = p;
}

static void trim64(struct mmdb_u64s *l) {
    uint64_t *p = l->count ? realloc(l->at, l->count * sizeof *p) : NULL;
    if (p) l->at = p;
}

static int corrupt(const struct walk *w, const char *why, struct err *e) {
    return err_set(e, ERR_INPUT, "\"%s\" is not a usable MaxMind DB: %s", w->path, why);
}

/* libmaxminddb skips nested values by recursion without a limit, so a record's nesting and size are checked
 * before it is asked about one (MaxMind DB file format 2.0, "Data field format"). */
static bool record_sane(const uint8_t *data, size_t size, size_t *at, unsigned depth, uint32_t *values) {
    if (depth > RECORD_DEPTH_MAX || (*values)++ > RECORD_VALUES_MAX || *at >= size) return false;
    unsigned control = data[(*at)++], type = control >> 5;
    if (type == 1) {
        unsigned bytes = (control >> 3 & 3) + 1;
        if (size - *at < bytes) return false;
        uint32_t target = bytes == 4 ? 0 : control & 7;
        for (unsigned i = 0; i < bytes; i++) target = target << 8 | data[(*at)++];
        target += bytes == 2 ? 2048 : bytes == 3 ? 526336 : 0;
        size_t there = target;
        return there < size && data[there] >> 5 != 1 && record_sane(data, size, &there, depth + 1, values);
    }
    if (type == 0) {
        if (*at >= size) return false;
        type = data[(*at)++] + 7u;
    }
    size_t len = control & 31;
    if (len >= 29) {
        unsigned bytes = (unsigned)len - 28;
        if (size - *at < bytes) return false;
        size_t more = 0;
        for (unsigned i = 0; i < bytes; i++) more = more << 8 | data[(*at)++];
        len = more + (bytes == 1 ? 29 : bytes == 2 ? 285 : 65821);
    }
    if (type == 7 || type == 11) {
        for (size_t i = 0, n = type == 7 ? 2 * len : len; i < n; i++)
            if (!record_sane(data, size, at, depth + 1, values)) return false;
        return true;
    }
    if (type == 14) return true;
    if (type > 15 || size - *at < len) return false;
    *at += len;
    return true;
}

/* The text at `path` in a record; ptr NULL when it is not there or empty. */
static int record_text(const struct walk *w, MMDB_entry_s *entry, const char *const *path, struct str *out,
                       struct err *e) {
    MMDB_entry_data_s v;
    *out = (struct str){0};
    int rc = MMDB_aget_value(entry, &v, path);
    if (rc == MMDB_LOOKUP_PATH_DOES_NOT_MATCH_DATA_ERROR) return 0;
    if (rc != MMDB_SUCCESS) return corrupt(w, MMDB_strerror(rc), e);
    if (!v.has_data || v.type != MMDB_DATA_TYPE_UTF8_STRING || v.data_size == 0) return 0;
    if (v.data_size > NAME_MAX_BYTES) return corrupt(w, "a country code longer than 255 bytes", e);
    for (uint32_t i = 0; i < v.data_size; i++)
        if (v.utf8_string[i] < ' ' || v.utf8_string[i] > '~')
            return corrupt(w, "a country code that is not printable ASCII", e);
    *out = (struct str){v.utf8_string, v.data_size};
    return 0;
}

static int name_index(struct mmdb *db, struct str name, uint32_t *out, struct err *e) {
    for (uint32_t i = 0; i < db->name_count; i++) {
        if (!str_eq(db->names[i], name)) continue;
        *out = i;
        return 0;
    }
    if (db->name_count == UINT16_MAX)
        return err_set(e, ERR_INPUT, "a MaxMind DB with more than 65534 countries");
    if (db->name_count == db->name_cap) {
        uint32_t cap = db->name_cap ? 2 * db->name_cap : 256;
        struct str *p = realloc(db->names, cap * sizeof *p);
        if (!p) return err_nomem(e);
        db->names = p;
        db->name_cap = cap;
    }
    char *copy = malloc(name.len + 1);
    if (!copy) return err_nomem(e);
    memcpy(copy, name.ptr, name.len);
    copy[name.len] = 0;
    *out = db->name_count;
    db->names[db->name_count++] = (struct str){copy, name.len};
    return 0;
}

static int slots_grow(struct walk *w, struct err *e) {
    size_t size = w->slots ? 2 * (w->slot_mask + 1) : 1024;
    struct record_slot *slots = calloc(size, sizeof *slots);
    if (!slots) return err_nomem(e);
    for (size_t i = 0; w->slots && i <= w->slot_mask; i++) {
        if (!w->slots[i].offset) continue;
        size_t j = w->slots[i].offset * 0x9E3779B1u & (size - 1);
        while (slots[j].offset) j = (j + 1) & (size - 1);
        slots[j] = w->slots[i];
    }
    free(w->slots);
    w->slots = slots;
    w->slot_mask = size - 1;
    return 0;
}

/* The country of the record at `offset` of the data section (2.8). */
static int record_country(struct walk *w, uint32_t offset, uint32_t *value, struct err *e) {
    static const char *const paths[][3] = {
        {"country", "iso_code", NULL}, {"country_code", NULL}, {"registered_country", "iso_code", NULL}};
    if (2 * w->slot_count >= w->slot_mask) TRY(slots_grow(w, e));
    size_t i = (offset + 1) * 0x9E3779B1u & w->slot_mask;
    for (; w->slots[i].offset; i = (i + 1) & w->slot_mask) {
        if (w->slots[i].offset != offset + 1) continue;
        *value = w->slots[i].value;
        return 0;
    }
    size_t at = offset;
    uint32_t values = 0;
    if (!record_sane(w->m->data_section, w->m->data_section_size, &at, 0, &values))
        return corrupt(w, "a record that is cut short or nested too deeply", e);
    *value = 0;
    MMDB_entry_s entry = {w->m, offset};
    for (size_t p = 0; p < sizeof paths / sizeof *paths; p++) {
        struct str name;
        TRY(record_text(w, &entry, paths[p], &name, e));
        if (!name.ptr) continue;
        TRY(name_index(w->db, name, value, e));
        break;
    }
    w->slots[i] = (struct record_slot){offset + 1, *value};
    w->slot_count++;
    return 0;
}

static int emit4(struct walk *w, uint32_t start, uint32_t value, struct err *e) {
    if (w->values.count && w->values.at[w->values.count - 1] == value) return 0;
    TRY(push32(&w->starts, start, e));
    return push32(&w->values, value, e);
}

/* A range of the lower half in the open group. */
static int emit_low(struct mmdb *db, uint64_t low, uint32_t value, struct err *e) {
    TRY(push64(&db->low6, low, e));
    return push32(&db->group_values6, value, e);
}

static int emit_high(struct mmdb *db, uint64_t high, uint32_t value, struct err *e) {
    TRY(push64(&db->high6, high, e));
    return push32(&db->values6, value, e);
}

/* From (high, low) on, in ascending order, the value is `value`. */
static int emit6(struct walk *w, uint64_t high, uint64_t low, uint32_t value, struct err *e) {
    struct mmdb *db = w->db;
    if (w->any && w->current == value) return 0;
    if (w->group_open && w->group_high != high) {
        w->group_open = false;
        if (high != w->group_high + 1) TRY(emit_high(db, w->group_high + 1, w->current, e));
    }
    if (low == 0) {
        TRY(emit_high(db, high, value, e));
    } else {
        if (!w->group_open) { /* the group begins with the value in force */
            uint32_t group = MMDB_GROUP | (uint32_t)db->groups6.count;
            if (db->high6.at[db->high6.count - 1] == high)
                db->values6.at[db->values6.count - 1] = group;
            else
                TRY(emit_high(db, high, group, e));
            TRY(push32(&db->groups6, (uint32_t)db->low6.count, e));
            TRY(emit_low(db, 0, w->current, e));
            w->group_open = true;
            w->group_high = high;
        }
        TRY(emit_low(db, low, value, e));
    }
    w->any = true;
    w->current = value;
    return 0;
}

static int emit(struct walk *w, uint64_t high, uint64_t low, uint32_t value, struct err *e) {
    return w->v6 ? emit6(w, high, low, value, e) : emit4(w, (uint32_t)(high >> 32), value, e);
}

/* The two records of a node: numbers below node_count are nodes, equal to it: nothing, above: data. */
static void read_node(const MMDB_s *m, uint32_t node, uint32_t child[2]) {
    const uint8_t *p = m->file_content + (uint64_t)node * m->full_record_byte_size;
    switch (m->metadata.record_size) {
    case 24:
        child[0] = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        child[1] = (uint32_t)p[3] << 16 | (uint32_t)p[4] << 8 | p[5];
        break;
    case 28:
        child[0] = (uint32_t)(p[3] >> 4) << 24 | (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        child[1] = (uint32_t)(p[3] & 15) << 24 | (uint32_t)p[4] << 16 | (uint32_t)p[5] << 8 | p[6];
        break;
    default:
        child[0] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
        child[1] = (uint32_t)p[4] << 24 | (uint32_t)p[5] << 16 | (uint32_t)p[6] << 8 | p[7];
    }
}

/* Everything under a record that stands at (high, low)/depth, in ascending order. */
static int walk_record(struct walk *w, uint32_t record, uint64_t high, uint64_t low, unsigned depth,
                       struct err *e) {
    uint32_t node_count = w->m->metadata.node_count, value = 0;
    if (record == node_count) return emit(w, high, low, 0, e);
    if (record > node_count) {
        uint32_t offset = record - node_count;
        if (offset < SEPARATOR || offset - SEPARATOR >= w->m->data_section_size)
            return corrupt(w, "a pointer outside the data section", e);
        TRY(record_country(w, offset - SEPARATOR, &value, e));
        return emit(w, high, low, value, e);
    }
    if (w->v6 && record == w->root4 && depth <= 96) return emit(w, high, low, MMDB_ALIAS | depth, e);
    if (depth >= w->depth_max) return corrupt(w, "its search tree is too deep", e);
    if (++w->visits > WALK_MAX) return corrupt(w, "its search tree never ends", e);
    uint32_t child[2];
    read_node(w->m, record, child);
    TRY(walk_record(w, child[0], high, low, depth + 1, e));
    if (depth < 64)
        high |= 1ull << (63 - depth);
    else
        low |= 1ull << (127 - depth);
    return walk_record(w, child[1], high, low, depth + 1, e);
}

/* Where ::/96 begins: a node, or the record that ends the path earlier. */
static uint32_t find_root4(const MMDB_s *m) {
    uint32_t record = 0;
    if (m->metadata.ip_version != 6) return record;
    for (unsigned depth = 0; depth < 96 && record < m->metadata.node_count; depth++) {
        uint32_t child[2];
        read_node(m, record, child);
        record = child[0];
    }
    return record;
}

static int finish4(struct walk *w, struct err *e) {
    struct mmdb *db = w->db;
    size_t n = db->count4 = w->starts.count;
    db->low4 = malloc(n * sizeof *db->low4);
    db->values4 = malloc(n * sizeof *db->values4);
    db->top4 = malloc((MMDB_TOP_COUNT + 1) * sizeof *db->top4);
    if (!db->low4 || !db->values4 || !db->top4) return err_nomem(e);
    size_t top = 0;
    for (size_t i = 0; i < n; i++) {
        while (top <= w->starts.at[i] >> 16) db->top4[top++] = (uint32_t)i;
        db->low4[i] = (uint16_t)w->starts.at[i];
        db->values4[i] = (uint16_t)w->values.at[i];
    }
    while (top <= MMDB_TOP_COUNT) db->top4[top++] = (uint32_t)n;
    return 0;
}

static int finish6(struct walk *w, struct err *e) {
    struct mmdb *db = w->db;
    if (w->group_open && w->group_high != UINT64_MAX) TRY(emit_high(db, w->group_high + 1, w->current, e));
    TRY(push32(&db->groups6, (uint32_t)db->low6.count, e));
    db->top6 = malloc((MMDB_TOP_COUNT + 1) * sizeof *db->top6);
    if (!db->top6) return err_nomem(e);
    size_t top = 0;
    for (size_t i = 0; i < db->high6.count; i++)
        while (top <= db->high6.at[i] >> 48) db->top6[top++] = (uint32_t)i;
    while (top <= MMDB_TOP_COUNT) db->top6[top++] = (uint32_t)db->high6.count;
    trim64(&db->high6);
    trim64(&db->low6);
    trim32(&db->values6);
    trim32(&db->group_values6);
    trim32(&db->groups6);
    return 0;
}

static int flatten(struct walk *w, struct err *e) {
    const MMDB_s *m = w->m;
    const MMDB_metadata_s *meta = &m->metadata;
    if (meta->record_size != 24 && meta->record_size != 28 && meta->record_size != 32)
        return corrupt(w, "an unknown record size", e);
    if (meta->ip_version != 4 && meta->ip_version != 6) return corrupt(w, "an unknown IP version", e);
    if (m->full_record_byte_size != meta->record_size / 4 || meta->node_count == 0 ||
        (uint64_t)meta->node_count * m->full_record_byte_size + SEPARATOR > (uint64_t)m->file_size)
        return corrupt(w, "its search tree is cut short", e);
    w->db->build_epoch = meta->build_epoch;
    w->db->type = strdup(meta->database_type ? meta->database_type : "");
    if (!w->db->type) return err_nomem(e);
    uint32_t none;
    TRY(name_index(w->db, STR("ZZ"), &none, e));

    w->root4 = find_root4(m);
    w->depth_max = 32;
    TRY(walk_record(w, w->root4, 0, 0, 0, e));
    TRY(finish4(w, e));
    if (meta->ip_version == 6) {
        w->v6 = true;
        w->depth_max = 128;
        if (w->root4 == 0) return corrupt(w, "its search tree never ends", e);
        TRY(walk_record(w, 0, 0, 0, 0, e));
        TRY(finish6(w, e));
    }
    if (w->db->name_count == 1)
        return err_set(e, ERR_INPUT,
                       "\"%s\" has no country data (neither country.iso_code, country_code nor "
                       "registered_country.iso_code)",
                       w->path);
    return 0;
}

int mmdb_flatten(const char *path, MMDB_s *m, struct mmdb *db, struct err *e) {
    struct walk w = {.path = path, .m = m, .db = db};
    int rc = flatten(&w, e);
    free(w.slots);
    free(w.starts.at);
    free(w.values.at);
    return rc;
}
