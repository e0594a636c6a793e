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
#include <weir/quic_gate.h>
#include <weir/quic_opening.h>

#define WEIR_QUIC_LEAST 1200		/* a server discards an Initial in a smaller datagram (RFC 9000 section 14.1) */
#define WEIR_QUIC_ID_MOST 20		/* bytes of a connection id, in the versions that are known (RFC 9000 section 17.2) */
#define WEIR_QUIC_ID_LEAST 4		/* a shorter one can be guessed, so it proves nothing */
#define WEIR_QUIC_PATH_NS (10 * WEIR_SECOND) /* a client that begins again on the same path after that is another connection */
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

/* Has this server answered on the path before, as far as that can be told without an id of its own? From now on it has, with `now`. */
WEIR_INLINE int weir_quic_answered(weir_frame *frame, struct weir_look *l, __u32 now)
{
	struct weir_quic_path *path = weir_quic_path(frame, l, 6, l->quic.to_size);

	if (!path || path->key != l->quic.path)
		return 0;
	path->state |= now;
	return (path->state & (WEIR_QUIC_ANSWERED | WEIR_QUIC_MIXED)) == WEIR_QUIC_ANSWERED;
}

/* A server's datagram: the id that it chose is noted, for its client to bear. A Retry's may be the answer's as well: that is counted. */
WEIR_INLINE void weir_quic_from_server(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing)
{
	struct weir_quic_look *q = &l->quic;
	__u64 hash, *known;

	if (!q->version) {
		weir_count(frame, WEIR_COUNT_QUIC_NEGOTIATIONS);
		return;
	}
	if (q->type == WEIR_QUIC_ZERO_RTT)
		return;
	hash = weir_quic_hash(l, q->from_at, q->from_size, 0);
	known = weir_quic_id_at(frame, (__u32)(hash >> 40));
	if (!known)
		return;
	if (q->from_size < WEIR_QUIC_ID_LEAST ? weir_quic_answered(frame, l, 0)
					      : (*known & ~WEIR_QUIC_STATE) == hash && (q->type == WEIR_QUIC_RETRY || !(*known & WEIR_QUIC_RETRIED)))
		return;
	if (q->type == WEIR_QUIC_RETRY)
		weir_count(frame, WEIR_COUNT_QUIC_RETRIES);
	else if (!enforcing)
		weir_count(frame, WEIR_COUNT_QUIC_ANSWERS);
	else if (!weir_quic_answer(frame, l, s)) {
		l->order = WEIR_DO_DROP;
		return;
	}
	if (q->from_size < WEIR_QUIC_ID_LEAST) {
		weir_quic_answered(frame, l, WEIR_QUIC_ANSWERED);
		return;
	}
	hash |= WEIR_QUIC_NOTED | (weir_is_local_datagram(frame) ? WEIR_QUIC_LOCAL : 0);
	*known = hash | (q->type == WEIR_QUIC_RETRY ? WEIR_QUIC_RETRIED : 0);
}

/* What a server's id that the packet bears says of it: enum weir_quic_id, 0 if no such id has left. It proves its client once. */
WEIR_INLINE __u64 weir_quic_borne(weir_frame *frame, struct weir_look *l)
{
	__u64 hash, *known, state;

	if (l->quic.to_size < WEIR_QUIC_ID_LEAST)
		return 0;
	hash = weir_quic_hash(l, 6, l->quic.to_size, 0);
	known = weir_quic_id_at(frame, (__u32)(hash >> 40));
	if (!known || (*known & ~WEIR_QUIC_STATE) != hash)
		return 0;
	state = *known & WEIR_QUIC_STATE;
	if (state & WEIR_QUIC_NOTED) {
		*known ^= WEIR_QUIC_NOTED | WEIR_QUIC_BORNE;
		weir_count(frame, WEIR_COUNT_QUIC_PROVEN);
	}
	return state;
}

/*
 * One more datagram on a client's path that may hold its hello: what was thought of it until now holds no more. Its number on the path is
 * returned. A second id that a client chose for a server is a second connection's, unless the first is long over or a Retry brought it.
 */
WEIR_INLINE __u32 weir_quic_note_path(weir_frame *frame, struct weir_look *l, __u64 borne)
{
	struct weir_quic_path *path = weir_quic_path(frame, l, l->quic.from_at, l->quic.from_size);
	__u32 original = (__u32)(weir_quic_hash(l, 6, l->quic.to_size, 2) >> 20) ^ l->quic.version;

	if (!path)
		return 0;
	if (path->key != l->quic.path || l->now - path->seen_ns > WEIR_QUIC_PATH_NS) {
		path->key = l->quic.path;
		path->seen_ns = l->now;
		path->original = original;
		path->mark = path->state = 0;
	} else if (borne & WEIR_QUIC_RETRIED) {
		path->original = original;
	} else if (!borne && path->original != original) {
		path->state |= WEIR_QUIC_MIXED;
	}
	return __sync_fetch_and_add(&path->count, 1) + 1;
}

/*
 * A client's datagram: user space gets it whole if an Initial may be in it, and its header alone if that is what proves a connection. Its
 * number on its path is returned if it is whole: then its bytes are in the scratch.
 */
WEIR_INLINE __u32 weir_quic_tell(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u64 borne)
{
	struct weir_quic_look *q = &l->quic;
	__u64 proves = borne & WEIR_QUIC_NOTED;
	__u32 size = q->size;

	if (size < WEIR_QUIC_LEAST) {
		if (q->type == WEIR_QUIC_INITIAL && !proves)
			weir_count(frame, WEIR_COUNT_QUIC_SMALL);
		if (!proves)
			return 0;
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
	s->record.reach = borne & WEIR_QUIC_LOCAL ? WEIR_REACH_SOURCE : WEIR_REACH_DESTINATION;
	s->record.retried = proves && borne & WEIR_QUIC_RETRIED;
	s->record.raw_length = (__u16)size;
	if (q->size >= WEIR_QUIC_LEAST) {
		s->record.hello_length = weir_quic_note_path(frame, l, borne);
		s->record.fingerprint = l->quic.path;
	}
	if (weir_bytes(frame, q->at, s->bytes, size, WEIR_QUIC_MOST))
		return 0;
	weir_count(frame, weir_put_datagram(frame, s, size) ? WEIR_COUNT_QUIC_LOST : WEIR_COUNT_QUIC_TOLD);
	return s->record.hello_length;
}

/* What the loop over a buffer needs to find. */
struct weir_quic_walk {
	weir_frame *frame;
	struct weir_look *look;
	struct weir_scratch *scratch;
};

/* Who sends it, and whether what is refused is dropped. */
enum weir_quic_way { WEIR_QUIC_TO_SERVER, WEIR_QUIC_OBSERVED, WEIR_QUIC_ENFORCED };

/* The next datagram of the buffer. */
WEIR_INLINE void weir_quic_cut(struct weir_look *l)
{
	l->quic.size = l->quic.left < l->quic.each ? l->quic.left : l->quic.each;
}

/* Behind it. Returns 1 at the buffer's end. */
WEIR_INLINE long weir_quic_past(struct weir_look *l)
{
	l->quic.at += l->quic.size;
	l->quic.left -= l->quic.size;
	return !l->quic.left;
}

/* One datagram of the buffer. Returns 1 at its end. `way` is a constant: the verifier looks at what decides only where something is. */
WEIR_INLINE long weir_quic_next(struct weir_quic_walk *walk, enum weir_quic_way way)
{
	struct weir_look *l = walk->look;

	weir_quic_cut(l);
	if (weir_quic_header(walk->frame, l)) {
		if (way == WEIR_QUIC_TO_SERVER)
			weir_quic_tell(walk->frame, l, walk->scratch, weir_quic_borne(walk->frame, l));
		else
			weir_quic_from_server(walk->frame, l, walk->scratch, way == WEIR_QUIC_ENFORCED);
	}
	return weir_quic_past(l);
}

WEIR_QUIC_STEP long weir_quic_client_step(__u32 turn, void *context)
{
	(void)turn;
	return weir_quic_next(context, WEIR_QUIC_TO_SERVER);
}

WEIR_QUIC_STEP long weir_quic_observed_step(__u32 turn, void *context)
{
	(void)turn;
	return weir_quic_next(context, WEIR_QUIC_OBSERVED);
}

WEIR_QUIC_STEP long weir_quic_enforced_step(__u32 turn, void *context)
{
	(void)turn;
	return weir_quic_next(context, WEIR_QUIC_ENFORCED);
}

/* Where the first datagram of the buffer lies. 0: there is none. */
WEIR_INLINE __u32 weir_quic_begin(weir_frame *frame, struct weir_look *l, enum weir_quic_way way)
{
	__u32 each = weir_segment_size(frame);

	l->now = weir_now(frame);
	l->quic.at = l->segment.payload_at;
	l->quic.left = l->segment.payload_size;
	l->quic.each = each ? each : l->quic.left;
	if (way != WEIR_QUIC_TO_SERVER)
		weir_turn_here(&l->segment.flow);
	return l->quic.left;
}

/* A whole UDP datagram, or a buffer of several, of a QUIC port. */
WEIR_ONCE int weir_quic_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_walk walk = { frame, l, s };

	WEIR_USED(frame);
	if (l && s && weir_quic_begin(frame, l, WEIR_QUIC_TO_SERVER))
		WEIR_QUIC_LOOP(WEIR_QUIC_SEGMENTS, weir_quic_client_step, &walk);
	return 0;
}

WEIR_ONCE int weir_quic_server_observed(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_walk walk = { frame, l, s };

	WEIR_USED(frame);
	if (l && s && weir_quic_begin(frame, l, WEIR_QUIC_OBSERVED))
		WEIR_QUIC_LOOP(WEIR_QUIC_SEGMENTS, weir_quic_observed_step, &walk);
	return 0;
}

WEIR_ONCE int weir_quic_server_enforced(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_walk walk = { frame, l, s };

	WEIR_USED(frame);
	if (l && s && weir_quic_begin(frame, l, WEIR_QUIC_ENFORCED))
		WEIR_QUIC_LOOP(WEIR_QUIC_SEGMENTS, weir_quic_enforced_step, &walk);
	return 0;
}

/* The frame's way, once it is a datagram. `hook` and `enforcing` are constants. */
WEIR_INLINE void weir_watch_datagram(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, enum weir_hook hook, int enforcing)
{
	const struct weir_config *config = weir_policy(frame);

	if (hook == WEIR_HOOK_OUTGOING)
		return;
	if (hook != WEIR_HOOK_OUT && weir_quic_port(config, l->segment.flow.server_port)) {
		if (hook == WEIR_HOOK_IN && enforcing && WEIR_OPENS(frame) && !l->segment.tunnels)
			l->order = WEIR_DO_OPEN;
		else
			weir_quic_client(frame, l, s);
	} else if (hook != WEIR_HOOK_IN && weir_quic_port(config, l->segment.flow.client_port)) {
		/* In a capture what left has left. */
		if (enforcing && hook == WEIR_HOOK_OUT)
			weir_quic_server_enforced(frame, l, s);
		else
			weir_quic_server_observed(frame, l, s);
	}
}
#endif
