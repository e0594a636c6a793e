/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From what was seen to a record: who and when, what is decided about it, how it is counted and told. */
#ifndef WEIR_VERDICT_H
#define WEIR_VERDICT_H

#include <weir/platform.h>
#include <weir/scratch.h>
#include <weir/limit.h>
#include <weir/past.h>

/* A record that says who and when, and nothing else yet. */
WEIR_INLINE void weir_begin(struct weir_scratch *s, const struct weir_flow_key *key, __u64 now)
{
	struct weir_handshake *r = &s->record;

	__builtin_memset(r, 0, sizeof(*r));
	r->seen_ns = now;
	r->first_ns = now;
	__builtin_memcpy(r->source, key->client, 16);
	__builtin_memcpy(r->destination, key->server, 16);
	r->source_port = key->client_port;
	r->destination_port = key->server_port;
	r->segments = 1;
	r->records = 1;
	r->wire_version = WEIR_WIRE_VERSION;
	s->is_answer = WEIR_NO_ANSWER;
	s->is_told = 0;
	s->is_vouched = 0;
	s->only_standing = 0;
}

/*
 * Whom the peer has named, if anybody; he becomes the source when the record is whole (weir_name_source). Without a branch: each costs
 * whoever begins a record.
 */
WEIR_INLINE void weir_name(struct weir_scratch *s, const struct weir_named *named)
{
	__u64 *out = (__u64 *)s->record.proxy;

	out[0] = WEIR_LE64(named->address);
	out[1] = WEIR_LE64(named->address + 8);
	s->named_port = named->port;
}

/* The named one and his proxy change places: the one is the source now, the other the record's proxy. */
WEIR_INLINE void weir_name_source(struct weir_scratch *s)
{
	__u64 *proxy = (__u64 *)s->record.proxy, *source = (__u64 *)s->record.source, high = proxy[0], low = proxy[1];

	if (!(high | low))
		return;
	proxy[0] = source[0];
	proxy[1] = source[1];
	source[0] = high;
	source[1] = low;
	s->record.source_port = (__u16)s->named_port;
}

/* What the frame at hand adds: where it was seen and how it was wrapped. */
WEIR_INLINE void weir_begin_here(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, const struct weir_flow *flow)
{
	struct weir_handshake *r = &s->record;

	weir_begin(s, &l->segment.flow, l->now);
	weir_name(s, &flow->named);
	r->ifindex = weir_ifindex(frame);
	r->direction = l->direction;
	r->vlan_tags = l->segment.vlan_tags;
	r->tunnels = l->segment.tunnels;
	r->proof = flow->proof;
	r->preamble = flow->preamble;
	s->is_vouched = flow->bits & WEIR_BIT_VOUCHED;
}

/*
 * How far the record's proof reaches, as far as its flow and the policy tell. Pods and other machines behind this node may work together with
 * somebody outside: their answers prove an address to themselves alone.
 */
WEIR_ONCE int weir_reach(weir_frame *frame, struct weir_scratch *s)
{
	struct weir_allow_key destination = { .prefix_length = 128 };
	__u8 vouches = weir_policy(frame)->vouches;

	WEIR_USED(frame);
	if (!s || s->is_vouched || vouches >= WEIR_VOUCH_ALL)
		return WEIR_REACH_SOURCE;
	if (!vouches)
		return WEIR_REACH_DESTINATION;
	__builtin_memcpy(destination.address, s->record.destination, 16);
	return WEIR_LOOKUP(frame, vouched, &destination) ? WEIR_REACH_SOURCE : WEIR_REACH_DESTINATION;
}

WEIR_INLINE void weir_copy_history(struct weir_handshake *r, const struct weir_assembly *a)
{
	r->first_ns = a->first_ns;
	r->segments = a->segments;
	r->proof = a->proof;
	r->flags = a->flags;
	r->vlan_tags = a->vlan_tags;
	r->tunnels = a->tunnels;
	r->preamble = a->preamble;
	r->ifindex = a->ifindex;
	r->direction = a->direction;
	r->records = a->records ? a->records : 1;
	if (a->conflict)
		r->anomalies |= 1ULL << WEIR_OVERLAP_CONFLICT;
	if (a->segments > 3 + a->filled / 512 || (a->tiny && a->segments > 1))
		r->anomalies |= 1ULL << WEIR_TINY_FRAGMENTS;
	if (a->records > 2 || a->small)
		r->anomalies |= 1ULL << WEIR_RECORD_FRAGMENTATION;
}

/* The raw hello travels when the policy's capture setting asks for it, or when user space has to read its name. */
WEIR_INLINE int weir_wants_raw(weir_frame *frame, struct weir_handshake *r)
{
	const struct weir_config *config = weir_policy(frame);
	__u8 capture = config->capture;

	if (capture == WEIR_CAPTURE_ALL || r->flags & WEIR_FLAG_LITERAL || config->read_names)
		return 1;
	if (capture == WEIR_CAPTURE_NEW_FINGERPRINT && r->fingerprint) {
		__u64 *known = weir_fingerprint_at(frame, r->fingerprint);

		if (known && *known != r->fingerprint) {
			*known = r->fingerprint;
			return 1;
		}
	}
	return capture >= WEIR_CAPTURE_ANOMALOUS && r->anomalies;
}

WEIR_INLINE __u32 weir_counter_of(__u8 action)
{
	switch (action) {
	case WEIR_PASSED: return WEIR_COUNT_PASSED;
	case WEIR_ALLOWED: return WEIR_COUNT_ALLOWED;
	case WEIR_ADMITTED: return WEIR_COUNT_ADMITTED;
	case WEIR_RESET: return WEIR_COUNT_RESET;
	case WEIR_DROPPED: return WEIR_COUNT_DROPPED;
	}
	return WEIR_COUNT_OBSERVED;
}

/* Counts the verdict and tells it. `have` bytes of the message are in the scratch. */
WEIR_INLINE void weir_tell_here(weir_frame *frame, struct weir_scratch *s, __u32 have)
{
	struct weir_handshake *r = &s->record;

	if (have && weir_wants_raw(frame, r))
		r->raw_length = (__u16)(have > WEIR_MESSAGE_CAP ? WEIR_MESSAGE_CAP : have);
	weir_count(frame, weir_counter_of(r->action));
	weir_count(frame, WEIR_COUNT_SEEN);
	if (!r->proof)
		weir_count(frame, WEIR_COUNT_UNPROVEN);
	weir_count(frame, weir_put(frame, s, r->raw_length) ? WEIR_COUNT_LOST : WEIR_COUNT_EMITTED);
}

/* The same for those who are in no hurry. A call costs what a dozen instructions do, where returns are guarded (AMD's SRSO). */
WEIR_ONCE int weir_tell(weir_frame *frame, struct weir_scratch *s, __u32 have)
{
	WEIR_USED(frame);
	if (!s)
		return 0;
	weir_name_source(s);
	weir_tell_here(frame, s, have);
	return 0;
}

WEIR_INLINE void weir_conclude_as(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing, __u32 have)
{
	struct weir_handshake *r = &s->record;

	weir_name_source(s);
	r->reach = (__u8)weir_reach(frame, s);
	if (r->proof < weir_policy(frame)->proof || !r->proof || (r->reach && r->anomalies))
		weir_prove(frame, l, r);
	r->reach &= (__u8)~(r->proof / WEIR_SOCKET);	/* without a branch, of which the verifier would follow both ways */
	if (r->kind == WEIR_KIND_HELLO && r->proof && weir_recall(frame, s)) {
		weir_count(frame, WEIR_COUNT_TRANSLATED);
		r->anomalies &= weir_policy(frame)->recorded;
		return;
	}
	r->anomalies &= weir_policy(frame)->recorded;
	/*
	 * What came out of a tunnel is a copy, or another's to stop; it is not where a frame could be changed. A fragment cannot become
	 * a RST either, for the rest of its datagram would follow: the answer to it is counted, and then both sides are told.
	 */
	if (enforcing && !r->tunnels && (!l->segment.fragment || s->is_answer)) {
		weir_decide(frame, s, l->now);
		weir_decide_wide(frame, s);
	}
	/* The answer to a hello that was told of is news only if it is refused. */
	if (s->is_told && r->action != WEIR_RESET && r->action != WEIR_DROPPED)
		return;
	weir_tell_here(frame, s, have);
}

/* Two, so that the verifier looks at what decides only where something is to be decided. */
WEIR_ONCE int weir_conclude_observing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have)
{
	WEIR_USED(frame);
	if (l && s)
		weir_conclude_as(frame, l, s, 0, have);
	return 0;
}

WEIR_ONCE int weir_conclude_enforcing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have)
{
	WEIR_USED(frame);
	if (l && s)
		weir_conclude_as(frame, l, s, 1, have);
	return 0;
}

/* The verdict stands: what its source and its fingerprint have done before, decide, count, tell. `enforcing` is a constant. */
WEIR_INLINE void weir_conclude(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing, __u32 have)
{
	if (enforcing)
		weir_conclude_enforcing(frame, l, s, have);
	else
		weir_conclude_observing(frame, l, s, have);
}

/* The unfinished hello of a flow that has one; 0 when another has taken its place. */
WEIR_INLINE struct weir_assembly *weir_known_assembly(weir_frame *frame, const struct weir_flow *flow)
{
	struct weir_assembly *a = weir_assembly_at(frame, flow->assembly);

	return a && a->id == flow->assembly ? a : 0;
}

/* Is this hello's time over? Notes why. One that was judged and kept for its answer goes without a word. */
WEIR_INLINE int weir_is_over(struct weir_assembly *a, __u64 now, __u64 timeout, int end)
{
	if (!a->id)
		return 0;
	if (a->closed && !a->kept && timeout > WEIR_SECOND)
		timeout = WEIR_SECOND;
	if (!end && (__s64)(now - a->last_ns) < (__s64)timeout)
		return 0;
	if (a->kept) {
		a->id = 0;
		return 0;
	}
	a->reason = a->closed ? WEIR_REASON_CLOSED : end ? WEIR_REASON_CAPTURE : WEIR_REASON_TIMEOUT;
	return 1;
}

/* A hello that will not be whole, for the assembly's reason. Nothing is said about what it lacks. */
WEIR_ONCE int weir_give_up(weir_frame *frame, struct weir_scratch *s, struct weir_assembly *a, __u64 now)
{
	struct weir_handshake *r;

	WEIR_USED(frame);
	if (!s || !a)
		return -1;
	if (a->again) {
		a->id = 0;
		return 0;
	}
	r = &s->record;
	weir_begin(s, &a->flow, now);
	weir_copy_history(r, a);
	weir_name(s, &a->named);
	r->completeness = WEIR_INCOMPLETE;
	r->incomplete_reason = a->reason;
	if (a->head_have == 4) {
		r->hello_length = 4 + (a->head & 0xffffff);
		if (r->hello_length > 8192 + 4)
			r->anomalies |= 1ULL << WEIR_OVERSIZED_HELLO;
	}
	if (a->reason == WEIR_REASON_CLOSED || a->reason == WEIR_REASON_TIMEOUT)
		r->anomalies |= 1ULL << WEIR_TRUNCATED_HELLO;
	r->anomalies &= weir_policy(frame)->recorded;
	weir_tell(frame, s, 0);
	a->id = 0;
	return 0;
}

/* The first client bytes cannot be read: the capture has cut them off. */
WEIR_ONCE int weir_unreadable(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, const struct weir_flow *flow, __u32 reason)
{
	WEIR_USED(frame);
	if (!l || !s || !flow)
		return -1;
	weir_begin_here(frame, l, s, flow);
	s->record.completeness = WEIR_INCOMPLETE;
	s->record.incomplete_reason = (__u8)reason;
	return weir_tell(frame, s, 0);
}
#endif
