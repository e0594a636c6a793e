/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The PROXY protocol's header (haproxy, doc/proxy-protocol.txt), and whom it names. A balancer writes it in front of what
 * its client says. Only the header of a peer in the policy's trust.proxies names anybody. LOCAL, UNKNOWN, other families
 * than IP over TCP, and what does not follow the form name nobody: then the peer stays the source.
 */
#ifndef WEIR_PROXY_H
#define WEIR_PROXY_H

#include <weir/platform.h>
#include <weir/preamble.h>
#include <weir/scratch.h>

#define WEIR_PROXY2_NAMES 52		/* bytes of the binary form that may name somebody: its header, two IPv6 addresses, two ports */
#define WEIR_PROXY1_ADDRESS 11		/* where the text form's first address begins */

enum weir_naming_part {
	WEIR_NAMING_SOURCE = 0,
	WEIR_NAMING_DESTINATION = 1,
	WEIR_NAMING_PORT = 2,
	WEIR_NAMING_DONE = 3,
	WEIR_NAMING_WRONG = 4,
};

/* Could these `n` bytes, of which at most sixteen count, begin a PROXY header, of either form? Sixteen can be read. */
WEIR_INLINE int weir_begins_proxy(const __u8 *bytes, __u32 n)
{
	__u64 low = WEIR_LE64(bytes), high = WEIR_LE64(bytes + 8), mask = ~0ULL, rest = 0;

	if (n < 8)
		mask = (1ULL << (n & 7) * 8) - 1;
	else if (n < 12)
		rest = (1ULL << (n & 3) * 8) - 1;
	else
		rest = 0xffffffff;
	/* "\r\n\r\n\0\r\nQUIT\n" and "PROXY ", as words of little-endian machines */
	return !((low ^ 0x510a0d000a0d0a0dULL) & mask) ? !((high ^ 0x0a544955ULL) & rest)
						       : !((low ^ 0x2059584f5250ULL) & mask & 0xffffffffffffULL);
}

/* Bytes of a binary header of `size` that have to be there to tell whom it names. */
WEIR_INLINE __u32 weir_proxy2_part(__u32 size)
{
	return size < WEIR_PROXY2_NAMES ? size : WEIR_PROXY2_NAMES;
}

/* One more group of an IPv6 address, or half an IPv4 address. */
WEIR_INLINE void weir_naming_group(struct weir_naming *n, __u32 value)
{
	if (n->groups >= 8) {
		n->part = WEIR_NAMING_WRONG;
		return;
	}
	if (n->has_gap) {
		n->high = n->high << 16 | n->low >> 48;
		n->low = n->low << 16 | (value & 0xffff);
	} else {
		*(__u16 *)(n->address + (n->groups & 7) * 2) = __builtin_bswap16((__u16)value);
	}
	n->groups++;
	n->value = n->decimal = n->digits = n->letters = 0;
}

/* The address is over: does it follow the form of RFC 4291 section 2.2, or of an IPv4 address? */
WEIR_INLINE void weir_naming_address(struct weir_naming *n, int is_ipv4)
{
	__u64 *out = (__u64 *)n->address;

	n->part = WEIR_NAMING_DESTINATION;
	if (n->dots) {
		if (n->dots != 3 || !n->digits || n->letters || n->decimal > 255)
			n->part = WEIR_NAMING_WRONG;
		n->quad = n->quad << 8 | (n->decimal & 255);
		weir_naming_group(n, n->quad >> 16);
		weir_naming_group(n, n->quad);
	} else if (n->digits) {
		weir_naming_group(n, n->value);
	} else if (!n->has_gap || n->groups != n->gap_at) {
		n->part = WEIR_NAMING_WRONG;	/* it ends with a colon */
	}
	if (is_ipv4) {
		if (n->has_colon || !n->dots)
			n->part = WEIR_NAMING_WRONG;
		out[1] = out[0] << 32 | 0xffff0000ULL;
		out[0] = 0;
		return;
	}
	if (!n->has_colon || (n->has_gap ? n->groups > 7 : n->groups != 8))
		n->part = WEIR_NAMING_WRONG;
	out[0] |= __builtin_bswap64(n->high);
	out[1] |= __builtin_bswap64(n->low);
}

/* A character of the first address. */
WEIR_INLINE void weir_naming_letter(struct weir_naming *n, __u32 c, int is_ipv4)
{
	__u32 digit = c - '0', letter = (c | 32) - 'a';

	if (c == ' ') {
		weir_naming_address(n, is_ipv4);
	} else if (c == ':') {
		n->has_colon = 1;
		if (n->dots)
			n->part = WEIR_NAMING_WRONG;
		if (n->digits) {
			weir_naming_group(n, n->value);
		} else if (n->before == ':') {
			if (n->has_gap)
				n->part = WEIR_NAMING_WRONG;
			n->has_gap = 1;
			n->gap_at = n->groups;
		} else if (n->before) {
			n->part = WEIR_NAMING_WRONG;
		}
	} else if (c == '.') {
		if (!n->digits || n->letters || n->decimal > 255 || n->dots == 3)
			n->part = WEIR_NAMING_WRONG;
		n->quad = n->quad << 8 | (n->decimal & 255);
		n->dots++;
		n->value = n->decimal = n->digits = 0;
	} else if (digit < 10 || letter < 6) {
		/* A colon at the front alone begins no address. */
		if (n->digits++ == 4 || (n->before == ':' && !n->groups && !n->has_gap))
			n->part = WEIR_NAMING_WRONG;
		if (digit >= 10) {
			n->letters = 1;
			digit = letter + 10;
		}
		n->value = n->value << 4 | digit;
		n->decimal = n->decimal * 10 + digit;
	} else {
		n->part = WEIR_NAMING_WRONG;
	}
	n->before = (__u8)c;
}

/* The text form's next character. Returns 1 to stop. */
WEIR_STEP long weir_naming_step(__u32 turn, void *context)
{
	struct weir_scratch *s = WEIR_SCRATCH(context);
	struct weir_naming *n = &s->naming;
	__u32 at = n->at++, c;

	(void)turn;
	if (at >= WEIR_PROXY1_MAX || at >= s->length)
		return 1;
	c = s->bytes[at & 127];
	if (n->part == WEIR_NAMING_SOURCE) {
		weir_naming_letter(n, c, s->bytes[9] == '4');
	} else if (n->part == WEIR_NAMING_DESTINATION) {
		if (c == ' ') {
			n->part = WEIR_NAMING_PORT;
			n->decimal = n->digits = 0;
		}
	} else if (n->part == WEIR_NAMING_PORT) {
		if (c - '0' < 10 && n->digits < 5) {
			n->decimal = n->decimal * 10 + c - '0';
			n->digits++;
		} else {
			n->part = c == ' ' && n->digits && n->decimal <= 65535 ? WEIR_NAMING_DONE : WEIR_NAMING_WRONG;
		}
	} else {
		return 1;
	}
	return 0;
}

/* "PROXY TCP4 192.0.2.1 198.51.100.2 40000 443\r\n" */
WEIR_LOOPING int weir_read_proxy1(weir_frame *frame, struct weir_scratch *s, __u32 size)
{
	WEIR_USED(frame);
	if (!s)
		return 0;
	if (WEIR_BE32(s->bytes + 5) != WEIR_WORD(' ', 'T', 'C', 'P') || (s->bytes[9] != '4' && s->bytes[9] != '6') || s->bytes[10] != ' ')
		return 0;
	s->length = size;
	s->naming.at = WEIR_PROXY1_ADDRESS;
	WEIR_OVER(s, WEIR_PROXY1_MAX, weir_naming_step);
	s->naming.named.port = (__u16)s->naming.decimal;
	return s->naming.part == WEIR_NAMING_DONE;
}

/* Version and command, family and protocol, the length of what follows, addresses, ports, and extensions that are not read. */
WEIR_INLINE int weir_read_proxy2(struct weir_scratch *s, __u32 size)
{
	const __u64 *from = (const __u64 *)(s->bytes + 16);
	__u64 *out = (__u64 *)s->naming.address;
	__u32 length = (__u32)s->bytes[14] << 8 | s->bytes[15];

	if (s->bytes[12] != 0x21)		/* LOCAL: the proxy speaks for itself */
		return 0;
	if (s->bytes[13] == 0x11 && length >= 12 && size >= 28) {
		out[1] = from[0] << 32 | 0xffff0000ULL;
		s->naming.named.port = WEIR_BE16(s->bytes + 24);
		return 1;
	}
	if (s->bytes[13] == 0x21 && length >= 36 && size >= WEIR_PROXY2_NAMES) {
		out[0] = from[0];
		out[1] = from[1];
		s->naming.named.port = WEIR_BE16(s->bytes + 48);
		return 1;
	}
	return 0;
}

/*
 * Whom the PROXY header names whose first `size` bytes are the scratch's, if the peer is trusted. 0: nobody. Else the scratch's
 * naming has who it is.
 */
WEIR_ONCE int weir_read_proxy(weir_frame *frame, struct weir_scratch *s, const struct weir_flow_key *flow, __u32 kind, __u32 size)
{
	struct weir_allow_key peer = { .prefix_length = 128 };
	int is_named;

	WEIR_USED(frame);
	if (!s || !flow)
		return 0;
	__builtin_memset(&s->naming, 0, sizeof(s->naming));
	__builtin_memcpy(peer.address, flow->client, 16);
	is_named = WEIR_LOOKUP(frame, proxies, &peer) &&
		   (kind == WEIR_PREAMBLE_PROXY2 ? weir_read_proxy2(s, size) : weir_read_proxy1(frame, s, size));
	/* No address names nobody (RFC 4291 section 2.5.2). */
	is_named = is_named && (WEIR_LE64(s->naming.address) || WEIR_LE64(s->naming.address + 8));
	__builtin_memcpy(s->naming.named.address, s->naming.address, 16);
	weir_count(frame, is_named ? WEIR_COUNT_NAMED : WEIR_COUNT_UNNAMED);
	return is_named;
}
#endif
