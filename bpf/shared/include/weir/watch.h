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

#define WEIR_NOT_TLS_BYTES 512		/* of what is no TLS, these travel */

/* What is said of first client bytes that are not the start of a ClientHello. */
WEIR_INLINE __u64 weir_misfit(const __u8 *first)
{
	if (first[0] == 22)
		return 1ULL << WEIR_MALFORMED_HELLO;
	if (first[0] & 0x80 && first[2] == 1)	/* SSLv2's hello (RFC 6176) */
		return 1ULL << WEIR_OBSOLETE_VERSION;
	return 1ULL << WEIR_NOT_TLS;
}

/* The first client bytes are here and whole: a verdict in one go, or -1 when they have to be assembled. */
WEIR_INLINE int weir_judge_segment(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, const struct weir_flow *flow, int enforcing)
{
	const struct weir_segment *seg = &l->segment;
	struct weir_handshake *r = &s->record;
	__u8 first[9] = {};
	__u32 n = seg->payload_size < 9 ? seg->payload_size : 9, size, length, at = seg->payload_at;
	int is_tls, is_hello;

	if (!n)
		return -1;
	if (weir_bytes(frame, at, first, n, sizeof(first))) {
		weir_unreadable(frame, l, s, flow, WEIR_REASON_CAPTURE);
		return 0;
	}
	is_tls = first[0] == 22;
	if (is_tls && n < 9)
		return -1;
	size = (__u32)first[3] << 8 | first[4];
	length = weir_announced(first + 5);
	is_hello = is_tls && first[1] == 3 && first[5] == 1 && size && size <= 16384 + 2048;
	if (is_hello && (length + 5 > seg->payload_size || size < length))
		return -1;
	if (!is_hello && !flow->proof)
		return 0;			/* the middle of something else */

	weir_begin(s, &l->segment.flow, l->now);
	r->ifindex = weir_ifindex(frame);
	r->direction = l->direction;
	r->vlan_tags = seg->vlan_tags;
	r->proof = flow->proof;
	if (is_tls) {
		r->hello_length = length;
		at += 5;
		if (length + 5 > seg->payload_size)
			length = seg->payload_size - 5;	/* of something malformed, what is there */
	} else {
		length = seg->payload_size < WEIR_NOT_TLS_BYTES ? seg->payload_size : WEIR_NOT_TLS_BYTES;
	}
	if (length > WEIR_STREAM_CAP - 1)
		length = WEIR_STREAM_CAP - 1;
	if (length && weir_bytes(frame, at, s->bytes, length, WEIR_STREAM_CAP - 1)) {
		weir_unreadable(frame, l, s, flow, WEIR_REASON_CAPTURE);
		return 0;
	}
	if (is_hello)
		weir_read_client_hello(s, length);
	else
		r->anomalies = weir_misfit(first);
	weir_conclude(frame, l, s, enforcing, length);
	return 0;
}

/* Places a segment of an unfinished hello, and judges the hello if that made it whole. */
WEIR_INLINE void weir_assemble(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	struct weir_assembly *a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
	struct weir_handshake *r = &s->record;
	__u32 relative = l->segment.sequence - flow->base;
	int stream;

	if (relative >= 1u << 30)		/* before the first byte: an old copy */
		return;
	if (!a) {
		if (!weir_new_assembly(frame, &l->segment.flow))
			a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
		if (!a) {
			weir_count(frame, WEIR_COUNT_NO_ROOM);
			weir_unreadable(frame, l, s, flow, WEIR_REASON_NO_ROOM);
			flow->state = WEIR_FLOW_DONE;
			return;
		}
		a->first_ns = l->now;
		a->proof = flow->proof;
		a->direction = l->direction;
		a->ifindex = weir_ifindex(frame);
		a->vlan_tags = l->segment.vlan_tags;
		flow->state = WEIR_FLOW_ASSEMBLING;
	}
	a->last_ns = l->now;
	l->sequence = flow->base + a->filled;
	a->reason = (__u8)weir_place(frame, a, l->segment.payload_at, relative, l->segment.payload_size);
	stream = a->reason ? WEIR_STREAM_LONG : weir_unwrap(a, s);
	if (stream == WEIR_STREAM_MORE) {
		if (a->filled < WEIR_STREAM_CAP)
			return;
		stream = WEIR_STREAM_LONG;
	}
	flow->state = WEIR_FLOW_DONE;
	if (stream == WEIR_STREAM_LONG) {
		if (!a->reason)
			a->reason = WEIR_REASON_TOO_LONG;
		weir_give_up(frame, s, &l->segment.flow, a, l->now);
		return;
	}
	if (stream == WEIR_STREAM_WRONG)
		s->message_length = s->message_records = 0;
	weir_begin(s, &l->segment.flow, l->now);
	weir_copy_history(r, a);
	r->completeness = WEIR_REASSEMBLED;
	r->records = (__u8)s->message_records;
	r->hello_length = s->message_length;
	weir_count(frame, WEIR_COUNT_ASSEMBLED);
	WEIR_REMOVE(frame, assemblies, &l->segment.flow);
	if (stream == WEIR_STREAM_WRONG || s->bytes[0] != 1)
		r->anomalies = 1ULL << WEIR_MALFORMED_HELLO;
	else
		weir_read_client_hello(s, s->message_length);
	weir_conclude(frame, l, s, enforcing, r->hello_length);
}

/* FIN or RST while a hello is unfinished. The flow lives on: whoever forged the RST has won nothing. */
WEIR_INLINE void weir_closed(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);

	flow->state = WEIR_FLOW_EXPECTING;
	if (!a)
		return;
	a->reason = WEIR_REASON_CLOSED;
	weir_give_up(frame, s, &l->segment.flow, a, l->now);
}

/* SYN-ACK: half of the proof, and the end of whatever used the 5-tuple before. Only the server can send it. */
WEIR_INLINE void weir_syn_ack(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_flow fresh = {
		.first_ns = l->now,
		.client_isn = l->segment.acknowledged - 1,
		.server_isn = l->segment.sequence,
		.state = WEIR_FLOW_SYN_ACK,
	};
	struct weir_flow *known = WEIR_LOOKUP(frame, flows, &l->segment.flow);

	if (known) {
		struct weir_assembly *a;

		if (known->client_isn == fresh.client_isn && known->server_isn == fresh.server_isn)
			return;			/* sent again */
		a = WEIR_LOOKUP(frame, assemblies, &l->segment.flow);
		if (a) {
			a->reason = WEIR_REASON_REUSED;
			weir_give_up(frame, s, &l->segment.flow, a, l->now);
		}
		WEIR_REMOVE(frame, flows, &l->segment.flow);
	}
	WEIR_STORE(frame, half_open, &l->segment.flow, &fresh, BPF_ANY);
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

WEIR_INLINE void weir_from_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing)
{
	const struct weir_segment *seg = &l->segment;
	struct weir_flow *flow;

	if (seg->flags & WEIR_TCP_SYN)
		return;				/* proves nothing; the answer to it does */
	flow = weir_flow_of(frame, l);
	if (!flow || flow->state == WEIR_FLOW_DONE)
		return;				/* nearly every frame ends here: the clock is read by those that go on */
	l->now = weir_now(frame);
	if (flow->state == WEIR_FLOW_HELD) {
		if (enforcing && seg->payload_size) {
			l->order = WEIR_DO_DROP;
			weir_count(frame, WEIR_COUNT_HELD);
		}
		return;
	}
	if (seg->payload_size) {
		l->sequence = seg->sequence;
		s->record.action = WEIR_OBSERVED;
		if (flow->state == WEIR_FLOW_EXPECTING && seg->sequence == flow->base && !weir_judge_segment(frame, l, s, flow, enforcing))
			flow->state = WEIR_FLOW_DONE;
		else
			weir_assemble(frame, l, s, flow, enforcing);
		if (enforcing && flow->state == WEIR_FLOW_DONE) {
			if (s->record.action == WEIR_RESET) {
				l->order = WEIR_DO_RESET;
			} else if (s->record.action == WEIR_DROPPED) {
				l->order = WEIR_DO_DROP;
				flow->state = WEIR_FLOW_HELD;
			}
		}
	}
	if (seg->flags & (WEIR_TCP_FIN | WEIR_TCP_RST) && flow->state == WEIR_FLOW_ASSEMBLING)
		weir_closed(frame, l, s, flow);
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
		if (flow && flow->state == WEIR_FLOW_ASSEMBLING)
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

/* The whole way. `have` header bytes are in the look; its order says what the frame's program has to do. */
WEIR_INLINE void weir_watch(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have, __u8 direction, int enforcing)
{
	const struct weir_config *config = weir_policy(frame);
	int result, from_client, other_way;

	l->order = WEIR_PASS;
	result = weir_read_frame(l, have, weir_frame_size(frame));
	if (result) {
		if (result == WEIR_TOO_DEEP)
			weir_count(frame, WEIR_COUNT_DEEP_HEADERS);
		return;
	}
	from_client = weir_watched(config, l->segment.flow.server_port);
	other_way = weir_watched(config, l->segment.flow.client_port);
	if (!from_client && !other_way)
		return;
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
	weir_count(frame, WEIR_COUNT_FRAMES);
	l->direction = direction;
	if (from_client)
		weir_from_client(frame, l, s, enforcing);
	else
		weir_from_server(frame, l, s);
}
#endif
