/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From the first byte to an IP header: Ethernet, tags, and on request what providers put between the two: PPPoE, MPLS,
 * GTP-U's extension headers. Pure.
 */
#ifndef WEIR_LINKS_H
#define WEIR_LINKS_H

#include <weir/platform.h>
#include <weir/scratch.h>

/*
 * WEIR_UNREADABLE: nobody honest sends it. Fragments that cut a TCP header in two or write over it (RFC 1858, RFC 3128).
 * WEIR_SEALED: a tunnel that is encrypted, compressed or of an unknown form; WEIR_SPLIT: one whose own packet is in fragments.
 */
enum weir_frame_result {
	WEIR_DATAGRAM = 1,
	WEIR_SEGMENT = 0,
	WEIR_NOT_OURS = -1,
	WEIR_TOO_DEEP = -2,
	WEIR_FRAGMENT = -3,
	WEIR_UNREADABLE = -4,
	WEIR_SEALED = -5,
	WEIR_SPLIT = -6,
	WEIR_ON = 2,			/* not done yet */
};

/* What is read besides TCP in IP. */
enum weir_reads { WEIR_READ_TUNNELS = 1, WEIR_READ_DATAGRAMS = 2 };

/* Besides EtherTypes, what stands at the look's offset may be: */
#define WEIR_TYPE_ETHERNET 0x20000	/* an Ethernet header */
#define WEIR_TYPE_PPP 0x880b
#define WEIR_TYPE_GTP 0x10000		/* in the low byte the type of a GTP extension header; 0: the packet */

WEIR_INLINE __u8 weir_head8(const struct weir_look *l, __u32 at)
{
	return l->head[at & (WEIR_HEAD_CAP - 1)];	/* what lies beyond is refused before it matters */
}

WEIR_INLINE __u16 weir_head16(const struct weir_look *l, __u32 at)
{
	return WEIR_BE16(l->head + (at & (WEIR_HEAD_CAP - 1)));
}

WEIR_INLINE __u32 weir_head32(const struct weir_look *l, __u32 at)
{
	return WEIR_BE32(l->head + (at & (WEIR_HEAD_CAP - 1)));
}

#define WEIR_LOOK(context) (*(struct weir_look **)(context))

WEIR_INLINE int weir_is_ip(__u32 type)
{
	return type == 0x0800 || type == 0x86dd;
}

/* Is this an EtherType that may stand in an Ethernet header, where that has to be guessed? */
WEIR_INLINE int weir_is_ethertype(__u32 type)
{
	return weir_is_ip(type) || type == 0x0806 || type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x8847 || type == 0x8864;
}

/* The EtherType at `at` becomes the look's, and what is behind it its offset. */
WEIR_INLINE void weir_take_type(struct weir_look *l, __u32 at)
{
	l->type = weir_head16(l, at);
	l->offset = at + 2;
}

/* The IP version at `at` becomes the look's type. */
WEIR_INLINE void weir_type_of_version(struct weir_look *l, __u32 at)
{
	__u32 version = weir_head8(l, at) >> 4;

	l->type = version == 4 ? 0x0800 : 0x86dd;
	if (version != 4 && version != 6)
		l->skipped = WEIR_SEALED;
}

/* PPP's protocol, which may be one byte long (RFC 1661 section 6.5). */
WEIR_INLINE void weir_open_ppp(struct weir_look *l, __u32 at)
{
	__u32 type = weir_head8(l, at), size = type & 1 ? 1 : 2;

	if (size == 2)
		type = weir_head16(l, at);
	l->offset = at + size;
	if (type == 0x21)
		l->type = 0x0800;
	else if (type == 0x57)
		l->type = 0x86dd;
	else if (type == 0x281 || type == 0x283)
		l->type = 0x8847;
	else
		l->skipped = type < 0x4000 ? WEIR_SEALED : WEIR_NOT_OURS;	/* from there on they carry no packets */
}

/*
 * One label, and behind the last one what no field names: IP by its version, or Ethernet, maybe behind a control word
 * (RFC 4385 section 3, RFC 4448).
 */
WEIR_INLINE void weir_open_label(struct weir_look *l, __u32 at)
{
	__u32 kind = weir_head8(l, at + 4) >> 4;

	l->segment.tunnels |= WEIR_TUNNEL_MPLS;
	l->offset = at + 4;
	if (!(weir_head8(l, at + 2) & 1))
		return;
	l->type = WEIR_TYPE_ETHERNET;
	if (kind == 4 || kind == 6)
		weir_type_of_version(l, at + 4);
	else if (!kind && weir_is_ethertype(weir_head16(l, at + 20)))
		l->offset = at + 8;
	else if (kind == 1)
		l->skipped = WEIR_NOT_OURS;	/* a channel for operators (RFC 4385 section 5) */
	else if (!weir_is_ethertype(weir_head16(l, at + 16)))
		l->skipped = WEIR_SEALED;
}

/* One header. Returns 1 to stop: at an IP header, at a type that bears none, or for what `skipped` says. */
WEIR_STEP long weir_open_header(__u32 turn, void *context)
{
	struct weir_look *l = WEIR_LOOK(context);
	__u32 at = l->offset, type = l->type, size;

	(void)turn;
	if (weir_is_ip(type))
		return 1;
	l->skipped = WEIR_TOO_DEEP;
	if (at + 22 > l->have)
		return 1;			/* behind it lie an earlier frame's bytes */
	l->skipped = 0;
	if (type == WEIR_TYPE_ETHERNET) {
		weir_take_type(l, at + 12);
	} else if (type == 0x8100 || type == 0x88a8 || type == 0x9100) {
		weir_take_type(l, at + 2);
		l->segment.vlan_tags++;
	} else if (type == 0x8909) {		/* Cisco's: a version, a count of words, these */
		weir_take_type(l, at + 2 + 4u * weir_head8(l, at + 1));
		if (l->offset > l->have)
			l->skipped = WEIR_TOO_DEEP;
	} else if (!(l->reads & WEIR_READ_TUNNELS)) {
		return 1;
	} else if (type == 0x8847 || type == 0x8848) {
		weir_open_label(l, at);
	} else if (type == 0x8864) {
		l->segment.tunnels |= WEIR_TUNNEL_PPPOE;
		if (weir_head16(l, at) != 0x1100)
			l->skipped = WEIR_SEALED;
		else
			weir_open_ppp(l, at + 6);
	} else if (type == WEIR_TYPE_PPP) {
		weir_open_ppp(l, at + (weir_head16(l, at) == 0xff03 ? 2 : 0));
	} else if (type == WEIR_TYPE_GTP) {
		weir_type_of_version(l, at);
	} else if (type > WEIR_TYPE_GTP) {
		size = weir_head8(l, at) * 4u;
		l->type = WEIR_TYPE_GTP | weir_head8(l, at + size - 1);
		l->offset = at + size;
		if (!size)
			l->skipped = WEIR_SEALED;
		else if (l->offset > l->have)
			l->skipped = WEIR_TOO_DEEP;
	} else {
		return 1;
	}
	return l->skipped != 0;
}

/* Moves the look's offset to an IP header, whose type becomes the look's. 0, or why there is none. */
WEIR_ONCE int weir_open_headers(struct weir_look *l)
{
	struct weir_look *look = l;

	if (!l)
		return WEIR_NOT_OURS;
	l->skipped = 0;
	WEIR_LOOP(WEIR_HEAD_CAP / 4 + 1, weir_open_header, &look);	/* of at least four bytes each, GTP's last but one aside */
	return l->skipped;
}

/* GTP-U (3GPP TS 29.281 section 5): a packet of a subscriber's, behind extension headers. The look stands at the UDP header. */
WEIR_INLINE int weir_open_gtp(struct weir_look *l)
{
	__u32 at = l->offset + 8, flags = weir_head8(l, at);

	if (flags >> 5 != 1 || !(flags & 0x10))
		return WEIR_NOT_OURS;
	if (weir_head8(l, at + 1) != 255)
		return WEIR_NOT_OURS;		/* it speaks of the tunnel itself */
	l->segment.tunnels |= WEIR_TUNNEL_GTP;
	l->type = WEIR_TYPE_GTP | (flags & 4 ? weir_head8(l, at + 11) : 0);
	l->offset = at + (flags & 7 ? 12 : 8);
	return 0;
}
#endif
