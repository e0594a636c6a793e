/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What may stand on a TLS port before the hello, or in its place. */
#ifndef WEIR_PREAMBLE_H
#define WEIR_PREAMBLE_H

#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_FIRST 16			/* bytes that tell what a client speaks */
#define WEIR_PROXY1_MAX 107		/* the PROXY protocol's own bound for its text form */
#define WEIR_SKIPS_MAX 4		/* messages before the hello */

/* A network-order word of the first bytes. */
#define WEIR_WORD(a, b, c, d) ((__u32)(a) << 24 | (__u32)(b) << 16 | (__u32)(c) << 8 | (d))

WEIR_INLINE __u32 weir_first_word(const __u8 *first, __u32 at)
{
	return WEIR_WORD(first[at], first[at + 1], first[at + 2], first[at + 3]);
}

WEIR_INLINE enum weir_subtype weir_subtype_of(const __u8 *first)
{
	switch (weir_first_word(first, 0)) {
	case WEIR_WORD('G', 'E', 'T', ' '):
	case WEIR_WORD('P', 'O', 'S', 'T'):
	case WEIR_WORD('H', 'E', 'A', 'D'):
	case WEIR_WORD('P', 'U', 'T', ' '):
	case WEIR_WORD('O', 'P', 'T', 'I'):
	case WEIR_WORD('D', 'E', 'L', 'E'):
	case WEIR_WORD('P', 'A', 'T', 'C'):
	case WEIR_WORD('T', 'R', 'A', 'C'):
	case WEIR_WORD('C', 'O', 'N', 'N'):
	case WEIR_WORD('P', 'R', 'I', ' '):
		return WEIR_SUBTYPE_HTTP;
	case WEIR_WORD('S', 'S', 'H', '-'):
		return WEIR_SUBTYPE_SSH;
	}
	/* TPKT (RFC 1006), with an X.224 connection request in it. */
	return first[0] == 3 && !first[1] && first[5] == 0xe0 ? WEIR_SUBTYPE_RDP : WEIR_SUBTYPE_OTHER;
}

/* An SSLv2 hello (RFC 6176): a length with bit 7 set, type 1, a version that existed, and room for what must be in it. */
WEIR_INLINE int weir_is_sslv2(const __u8 *first)
{
	__u32 length = (first[0] & 0x7fu) << 8 | first[1];

	return first[0] & 0x80 && first[2] == 1 && length >= 9 && ((!first[3] && first[4] == 2) || (first[3] == 3 && first[4] <= 4));
}

/* Which preamble begins here, if any; what is in the first bytes tells. `before` is what was already skipped on this flow. */
WEIR_INLINE enum weir_preamble weir_preamble_of(const __u8 *first, __u32 n, __u32 size, __u8 before)
{
	if (n >= 16 && weir_first_word(first, 0) == 0x0d0a0d0a && weir_first_word(first, 4) == 0x000d0a51 && weir_first_word(first, 8) == 0x5549540a && first[12] >> 4 == 2)
		return WEIR_PREAMBLE_PROXY2;
	if (n >= 8 && weir_first_word(first, 0) == WEIR_WORD('P', 'R', 'O', 'X') && first[4] == 'Y' && first[5] == ' ')
		return WEIR_PREAMBLE_PROXY1;
	if (n >= 8 && weir_first_word(first, 0) == WEIR_WORD('C', 'O', 'N', 'N') && weir_first_word(first, 4) == WEIR_WORD('E', 'C', 'T', ' '))
		return WEIR_PREAMBLE_CONNECT;
	if (n >= 3 && first[0] == 5 && first[1] && size == 2u + first[1])
		return WEIR_PREAMBLE_SOCKS5;	/* the greeting: methods and nothing else */
	if (before == WEIR_PREAMBLE_SOCKS5 && n >= 3 && (first[0] == 5 || first[0] == 1))
		return WEIR_PREAMBLE_SOCKS5;	/* the request, or a password (RFC 1929) */
	if (n >= 9 && first[0] == 4 && (first[1] == 1 || first[1] == 2))
		return WEIR_PREAMBLE_SOCKS4;
	return WEIR_PREAMBLE_NONE;
}

/* Where a PROXY header's line ends; 0 if it does not end here. The scratch's bytes hold `size` bytes of it. */
WEIR_ONCE int weir_line_end(struct weir_scratch *s, __u32 size)
{
	if (!s)
		return 0;
	s->scan = 0;
	s->length = size;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_PROXY1_MAX); i++) {
		__u32 at;

		WEIR_TURN();
		at = s->scan++;
		if (at >= s->length || at >= WEIR_PROXY1_MAX)
			return 0;
		if (s->bytes[at & 127] == '\n')
			return (int)at + 1;
	}
	return 0;
}

/* Bytes of the preamble in this segment; 0 when it is not to be skipped. Of SOCKS and CONNECT the whole segment, which the proxy answers. */
WEIR_INLINE __u32 weir_preamble_size(weir_frame *frame, const struct weir_segment *seg, struct weir_scratch *s, enum weir_preamble kind, const __u8 *first)
{
	__u32 n;

	switch (kind) {
	case WEIR_PREAMBLE_PROXY2:
		return 16 + ((__u32)first[14] << 8 | first[15]);
	case WEIR_PREAMBLE_PROXY1:
		n = seg->payload_size < WEIR_PROXY1_MAX ? seg->payload_size : WEIR_PROXY1_MAX;
		return weir_bytes(frame, seg->payload_at, s->bytes, n, WEIR_PROXY1_MAX) ? 0 : (__u32)weir_line_end(s, n);
	case WEIR_PREAMBLE_NONE:
		return 0;
	default:
		return seg->payload_size;
	}
}
#endif
