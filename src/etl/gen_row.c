#include "etl/gen_row.h"

#include "base/random.h"
#include "format/ip.h"

#include <stdio.h>

const char *const gen_field_names[GEN_FIELD_COUNT] = {
    "event_id",   "user_id", "timestamp", "page_url",   "referrer",  "device",
    "ip_address", "status",  "bytes",     "user_agent", "load_time",
};

enum { NETWORKS4 = 32768, NETWORKS6 = 8192 };

struct gen_rows {
    const struct gen_plan *p;
    const struct mmdb *db;
    struct gen_texts texts;
    uint8_t page_quoted[GEN_PAGES], page_query[GEN_PAGES], source_quoted[GEN_SOURCES], agent_quoted[64];
    struct mmdb_network *networks4, *networks6; /* a sample of the database's */
    uint32_t count4, count6;
    char (*dates)[10]; /* of the span and a day to either side */
    unsigned oddity_percent;
};

/* A row's chances, from one number: splitmix64. */
struct dice {
    uint64_t state;
};

static uint64_t roll(struct dice *d) {
    d->state += 0x9E3779B97F4A7C15u;
    uint64_t x = d->state;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint32_t roll_below(struct dice *d, uint32_t n) {
    return (uint32_t)((roll(d) >> 32) * n >> 32);
}

static bool needs_quotes(struct str s) {
    return s.len && (memchr(s.ptr, ',', s.len) || memchr(s.ptr, '"', s.len));
}

static struct mmdb_network *sample(struct rng *r, const struct mmdb_network *from, size_t count,
                                   uint32_t most, uint32_t *n, struct arena *a) {
    *n = count < most ? (uint32_t)count : most;
    struct mmdb_network *out = arena_alloc(a, (*n + 1) * sizeof *out);
    for (uint32_t i = 0; out && i < *n; i++) {
        size_t begin = count * i / *n, end = count * (i + 1) / *n;
        out[i] = from[begin + rng_below(r, end - begin)];
    }
    return out;
}

/* Addresses under ::/80 are IPv4 in other clothes. */
static bool is_ipv4_like(const struct mmdb_network *n) {
    static const uint8_t zeros[10];
    return memcmp(n->first.bytes, zeros, sizeof zeros) == 0;
}

static int sample_networks(struct gen_rows *r, struct arena *a, struct err *e) {
    const struct mmdb_network *all;
    size_t count = mmdb_networks(r->db, &all), count4 = 0;
    if (count == 0) return err_nomem(e);
    while (count4 < count && !all[count4].first.v6) count4++;
    size_t first6 = count4;
    while (first6 < count && is_ipv4_like(&all[first6])) first6++;
    struct rng rng;
    rng_init(&rng, r->p->seed, UINT64_MAX);
    r->networks4 = sample(&rng, all, count4, NETWORKS4, &r->count4, a);
    r->networks6 = sample(&rng, all + first6, count - first6, NETWORKS6, &r->count6, a);
    return r->networks4 && r->networks6 ? 0 : err_nomem(e);
}

int gen_rows_new(const struct gen_plan *p, const struct mmdb *db, struct arena *a, struct gen_rows **out,
                 struct err *e) {
    struct gen_rows *r = arena_zalloc(a, sizeof *r);
    if (!r) return err_nomem(e);
    r->p = p;
    r->db = db;
    r->oddity_percent = p->dirt == GEN_DIRT_NONE ? 0 : p->dirt == GEN_DIRT_SOME ? 3 : 25;
    TRY(gen_texts_init(&r->texts, a, e));
    for (unsigned i = 0; i < GEN_PAGES; i++) {
        struct str s = r->texts.pages[i];
        r->page_quoted[i] = needs_quotes(s);
        r->page_query[i] = memchr(s.ptr, '?', s.len) != NULL;
    }
    for (unsigned i = 0; i < GEN_SOURCES; i++) r->source_quoted[i] = needs_quotes(r->texts.sources[i]);
    for (unsigned i = 0; i < gen_agent_count; i++) r->agent_quoted[i] = needs_quotes(gen_agents[i]);
    TRY(sample_networks(r, a, e));
    r->dates = arena_alloc(a, (p->days + 2) * sizeof *r->dates);
    if (!r->dates) return err_nomem(e);
    for (unsigned i = 0; i < p->days + 2; i++) {
        char text[TIMESTAMP_TEXT];
        timestamp_print(p->start_us + ((int64_t)i - 1) * GEN_DAY_US, text);
        memcpy(r->dates[i], text, 10);
    }
    *out = r;
    return 0;
}

uint16_t gen_rows_countries(const struct gen_rows *r) {
    return mmdb_country_count(r->db);
}

struct str gen_rows_country_name(const struct gen_rows *r, uint16_t country) {
    return mmdb_country_name(r->db, country);
}

/* ---- pieces of text ---- */

static char *put(char *p, const char *text, size_t len) {
    memcpy(p, text, len);
    return p + len;
}

static char *put_hex(char *p, uint64_t v, unsigned digits) {
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = digits; i-- > 0; v >>= 4) p[i] = hex[v & 15];
    return p + digits;
}

static char *put2(char *p, unsigned v) {
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

static char *put_number(char *p, uint64_t v) {
    char digits[20];
    unsigned n = 0;
    do digits[n++] = (char)('0' + v % 10);
    while (v /= 10);
    while (n) *p++ = digits[--n];
    return p;
}

static void set(struct gen_row *row, unsigned field, const char *end) {
    row->field[field] = (struct str){row->text[field], (uint32_t)(end - row->text[field])};
}

/* ---- values ---- */

static void make_event_id(const struct gen_rows *r, uint64_t number, struct gen_row *row) {
    /* A bijection of the event's number, all 64 bits of it, and chance, as a UUID of version 4. */
    uint64_t x = random_mix64(number ^ r->p->seed), y = random_mix64(x);
    char *p = put_hex(row->text[COL_EVENT_ID], y >> 32, 8);
    *p++ = '-';
    p = put_hex(p, y >> 16, 4);
    p = put(p, "-4", 2);
    p = put_hex(p, (y & 0x3ff) << 2 | (x & 3), 3);
    *p++ = '-';
    p = put_hex(p, 0x8000 | (x >> 2 & 0x3fff), 4);
    *p++ = '-';
    set(row, COL_EVENT_ID, put_hex(p, x >> 16, 12));
}

static void make_user(const struct gen_rows *r, uint64_t user, struct gen_row *row) {
    char *p = row->text[COL_USER_ID];
    if (user & GEN_ROBOT) {
        row->field[COL_USER_ID] = gen_robot_users[user & ~GEN_ROBOT];
        return;
    }
    if (user & GEN_ONE_TIMER) {
        p = put_hex(p, random_mix64((user & ~GEN_ONE_TIMER) ^ r->p->seed), 16);
    } else if (user & GEN_EDGE) {
        p = put_hex(put(p, "edge-", 5), user & ~GEN_EDGE, 16);
    } else {
        if (user % 997 == 3) p = put(p, "zo\xc3\xab-", 5);
        if (user % 1499 == 7) {
            p = put(p, "smith, j. ", 10);
            row->quoted |= 1u << COL_USER_ID;
        }
        uint64_t x = (user + 1) * 0x9E3779B97F4Bu & 0xFFFFFFFFFFFF; /* bijections of 48 bits */
        x ^= x >> 23;
        p = put_hex(p, x * 0xBF58476D1CE5u, 12);
    }
    set(row, COL_USER_ID, p);
}

static unsigned digits_needed(int64_t us) {
    unsigned n = 6;
    while (n && us % 10 == 0) {
        us /= 10;
        n--;
    }
    return n;
}

struct time_form {
    int offset_minutes, zone; /* zone: 0 none, 1 Z, 2 +HH:MM, 3 +HHMM */
    unsigned digits;
    char separator;
};

static char *put_time(const struct gen_rows *r, char *p, int64_t us, const struct time_form *f) {
    int64_t local = us + f->offset_minutes * 60 * GEN_SECOND, since = local - r->p->start_us + GEN_DAY_US;
    p = put(p, r->dates[since / GEN_DAY_US], 10);
    int64_t rest = since % GEN_DAY_US;
    unsigned second = (unsigned)(rest / GEN_SECOND), fraction = (unsigned)(rest % GEN_SECOND);
    *p++ = f->separator;
    p = put2(p, second / 3600);
    *p++ = ':';
    p = put2(p, second / 60 % 60);
    *p++ = ':';
    p = put2(p, second % 60);
    if (f->digits) {
        char six[6];
        put2(put2(put2(six, fraction / 10000), fraction / 100 % 100), fraction % 100);
        *p++ = '.';
        p = put(p, six, f->digits);
    }
    unsigned minutes = (unsigned)(f->offset_minutes < 0 ? -f->offset_minutes : f->offset_minutes);
    if (f->zone == 1) *p++ = 'Z';
    if (f->zone < 2) return p;
    *p++ = f->offset_minutes < 0 ? '-' : '+';
    p = put2(p, minutes / 60);
    if (f->zone == 2) *p++ = ':';
    return put2(p, minutes % 60);
}

static void make_time(const struct gen_rows *r, const struct gen_event *v, struct dice *spell, bool odd,
                      struct gen_row *row) {
    char *p = row->text[COL_TIMESTAMP];
    row->time_us = v->time_us;
    if (v->kind == GEN_AT_EDGE) {
        row->time_us = gen_edge_times[v->detail];
        if (v->detail == 1) {
            set(row, COL_TIMESTAMP, put(p, "1900-01-01T00:00:00+18:00", 25));
            return;
        }
        timestamp_print(row->time_us, p);
        set(row, COL_TIMESTAMP, p + 27);
        return;
    }
    unsigned least = digits_needed(v->time_us % GEN_SECOND);
    struct time_form f = {
        .zone = 1, .digits = least < 3 && v->time_us % GEN_SECOND ? 3 : least, .separator = 'T'};
    if (odd) {
        static const int16_t offsets[] = {0, 330, 60, 120, -300, -480, 345, 765, -210, 1080, -1080, 1, -719};
        f.zone = (int)roll_below(spell, 4);
        f.offset_minutes = f.zone < 2 ? 0 : offsets[roll_below(spell, sizeof offsets / sizeof *offsets)];
        f.digits = least + roll_below(spell, 7 - least);
        f.separator = roll(spell) >> 63 ? ' ' : 'T';
    }
    set(row, COL_TIMESTAMP, put_time(r, p, v->time_us, &f));
}

static void make_page(const struct gen_rows *r, const struct gen_event *v, struct dice *base,
                      struct gen_row *row) {
    struct str page = r->texts.pages[v->page];
    row->quoted |= (uint32_t)r->page_quoted[v->page] << COL_PAGE_URL;
    row->field[COL_PAGE_URL] = page;
    uint32_t chance = roll_below(base, 100);
    if (v->flags & GEN_EXTERNAL ? chance < 25 : chance >= 92) {
        char *p = put(row->text[COL_PAGE_URL], page.ptr, page.len);
        *p++ = r->page_query[v->page] ? '&' : '?';
        if (v->flags & GEN_EXTERNAL) {
            struct str campaign = r->texts.campaigns[roll_below(base, GEN_CAMPAIGNS)];
            p = put(p, campaign.ptr, campaign.len);
        } else {
            p = put(p, "sid=", 4);
            p = put_hex(p, random_mix64(v->user ^ r->p->seed ^ 0x736964), 16);
        }
        set(row, COL_PAGE_URL, p);
    }
    if (v->flags & GEN_EXTERNAL) {
        row->field[COL_REFERRER] = r->texts.sources[v->from % GEN_SOURCES];
        row->quoted |= (uint32_t)r->source_quoted[v->from % GEN_SOURCES] << COL_REFERRER;
    } else {
        row->field[COL_REFERRER] = r->texts.pages[v->from % GEN_PAGES];
        row->quoted |= (uint32_t)r->page_quoted[v->from % GEN_PAGES] << COL_REFERRER;
    }
}

static void make_device(uint64_t user_hash, struct gen_row *row, bool robot) {
    static const struct str devices[] = {STR("desktop"), STR("mobile"), STR("tablet"),
                                         STR("Desktop"), STR("Mobile"), STR("")};
    static const struct str bot = STR("bot");
    static const uint8_t by_agent[] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 0, 0, 0, 3, 0, 4, 5};
    row->field[COL_DEVICE] = robot ? bot : devices[by_agent[user_hash % (sizeof by_agent)]];
}

static void make_numbers(struct dice *base, struct gen_row *row) {
    static const uint16_t codes[] = {200, 304, 404, 301, 500, 403};
    static const uint16_t below[] = {880, 930, 970, 985, 992, 997};
    uint32_t chance = roll_below(base, 1000), ms = roll_below(base, 1u << 16);
    unsigned i = 0;
    while (i < 6 && chance >= below[i]) i++;
    static const struct str missing = STR("-");
    row->status_null = i == 6;
    row->status = row->status_null ? 0 : codes[i];
    if (row->status_null)
        row->field[GEN_STATUS] = missing;
    else
        set(row, GEN_STATUS, put_number(row->text[GEN_STATUS], (uint64_t)row->status));
    row->bytes_null = i == 1 || i == 6;
    row->bytes = (int64_t)(gen_exp2(8 + (double)roll_below(base, 1u << 20) / 120000)); /* 256 … 110,000 */
    if (row->bytes_null)
        row->field[GEN_BYTES] = missing;
    else
        set(row, GEN_BYTES, put_number(row->text[GEN_BYTES], (uint64_t)row->bytes));
    row->load_time_null = chance % 64 == 0;
    static const struct str empty = STR("");
    row->field[GEN_LOAD_TIME] = empty;
    if (row->load_time_null) return;
    ms = 20 + ms * (ms >> 6) / 8192; /* 20 ms … 8.2 s, mostly short */
    row->load_time = ms / 1000.0;
    char *p = row->text[GEN_LOAD_TIME];
    if (chance % 64 == 1) { /* 123 ms as 12.3e-2 */
        p = put_number(p, ms / 10);
        *p++ = '.';
        *p++ = (char)('0' + ms % 10);
        p = put(p, "e-2", 3);
    } else {
        p = put_number(p, ms / 1000);
        *p++ = '.';
        *p++ = (char)('0' + ms / 100 % 10);
        p = put2(p, ms % 100);
    }
    set(row, GEN_LOAD_TIME, p);
}

static void make_address(const struct gen_rows *r, const struct gen_event *v, uint64_t user_hash,
                         struct gen_row *row, struct ip_addr *out) {
    /* One in eight is on the move: another network every day. Some robots use many addresses. */
    uint64_t h = user_hash;
    if (h >> 61 == 0) h = random_mix64(h ^ (uint64_t)(v->time_us / GEN_DAY_US));
    if (v->user & GEN_ROBOT) h = random_mix64(h ^ v->number % 64);
    bool v6 = r->count4 == 0 || (r->count6 && h % 100 < 14);
    const struct mmdb_network *n =
        v6 ? &r->networks6[(h >> 32) * r->count6 >> 32] : &r->networks4[(h >> 32) * r->count4 >> 32];
    *out = n->first;
    row->country = n->country;
    uint64_t host = random_mix64(h + 1);
    char *p = row->text[COL_IP];
    if (v6) {
        for (unsigned bit = n->prefix_len; bit < 128; bit++) /* below /64: any of 256 hosts */
            if (bit < 64 || bit >= 120)
                out->bytes[bit / 8] |= (uint8_t)((host >> bit % 64 & 1) << (7 - bit % 8));
        ip_print(out, p);
        set(row, COL_IP, p + strlen(p));
        return;
    }
    uint32_t a = (uint32_t)out->bytes[0] << 24 | (uint32_t)out->bytes[1] << 16 |
                 (uint32_t)out->bytes[2] << 8 | out->bytes[3];
    a |= n->prefix_len ? (uint32_t)host & (uint32_t)(0xFFFFFFFFull >> n->prefix_len) : (uint32_t)host;
    for (unsigned i = 0; i < 4; i++) {
        out->bytes[i] = (uint8_t)(a >> (24 - 8 * i));
        if (i) *p++ = '.';
        p = put_number(p, out->bytes[i]);
    }
    set(row, COL_IP, p);
}

/* ---- oddities: legal, however it looks ---- */

static void set_null(struct dice *d, unsigned field, struct gen_row *row) {
    row->field[field] = gen_nulls[roll_below(d, gen_null_count)];
    row->quoted = (row->quoted & ~(1u << field)) | (uint32_t)(roll(d) >> 62 == 0) << field;
}

/* Spaces and tabs around; in a quoted field they stand inside the quotes. */
static void pad(struct dice *d, unsigned field, struct gen_row *row) {
    char text[GEN_FIELD_MAX];
    struct str s = row->field[field];
    if (s.len > GEN_FIELD_MAX - 16) return;
    memcpy(text, s.ptr, s.len);
    char *p = row->text[field];
    for (uint32_t n = roll_below(d, 4); n; n--) *p++ = roll(d) >> 62 ? ' ' : '\t';
    p = put(p, text, s.len);
    for (uint32_t n = roll_below(d, 4); n; n--) *p++ = roll(d) >> 62 ? ' ' : '\t';
    set(row, field, p);
}

/* Addresses that are kept or become null (2.7). */
static void odd_address(const struct gen_rows *r, struct dice *base, const struct ip_addr *a,
                        struct gen_row *row) {
    static const char *const invalid[] = {
        "unknown",    "1.2.3",     "1.2.3.256", "1.2.3.4.5",    "fe80::1%eth0", "01.2.3.4",
        "1.2.3.04",   "1..2.3",    "::1::2",    "12345::",      "1.2.3.4:80",   "[::1]",
        "1.2.3.4/24", "0x1.2.3.4", "1,2,3,4",   "::ffff:1.2.3", ":1",           "1:2:3:4:5:6:7:8:9",
        "2001:db8::g"};
    char *p = row->text[COL_IP], *end;
    switch (roll_below(base, 5)) {
    case 0: /* IPv4-mapped: looked up as IPv4 */
        if (a->v6) return;
        end = p + sprintf(p, "::%s:%u.%u.%u.%u", roll(base) >> 63 ? "ffff" : "FFFF", a->bytes[0], a->bytes[1],
                          a->bytes[2], a->bytes[3]);
        break;
    case 1: /* leading zeros: not an address */
        if (a->v6) return;
        end = p + sprintf(p, "%u.%u.%03u.%u", a->bytes[0], a->bytes[1], a->bytes[2] % 100u, a->bytes[3]);
        row->country = 0;
        break;
    case 2: /* every digit of an IPv6 address, in capitals */
        if (!a->v6) return;
        end = p;
        for (unsigned i = 0; i < 16; i += 2)
            end += sprintf(end, "%s%04X", i ? ":" : "", (unsigned)a->bytes[i] << 8 | a->bytes[i + 1]);
        break;
    case 3: { /* an address as it is, whatever the database says of it */
        struct ip_addr local = {.bytes = {10, 0, (uint8_t)roll(base), 1}};
        end = p + sprintf(p, "10.0.%u.1", local.bytes[2]);
        row->country = mmdb_country(r->db, &local);
        break;
    }
    default: {
        const char *text = invalid[roll_below(base, sizeof invalid / sizeof *invalid)];
        end = put(p, text, strlen(text));
        row->country = 0;
        if (strchr(text, ',')) row->quoted |= 1u << COL_IP;
    }
    }
    set(row, COL_IP, end);
}

/* A number that does not fit its column (1.6). */
static void misfit(struct dice *base, struct gen_row *row) {
    static const char *const longs[] = {"2OO",  "200.0", "1234567890123456789", "2e2", "--1", "+",
                                        "0x10", "1 000"};
    static const char *const doubles[] = {"fast", "0,5", ".5",    "5.",    "1e",
                                          "+1.5", "inf", "0x1p3", "1.5e+", "1.2.3"};
    unsigned which = roll_below(base, 3), field = which == 0   ? GEN_STATUS
                                                  : which == 1 ? GEN_BYTES
                                                               : GEN_LOAD_TIME;
    const char *text = which < 2 ? longs[roll_below(base, 8)] : doubles[roll_below(base, 10)];
    row->nulled[which] = true;
    row->quoted |= (uint32_t)(strchr(text, ',') != NULL) << field;
    set(row, field, put(row->text[field], text, strlen(text)));
}

/* Oddities of value: the same in an event and its copies. */
static void odd_values(const struct gen_rows *r, const struct gen_event *v, struct dice *base,
                       const struct ip_addr *a, struct gen_row *row) {
    static const uint8_t nullable[] = {COL_PAGE_URL, COL_REFERRER, COL_DEVICE, COL_IP};
    switch (roll_below(base, 10)) {
    case 0:
    case 1:
    case 2: {
        unsigned field = nullable[roll_below(base, 4)];
        set_null(base, field, row);
        if (field == COL_IP) row->country = 0;
        return;
    }
    case 3:
    case 4:
    case 5: odd_address(r, base, a, row); return;
    case 6: { /* a carriage return or a NUL is data; a quote inside an unquoted field too */
        static const char data[] = {'\r', '\0', '"', '\x7f'};
        struct str s = row->field[COL_PAGE_URL];
        char *p = row->text[COL_PAGE_URL];
        if (s.ptr != p)
            p = put(p, s.ptr, s.len);
        else
            p += s.len;
        *p++ = data[roll_below(base, sizeof data)];
        *p++ = 'x';
        set(row, COL_PAGE_URL, p);
        return;
    }
    default:
        if (v->kind < GEN_MALFORMED && !(v->flags & GEN_HAS_COPY) && !r->p->typed) misfit(base, row);
    }
}

/* Oddities of spelling: they leave no trace in the tables. */
static void odd_spelling(struct dice *spell, struct gen_row *row) {
    switch (roll_below(spell, 8)) {
    case 0:
    case 1: pad(spell, roll_below(spell, GEN_FIELD_COUNT), row); return;
    case 2: row->quoted |= 1u << roll_below(spell, GEN_FIELD_COUNT); return;
    case 3: row->quoted = (1u << GEN_FIELD_COUNT) - 1; return;
    case 4: {
        static const struct str upper[] = {STR("DESKTOP"), STR("MOBILE"), STR("TABLET")};
        struct str s = row->field[COL_DEVICE];
        for (unsigned i = 0; i < 3; i++)
            if (s.len == upper[i].len && (s.ptr[0] & 31) == (upper[i].ptr[0] & 31))
                row->field[COL_DEVICE] = upper[i];
        return;
    }
    case 5: row->style |= GEN_CRLF; return;
    case 6: row->style |= GEN_BLANK_AFTER; return;
    default: row->style |= GEN_CRLF | GEN_BLANK_AFTER; return;
    }
}

/* ---- what is wrong ---- */

static void bad_time(const struct gen_rows *r, const struct gen_event *v, struct dice *spell,
                     struct gen_row *row) {
    char good[32];
    const struct time_form f = {.zone = 1, .digits = 3, .separator = 'T'};
    *put_time(r, good, v->time_us, &f) = 0; /* YYYY-MM-DDTHH:MM:SS.mmmZ */
    static const char *const fixed[] = {"2025-02-29T10:00:00Z",
                                        "2024-02-30T10:00:00Z",
                                        "2100-02-29T00:00:00Z",
                                        "2025-04-31T10:00:00Z",
                                        "2025-13-01T00:00:00Z",
                                        "2025-00-10T00:00:00Z",
                                        "2025-03-00T00:00:00Z",
                                        "1899-12-31T23:59:59Z",
                                        "2262-01-01T00:00:00Z",
                                        "0000-00-00 00:00:00",
                                        "yesterday",
                                        "1741000000",
                                        "03/03/2025 10:00",
                                        "2025-3-3T10:00:00Z",
                                        "+2025-03-03T10:00:00Z",
                                        "2025-03-03",
                                        "2025-W10-1T10:00:00Z",
                                        "Mon Mar  3 10:00:00 2025"};
    /* The date and time of the event with something amiss: what replaces the text from `at` on. */
    static const struct {
        uint8_t at;
        const char *rest;
    } cuts[] = {{10, "T24:00:00Z"},
                {10, "T23:60:00Z"},
                {10, "T23:59:60Z"},
                {10, "t10:00:00Z"},
                {10, "T10:00:00z"},
                {10, "  10:00:00"},
                {10, "T10:00Z"},
                {10, "T10:00:00.Z"},
                {10, "T10:00:00.1234567Z"},
                {10, "T10:00:00+18:01"},
                {10, "T10:00:00+05:60"},
                {10, "T10:00:00+5:30"},
                {10, "T10:00:00 +05:30"},
                {10, "T10:00:00+05"},
                {10, "T10:00:00ZZ"},
                {10, "T1:00:00Z"},
                {10, "T10-00-00Z"},
                {10, ""},
                {10, "T"},
                {10, "T10:00:00,5Z"},
                {19, "UTC"},
                {4, "/03/03 10:00:00"},
                {10, "T10:00:00\xe2\x80\x8bZ"},
                {10, "_10:00:00Z"}};
    enum { FIXED = sizeof fixed / sizeof *fixed, CUTS = sizeof cuts / sizeof *cuts };
    /* Typed: beyond what the pipeline takes. */
    static const int64_t beyond[] = {-2208988800000001, 9214646400000000, 253402300799999999,
                                     -62135596800000000};
    row->time_us = beyond[v->detail % 4];
    unsigned i = v->detail % (FIXED + CUTS);
    char *p = row->text[COL_TIMESTAMP];
    if (i < FIXED) {
        p = put(p, fixed[i], strlen(fixed[i]));
    } else {
        p = put(p, good, cuts[i - FIXED].at);
        p = put(p, cuts[i - FIXED].rest, strlen(cuts[i - FIXED].rest));
    }
    set(row, COL_TIMESTAMP, p);
    row->quoted |= (uint32_t)(memchr(row->text[COL_TIMESTAMP], ',', row->field[COL_TIMESTAMP].len) != NULL)
                   << COL_TIMESTAMP;
    (void)spell;
}

/* Where several things are wrong, the first of the specification's order gives the reason (2.4). */
static void make_wrong(const struct gen_rows *r, const struct gen_event *v, struct dice *spell,
                       struct gen_row *row) {
    bool more = v->detail % 4 == 0;
    switch (v->kind) {
    case GEN_NO_EVENT_ID:
        set_null(spell, COL_EVENT_ID, row);
        if (more) set_null(spell, COL_USER_ID, row);
        break;
    case GEN_NO_USER_ID:
        set_null(spell, COL_USER_ID, row);
        if (more) bad_time(r, v, spell, row);
        break;
    case GEN_NO_TIME:
        set_null(spell, COL_TIMESTAMP, row);
        row->time_null = true;
        break;
    case GEN_BAD_TIME: bad_time(r, v, spell, row); break;
    default: break;
    }
    if (v->kind != GEN_MALFORMED && v->kind < GEN_COPY && v->detail % 8 == 3) {
        unsigned field = v->kind == GEN_NO_EVENT_ID  ? COL_EVENT_ID
                         : v->kind == GEN_NO_USER_ID ? COL_USER_ID
                                                     : COL_TIMESTAMP;
        pad(spell, field, row);
    }
}

void gen_row_make(const struct gen_rows *r, const struct gen_event *v, struct gen_row *row) {
    uint64_t user_hash = random_mix64(v->user ^ r->p->seed ^ 0x75736572);
    struct dice base = {random_mix64(v->number ^ r->p->seed ^ 0x726f77)}, spell = {base.state ^ 0x7370656c6c};
    if (v->kind == GEN_COPY_RESPELT || v->kind == GEN_COPY_DIFFERENT)
        spell.state += (uint64_t)v->kind << 32 | v->detail;
    bool robot = v->user & GEN_ROBOT, always = v->kind == GEN_COPY_RESPELT;
    row->quoted = 0;
    row->style = 0;
    row->kept = v->kind < GEN_MALFORMED;
    row->time_null = false;
    row->nulled[0] = row->nulled[1] = row->nulled[2] = false;
    struct ip_addr address;
    make_event_id(r, v->number, row);
    make_user(r, v->user, row);
    make_time(r, v, &spell, always || (r->oddity_percent && roll_below(&spell, 100) < r->oddity_percent),
              row);
    make_page(r, v, &base, row);
    make_device(user_hash, row, robot);
    make_address(r, v, user_hash, row, &address);
    make_numbers(&base, row);
    unsigned agent = (unsigned)(user_hash % gen_agent_count);
    row->agent = (uint8_t)(robot ? gen_agent_count + (v->user & ~GEN_ROBOT) : agent);
    row->field[GEN_AGENT] = robot ? gen_robot_agents[v->user & ~GEN_ROBOT] : gen_agents[agent];
    if (!robot) row->quoted |= (uint32_t)r->agent_quoted[agent] << GEN_AGENT;
    if (r->oddity_percent) {
        if (roll_below(&base, 100) < r->oddity_percent) odd_values(r, v, &base, &address, row);
        if (always || roll_below(&spell, 100) < r->oddity_percent) odd_spelling(&spell, row);
        if (!row->kept) make_wrong(r, v, &spell, row);
    }
}
