/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ClientHello parser (RFC 8446 section 4.1.2): pure, bounded, compiled three times (kernel, agent, fuzzer).
 * It reads a whole handshake message from the scratch, calls no helper, and heeds no byte at or past `end`.
 * Positions count from the message's body, behind its four-byte header.
 */
#ifndef WEIR_CLIENT_HELLO_H
#define WEIR_CLIENT_HELLO_H

#include <weir/ciphers.h>
#include <weir/platform.h>
#include <weir/scratch.h>

/* What a kernel without may_goto looks at: more suites are not hashed, more extensions are malformed. */
#define WEIR_CIPHERS_MAX 160
#define WEIR_EXTENSIONS_MAX 64
#define WEIR_VERSIONS_MAX 32
#define WEIR_SIGNATURES_MAX 64
#define WEIR_PROTOCOLS_MAX 32
#define WEIR_NAME_MAX 256

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

/* Eight bytes at once: the high bit of each that lies between `low` and `high`, both excluded, and is below 128. */
#define WEIR_EACH(byte) (0x0101010101010101ULL * (byte))
#define WEIR_BETWEEN(x, low, high) \
	((WEIR_EACH(127 + (high)) - ((x) & WEIR_EACH(127))) & ~(x) & (((x) & WEIR_EACH(127)) + WEIR_EACH(127 - (low))) & WEIR_EACH(128))

enum weir_spelling { WEIR_SPELT_WELL = 0, WEIR_SPELT_ILL = 1, WEIR_SPELT_COLON = 2 };

/* Is every byte of the name a letter, a digit, `-`, `_` or `.` (RFC 1035 section 2.3.1, and what resolvers take besides)? */
WEIR_INLINE int weir_spelling(struct weir_scratch *s, __u32 at, __u32 size)
{
	int spelling = WEIR_SPELT_WELL;

	s->scan = at;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_NAME_MAX / 8); i++) {
		__u32 left;
		__u64 x, lower, well;

		WEIR_TURN();
		left = at + size - s->scan;
		if (!left || left > WEIR_NAME_MAX)
			break;
		x = WEIR_LE64(s->bytes + 4 + WEIR_INDEX(s->scan, WEIR_BODY_CAP));
		if (left < 8)			/* what lies beyond is not the name's */
			x = (x & ((1ULL << left * 8) - 1)) | WEIR_EACH('a') << left * 8;
		lower = x | WEIR_EACH(0x20);
		well = (WEIR_BETWEEN(x, 0x2c, 0x3a) & ~WEIR_BETWEEN(x, 0x2e, 0x30)) | WEIR_BETWEEN(lower, 0x60, 0x7b) | WEIR_BETWEEN(x, 0x5e, 0x60);
		if (well != WEIR_EACH(128)) {
			spelling |= WEIR_SPELT_ILL;
			if (WEIR_BETWEEN(x, 0x39, 0x3b))
				spelling |= WEIR_SPELT_COLON;
		}
		s->scan += left < 8 ? left : 8;
	}
	return spelling;
}

/* A label of more than 63 bytes (RFC 1035 section 2.3.4); asked of long names only. */
WEIR_INLINE int weir_long_label(struct weir_scratch *s, __u32 at, __u32 size)
{
	s->scan = at;
	s->length = 0;				/* of the label so far */
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_NAME_MAX); i++) {
		WEIR_TURN();
		if (s->scan >= at + size)
			break;
		if (weir_byte(s, s->scan++) == '.')
			s->length = 0;
		else if (++s->length > 63)
			return 1;
	}
	return 0;
}

/*
 * RFC 6066 section 3: a list with one name of type 0. A name with a colon, or with a digit at its end, may be an address:
 * that is left to user space, which reads names for a living and says `ip_literal_sni` or `invalid_sni`.
 */
WEIR_INLINE void weir_read_name(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	__u32 at = s->name_at, size;
	int spelling;
	__u8 last;

	r->flags |= WEIR_FLAG_NAMED;
	if (s->name_size < 2 || !weir_word(s, at)) {
		WEIR_FOUND(r, s->name_size > 2 || s->name_size == 1 ? WEIR_INVALID_SNI : WEIR_EMPTY_SNI);
		return;
	}
	if (weir_word(s, at) != s->name_size - 2 || s->name_size < 5 || weir_byte(s, at + 2)) {
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return;
	}
	size = weir_word(s, at + 3);
	if (!size && s->name_size == 5) {
		WEIR_FOUND(r, WEIR_EMPTY_SNI);
		return;
	}
	if (size > s->name_size - 5) {
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return;
	}
	r->server_name_length = (__u16)size;
	if (size != s->name_size - 5 || size > 253) {	/* more names, or none that DNS could hold */
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return;
	}
	last = weir_byte(s, at + 5 + size - 1);
	spelling = weir_spelling(s, at + 5, size);
	if ((last >= '0' && last <= '9') || spelling & WEIR_SPELT_COLON)
		r->flags |= WEIR_FLAG_LITERAL;
	if (spelling == WEIR_SPELT_ILL || last == '.' || (size > 63 && weir_long_label(s, at + 5, size)))
		WEIR_FOUND(r, WEIR_INVALID_SNI);
}

/* RFC 7301 section 3.1. Notes the first value's ends for the fingerprint, as JA4 does. */
WEIR_INLINE void weir_read_protocols(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	__u32 stop = s->alpn_at + s->alpn_size;

	if (s->alpn_size < 4 || weir_word(s, s->alpn_at) != s->alpn_size - 2) {
		WEIR_FOUND(r, WEIR_ALPN_MALFORMED);
		return;
	}
	r->alpn_length = (__u16)(s->alpn_size - 2);
	s->scan = s->alpn_at + 2;
	s->length = weir_byte(s, s->scan);
	if (s->length && s->scan + 1 + s->length <= stop)
		r->fingerprint += weir_mix(0x20000u | weir_byte(s, s->scan + 1) << 8 | weir_byte(s, s->scan + s->length));
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_PROTOCOLS_MAX); i++) {
		__u32 at, size;

		WEIR_TURN();
		at = s->scan;
		if (at == stop)
			return;
		size = weir_byte(s, at);
		if (!size || at + 1 + size > stop) {
			WEIR_FOUND(r, WEIR_ALPN_MALFORMED);
			return;
		}
		if (!(r->flags & WEIR_FLAG_NAMED) &&
		    ((size == 2 && weir_word(s, at + 1) == 0x6832) ||	/* h2 */
		     (size > 4 && weir_word(s, at + 1) == 0x6874 && weir_word(s, at + 3) == 0x7470 && weir_byte(s, at + 5) == '/')))
			WEIR_FOUND(r, WEIR_ALPN_WITHOUT_SNI);
		s->scan = at + 1 + size;
	}
}

/* Was this type among the extensions before the one at `before`? Asked only where its hash was. */
WEIR_ONCE int weir_repeated(struct weir_scratch *s, __u32 type, __u32 before)
{
	if (!s)
		return 0;
	s->scan = s->extensions_at;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_EXTENSIONS_MAX); i++) {
		WEIR_TURN();
		if (s->scan >= before)
			break;
		if (weir_word(s, s->scan) == (__u16)type)
			return 1;
		s->scan += 4 + weir_word(s, s->scan + 2);
	}
	return 0;
}

WEIR_INLINE void weir_note_type(struct weir_scratch *s, __u16 type, __u32 at)
{
	__u64 bit;

	if (type < 64) {
		bit = 1ULL << (type & 63);
		if (s->types[0] & bit)
			WEIR_FOUND(&s->record, WEIR_DUPLICATE_EXTENSION);
		s->types[0] |= bit;
		return;
	}
	bit = 1ULL << (type * 0x9e37u >> 10 & 63);
	if (s->types[1] & bit && weir_repeated(s, type, at))
		WEIR_FOUND(&s->record, WEIR_DUPLICATE_EXTENSION);
	s->types[1] |= bit;
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

enum weir_suites {
	WEIR_SUITES_SOUND = 1 << 0,	/* one that is not weak */
	WEIR_SUITES_OTHER = 1 << 1,	/* one that is not finite-field DHE */
	WEIR_SUITES_ANY = 1 << 2,
};

/* The suites seen so far, a bit each. IANA's blocks do not meet here; of invented numbers some may, which makes them no less absurd. */
WEIR_INLINE void weir_note_suite(struct weir_scratch *s, __u16 suite)
{
	__u32 block = (suite >> 15 | (suite >> 12 & 1) << 1) ^ (suite >> 11 & 1) * 3;
	__u32 index = WEIR_INDEX(block << 2 | (suite >> 6 & 3), 16);
	__u64 bit = 1ULL << (suite & 63);

	if (s->suites[index] & bit)
		s->repeats++;
	s->suites[index] |= bit;
	if (s->ordinary == (WEIR_SUITES_SOUND | WEIR_SUITES_OTHER | WEIR_SUITES_ANY) && suite != 0x5600)
		return;
	if (suite == 0x5600)
		WEIR_FOUND(&s->record, WEIR_FALLBACK_SCSV);
	if (weir_signalling(suite))
		return;
	s->ordinary |= WEIR_SUITES_ANY;
	if (!weir_cipher_in(weir_weak_ciphers, suite))
		s->ordinary |= WEIR_SUITES_SOUND;
	if (!weir_dhe(suite))
		s->ordinary |= WEIR_SUITES_OTHER;
}

/* The lists up to the extensions. Returns 0, or -1 when a length disagrees. */
WEIR_INLINE int weir_read_lists(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	__u32 n, stop;

	s->offset = 0;
	if (!weir_left(s, 35))
		return -1;
	r->legacy_version = weir_u16(s);
	s->offset += 32;
	n = weir_u8(s);				/* session id */
	s->offset += n;
	if (n > 32 || !weir_left(s, 2))
		return -1;

	n = weir_u16(s);
	if (!weir_left(s, n))
		return -1;
	r->cipher_count = (__u16)(n / 2);
	if (!n || n & 1 || n / 2 > 99)
		WEIR_FOUND(r, WEIR_ABSURD_CIPHERS);
	stop = s->offset + n;
	s->length = stop - (n & 1);
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_CIPHERS_MAX); i++) {
		__u16 cipher;

		WEIR_TURN();
		if (s->offset >= s->length)
			break;
		cipher = weir_u16(s);
		if (weir_grease(cipher))
			continue;
		r->fingerprint += weir_mix(cipher);
		weir_note_suite(s, cipher);
	}
	if (s->repeats > 4)
		WEIR_FOUND(r, WEIR_ABSURD_CIPHERS);
	s->offset = stop;

	if (!weir_left(s, 1))
		return -1;
	n = weir_u8(s);				/* compression methods */
	if (n != 1 || (weir_left(s, 1) && weir_byte(s, s->offset)))
		WEIR_FOUND(r, WEIR_COMPRESSION_OFFERED);
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
	s->extensions_at = s->offset;
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
		if (s->types[0] >> 41 & 1)
			WEIR_FOUND(r, WEIR_PSK_NOT_LAST);
		if (!weir_grease(type)) {
			r->fingerprint += weir_mix(0x10000u | type);
			weir_note_type(s, type, s->offset - 4);
			weir_read_extension(s, type, size);
		}
		s->offset += size;
	}
	return s->offset == s->end ? 0 : -1;
}

/* What the whole of it says. */
WEIR_INLINE void weir_judge_lists(struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;

	if (s->ordinary & WEIR_SUITES_ANY) {
		if (!(s->ordinary & WEIR_SUITES_SOUND))
			WEIR_FOUND(r, WEIR_WEAK_CIPHERS_ONLY);
		if (!(s->ordinary & WEIR_SUITES_OTHER) && r->version <= 0x0303)
			WEIR_FOUND(r, WEIR_DHE_FORCING);
	}
	if (!(r->flags & WEIR_FLAG_NAMED) && r->version >= 0x0301)
		WEIR_FOUND(r, WEIR_MISSING_SNI);
	if (r->version < 0x0303)
		WEIR_FOUND(r, WEIR_OBSOLETE_VERSION);
	if (r->version < 0x0301)
		WEIR_FOUND(r, WEIR_OBSOLETE_SSL);
	if (s->end > 8192)
		WEIR_FOUND(r, WEIR_OVERSIZED_HELLO);
}

/*
 * Judges the handshake message of `length` bytes, its header included, at the start of the scratch's bytes, into the
 * scratch's record. What cannot be read to its end is `malformed_hello`, and nothing is said about what it might lack.
 */
WEIR_ONCE int weir_read_client_hello(struct weir_scratch *s, __u32 length)
{
	struct weir_handshake *r;
	__u64 before;

	if (!s || length < 4)
		return -1;
	r = &s->record;
	before = r->anomalies;
	s->end = length - 4;
	s->name_at = s->alpn_at = s->versions_at = s->signatures_at = 0;
	s->versions_size = s->signatures_size = s->name_size = s->alpn_size = 0;
	s->ordinary = s->repeats = 0;
	s->types[0] = s->types[1] = 0;
	__builtin_memset(s->suites, 0, sizeof(s->suites));

	if (weir_read_lists(s) || weir_read_extensions(s)) {
		r->anomalies = before | 1ULL << WEIR_MALFORMED_HELLO;
		r->version = r->legacy_version;
		r->fingerprint = 0;
		return 0;
	}
	r->version = s->versions_at ? weir_highest_version(s) : 0;
	if (!r->version)
		r->version = r->legacy_version;
	if (s->name_at)
		weir_read_name(s);
	if (s->alpn_at)
		weir_read_protocols(s);
	if (s->signatures_at)
		r->fingerprint += weir_mix(weir_signatures(s));
	r->fingerprint += weir_mix((__u64)r->version << 32);
	r->fingerprint |= !r->fingerprint;	/* 0 means that there is none */
	weir_judge_lists(s);
	return 0;
}
#endif
