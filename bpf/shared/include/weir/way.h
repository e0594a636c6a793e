/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A frame's headers, as far as they are wanted, and which way it goes. */
#ifndef WEIR_WAY_H
#define WEIR_WAY_H

#include <weir/frame.h>
#include <weir/platform.h>
#include <weir/scratch.h>

/*
 * Who of the two is the client, and is that ours to look at? The segment's flow is turned round if it runs the other way.
 * -1: neither port is watched. What comes in for a watched port is a client's, what goes out from one a server's, whatever
 * the other port is. In a capture both may be watched: then a SYN-ACK, and what is known of the flow, tell.
 */
WEIR_INLINE int weir_orient(weir_frame *frame, struct weir_look *l, enum weir_hook hook)
{
	const struct weir_config *config = weir_policy(frame);
	int to_watched = weir_watched(config, l->segment.flow.server_port), from_watched = weir_watched(config, l->segment.flow.client_port);
	int from_client = hook == WEIR_HOOK_OUT || hook == WEIR_HOOK_OUTGOING ? !from_watched : to_watched;
	struct weir_flow_key turned;

	if (!to_watched && !from_watched)
		return -1;
	if (hook != WEIR_HOOK_ANY) {
		if (from_client)
			return 1;
		weir_turn(&turned, &l->segment.flow);
		l->segment.flow = turned;
		return 0;
	}
	if (from_watched) {
		weir_turn(&turned, &l->segment.flow);
		if (from_client)
			from_client = (l->segment.flags & (WEIR_TCP_SYN | WEIR_TCP_ACK)) != (WEIR_TCP_SYN | WEIR_TCP_ACK) &&
				      !WEIR_LOOKUP(frame, flows, &turned);
		if (!from_client)
			l->segment.flow = turned;
	}
	return from_client;
}

/* What is read besides TCP. */
WEIR_INLINE __u32 weir_wanted(const struct weir_config *config)
{
	return (config->decap ? WEIR_READ_TUNNELS : 0) | (config->quic_ports[0] ? WEIR_READ_DATAGRAMS : 0);
}

/* Headers that could not be read: once more with more of the frame, where options and extension headers need it; else counted. Rare. */
WEIR_ONCE int weir_read_deeper(weir_frame *frame, struct weir_look *l, int result)
{
	__u32 size = weir_frame_size(frame);

	WEIR_USED(frame);
	if (!l)
		return WEIR_NOT_OURS;
	if (result == WEIR_TOO_DEEP && l->have == WEIR_HEAD_PLAIN && size > WEIR_HEAD_PLAIN) {
		size = size < WEIR_HEAD_CAP ? size : WEIR_HEAD_CAP;
		if (!weir_bytes(frame, 0, l->head, size, WEIR_HEAD_CAP)) {
			l->have = size;
			result = weir_read_frame(l, size, weir_frame_size(frame), weir_wanted(weir_policy(frame)));
		}
	}
	if (result == WEIR_TOO_DEEP)
		weir_count(frame, WEIR_COUNT_DEEP_HEADERS);
	else if (result <= WEIR_SEALED)
		weir_count(frame, result == WEIR_SEALED ? WEIR_COUNT_TUNNELS_SEALED : WEIR_COUNT_TUNNELS_SPLIT);
	return result;
}
#endif
