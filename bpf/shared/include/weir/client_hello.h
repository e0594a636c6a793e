/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The ClientHello parser (RFC 8446 section 4.1.2): pure, bounded, compiled three times (kernel, agent, fuzzer).
 * It reads a whole handshake message from the scratch, calls no helper, and heeds no byte at or past `end`.
 * Positions count from the message's body, behind its four-byte header.
 */
#ifndef WEIR_CLIENT_HELLO_H
#define WEIR_CLIENT_HELLO_H

#include <weir/hello_lists.h>

/* As many as a body can hold. */
#define WEIR_EXTENSIONS_MAX (WEIR_BODY_CAP / 4)
/* Above so many types from 64 on, a bit for each type finds one that came twice; below, a search does, which costs less. */
#define WEIR_FAR_TYPES_SEARCHED 32

/* One extension before the one at `stop`: is it of the type in `length`? Returns 1 at the end, or when it is. */
WEIR_STEP long weir_search_type(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);

	(void)turn;
	if (s->scan >= s->stop)
		return 1;
	if (weir_word(s, s->scan) == (__u16)s->length)
		return 1;
	s->scan += 4 + weir_word(s, s->scan + 2);
	return 0;
}

/* Was this type among the extensions before the one at `before`? Asked only where its hash was. */
WEIR_ONCE int weir_repeated(struct weir_scratch *s, __u32 type, __u32 before)
{
	if (!s)
		return 0;
	s->scan = s->extensions_at;
	s->stop = before;
	s->length = type;
	WEIR_OVER(s, WEIR_EXTENSIONS_MAX, weir_search_type);
	return s->scan < s->stop;
}

/* The extension at the second cursor, which moves on: the word of marks that its type belongs to, and its bit. 0 at the end. */
WEIR_INLINE __u64 *weir_marked(struct weir_scratch *s, __u64 *bit)
{
	__u32 word;
	__u16 type;

	if (s->scan + 4 > s->stop)
		return 0;
	type = weir_word(s, s->scan);
	s->scan += 4 + weir_word(s, s->scan + 2);
	word = type >> 6;
	__asm__ volatile("" : "+r"(word));	/* the compiler knows the bound, the verifier may have lost it */
	*bit = type < 64 || weir_grease(type) ? 0 : 1ULL << (type & 63);
	return &s->marks[WEIR_INDEX(word, 1024)];
}

WEIR_STEP long weir_clear_mark(__u32 turn, void *context)
{
	__u64 bit, *word = weir_marked(WEIR_SCRATCH(context), &bit);

	(void)turn;
	if (!word)
		return 1;
	*word = 0;
	return 0;
}

WEIR_STEP long weir_set_mark(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	__u64 bit, *word = weir_marked(s, &bit);

	(void)turn;
	if (!word)
		return 1;
	s->list.twice |= *word & bit;
	*word |= bit;
	return 0;
}

/* The same of very many extensions: two walks over all of them, rather than one for each. */
WEIR_ONCE int weir_mark_types(struct weir_scratch *s)
{
	if (!s)
		return 0;
	s->stop = s->end;
	s->scan = s->extensions_at;
	WEIR_OVER(s, WEIR_EXTENSIONS_MAX, weir_clear_mark);
	s->scan = s->extensions_at;
	WEIR_OVER(s, WEIR_EXTENSIONS_MAX, weir_set_mark);
	return 0;
}

/* The types below 64 whose bodies say something: server_name, signature_algorithms, ALPN, pre_shared_key, supported_versions. */
#define WEIR_TELLING (1ULL << 0 | 1ULL << 13 | 1ULL << 16 | 1ULL << 41 | 1ULL << 43)

/* Where the body of an extension that says something lies; the first of its type counts. */
WEIR_INLINE void weir_note_body(struct weir_scratch *s, __u16 type, __u32 at, __u32 size)
{
	if (type == 41) {
		s->psk_end = at + size;
	} else if (type == 0 && !s->name_at) {
		s->name_at = at;
		s->name_size = size;
	} else if (type == 16 && !s->alpn_at) {
		s->alpn_at = at;
		s->alpn_size = size;
	} else if (type == 43 && !s->versions_at) {
		s->versions_at = at;
		s->versions_size = size;
	} else if (type == 13 && !s->signatures_at) {
		s->signatures_at = at;
		s->signatures_size = size;
	}
}

/* A type of 64 or more: few, and only a hash of them is kept, so that which meets one is looked for. */
WEIR_INLINE void weir_note_far_type(struct weir_scratch *s, struct weir_reading *l, __u16 type, __u32 at)
{
	__u64 bit = 1ULL << (type * 0x9e37u >> 10 & 63);

	if (l->far++ < WEIR_FAR_TYPES_SEARCHED && s->far_types & bit && weir_repeated(s, type, at))
		l->twice = 1;
	s->far_types |= bit;
}

/* One extension. Returns 1 at the end of them, or when a length disagrees: then it does not stand at the end. */
WEIR_STEP long weir_read_one(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_reading *l = &s->list;
	__u32 at = l->at, size;
	__u64 bit;
	__u16 type;

	(void)turn;
	if (at + 4 > l->end)
		return 1;
	type = weir_word(s, at);
	size = weir_word(s, at + 2);
	l->at = at + 4 + size;
	l->count++;
	if (weir_grease(type))
		return 0;
	l->hash += weir_mix_keyed(0x10000u | type);
	if (type > 63) {
		weir_note_far_type(s, l, type, at);
		return 0;
	}
	bit = 1ULL << type;
	l->twice |= l->types & bit;
	l->types |= bit;
	if (WEIR_TELLING & bit)
		weir_note_body(s, type, at + 4, size);
	return 0;
}

/* Returns 0, or -1 when a length disagrees, bytes are left over, or there are absurdly many. */
WEIR_INLINE int weir_read_extensions(struct weir_scratch *s)
{
	struct weir_reading *l = &s->list;
	struct weir_handshake *r;

	r = &s->record;
	if (s->offset == s->end)
		return 0;			/* optional before TLS 1.3 */
	if (!weir_left(s, 2) || weir_u16(s) != s->end - s->offset)
		return -1;
	s->extensions_at = l->at = s->offset;
	l->end = s->end;
	WEIR_OVER(s, WEIR_EXTENSIONS_MAX, weir_read_one);
	r->extension_count = (__u16)l->count;
	if (l->far > WEIR_FAR_TYPES_SEARCHED)
		weir_mark_types(s);
	if (l->twice)
		WEIR_FOUND(r, WEIR_DUPLICATE_EXTENSION);
	if (s->psk_end && s->psk_end != s->end)
		WEIR_FOUND(r, WEIR_PSK_NOT_LAST);
	return l->at == l->end ? 0 : -1;
}

/* What the whole of it says. */
WEIR_INLINE int weir_judge_lists(struct weir_scratch *s)
{
	struct weir_handshake *r;

	r = &s->record;
	if (s->list.suites & WEIR_SUITES_ANY) {
		if (!(s->list.suites & WEIR_SUITES_SOUND))
			WEIR_FOUND(r, WEIR_WEAK_CIPHERS_ONLY);
		if (!(s->list.suites & WEIR_SUITES_OTHER) && r->version <= 0x0303)
			WEIR_FOUND(r, WEIR_DHE_FORCING);
	}
	if (!(r->flags & WEIR_FLAG_NAMED))
		WEIR_FOUND(r, WEIR_MISSING_SNI);
	if (r->version < 0x0303)
		WEIR_FOUND(r, WEIR_OBSOLETE_VERSION);
	if (r->version < 0x0301)
		WEIR_FOUND(r, WEIR_OBSOLETE_SSL);
	if (s->end > 8192)
		WEIR_FOUND(r, WEIR_OVERSIZED_HELLO);
	return 0;
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
	s->versions_size = s->signatures_size = s->name_size = s->alpn_size = s->psk_end = 0;
	s->far_types = 0;
	__builtin_memset(&s->list, 0, sizeof(s->list));
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
	r->fingerprint = s->list.hash;
	if (s->name_at)
		weir_read_name(s);
	if (s->alpn_at)
		weir_read_protocols(s);
	if (s->signatures_at)
		r->fingerprint += weir_mix_keyed(weir_signatures(s));
	r->fingerprint += weir_mix_keyed((__u64)r->version << 32);
	r->fingerprint |= !r->fingerprint;	/* 0 means that there is none */
	weir_judge_lists(s);
	return 0;
}
#endif
