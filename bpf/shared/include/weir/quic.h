/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * QUIC, as far as anybody can read it (RFC 8999): which datagrams may hold a client's Initial, and which of a client's packets bear a
 * connection id that its server chose. User space opens the Initials. Each segment of an offloaded buffer is looked at.
 *
 * A server's answer to an Initial proves nothing, for it goes to whoever was named. A client's packet with the id from that answer does.
 */
#ifndef WEIR_QUIC_H
#define WEIR_QUIC_H

#include <weir/cursor.h>
#include <weir/frame.h>
#include <weir/verdict.h>

#define WEIR_QUIC_LEAST 1200		/* a server discards an Initial in a smaller datagram (RFC 9000 section 14.1) */
#define WEIR_QUIC_ID_MOST 20		/* bytes of a connection id, in the versions that are known (RFC 9000 section 17.2) */
#define WEIR_QUIC_ID_LEAST 4		/* a shorter one can be guessed, so it proves nothing */
#define WEIR_QUIC_SEGMENTS 64		/* of one offloaded buffer, at most (UDP_MAX_SEGMENTS) */

enum weir_quic_type { WEIR_QUIC_INITIAL, WEIR_QUIC_ZERO_RTT, WEIR_QUIC_HANDSHAKE, WEIR_QUIC_RETRY };

/* Reads one datagram's header into the look's head. True if it is a long one that can be read. */
WEIR_INLINE int weir_quic_header(weir_frame *frame, struct weir_look *l)
{
	struct weir_quic_look *q = &l->quic;
	__u32 size = q->size < WEIR_QUIC_HEAD ? q->size : WEIR_QUIC_HEAD, at;

	if (size < 7 || weir_bytes(frame, q->at, l->head, size, WEIR_QUIC_HEAD) || !(l->head[0] & 0x80))
		return 0;
	q->version = WEIR_BE32(l->head + 1);
	/* RFC 9369 section 3.2 counts the types of version 2 from one. */
	q->type = (l->head[0] >> 4) - (q->version == 0x6b3343cf);
	q->type &= 3;
	q->to_size = l->head[5];
	at = 6 + q->to_size;
	if (q->to_size > WEIR_QUIC_ID_MOST || at >= size)
		return 0;
	q->from_size = weir_head8(l, at);
	q->from_at = at + 1;
	return q->from_size <= WEIR_QUIC_ID_MOST && q->from_at + q->from_size <= size;
}

/* A connection id on its path, as 60 bits of a keyed hash. Of a long id the middle is left out: who knows both ends was told. */
WEIR_INLINE __u64 weir_quic_hash(struct weir_look *l, __u32 at, __u32 size)
{
	const struct weir_flow_key *flow = &l->segment.flow;
	__u32 word = size < 8 ? 4 : 8;
	__u64 first = WEIR_LE64(l->head + (at & (WEIR_HEAD_CAP - 1))), last = WEIR_LE64(l->head + ((at + size - word) & (WEIR_HEAD_CAP - 1)));

	if (size < 8) {
		first &= 0xffffffff;
		last &= 0xffffffff;
	}
	first = weir_mix_keyed(first ^ weir_hash_flow(flow, flow->client_port));
	return weir_mix_keyed(first ^ last ^ (__u64)size << 56 ^ flow->server_port) & ~WEIR_QUIC_STATE;
}

/* A server's datagram: the id that it chose is noted, for its client to bear. */
WEIR_INLINE void weir_quic_from_server(weir_frame *frame, struct weir_look *l)
{
	struct weir_quic_look *q = &l->quic;
	__u64 hash, *known;

	if (!q->version) {
		weir_count(frame, WEIR_COUNT_QUIC_NEGOTIATIONS);
		return;
	}
	if (q->type == WEIR_QUIC_ZERO_RTT || q->from_size < WEIR_QUIC_ID_LEAST)
		return;
	hash = weir_quic_hash(l, q->from_at, q->from_size);
	known = weir_quic_id_at(frame, (__u32)(hash >> 40));
	if (!known || (*known & ~WEIR_QUIC_STATE) == hash)
		return;
	*known = hash | WEIR_QUIC_NOTED | (weir_is_local_datagram(frame) ? WEIR_QUIC_LOCAL : 0) | (q->type == WEIR_QUIC_RETRY ? WEIR_QUIC_RETRIED : 0);
	weir_count(frame, q->type == WEIR_QUIC_RETRY ? WEIR_COUNT_QUIC_RETRIES : WEIR_COUNT_QUIC_ANSWERS);
}

/* Does the packet bear an id that left for its client? Once for each; and whether a local socket sent it. 0: no. */
WEIR_INLINE __u64 weir_quic_proves(weir_frame *frame, struct weir_look *l)
{
	__u64 hash, *known;

	if (l->quic.to_size < WEIR_QUIC_ID_LEAST)
		return 0;
	hash = weir_quic_hash(l, 6, l->quic.to_size);
	known = weir_quic_id_at(frame, (__u32)(hash >> 40));
	if (!known || (*known & ~(__u64)(WEIR_QUIC_LOCAL | WEIR_QUIC_RETRIED)) != (hash | WEIR_QUIC_NOTED))
		return 0;
	hash = *known & WEIR_QUIC_STATE;
	*known ^= WEIR_QUIC_NOTED | WEIR_QUIC_BORNE;
	weir_count(frame, WEIR_COUNT_QUIC_PROVEN);
	return hash;
}

/* A client's datagram: user space gets it whole if an Initial may be in it, and its header alone if that is what proves a connection. */
WEIR_INLINE void weir_quic_from_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_look *q = &l->quic;
	__u64 proves = weir_quic_proves(frame, l);
	__u32 size = q->size;

	if (size < WEIR_QUIC_LEAST) {
		if (q->type == WEIR_QUIC_INITIAL && !proves)
			weir_count(frame, WEIR_COUNT_QUIC_SMALL);
		if (!proves)
			return;
		size = size < WEIR_QUIC_HEAD ? size : WEIR_QUIC_HEAD;
	}
	if (size > WEIR_QUIC_MOST)
		size = WEIR_QUIC_MOST;
	weir_begin(s, &l->segment.flow, l->now);
	s->record.ifindex = weir_ifindex(frame);
	s->record.direction = WEIR_INGRESS;
	s->record.vlan_tags = l->segment.vlan_tags;
	s->record.tunnels = l->segment.tunnels;
	s->record.kind = WEIR_KIND_DATAGRAM;
	s->record.transport = WEIR_TRANSPORT_UDP;
	s->record.proof = proves ? WEIR_TRACKED : WEIR_UNPROVEN;
	s->record.reach = proves & WEIR_QUIC_LOCAL ? WEIR_REACH_SOURCE : WEIR_REACH_DESTINATION;
	s->record.retried = !!(proves & WEIR_QUIC_RETRIED);
	s->record.raw_length = (__u16)size;
	if (weir_bytes(frame, q->at, s->bytes, size, WEIR_QUIC_MOST))
		return;
	weir_count(frame, weir_put_datagram(frame, s, size) ? WEIR_COUNT_QUIC_LOST : WEIR_COUNT_QUIC_TOLD);
}

/* What the loop over a buffer needs to find. */
struct weir_quic_walk {
	weir_frame *frame;
	struct weir_look *look;
	struct weir_scratch *scratch;
};

/* One datagram of the buffer. Returns 1 at its end. */
WEIR_STEP long weir_quic_step(__u32 turn, void *context)
{
	struct weir_quic_walk *walk = context;
	struct weir_look *l = walk->look;
	struct weir_quic_look *q = &l->quic;

	(void)turn;
	q->size = q->left < q->each ? q->left : q->each;
	if (weir_quic_header(walk->frame, l)) {
		if (q->from_client)
			weir_quic_from_client(walk->frame, l, walk->scratch);
		else
			weir_quic_from_server(walk->frame, l);
	}
	q->at += q->size;
	q->left -= q->size;
	return !q->left;
}

/* A whole UDP datagram, or a buffer of several, of a QUIC port. */
WEIR_ONCE int weir_quic(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 from_client)
{
	struct weir_quic_walk walk = { frame, l, s };
	struct weir_flow_key turned;
	__u32 each;

	WEIR_USED(frame);
	if (!l || !s)
		return 0;
	l->now = weir_now(frame);
	l->quic.at = l->segment.payload_at;
	l->quic.left = l->segment.payload_size;
	l->quic.from_client = from_client;
	if (!from_client) {
		weir_turn(&turned, &l->segment.flow);
		l->segment.flow = turned;
	}
	each = weir_segment_size(frame);
	l->quic.each = each ? each : l->quic.left;
	if (l->quic.left)
		WEIR_LOOP(WEIR_QUIC_SEGMENTS, weir_quic_step, &walk);
	return 0;
}

/* Is it a datagram of a port that the policy names for QUIC, and whose? 1: a client's, 0: a server's, -1: not ours. */
WEIR_INLINE int weir_quic_orient(const struct weir_config *config, struct weir_look *l, enum weir_hook hook)
{
	int to_server = weir_quic_port(config, l->segment.flow.server_port), from_server = weir_quic_port(config, l->segment.flow.client_port);

	if (to_server && hook != WEIR_HOOK_OUT)
		return 1;
	return from_server && (hook == WEIR_HOOK_OUT || hook == WEIR_HOOK_ANY) ? 0 : -1;
}
#endif
