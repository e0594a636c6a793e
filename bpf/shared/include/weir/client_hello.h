/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ClientHello parser (RFC 8446 section 4.1.2): pure, bounded, compiled three times (kernel, agent, fuzzer).
 * It reads a whole handshake message from the scratch, calls no helper, and touches no byte at or past `end`.
 */
#ifndef WEIR_CLIENT_HELLO_H
#define WEIR_CLIENT_HELLO_H

#include <weir/platform.h>
#include <weir/scratch.h>

/* What a kernel without may_goto looks at: more ciphers are not hashed, more extensions are malformed. */
#define WEIR_CIPHERS_MAX 160
#define WEIR_EXTENSIONS_MAX 64
#define WEIR_VERSIONS_MAX 32
#define WEIR_SIGNATURES_MAX 64

WEIR_INLINE int weir_left(const struct weir_scratch *s, __u32 n)
{
	return s->offset + n <= s->end;
}

WEIR_INLINE __u8 weir_byte(const struct weir_scratch *s, __u32 at)
{
	return s->bytes[WEIR_INDEX(at, WEIR_STREAM_CAP)];
}

WEIR_INLINE __u16 weir_word(const struct weir_scratch *s, __u32 at)
{
	return WEIR_BE16(s->bytes + WEIR_INDEX(at, WEIR_STREAM_CAP));
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

/* supported_versions, GREASE aside (RFC 8446 section 4.2.1); 0 if it names none. */
WEIR_INLINE __u16 weir_highest_version(struct weir_scratch *s)
{
	__u16 highest = 0;
	__u32 stop = s->versions_at + s->versions_size;

	s->offset = s->versions_at + 1;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_VERSIONS_MAX); i++) {
		__u16 version;

		WEIR_TURN();
		if (s->offset + 2 > stop)
			break;
		version = weir_u16(s);
		if (!weir_grease(version) && version >> 8 == 3 && version > highest)
			highest = version;
	}
	return highest;
}

/* Order matters to JA4 here, so it matters to the hash. */
WEIR_INLINE __u64 weir_signatures(struct weir_scratch *s)
{
	__u64 hash = 0;
	__u32 stop = s->signatures_at + s->signatures_size;

	s->offset = s->signatures_at + 2;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_SIGNATURES_MAX); i++) {
		__u16 algorithm;

		WEIR_TURN();
		if (s->offset + 2 > stop)
			break;
		algorithm = weir_u16(s);
		if (!weir_grease(algorithm))
			hash = (hash ^ algorithm) * 0x100000001b3ULL;
	}
	return hash;
}

/* RFC 6066 section 3. A name that could be an address is left to user space, which reads names for a living. */
WEIR_INLINE void weir_read_name(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	__u32 at = s->name_at, size;
	__u8 last;

	r->flags |= WEIR_FLAG_NAMED;
	if (s->name_size < 5 || !weir_word(s, at) || !weir_word(s, at + 3)) {
		r->anomalies |= 1ULL << WEIR_EMPTY_SNI;
		return;
	}
	size = weir_word(s, at + 3);
	if (size > s->name_size - 5) {
		r->anomalies |= 1ULL << WEIR_MALFORMED_HELLO;
		return;
	}
	r->server_name_length = (__u16)size;
	last = weir_byte(s, at + 5 + size - 1);
	if (last >= '0' && last <= '9')
		r->flags |= WEIR_FLAG_LITERAL;
	for (__u32 i = 0; i < 5; i++)
		if (i < size && weir_byte(s, at + 5 + i) == ':')
			r->flags |= WEIR_FLAG_LITERAL;
}

WEIR_INLINE void weir_read_extension(struct weir_scratch *s, __u16 type, __u32 size)
{
	if (type == 0 && !s->name_at) {
		s->name_at = s->offset;
		s->name_size = size;
	} else if (type == 16 && !s->alpn_at) {
		s->alpn_at = s->offset;
		s->alpn_size = size;
	} else if (type == 43 && !s->versions_at) {
		s->versions_at = s->offset;
		s->versions_size = size;
	} else if (type == 13 && !s->signatures_at) {
		s->signatures_at = s->offset;
		s->signatures_size = size;
	} else if (type == 0xffce) {		/* the name, encrypted, of an older draft */
		s->record.flags |= WEIR_FLAG_NAMED;
	}
}

/* The lists up to the extensions. Returns 0, or -1 when a length disagrees. */
WEIR_INLINE int weir_read_lists(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	__u32 n, stop;

	s->offset = 4;
	if (!weir_left(s, 35))
		return -1;
	r->legacy_version = weir_u16(s);
	s->offset += 32;
	n = weir_u8(s);				/* session id */
	s->offset += n;
	if (n > 32 || !weir_left(s, 2))
		return -1;

	n = weir_u16(s);
	if (n & 1 || !weir_left(s, n))
		return -1;
	r->cipher_count = (__u16)(n / 2);
	stop = s->offset + n;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_CIPHERS_MAX); i++) {
		__u16 cipher;

		WEIR_TURN();
		if (s->offset >= stop)
			break;
		cipher = weir_u16(s);
		if (!weir_grease(cipher))
			r->fingerprint += weir_mix(cipher);
	}
	s->offset = stop;

	if (!weir_left(s, 1))
		return -1;
	n = weir_u8(s);				/* compression methods */
	s->offset += n;
	return n && s->offset <= s->end ? 0 : -1;
}

/* Returns 0, or -1 when a length disagrees, bytes are left over, or there are absurdly many. */
WEIR_INLINE int weir_read_extensions(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;

	if (s->offset == s->end)
		return 0;			/* optional before TLS 1.3 */
	if (!weir_left(s, 2) || weir_u16(s) != s->end - s->offset)
		return -1;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_EXTENSIONS_MAX); i++) {
		__u16 type, size;

		WEIR_TURN();
		if (s->offset == s->end)
			return 0;
		if (!weir_left(s, 4))
			return -1;
		type = weir_u16(s);
		size = weir_u16(s);
		if (!weir_left(s, size))
			return -1;
		r->extension_count++;
		if (!weir_grease(type))
			r->fingerprint += weir_mix(0x10000u | type);
		weir_read_extension(s, type, size);
		s->offset += size;
	}
	return s->offset == s->end ? 0 : -1;
}

/*
 * Judges the handshake message of `length` bytes at the start of the scratch's bytes, into the scratch's record.
 * What cannot be read to its end is `malformed_hello`, and nothing is said about what it might lack.
 */
WEIR_ONCE int weir_read_client_hello(struct weir_scratch *s, __u32 length)
{
	struct weir_handshake *r;

	if (!s)
		return -1;
	r = &s->record;
	s->end = length;
	s->name_at = s->alpn_at = s->versions_at = s->signatures_at = 0;
	s->versions_size = s->signatures_size = s->name_size = s->alpn_size = 0;

	if (weir_read_lists(s) || weir_read_extensions(s)) {
		r->anomalies |= 1ULL << WEIR_MALFORMED_HELLO;
		r->version = r->legacy_version;
		r->fingerprint = 0;
		return 0;
	}
	r->version = s->versions_at ? weir_highest_version(s) : 0;
	if (!r->version)
		r->version = r->legacy_version;
	if (s->alpn_size >= 4)
		r->alpn_length = (__u16)(s->alpn_size - 2);
	if (s->signatures_at)
		r->fingerprint += weir_mix(weir_signatures(s));
	r->fingerprint += weir_mix((__u64)r->version << 32 | r->alpn_length);
	r->fingerprint |= !r->fingerprint;	/* 0 means that there is none */

	if (s->name_at)
		weir_read_name(s);
	if (!(r->flags & WEIR_FLAG_NAMED) && r->version >= 0x0301)
		r->anomalies |= 1ULL << WEIR_MISSING_SNI;
	if (r->version < 0x0303)
		r->anomalies |= 1ULL << WEIR_OBSOLETE_VERSION;
	return 0;
}
#endif
