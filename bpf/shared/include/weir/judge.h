/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From a client's bytes to a verdict: what stands before them is passed over, a hello in one segment is judged where
 * it lies, and one in many is put together first.
 */
#ifndef WEIR_JUDGE_H
#define WEIR_JUDGE_H

#include <weir/platform.h>
#include <weir/frame.h>
#include <weir/client_hello.h>
#include <weir/assembly.h>
#include <weir/verdict.h>
#include <weir/first.h>
#include <weir/passing.h>
#include <weir/records.h>

#define WEIR_NOT_TLS_BYTES 512		/* of what is no TLS, these travel */

/* Nothing more is judged: the flow is done, or what it was before its hello came again. */
WEIR_INLINE void weir_rest(struct weir_flow *flow)
{
	flow->state = flow->bits & WEIR_BIT_AGAIN ? flow->judged : WEIR_FLOW_DONE;
	flow->bits &= ~WEIR_BIT_AGAIN;
}

/* The first client bytes cannot be read: the capture has cut them off. */
WEIR_INLINE void weir_cut_off(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	if (!(flow->bits & WEIR_BIT_AGAIN))
		weir_unreadable(frame, l, s, flow, WEIR_REASON_CAPTURE);
	weir_rest(flow);
}

/*
 * The first client bytes are here and whole: judged in one go. What the two judges return: 0, nothing is to be
 * concluded; n > 0, a verdict stands in the record with n - 1 bytes of message; -1, the hello has to be assembled.
 */
WEIR_INLINE int weir_judge_segment(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	const struct weir_segment *seg;
	const __u8 *first;
	__u32 size, length, at, here;
	int is_tls, is_hello;

	seg = &l->segment;
	first = l->first;
	at = seg->payload_at;
	here = seg->payload_size - (seg->urgent ? 1 : 0);
	is_tls = first[0] == 22;
	if (is_tls && here < 9)
		return -1;
	size = (__u32)first[3] << 8 | first[4];
	length = weir_announced((__u32)first[5] << 24 | (__u32)first[6] << 16 | (__u32)first[7] << 8 | first[8]);
	is_hello = is_tls && first[1] == 3 && first[5] == 1 && size && size <= WEIR_RECORD_MOST;
	if (is_hello && (length + 5 > here || size < length || length > WEIR_MESSAGE_CAP - 1))
		return -1;
	if (!is_hello && !flow->proof) {
		weir_rest(flow);
		return 0;			/* the middle of something else */
	}
	if (!is_hello && flow->gate_bits & WEIR_GATE_RETRY) {
		if (first[0] < 20 || first[0] > 23 || first[0] == 22)
			flow->gate_bits |= WEIR_GATE_SPOILT;	/* of a second hello that begins elsewhere, maybe */
		return 0;			/* no second hello after all, or not yet */
	}
	weir_begin_here(frame, l, s, flow);
	if (is_tls) {
		s->record.hello_length = length;
		at += 5;
		if (length + 5 > here)
			length = here - 5;	/* of something malformed, what is there */
	} else {
		length = here;
	}
	if (!is_hello && length > WEIR_NOT_TLS_BYTES)
		length = WEIR_NOT_TLS_BYTES;
	if (length && (seg->urgent ? weir_read_stream(frame, l, s, at, length) : weir_bytes(frame, at, s->bytes, length, WEIR_MESSAGE_CAP))) {
		weir_cut_off(frame, l, s, flow);
		return 0;
	}
	flow->state = WEIR_FLOW_DONE;
	if (is_hello) {
		/* The urgent byte takes a number all the same. */
		l->message_end = seg->sequence + 5 + length + (seg->urgent ? 1 : 0);
		weir_read_client_hello(s, length);
		weir_expect_records(l, s, flow, seg->sequence + 5 + size + (seg->urgent ? 1 : 0));
	} else {
		weir_misfit(&s->record, first);
	}
	return (int)length + 1;
}

/*
 * The unfinished hello that this segment is part of, or a new one, which may take the place of the oldest: that one is
 * told of at once. 0: the flow's own was.
 */
WEIR_INLINE struct weir_assembly *weir_assembly_of(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a;
	__u32 id;

	if (flow->state == WEIR_FLOW_ASSEMBLING)
		return weir_known_assembly(frame, flow);
	id = weir_next_assembly(frame, !flow->proof);
	a = weir_assembly_at(frame, id);
	if (!a)
		return 0;
	if (a->id && !a->kept) {
		a->reason = WEIR_REASON_EVICTED;
		weir_count(frame, WEIR_COUNT_EVICTED);
		weir_give_up(frame, s, a, l->now);
	}
	__builtin_memset(a, 0, sizeof(*a));
	a->id = flow->assembly = id;
	a->flow = l->segment.flow;
	a->first_ns = l->now;
	a->proof = flow->proof;
	a->preamble = flow->preamble;
	a->named = flow->named;
	a->again = flow->bits & WEIR_BIT_AGAIN;
	a->direction = l->direction;
	a->ifindex = weir_ifindex(frame);
	a->vlan_tags = l->segment.vlan_tags;
	a->tunnels = l->segment.tunnels;
	flow->state = WEIR_FLOW_ASSEMBLING;
	return a;
}

/* The look's first bytes from what is stored: those behind a PROXY header. What it lacks of sixteen is zero. 0 or -1. */
WEIR_ONCE int weir_read_stored_first(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, const struct weir_assembly *a)
{
	__u32 at, n;

	WEIR_USED(frame);
	if (!l || !s || !a)
		return -1;
	at = a->start;
	n = a->filled - at < WEIR_FIRST ? a->filled - at : WEIR_FIRST;
	__builtin_memset(s->bytes, 0, WEIR_FIRST);
	if (weir_copy(frame, s, 0, a->slot[at / WEIR_SLOT & 15] - 1u, at & (WEIR_SLOT - 1), n))
		return -1;
	__builtin_memcpy(l->first, s->bytes, WEIR_FIRST);
	return 0;
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
	if (relative >= WEIR_STREAM_CAP) {	/* an old copy, or beyond what is held: no part of the hello */
		weir_count(frame, WEIR_COUNT_OUT_OF_REACH);
		return 0;
	}
	a = weir_assembly_of(frame, l, s, flow);
	if (!a) {
		weir_rest(flow);
		return 0;
	}
	a->last_ns = l->now;
	a->proof = flow->proof;
	l->sequence = flow->base + a->filled;
	if (l->segment.fragment)
		a->flags |= WEIR_FLAG_FRAGMENTS;
	a->place_from = l->segment.payload_at;
	a->reason = WEIR_REASON_EVICTED;
	if (weir_intact(frame, a))
		a->reason = (__u8)weir_place(frame, a, s, relative, l->segment.payload_size);
	stream = a->reason ? WEIR_STREAM_LONG : a->proof && weir_find_start(frame, a, s) ? WEIR_STREAM_MORE : weir_walk(frame, a);
	if (a->start && !flow->preamble) {
		flow->preamble = a->preamble;
		flow->named = a->named;
	}
	if (stream == WEIR_STREAM_WHOLE && (weir_gather(frame, a, s) || !weir_intact(frame, a))) {
		a->reason = WEIR_REASON_EVICTED;
		stream = WEIR_STREAM_LONG;
	}
	if (stream == WEIR_STREAM_MORE) {
		if (a->filled < WEIR_STREAM_CAP)
			return 0;
		stream = WEIR_STREAM_LONG;
	}
	/* On another processor a newer hello took the place while this segment was looked at, and told of this one: it is not ours now. */
	if (a->id != flow->assembly) {
		weir_rest(flow);
		return 0;
	}
	if (stream == WEIR_STREAM_LONG) {
		weir_rest(flow);
		if (!a->reason)
			a->reason = WEIR_REASON_TOO_LONG;
		if (a->reason == WEIR_REASON_EVICTED)
			weir_count(frame, WEIR_COUNT_EVICTED);
		weir_give_up(frame, s, a, l->now);
		return 0;
	}
	flow->state = WEIR_FLOW_DONE;
	weir_begin(s, &l->segment.flow, l->now);
	s->is_vouched = flow->bits & WEIR_BIT_VOUCHED;
	if (l->segment.payload_size < 64 && a->tiny)
		a->tiny--;			/* the last may be as small as it likes */
	weir_copy_history(r, a);
	weir_name(s, &a->named);
	if (a->conflict)
		flow->gate_bits |= WEIR_GATE_SPOILT;	/* whatever the policy makes of that */
	if (l->now - a->first_ns > 5 * WEIR_SECOND)
		WEIR_FOUND(r, WEIR_SLOW_HELLO);
	r->completeness = WEIR_REASSEMBLED;
	weir_count(frame, WEIR_COUNT_ASSEMBLED);
	if (stream == WEIR_STREAM_WHOLE) {
		length = weir_announced(a->head);
		r->hello_length = length;
		l->message_end = flow->base + a->whole_at;
		if (a->ranges || a->filled > a->whole_at)
			flow->gate_bits |= WEIR_GATE_AHEAD;
		weir_read_client_hello(s, length);
		weir_expect_records(l, s, flow, flow->base + a->header_at);
		/* Its bytes stay until it is answered. */
		if (!(flow->bits & WEIR_BIT_AGAIN)) {
			a->kept = 1;
			a->have = 0;
			flow->kept = a->id;
			return (int)length + 1;
		}
	} else if (!a->records && !weir_read_stored_first(frame, l, s, a) && l->first[0] != 22) {
		weir_misfit(r, l->first);	/* it came in disorder, or began as a PROXY header does */
	} else {
		WEIR_FOUND(r, a->records ? a->head_have == 4 && a->head >> 24 != 1 ? WEIR_MALFORMED_HELLO : WEIR_BAD_RECORD : WEIR_BAD_RECORD);
	}
	a->id = 0;
	return (int)length + 1;
}

/* The bytes of a hello that one segment brought, kept until it is answered: what comes again at their numbers is compared with them. */
WEIR_ONCE int weir_keep(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a;
	__u32 id;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return -1;
	id = weir_next_assembly(frame, !flow->proof);
	a = weir_assembly_at(frame, id);
	if (!a)
		return -1;
	if (a->id && !a->kept) {
		a->reason = WEIR_REASON_EVICTED;
		weir_count(frame, WEIR_COUNT_EVICTED);
		weir_give_up(frame, s, a, l->now);
	}
	__builtin_memset(a->slot, 0, sizeof(a->slot));
	a->id = id;
	a->kept = 1;
	a->ranges = a->slots = a->conflict = 0;
	a->have = 0;
	a->last_ns = l->now;
	a->place_at = 0;
	a->place_from = l->segment.payload_at;
	a->place_stop = a->place_end = a->filled = l->message_end - l->segment.sequence;
	if (weir_store_part(frame, a))
		return -1;
	flow->kept = id;
	return 0;
}

/* Bytes of a flow that is not judged yet. Returns as its judges do. */
WEIR_INLINE int weir_judge(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	int verdict = -1;

	if (flow->state == WEIR_FLOW_EXPECTING && l->segment.sequence == flow->base) {
		if (weir_read_first(frame, l, s)) {
			weir_cut_off(frame, l, s, flow);
			return 0;
		}
		/* Of what was judged the base stays where it is. */
		switch (l->first[0] == 22 || flow->bits & WEIR_BIT_AGAIN ? -1 : weir_skip_preamble(frame, l, s, flow)) {
		case -2:
			return weir_assemble(frame, l, s, flow);
		case 0:
			return 0;
		case 1:
			if (weir_read_first(frame, l, s))
				return 0;
		}
		if (!l->segment.fragment)
			verdict = weir_judge_segment(frame, l, s, flow);
	} else if (flow->state == WEIR_FLOW_EXPECTING && !(flow->bits & WEIR_BIT_AGAIN) && !weir_read_first(frame, l, s) &&
		   weir_pass_ahead(frame, l, s, flow)) {
		return 0;
	}
	return verdict < 0 ? weir_assemble(frame, l, s, flow) : verdict;
}
#endif
