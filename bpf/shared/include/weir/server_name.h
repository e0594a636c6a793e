/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The server_name extension (RFC 6066 section 3): where the name lies, and what is wrong with it. */
#ifndef WEIR_SERVER_NAME_H
#define WEIR_SERVER_NAME_H

#include <weir/cursor.h>

#define WEIR_NAME_MAX 256

/* Eight bytes at once: the high bit of each that lies between `low` and `high`, both excluded, and is below 128. */
#define WEIR_EACH(byte) (0x0101010101010101ULL * (byte))
#define WEIR_BETWEEN(x, low, high) \
	((WEIR_EACH(127 + (high)) - ((x) & WEIR_EACH(127))) & ~(x) & (((x) & WEIR_EACH(127)) + WEIR_EACH(127 - (low))) & WEIR_EACH(128))

enum weir_spelling { WEIR_SPELT_WELL = 0, WEIR_SPELT_ILL = 1, WEIR_SPELT_COLON = 2 };

/* Eight bytes of the name. Returns 1 at its end. */
WEIR_STEP long weir_spell(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	__u32 left = s->stop - s->scan;
	__u64 x, lower, well;

	(void)turn;
	if (!left || left > WEIR_NAME_MAX)
		return 1;
	x = WEIR_LE64(s->bytes + 4 + WEIR_INDEX(s->scan, WEIR_BODY_CAP));
	if (left < 8)				/* what lies beyond is not the name's */
		x = (x & ((1ULL << left * 8) - 1)) | WEIR_EACH('a') << left * 8;
	lower = x | WEIR_EACH(0x20);
	well = (WEIR_BETWEEN(x, 0x2c, 0x3a) & ~WEIR_BETWEEN(x, 0x2e, 0x30)) | WEIR_BETWEEN(lower, 0x60, 0x7b) | WEIR_BETWEEN(x, 0x5e, 0x60);
	if (well != WEIR_EACH(128)) {
		s->length |= WEIR_SPELT_ILL;
		if (WEIR_BETWEEN(x, 0x39, 0x3b))
			s->length |= WEIR_SPELT_COLON;
	}
	s->scan += left < 8 ? left : 8;
	return 0;
}

/* Is every byte of the name a letter, a digit, `-`, `_` or `.` (RFC 1035 section 2.3.1, and what resolvers take besides)? */
WEIR_INLINE int weir_spelling(struct weir_scratch *s, __u32 at, __u32 size)
{
	s->scan = at;
	s->stop = at + size;
	s->length = WEIR_SPELT_WELL;
	WEIR_OVER(s, WEIR_NAME_MAX / 8, weir_spell);
	return (int)s->length;
}

WEIR_STEP long weir_measure_label(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);

	(void)turn;
	if (s->scan >= s->stop)
		return 1;
	if (weir_byte(s, s->scan++) == '.')
		s->length = 0;
	else
		s->length++;
	return s->length > 63;
}

/* A label of more than 63 bytes (RFC 1035 section 2.3.4); asked of long names only. */
WEIR_INLINE int weir_long_label(struct weir_scratch *s, __u32 at, __u32 size)
{
	s->scan = at;
	s->stop = at + size;
	s->length = 0;				/* of the label so far */
	WEIR_OVER(s, WEIR_NAME_MAX, weir_measure_label);
	return s->length > 63;
}

/*
 * RFC 6066 section 3: a list with one name of type 0. A name with a colon, or with a digit at its end, may be an address:
 * that is left to user space, which reads names for a living and says `ip_literal_sni` or `invalid_sni`.
 */
WEIR_INLINE int weir_read_name(struct weir_scratch *s)
{
	struct weir_handshake *r;
	__u32 at, size;
	int spelling;
	__u8 last;

	r = &s->record;
	at = s->name_at;
	r->flags |= WEIR_FLAG_NAMED;
	if (s->name_size < 2 || !weir_word(s, at)) {
		WEIR_FOUND(r, s->name_size > 2 || s->name_size == 1 ? WEIR_INVALID_SNI : WEIR_EMPTY_SNI);
		return 0;
	}
	if (weir_word(s, at) != s->name_size - 2 || s->name_size < 5 || weir_byte(s, at + 2)) {
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return 0;
	}
	size = weir_word(s, at + 3);
	if (!size && s->name_size == 5) {
		WEIR_FOUND(r, WEIR_EMPTY_SNI);
		return 0;
	}
	if (size > s->name_size - 5) {
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return 0;
	}
	r->server_name_length = (__u16)size;
	if (size != s->name_size - 5 || size > 253) {	/* more names, or none that DNS could hold */
		WEIR_FOUND(r, WEIR_INVALID_SNI);
		return 0;
	}
	last = weir_byte(s, at + 5 + size - 1);
	spelling = weir_spelling(s, at + 5, size);
	if ((last >= '0' && last <= '9') || spelling & WEIR_SPELT_COLON)
		r->flags |= WEIR_FLAG_LITERAL;
	if (spelling == WEIR_SPELT_ILL || last == '.' || (size > 63 && weir_long_label(s, at + 5, size)))
		WEIR_FOUND(r, WEIR_INVALID_SNI);
	return 0;
}
#endif
