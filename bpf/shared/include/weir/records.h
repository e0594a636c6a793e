/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A client's TLS records after its hello, for as long as they tell something: until TLS 1.3's are encrypted for good, and
 * through the whole of an older connection, which may renegotiate. Only headers are read, and what is in plain text.
 */
#ifndef WEIR_RECORDS_H
#define WEIR_RECORDS_H

#include <weir/platform.h>
#include <weir/scratch.h>
#include <weir/verdict.h>

#define WEIR_RECORDS_MAX 16		/* of one frame; what lies beyond is passed over */
#define WEIR_RECORD_MOST (16384 + 2048)
#define WEIR_FOLLOWED_AHEAD (1u << 20)	/* a server's window, at most, for what can be lost */

/* Never clean again: nobody knows which bytes the server reads. */
WEIR_INLINE void weir_spoil(struct weir_flow *flow)
{
	flow->gate_bits |= WEIR_GATE_SPOILT;
	if (flow->gate == WEIR_GATE_CLEAN)
		flow->gate = WEIR_GATE_ARMED;
}

/* Could these five bytes be a record's header (RFC 8446 section 5.1; 24 is RFC 6520's)? */
WEIR_INLINE int weir_is_header(const __u8 *p)
{
	__u32 size = (__u32)p[3] << 8 | p[4];

	return p[0] >= 20 && p[0] <= 24 && p[1] == 3 && size <= WEIR_RECORD_MOST && (size || p[0] != 22);
}

/* What one record says. `have` of its first eight bytes are here. Returns 1 when nothing more is to be learned. */
WEIR_INLINE int weir_note_record(struct weir_look *l, struct weir_flow *flow, __u32 have)
{
	const __u8 *p = l->carry;
	__u32 size = (__u32)p[3] << 8 | p[4];
	int changed = flow->bits & WEIR_BIT_CIPHERS_CHANGED;

	flow->bits |= WEIR_BIT_WENT_ON;
	switch (p[0]) {
	case 20:
		/* Nothing of the server's is acknowledged: it has not said its hello (CVE-2014-0224). */
		if (!changed && flow->bits & WEIR_BIT_OLD && flow->proof == WEIR_TRACKED && l->segment.acknowledged == flow->server_isn + 1)
			l->noted |= 1ULL << WEIR_EARLY_CCS;
		flow->bits |= WEIR_BIT_CIPHERS_CHANGED;
		return 0;
	case 21:
		if (!changed && size == 2 && have > 5 && p[5] == 2)
			l->notes |= WEIR_NOTE_FATAL_ALERT;
		return 0;
	case 22:
		if (changed && flow->handshakes != 255 && ++flow->handshakes > 2)
			l->noted |= 1ULL << WEIR_RENEGOTIATION_FLOOD;
		return 0;
	case 23:
		return !flow->handshakes;	/* without a Finished of its own type: TLS 1.3, where this hides everything */
	case 24:
		/* RFC 6520 section 4: the payload has to fit; sixteen bytes of padding and a header of three are in the record too. */
		if (!changed && have > 7 && p[5] == 1 && ((__u32)p[6] << 8 | p[7]) + 19 > size)
			l->noted |= 1ULL << WEIR_HEARTBLEED_PROBE;
		return 0;
	}
	return 0;
}

/* One record of the frame. 0 to go on, 1 when the frame is through, 2 when the flow needs no more looking at. */
WEIR_INLINE int weir_follow_record(weir_frame *frame, struct weir_look *l, struct weir_flow *flow)
{
	__u32 left = l->walk_end - l->walk_at, carried = flow->carried & 7, want = 5 - carried, n = 8 - carried;

	if (!left || left > 1u << 24)
		return 1;
	if (n > left)
		n = left;
	*(__u64 *)l->carry = *(const __u64 *)flow->carry;
	if (carried > 4 || weir_bytes(frame, l->walk_at, l->carry + carried, n, 8))
		return 2;
	if (n < want) {				/* the header goes on in the next segment */
		*(__u64 *)flow->carry = *(const __u64 *)l->carry;
		flow->carried = (__u8)(carried + n);
		flow->next += n;
		return 1;
	}
	if (!weir_is_header(l->carry)) {
		if (!(flow->bits & WEIR_BIT_OUT_OF_STEP))
			l->noted |= 1ULL << WEIR_BAD_RECORD;
		return 2;
	}
	flow->carried = 0;
	want += (__u32)l->carry[3] << 8 | l->carry[4];
	flow->next += want;
	l->walk_at += want;
	if (weir_note_record(l, flow, carried + n))
		return 2;
	return l->walk_at >= l->walk_end;
}

struct weir_following {
	weir_frame *frame;
	struct weir_look *l;
	struct weir_flow *flow;
	int result;
};

/* Returns 1 to stop. */
WEIR_STEP long weir_follow_next(__u32 turn, void *context)
{
	struct weir_following *f = context;

	(void)turn;
	f->result = weir_follow_record(f->frame, f->l, f->flow);
	return f->result || f->l->turns++ >= WEIR_RECORDS_MAX;
}

/*
 * The client's next bytes on a flow whose hello was judged. What it found is in the look, told by the caller; the flow
 * is `WEIR_FLOW_DONE` when nothing more is to be learned.
 */
WEIR_ONCE int weir_follow(weir_frame *frame, struct weir_look *l, struct weir_flow *flow)
{
	struct weir_following f = { .frame = frame, .l = l, .flow = flow };
	__u32 ahead;

	WEIR_USED(frame);
	if (!l || !flow)
		return 0;
	l->noted = l->notes = 0;
	ahead = flow->next - l->segment.sequence;	/* bytes of this segment that are known or belong to a known record */
	if (ahead >= 1u << 31 && l->hook != WEIR_HOOK_ANY) {
		/* Out of step: whoever sent it may have forged it. What no server takes now changes nothing; else nothing more is followed. */
		if (0u - ahead < WEIR_FOLLOWED_AHEAD) {
			weir_count(frame, WEIR_COUNT_OUT_OF_STEP);
			flow->state = WEIR_FLOW_DONE;
		}
		return 0;
	}
	if (ahead >= 1u << 31) {
		/* A capture that lost something: go on where a segment starts as a record does. */
		if (l->segment.payload_size < 5 || weir_bytes(frame, l->segment.payload_at, l->carry, 5, 5) || !weir_is_header(l->carry))
			return 0;
		if (!(flow->bits & WEIR_BIT_OUT_OF_STEP))
			weir_count(frame, WEIR_COUNT_OUT_OF_STEP);
		flow->bits |= WEIR_BIT_OUT_OF_STEP;
		flow->carried = 0;
		flow->next = l->segment.sequence;
		ahead = 0;
	}
	if (ahead >= l->segment.payload_size)
		return 0;
	l->walk_at = l->segment.payload_at + ahead;
	l->walk_end = l->segment.payload_at + l->segment.payload_size;
	WEIR_LOOP(WEIR_RECORDS_MAX, weir_follow_next, &f);
	if (f.result == 2)
		flow->state = WEIR_FLOW_DONE;
	return 0;
}

/* After a hello of `length` message bytes and its record headers, `end` being the sequence number that follows. */
WEIR_INLINE void weir_expect_records(struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, __u32 end)
{
	l->hello_end = end;
	if (flow->bits & WEIR_BIT_AGAIN)
		return;				/* weir_settle looks first whether it says anything new */
	flow->state = WEIR_FLOW_AFTER;
	flow->first_ns = l->now;
	flow->next = end;
	flow->ifindex = s->record.ifindex;
	flow->direction = s->record.direction;
	flow->carried = 0;
	flow->bits = (flow->bits & WEIR_BIT_VOUCHED) | (s->record.version <= 0x0303 ? WEIR_BIT_OLD : 0);
}
/* Has the flow been silent for the policy's ten seconds, since its handshake or since its hello, and was that not told? */
WEIR_INLINE int weir_is_silent(const struct weir_flow *flow, __u64 now, __u64 timeout)
{
	if (flow->bits & (WEIR_BIT_SILENCE | WEIR_BIT_WENT_ON) || (__s64)(now - flow->first_ns) < (__s64)timeout)
		return 0;
	return flow->state == WEIR_FLOW_AFTER || (flow->state == WEIR_FLOW_EXPECTING && flow->proof && !flow->skipped);
}

WEIR_ONCE int weir_tell_silence(weir_frame *frame, struct weir_scratch *s, const struct weir_flow_key *key, struct weir_flow *flow, __u64 now)
{
	WEIR_USED(frame);
	if (!s || !key || !flow)
		return -1;
	flow->bits |= WEIR_BIT_SILENCE;
	weir_begin(s, key, now);
	s->record.kind = WEIR_KIND_FLOW;
	s->record.first_ns = flow->first_ns;
	s->record.ifindex = flow->ifindex;
	s->record.direction = flow->direction;
	s->record.proof = flow->proof;
	s->record.preamble = flow->preamble;
	weir_name(s, &flow->named);
	s->record.reach = flow->bits & WEIR_BIT_VOUCHED ? WEIR_REACH_SOURCE : WEIR_REACH_DESTINATION;
	if (flow->state == WEIR_FLOW_AFTER)
		s->record.notes = WEIR_NOTE_SILENT;
	else if (weir_policy(frame)->recorded >> WEIR_CONNECT_NO_HELLO & 1)
		s->record.anomalies = 1ULL << WEIR_CONNECT_NO_HELLO;
	else
		return 0;
	return weir_tell(frame, s, 0);
}
#endif
