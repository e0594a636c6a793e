/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_FUZZ_H
#define FLOW_FUZZ_H

#include <stddef.h>
#include <weir/engine.h>

/* Runs one program. NULL, or how the oracle is broken, until the next call. One thread at a time. */
const char *weir_flow_try(const __u8 *data, size_t size);

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size);
#endif
