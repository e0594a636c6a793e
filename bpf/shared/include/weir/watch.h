/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One frame's way: which flow it belongs to, whether that flow's handshake is proven, whether its hello is whole,
 * and what is said about it. Kernel and replay run exactly this.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <weir/platform.h>
#include <weir/frame.h>
#include <weir/client_hello.h>
#include <weir/assembly.h>
#include <weir/verdict.h>
#include <weir/fragments.h>
#include <weir/preamble.h>
#include <weir/records.h>

/* What the limiter's verdict means for the frame and its flow. A fragment cannot become a RST: the rest of its datagram would follow. */
WEIR_INLINE void weir_obey(struct weir_look *l, const struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	if (!enforcing)
		return;
	if (s->record.action == WEIR_RESET && !l->segment.fragment) {
		l->order = WEIR_DO_RESET;
		flow->state = WEIR_FLOW_DONE;
	} else if (s->record.action == WEIR_RESET || s->record.action == WEIR_DROPPED) {
		l->order = WEIR_DO_DROP;
		flow->state = WEIR_FLOW_HELD;
	}
}

#define WEIR_NOT_TLS_BYTES 512		/* of what is no TLS, these travel */

/* What is said of first client bytes that are not the start of a ClientHello. */
WEIR_INLINE void weir_misfit(struct weir_handshake *r, const __u8 *first)
{
	if (first[0] == 22) {
		WEIR_FOUND(r, first[1] != 3 || !(first[3] | first[4]) || ((__u32)first[3] << 8 | first[4]) > WEIR_RECORD_MOST ? WEIR_BAD_RECORD : WEIR_MALFORMED_HELLO);
	} else if (weir_is_sslv2(first)) {
		WEIR_FOUND(r, WEIR_SSLV2_HELLO);
		r->version = (__u16)(first[3] << 8 | first[4]);
	} else {
		WEIR_FOUND(r, WEIR_NOT_TLS);
		r->subtype = (__u8)weir_subtype_of(first);
	}
}

/* Reads the segment's first bytes; what it lacks of sixteen is zero. -1 when the capture has cut them off. */
WEIR_INLINE int weir_read_first(weir_frame *frame, struct weir_look *l)
{
	__u32 n = l->segment.payload_size < WEIR_FIRST ? l->segment.payload_size : WEIR_FIRST;

	__builtin_memset(l->first, 0, sizeof(l->first));
	return weir_bytes(frame, l->segment.payload_at, l->first, n, WEIR_FIRST);
}

/* Moves the segment's start past a preamble. 0: nothing is left in it, 1: something is, -1: there was none. */
WEIR_ONCE int weir_skip_preamble(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_segment *seg;
	enum weir_preamble kind;
	const __u8 *first;
	__u32 size;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return -1;
	seg = &l->segment;
	first = l->first;
	if (first[0] == 22 || !flow->proof || flow->skipped >= WEIR_SKIPS_MAX)
		return -1;
	kind = weir_preamble_of(first, seg->payload_size < WEIR_FIRST ? seg->payload_size : WEIR_FIRST, seg->payload_size, flow->preamble);
	size = weir_preamble_size(frame, seg, s, kind, first);
	if (!size || size > 1u << 16)
		return -1;
	flow->preamble = (__u8)kind;
	flow->skipped++;
	flow->base += size;
	if (size >= seg->payload_size)
		return 0;
	seg->sequence += size;
	seg->payload_at += size;
	seg->payload_size -= size;
	return 1;
}

/*
 * The first client bytes are here and whole: judged in one go. What the two judges return: 0, nothing is to be
 * concluded; n > 0, a verdict stands in the record with n - 1 bytes of message; -1, the hello has to be assembled.
 */
WEIR_INLINE int weir_judge_segment(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	const struct weir_segment *seg;
	const __u8 *first;
	__u32 size, length, at;
	int is_tls, is_hello;

	seg = &l->segment;
	first = l->first;
	at = seg->payload_at;
	is_tls = first[0] == 22;
	if (is_tls && seg->payload_size < 9)
		return -1;
	size = (__u32)first[3] << 8 | first[4];
	length = weir_announced((__u32)first[5] << 24 | (__u32)first[6] << 16 | (__u32)first[7] << 8 | first[8]);
	is_hello = is_tls && first[1] == 3 && first[5] == 1 && size && size <= WEIR_RECORD_MOST;
	if (is_hello && (length + 5 > seg->payload_size || size < length || length > WEIR_MESSAGE_CAP))
		return -1;
	if (!is_hello && !flow->proof) {
		flow->state = WEIR_FLOW_DONE;
		return 0;			/* the middle of something else */
	}
	weir_begin_here(frame, l, s, flow);
	if (is_tls) {
		s->record.hello_length = length;
		at += 5;
		if (length + 5 > seg->payload_size)
			length = seg->payload_size - 5;	/* of something malformed, what is there */
	} else {
		length = seg->payload_size;
	}
	if (!is_hello && length > WEIR_NOT_TLS_BYTES)
		length = WEIR_NOT_TLS_BYTES;
	flow->state = WEIR_FLOW_DONE;
	if (length && weir_bytes(frame, at, s->bytes, length, WEIR_MESSAGE_CAP)) {
		weir_unreadable(frame, l, s, flow, WEIR_REASON_CAPTURE);
		return 0;
	}
	if (is_hello) {
		weir_read_client_hello(s, length);
		weir_expect_records(l, s, flow, seg->sequence + 5 + size);
	} else {
		weir_misfit(&s->record, first);
	}
	return (int)length + 1;
}

/* The unfinished hello that this segment is part of, or a new one; 0 when there is no room. */
WEIR_INLINE struct weir_assembly *weir_assembly_of(weir_frame *frame, struct weir_look *l, struct weir_flow *flow)
{
	struct weir_assembly *a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);

	if (a)
		return a;
	if (!weir_new_assembly(frame, &l->segment.flow))
		a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
	if (!a)
		return 0;
	a->first_ns = l->now;
	a->proof = flow->proof;
	a->preamble = flow->preamble;
	a->direction = l->direction;
	a->ifindex = weir_ifindex(frame);
	a->vlan_tags = l->segment.vlan_tags;
	a->tunnels = l->segment.tunnels;
	flow->state = WEIR_FLOW_ASSEMBLING;
	return a;
}

/* Places a segment of an unfinished hello, and judges the hello if that made it whole. */
WEIR_ONCE int weir_assemble(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a;
	struct weir_handshake *r;
	__u32 relative, length = 0;
	int stream;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return 0;
	r = &s->record;
	relative = l->segment.sequence - flow->base;
	if (relative >= 1u << 30)		/* before the first byte: an old copy */
		return 0;
	a = weir_assembly_of(frame, l, flow);
	if (!a) {
		weir_count(frame, WEIR_COUNT_NO_ROOM);
		weir_unreadable(frame, l, s, flow, WEIR_REASON_NO_ROOM);
		flow->state = WEIR_FLOW_DONE;
		return 0;
	}
	a->last_ns = l->now;
	l->sequence = flow->base + a->filled;
	if (l->segment.fragment)
		a->flags |= WEIR_FLAG_FRAGMENTS;
	a->place_from = l->segment.payload_at;
	a->reason = WEIR_REASON_EVICTED;
	if (weir_intact(frame, a))
		a->reason = (__u8)weir_place(frame, a, s, relative, l->segment.payload_size);
	stream = a->reason ? WEIR_STREAM_LONG : weir_walk(frame, a);
	if (stream == WEIR_STREAM_WHOLE && (weir_gather(frame, a, s) || !weir_intact(frame, a))) {
		a->reason = WEIR_REASON_EVICTED;
		stream = WEIR_STREAM_LONG;
	}
	if (stream == WEIR_STREAM_MORE) {
		if (a->filled < WEIR_STREAM_CAP)
			return 0;
		stream = WEIR_STREAM_LONG;
	}
	flow->state = WEIR_FLOW_DONE;
	if (stream == WEIR_STREAM_LONG) {
		if (!a->reason)
			a->reason = WEIR_REASON_TOO_LONG;
		if (a->reason == WEIR_REASON_EVICTED)
			weir_count(frame, WEIR_COUNT_EVICTED);
		weir_give_up(frame, s, &l->segment.flow, a, l->now);
		return 0;
	}
	weir_begin(s, &l->segment.flow, l->now);
	if (l->segment.payload_size < 64 && a->tiny)
		a->tiny--;			/* the last may be as small as it likes */
	weir_copy_history(r, a);
	if (l->now - a->first_ns > 5 * WEIR_SECOND)
		WEIR_FOUND(r, WEIR_SLOW_HELLO);
	r->completeness = WEIR_REASSEMBLED;
	weir_count(frame, WEIR_COUNT_ASSEMBLED);
	if (stream == WEIR_STREAM_WHOLE) {
		length = weir_announced(a->head);
		r->hello_length = length;
		weir_read_client_hello(s, length);
		weir_expect_records(l, s, flow, flow->base + a->header_at);
	} else {
		WEIR_FOUND(r, a->records ? a->head_have == 4 && a->head >> 24 != 1 ? WEIR_MALFORMED_HELLO : WEIR_BAD_RECORD : WEIR_BAD_RECORD);
	}
	WEIR_REMOVE(frame, assemblies, &l->segment.flow);
	return (int)length + 1;
}

/* FIN or RST before the hello is whole. The flow lives on: whoever forged the RST has won nothing. */
WEIR_INLINE void weir_closed(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a;

	if (flow->state == WEIR_FLOW_EXPECTING) {
		if (!flow->skipped || flow->preamble <= WEIR_PREAMBLE_PROXY2)
			return;
		/* A proxy was asked for and no hello came: whoever looks for open proxies speaks no TLS. */
		flow->state = WEIR_FLOW_DONE;
		weir_begin_here(frame, l, s, flow);
		WEIR_FOUND(&s->record, WEIR_NOT_TLS);
		s->record.subtype = flow->preamble == WEIR_PREAMBLE_CONNECT ? WEIR_SUBTYPE_HTTP : WEIR_SUBTYPE_OTHER;
		weir_conclude(frame, l, s, 0, 0);
		return;
	}
	if (flow->state != WEIR_FLOW_ASSEMBLING)
		return;
	flow->state = WEIR_FLOW_EXPECTING;
	a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
	if (!a)
		return;
	a->reason = WEIR_REASON_CLOSED;
	weir_give_up(frame, s, &l->segment.flow, a, l->now);
}

/* Something else that a judged flow has done: told once each. */
WEIR_INLINE void weir_after(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	l->turns = 0;
	weir_follow(frame, l, flow);
	l->noted &= ~flow->noted;
	l->notes &= ~flow->notes;
	if (!l->noted && !l->notes)
		return;
	flow->noted |= l->noted;
	flow->notes |= l->notes;
	l->now = weir_now(frame);
	l->sequence = l->segment.sequence;
	weir_begin_here(frame, l, s, flow);
	s->record.kind = WEIR_KIND_FLOW;
	s->record.anomalies = l->noted;
	s->record.notes = l->notes;
	weir_conclude(frame, l, s, enforcing, 0);
	weir_obey(l, s, flow, enforcing);
}

/* SYN-ACK: half of the proof, and the end of whatever used the 5-tuple before. Only the server can send it. */
WEIR_ONCE int weir_syn_ack(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_flow fresh = { .state = WEIR_FLOW_SYN_ACK };
	struct weir_flow *known;

	WEIR_USED(frame);
	if (!l || !s)
		return -1;
	fresh.first_ns = l->now;
	fresh.client_isn = l->segment.acknowledged - 1;
	fresh.server_isn = l->segment.sequence;
	known = WEIR_LOOKUP(frame, flows, &l->segment.flow);
	if (known) {
		struct weir_assembly *a;

		if (known->client_isn == fresh.client_isn && known->server_isn == fresh.server_isn)
			return 0;		/* sent again */
		a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
		if (a) {
			a->reason = WEIR_REASON_REUSED;
			weir_give_up(frame, s, &l->segment.flow, a, l->now);
		}
		WEIR_REMOVE(frame, flows, &l->segment.flow);
	}
	WEIR_STORE(frame, half_open, &l->segment.flow, &fresh, BPF_ANY);
	return 0;
}

/* The flow that a client's segment belongs to: proven, just being proven, or (with payload) without proof. */
WEIR_INLINE struct weir_flow *weir_flow_of(weir_frame *frame, struct weir_look *l)
{
	const struct weir_segment *seg = &l->segment;
	struct weir_flow *flow = WEIR_LOOKUP(frame, flows, &l->segment.flow);
	struct weir_flow fresh = {};
	__u8 start[6] = {};

	if (flow)
		return flow;
	l->now = fresh.first_ns = weir_now(frame);
	flow = WEIR_LOOKUP(frame, half_open, &l->segment.flow);
	if (flow && flow->state >= WEIR_FLOW_EXPECTING)
		return flow;
	if (flow) {
		if (flow->state != WEIR_FLOW_SYN_ACK || !(seg->flags & WEIR_TCP_ACK) || seg->acknowledged != flow->server_isn + 1 ||
		    seg->sequence - flow->client_isn - 1 >= 1u << 20)
			return 0;
		fresh = *flow;
		fresh.base = flow->client_isn + 1;
		fresh.state = WEIR_FLOW_EXPECTING;
		fresh.proof = WEIR_TRACKED;
		fresh.ifindex = weir_ifindex(frame);
		fresh.direction = l->direction;
		WEIR_REMOVE(frame, half_open, &l->segment.flow);
		WEIR_STORE(frame, flows, &l->segment.flow, &fresh, BPF_ANY);
		return WEIR_LOOKUP(frame, flows, &l->segment.flow);
	}
	/* Mid-stream: worth an entry only if it begins as a hello does, and only where it cannot push out what is proven. */
	if (seg->payload_size < 6 || weir_bytes(frame, seg->payload_at, start, 6, sizeof(start)) || start[0] != 22 || start[1] != 3 || start[5] != 1)
		return 0;
	fresh.base = seg->sequence;
	fresh.state = WEIR_FLOW_EXPECTING;
	WEIR_STORE(frame, half_open, &l->segment.flow, &fresh, BPF_ANY);
	return WEIR_LOOKUP(frame, half_open, &l->segment.flow);
}

/* Bytes of a flow that is not judged yet. Returns as its judges do. */
WEIR_INLINE int weir_judge(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	int verdict = -1;

	if (flow->state == WEIR_FLOW_EXPECTING && l->segment.sequence == flow->base) {
		if (weir_read_first(frame, l)) {
			weir_unreadable(frame, l, s, flow, WEIR_REASON_CAPTURE);
			flow->state = WEIR_FLOW_DONE;
			return 0;
		}
		switch (l->first[0] == 22 ? -1 : weir_skip_preamble(frame, l, s, flow)) {
		case 0:
			return 0;
		case 1:
			if (weir_read_first(frame, l))
				return 0;
		}
		if (!l->segment.fragment)
			verdict = weir_judge_segment(frame, l, s, flow);
	}
	return verdict < 0 ? weir_assemble(frame, l, s, flow) : verdict;
}

WEIR_INLINE void weir_before(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	int verdict;

	l->sequence = l->segment.sequence;
	verdict = weir_judge(frame, l, s, flow);
	if (verdict <= 0)
		return;
	weir_conclude(frame, l, s, enforcing, (__u32)verdict - 1);
	weir_obey(l, s, flow, enforcing);
}

WEIR_INLINE void weir_from_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing)
{
	const struct weir_segment *seg = &l->segment;
	struct weir_flow *flow;

	if (seg->flags & WEIR_TCP_SYN) {	/* proves nothing; the answer to it does */
		if (seg->payload_size)
			weir_count(frame, WEIR_COUNT_SYN_DATA);
		return;
	}
	flow = weir_flow_of(frame, l);
	if (!flow || flow->state == WEIR_FLOW_DONE)
		return;				/* nearly every frame ends here: the clock is read by those that go on */
	if (flow->state != WEIR_FLOW_AFTER) {
		l->now = weir_now(frame);
		if (flow->state == WEIR_FLOW_HELD) {
			if (enforcing && seg->payload_size) {
				l->order = WEIR_DO_DROP;
				weir_count(frame, WEIR_COUNT_HELD);
			}
			return;
		}
		if (seg->payload_size)
			weir_before(frame, l, s, flow, enforcing);
		if (seg->flags & (WEIR_TCP_FIN | WEIR_TCP_RST))
			weir_closed(frame, l, s, flow);
	}
	/* What follows the hello in its own segment is looked at as well. */
	if (flow->state == WEIR_FLOW_AFTER && seg->payload_size)
		weir_after(frame, l, s, flow, enforcing);
}

WEIR_INLINE void weir_from_server(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_flow *flow;

	if (l->segment.flags & (WEIR_TCP_SYN | WEIR_TCP_FIN | WEIR_TCP_RST))
		l->now = weir_now(frame);
	if ((l->segment.flags & (WEIR_TCP_SYN | WEIR_TCP_ACK)) == (WEIR_TCP_SYN | WEIR_TCP_ACK)) {
		weir_syn_ack(frame, l, s);
	} else if (l->segment.flags & (WEIR_TCP_FIN | WEIR_TCP_RST)) {
		flow = WEIR_LOOKUP(frame, flows, &l->segment.flow);
		if (flow)
			weir_closed(frame, l, s, flow);
	}
}

WEIR_INLINE void weir_turn(struct weir_flow_key *turned, const struct weir_flow_key *flow)
{
	__builtin_memcpy(turned->client, flow->server, 16);
	__builtin_memcpy(turned->server, flow->client, 16);
	turned->client_port = flow->server_port;
	turned->server_port = flow->client_port;
}

/* Who of the two is the client, and is that ours to look at? The segment's flow is turned round if it runs the other way. -1: neither port is watched. */
WEIR_INLINE int weir_orient(weir_frame *frame, struct weir_look *l)
{
	const struct weir_config *config = weir_policy(frame);
	int from_client = weir_watched(config, l->segment.flow.server_port), other_way = weir_watched(config, l->segment.flow.client_port);

	if (!from_client && !other_way)
		return -1;
	if (other_way) {
		struct weir_flow_key turned;

		weir_turn(&turned, &l->segment.flow);
		/* Both ports may be TLS ports (or all, in replay); then a SYN-ACK, and what is known of the flow, tell who the server is. */
		if (from_client)
			from_client = (l->segment.flags & (WEIR_TCP_SYN | WEIR_TCP_ACK)) != (WEIR_TCP_SYN | WEIR_TCP_ACK) &&
				      !WEIR_LOOKUP(frame, flows, &turned);
		if (!from_client)
			l->segment.flow = turned;
	}
	return from_client;
}

/* The whole way. `have` header bytes are in the look; its order says what the frame's program has to do. */
WEIR_INLINE void weir_watch(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have, __u8 direction, int enforcing)
{
	int result, from_client = 1;

	l->order = WEIR_PASS;
	result = weir_read_frame(l, have, weir_frame_size(frame), weir_policy(frame)->decap);
	if (result == WEIR_TOO_DEEP)
		weir_count(frame, WEIR_COUNT_DEEP_HEADERS);
	if (result == WEIR_FRAGMENT ? weir_later_fragment(frame, l) : result)
		return;
	if (result == WEIR_SEGMENT) {
		from_client = weir_orient(frame, l);
		if (from_client < 0)
			return;
	}
	weir_count(frame, WEIR_COUNT_FRAMES);
	l->direction = direction;
	if (!from_client) {
		weir_from_server(frame, l, s);
		return;
	}
	if (l->segment.fragment == WEIR_FIRST_FRAGMENT)
		weir_first_fragment(frame, l);
	weir_from_client(frame, l, s, enforcing);
}
#endif
