/* Prepared frames out by one interface as fast as one core can, or so many a second. */
#ifndef WEIR_CSENDER_H
#define WEIR_CSENDER_H

#include <stdint.h>

struct weir_sending {
	/* Frames one behind the other; frame i ends before ends[i]. */
	const uint8_t *bytes;
	const uint32_t *ends;
	/* first[i]: a hello begins with frame i. */
	const uint8_t *first;
	uint32_t count;
};

struct weir_sent {
	uint64_t hellos, frames, nanoseconds;
	/* Of this thread, user and system, the receiving side of a veth included: it runs where the sender does. */
	uint64_t cpu_nanoseconds;
};

/* A packet socket that leaves by ifindex past its queueing discipline. A descriptor, or -1 with errno set. */
int weir_sender_socket(int ifindex);

/* Only this processor from now on. 0 or -1. */
int weir_pin(int processor);

/*
 * Sends so many hellos, `per_second` of them (0: as fast as possible), over the frames again and again. In each pass, counted by *pass across
 * calls, sources and randoms are others, so no flow comes twice in 200 passes. 0, or -1 with errno set.
 */
int weir_send(int socket, const struct weir_sending *sending, uint32_t *pass, uint64_t hellos, double per_second, struct weir_sent *sent);
#endif
