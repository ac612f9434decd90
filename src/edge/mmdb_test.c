/* mmdb: the flattened look-up against libmaxminddb's own, on small databases written here and, when WEIR_MMDB
 * names one or setup has fetched the demo's, on a real one. */
#include "edge/mmdb.h"

#include "base/buf.h"
#include "base/random.h"
#include "edge/mmdb_writer_test.h"

#include <arpa/inet.h>
#include <maxminddb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[4096];

/* libmaxminddb 1.7 forgets the descriptions of some broken metadata. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libmaxminddb";
}

static void write_file(const void *data, size_t len) {
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void build_file(struct mmdb_writer *w, unsigned record_size, unsigned ip_version) {
    struct buf out;
    mmdb_writer_build(w, record_size, ip_version, &out);
    write_file(out.data, out.len);
    buf_release(&out);
    buf_release(&w->data);
}

/* ---- against libmaxminddb ---- */

static void text_at(MMDB_entry_s *entry, char *out, const char *a, const char *b) {
    MMDB_entry_data_s v;
    if (*out || MMDB_get_value(entry, &v, a, b, NULL) || !v.has_data || v.type != MMDB_DATA_TYPE_UTF8_STRING)
        return;
    memcpy(out, v.utf8_string, v.data_size);
    out[v.data_size] = 0;
}

static void expected(const MMDB_s *m, const struct ip_addr *a, char out[256]) {
    struct sockaddr_in s4 = {.sin_family = AF_INET};
    struct sockaddr_in6 s6 = {.sin6_family = AF_INET6};
    struct sockaddr *s = (struct sockaddr *)&s6;
    memcpy(&s6.sin6_addr, a->bytes, 16);
    if (!a->v6 || IN6_IS_ADDR_V4MAPPED(&s6.sin6_addr)) {
        s = (struct sockaddr *)&s4;
        memcpy(&s4.sin_addr, a->bytes + (a->v6 ? 12 : 0), 4);
    }
    int rc;
    MMDB_lookup_result_s r = MMDB_lookup_sockaddr(m, s, &rc);
    out[0] = 0;
    if (rc == MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR) {
        strcpy(out, "ZZ");
        return;
    }
    assert_int_equal(rc, MMDB_SUCCESS);
    if (r.found_entry) {
        text_at(&r.entry, out, "country", "iso_code");
        text_at(&r.entry, out, "country_code", NULL);
        text_at(&r.entry, out, "registered_country", "iso_code");
    }
    if (!*out) strcpy(out, "ZZ");
}

static void check(const struct mmdb *db, const MMDB_s *m, const struct ip_addr *a) {
    char want[256], text[64];
    expected(m, a, want);
    struct str got = mmdb_country_name(db, mmdb_country(db, a));
    if (str_eq(got, str_of(want))) return;
    inet_ntop(a->v6 ? AF_INET6 : AF_INET, a->bytes, text, sizeof text);
    fail_msg("%s: %.*s, not %s", text, (int)got.len, got.ptr, want);
}

/* a plus delta, as a number. */
static struct ip_addr step(struct ip_addr a, int delta) {
    for (int i = a.v6 ? 15 : 3; i >= 0; i--) {
        int v = a.bytes[i] + delta;
        a.bytes[i] = (uint8_t)v;
        if (v >= 0 && v <= 255) break;
        delta = v < 0 ? -1 : 1;
    }
    return a;
}

static struct ip_addr last_of(const struct mmdb_network *n) {
    struct ip_addr a = n->first;
    for (int i = n->prefix_len; i < (a.v6 ? 128 : 32); i++) a.bytes[i / 8] |= (uint8_t)(1 << (7 - i % 8));
    return a;
}

static struct ip_addr random_address(struct rng *r) {
    struct ip_addr a = {.v6 = rng_next(r) & 1};
    for (int i = 0; i < 16; i++) a.bytes[i] = (uint8_t)rng_next(r);
    if (!a.v6) return a;
    switch (rng_below(r, 6)) {
    case 0: memset(a.bytes, 0, 12); break;             /* ::/96 */
    case 1: memcpy(a.bytes, "\x20\x02", 2); break;     /* 6to4 */
    case 2: memcpy(a.bytes, "\x20\x01\0\0", 4); break; /* Teredo */
    case 3: memset(a.bytes, 0, 10), memset(a.bytes + 10, 255, 2); break;
    case 4: a.bytes[0] = 0x2a, a.bytes[1] = (uint8_t)rng_below(r, 16); break;
    default: break;
    }
    return a;
}

static void compare(unsigned random_count) {
    struct err e = {0};
    struct mmdb *db;
    MMDB_s m;
    if (mmdb_open(path, &db, &e)) fail_msg("%s", e.msg);
    assert_int_equal(MMDB_open(path, MMDB_MODE_MMAP, &m), MMDB_SUCCESS);
    struct rng r;
    rng_init(&r, 1, 2);
    for (unsigned i = 0; i < random_count; i++) {
        struct ip_addr a = random_address(&r);
        check(db, &m, &a);
    }
    const struct mmdb_network *n;
    size_t count = mmdb_networks(db, &n);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++) {
        struct ip_addr a = n[i].first, z = last_of(&n[i]), before = step(a, -1), after = step(z, 1);
        assert_int_not_equal(n[i].country, 0);
        assert_int_equal(mmdb_country(db, &a), n[i].country);
        assert_int_equal(mmdb_country(db, &z), n[i].country);
        check(db, &m, &a);
        check(db, &m, &z);
        check(db, &m, &before);
        check(db, &m, &after);
        if (i == 0 || n[i].first.v6 != n[i - 1].first.v6) continue;
        struct ip_addr previous = last_of(&n[i - 1]);
        assert_true(memcmp(previous.bytes, a.bytes, a.v6 ? 16 : 4) < 0);
    }
    MMDB_close(&m);
    mmdb_free(db);
}

static uint16_t look_up(const struct mmdb *db, const char *text) {
    struct ip_addr a = {.v6 = strchr(text, ':') != NULL};
    assert_int_equal(inet_pton(a.v6 ? AF_INET6 : AF_INET, text, a.bytes), 1);
    return mmdb_country(db, &a);
}

static void assert_country(const struct mmdb *db, const char *address, const char *want) {
    struct str got = mmdb_country_name(db, look_up(db, address));
    if (!str_eq(got, str_of(want))) fail_msg("%s: %.*s, not %s", address, (int)got.len, got.ptr, want);
}

static void assert_refused(const char *part) {
    struct err e = {0};
    struct mmdb *db = NULL;
    assert_int_equal(mmdb_open(path, &db, &e), ERR_INPUT);
    assert_null(db);
    if (!strstr(e.msg, part)) fail_msg("\"%s\" does not say \"%s\"", e.msg, part);
    assert_non_null(strstr(e.msg, path));
}

/* ---- tests ---- */

static void ipv4_only(void **state) {
    (void)state;
    static const unsigned sizes[] = {24, 28, 32};
    for (int i = 0; i < 3; i++) {
        struct mmdb_writer w;
        mmdb_writer_init(&w);
        int se = mmdb_writer_flat(&w, "SE"), de = mmdb_writer_flat(&w, "DE");
        mmdb_writer_insert(&w, "1.2.0.0", 16, se);
        mmdb_writer_insert(&w, "1.2.3.0", 24, de);
        mmdb_writer_insert(&w, "1.2.3.77", 32, se);
        mmdb_writer_insert(&w, "255.255.255.255", 32, de);
        mmdb_writer_insert(&w, "0.0.0.0", 32, se);
        build_file(&w, sizes[i], 4);
        compare(20000);
        struct err e;
        struct mmdb *db;
        assert_int_equal(mmdb_open(path, &db, &e), 0);
        assert_country(db, "1.2.3.76", "DE");
        assert_country(db, "1.2.3.77", "SE");
        assert_country(db, "1.3.0.0", "ZZ");
        assert_country(db, "0.0.0.0", "SE");
        assert_country(db, "255.255.255.255", "DE");
        assert_country(db, "::ffff:1.2.3.4", "DE"); /* 2.8: mapped is looked up as IPv4 */
        assert_country(db, "::1.2.3.4", "ZZ");      /* 2.8: other IPv6 finds nothing */
        assert_country(db, "2002:102:304::", "ZZ");
        assert_string_equal(mmdb_type(db), "Test-Country");
        assert_int_equal(mmdb_build_epoch(db), 1700000000);
        assert_int_equal(mmdb_country_count(db), 3);
        mmdb_free(db);
    }
}

static void ipv6_and_aliases(void **state) {
    (void)state;
    static const unsigned sizes[] = {24, 28, 32};
    for (int i = 0; i < 3; i++) {
        struct mmdb_writer w;
        mmdb_writer_init(&w);
        int se = mmdb_writer_nested(&w, "country", "SE"), de = mmdb_writer_nested(&w, "country", "DE");
        mmdb_writer_insert(&w, "::1.2.0.0", 96 + 16, se);
        mmdb_writer_insert(&w, "::1.2.3.0", 96 + 24, de);
        mmdb_writer_insert(&w, "2a00::", 16, se);
        mmdb_writer_insert(&w, "2a00:1:2:3::", 64, de);
        mmdb_writer_insert(&w, "2a00:1:2:4:8000::", 65, de);
        mmdb_writer_insert(&w, "2a00:1:2:5::1", 128, de);
        mmdb_writer_insert(&w, "2a00:1:2:6:ffff:ffff:ffff:ffff", 128, de);
        mmdb_writer_insert(&w, "2a00:1:2:7::1", 128, de);
        mmdb_writer_insert(&w, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", 127, de);
        mmdb_writer_insert(&w, "2002::", 16, mmdb_writer_node_at(&w, "::", 96));
        mmdb_writer_insert(&w, "2001::", 32, mmdb_writer_node_at(&w, "::", 96));
        mmdb_writer_insert(&w, "64:ff9b::", 96, mmdb_writer_node_at(&w, "::", 96));
        build_file(&w, sizes[i], 6);
        compare(20000);
        struct err e;
        struct mmdb *db;
        assert_int_equal(mmdb_open(path, &db, &e), 0);
        assert_country(db, "1.2.3.4", "DE");
        assert_country(db, "::1.2.3.4", "DE"); /* 2.8: ::/96 */
        assert_country(db, "::ffff:1.2.3.4", "DE");
        assert_country(db, "2002:102:304:5::6", "DE");
        assert_country(db, "2001:0:102:404::", "SE");
        assert_country(db, "64:ff9b::1.2.3.4", "DE");
        assert_country(db, "2a00:1:2:3::", "DE");
        assert_country(db, "2a00:1:2:4::", "SE");
        assert_country(db, "2a00:1:2:4:8000::", "DE");
        assert_country(db, "2a00:1:2:5::1", "DE");
        assert_country(db, "2a00:1:2:5::2", "SE");
        assert_country(db, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "DE");
        assert_country(db, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffd", "ZZ");
        mmdb_free(db);
    }
}

/* ::/64 is one record: all of IPv4 is, and nothing below. */
static void ipv4_part_ends_early(void **state) {
    (void)state;
    struct mmdb_writer w;
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "::", 64, mmdb_writer_flat(&w, "FI"));
    build_file(&w, 24, 6);
    compare(5000);
    struct err e;
    struct mmdb *db;
    assert_int_equal(mmdb_open(path, &db, &e), 0);
    assert_country(db, "200.1.2.3", "FI");
    mmdb_free(db);
}

/* 2.8: country.iso_code, else country_code, else registered_country.iso_code; a record without: nothing. */
static void keys_in_order(void **state) {
    (void)state;
    struct mmdb_writer w;
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "1.0.0.0", 8, mmdb_writer_nested(&w, "registered_country", "RC"));
    mmdb_writer_insert(&w, "2.0.0.0", 8, mmdb_writer_nested(&w, "continent", "EU"));
    int all = DATA + (int)w.data.len;
    mmdb_writer_map(&w.data, 3);
    mmdb_writer_text(&w.data, "registered_country");
    mmdb_writer_map(&w.data, 1);
    mmdb_writer_text(&w.data, "iso_code");
    mmdb_writer_text(&w.data, "RC");
    mmdb_writer_text(&w.data, "country_code");
    mmdb_writer_text(&w.data, "CC");
    mmdb_writer_text(&w.data, "country");
    mmdb_writer_map(&w.data, 1);
    mmdb_writer_text(&w.data, "iso_code");
    mmdb_writer_text(&w.data, "IC");
    mmdb_writer_insert(&w, "3.0.0.0", 8, all);
    int text = DATA + (int)w.data.len; /* {"country": "XX", "country_code": "CD"} as some databases have it */
    mmdb_writer_map(&w.data, 2);
    mmdb_writer_text(&w.data, "country");
    mmdb_writer_text(&w.data, "XX");
    mmdb_writer_text(&w.data, "country_code");
    mmdb_writer_text(&w.data, "CD");
    mmdb_writer_insert(&w, "4.0.0.0", 8, text);
    mmdb_writer_insert(&w, "5.0.0.0", 8, mmdb_writer_flat(&w, "ZZ"));
    build_file(&w, 28, 4);
    struct err e;
    struct mmdb *db;
    assert_int_equal(mmdb_open(path, &db, &e), 0);
    assert_country(db, "1.2.3.4", "RC");
    assert_country(db, "2.2.3.4", "ZZ");
    assert_country(db, "3.2.3.4", "IC");
    assert_country(db, "4.2.3.4", "CD");
    assert_int_equal(look_up(db, "5.2.3.4"), 0);
    mmdb_free(db);
    compare(1000);
}

static void refused(void **state) {
    (void)state;
    struct mmdb_writer w;
    struct buf out;
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "1.0.0.0", 8, mmdb_writer_nested(&w, "continent", "EU"));
    build_file(&w, 24, 4);
    assert_refused("has no country data");

    unlink(path);
    assert_refused("No such file");
    write_file("", 0);
    assert_refused("empty");
    write_file("event_id,user_id\n1,2\n", 21);
    assert_refused("not a usable MaxMind DB");

    /* A node that points at itself. */
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "1.0.0.0", 8, mmdb_writer_flat(&w, "SE"));
    w.child[3][0] = 3;
    build_file(&w, 24, 4);
    assert_refused("too deep");

    /* A tree whose every node has both children at the root: it would never end. */
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "::1", 128, mmdb_writer_flat(&w, "SE"));
    for (int i = 1; i < w.count - 1; i++) w.child[i][0] = w.child[i][1] = i + 1;
    w.child[w.count - 1][0] = w.child[w.count - 1][1] = NOTHING;
    build_file(&w, 24, 6);
    assert_refused("never ends");

    /* A pointer beyond the data. */
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "1.0.0.0", 8, DATA + 5000);
    mmdb_writer_flat(&w, "SE");
    build_file(&w, 32, 4);
    assert_refused("outside the data section");

    /* Lists in lists in lists … which libmaxminddb would follow by recursion. */
    mmdb_writer_init(&w);
    int deep = DATA + (int)w.data.len;
    mmdb_writer_map(&w.data, 2);
    mmdb_writer_text(&w.data, "x");
    for (int i = 0; i < 400000; i++) mmdb_writer_bytes(&w.data, "\x01\x04", 2);
    mmdb_writer_text(&w.data, "y");
    mmdb_writer_text(&w.data, "country_code");
    mmdb_writer_text(&w.data, "SE");
    mmdb_writer_insert(&w, "1.0.0.0", 8, deep);
    build_file(&w, 32, 4);
    assert_refused("nested too deeply");

    /* Cut short and with flipped bits: an error or an answer, never a crash. */
    mmdb_writer_init(&w);
    mmdb_writer_insert(&w, "::1.0.0.0", 96 + 8, mmdb_writer_nested(&w, "country", "SE"));
    mmdb_writer_insert(&w, "2a00::", 17, mmdb_writer_flat(&w, "DE"));
    mmdb_writer_build(&w, 24, 6, &out);
    struct rng r;
    rng_init(&r, 3, 4);
    for (int i = 0; i < 1500; i++) {
        struct err e;
        struct mmdb *db = NULL;
        uint8_t *copy = malloc(out.len);
        assert_non_null(copy);
        memcpy(copy, out.data, out.len);
        size_t len = out.len;
        if (i < 400)
            len = rng_below(&r, len);
        else
            for (uint64_t k = 1 + rng_below(&r, 3); k--;) copy[rng_below(&r, len)] = (uint8_t)rng_next(&r);
        write_file(copy, len);
        free(copy);
        int rc = mmdb_open(path, &db, &e);
        if (rc) {
            assert_int_equal(rc, ERR_INPUT);
            continue;
        }
        for (int k = 0; k < 50; k++) {
            struct ip_addr a = random_address(&r);
            assert_in_range(mmdb_country(db, &a), 0, mmdb_country_count(db) - 1);
        }
        mmdb_free(db);
    }
    buf_release(&out);
    buf_release(&w.data);
}

static void real_database(void **state) {
    (void)state;
    const char *real = getenv("WEIR_MMDB");
    if (!real && access(".cache/country.mmdb", R_OK) == 0) real = ".cache/country.mmdb"; /* setup's */
    if (!real) {
        print_message(
            "no real database (WEIR_MMDB, .cache/country.mmdb): the look-up is not compared on one\n");
        skip();
    }
    char own[sizeof path];
    memcpy(own, path, sizeof path);
    assert_true((size_t)snprintf(path, sizeof path, "%s", real) < sizeof path);
    compare(1000000);
    memcpy(path, own, sizeof path);
}

int main(void) {
    const char *tmp = getenv("TMPDIR");
    snprintf(path, sizeof path, "%.4000s/weir_mmdb_test_%ld.mmdb", tmp ? tmp : "/tmp", (long)getpid());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_only),
        cmocka_unit_test(ipv6_and_aliases),
        cmocka_unit_test(ipv4_part_ends_early),
        cmocka_unit_test(keys_in_order),
        cmocka_unit_test(refused),
        cmocka_unit_test(real_database),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
