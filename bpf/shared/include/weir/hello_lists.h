/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What a ClientHello lists: versions, signature algorithms, protocols, suites (RFC 8446 section 4.1.2). */
#ifndef WEIR_HELLO_LISTS_H
#define WEIR_HELLO_LISTS_H

#include <weir/ciphers.h>
#include <weir/cursor.h>
#include <weir/server_name.h>

/* What a body can hold: the data ends each list, so that every build reads the same bytes to the same end. */
#define WEIR_WORDS_MAX (WEIR_BODY_CAP / 2)
#define WEIR_PROTOCOLS_MAX WEIR_BODY_CAP

/* One version. Returns 1 at the list's end. */
WEIR_STEP long weir_read_version(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	__u16 version;

	(void)turn;
	if (s->scan + 2 > s->stop)
		return 1;
	version = weir_word(s, s->scan);
	s->scan += 2;
	if (!weir_grease(version) && version >> 8 == 3 && version > s->length)
		s->length = version;
	return 0;
}

/* The highest of supported_versions, GREASE aside (RFC 8446 section 4.2.1); 0 if it names none. */
WEIR_INLINE __u16 weir_highest_version(struct weir_scratch *s)
{
	s->scan = s->versions_at + 1;
	s->stop = s->versions_at + s->versions_size;
	s->length = 0;
	WEIR_OVER(s, WEIR_WORDS_MAX, weir_read_version);
	return (__u16)s->length;
}

/* One algorithm. Order matters to JA4 here, so it matters to the hash. Returns 1 at the list's end. */
WEIR_STEP long weir_read_signature(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_reading *l = &s->list;
	__u32 at = l->at;
	__u16 algorithm;

	(void)turn;
	if (at + 2 > l->end)
		return 1;
	algorithm = weir_word(s, at);
	l->at = at + 2;
	if (!weir_grease(algorithm))
		l->hash = (l->hash ^ algorithm) * 0x100000001b3ULL;
	return 0;
}

WEIR_INLINE __u64 weir_signatures(struct weir_scratch *s)
{
	s->list.hash = 0;
	s->list.at = s->signatures_at + 2;
	s->list.end = s->signatures_at + s->signatures_size;
	WEIR_OVER(s, WEIR_WORDS_MAX, weir_read_signature);
	return s->list.hash;
}

/* One protocol name. Returns 1 at the list's end. */
WEIR_STEP long weir_read_protocol(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_handshake *r = &s->record;
	__u32 at = s->scan, size;

	(void)turn;
	if (at == s->stop)
		return 1;
	size = weir_byte(s, at);
	if (!size || at + 1 + size > s->stop) {
		WEIR_FOUND(r, WEIR_ALPN_MALFORMED);
		return 1;
	}
	if (!(r->flags & WEIR_FLAG_NAMED) &&
	    ((size == 2 && weir_word(s, at + 1) == 0x6832) ||	/* h2 */
	     (size > 4 && weir_word(s, at + 1) == 0x6874 && weir_word(s, at + 3) == 0x7470 && weir_byte(s, at + 5) == '/')))
		WEIR_FOUND(r, WEIR_ALPN_WITHOUT_SNI);
	s->scan = at + 1 + size;
	return 0;
}

/* RFC 7301 section 3.1. Notes the first value's ends for the fingerprint, as JA4 does. */
WEIR_INLINE int weir_read_protocols(struct weir_scratch *s)
{
	struct weir_handshake *r;

	r = &s->record;
	if (s->alpn_size < 4 || weir_word(s, s->alpn_at) != s->alpn_size - 2) {
		WEIR_FOUND(r, WEIR_ALPN_MALFORMED);
		return 0;
	}
	r->alpn_length = (__u16)(s->alpn_size - 2);
	s->scan = s->alpn_at + 2;
	s->stop = s->alpn_at + s->alpn_size;
	s->length = weir_byte(s, s->scan);
	if (s->length && s->scan + 1 + s->length <= s->stop)
		r->fingerprint += weir_mix_keyed(0x20000u | weir_byte(s, s->scan + 1) << 8 | weir_byte(s, s->scan + s->length));
	WEIR_OVER(s, WEIR_PROTOCOLS_MAX, weir_read_protocol);
	return 0;
}

enum weir_suites {
	WEIR_SUITES_SOUND = 1 << 0,	/* one that is not weak */
	WEIR_SUITES_OTHER = 1 << 1,	/* one that is not finite-field DHE */
	WEIR_SUITES_ANY = 1 << 2,
	WEIR_SUITES_FALLBACK = 1 << 3,	/* RFC 7507's signal */
};

/* The suites seen so far, a bit each. IANA's blocks hardly meet here; of invented numbers some may, which makes them no less absurd. */
WEIR_INLINE void weir_note_suite(struct weir_scratch *s, struct weir_reading *l, __u16 suite)
{
	__u32 block = weir_blocks[suite >> 8];
	__u64 *seen = &s->suites[WEIR_INDEX(block << 2 | (suite >> 6 & 3), 16)], bit = 1ULL << (suite & 63);

	l->repeats += *seen >> (suite & 63) & 1;
	*seen |= bit;
	if (weir_signalling(suite)) {
		l->suites |= suite == 0x5600 ? WEIR_SUITES_FALLBACK : 0;
		return;
	}
	if ((l->suites & 7) == 7)
		return;
	l->suites |= WEIR_SUITES_ANY | (weir_cipher_in(weir_weak_ciphers, suite) ? 0 : WEIR_SUITES_SOUND) |
		     (weir_dhe(suite) ? 0 : WEIR_SUITES_OTHER);
}

/* One suite. Returns 1 at the list's end. */
WEIR_STEP long weir_read_suite(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_reading *l = &s->list;
	__u32 at = l->at;
	__u16 suite;

	(void)turn;
	if (at >= l->end)
		return 1;
	suite = weir_word(s, at);
	l->at = at + 2;
	if (weir_grease(suite))
		return 0;
	l->hash += weir_mix_keyed(suite);
	weir_note_suite(s, l, suite);
	return 0;
}

/* The lists up to the extensions. Returns 0, or -1 when a length disagrees. */
WEIR_INLINE int weir_read_lists(struct weir_scratch *s)
{
	struct weir_handshake *r;
	struct weir_reading *l = &s->list;
	__u32 n;

	r = &s->record;
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
	l->at = s->offset;
	l->end = s->offset + (n & ~1u);
	s->offset += n;
	WEIR_OVER(s, WEIR_WORDS_MAX, weir_read_suite);
	if (!n || n & 1 || n / 2 > 99 || l->repeats > 4)
		WEIR_FOUND(r, WEIR_ABSURD_CIPHERS);
	if (l->suites & WEIR_SUITES_FALLBACK)
		WEIR_FOUND(r, WEIR_FALLBACK_SCSV);

	if (!weir_left(s, 1))
		return -1;
	n = weir_u8(s);				/* compression methods */
	if (n != 1 || (weir_left(s, 1) && weir_byte(s, s->offset)))
		WEIR_FOUND(r, WEIR_COMPRESSION_OFFERED);
	s->offset += n;
	return n && s->offset <= s->end ? 0 : -1;
}
#endif
