/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A client's segment: the flow that it belongs to, and what it does to that flow. */
#ifndef WEIR_FROM_CLIENT_H
#define WEIR_FROM_CLIENT_H

#include <weir/opening.h>
#include <weir/judge.h>
#include <weir/fragments.h>
#include <weir/quic.h>
#include <weir/way.h>

/*
 * FIN or RST before the hello is whole. Either may be forged, or have a bad checksum: the flow lives on, and the rest is
 * waited for a little.
 */
WEIR_INLINE void weir_closed(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a;

	if (flow->state == WEIR_FLOW_EXPECTING) {
		if (!flow->skipped || flow->preamble <= WEIR_PREAMBLE_PROXY2 || weir_is_upgrade(flow->preamble))
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
	a = weir_known_assembly(frame, flow);
	if (a)
		a->closed = 1;
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
	l->client_expects = l->segment.acknowledged;
	weir_conclude(frame, l, s, enforcing, 0);
	weir_obey(frame, l, s, flow, enforcing);
}

/* The flow that a client's segment belongs to: proven, just being proven, or (with payload) without proof. */
WEIR_INLINE struct weir_flow *weir_flow_of(weir_frame *frame, struct weir_look *l)
{
	const struct weir_segment *seg = &l->segment;
	struct weir_flow *flow = WEIR_LOOKUP(frame, flows, &l->segment.flow);
	__u8 start[6] = {};

	if (flow)
		return flow;
	l->now = weir_now(frame);
	flow = WEIR_LOOKUP(frame, half_open, &l->segment.flow);
	if (flow)
		return weir_promote(frame, l, flow) ? WEIR_LOOKUP(frame, flows, &l->segment.flow) : 0;
	if (weir_promote_noted(frame, l))
		return WEIR_LOOKUP(frame, flows, &l->segment.flow);
	if (!seg->payload_size)
		return 0;
	flow = WEIR_LOOKUP(frame, strangers, &l->segment.flow);
	if (flow)
		return flow;
	/* Mid-stream: worth an entry only if it begins as a hello does. */
	if (seg->payload_size < 6 || weir_bytes(frame, seg->payload_at, start, 6, sizeof(start)) || start[0] != 22 || start[1] != 3 ||
	    start[5] != 1)
		return 0;
	return weir_stranger(frame, l, seg->sequence, 0);
}

/* What a hello says, as far as 32 bits can tell: the client's random, the lists, the name's length. */
WEIR_INLINE __u32 weir_digest(const struct weir_scratch *s)
{
	__u64 x = weir_mix_keyed(WEIR_LE64(s->bytes + 6) ^ s->record.fingerprint ^ (__u64)s->record.server_name_length << 48);

	return (__u32)(x ^ x >> 32);
}

/*
 * The first client bytes were judged. True when that was done before and they said the same: a segment that the server
 * dropped, for its checksum say, was judged all the same, and what it takes in its place has the same sequence numbers.
 */
WEIR_INLINE int weir_settle(struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	__u32 digest = weir_digest(s), end = l->hello_end ? l->hello_end : l->segment.sequence + l->segment.payload_size;

	if (flow->bits & WEIR_BIT_AGAIN) {
		/* What is no hello may come again in other pieces; only a hello can say something else. */
		if (!l->hello_end || (digest == flow->digest && flow->hello_end)) {
			weir_rest(flow);
			return 1;
		}
		flow->bits &= ~WEIR_BIT_AGAIN;
		flow->gate_bits |= WEIR_GATE_SPOILT;
		WEIR_FOUND(&s->record, WEIR_OVERLAP_CONFLICT);
		if (l->hello_end)
			weir_expect_records(l, s, flow, l->hello_end);
	}
	flow->digest = digest;
	flow->judged_size = end - flow->base;
	return 0;
}

/* What the answer to these first bytes will meet. */
WEIR_INLINE void weir_arm(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, __u64 limiting)
{
	flow->hello_end = l->hello_end ? l->message_end : 0;
	if (flow->gate == WEIR_GATE_REFUSED)
		return;
	flow->gate = WEIR_GATE_ARMED;
	if (l->hello_end && !s->record.fingerprint)
		flow->gate_bits |= WEIR_GATE_SPOILT;	/* what nobody can read has no fingerprint; a server may read it */
	if (limiting) {
		flow->gate = WEIR_GATE_ANOMALOUS;
		flow->rule = (__u8)weir_lowest(limiting);
	} else if (l->hello_end && !(flow->gate_bits & WEIR_GATE_SPOILT)) {
		flow->gate = WEIR_GATE_CLEAN;
		if ((__s32)(l->segment.sequence + l->segment.payload_size - flow->hello_end) > 0)
			flow->gate_bits |= WEIR_GATE_AHEAD;
		if (!flow->kept && flow->proof && l->hook != WEIR_HOOK_OUTGOING)
			weir_keep(frame, l, s, flow);
	}
}

WEIR_INLINE void weir_before(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	__u64 limiting;
	int verdict;

	l->sequence = l->segment.sequence;
	l->client_expects = l->segment.acknowledged;
	l->hello_end = 0;
	verdict = weir_judge(frame, l, s, flow);
	if (verdict <= 0 || weir_settle(l, s, flow))
		return;
	s->record.flags |= flow->gate_bits & WEIR_GATE_RETRY ? WEIR_FLAG_RETRY : 0;
	weir_conclude(frame, l, s, enforcing, (__u32)verdict - 1);
	if (s->record.reach == WEIR_REACH_SOURCE)
		flow->bits |= WEIR_BIT_VOUCHED;
	limiting = s->record.anomalies & weir_policy(frame)->limiting;
	weir_obey(frame, l, s, flow, enforcing);
	weir_arm(frame, l, s, flow, limiting);
}

/* Cuts off what lies before the stream's first byte. False when nothing is left. */
WEIR_INLINE int weir_trim(struct weir_segment *seg, __u32 base)
{
	__u32 early = base - seg->sequence;

	if (!early || early >= 1u << 31)
		return 1;
	if (early >= seg->payload_size)
		return 0;
	weir_advance(seg, early);
	return 1;
}

/* Data in a SYN, read in case the server takes it (RFC 7413). */
WEIR_ONCE int weir_syn_data(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_flow *flow;

	WEIR_USED(frame);
	if (!l || !s)
		return 0;
	weir_count(frame, WEIR_COUNT_SYN_DATA);
	l->segment.sequence++;			/* the SYN takes a number */
	l->now = weir_now(frame);
	flow = weir_stranger(frame, l, l->segment.sequence, WEIR_GATE_FAST_OPEN);
	if (flow)
		weir_before(frame, l, s, flow, 0);
	return 0;
}

/* Bytes of somebody who has not heard the server are not read. But older stacks take them (Linux before 6.7). */
WEIR_INLINE void weir_unheard(weir_frame *frame, const struct weir_segment *seg, struct weir_flow *flow)
{
	weir_count(frame, WEIR_COUNT_OUT_OF_REACH);
	if (seg->sequence + seg->payload_size - flow->base - 1 < WEIR_EARLY + WEIR_STREAM_CAP)
		weir_spoil(flow);
}

/*
 * Bytes that begin before the hello's first. At a preamble's numbers, once it was passed over, they go on where it ended in the last
 * segment, or are the preamble once more, or else something other than what was passed over: a hello, maybe, that holds another at its
 * end.
 */
WEIR_ONCE int weir_before_base(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_segment *seg;
	__u32 end;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return 0;
	seg = &l->segment;
	/*
	 * A cookie leaves three numbers open, so the stream may begin before the number that we know. The one byte before it alone may
	 * be a keep-alive's (RFC 9293 section 3.8.4), and begins no hello that goes on as one.
	 */
	if (flow->client_isn - 1 - seg->sequence < seg->payload_size ||
	    (flow->client_isn - seg->sequence < seg->payload_size && seg->payload_size > 1))
		weir_spoil(flow);
	end = seg->sequence + seg->payload_size;
	if (!flow->skipped || (__s32)(end - flow->client_isn - 1) <= 0)
		return 0;
	if (!flow->hello_end && seg->sequence == flow->passed) {
		flow->passed = (__s32)(end - flow->base) < 0 ? end : flow->base;
		return 0;
	}
	if (seg->sequence - flow->client_isn - 1 < WEIR_EARLY && !seg->urgent && !weir_read_first(frame, l, s) &&
	    seg->sequence + (__u32)weir_measure_preamble(frame, l, s, flow->preamble) == flow->base && l->preamble == flow->preamble)
		return 0;
	weir_spoil(flow);
	return 0;
}

WEIR_INLINE void weir_from_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, enum weir_hook hook, int enforcing)
{
	struct weir_segment *seg = &l->segment;
	struct weir_flow *flow;
	int was_closed;

	if (seg->flags & WEIR_TCP_SYN) {
		/* It proves nothing; the answer to it does. */
		if (enforcing)
			l->order = WEIR_DO_SINGLE_PATH;
		if (!(seg->flags & WEIR_TCP_ACK))
			weir_note_opening(frame, seg);
		if (seg->payload_size && !(seg->flags & WEIR_TCP_ACK))
			weir_syn_data(frame, l, s);
		return;
	}
	flow = weir_flow_of(frame, l);
	if (!flow)
		return;
	was_closed = flow->gate_bits & WEIR_GATE_CLOSED && seg->payload_size && flow->gate != WEIR_GATE_REFUSED &&
		     flow->server_next != flow->server_isn + 1;
	if (seg->flags & WEIR_TCP_RST && weir_may_end(flow, seg->sequence))
		flow->gate_bits |= WEIR_GATE_CLOSED;
	if (flow->gate == WEIR_GATE_SETTLED && flow->state == WEIR_FLOW_DONE && !was_closed)
		return;				/* nearly every frame ends here */
	if (seg->fragment)
		flow->gate_bits |= WEIR_GATE_FRAGMENTED;
	if (was_closed && flow->gate != WEIR_GATE_CLEAN)
		weir_reopen(frame, flow);
	if (flow->gate < WEIR_GATE_SETTLED && seg->payload_size && flow->base - seg->sequence - 1 < WEIR_EARLY)
		weir_before_base(frame, l, s, flow);
	if (seg->payload_size) {
		if (flow->gate == WEIR_GATE_REFUSED) {
			if (enforcing)
				weir_refuse_again(frame, l, flow, 1);
			return;
		}
		if (flow->gate != WEIR_GATE_SETTLED && (flow->hello_end || seg->flags & WEIR_TCP_URG) && weir_guard(frame, l, s, flow))
			return;
		if (was_closed && flow->gate != WEIR_GATE_ARMED)
			weir_reopen(frame, flow);
		if (seg->sequence - flow->base < flow->judged_size && (flow->state == WEIR_FLOW_AFTER || flow->state == WEIR_FLOW_DONE)) {
			flow->judged = flow->state;
			flow->state = WEIR_FLOW_EXPECTING;
			flow->bits |= WEIR_BIT_AGAIN;
		}
	} else if (seg->flags & WEIR_TCP_URG && flow->gate < WEIR_GATE_SETTLED) {
		weir_guard(frame, l, s, flow);	/* it points at a byte that comes later */
	}
	if (flow->state == WEIR_FLOW_DONE)
		return;
	/* A capture may lack what the server said; it cannot have been forged by somebody who is still at it. */
	if (flow->proof == WEIR_TRACKED && (hook == WEIR_HOOK_IN || (hook == WEIR_HOOK_ANY && flow->state != WEIR_FLOW_AFTER)) &&
	    !weir_has_heard(seg, flow)) {
		if (seg->payload_size)
			weir_unheard(frame, seg, flow);
		else if (flow->state == WEIR_FLOW_ASSEMBLING && seg->sequence - flow->base < WEIR_STREAM_CAP)
			weir_closed(frame, l, s, flow);
		if (flow->bits & WEIR_BIT_AGAIN && flow->state == WEIR_FLOW_EXPECTING)
			weir_rest(flow);
		return;				/* whoever sent it has not heard the server: it may be anybody */
	}
	if (flow->state != WEIR_FLOW_AFTER) {
		l->now = weir_now(frame);
		if (seg->payload_size && weir_trim(seg, flow->base))
			weir_before(frame, l, s, flow, enforcing);
		if (seg->flags & (WEIR_TCP_FIN | WEIR_TCP_RST))
			weir_closed(frame, l, s, flow);
	}
	/* What follows the hello in its own segment is looked at as well. */
	if (flow->state == WEIR_FLOW_AFTER && seg->payload_size)
		weir_after(frame, l, s, flow, enforcing);
}
#endif
