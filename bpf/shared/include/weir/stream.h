/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Where the bytes of unfinished hellos lie: slots of 2 KiB, one for nearly every hello that spans segments. Slots are
 * taken in turn and each bears its owner's number, so nothing is copied to begin one, nothing is given back, and who
 * has lost one to a newer hello sees it.
 */
#ifndef WEIR_STREAM_H
#define WEIR_STREAM_H

#include <weir/platform.h>
#include <weir/scratch.h>

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
	struct weir_scratch *s;
	const __u8 *known;
	int different;
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
	c->different |= different != 0;
	return c->different;
}

/* Are the frame's bytes those that the stream has at [place_at, place_stop)? Notes it if not; the first copy stays. */
WEIR_ONCE int weir_compare_part(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s)
{
	struct weir_comparing c = { .s = s };

	WEIR_USED(frame);
	if (!a || !s)
		return WEIR_REASON_NO_ROOM;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_SLOTS + 1); i++) {
		__u32 at, n;

		WEIR_TURN();
		at = a->place_at;
		if (at >= a->place_stop || at >= WEIR_STREAM_CAP)
			break;
		n = WEIR_SLOT - (at & (WEIR_SLOT - 1));
		if (n > a->place_stop - at)
			n = a->place_stop - at;
		c.known = weir_slot_at(frame, a->slot[at / WEIR_SLOT & 15] - 1u, at & (WEIR_SLOT - 1));
		if (!c.known || weir_bytes(frame, a->place_from, s->bytes, n, WEIR_SLOT))
			return WEIR_REASON_CAPTURE;
		s->scan = 0;
		s->length = n;
		WEIR_LOOP(WEIR_SLOT / 8, weir_compare_word, &c);
		if (c.different)
			a->conflict = 1;
		a->place_at += n;
		a->place_from += n;
	}
	return WEIR_REASON_NONE;
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

/* Takes into the contiguous front what a closed hole has made contiguous. True when a range was taken. */
WEIR_INLINE int weir_take_range(struct weir_assembly *a, __u32 i)
{
	__u32 start = a->range_start[i & (WEIR_RANGES - 1)], end = a->range_end[i & (WEIR_RANGES - 1)];

	if (start == end || start > a->filled)
		return 0;
	if (end > a->filled)
		a->filled = end;
	a->range_start[i & (WEIR_RANGES - 1)] = a->range_end[i & (WEIR_RANGES - 1)] = 0;
	a->ranges--;
	return 1;
}

/* Notes that [start, end) has arrived. Returns -1 when there are more holes than are tracked. */
WEIR_ONCE int weir_note_range(struct weir_assembly *a, __u32 start, __u32 end)
{
	if (!a)
		return -1;
	a->free = WEIR_RANGES;
	a->scan = 0;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_RANGES + 1); i++) {
		__u32 at;

		WEIR_TURN();
		at = a->scan;
		if (at >= WEIR_RANGES)
			break;
		a->scan++;
		if (a->range_start[at & (WEIR_RANGES - 1)] == a->range_end[at & (WEIR_RANGES - 1)])
			a->free = (__u8)at;
	}
	if (start > a->filled) {
		if (a->free >= WEIR_RANGES)
			return -1;
		a->range_start[a->free & (WEIR_RANGES - 1)] = (__u16)start;
		a->range_end[a->free & (WEIR_RANGES - 1)] = (__u16)end;
		a->ranges++;
		return 0;
	}
	if (end > a->filled)
		a->filled = end;
	/* A range taken may reach one that was passed already: round again until a whole round took none. */
	a->idle = 0;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_RANGES * (WEIR_RANGES + 1)); i++) {
		WEIR_TURN();
		if (a->idle >= WEIR_RANGES)
			break;
		a->idle = weir_take_range(a, a->scan++) ? 0 : a->idle + 1;
	}
	return 0;
}

/*
 * Places one segment's payload, of `size` bytes at the stream offset `relative`. Where bytes are known already the new
 * ones are compared with them. 0, or the reason why the hello can never be whole.
 */
WEIR_ONCE int weir_place(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s, __u32 relative, __u32 size)
{
	int reason, fresh = 0;

	WEIR_USED(frame);
	if (!a || !s)
		return WEIR_REASON_NO_ROOM;
	if (relative >= WEIR_STREAM_CAP)
		return WEIR_REASON_TOO_LONG;
	a->place_at = relative;
	a->place_end = size > WEIR_STREAM_CAP - relative ? WEIR_STREAM_CAP : relative + size;
	for (__u32 i = 0; WEIR_TURNS(i, 2 * WEIR_RANGES + 3); i++) {
		WEIR_TURN();
		if (a->place_at >= a->place_end)
			break;
		if (!a->ranges && a->place_at >= a->filled) {	/* nearly always: nothing beyond the front is known */
			a->place_stop = a->place_end;
			fresh = 1;
			reason = weir_store_part(frame, a);
		} else if (weir_known_part(a)) {
			a->flags |= WEIR_FLAG_OVERLAP;
			reason = weir_compare_part(frame, a, s);
		} else {
			fresh = 1;
			reason = weir_store_part(frame, a);
		}
		if (reason)
			return reason;
	}
	if (!fresh)
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
