/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The packets of a datagram in the scratch: their long headers (RFC 9000 section 17.2), each read whole. */
#ifndef WEIR_QUIC_PACKET_H
#define WEIR_QUIC_PACKET_H

#include <weir/quic.h>
#include <weir/quic_frames.h>

#define WEIR_QUIC_SECOND 0x6b3343cfu	/* version 2 */

WEIR_INLINE int weir_quic_same_id(const struct weir_connection_id *a, const struct weir_connection_id *b)
{
	return !((a->words[0] ^ b->words[0]) | (a->words[1] ^ b->words[1]) | (a->words[2] ^ b->words[2]));
}

/* Bytes of a word that lie before `size`. */
WEIR_INLINE __u64 weir_quic_kept(__u32 size)
{
	return size >= 8 ? ~0ull : (1ull << (8 * (size & 7))) - 1;
}

/* The id behind its length at `at`, and past it. -1 where it is too long. */
WEIR_INLINE int weir_quic_read_id(struct weir_scratch *s, __u32 *at, __u32 size, struct weir_connection_id *id)
{
	__u32 from = *at + 1, n;

	if (from > size)
		return -1;
	n = *WEIR_QUIC_AT(s, *at);
	if (n > WEIR_QUIC_ID_MOST || from + n >= size)
		return -1;			/* no packet that is opened ends there */
	id->words[0] = WEIR_LE64(WEIR_QUIC_AT(s, from)) & weir_quic_kept(n);
	id->words[1] = n > 8 ? WEIR_LE64(WEIR_QUIC_AT(s, from) + 8) & weir_quic_kept(n - 8) : 0;
	id->words[2] = n > 16 ? WEIR_LE64(WEIR_QUIC_AT(s, from) + 16) & weir_quic_kept(n - 16) : 0;
	id->words[2] |= (__u64)n << 56;
	*at = from + n;
	return (int)n;
}

/* Which salt a version's keys begin with, and whose labels; -1: nobody opens it. */
WEIR_INLINE int weir_quic_salt(__u32 version)
{
	if (version == 1 || version == 0xff000021 || version == 0xff000022)
		return 0;
	if (version == WEIR_QUIC_SECOND)
		return 1;
	if (version >= 0xff00001d && version <= 0xff000020)
		return 2;
	return version >= 0xff000017 && version <= 0xff00001c ? 3 : -1;
}

/* The long header at `packet` (RFC 9000 section 17.2). 0, or -1 where none can be read: then nothing behind it can. */
WEIR_ONCE int weir_quic_read_packet(struct weir_scratch *s, struct weir_opener *o)
{
	__u32 at, size, first;
	__u64 value;
	int n;

	if (!s || !o)
		return -1;
	at = o->packet;
	size = o->size;
	if (at >= size || size - at < 7)
		return -1;
	first = *WEIR_QUIC_AT(s, at);
	if (!(first & 0x80))
		return -1;
	o->version = WEIR_BE32(WEIR_QUIC_AT(s, at) + 1);
	n = weir_quic_salt(o->version);
	if (n < 0)
		return -1;
	o->salt = (__u32)n;
	o->label = o->version == WEIR_QUIC_SECOND ? 4 : 0;
	o->type = (first >> 4) - (o->version == WEIR_QUIC_SECOND);
	o->type &= 3;
	if (o->type == WEIR_QUIC_RETRY)
		return -1;
	at += 5;
	n = weir_quic_read_id(s, &at, size, &o->to);
	if (n < 0 || weir_quic_read_id(s, &at, size, &o->from) < 0)
		return -1;
	o->to_size = (__u32)n;
	o->has_token = 0;
	if (o->type == WEIR_QUIC_INITIAL) {
		if (weir_quic_number(s, &at, size, &value) || value > size - at)
			return -1;
		o->has_token = value > 0;
		at += (__u32)value;
	}
	if (weir_quic_number(s, &at, size, &value) || value > size - at || value < 4 + WEIR_QUIC_TAG)
		return -1;
	o->number_at = at;
	o->next = at + (__u32)value;
	o->end = o->next - WEIR_QUIC_TAG;
	return 0;
}
#endif
