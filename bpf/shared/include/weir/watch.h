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
#include <weir/limit.h>

/* What the frame's program has to do. `sequence` is what the server expects next: a RST with another is ignored (RFC 5961). */
struct weir_order {
	enum { WEIR_PASS, WEIR_DO_RESET, WEIR_DO_DROP } what;
	__u32 sequence;
};

/* Whose frame it is; constants once inlined. */
struct weir_watcher {
	weir_frame *frame;
	const struct weir_config *config;
	struct weir_scratch *scratch;
	__u8 direction;
	__u8 enforcing;
};

WEIR_INLINE void weir_begin(struct weir_scratch *s, const struct weir_flow_key *key, __u64 now)
{
	struct weir_handshake *r = &s->record;

	__builtin_memset(r, 0, sizeof(*r));
	r->seen_ns = now;
	r->first_ns = now;
	__builtin_memcpy(r->source, key->client.address, 16);
	__builtin_memcpy(r->destination, key->server.address, 16);
	r->source_port = key->client.port;
	r->destination_port = key->server.port;
	r->segments = 1;
	r->records = 1;
	r->wire_version = WEIR_WIRE_VERSION;
}

WEIR_INLINE void weir_begin_record(struct weir_watcher *w, const struct weir_flow_key *key, __u64 now)
{
	weir_begin(w->scratch, key, now);
	w->scratch->record.ifindex = weir_ifindex(w->frame);
	w->scratch->record.direction = w->direction;
}

/* The raw hello travels when the policy's capture setting asks for it, or when user space has to read its name. */
WEIR_INLINE int weir_wants_raw(struct weir_watcher *w)
{
	struct weir_handshake *r = &w->scratch->record;
	__u8 one = 1;

	switch (w->config->capture) {
	case WEIR_CAPTURE_ALL:
		return 1;
	case WEIR_CAPTURE_NEW_FINGERPRINT:
		if (r->fingerprint && !WEIR_LOOKUP(w->frame, fingerprints, &r->fingerprint)) {
			WEIR_STORE(w->frame, fingerprints, &r->fingerprint, &one, BPF_ANY);
			return 1;
		}
		/* fall through */
	case WEIR_CAPTURE_ANOMALOUS:
		return r->anomalies || r->flags & WEIR_FLAG_LITERAL;
	}
	return r->flags & WEIR_FLAG_LITERAL;
}

WEIR_INLINE void weir_count_action(struct weir_watcher *w, const struct weir_handshake *r)
{
	__u32 which = WEIR_COUNT_OBSERVED;

	switch (r->action) {
	case WEIR_PASSED: which = WEIR_COUNT_PASSED; break;
	case WEIR_ALLOWED: which = WEIR_COUNT_ALLOWED; break;
	case WEIR_ADMITTED: which = WEIR_COUNT_ADMITTED; break;
	case WEIR_RESET: which = WEIR_COUNT_RESET; break;
	case WEIR_DROPPED: which = WEIR_COUNT_DROPPED; break;
	}
	weir_count(w->frame, which);
	weir_count(w->frame, WEIR_COUNT_SEEN);
	if (!r->proof)
		weir_count(w->frame, WEIR_COUNT_UNPROVEN);
}

/* The verdict stands: decide, count, tell. `have` bytes of the message are in the scratch. */
WEIR_INLINE void weir_conclude(struct weir_watcher *w, __u32 have, __u64 now)
{
	struct weir_handshake *r = &w->scratch->record;

	r->anomalies &= w->config->recorded;
	if (w->enforcing && r->completeness != WEIR_INCOMPLETE)
		weir_decide(w->frame, w->scratch, now);
	if (have && weir_wants_raw(w)) {
		if (have > WEIR_STREAM_CAP - 1)
			have = WEIR_STREAM_CAP - 1;
		r->raw_length = (__u16)have;
	}
	weir_count_action(w, r);
	if (weir_put(w->frame, w->scratch, r->raw_length))
		weir_count(w->frame, WEIR_COUNT_LOST);
	else
		weir_count(w->frame, WEIR_COUNT_EMITTED);
}

/* A hello that will not be whole. Nothing is said about what it lacks. */
WEIR_INLINE void weir_incomplete(struct weir_scratch *s, const struct weir_flow_key *key, const struct weir_assembly *a, enum weir_incomplete_reason reason, __u64 now)
{
	struct weir_handshake *r = &s->record;

	weir_begin(s, key, now);
	r->completeness = WEIR_INCOMPLETE;
	r->incomplete_reason = (__u8)reason;
	if (a) {
		r->first_ns = a->first_ns;
		r->segments = a->segments;
		r->proof = a->proof;
		r->flags = a->flags;
		r->vlan_tags = a->vlan_tags;
		r->ifindex = a->ifindex;
		r->direction = a->direction;
	}
}

WEIR_INLINE void weir_give_up(struct weir_watcher *w, const struct weir_flow_key *key, const struct weir_assembly *a, enum weir_incomplete_reason reason, __u64 now)
{
	weir_incomplete(w->scratch, key, a, reason, now);
	if (!a) {
		w->scratch->record.ifindex = weir_ifindex(w->frame);
		w->scratch->record.direction = w->direction;
	}
	weir_conclude(w, 0, now);
}

/* The first client bytes are here and whole: a verdict in one go, or -1 when they have to be assembled. */
WEIR_INLINE int weir_judge_segment(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, struct weir_flow *flow, __u64 now)
{
	struct weir_scratch *s = w->scratch;
	struct weir_handshake *r = &s->record;
	__u8 first[9] = {};
	__u32 n = seg->payload_size < 9 ? seg->payload_size : 9, record, length;

	if (!n)
		return -1;
	if (weir_bytes(w->frame, seg->payload_at, first, n)) {
		weir_give_up(w, key, 0, WEIR_REASON_CAPTURE, now);
		return 0;
	}
	if (first[0] == 22 && n < 9)
		return -1;
	record = (__u32)first[3] << 8 | first[4];
	length = weir_announced(first + 5);
	if (first[0] == 22 && first[1] == 3 && record && record <= 16384 + 2048 && first[5] == 1 && (length + 5 > seg->payload_size || record < length))
		return -1;

	if (!flow->proof && !(first[0] == 22 && first[1] == 3 && first[5] == 1))
		return 0;			/* the middle of something else */
	weir_begin_record(w, key, now);
	r->vlan_tags = seg->vlan_tags;
	r->proof = flow->proof;
	if (first[0] == 22) {
		r->hello_length = length;
		if (length + 5 > seg->payload_size)
			length = seg->payload_size - 5;	/* of something malformed, what is there */
	} else {
		length = seg->payload_size;	/* no TLS: its first bytes */
	}
	if (length > 512 && first[0] != 22)
		length = 512;
	if (length > WEIR_STREAM_CAP - 1)
		length = WEIR_STREAM_CAP - 1;
	if (length && weir_bytes(w->frame, seg->payload_at + (first[0] == 22 ? 5 : 0), s->bytes, length)) {
		weir_give_up(w, key, 0, WEIR_REASON_CAPTURE, now);
		return 0;
	}
	if (first[0] != 22)
		r->anomalies = first[0] & 0x80 && first[2] == 1 ? 1ULL << WEIR_OBSOLETE_VERSION : 1ULL << WEIR_NOT_TLS;
	else if (first[1] != 3 || first[5] != 1 || !record || record > 16384 + 2048)
		r->anomalies = 1ULL << WEIR_MALFORMED_HELLO;
	else
		weir_read_client_hello(s, length);
	weir_conclude(w, length, now);
	return 0;
}

/* Places a segment of an unfinished hello, and judges the hello if that made it whole. */
WEIR_INLINE void weir_assemble(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, struct weir_flow *flow, struct weir_order *order, __u64 now)
{
	struct weir_assembly *a = WEIR_LOOKUP(w->frame, assemblies, key);
	struct weir_scratch *s = w->scratch;
	struct weir_handshake *r = &s->record;
	enum weir_incomplete_reason reason;
	__u32 relative = seg->sequence - flow->base, length = 0, records = 0;

	if (relative >= 1u << 30)		/* before the first byte: an old copy */
		return;
	if (!a) {
		if (weir_new_assembly(w->frame, key) || !(a = WEIR_LOOKUP(w->frame, assemblies, key))) {
			weir_count(w->frame, WEIR_COUNT_NO_ROOM);
			weir_give_up(w, key, 0, WEIR_REASON_NO_ROOM, now);
			flow->state = WEIR_FLOW_DONE;
			return;
		}
		a->first_ns = now;
		a->proof = flow->proof;
		a->direction = w->direction;
		a->ifindex = weir_ifindex(w->frame);
		a->vlan_tags = seg->vlan_tags;
		flow->state = WEIR_FLOW_ASSEMBLING;
	}
	a->last_ns = now;
	order->sequence = flow->base + a->filled;
	reason = weir_place(w->frame, a, seg->payload_at, relative, seg->payload_size);
	if (!reason)
		switch (weir_unwrap(w->frame, a, s, &length, &records)) {
		case WEIR_STREAM_MORE:
			if (a->filled < WEIR_STREAM_CAP)
				return;
			/* fall through */
		case WEIR_STREAM_LONG:
			reason = WEIR_REASON_TOO_LONG;
			break;
		case WEIR_STREAM_WRONG:
			length = 0;
			break;
		case WEIR_STREAM_WHOLE:
			break;
		}
	flow->state = WEIR_FLOW_DONE;
	if (reason) {
		weir_give_up(w, key, a, reason, now);
		WEIR_REMOVE(w->frame, assemblies, key);
		return;
	}
	weir_begin_record(w, key, now);
	r->completeness = WEIR_REASSEMBLED;
	r->first_ns = a->first_ns;
	r->segments = a->segments;
	r->records = (__u8)records;
	r->proof = a->proof;
	r->flags = a->flags;
	r->vlan_tags = a->vlan_tags;
	r->hello_length = length;
	weir_count(w->frame, WEIR_COUNT_ASSEMBLED);
	WEIR_REMOVE(w->frame, assemblies, key);
	if (!length || s->bytes[0] != 1)
		r->anomalies = 1ULL << WEIR_MALFORMED_HELLO;
	else
		weir_read_client_hello(s, length);
	weir_conclude(w, length, now);
}

/* FIN or RST while a hello is unfinished. The flow lives on: whoever forged the RST has won nothing. */
WEIR_INLINE void weir_closed(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, struct weir_flow *flow, __u64 now)
{
	struct weir_assembly *a = WEIR_LOOKUP(w->frame, assemblies, key);

	if (!a)
		return;
	weir_give_up(w, key, a, WEIR_REASON_CLOSED, now);
	WEIR_REMOVE(w->frame, assemblies, key);
	flow->state = WEIR_FLOW_EXPECTING;
}

/* SYN-ACK: half of the proof, and the end of whatever used the 5-tuple before. Only the server can send it. */
WEIR_INLINE void weir_syn_ack(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, __u64 now)
{
	struct weir_flow fresh = {
		.first_ns = now,
		.client_isn = seg->acknowledged - 1,
		.server_isn = seg->sequence,
		.state = WEIR_FLOW_SYN_ACK,
	};
	struct weir_flow *known = WEIR_LOOKUP(w->frame, flows, key);
	struct weir_assembly *a;

	if (known && known->client_isn == fresh.client_isn && known->server_isn == fresh.server_isn)
		return;				/* sent again */
	a = known ? WEIR_LOOKUP(w->frame, assemblies, key) : 0;
	if (a) {
		weir_give_up(w, key, a, WEIR_REASON_REUSED, now);
		WEIR_REMOVE(w->frame, assemblies, key);
	}
	if (known)
		WEIR_REMOVE(w->frame, flows, key);
	WEIR_STORE(w->frame, half_open, key, &fresh, BPF_ANY);
}

/* The flow that a client's segment belongs to: proven, just being proven, or (with payload) without proof. */
WEIR_INLINE struct weir_flow *weir_flow_of(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, __u64 now)
{
	struct weir_flow *flow = WEIR_LOOKUP(w->frame, flows, key);
	struct weir_flow fresh = { .first_ns = now };

	if (flow)
		return flow;
	flow = WEIR_LOOKUP(w->frame, half_open, key);
	if (flow && flow->state >= WEIR_FLOW_EXPECTING)
		return flow;
	if (flow && flow->state == WEIR_FLOW_SYN_ACK && seg->flags & WEIR_TCP_ACK && seg->acknowledged == flow->server_isn + 1 &&
	    seg->sequence - flow->client_isn - 1 < 1u << 20) {
		fresh = *flow;
		fresh.base = flow->client_isn + 1;
		fresh.state = WEIR_FLOW_EXPECTING;
		fresh.proof = WEIR_TRACKED;
		WEIR_REMOVE(w->frame, half_open, key);
		WEIR_STORE(w->frame, flows, key, &fresh, BPF_ANY);
		return WEIR_LOOKUP(w->frame, flows, key);
	}
	if (!seg->payload_size || flow)
		return 0;
	/* Mid-stream: worth an entry only if it begins as a hello does, and only where it cannot push out what is proven. */
	__u8 start[6] = {};
	if (seg->payload_size < 6 || weir_bytes(w->frame, seg->payload_at, start, 6) || start[0] != 22 || start[1] != 3 || start[5] != 1)
		return 0;
	fresh.base = seg->sequence;
	fresh.state = WEIR_FLOW_EXPECTING;
	WEIR_STORE(w->frame, half_open, key, &fresh, BPF_ANY);
	return WEIR_LOOKUP(w->frame, half_open, key);
}

WEIR_INLINE void weir_from_client(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, struct weir_order *order, __u64 now)
{
	struct weir_flow *flow;

	if (seg->flags & WEIR_TCP_SYN)
		return;				/* proves nothing; the answer to it does */
	flow = weir_flow_of(w, seg, key, now);
	if (!flow)
		return;
	if (flow->state == WEIR_FLOW_DONE)
		return;
	if (flow->state == WEIR_FLOW_HELD) {
		if (w->enforcing && seg->payload_size) {
			order->what = WEIR_DO_DROP;
			weir_count(w->frame, WEIR_COUNT_HELD);
		}
		return;
	}
	order->sequence = seg->sequence;
	if (seg->payload_size) {
		w->scratch->record.action = WEIR_OBSERVED;
		if (flow->state == WEIR_FLOW_EXPECTING && seg->sequence == flow->base && !weir_judge_segment(w, seg, key, flow, now))
			flow->state = WEIR_FLOW_DONE;
		else
			weir_assemble(w, seg, key, flow, order, now);
		if (w->enforcing && flow->state == WEIR_FLOW_DONE) {
			if (w->scratch->record.action == WEIR_RESET)
				order->what = WEIR_DO_RESET;
			else if (w->scratch->record.action == WEIR_DROPPED) {
				order->what = WEIR_DO_DROP;
				flow->state = WEIR_FLOW_HELD;
			}
		}
	}
	if (seg->flags & (WEIR_TCP_FIN | WEIR_TCP_RST) && flow->state == WEIR_FLOW_ASSEMBLING)
		weir_closed(w, seg, key, flow, now);
}

WEIR_INLINE void weir_from_server(struct weir_watcher *w, const struct weir_segment *seg, const struct weir_flow_key *key, __u64 now)
{
	struct weir_flow *flow;

	if ((seg->flags & (WEIR_TCP_SYN | WEIR_TCP_ACK)) == (WEIR_TCP_SYN | WEIR_TCP_ACK)) {
		weir_syn_ack(w, seg, key, now);
	} else if (seg->flags & (WEIR_TCP_FIN | WEIR_TCP_RST)) {
		flow = WEIR_LOOKUP(w->frame, flows, key);
		if (flow && flow->state == WEIR_FLOW_ASSEMBLING)
			weir_closed(w, seg, key, flow, now);
	}
}

/* The whole way. `have` header bytes are in the scratch. */
WEIR_INLINE void weir_watch(struct weir_watcher *w, __u32 have, struct weir_order *order)
{
	int result = weir_read_frame(w->scratch, have, weir_frame_size(w->frame));
	struct weir_segment *seg = &w->scratch->segment;
	struct weir_flow_key key;
	__u64 now;

	if (result) {
		if (result == WEIR_TOO_DEEP)
			weir_count(w->frame, WEIR_COUNT_DEEP_HEADERS);
		return;
	}
	if (weir_watched(w->config, seg->to.port)) {
		key.client = seg->from;
		key.server = seg->to;
		weir_count(w->frame, WEIR_COUNT_FRAMES);
		now = weir_now(w->frame);
		weir_from_client(w, seg, &key, order, now);
	} else if (weir_watched(w->config, seg->from.port)) {
		key.client = seg->to;
		key.server = seg->from;
		weir_count(w->frame, WEIR_COUNT_FRAMES);
		now = weir_now(w->frame);
		weir_from_server(w, seg, &key, now);
	}
}
#endif
