/* Waiting before another try. */
#ifndef WEIR_BASE_BACKOFF_H
#define WEIR_BASE_BACKOFF_H

#include "base/err.h"

#include <stdint.h>

/* Sleep before try `number` (from 0): about first_us, doubled each time, about most_us at most; in both cases
 * a quarter to five quarters of that, at random, which keeps those that failed together from meeting again.
 * ERR_INTERRUPTED after Ctrl-C. */
int backoff_wait(unsigned number, uint64_t first_us, uint64_t most_us, struct err *e);

#endif
