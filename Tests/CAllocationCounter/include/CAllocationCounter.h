/* Counts this thread's allocations by standing before the C library's. */
#ifndef WEIR_ALLOCATION_COUNTER_H
#define WEIR_ALLOCATION_COUNTER_H

#include <stdint.h>

uint64_t weir_allocations(void);
#endif
