/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A flow's first bytes: what they are where they are no TLS, and how they are read around an urgent one. */
#ifndef WEIR_FIRST_H
#define WEIR_FIRST_H

#include <weir/passing.h>
#include <weir/platform.h>
#include <weir/records.h>
#include <weir/verdict.h>

/* What is said of first client bytes that are not the start of a ClientHello. */
WEIR_INLINE void weir_misfit(struct weir_handshake *r, const __u8 *first)
{
	if (first[0] == 22) {
		WEIR_FOUND(r, first[1] != 3 || !(first[3] | first[4]) || ((__u32)first[3] << 8 | first[4]) > WEIR_RECORD_MOST
				      ? WEIR_BAD_RECORD
				      : WEIR_MALFORMED_HELLO);
	} else if (weir_is_sslv2(first)) {
		WEIR_FOUND(r, WEIR_SSLV2_HELLO);
		WEIR_FOUND(r, WEIR_MISSING_SNI);	/* it has no place for a name */
		r->version = (__u16)(first[3] << 8 | first[4]);
	} else {
		WEIR_FOUND(r, WEIR_NOT_TLS);
		r->subtype = (__u8)weir_subtype_of(first);
	}
}

/* The message's next byte takes the place of the one before. Returns 1 at its end. */
WEIR_STEP long weir_move_up(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);

	(void)turn;
	if (s->scan >= s->stop)
		return 1;
	s->bytes[WEIR_INDEX(s->scan, 32768) & (WEIR_BODY_CAP - 1)] = s->bytes[(WEIR_INDEX(s->scan, 32768) & (WEIR_BODY_CAP - 1)) + 1];
	s->scan++;
	return 0;
}

/*
 * Reads `size` bytes of the stream from the frame's `at` on into the scratch, as a server's application does that has not asked for urgent
 * data: without the urgent byte (RFC 9293 section 3.8.5). 0 or -1.
 */
WEIR_ONCE int weir_read_stream(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 at, __u32 size)
{
	__u32 urgent;

	WEIR_USED(frame);
	if (!l || !s)
		return -1;
	urgent = l->segment.payload_at + l->segment.urgent - 1;
	if (urgent < at)
		return weir_bytes(frame, at + 1, s->bytes, size, WEIR_MESSAGE_CAP);
	if (urgent >= at + size)
		return weir_bytes(frame, at, s->bytes, size, WEIR_MESSAGE_CAP);
	if (weir_bytes(frame, at, s->bytes, size + 1, WEIR_MESSAGE_CAP))
		return -1;
	s->scan = urgent - at;
	s->stop = size;
	WEIR_OVER(s, WEIR_MESSAGE_CAP, weir_move_up);
	return 0;
}

/* Reads the segment's first bytes; what it lacks of sixteen is zero. -1 when the capture has cut them off. */
WEIR_INLINE int weir_read_first(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	__u32 size = l->segment.payload_size - (l->segment.urgent ? 1 : 0), n = size < WEIR_FIRST ? size : WEIR_FIRST;
	__u32 at = l->segment.payload_at;

	if (WEIR_BYTES_ARE_FAR && n == WEIR_FIRST && at < WEIR_HEAD_CAP && at + WEIR_FIRST <= l->have && !l->segment.urgent) {
		__builtin_memcpy(l->first, l->head + WEIR_INDEX(at, WEIR_HEAD_CAP), WEIR_FIRST);
		return 0;
	}
	__builtin_memset(l->first, 0, sizeof(l->first));
	if (!l->segment.urgent)
		return weir_bytes(frame, l->segment.payload_at, l->first, n, WEIR_FIRST);
	if (!n || weir_read_stream(frame, l, s, at, n))
		return n ? -1 : 0;
	__builtin_memcpy(l->first, s->bytes, WEIR_FIRST);
	return 0;
}
#endif
