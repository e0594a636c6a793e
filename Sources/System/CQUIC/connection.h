/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection whose hello is put together, and the reader that has them. */
#ifndef WEIR_QUIC_CONNECTION_H
#define WEIR_QUIC_CONNECTION_H

#include <initials.h>

#include "packet.h"

#include <string.h>

#define WAYS 8
#define WAIT_NS (3 * WEIR_SECOND)
#define NONE 0xffffu

struct connection {
	struct weir_flow_key flow;
	struct quic_id client, original;
	struct quic_keys keys;
	__u32 version;
	__u64 last_ns;			/* 0: the place is free */
	struct weir_handshake seen;
	__u32 base;			/* where the hello begins in the stream: the second one, after a HelloRetryRequest, behind the first */
	__u32 need, got;		/* bytes of the hello; 0: not known */
	__u16 next;			/* in the list of those to be told; NONE: the last */
	__u8 is_whole, is_proven, is_told;
	__u8 is_judged;			/* `limiting` is known */
	__u8 is_spoilt;			/* a server may have read something else */
	__u64 limiting;			/* what the policy limits of what is wrong with the hello */
	__u64 have[WEIR_INITIALS_HELLO / 64]; /* a bit for each byte */
	__u8 bytes[WEIR_INITIALS_HELLO];
};

struct weir_initials {
	struct connection *places;
	struct quic_opener *opener;
	__u16 first, last;		/* to be told */
	__u8 payload[QUIC_DATAGRAM + QUIC_TAG];
	struct weir_initials_counts counts;
};

static inline int same_id(const struct quic_id *a, const struct quic_id *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

static inline int is_queued(const struct weir_initials *r, const struct connection *c)
{
	return c->is_told && (c->next != NONE || r->last == (__u16)(c - r->places));
}

/* Reads the frames of the opened packet, `end` bytes of them. -1 for what no Initial may bear, or what contradicts what came before. */
int quic_read_frames(struct weir_initials *r, struct connection *c, __u32 end);
#endif
