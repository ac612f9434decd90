#include "base/slabs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Slabs do not overlap, and one given back comes again before new memory is taken. */
static void gives_and_takes(void **state) {
    (void)state;
    enum { COUNT = 200 }; /* more than one block of 2 MiB */
    struct slabs s;
    unsigned char *slab[COUNT];
    slabs_init(&s);
    for (int i = 0; i < COUNT; i++) {
        slab[i] = slabs_take(&s);
        assert_non_null(slab[i]);
        assert_int_equal((uintptr_t)slab[i] % 64, 0);
        memset(slab[i], i, SLAB_BYTES);
    }
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(slab[i][0], i);
        assert_int_equal(slab[i][SLAB_BYTES - 1], i);
    }
    slabs_give(&s, slab[5]);
    slabs_give(&s, slab[150]);
    assert_ptr_equal(slabs_take(&s), slab[150]);
    assert_ptr_equal(slabs_take(&s), slab[5]);
    slabs_release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(gives_and_takes)};
    return cmocka_run_group_tests_name("slabs", tests, NULL, NULL);
}
