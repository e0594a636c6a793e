/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * IP fragments: the first bears the ports, the later ones are placed by what it said. A later fragment that comes before
 * its first is lost to us, and the hello is `incomplete`.
 */
#ifndef WEIR_FRAGMENTS_H
#define WEIR_FRAGMENTS_H

#include <weir/platform.h>
#include <weir/scratch.h>

WEIR_INLINE void weir_datagram_of(struct weir_look *l)
{
	__builtin_memcpy(l->datagram.source, l->segment.flow.client, 16);
	__builtin_memcpy(l->datagram.destination, l->segment.flow.server, 16);
	l->datagram.id = l->segment.fragment_id;
	l->datagram.family = l->segment.family;
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
	if (!datagram)
		return -1;
	weir_count(frame, WEIR_COUNT_FRAGMENTS);
	if (l->segment.fragment_at < datagram->header) {
		weir_count(frame, WEIR_COUNT_FRAGMENTS_LOST);
		return -1;
	}
	l->segment.flow = datagram->flow;
	l->segment.sequence = datagram->sequence + l->segment.fragment_at - datagram->header;
	l->segment.acknowledged = datagram->acknowledged;
	l->segment.flags = WEIR_TCP_ACK;
	l->segment.transport_at = l->segment.payload_at;
	return 0;
}
#endif
