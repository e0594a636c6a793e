/* The compiled probe, inside the program that loads it: one file to copy, and no path to get wrong. */
#ifndef WEIR_CPROBE_H
#define WEIR_CPROBE_H

#include <stddef.h>

/* `make bpf` builds both: for kernels with may_goto, and for those without. */
const void *weir_probe_object(int may_goto, size_t *size);
#endif
