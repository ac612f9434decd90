#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static int policy_after(int policy) {
    const struct sched_param none = {0};
    assert_false(pthread_setschedparam(pthread_self(), policy, &none));
    threads_be_patient();
    return sched_getscheduler(0);
}

static void *in_a_thread(void *policy) {
    *(int *)policy = policy_after(*(int *)policy);
    return NULL;
}

/* In a thread of its own: from idle there is a way back only with rights. */
static int policy_in_a_thread(int policy) {
    pthread_t t;
    assert_false(pthread_create(&t, NULL, in_a_thread, &policy));
    assert_false(pthread_join(t, NULL));
    return policy;
}

static void test_patience(void **state) {
    (void)state;
    assert_int_equal(policy_in_a_thread(SCHED_OTHER), SCHED_BATCH);
    assert_int_equal(policy_in_a_thread(SCHED_IDLE), SCHED_IDLE);
}

static void *until_interrupted(void *code) {
    struct err e;
    while (!(*(int *)code = interrupt_check(&e))) sched_yield();
    return NULL;
}

/* The handler runs in one thread, others look (under TSan: without a race). */
static void test_interrupt_is_seen_by_all(void **state) {
    (void)state;
    pthread_t t;
    int code = 0;
    interrupt_install();
    assert_false(pthread_create(&t, NULL, until_interrupted, &code));
    assert_false(raise(SIGTERM));
    assert_false(pthread_join(t, NULL));
    assert_int_equal(code, ERR_INTERRUPTED);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patience),
        cmocka_unit_test(test_interrupt_is_seen_by_all), /* the last: it stays interrupted */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
