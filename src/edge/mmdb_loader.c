#include "edge/mmdb.h"

static void *load(void *arg) {
    struct mmdb_loader *l = arg;
    l->rc = mmdb_open(l->path, &l->mmdb, &l->err);
    return NULL;
}

void mmdb_loader_start(struct mmdb_loader *l, const char *path) {
    *l = (struct mmdb_loader){.path = path, .begun = true};
    pthread_mutex_init(&l->lock, NULL);
    l->running = pthread_create(&l->thread, NULL, load, l) == 0;
    if (!l->running) load(l); /* a machine that refuses more threads still finishes */
}

static void wait_for(struct mmdb_loader *l) {
    pthread_mutex_lock(&l->lock);
    if (l->running) pthread_join(l->thread, NULL);
    l->running = false;
    pthread_mutex_unlock(&l->lock);
}

int mmdb_loader_get(struct mmdb_loader *l, const struct mmdb **out, struct err *e) {
    wait_for(l);
    if (l->rc) *e = l->err;
    *out = l->mmdb;
    return l->rc;
}

void mmdb_loader_release(struct mmdb_loader *l) {
    if (!l->begun) return;
    wait_for(l);
    mmdb_free(l->mmdb);
    pthread_mutex_destroy(&l->lock);
    l->begun = false;
}
