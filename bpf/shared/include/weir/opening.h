/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How a connection begins, and what may begin in its place: SYN-ACKs and the ACKs that prove, data in a SYN, SYN cookies, which open
 * a tuple again with the same numbers or with others.
 */
#ifndef WEIR_OPENING_H
#define WEIR_OPENING_H

#include <weir/gate.h>

#define WEIR_EARLY (1u << 16)		/* bytes before its first number that a segment may begin with: it has no more */

/*
 * The same SYN-ACK again. Sent again, it takes a clean verdict back until the same bytes come again. Once the server has said something it is
 * no longer sent again: it is another connection, to which a SYN cookie gives the same numbers within its minute. A refusal stays.
 */
WEIR_ONCE int weir_syn_ack_again(weir_frame *frame, struct weir_flow *known)
{
	struct weir_assembly *a;

	WEIR_USED(frame);
	if (!known || known->gate == WEIR_GATE_REFUSED)
		return 0;
	a = weir_assembly_at(frame, known->kept);
	if (known->gate == WEIR_GATE_CLEAN && a && a->id == known->kept)
		a->have = 0;
	if (known->gate == WEIR_GATE_CLEAN)
		known->gate = WEIR_GATE_ARMED;
	if (known->server_next == known->server_isn + 1 && !known->reopened)
		return 0;
	weir_release_kept(frame, known);
	known->gate = WEIR_GATE_ARMED;
	known->gate_bits &= WEIR_GATE_SEEN_OUT | WEIR_GATE_SPOILT | WEIR_GATE_FRAGMENTED;
	known->state = WEIR_FLOW_EXPECTING;
	known->base = known->client_isn + 1;
	known->server_next = known->server_isn + 1;
	known->hello_end = known->judged_size = known->turn = 0;
	known->answered_ns = 0;
	known->bits &= WEIR_BIT_VOUCHED;
	known->preamble = known->skipped = known->reopened = known->handshakes = 0;
	__builtin_memset(&known->named, 0, sizeof(known->named));	/* the proxy opens it for whom it likes */
	return 0;
}

/* May a client's RST with this number end the connection? Its FIN does not: it frees no tuple, and what was before it may come after it. */
WEIR_INLINE int weir_may_end(const struct weir_flow *flow, __u32 sequence)
{
	return sequence - flow->base < WEIR_FOLLOWED_AHEAD || sequence - flow->turn < WEIR_FOLLOWED_AHEAD;
}

/*
 * Client bytes on a connection that was closed. Nobody sends more: a SYN cookie's acknowledgement opens the tuple again, without a SYN and with any
 * number that the client likes. What the server says next is counted as another connection's.
 */
WEIR_ONCE int weir_reopen(weir_frame *frame, struct weir_flow *flow)
{
	WEIR_USED(frame);
	if (!flow)
		return 0;
	weir_release_kept(frame, flow);
	flow->gate = WEIR_GATE_ARMED;
	flow->gate_bits = (flow->gate_bits & ~(WEIR_GATE_RETRY | WEIR_GATE_CLOSED)) | WEIR_GATE_SPOILT;
	flow->answered_ns = 0;
	flow->reopened = 1;
	return 0;
}

WEIR_INLINE struct weir_opening *weir_opening_of(weir_frame *frame, const struct weir_flow_key *flow)
{
	return weir_opening_at(frame, (__u32)(weir_hash_flow(flow, flow->client_port) >> 32));
}

#define WEIR_OPENING_APART 500		/* of an opening's time: a quarter of a second, in which a server answers */

/* A SYN's number, for whether two came at once. Others' may fall on the same place, which only makes it more careful. */
WEIR_INLINE void weir_note_opening(weir_frame *frame, const struct weir_segment *seg)
{
	struct weir_opening *opening = weir_opening_of(frame, &seg->flow);
	__u32 now = (__u32)(weir_now(frame) >> 20) << 1;

	if (!opening)
		return;
	opening->seen = now | (now - (opening->seen & ~1u) < WEIR_OPENING_APART && (opening->isn != seg->sequence || opening->seen & 1));
	opening->isn = seg->sequence;
}

WEIR_INLINE __u64 weir_hash_ports(const struct weir_flow_key *flow)
{
	return weir_hash_flow(flow, (__u32)flow->client_port ^ (__u32)flow->server_port << 7);
}

/* Where this flow's SYN-ACK lies in its place, or how many there are. */
WEIR_INLINE __u32 weir_find_syn_ack(const struct weir_syn_acks *place, __u32 tag)
{
	__u32 at = WEIR_SYN_ACK_WAYS;

	_Pragma("unroll")
	for (__u32 i = 0; i < WEIR_SYN_ACK_WAYS; i++)
		if (place->of[i].seen && place->of[i].tag == tag)
			at = i;
	return at;
}

/* Notes what a forwarded server has said to a SYN. */
WEIR_ONCE int weir_note_syn_ack(weir_frame *frame, struct weir_look *l, __u32 client_isn, __u32 server_isn)
{
	__u32 now, tag, at, age, oldest = 0;
	struct weir_syn_acks *place;
	struct weir_syn_ack *known;
	__u64 hash;

	WEIR_USED(frame);
	if (!l)
		return 0;
	hash = weir_hash_ports(&l->segment.flow);
	place = weir_syn_acks_at(frame, (__u32)hash);
	if (!place)
		return 0;
	tag = (__u32)(hash >> 32);
	now = ((__u32)(l->now >> 20) | 1) << 1;
	at = weir_find_syn_ack(place, tag);
	if (at < WEIR_SYN_ACK_WAYS) {
		known = &place->of[at & (WEIR_SYN_ACK_WAYS - 1)];
		/* Two cookies may differ in the client's number alone. */
		now |= known->server_isn == server_isn && (known->client_isn != client_isn || known->seen & 1);
	} else {
		at = 0;
		_Pragma("unroll")
		for (__u32 i = 0; i < WEIR_SYN_ACK_WAYS; i++) {
			age = now - place->of[i].seen;
			if (!place->of[i].seen)
				age = ~0u;
			if (age > oldest) {
				oldest = age;
				at = i;
			}
		}
		known = &place->of[at & (WEIR_SYN_ACK_WAYS - 1)];
	}
	known->tag = tag;
	known->client_isn = client_isn;
	known->server_isn = server_isn;
	known->seen = now;
	return 0;
}

/* What was noted of this flow's SYN-ACK; 0 if nothing is. It proves one connection: whoever uses it takes it out. */
WEIR_INLINE struct weir_syn_ack *weir_noted_syn_ack(weir_frame *frame, const struct weir_flow_key *flow)
{
	__u64 hash = weir_hash_ports(flow);
	struct weir_syn_acks *place = weir_syn_acks_at(frame, (__u32)hash);
	__u32 at;

	if (!place)
		return 0;
	at = weir_find_syn_ack(place, (__u32)(hash >> 32));
	return at < WEIR_SYN_ACK_WAYS ? &place->of[at & (WEIR_SYN_ACK_WAYS - 1)] : 0;
}

/* Data in a SYN that the server has taken (RFC 7413): what was read of it is the flow's beginning. */
WEIR_INLINE void weir_fast_open(weir_frame *frame, struct weir_look *l, struct weir_flow *fresh)
{
	struct weir_flow *opened = WEIR_LOOKUP(frame, strangers, WEIR_KEY(&l->segment.flow));
	struct weir_opening *opening = weir_opening_of(frame, &l->segment.flow);
	__u32 server_isn = fresh->server_isn;
	__u8 seen = fresh->gate_bits;

	if (!opened || !(opened->gate_bits & WEIR_GATE_FAST_OPEN) || l->segment.acknowledged == opened->base || l->segment.acknowledged - opened->client_isn > 1u << 16)
		return;
	*fresh = *opened;
	fresh->server_isn = server_isn;
	fresh->server_next = server_isn + 1;
	fresh->gate_bits |= seen;
	fresh->first_ns = l->now;
	/* Another SYN's number may lie where this one's data ended: then the server has taken none of it. */
	if (!opening || opening->isn != opened->client_isn || opening->seen & 1)
		weir_spoil(fresh);
}

/*
 * SYN-ACK: half of the proof, and the end of whatever used the 5-tuple before. Only the server can send it, and only what leaves by
 * an interface of this node was sent by a server on our side; what comes in takes nothing from that.
 */
WEIR_ONCE int weir_syn_ack(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	const struct weir_flow_key *key;
	struct weir_flow *known, *fresh;
	struct weir_assembly *a;

	WEIR_USED(frame);
	fresh = weir_draft(frame);
	if (!l || !s || !fresh)
		return -1;
	fresh->state = WEIR_FLOW_SYN_ACK;
	key = WEIR_KEY(&l->segment.flow);
	fresh->first_ns = l->now;
	fresh->client_isn = l->segment.acknowledged - 1;
	fresh->server_isn = l->segment.sequence;
	fresh->server_next = l->segment.sequence + 1;
	fresh->gate_bits = l->hook == WEIR_HOOK_IN ? 0 : WEIR_GATE_SEEN_OUT;
	fresh->bits = weir_is_local(frame) ? WEIR_BIT_VOUCHED : 0;
	known = WEIR_LOOKUP(frame, flows, key);
	if (known && known->server_isn == fresh->server_isn && (known->client_isn == fresh->client_isn || known->gate_bits & WEIR_GATE_FAST_OPEN)) {
		known->gate_bits |= fresh->gate_bits;
		if (fresh->gate_bits)
			weir_syn_ack_again(frame, known);
		return 0;
	}
	if (known && known->gate_bits & WEIR_GATE_SEEN_OUT && !fresh->gate_bits)
		return 0;
	if (known) {
		a = known->state == WEIR_FLOW_ASSEMBLING ? weir_known_assembly(frame, known) : 0;
		if (a) {
			a->reason = WEIR_REASON_REUSED;
			weir_give_up(frame, s, a, l->now);
		}
		WEIR_REMOVE(frame, flows, key);
	} else {
		known = WEIR_LOOKUP(frame, half_open, key);
		if (known && known->server_isn == fresh->server_isn) {
			known->gate_bits |= fresh->gate_bits;
			/* Two cookies may differ in the client's number alone: then nobody knows where its bytes begin. */
			if (known->client_isn != fresh->client_isn && !(known->gate_bits & WEIR_GATE_FAST_OPEN))
				known->gate_bits |= WEIR_GATE_SPOILT;
			if (fresh->gate_bits && !fresh->bits)
				weir_note_syn_ack(frame, l, fresh->client_isn, fresh->server_isn);
			return 0;		/* sent again */
		}
		if (known && known->gate_bits & WEIR_GATE_SEEN_OUT && !fresh->gate_bits)
			return 0;
	}
	weir_fast_open(frame, l, fresh);
	/* A local server's connection is known by its socket, and one with data in its SYN by what was read of it. */
	if (fresh->gate_bits == WEIR_GATE_SEEN_OUT && !fresh->bits)
		weir_note_syn_ack(frame, l, fresh->client_isn, fresh->server_isn);
	WEIR_STORE(frame, half_open, key, fresh, BPF_ANY);
	return 0;
}

/* Does this segment acknowledge what the server has sent, and nothing else? Who does has heard it: its address is no forgery (RFC 9293 section 3.5). */
WEIR_INLINE int weir_has_heard(const struct weir_segment *seg, const struct weir_flow *flow)
{
	return seg->flags & WEIR_TCP_ACK && seg->acknowledged - flow->server_isn - 1 <= flow->server_next - flow->server_isn - 1;
}

WEIR_ONCE int weir_forget_syn_ack(weir_frame *frame, struct weir_look *l)
{
	struct weir_syn_ack *noted;

	WEIR_USED(frame);
	noted = l ? weir_noted_syn_ack(frame, &l->segment.flow) : 0;
	if (noted)
		noted->seen = 0;
	return 0;
}

/* A client's first segment after the SYN-ACK: its flow is proven from here on. 0 if this is none. */
WEIR_ONCE int weir_promote(weir_frame *frame, struct weir_look *l, const struct weir_flow *half)
{
	struct weir_flow *fresh;
	const struct weir_flow_key *key;

	WEIR_USED(frame);
	if (!l || !half)
		return 0;
	/* A stack takes one that begins early as well, and cuts off what it has (tcp_check_req). */
	if (!weir_has_heard(&l->segment, half) || l->segment.sequence - half->client_isn - 1 + WEIR_EARLY >= (1u << 20) + WEIR_EARLY)
		return 0;
	if (l->hook == WEIR_HOOK_IN && !(half->gate_bits & WEIR_GATE_SEEN_OUT))
		return 0;
	fresh = weir_draft(frame);
	if (!fresh)
		return 0;
	key = WEIR_KEY(&l->segment.flow);
	*fresh = *half;
	if (fresh->state == WEIR_FLOW_SYN_ACK) {
		fresh->base = half->client_isn + 1;
		fresh->state = WEIR_FLOW_EXPECTING;
	}
	fresh->first_ns = l->now;
	fresh->proof = WEIR_TRACKED;
	fresh->ifindex = weir_ifindex(frame);
	fresh->direction = l->direction;
	WEIR_REMOVE(frame, half_open, key);
	WEIR_STORE(frame, flows, key, fresh, BPF_ANY);
	if (!(fresh->bits & WEIR_BIT_VOUCHED))
		weir_forget_syn_ack(frame, l);
	return 1;
}

#define WEIR_SYN_ACK_TIME (60000 * 2)	/* of `seen`: as long as a client may send its ACK again */

/* The same, of a SYN-ACK that the table of half-open flows has lost to others. */
WEIR_ONCE int weir_promote_noted(weir_frame *frame, struct weir_look *l)
{
	struct weir_syn_ack *noted;
	struct weir_flow *fresh;

	WEIR_USED(frame);
	if (!l || !(l->segment.flags & WEIR_TCP_ACK))
		return 0;
	noted = weir_noted_syn_ack(frame, &l->segment.flow);
	if (!noted || l->segment.acknowledged != noted->server_isn + 1 || ((__u32)(l->now >> 20) << 1) - noted->seen > WEIR_SYN_ACK_TIME ||
	    l->segment.sequence - noted->client_isn - 1 + WEIR_EARLY >= (1u << 20) + WEIR_EARLY)
		return 0;
	fresh = weir_draft(frame);
	if (!fresh)
		return 0;
	fresh->state = WEIR_FLOW_EXPECTING;
	fresh->proof = WEIR_TRACKED;
	fresh->first_ns = l->now;
	fresh->client_isn = noted->client_isn;
	fresh->server_isn = noted->server_isn;
	fresh->base = noted->client_isn + 1;
	fresh->server_next = noted->server_isn + 1;
	fresh->gate_bits = noted->seen & 1 ? WEIR_GATE_SEEN_OUT | WEIR_GATE_SPOILT : WEIR_GATE_SEEN_OUT;
	fresh->ifindex = weir_ifindex(frame);
	fresh->direction = l->direction;
	noted->seen = 0;
	WEIR_STORE(frame, flows, WEIR_KEY(&l->segment.flow), fresh, BPF_ANY);
	return 1;
}

/* An entry for bytes that nothing proves, where it can push out only its like. */
WEIR_INLINE struct weir_flow *weir_stranger(weir_frame *frame, struct weir_look *l, __u32 base, __u8 gate_bits)
{
	struct weir_flow *fresh = weir_draft(frame), *known;
	const struct weir_flow_key *key;

	if (!fresh)
		return 0;
	fresh->state = WEIR_FLOW_EXPECTING;
	fresh->first_ns = l->now;
	fresh->base = base;
	fresh->client_isn = base - 1;
	fresh->gate_bits = gate_bits;
	key = WEIR_KEY(&l->segment.flow);
	known = gate_bits & WEIR_GATE_FAST_OPEN ? WEIR_LOOKUP(frame, strangers, key) : 0;
	/* Two SYNs with data at once: nobody knows which of them the server takes. */
	if (known && known->gate_bits & WEIR_GATE_FAST_OPEN && l->now - known->first_ns < 3 * WEIR_SECOND)
		fresh->gate_bits |= WEIR_GATE_SPOILT;
	WEIR_STORE(frame, strangers, key, fresh, BPF_ANY);
	return WEIR_LOOKUP(frame, strangers, key);
}
#endif
