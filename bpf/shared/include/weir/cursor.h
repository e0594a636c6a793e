/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Reading a whole handshake message in the scratch: a cursor, two ways to read, and what every part of the parser
 * needs. No byte at or past `end` is heeded; positions count from the message's body, behind its four-byte header.
 */
#ifndef WEIR_CURSOR_H
#define WEIR_CURSOR_H

#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_FOUND(r, anomaly) ((r)->anomalies |= 1ULL << (anomaly))

WEIR_INLINE int weir_left(const struct weir_scratch *s, __u32 n)
{
	return s->offset + n <= s->end;
}

WEIR_INLINE __u8 weir_byte(const struct weir_scratch *s, __u32 at)
{
	return s->bytes[4 + WEIR_INDEX(at, WEIR_BODY_CAP)];
}

WEIR_INLINE __u16 weir_word(const struct weir_scratch *s, __u32 at)
{
	return WEIR_BE16(s->bytes + 4 + WEIR_INDEX(at, WEIR_BODY_CAP));
}

WEIR_INLINE __u8 weir_u8(struct weir_scratch *s)
{
	return weir_byte(s, s->offset++);
}

WEIR_INLINE __u16 weir_u16(struct weir_scratch *s)
{
	__u16 value = weir_word(s, s->offset);

	s->offset += 2;
	return value;
}

/* RFC 8701: both bytes alike, low nibbles A. */
WEIR_INLINE int weir_grease(__u16 value)
{
	return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

WEIR_INLINE __u64 weir_mix(__u64 x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 33;
	return x;
}

/* Keyed by a random of the load: nobody can work out two that fall on one place, or add up to one sum. */
WEIR_INLINE __u64 weir_mix_keyed(__u64 x)
{
	return weir_mix(x ^ WEIR_SECRET);
}

/* Of both addresses, all of their bits, and a port. */
WEIR_INLINE __u64 weir_hash_flow(const struct weir_flow_key *flow, __u32 port)
{
	const __u32 *a = (const __u32 *)flow->client, *b = (const __u32 *)flow->server;
	__u64 x;

	x = weir_mix_keyed((__u64)a[0] << 32 | a[1]);
	x = weir_mix_keyed(x ^ ((__u64)a[2] << 32 | a[3]));
	x = weir_mix_keyed(x ^ ((__u64)b[0] << 32 | b[1]));
	return weir_mix_keyed(x ^ ((__u64)b[2] << 32 | b[3]) ^ (__u64)port << 48);
}
#endif
