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
WEIR_INLINE int weir_place_bytes(weir_frame *frame, __u32 from, __u8 *bytes, __u32 to, __u32 size)
{
	for (__u32 i = 0; i < 3; i++) {
		__u32 n = size > WEIR_CHUNK ? WEIR_CHUNK : size;

		if (!size || to >= WEIR_STREAM_CAP)
			return 0;
		if (weir_bytes(frame, from, bytes + (to & (WEIR_STREAM_CAP - 1)), n))
			return -1;
		from += n;
		to += n;
		size -= n;
	}
	return 0;
}

/* Notes that [start, end) has arrived. Returns -1 when there are more holes than are tracked. */
WEIR_ONCE int weir_note_range(struct weir_assembly *a, __u32 start, __u32 end)
{
	int noted = 0;

	if (!a)
		return -1;
	if (start <= a->filled) {
		if (end > a->filled)
			a->filled = end;
		noted = 1;
	}
	for (__u32 i = 0; i < WEIR_RANGES; i++) {
		__u32 s = a->range_start[i], e = a->range_end[i];

		if (!noted && s == e) {
			a->range_start[i] = (__u16)start;
			a->range_end[i] = (__u16)end;
			noted = 1;
		} else if (s != e && start < e && s < end) {
			a->flags |= WEIR_FLAG_OVERLAP;
		}
	}
	if (!noted)
		return -1;
	/* Each pass may close one hole and so reach the next range. */
	for (__u32 pass = 0; pass < WEIR_RANGES; pass++) {
		WEIR_FORGET();
		for (__u32 i = 0; i < WEIR_RANGES; i++) {
			if (a->range_start[i] == a->range_end[i] || a->range_start[i] > a->filled)
				continue;
			if (a->range_end[i] > a->filled)
				a->filled = a->range_end[i];
			a->range_start[i] = a->range_end[i] = 0;
		}
	}
	return 0;
}

/* Places one segment's payload. 0, or the reason why the hello can never be whole. */
WEIR_INLINE enum weir_incomplete_reason weir_place(weir_frame *frame, struct weir_assembly *a, __u32 from, __u32 relative, __u32 size)
{
	__u32 end = relative + size;

	if (relative >= WEIR_STREAM_CAP)
		return WEIR_REASON_TOO_LONG;
	if (end > WEIR_STREAM_CAP)
		end = WEIR_STREAM_CAP;
	if (a->segments != 255)
		a->segments++;
	if (relative < a->filled) {		/* what is there stays: the first copy counts */
		__u32 known = a->filled - relative;

		a->flags |= WEIR_FLAG_OVERLAP;
		if (known >= size)
			return WEIR_REASON_NONE;
		from += known;
		relative = a->filled;
	}
	if (weir_place_bytes(frame, from, a->bytes, relative, end - relative))
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
 * may be spread over records), and `records` and `hello_length` are set.
 */
WEIR_INLINE enum weir_stream weir_unwrap(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s, __u32 *length, __u32 *records)
{
	struct weir_unwrapping u = { .from = a, .to = s };
	__u32 size, filled = a->filled;

	if (filled < 9)
		return WEIR_STREAM_MORE;
	size = (__u32)weir_stream8(a, 3) << 8 | weir_stream8(a, 4);
	if (size >= 4) {
		*length = weir_announced(a->bytes + 5);
		*records = 1;
		if (*length > WEIR_STREAM_CAP - 5)
			return WEIR_STREAM_LONG;
		if (size >= *length) {
			if (filled < 5 + *length)
				return WEIR_STREAM_MORE;
			weir_become(frame, a, s);
			return WEIR_STREAM_WHOLE;
		}
	}
	WEIR_LOOP(filled > WEIR_STREAM_CAP ? WEIR_STREAM_CAP : filled, weir_unwrap_byte, &u);
	if (u.wrong)
		return WEIR_STREAM_WRONG;
	if (u.have < 4)
		return WEIR_STREAM_MORE;
	*length = weir_announced(s->bytes);
	*records = u.records & 0xff;
	if (*length > u.have)
		return *length + 5 > WEIR_STREAM_CAP || filled >= WEIR_STREAM_CAP ? WEIR_STREAM_LONG : WEIR_STREAM_MORE;
	return WEIR_STREAM_WHOLE;
}
#endif
