#include "etl/gen_text.h"

#include "base/random.h"

#include <stdio.h>

const struct str gen_agents[] = {
    STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 "
        "Safari/537.36"),
    STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 "
        "Safari/537.36"),
    STR("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/133.0.0.0 Safari/537.36"),
    STR("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.3 Safari/605.1.15"),
    STR("Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/18.3 Mobile/15E148 Safari/604.1"),
    STR("Mozilla/5.0 (iPhone; CPU iPhone OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
        "Version/17.7 Mobile/15E148 Safari/604.1"),
    STR("Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 Mobile "
        "Safari/537.36"),
    STR("Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
        "Mobile Safari/537.36"),
    STR("Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.7 "
        "Mobile/15E148 Safari/604.1"),
    STR("Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0"),
    STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0"),
    STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    STR("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/133.0.0.0 "
        "Safari/537.36 Edg/133.0.0.0"),
    STR("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/132.0.0.0 "
        "Safari/537.36"),
    STR("Opera/9.80 (Windows NT 6.1; U; \"quoted\") Presto/2.10.289 Version/12.02"),
    STR("curl/7.88.1"),
};
const unsigned gen_agent_count = sizeof gen_agents / sizeof *gen_agents;

const struct str gen_robot_agents[GEN_ROBOTS] = {
    STR("Mozilla/5.0 (compatible; CrawlerBot/2.1; +https://crawler.example/bot.html)"),
    STR("FeedFetcher/1.0 (+https://feeds.example/about)"),
    STR("Mozilla/5.0 (compatible; SeoSpider/7~bl; +https://spider.example/robot/)"),
};
const struct str gen_robot_users[GEN_ROBOTS] = {STR("bot-crawler"), STR("bot-feeds"), STR("bot-spider")};

const struct str gen_nulls[] = {
    STR(""),     STR("null"), STR("NULL"), STR("Null"), STR("none"), STR("None"),
    STR("NONE"), STR("nan"),  STR("NaN"),  STR("NAN"),  STR("n/a"),  STR("N/A"),
    STR("N/a"),  STR("\\N"),  STR("\\n"),  STR("-"),    STR("nULl"), STR("nOnE"),
};
const unsigned gen_null_count = sizeof gen_nulls / sizeof *gen_nulls;

static const char *const sections[] = {"shoes", "jackets", "bags",   "watches", "garden", "kitchen",
                                       "books", "toys",    "sports", "music",   "tools",  "lamps",
                                       "paper", "coffee",  "tea",    "bikes"};
static const char *const words[] = {"red",    "blue",   "classic", "light", "urban",  "trail",
                                    "winter", "summer", "smart",   "solid", "wooden", "steel",
                                    "cotton", "silk",   "mini",    "grand"};
static const char *const foreign[] = {"/k\xc3\xa4se/stra\xc3\x9f"
                                      "e",
                                      "/caf\xc3\xa9/cr\xc3\xa8me-br\xc3\xbbl\xc3\xa9"
                                      "e",
                                      "/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e/\xe8\xa3\xbd\xe5\x93\x81",
                                      "/\xd0\xbf\xd0\xbe\xd0\xb8\xd1\x81\xd0\xba",
                                      "/%E2%82%AC-sale",
                                      "/emoji/\xf0\x9f\x91\x9f"};

static const char *page(struct arena *a, unsigned i) {
    uint64_t h = random_mix64(i ^ 0x706167);
    const char *section = sections[h & 15], *w1 = words[h >> 4 & 15], *w2 = words[h >> 8 & 15];
    unsigned n = i * 7 + 100;
    if (i == 0) return "https://shop.example.com/";
    if (i < 17) return arena_printf(a, "https://shop.example.com/%s/", sections[i - 1]);
    switch (h >> 12 & 31) {
    case 0: return arena_printf(a, "https://shop.example.com/search?q=%s,%s&page=%u", w1, w2, i % 9 + 1);
    case 1: return arena_printf(a, "https://shop.example.com/search?q=\"%s %s\"&in=%s", w1, w2, section);
    case 2: return arena_printf(a, "https://shop.example.com%s/%u", foreign[i % 6], n);
    case 3:
        return arena_printf(a, "https://shop.example.com/%s?sort=price&color=%s&size=%u", section, w1,
                            i % 50);
    case 4: return arena_printf(a, "/checkout/step-%u?cart=%u", i % 4 + 1, n);
    case 5:
    case 6:
    case 7:
    case 8: return arena_printf(a, "https://blog.example.com/2025/%02u/%s-%s-%u", i % 12 + 1, w1, section, n);
    default: return arena_printf(a, "https://shop.example.com/%s/%s-%s-%u", section, w1, w2, n);
    }
}

static const char *source(struct arena *a, unsigned i) {
    const char *w = words[i * 5 % 16], *s = sections[i * 3 % 16];
    switch (i % 16) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: return "https://www.google.com/";
    case 5: return "-";
    case 6:
    case 7: return "";
    case 8: return arena_printf(a, "https://www.bing.com/search?q=%s+%s", w, s);
    case 9: return arena_printf(a, "https://duckduckgo.com/?q=%s+%s", w, s);
    case 10: return "https://t.co/";
    case 11: return arena_printf(a, "https://news.example.org/item?id=%u", 40000000 + i * 977);
    case 12: return arena_printf(a, "https://www.facebook.com/l.php?u=%s,%s", w, s);
    case 13: return arena_printf(a, "https://mail.example.net/inbox/%s", s);
    case 14: return "android-app://com.google.android.gm/";
    default: return arena_printf(a, "https://%s-%s.example.org/best-%s", w, s, s);
    }
}

int gen_texts_init(struct gen_texts *t, struct arena *a, struct err *e) {
    static const char *const media[] = {"newsletter", "google", "facebook", "partner"};
    for (unsigned i = 0; i < GEN_PAGES; i++)
        if (!(t->pages[i] = str_of(page(a, i))).ptr) return err_nomem(e);
    for (unsigned i = 0; i < GEN_SOURCES; i++)
        if (!(t->sources[i] = str_of(source(a, i))).ptr) return err_nomem(e);
    for (unsigned i = 0; i < GEN_CAMPAIGNS; i++) {
        t->campaigns[i] =
            str_of(arena_printf(a, "utm_source=%s&utm_campaign=%s-%u", media[i % 4], words[i % 16], i));
        if (!t->campaigns[i].ptr) return err_nomem(e);
    }
    return 0;
}
