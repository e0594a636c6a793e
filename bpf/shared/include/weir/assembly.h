/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A hello over several segments and records. Segments are placed at their stream offsets, out of order and again if
 * need be; the hello is judged once, when it is whole. What never completes is `incomplete`, never `missing_sni`.
 */
#ifndef WEIR_ASSEMBLY_H
#define WEIR_ASSEMBLY_H

#include <weir/platform.h>
#include <weir/scratch.h>

/* Copies `size` bytes of the frame to the stream offset `to`, in chunks whose end the verifier can see. 0 or -1. */
WEIR_ONCE int weir_place_bytes(weir_frame *frame, struct weir_assembly *a, __u32 from, __u32 to, __u32 size)
{
	WEIR_USED(frame);
	if (!a)
		return -1;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_STREAM_CAP / WEIR_CHUNK); i++) {
		__u32 n = size > WEIR_CHUNK ? WEIR_CHUNK : size;

		WEIR_TURN();
		if (!n || to >= WEIR_STREAM_CAP)
			break;
		if (weir_bytes(frame, from, a->bytes + (to & (WEIR_STREAM_CAP - 1)), n, WEIR_CHUNK))
			return -1;
		from += n;
		to += n;
		size -= n;
	}
	return 0;
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
		__u32 s, e, at;

		WEIR_TURN();
		at = a->scan;
		if (at >= WEIR_RANGES)
			break;
		a->scan++;
		s = a->range_start[at & (WEIR_RANGES - 1)];
		e = a->range_end[at & (WEIR_RANGES - 1)];
		if (s == e)
			a->free = (__u8)at;
		else if (start < e && s < end)
			a->flags |= WEIR_FLAG_OVERLAP;
	}
	if (start > a->filled) {
		if (a->free >= WEIR_RANGES)
			return -1;
		a->range_start[a->free & (WEIR_RANGES - 1)] = (__u16)start;
		a->range_end[a->free & (WEIR_RANGES - 1)] = (__u16)end;
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

/* Places one segment's payload. 0, or the reason why the hello can never be whole. */
WEIR_INLINE enum weir_incomplete_reason weir_place(weir_frame *frame, struct weir_assembly *a, __u32 from, __u32 relative, __u32 size)
{
	__u32 end = relative + size;

	if (a->segments != 255)
		a->segments++;
	if (relative >= WEIR_STREAM_CAP)
		return WEIR_REASON_TOO_LONG;
	if (end > WEIR_STREAM_CAP)
		end = WEIR_STREAM_CAP;
	if (relative < a->filled) {		/* what is there stays: the first copy counts */
		__u32 known = a->filled - relative;

		a->flags |= WEIR_FLAG_OVERLAP;
		if (known >= size)
			return WEIR_REASON_NONE;
		from += known;
		relative = a->filled;
	}
	if (weir_place_bytes(frame, a, from, relative, end - relative))
		return WEIR_REASON_CAPTURE;
	return weir_note_range(a, relative, end) ? WEIR_REASON_GAPS : WEIR_REASON_NONE;
}

enum weir_stream { WEIR_STREAM_MORE, WEIR_STREAM_WHOLE, WEIR_STREAM_WRONG, WEIR_STREAM_LONG };

WEIR_INLINE __u8 weir_stream8(const struct weir_assembly *a, __u32 at)
{
	return a->bytes[WEIR_INDEX(at, WEIR_STREAM_CAP)];
}

/* The message's announced length with its header, once four bytes of it are there. */
WEIR_INLINE __u32 weir_announced(const __u8 *message)
{
	return 4 + ((__u32)message[1] << 16 | (__u32)message[2] << 8 | message[3]);
}

struct weir_unwrapping {
	const struct weir_assembly *from;
	struct weir_scratch *to;
	__u32 have;			/* message bytes */
	__u32 left;			/* of the current record */
	__u32 header;			/* bytes seen of the current record's header */
	__u32 records;
	__u32 wrong;
};

/* One stream byte: a record header's, or the message's. Returns 1 to stop. */
static long weir_unwrap_byte(__u32 at, void *context)
{
	struct weir_unwrapping *u = context;
	__u8 byte = u->from->bytes[at & (WEIR_STREAM_CAP - 1)];

	if (u->left) {
		u->to->bytes[u->have & (WEIR_STREAM_CAP - 1)] = byte;
		u->have++;
		u->left--;
		return 0;
	}
	switch (u->header++) {
	case 0:
		u->wrong = byte != 22;
		return u->wrong;
	case 1:
		u->wrong = byte != 3;
		return u->wrong;
	case 2:
		return 0;
	case 3:
		u->records += 1 + ((__u32)byte << 16);	/* the length's high byte, for a turn */
		return 0;
	}
	u->left = (u->records >> 16) << 8 | byte;
	u->records &= 0xffff;
	u->header = 0;
	u->wrong = !u->left || u->left > 16384 + 2048;
	return u->wrong;
}

/*
 * Is the hello whole? If so its message is in the scratch, record headers left out (RFC 8446 section 5.1: a message
 * may be spread over records), with its length and the number of records.
 */
WEIR_ONCE int weir_unwrap(const struct weir_assembly *a, struct weir_scratch *s)
{
	struct weir_unwrapping u = { .from = a, .to = s };
	__u32 size, filled, length;

	if (!a || !s)
		return WEIR_STREAM_WRONG;
	filled = a->filled;
	if (filled < 9)
		return WEIR_STREAM_MORE;
	size = (__u32)weir_stream8(a, 3) << 8 | weir_stream8(a, 4);
	if (size >= 4) {
		length = weir_announced(a->bytes + 5);
		if (length > WEIR_STREAM_CAP - 5)
			return WEIR_STREAM_LONG;
		if (size >= length) {
			if (filled < 5 + length)
				return WEIR_STREAM_MORE;
			weir_become(a, s, length);
			s->message_length = length;
			s->message_records = 1;
			return WEIR_STREAM_WHOLE;
		}
	}
	WEIR_LOOP(filled > WEIR_STREAM_CAP ? WEIR_STREAM_CAP : filled, weir_unwrap_byte, &u);
	if (u.wrong)
		return WEIR_STREAM_WRONG;
	if (u.have < 4)
		return WEIR_STREAM_MORE;
	length = weir_announced(s->bytes);
	s->message_length = length;
	s->message_records = u.records & 0xff;
	if (length > u.have)
		return length + 5 > WEIR_STREAM_CAP || filled >= WEIR_STREAM_CAP ? WEIR_STREAM_LONG : WEIR_STREAM_MORE;
	return WEIR_STREAM_WHOLE;
}
#endif
