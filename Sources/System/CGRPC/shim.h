/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's C core (libgrpc-dev), with the macros that Swift cannot see. */
#ifndef CGRPC_SHIM_H
#define CGRPC_SHIM_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/time.h>
#include <pthread.h>

static inline const uint8_t *grpc_slice_bytes(const grpc_slice *slice) { return GRPC_SLICE_START_PTR(*slice); }
static inline size_t grpc_slice_size(const grpc_slice *slice) { return GRPC_SLICE_LENGTH(*slice); }

/* A deadline so many milliseconds from now. */
static inline gpr_timespec grpc_in_milliseconds(int64_t milliseconds)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(milliseconds, GPR_TIMESPAN));
}
#endif
