/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The frames of an opened Initial, and their CRYPTO bytes, each to its place (RFC 9000 sections 12.4 and 19). */
#ifndef WEIR_QUIC_FRAMES_H
#define WEIR_QUIC_FRAMES_H

#include <weir/quic_keys.h>

/* What the loops over frames and a hello's bytes need to find. */
struct weir_quic_reading {
	struct weir_scratch *s;
	struct weir_opener *o;
	struct weir_quic_hello *h;
};

/* A variable-length number (RFC 9000 section 16) of the datagram, and past it. -1 where it does not end before `end`. */
WEIR_INLINE int weir_quic_number(struct weir_scratch *s, __u32 *at, __u32 end, __u64 *value)
{
	__u64 v;
	__u32 size;

	if (*at >= end)
		return -1;
	v = WEIR_BE64(WEIR_QUIC_AT(s, *at));
	size = 1u << (v >> 62);
	if (size > end - *at)
		return -1;
	*at += size;
	*value = v << 2 >> (66 - 8 * size);
	return 0;
}

/* Bits of a word that stand for bytes from `from` up to `to`, which count from the first word's first. */
WEIR_INLINE __u64 weir_quic_bits(__u32 word, __u32 from, __u32 to)
{
	__u32 start = word * 64;
	__u64 bits = ~0ull;

	if (from > start)
		bits <<= (from - start) & 63;
	if (to - start < 64)
		bits &= (1ull << ((to - start) & 63)) - 1;
	return bits;
}

/* Is any byte of the frame there already? */
WEIR_QUIC_STEP long weir_quic_overlap_step(__u32 turn, void *context)
{
	struct weir_quic_reading *w = context;
	struct weir_opener *o = w->o;
	__u32 word = o->word;

	(void)turn;
	if (w->h->have[WEIR_INDEX(word, WEIR_QUIC_HELLO / 64)] & weir_quic_bits(word, o->offset, o->offset + o->data_size))
		o->overlaps = 1;
	o->word = word + 1;
	return o->overlaps || word >= o->last_word;
}

WEIR_QUIC_STEP long weir_quic_mark_step(__u32 turn, void *context)
{
	struct weir_quic_reading *w = context;
	struct weir_opener *o = w->o;
	__u32 word = o->word;

	(void)turn;
	w->h->have[WEIR_INDEX(word, WEIR_QUIC_HELLO / 64)] |= weir_quic_bits(word, o->offset, o->offset + o->data_size);
	o->word = word + 1;
	return word >= o->last_word;
}

/* One byte of a frame that overlaps, or eight that are all there: what comes again has to say the same (RFC 9000 section 2.2). */
WEIR_QUIC_STEP long weir_quic_byte_step(__u32 turn, void *context)
{
	struct weir_quic_reading *w = context;
	struct weir_quic_hello *h = w->h;
	struct weir_opener *o = w->o;
	__u32 i = o->scan, to = o->offset + i;
	__u64 *word = &h->have[WEIR_INDEX(to >> 6, WEIR_QUIC_HELLO / 64)], bit = 1ull << (to & 63);
	__u8 byte = *WEIR_QUIC_AT(w->s, o->data + i), *place = &h->bytes[WEIR_INDEX(to, WEIR_QUIC_HELLO)];

	(void)turn;
	if (!(to & 7) && o->data_size - i >= 8 && (*word >> (to & 63) & 0xff) == 0xff) {
		o->differs = WEIR_LE64(place) != WEIR_LE64(WEIR_QUIC_AT(w->s, o->data + i));
		o->scan = i + 8;
		return o->differs || o->scan >= o->data_size;
	}
	if (*word & bit) {
		if (*place != byte) {
			o->differs = 1;
			return 1;
		}
	} else if (!h->is_whole) {
		*word |= bit;
		*place = byte;
		h->got++;
	}
	o->scan = i + 1;
	return o->scan >= o->data_size;
}

WEIR_QUIC_STEP long weir_quic_whole_step(__u32 turn, void *context)
{
	struct weir_quic_reading *w = context;
	__u32 word = w->o->word;
	__u64 bits = weir_quic_bits(word, 0, w->h->need);

	(void)turn;
	if ((w->h->have[WEIR_INDEX(word, WEIR_QUIC_HELLO / 64)] & bits) != bits)
		return 1;
	w->o->word = word + 1;
	return word >= w->o->last_word;
}

#ifdef __bpf__
/* BPF has no other copy of a length that only the packet knows. */
#define WEIR_QUIC_COPY(to, from, size) bpf_probe_read_kernel(to, size, from)
#else
#define WEIR_QUIC_COPY(to, from, size) memcpy(to, from, size)
#endif

/* Bytes none of which are there: as in every hello that comes once, in whatever order. */
WEIR_INLINE void weir_quic_place_fresh(struct weir_quic_reading *w)
{
	struct weir_opener *o = w->o;
	__u64 size = o->data_size, less, offset = o->offset;

	less = size - 1;
	__asm__ volatile("" : "+r"(less), "+r"(offset));
	if (less >= WEIR_QUIC_PIECE || offset >= WEIR_QUIC_HELLO)
		return;
	WEIR_QUIC_COPY(w->h->bytes + offset, WEIR_QUIC_AT(w->s, o->data), less + 1);
	w->h->got += (__u32)size;
	o->word = (__u32)offset / 64;
	WEIR_QUIC_LOOP(WEIR_QUIC_HELLO / 64 + 1, weir_quic_mark_step, w);
}

/* A CRYPTO frame's bytes to their place. -1 where they contradict what was there, or begin no ClientHello. */
WEIR_ONCE int weir_quic_place(struct weir_scratch *s, struct weir_opener *o, struct weir_quic_hello *h)
{
	struct weir_quic_reading walk = { s, o, h };
	__u32 offset, size;

	if (!s || !o || !h)
		return -1;
	offset = o->offset;
	size = o->data_size;
	/* A second hello, behind the first (RFC 8446 section 4.1.4), comes after the server's first answer. */
	if (!size || offset >= WEIR_QUIC_HELLO || (h->is_whole && offset >= h->need))
		return 0;
	if (size > WEIR_QUIC_HELLO - offset)
		size = WEIR_QUIC_HELLO - offset;
	o->data_size = size;
	o->word = offset / 64;
	o->last_word = (offset + size - 1) / 64;
	o->overlaps = o->differs = o->scan = 0;
	WEIR_QUIC_LOOP(WEIR_QUIC_HELLO / 64 + 1, weir_quic_overlap_step, &walk);
	if (o->overlaps || size > WEIR_QUIC_PIECE)
		WEIR_QUIC_LOOP(WEIR_QUIC_HELLO, weir_quic_byte_step, &walk);
	else if (!h->is_whole)
		weir_quic_place_fresh(&walk);
	if (o->differs)
		return -1;
	if (h->is_whole)
		return 0;
	if (!h->need && (h->have[0] & 15) == 15) {
		if (h->bytes[0] != 1)
			return -1;
		h->need = 4 + (WEIR_BE32(h->bytes) & 0xffffff);
	}
	if (!h->need || h->got < h->need || h->need > WEIR_QUIC_HELLO)
		return 0;
	o->word = 0;
	o->last_word = (h->need - 1) / 64;
	WEIR_QUIC_LOOP(WEIR_QUIC_HELLO / 64 + 1, weir_quic_whole_step, &walk);
	h->is_whole = o->word > o->last_word;
	return 0;
}

/* How much PADDING begins here: eight words, one, or a byte. 0: it is none. */
WEIR_INLINE __u32 weir_quic_padding(struct weir_scratch *s, __u32 at)
{
	const __u8 *p = WEIR_QUIC_AT(s, at);
	__u64 first = WEIR_LE64(p), rest = 0;

	if (first & 0xff)
		return 0;
	if (first)
		return 1;
	_Pragma("unroll")
	for (int i = 1; i < 8; i++)
		rest |= WEIR_LE64(p + 8 * i);
	return rest ? 8 : 64;
}

/* What a frame begins with, or the next number of one. Returns 1 at the end, and where no Initial may bear it. */
WEIR_QUIC_STEP long weir_quic_frame_step(__u32 turn, void *context)
{
	struct weir_quic_reading *w = context;
	struct weir_opener *o = w->o;
	__u32 at = o->at, end = o->end, type, padding;
	__u64 value, size;

	(void)turn;
	if (at >= end) {
		o->failed = o->state != WEIR_QUIC_FRAME;
		return 1;
	}
	if (o->state != WEIR_QUIC_FRAME) {
		if (weir_quic_number(w->s, &at, end, &value))
			goto failed;
		o->at = at;
		if (o->state == WEIR_QUIC_REASON) {
			if (value > end - at)
				goto failed;
			o->at = at + (__u32)value;
			o->state = WEIR_QUIC_FRAME;
		} else if (o->state == WEIR_QUIC_COUNT) {	/* a first range, two numbers for each more, three for ECN */
			if (value > end)
				goto failed;
			o->left = 1 + 2 * (__u32)value + (o->kind == 3) * 3;
			o->kind = 0;
			o->state = WEIR_QUIC_NUMBERS;
		} else if (!--o->left) {
			o->state = o->kind == 0x1c ? WEIR_QUIC_REASON : o->kind ? WEIR_QUIC_COUNT : WEIR_QUIC_FRAME;
		}
		return 0;
	}
	padding = weir_quic_padding(w->s, at);
	if (padding) {
		o->at = at + padding;			/* beyond the end is the end */
		return 0;
	}
	type = *WEIR_QUIC_AT(w->s, at);
	at++;
	switch (type) {
	case 1:					/* PING */
		o->at = at;
		return 0;
	case 2:					/* ACK: largest and delay, a count, ranges */
	case 3:
	case 0x1c:				/* CONNECTION_CLOSE: error and frame, a reason */
		o->kind = type;
		o->left = 2;
		o->state = WEIR_QUIC_NUMBERS;
		o->at = at;
		return 0;
	case 6:					/* CRYPTO */
		if (weir_quic_number(w->s, &at, end, &value) || weir_quic_number(w->s, &at, end, &size) || size > end - at)
			goto failed;
		o->offset = value < 0xffffffff ? (__u32)value : 0xffffffff;
		o->data = at;
		o->data_size = (__u32)size;
		o->at = at + (__u32)size;
		if (!weir_quic_place(w->s, o, w->h))
			return 0;
	}
failed:
	o->failed = 1;
	return 1;
}

/* Every frame of the opened packet. -1 for what no Initial may bear, or what contradicts what came before. */
WEIR_ONCE int weir_quic_read_frames(struct weir_scratch *s, struct weir_opener *o, struct weir_quic_hello *h)
{
	struct weir_quic_reading walk = { s, o, h };

	if (!s || !o || !h)
		return -1;
	o->at = o->payload;
	o->state = WEIR_QUIC_FRAME;
	o->failed = 0;
	WEIR_QUIC_LOOP(WEIR_QUIC_MOST + 1, weir_quic_frame_step, &walk);
	return o->failed ? -1 : 0;
}
#endif
