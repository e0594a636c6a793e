/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Protocols that begin in plain text and become TLS when the client asks for it. On a port that the policy names for one, client bytes
 * that begin no TLS record are passed over: the talk before, the request, and the talk after a refused one. A hello on such a port is
 * judged wherever a segment of the client's begins with it. What hides elsewhere meets the gate at the server's answer.
 */
#ifndef WEIR_UPGRADE_H
#define WEIR_UPGRADE_H

#include <weir/frame.h>
#include <weir/platform.h>
#include <weir/preamble.h>
#include <weir/scratch.h>

#define WEIR_UPGRADE_TURNS 64		/* client segments in plain text, at most; behind them nobody looks for a hello any more */

/* Is this kind of preamble a protocol's talk? */
WEIR_INLINE int weir_is_upgrade(__u32 preamble)
{
	return preamble >= WEIR_PREAMBLE_SMTP;
}

/* What the server's port speaks before TLS, as the policy says; WEIR_PREAMBLE_NONE: TLS. */
WEIR_ONCE int weir_upgrade_on(weir_frame *frame, struct weir_look *l)
{
	const struct weir_config *config = weir_policy(frame);

	WEIR_USED(frame);
	if (!l)
		return WEIR_PREAMBLE_NONE;
	l->turns = 0;
	for (__u32 i = 0; WEIR_TURNS(i, WEIR_UPGRADES + 1); i++) {
		__u32 at;

		WEIR_TURN();
		at = l->turns++;
		if (at >= WEIR_UPGRADES || !config->upgrade_ports[at & (WEIR_UPGRADES - 1)])
			break;
		if (config->upgrade_ports[at & (WEIR_UPGRADES - 1)] == l->segment.flow.server_port)
			return config->upgrade_kinds[at & (WEIR_UPGRADES - 1)];
	}
	return config->upgrades_anywhere ? WEIR_UPGRADE_ANY : WEIR_PREAMBLE_NONE;
}

/* The four bytes at `at`, letters in lower case. */
WEIR_INLINE __u32 weir_letters(const __u8 *bytes, __u32 at)
{
	return weir_first_word(bytes, at) | 0x20202020;
}

/* Bytes of the request if the segment is one; 0: it is none. Lines count where they end a segment, whatever stands before them. */
WEIR_INLINE __u32 weir_asks(weir_frame *frame, const struct weir_segment *seg, struct weir_scratch *s, const __u8 *first, __u32 kind)
{
	__u32 size = seg->payload_size, least = kind == WEIR_PREAMBLE_POP3 ? 6 : 10;

	switch (kind) {
	case WEIR_PREAMBLE_POSTGRESQL:		/* its length and its code, which is no version */
		return size >= 8 && weir_first_word(first, 0) == 8 && weir_first_word(first, 4) == 0x04d2162f ? 8 : 0;
	case WEIR_PREAMBLE_MYSQL:		/* a login cut short, with CLIENT_SSL */
		return size >= 36 && weir_first_word(first, 0) == 0x20000001 && first[5] & 8 ? 36 : 0;
	case WEIR_PREAMBLE_RDP:			/* TPKT (RFC 1006) with an X.224 connection request */
		return size >= 11 && first[0] == 3 && !first[1] && first[5] == 0xe0 ? size : 0;
	case WEIR_PREAMBLE_LDAP:		/* an extended request (RFC 4511 section 4.12), its length in one byte or in four */
		return first[0] == 0x30 && (first[1] & 0x80 ? first[1] == 0x84 && first[9] == 0x77 : first[5] == 0x77) ? size : 0;
	case WEIR_PREAMBLE_XMPP:
		return weir_first_word(first, 0) == WEIR_WORD('<', 's', 't', 'a') &&
		       weir_first_word(first, 4) == WEIR_WORD('r', 't', 't', 'l') ? size : 0;
	}
	if (size < least || weir_bytes(frame, seg->payload_at + size - least, s->bytes, least, 16))
		return 0;
	if (kind == WEIR_PREAMBLE_POP3)
		return weir_letters(s->bytes, 0) == WEIR_WORD('s', 't', 'l', 's') && s->bytes[5] == '\n' ? size : 0;
	if (s->bytes[8] != '\r' || s->bytes[9] != '\n')
		return 0;
	if (kind == WEIR_PREAMBLE_FTP)
		return weir_letters(s->bytes, 0) == WEIR_WORD('a', 'u', 't', 'h') &&
		       (weir_letters(s->bytes, 4) == WEIR_WORD(' ', 't', 'l', 's') ||
			weir_letters(s->bytes, 4) == WEIR_WORD(' ', 's', 's', 'l')) ? size : 0;
	return weir_letters(s->bytes, 0) == WEIR_WORD('s', 't', 'a', 'r') && weir_letters(s->bytes, 4) == WEIR_WORD('t', 't', 'l', 's') ? size : 0;
}

/* Which protocol a client's first bytes are, where no port says so. */
WEIR_INLINE __u32 weir_speaks(weir_frame *frame, const struct weir_segment *seg, struct weir_scratch *s, const __u8 *first)
{
	switch (weir_letters(first, 0)) {
	case WEIR_WORD('e', 'h', 'l', 'o'):
	case WEIR_WORD('h', 'e', 'l', 'o'):
	case WEIR_WORD('l', 'h', 'l', 'o'):
		return WEIR_PREAMBLE_SMTP;
	case WEIR_WORD('c', 'a', 'p', 'a'):
	case WEIR_WORD('s', 't', 'l', 's'):
		return WEIR_PREAMBLE_POP3;
	case WEIR_WORD('a', 'u', 't', 'h'):
	case WEIR_WORD('f', 'e', 'a', 't'):
		return WEIR_PREAMBLE_FTP;
	case WEIR_WORD('c', 'a', 'p', ' '):
	case WEIR_WORD('s', 't', 'a', 'r'):
		return WEIR_PREAMBLE_IRC;
	case WEIR_WORD('<', '?', 'x', 'm'):
	case WEIR_WORD('<', 's', 't', 'r'):
		return WEIR_PREAMBLE_XMPP;
	}
	if (weir_asks(frame, seg, s, first, WEIR_PREAMBLE_POSTGRESQL))
		return WEIR_PREAMBLE_POSTGRESQL;
	if (weir_asks(frame, seg, s, first, WEIR_PREAMBLE_MYSQL))
		return WEIR_PREAMBLE_MYSQL;
	if (weir_asks(frame, seg, s, first, WEIR_PREAMBLE_RDP))
		return WEIR_PREAMBLE_RDP;
	if (weir_asks(frame, seg, s, first, WEIR_PREAMBLE_LDAP))
		return WEIR_PREAMBLE_LDAP;
	/* A tag, and what clients of IMAP say first. */
	for (__u32 i = 1; i <= 8; i++)
		if (first[i] == ' ' && (weir_letters(first, i + 1) == WEIR_WORD('c', 'a', 'p', 'a') ||
					weir_letters(first, i + 1) == WEIR_WORD('s', 't', 'a', 'r')))
			return WEIR_PREAMBLE_IMAP;
	return WEIR_PREAMBLE_NONE;
}

/*
 * Bytes of plain talk with which the segment begins; 0 when its port speaks TLS alone. The look's first bytes are the segment's, and begin
 * no TLS record. `handshakes` counts such segments until there is a hello; `skipped` is 2 behind a request, else 1.
 */
WEIR_ONCE int weir_pass_talk(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	__u32 kind, asked;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return 0;
	kind = flow->preamble;
	if (!kind)
		kind = (__u32)weir_upgrade_on(frame, l);
	if (kind == WEIR_UPGRADE_ANY)
		kind = weir_speaks(frame, &l->segment, s, l->first);
	if (!weir_is_upgrade(kind))
		return 0;
	if (flow->handshakes >= WEIR_UPGRADE_TURNS)
		flow->state = WEIR_FLOW_DONE;	/* the gate stays armed */
	flow->handshakes++;
	asked = weir_asks(frame, &l->segment, s, l->first, kind);
	flow->preamble = (__u8)kind;
	flow->skipped = asked ? 2 : 1;
	return (int)(asked ? asked : l->segment.payload_size);
}

/*
 * Talk that overtook other talk: the stream goes on behind it. Not so behind a request: then a hello comes, and its pieces are put in
 * order. Nor where a segment begins a TLS record. True when it was talk.
 */
WEIR_ONCE int weir_pass_ahead(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	int size;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return 0;
	if (!flow->proof || flow->skipped == 2 || (flow->preamble && !weir_is_upgrade(flow->preamble)) || flow->gate_bits & WEIR_GATE_RETRY)
		return 0;
	if (l->first[0] == 22)
		return 0;
	size = weir_pass_talk(frame, l, s, flow);
	if (size <= 0)
		return 0;
	flow->base = flow->passed = l->segment.sequence + (__u32)size;
	return 1;
}
#endif
