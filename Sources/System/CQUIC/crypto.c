/* SPDX-License-Identifier: BSD-2-Clause */
/* CRYPTO frames: a hello's bytes, each to its place (RFC 9000 section 19.6). */
#include "connection.h"

/* A word's bits from `from` up to `to`, which count from the first word's first. */
static __u64 bits_between(__u32 word, __u32 from, __u32 to)
{
	__u32 start = word * 64;
	__u64 bits = from > start ? ~0ull << (from - start) : ~0ull;

	return to - start < 64 ? bits & ((1ull << (to - start)) - 1) : bits;
}

static int is_whole(const struct connection *c)
{
	if (!c->need || c->got < c->need || c->need > WEIR_INITIALS_HELLO)
		return 0;
	for (__u32 word = 0; word * 64 < c->need; word++) {
		__u64 bits = bits_between(word, 0, c->need);

		if ((c->have[word] & bits) != bits)
			return 0;
	}
	return 1;
}

/* The second hello of a connection whose first was told (RFC 8446 section 4.1.4); there is no third. */
static int begins_second(struct weir_initials *r, struct connection *c, __u64 offset)
{
	if (!c->is_told || is_queued(r, c) || c->base || offset < c->need)
		return 0;
	c->base = c->need;
	c->need = c->got = 0;
	c->is_whole = c->is_told = c->is_judged = 0;
	memset(c->have, 0, sizeof(c->have));
	c->seen.flags |= WEIR_FLAG_RETRY;
	c->seen.segments = 1;
	return 1;
}

/* A CRYPTO frame's bytes to their place. -1 where they contradict what was there, or begin no ClientHello. */
static int place(struct weir_initials *r, struct connection *c, __u64 offset, const __u8 *from, __u32 size)
{
	__u32 at;

	if (!size || offset < c->base)
		return 0;
	if (c->is_whole && !begins_second(r, c, offset) && offset - c->base >= c->need)
		return 0;			/* behind the hello, which is not told yet */
	if (offset - c->base >= WEIR_INITIALS_HELLO)
		return 0;
	at = (__u32)offset - c->base;
	if (size > WEIR_INITIALS_HELLO - at)
		size = WEIR_INITIALS_HELLO - at;
	/* What comes again has to say the same (RFC 9000 section 2.2). */
	for (__u32 i = 0; i < size; i++)
		if (c->have[(at + i) / 64] >> (at + i) % 64 & 1 && c->bytes[at + i] != from[i])
			return -1;
	if (c->is_whole)
		return 0;
	for (__u32 word = at / 64; word * 64 < at + size; word++) {
		__u64 fresh = bits_between(word, at, at + size) & ~c->have[word];

		c->got += (__u32)__builtin_popcountll(fresh);
		c->have[word] |= fresh;
	}
	memcpy(c->bytes + at, from, size);
	if (!c->need && (c->have[0] & 15) == 15) {
		if (c->bytes[0] != 1)
			return -1;
		c->need = 4 + ((__u32)c->bytes[1] << 16 | (__u32)c->bytes[2] << 8 | c->bytes[3]);
		if (c->need > WEIR_INITIALS_HELLO)
			r->counts.too_long++;
	}
	c->is_whole = (__u8)is_whole(c);
	return 0;
}

static int skip_numbers(const __u8 *p, __u32 end, __u32 *at, __u64 count)
{
	__u64 value;

	while (count--)
		if (quic_number(p, end, at, &value))
			return -1;
	return 0;
}

/* The frames that an Initial may bear (RFC 9000 section 12.4). -1 for any other. */
int quic_read_frames(struct weir_initials *r, struct connection *c, __u32 end)
{
	const __u8 *p = r->payload;
	__u64 offset, size, count;
	__u32 at = 0, type;

	while (at < end) {
		type = p[at++];
		switch (type) {
		case 0:				/* PADDING */
		case 1:				/* PING */
			break;
		case 2:				/* ACK: largest, delay, count, first; then a gap and a range for each, and three counts of ECN */
		case 3:
			if (skip_numbers(p, end, &at, 2) || quic_number(p, end, &at, &count) || count > end ||
			    skip_numbers(p, end, &at, 1 + 2 * count + (type == 3 ? 3 : 0)))
				return -1;
			break;
		case 6:				/* CRYPTO */
			if (quic_number(p, end, &at, &offset) || quic_number(p, end, &at, &size) || size > end - at)
				return -1;
			if (place(r, c, offset, p + at, (__u32)size))
				return -1;
			at += (__u32)size;
			break;
		case 0x1c:			/* CONNECTION_CLOSE: error, frame, reason */
			if (skip_numbers(p, end, &at, 2) || quic_number(p, end, &at, &size) || size > end - at)
				return -1;
			at += (__u32)size;
			break;
		default:
			return -1;
		}
	}
	return 0;
}
