/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A hello over several segments and records. Segments are placed at their stream offsets, out of order and again if
 * need be; record headers are read once, as they arrive; the hello is judged once, when it is whole. What never
 * completes is `incomplete`, never `missing_sni`.
 */
#ifndef WEIR_ASSEMBLY_H
#define WEIR_ASSEMBLY_H

#include <weir/platform.h>
#include <weir/scratch.h>
#include <weir/stream.h>
#include <weir/proxy.h>

enum weir_stream { WEIR_STREAM_MORE, WEIR_STREAM_WHOLE, WEIR_STREAM_WRONG, WEIR_STREAM_LONG };

/* The message's announced length with its header, from its first four bytes. */
WEIR_INLINE __u32 weir_announced(__u32 head)
{
	return 4 + (head & 0xffffff);
}

struct weir_walking {
	weir_frame *frame;
	struct weir_assembly *a;
	int found;			/* enum weir_stream */
};

/*
 * A PROXY header before the hello, where segments came in disorder: nobody could pass over it before its first bytes were here. True while
 * more of it has to come.
 */
WEIR_ONCE int weir_find_start(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s)
{
	__u32 n, size = 0;
	__u8 kind;

	WEIR_USED(frame);
	if (!a || !s || !a->filled || a->start || a->records)
		return 0;
	n = a->filled < WEIR_PROXY1_MAX ? a->filled : WEIR_PROXY1_MAX;
	if (weir_copy(frame, s, 0, a->slot[0] - 1u, 0, n) || !weir_begins_proxy(s->bytes, n))
		return 0;
	if (n < WEIR_FIRST)
		return 1;
	kind = (__u8)weir_preamble_of(s->bytes, WEIR_FIRST, n, 0);
	switch (kind) {
	case WEIR_PREAMBLE_PROXY2:
		size = 16 + WEIR_BE16(s->bytes + 14);
		if (n < weir_proxy2_part(size))
			return 1;
		break;
	case WEIR_PREAMBLE_PROXY1:
		size = (__u32)weir_line_end(s, n);
		if (!size && n < WEIR_PROXY1_MAX)
			return 1;
		break;
	default:
		break;
	}
	/* The flow's own header is the one at its start; one that comes again names nobody anew. */
	if (size && !a->preamble && !a->again && weir_read_proxy(frame, s, &a->flow, kind, n))
		a->named = s->naming.named;
	if (size)
		a->preamble = kind;
	a->start = (__u16)(size < WEIR_STREAM_CAP ? size : WEIR_STREAM_CAP);
	a->header_at = a->start;
	return 0;
}

/* One of the message's first four bytes: its type and its length. */
WEIR_INLINE void weir_walk_head(struct weir_walking *w, struct weir_assembly *a)
{
	a->head = a->head << 8 | weir_stream8(w->frame, a, a->head_at++);
	a->head_left--;
	if (++a->head_have < 4)
		return;
	if (a->head >> 24 != 1)
		w->found = WEIR_STREAM_WRONG;
	else if (weir_announced(a->head) > WEIR_MESSAGE_CAP)
		w->found = WEIR_STREAM_LONG;
}

/* The next record header, or the next of the message's first bytes. Returns 1 to stop. */
WEIR_STEP long weir_walk_record(__u32 turn, void *context)
{
	struct weir_walking *w = context;
	struct weir_assembly *a = w->a;
	__u32 at = a->header_at, size;

	(void)turn;
	if (a->head_left) {
		if (a->head_at >= a->filled)
			return 1;
		weir_walk_head(w, a);
		if (w->found)
			return 1;
		if (a->head_left || a->head_have < 4)
			return 0;
	}
	if (a->head_have == 4 && a->have >= weir_announced(a->head)) {
		a->whole_at = at - (a->have - weir_announced(a->head));
		if (a->whole_at > WEIR_STREAM_CAP)
			w->found = WEIR_STREAM_LONG;
		return 1;
	}
	if (at + 5 > a->filled) {
		if (at + 5 > WEIR_STREAM_CAP)
			w->found = WEIR_STREAM_LONG;
		return 1;
	}
	size = (__u32)weir_stream8(w->frame, a, at + 3) << 8 | weir_stream8(w->frame, a, at + 4);
	if (weir_stream8(w->frame, a, at) != 22 || weir_stream8(w->frame, a, at + 1) != 3 || !size || size > 16384 + 2048) {
		w->found = WEIR_STREAM_WRONG;
		return 1;
	}
	if (a->head_have < 4) {
		a->head_at = at + 5;
		a->head_left = 4u - a->head_have < size ? 4u - a->head_have : size;
	}
	if (a->records != 255)
		a->records++;
	if (a->last_small)
		a->small = 1;
	a->last_small = size < 128;
	a->have += size;
	a->header_at = at + 5 + size;
	return 0;
}

/* Is the hello whole (RFC 8446 section 5.1: a message may be spread over records)? */
WEIR_ONCE int weir_walk(weir_frame *frame, struct weir_assembly *a)
{
	struct weir_walking w = { .frame = frame, .a = a };

	WEIR_USED(frame);
	if (!a)
		return WEIR_STREAM_WRONG;
	if (!a->whole_at)
		WEIR_LOOP(WEIR_STREAM_CAP / 6 + 5, weir_walk_record, &w);
	if (w.found)
		return w.found;
	return a->whole_at && a->filled >= a->whole_at ? WEIR_STREAM_WHOLE : WEIR_STREAM_MORE;
}

struct weir_gathering {
	weir_frame *frame;
	struct weir_assembly *a;
	struct weir_scratch *s;
	int failed;
};

/* One record header passed, or one piece copied. Returns 1 to stop. */
WEIR_STEP long weir_gather_part(__u32 turn, void *context)
{
	struct weir_gathering *g = context;
	struct weir_assembly *a = g->a;
	struct weir_scratch *s = g->s;
	__u32 n, to = s->copy_to, at = s->copy_at;

	(void)turn;
	if (to >= weir_announced(a->head) || to >= WEIR_MESSAGE_CAP)
		return 1;
	if (!s->copy_left) {
		s->copy_left = (__u32)weir_stream8(g->frame, a, at + 3) << 8 | weir_stream8(g->frame, a, at + 4);
		s->copy_at = at + 5;
		return 0;
	}
	n = WEIR_SLOT - (at & (WEIR_SLOT - 1));
	if (n > s->copy_left)
		n = s->copy_left;
	if (n > weir_announced(a->head) - to)
		n = weir_announced(a->head) - to;
	if (weir_copy(g->frame, s, to, a->slot[at / WEIR_SLOT & 15] - 1u, at & (WEIR_SLOT - 1), n)) {
		g->failed = 1;
		return 1;
	}
	s->copy_at = at + n;
	s->copy_to = to + n;
	s->copy_left -= n;
	return 0;
}

/* The whole message becomes the scratch's, record headers left out. 0 or -1. */
WEIR_ONCE int weir_gather(weir_frame *frame, struct weir_assembly *a, struct weir_scratch *s)
{
	struct weir_gathering g = { .frame = frame, .a = a, .s = s };

	WEIR_USED(frame);
	if (!a || !s)
		return -1;
	s->copy_at = a->start;
	s->copy_to = s->copy_left = 0;
	WEIR_LOOP(WEIR_STREAM_CAP / 3 + 2 * WEIR_SLOTS, weir_gather_part, &g);	/* a record of one byte takes two turns */
	return g.failed || s->copy_to != weir_announced(a->head) ? -1 : 0;
}
#endif
