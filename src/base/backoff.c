#include "base/backoff.h"

#include "base/random.h"
#include "base/threads.h"

#include <time.h>

enum { DOUBLINGS = 10, PIECE_US = 50000 };

int backoff_wait(unsigned number, uint64_t first_us, uint64_t most_us, struct err *e) {
    uint32_t r = 0;
    TRY(random_bytes(&r, sizeof r, e));
    uint64_t about_us = first_us << (number < DOUBLINGS ? number : DOUBLINGS);
    if (about_us > most_us) about_us = most_us;
    uint64_t us = about_us / 4 + r % about_us;
    while (us) { /* in pieces: a signal may reach another thread */
        TRY(interrupt_check(e));
        uint64_t piece = us < PIECE_US ? us : PIECE_US;
        nanosleep(&(struct timespec){0, (long)piece * 1000}, NULL);
        us -= piece;
    }
    return interrupt_check(e);
}
