/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the bytes of unfinished hellos lie: slots of 2 KiB, one for nearly every hello that spans segments. Slots are
 * taken in turn and each bears its owner's number, so nothing is copied to begin one, nothing is given back, and who
 * has lost one to a newer hello sees it.
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/ranges.h>

/* The slot that holds the stream's byte at `at`; taken if need be. Returns -1 when there is none to be had. */
WEIR_INLINE int weir_slot_for(weir_frame *frame, struct weir_assembly *a, __u32 at)
{
	__u32 index = at / WEIR_SLOT & 15;
	__u16 *slot = &a->slot[index];

	if (!*slot) {
		__u32 taken = weir_take_slot(frame, a->id);

		if (taken == ~0u)
			return -1;
		*slot = (__u16)(taken + 1);
		if (index >= a->slots)
			a->slots = (__u8)(index + 1);
	}
	return *slot - 1;
}

/* Has no other hello taken one of ours? */
WEIR_INLINE int weir_intact(weir_frame *frame, struct weir_assembly *a)
{
	a->scan = 0;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_SLOTS); i++) {
		__u32 at;

		WEIR_TURN();
		at = a->scan++;
		if (at >= a->slots)
			break;
		if (a->slot[at & 15] && weir_owner(frame, a->slot[at & 15] - 1u) != a->id)
			return 0;
	}
	return 1;
}

/* A byte that is there. */
WEIR_INLINE __u8 weir_stream8(weir_frame *frame, const struct weir_assembly *a, __u32 at)
{
	const __u8 *p = weir_slot_at(frame, a->slot[at / WEIR_SLOT & 15] - 1u, at & (WEIR_SLOT - 1));

	return p ? *p : 0;
}

/* Copies the frame's bytes to the stream offsets [place_at, place_stop). 0, or the reason why not. */
WEIR_ONCE int weir_store_part(weir_frame *frame, struct weir_assembly *a)
{
	WEIR_USED(frame);
	if (!a)
		return WEIR_REASON_NO_ROOM;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_SLOTS + 1); i++) {
		__u32 at, n;
		__u8 *to;
		int slot;

		WEIR_TURN();
		at = a->place_at;
		if (at >= a->place_stop || at >= WEIR_STREAM_CAP)
			break;
		n = WEIR_SLOT - (at & (WEIR_SLOT - 1));
		if (n > a->place_stop - at)
			n = a->place_stop - at;
		slot = weir_slot_for(frame, a, at);
		if (slot < 0)
			return WEIR_REASON_NO_ROOM;
		to = weir_slot_at(frame, (__u32)slot, at & (WEIR_SLOT - 1));
		if (!to || weir_bytes(frame, a->place_from, to, n, WEIR_SLOT))
			return WEIR_REASON_CAPTURE;
		a->place_at += n;
		a->place_from += n;
	}
	return WEIR_REASON_NONE;
}

struct weir_comparing {
	weir_frame *frame;
	struct weir_assembly *a;
	struct weir_scratch *s;
	const __u8 *known;
	int different;
	int reason;
};

/* Eight bytes of what came against what is known. Returns 1 to stop. */
WEIR_STEP long weir_compare_word(__u32 turn, void *context)
{
	struct weir_comparing *c = context;
	__u32 at = c->s->scan & (WEIR_SLOT - 1), left = c->s->length - c->s->scan;
	__u64 different;

	(void)turn;
	if (c->s->scan >= c->s->length)
		return 1;
	different = WEIR_LE64(c->s->bytes + at) ^ WEIR_LE64(c->known + at);
	if (left < 8)
		different &= (1ULL << left * 8) - 1;
	c->s->scan += 8;
	if (!different)
		return 0;
	c->different = 1;
	return 1;
}

/* What of the frame's bytes lies in one slot. Returns 1 to stop. */
WEIR_STEP long weir_compare_slot(__u32 turn, void *context)
{
	struct weir_comparing *c = context;
	struct weir_assembly *a = c->a;
	__u32 at = a->place_at, n;

	(void)turn;
	if (at >= a->place_stop || at >= WEIR_STREAM_CAP)
		return 1;
	n = WEIR_SLOT - (at & (WEIR_SLOT - 1));
	if (n > a->place_stop - at)
		n = a->place_stop - at;
	c->known = weir_slot_at(c->frame, a->slot[at / WEIR_SLOT & 15] - 1u, at & (WEIR_SLOT - 1));
	if (!c->known || weir_bytes(c->frame, a->place_from, c->s->bytes, n, WEIR_SLOT)) {
		c->reason = WEIR_REASON_CAPTURE;
		return 1;
	}
	c->s->scan = 0;
	c->s->length = n;
	WEIR_LOOP(WEIR_SLOT / 8, weir_compare_word, c);
	if (c->different)
		a->conflict = 1;
	a->place_at += n;
	a->place_from += n;
	return 0;
}

/* Are the frame's bytes those that the stream has at [place_at, place_stop)? Notes it if not; the first copy stays. */
WEIR_ONCE int weir_compare_part(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s)
{
	struct weir_comparing c = { .frame = frame, .a = a, .s = s, .reason = WEIR_REASON_NONE };

	WEIR_USED(frame);
	if (!a || !s)
		return WEIR_REASON_NO_ROOM;
	WEIR_LOOP(WEIR_SLOTS + 1, weir_compare_slot, &c);
	return c.reason;
}

/* Sets place_stop to where what is known at `place_at` ends, or what is not known. True when it is known. */
WEIR_ONCE int weir_known_part(struct weir_assembly *a)
{
	int known;

	if (!a)
		return 0;
	known = a->place_at < a->filled;
	a->place_stop = a->place_end;
	if (known) {
		if (a->filled < a->place_stop)
			a->place_stop = a->filled;
		return 1;
	}
	a->scan = 0;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_RANGES + 1); i++) {
		__u32 at, start, end;

		WEIR_TURN();
		at = a->scan++;
		if (at >= WEIR_RANGES)
			break;
		start = a->range_start[at & (WEIR_RANGES - 1)];
		end = a->range_end[at & (WEIR_RANGES - 1)];
		if (start == end || end <= a->place_at)
			continue;
		if (start <= a->place_at) {
			known = 1;
			if (end < a->place_stop)
				a->place_stop = end;
			break;
		}
		if (start < a->place_stop)
			a->place_stop = start;
	}
	return known;
}

struct weir_placing {
	weir_frame *frame;
	struct weir_assembly *a;
	struct weir_scratch *s;
	int reason;
	int fresh;
};

/* The next part that is known, or that is not. Returns 1 to stop. */
WEIR_STEP long weir_place_part(__u32 turn, void *context)
{
	struct weir_placing *p = context;
	struct weir_assembly *a = p->a;

	(void)turn;
	if (a->place_at >= a->place_end)
		return 1;
	if (!a->ranges && a->place_at >= a->filled) {	/* nearly always: nothing beyond the front is known */
		a->place_stop = a->place_end;
		p->fresh = 1;
		p->reason = weir_store_part(p->frame, a);
	} else if (weir_known_part(a)) {
		a->flags |= WEIR_FLAG_OVERLAP;
		p->reason = weir_compare_part(p->frame, a, p->s);
	} else {
		p->fresh = 1;
		p->reason = weir_store_part(p->frame, a);
	}
	return p->reason != 0;
}

/*
 * Places one segment's payload, of `size` bytes at the stream offset `relative`. Where bytes are known already the new
 * ones are compared with them. 0, or the reason why the hello can never be whole.
 */
WEIR_ONCE int weir_place(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s, __u32 relative, __u32 size)
{
	struct weir_placing p = { .frame = frame, .a = a, .s = s };

	WEIR_USED(frame);
	if (!a || !s)
		return WEIR_REASON_NO_ROOM;
	if (relative >= WEIR_STREAM_CAP)
		return WEIR_REASON_TOO_LONG;
	a->place_at = relative;
	a->place_end = size > WEIR_STREAM_CAP - relative ? WEIR_STREAM_CAP : relative + size;
	WEIR_LOOP(2 * WEIR_RANGES + 3, weir_place_part, &p);
	if (p.reason)
		return p.reason;
	if (!p.fresh)
		return WEIR_REASON_NONE;
	if (a->segments != 255)
		a->segments++;
	if (size < 64)
		a->tiny++;
	if (!a->ranges && relative <= a->filled) {
		if (a->place_end > a->filled)
			a->filled = a->place_end;
		return WEIR_REASON_NONE;
	}
	return weir_note_range(a, relative, a->place_end) ? WEIR_REASON_GAPS : WEIR_REASON_NONE;
}
#endif
