/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Opens a client's Initials in the packet, where the policy asks for it: the hello is judged before its server sees it, whatever user space
 * does meanwhile. What is not opened here is left to user space, and its path has no opinion until then: its answers are counted.
 */
#ifndef WEIR_QUIC_OPEN_H
#define WEIR_QUIC_OPEN_H

#include <weir/client_hello.h>
#include <weir/quic.h>
#include <weir/quic_budget.h>
#include <weir/quic_frames.h>
#include <weir/quic_packet.h>

/* 0 if these keys open the Initial; the payload lies open then, and else all is as it was. */
WEIR_ONCE int weir_quic_try(struct weir_scratch *s, struct weir_opener *o, const struct weir_quic_keys *keys)
{
	if (!s || !o || !keys || weir_quic_unmask(s, o, keys))
		return -1;
	if (weir_quic_check_tag(s, o, keys)) {
		weir_quic_mask(s, o);
		return -1;
	}
	return weir_quic_open_payload(s, o, keys);
}

/* A connection begins in this place. */
WEIR_INLINE void weir_quic_begin_hello(weir_frame *frame, struct weir_opener *o, struct weir_quic_hello *h)
{
	if (h->path && h->path != o->path && !h->is_whole)
		weir_count(frame, WEIR_COUNT_QUIC_EVICTED);
	h->path = o->path;
	h->id = o->to;
	h->version = o->version;
	/* A client's own id is never shorter (RFC 9000 section 7.2); a server's, behind its Retry, may be. */
	h->odd = o->to_size < 8 && !o->has_token && !o->proves ? 1ULL << WEIR_QUIC_BAD_INITIAL : 0;
	h->limiting = 0;
	h->need = h->got = 0;
	h->is_whole = h->is_spoilt = h->is_judged = 0;
	h->keys = o->keys;
	for (int i = 0; i < WEIR_QUIC_HELLO / 64; i++)
		h->have[i] = 0;
}

/* The Initial at hand: under whose keys it is, and what its frames bring. */
WEIR_INLINE void weir_quic_take_initial(weir_frame *frame, struct weir_scratch *s, struct weir_opener *o, struct weir_quic_hello *h)
{
	int is_same;

	if (o->end - o->number_at > 253 * 16) {
		o->is_left = 1;			/* beyond a counter's last byte */
		return;
	}
	is_same = h->path == o->path && h->version == o->version;
	if (is_same && weir_quic_same_id(&h->id, &o->to)) {
		o->is_ours = 1;			/* opened or not: no server has other keys for it */
		if (weir_quic_try(s, o, &h->keys))
			goto bad;
	} else if (is_same && !weir_quic_try(s, o, &h->keys)) {
		o->is_ours = 1;			/* it has heard its server, and bears the server's id */
	} else {
		weir_quic_derive(o);
		if (weir_quic_try(s, o, &o->keys))
			goto bad;
		if (!o->may_begin) {
			o->is_left = 1;
			return;
		}
		o->has_begun = 1;
		weir_quic_begin_hello(frame, o, h);
		o->is_ours = 1;
	}
	weir_count(frame, WEIR_COUNT_QUIC_OPENED);
	if (!weir_quic_read_frames(s, o, h))
		return;
	h->is_spoilt = 1;
	h->odd |= 1ULL << WEIR_OVERLAP_CONFLICT;
bad:
	weir_count(frame, WEIR_COUNT_QUIC_BAD);
}

/* One packet of the datagram. Returns 1 behind the last. */
WEIR_ONCE int weir_quic_next_packet(weir_frame *frame, struct weir_scratch *s, struct weir_opener *o, struct weir_quic_hello *h)
{
	WEIR_USED(frame);
	if (!s || !o || !h || weir_quic_read_packet(s, o))
		return 1;
	if (!o->packet) {
		o->first_to = o->to;
		o->first_from = o->from;
	}
	if (o->type == WEIR_QUIC_INITIAL) {
		o->initials++;
		/* Packets of one datagram have one destination (RFC 9000 section 12.2); a server that takes another one is told something else. */
		if (!weir_quic_same_id(&o->to, &o->first_to) || !weir_quic_same_id(&o->from, &o->first_from))
			o->is_spoilt = 1;
		weir_quic_take_initial(frame, s, o, h);
	}
	o->packet = o->next;
	return 0;
}

/*
 * Does a datagram without an Initial belong to the path's hello? All of it must be packets that can hold none: 0-RTT data, say, which
 * follows its hello at once.
 */
WEIR_INLINE int weir_quic_follows(struct weir_scratch *s, const struct weir_opener *o, const struct weir_quic_hello *h)
{
	if (o->initials || !o->packet || (o->packet < o->size && *WEIR_QUIC_AT(s, o->packet) & 0x80))
		return 0;
	return h->path == o->path && h->version == o->version && weir_quic_same_id(&h->id, &o->first_to);
}

/* The whole hello through the parser: what the policy limits of it. The datagram in the scratch is used up. */
WEIR_ONCE int weir_quic_judge(weir_frame *frame, struct weir_scratch *s, struct weir_quic_hello *h)
{
	__u64 less;

	WEIR_USED(frame);
	if (!s || !h)
		return -1;
	less = h->need - 1;
	__asm__ volatile("" : "+r"(less));
	if (less >= WEIR_QUIC_HELLO)
		return -1;
	WEIR_QUIC_COPY(s->bytes, h->bytes, less + 1);
	s->record.anomalies = 0;
	s->record.flags = 0;
	weir_read_client_hello(s, (__u32)less + 1);
	h->limiting = s->record.anomalies & weir_policy(frame)->limiting;
	h->is_judged = 1;
	weir_count(frame, WEIR_COUNT_QUIC_JUDGED);
	return 0;
}

/*
 * What is thought of the path from now on. Whose path once had an anomalous hello stays anomalous: else a clean one that comes later could
 * speak for an answer to the first.
 */
WEIR_INLINE void weir_quic_think(weir_frame *frame, struct weir_opener *o, struct weir_quic_hello *h, struct weir_quic_path *path)
{
	__u64 limiting = h->limiting | (h->odd & weir_policy(frame)->limiting);
	__u32 rule = WEIR_UNJUDGED_HELLO, opinion = WEIR_QUIC_CLEAN;

	if (limiting && !h->is_spoilt)
		rule = weir_lowest(limiting);
	if (limiting || h->is_spoilt || o->is_spoilt || path->state & WEIR_QUIC_FOUL) {
		opinion = WEIR_QUIC_ANOMALOUS;
		path->state |= WEIR_QUIC_FOUL;
	}
	path->mark = WEIR_QUIC_OPINION(opinion, rule, o->number);
}

/* What is done with a datagram, whose bytes are in the scratch, while its hello's place is ours. */
WEIR_ONCE int weir_quic_open_here(weir_frame *frame, struct weir_scratch *s, struct weir_opener *o, struct weir_quic_hello *h)
{
	__u32 i;

	WEIR_USED(frame);
	if (!s || !o || !h)
		return -1;
	o->packet = o->initials = o->is_ours = o->is_spoilt = o->is_left = 0;
	for (i = 0; i < WEIR_QUIC_PACKETS; i++)
		if (weir_quic_next_packet(frame, s, o, h))
			break;
	if (i == WEIR_QUIC_PACKETS && o->packet < o->size)
		o->is_left = 1;
	if (weir_quic_follows(s, o, h))
		o->is_ours = 1;
	if (o->is_spoilt)
		h->is_spoilt |= h->path == o->path;
	if (o->is_ours && h->is_whole && !h->is_judged)
		weir_quic_judge(frame, s, h);
	return 0;
}

/* The path's hello, or the place that it may take. */
WEIR_INLINE struct weir_quic_hello *weir_quic_hello(weir_frame *frame, __u64 path)
{
	struct weir_quic_hello *h, *oldest = 0;
	__u32 first = (__u32)(path >> 40) & ~(WEIR_QUIC_WAYS - 1);

	_Pragma("unroll")
	for (__u32 way = 0; way < WEIR_QUIC_WAYS; way++) {
		h = weir_quic_hello_at(frame, first + way);
		if (!h || h->path == path)
			return h;
		if (!oldest || h->seen_ns < oldest->seen_ns)
			oldest = h;
	}
	return oldest;
}

/* User space may judge it. Until then what is said on the path is counted. */
WEIR_INLINE void weir_quic_leave(weir_frame *frame, struct weir_quic_path *path)
{
	weir_count(frame, WEIR_COUNT_QUIC_LEFT);
	path->state |= WEIR_QUIC_MISSED;
}

/* The client's datagram at hand, number `number` of its path, whose bytes are in the scratch. */
WEIR_INLINE void weir_quic_open(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 number, __u64 borne, int affords)
{
	struct weir_opener *o = weir_opener(frame);
	struct weir_quic_path *path = weir_quic_path_at(frame, (__u32)(l->quic.path >> 40));
	struct weir_quic_hello *h = weir_quic_hello(frame, l->quic.path);

	if (!o || !path || !h || path->key != l->quic.path)
		return;
	if (!affords || l->quic.size > WEIR_QUIC_MOST || !WEIR_TAKE(&h->busy)) {
		weir_quic_leave(frame, path);
		return;
	}
	o->path = l->quic.path;
	o->size = l->quic.size;
	o->number = number;
	/* After a Retry the connection begins again, under other keys (RFC 9000 section 17.2.5). */
	o->may_begin = borne & WEIR_QUIC_RETRIED || !(path->state & (WEIR_QUIC_BEGUN | WEIR_QUIC_MISSED));
	o->has_begun = 0;
	o->proves = !!borne;
	weir_quic_open_here(frame, s, o, h);
	if (h->path == o->path)
		h->seen_ns = l->now;
	if (o->has_begun)
		path->state |= WEIR_QUIC_BEGUN;
	if (o->is_left)
		weir_quic_leave(frame, path);
	else if (o->is_ours && h->is_judged)
		weir_quic_think(frame, o, h, path);
	WEIR_GIVE_BACK(&h->busy);
}

/* One datagram of the buffer: affordable, or dropped; then told as ever, and opened. */
WEIR_INLINE void weir_quic_open_from_client(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_look *q = &l->quic;
	__u64 borne = weir_quic_borne(frame, l), began;
	int may_hold = q->size >= WEIR_QUIC_LEAST && weir_quic_salt(q->version) >= 0, is_known, affords;
	__u32 number;

	if (borne & WEIR_QUIC_NOTED)
		weir_quic_note_known(frame, l);
	if (!may_hold) {
		weir_quic_tell(frame, l, s, borne);
		return;
	}
	began = weir_work_clock(frame);
	is_known = borne || weir_quic_is_known(frame, l);
	affords = weir_quic_affords(frame, is_known, began);
	if (!affords && !is_known && q->type == WEIR_QUIC_INITIAL) {
		weir_begin(s, &l->segment.flow, l->now);
		if (!weir_is_allowed(frame, s)) {
			weir_count(frame, WEIR_COUNT_QUIC_OVER_BUDGET);
			l->order = WEIR_DO_DROP;
			return;
		}
	}
	number = weir_quic_tell(frame, l, s, borne);
	if (!number)
		return;
	weir_quic_open(frame, l, s, number, borne, affords);
	weir_quic_spend(frame, weir_work_clock(frame) - began);
}

WEIR_QUIC_STEP long weir_quic_opening_step(__u32 turn, void *context)
{
	struct weir_quic_walk *walk = context;

	(void)turn;
	weir_quic_cut(walk->look);
	if (weir_quic_header(walk->frame, walk->look))
		weir_quic_open_from_client(walk->frame, walk->look, walk->scratch);
	return weir_quic_past(walk->look);
}

/* A buffer of datagrams to a QUIC port, for whose sake the look's order is WEIR_DO_OPEN. */
WEIR_INLINE void weir_quic_open_buffer(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	struct weir_quic_walk walk = { frame, l, s };

	l->order = WEIR_PASS;
	if (weir_quic_begin(frame, l, WEIR_QUIC_TO_SERVER))
		WEIR_QUIC_LOOP(WEIR_QUIC_SEGMENTS, weir_quic_opening_step, &walk);
}
#endif
