/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IP fragments: the first bears the ports, the later ones are placed by what it said. A later fragment that comes before
 * its first is placed by nobody: what it said is not known, so no hello of its sender's that came in fragments is clean
 * while one may wait in somebody's queue.
 */
#ifndef WEIR_FRAGMENTS_H
#define WEIR_FRAGMENTS_H

#include <weir/cursor.h>
#include <weir/frame.h>
#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_REASSEMBLY_NS (30 * WEIR_SECOND)	/* how long a stack keeps fragments (Linux: ipfrag_time) */

WEIR_INLINE void weir_datagram_of(struct weir_look *l)
{
	__builtin_memcpy(l->datagram.source, l->segment.flow.client, 16);
	__builtin_memcpy(l->datagram.destination, l->segment.flow.server, 16);
	l->datagram.id = l->segment.fragment_id;
	l->datagram.family = l->segment.family;
}

/* When a fragment from here to there was last one that nothing placed. Two pairs of addresses may share it, which only makes it more careful. */
WEIR_INLINE __u64 *weir_unplaced(weir_frame *frame, const struct weir_flow_key *flow)
{
	return weir_unplaced_at(frame, (__u32)(weir_hash_flow(flow, 0) >> 32));
}

/* May a fragment of this client's that nobody has placed be part of what its server reads? */
WEIR_INLINE int weir_is_unplaced(weir_frame *frame, struct weir_look *l, __u64 now)
{
	__u64 *when = weir_unplaced(frame, &l->segment.flow);

	return !when || (*when && now - *when < WEIR_REASSEMBLY_NS);
}

/* The first fragment of a client's segment: the rest of it is found by this. */
WEIR_INLINE void weir_first_fragment(weir_frame *frame, struct weir_look *l)
{
	struct weir_datagram datagram = {
		.sequence = l->segment.sequence,
		.acknowledged = l->segment.acknowledged,
		.header = l->segment.payload_at - l->segment.transport_at,
	};

	weir_datagram_of(l);
	datagram.flow = l->segment.flow;
	weir_count(frame, WEIR_COUNT_FRAGMENTS);
	WEIR_STORE(frame, datagrams, &l->datagram, &datagram, BPF_ANY);
}

/* A later one becomes the segment that it is part of. Returns 0, or -1 when its first was not seen. */
WEIR_INLINE int weir_later_fragment(weir_frame *frame, struct weir_look *l)
{
	struct weir_datagram *datagram;

	weir_datagram_of(l);
	datagram = WEIR_LOOKUP(frame, datagrams, &l->datagram);
	if (!datagram || l->segment.fragment_at < datagram->header) {
		__u64 *when = weir_unplaced(frame, &l->segment.flow);

		if (when)
			*when = weir_now(frame);
		if (datagram)
			weir_count(frame, WEIR_COUNT_FRAGMENTS_LOST);
		return -1;
	}
	weir_count(frame, WEIR_COUNT_FRAGMENTS);
	l->segment.flow = datagram->flow;
	l->segment.sequence = datagram->sequence + l->segment.fragment_at - datagram->header;
	l->segment.acknowledged = datagram->acknowledged;
	l->segment.flags = WEIR_TCP_ACK;
	l->segment.transport_at = l->segment.payload_at;
	return 0;
}
#endif
