/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One frame's way: which flow it belongs to, whether that flow's handshake is proven, whether its hello is whole,
 * and what is said about it. Kernel and replay run exactly this.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <weir/judge.h>
#include <weir/fragments.h>

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
	if (flow->bits & WEIR_BIT_AGAIN)
		weir_rest(flow);
	else
		flow->state = WEIR_FLOW_EXPECTING;
	a = weir_known_assembly(frame, flow);
	if (!a)
		return;
	a->reason = WEIR_REASON_CLOSED;
	weir_give_up(frame, s, a, l->now);
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
	const struct weir_flow_key *key;
	struct weir_flow *known;

	WEIR_USED(frame);
	if (!l || !s)
		return -1;
	key = WEIR_KEY(&l->segment.flow);
	fresh.first_ns = l->now;
	fresh.client_isn = l->segment.acknowledged - 1;
	fresh.server_isn = l->segment.sequence;
	known = WEIR_LOOKUP(frame, flows, key);
	if (known) {
		struct weir_assembly *a;

		if (known->client_isn == fresh.client_isn && known->server_isn == fresh.server_isn)
			return 0;		/* sent again */
		a = known->state == WEIR_FLOW_ASSEMBLING ? weir_known_assembly(frame, known) : 0;
		if (a) {
			a->reason = WEIR_REASON_REUSED;
			weir_give_up(frame, s, a, l->now);
		}
		WEIR_REMOVE(frame, flows, key);
	}
	WEIR_STORE(frame, half_open, key, &fresh, BPF_ANY);
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

/* What a hello says, as far as 32 bits can tell: the client's random, the lists, the name's length. */
WEIR_INLINE __u32 weir_digest(const struct weir_scratch *s)
{
	__u64 x = weir_mix(WEIR_LE64(s->bytes + 6) ^ s->record.fingerprint ^ (__u64)s->record.server_name_length << 48);

	return (__u32)(x ^ x >> 32);
}

/*
 * The first client bytes were judged. True when that was done before and they said the same: a segment that the server
 * dropped, for its checksum say, was judged all the same, and what it takes in its place has the same sequence numbers.
 */
WEIR_INLINE int weir_settle(struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	__u32 digest = weir_digest(s);

	if (flow->bits & WEIR_BIT_AGAIN) {
		if (digest == flow->digest) {
			weir_rest(flow);
			return 1;
		}
		flow->bits &= ~WEIR_BIT_AGAIN;
		WEIR_FOUND(&s->record, WEIR_OVERLAP_CONFLICT);
		if (l->hello_end)
			weir_expect_records(l, s, flow, l->hello_end);
	}
	flow->digest = digest;
	flow->hello_size = l->hello_end ? (__u16)(l->hello_end - flow->base) : 0;	/* of a record, or of what assemblies take: both are less */
	return 0;
}

WEIR_INLINE void weir_before(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	int verdict;

	l->sequence = l->segment.sequence;
	l->hello_end = 0;
	verdict = weir_judge(frame, l, s, flow);
	if (verdict <= 0 || weir_settle(l, s, flow))
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
	if (!flow)
		return;
	if (seg->sequence - flow->base < flow->hello_size && seg->payload_size && (flow->state == WEIR_FLOW_AFTER || flow->state == WEIR_FLOW_DONE)) {
		flow->judged = flow->state;
		flow->state = WEIR_FLOW_EXPECTING;
		flow->bits |= WEIR_BIT_AGAIN;
	}
	if (flow->state == WEIR_FLOW_DONE)
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

/*
 * Who of the two is the client, and is that ours to look at? The segment's flow is turned round if it runs the other way.
 * -1: neither port is watched. What comes in for a watched port is a client's, what goes out from one a server's, whatever
 * the other port is. In a capture both may be watched: then a SYN-ACK, and what is known of the flow, tell.
 */
WEIR_INLINE int weir_orient(weir_frame *frame, struct weir_look *l, enum weir_hook hook)
{
	const struct weir_config *config = weir_policy(frame);
	int to_watched = weir_watched(config, l->segment.flow.server_port), from_watched = weir_watched(config, l->segment.flow.client_port);
	int from_client = hook == WEIR_HOOK_OUT ? !from_watched : to_watched;
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

/* The whole way. `have` header bytes are in the look; its order says what the frame's program has to do. `hook` and `enforcing` are constants. */
WEIR_INLINE void weir_watch(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have, enum weir_hook hook, int enforcing)
{
	int result, from_client = 1;

	l->order = WEIR_PASS;
	l->have = have;
	result = weir_read_frame(l, have, weir_frame_size(frame), weir_policy(frame)->decap);
	if (result == WEIR_TOO_DEEP)
		weir_count(frame, WEIR_COUNT_DEEP_HEADERS);
	if (result == WEIR_FRAGMENT ? weir_later_fragment(frame, l) : result)
		return;
	if (result == WEIR_SEGMENT) {
		from_client = weir_orient(frame, l, hook);
		if (from_client < 0)
			return;
	}
	weir_count(frame, WEIR_COUNT_FRAMES);
	l->hook = hook;
	l->direction = hook == WEIR_HOOK_OUT ? WEIR_EGRESS : WEIR_INGRESS;
	if (!from_client) {
		weir_from_server(frame, l, s);
		return;
	}
	if (l->segment.fragment == WEIR_FIRST_FRAGMENT)
		weir_first_fragment(frame, l);
	weir_from_client(frame, l, s, enforcing);
}
#endif
