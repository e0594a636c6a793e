/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* IPv4, IPv6 with extension headers, and the tunnels in them, up to the innermost IP header. Pure. */
#ifndef WEIR_NETWORK_H
#define WEIR_NETWORK_H

#include <weir/links.h>
#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_LAYERS 4			/* IP headers in one frame, at most */

/* The datagram of which this is a fragment, and where in it the fragment lies. */
WEIR_INLINE void weir_note_fragment(struct weir_look *l, __u32 id, __u16 at, int more)
{
	l->segment.fragment_id = id;
	l->segment.fragment_at = at;
	l->segment.fragment = at ? WEIR_LATER_FRAGMENT : more ? WEIR_FIRST_FRAGMENT : WEIR_WHOLE_DATAGRAM;
}

WEIR_INLINE int weir_is_extension(__u32 type)
{
	return type == 0 || type == 43 || type == 60 || type == 51 || type == 44;
}

/* One extension header. Returns 1 to stop. */
WEIR_STEP long weir_skip_extension(__u32 turn, void *context)
{
	struct weir_look *l = WEIR_LOOK(context);
	__u32 at = l->offset, type = l->type;

	(void)turn;
	l->skipped = 0;
	if (!weir_is_extension(type))
		return 1;
	l->skipped = WEIR_NOT_OURS;
	if (l->segment.fragment == WEIR_LATER_FRAGMENT)
		return 1;			/* headers behind a later fragment's are payload */
	l->skipped = WEIR_TOO_DEEP;
	if (at + 8 > l->have)
		return 1;			/* behind it lie an earlier frame's bytes */
	l->type = weir_head8(l, at);
	if (type == 44) {
		weir_note_fragment(l, weir_head32(l, at + 4), weir_head16(l, at + 2) & 0xfff8, weir_head16(l, at + 2) & 1);
		l->offset += 8;
		if (l->segment.fragment == WEIR_LATER_FRAGMENT) {
			l->skipped = 0;
			return 1;
		}
	} else if (type == 51) {
		l->offset += (weir_head8(l, at + 1) + 2u) * 4;
	} else {
		l->offset += (weir_head8(l, at + 1) + 1u) * 8;
	}
	return 0;
}

/* Moves the look's offset past hop-by-hop, routing, destination options and fragment headers (RFC 8200 section 4), and RFC 4302's. */
WEIR_ONCE int weir_skip_extensions(struct weir_look *l)
{
	struct weir_look *look = l;

	if (!l)
		return WEIR_NOT_OURS;
	l->skipped = WEIR_TOO_DEEP;
	WEIR_LOOP(WEIR_HEAD_CAP / 8 + 1, weir_skip_extension, &look);	/* of at least eight bytes each: what is read of a frame holds no more */
	return l->skipped;
}

/* Reads an IP header: the look's offset moves behind it, its type becomes the protocol, its end the datagram's. */
WEIR_INLINE int weir_read_network(struct weir_look *l, __u32 frame_size)
{
	__u32 ip = l->offset, size, header, fragment;
	struct weir_segment *out = &l->segment;

	out->network_at = ip;
	out->fragment = WEIR_WHOLE_DATAGRAM;
	if (l->type == 0x0800) {
		out->family = 4;
		header = (weir_head8(l, ip) & 15u) * 4;
		if (weir_head8(l, ip) >> 4 != 4 || header < 20)
			return WEIR_NOT_OURS;
		size = weir_head16(l, ip + 2);
		fragment = weir_head16(l, ip + 6);
		if (fragment & 0x3fff)
			weir_note_fragment(l, weir_head16(l, ip + 4), (fragment & 0x1fff) << 3, fragment & 0x2000);
		l->offset = ip + header;
		l->type = weir_head8(l, ip + 9);
	} else if (l->type == 0x86dd) {
		int skipped;

		out->family = 6;
		if (weir_head8(l, ip) >> 4 != 6)
			return WEIR_NOT_OURS;
		size = weir_head16(l, ip + 4);
		size = size ? size + 40 : 0;
		l->offset = ip + 40;
		l->type = weir_head8(l, ip + 6);
		skipped = weir_is_extension(l->type) ? weir_skip_extensions(l) : 0;
		if (skipped)
			return skipped;
	} else {
		return WEIR_NOT_OURS;
	}
	if (!size)				/* segmentation offload beyond 64 KiB leaves it out */
		size = frame_size - ip;
	l->end = ip + size;
	return 0;
}

/* GRE with what Cisco's mirrors put behind it. Moves the offset to what is inside, whose type becomes the look's. */
WEIR_INLINE int weir_open_gre(struct weir_look *l)
{
	__u32 at = l->offset, flags = weir_head16(l, at), type = weir_head16(l, at + 2), header = 4;

	if (flags & 7) {
		l->segment.tunnels |= WEIR_TUNNEL_GRE;
		return WEIR_SEALED;		/* PPTP's */
	}
	header += (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0);
	l->type = WEIR_TYPE_ETHERNET;
	if (type == 0x88be) {
		l->segment.tunnels |= WEIR_TUNNEL_ERSPAN;
		header += flags & 0x1000 ? 8 : 0;	/* type I has neither number nor header */
	} else if (type == 0x22eb) {
		l->segment.tunnels |= WEIR_TUNNEL_ERSPAN;
		header += 12 + (weir_head8(l, at + header + 11) & 1 ? 8 : 0);
	} else if (type == 0x6558) {
		l->segment.tunnels |= WEIR_TUNNEL_GRE;
	} else {
		l->segment.tunnels |= WEIR_TUNNEL_GRE;
		l->type = type;
	}
	l->offset = at + header;
	return 0;
}

/* UDP ports of the tunnels below: VXLAN's, Linux's before there was one, Geneve's, GTP-U's, MPLS'. */
WEIR_INLINE int weir_is_tunnel(__u16 port)
{
	return port == 4789 || port == 8472 || port == 6081 || port == 2152 || port == 6635;
}

WEIR_INLINE int weir_open_udp(struct weir_look *l)
{
	__u32 at = l->offset, port = weir_head16(l, at + 2);

	if (port == 4789 || port == 8472) {	/* IANA's, and Linux's before there was one */
		if (!(weir_head8(l, at + 8) & 8))
			return WEIR_NOT_OURS;
		l->segment.tunnels |= WEIR_TUNNEL_VXLAN;
		l->type = WEIR_TYPE_ETHERNET;
		l->offset = at + 16;
		return 0;
	}
	if (port == 6081 && !(weir_head8(l, at + 8) >> 6)) {
		l->segment.tunnels |= WEIR_TUNNEL_GENEVE;
		l->type = weir_head16(l, at + 10);
		if (l->type == 0x6558)
			l->type = WEIR_TYPE_ETHERNET;
		l->offset = at + 16 + (weir_head8(l, at + 8) & 63u) * 4;
		return 0;
	}
	if (port == 2152)
		return weir_open_gtp(l);
	if (port == 6635) {			/* RFC 7510 */
		l->type = 0x8847;
		l->offset = at + 8;
		return 0;
	}
	return WEIR_NOT_OURS;
}

/* Moves the look's offset into a tunnel; its type becomes what is inside. */
WEIR_INLINE int weir_open_tunnel(struct weir_look *l)
{
	switch (l->type) {
	case 4:
	case 41:
		l->segment.tunnels |= WEIR_TUNNEL_IP;
		l->type = l->type == 4 ? 0x0800 : 0x86dd;
		return 0;
	case 47:
		return weir_open_gre(l);
	case 17:
		return weir_open_udp(l);
	}
	return WEIR_NOT_OURS;
}

/*
 * Is this a datagram to be read, and no tunnel's? Of one in IP fragments the first piece says whose answer it is: a client may have made
 * his path so narrow. A hello in fragments, which QUIC forbids (RFC 9000 section 14), is judged by nobody, and its answer counted.
 */
WEIR_INLINE int weir_is_datagram(const struct weir_look *l)
{
	return l->type == 17 && l->reads & WEIR_READ_DATAGRAMS && l->segment.fragment != WEIR_LATER_FRAGMENT &&
	       (!(l->reads & WEIR_READ_TUNNELS) || !weir_is_tunnel(weir_head16(l, l->offset + 2)));
}

/* What lies beyond what is read of a frame; or else the frame is too short to bear a TCP segment. */
WEIR_INLINE int weir_beyond(const struct weir_look *l, __u32 frame_size)
{
	return l->have < frame_size ? WEIR_TOO_DEEP : WEIR_NOT_OURS;
}

/* Past one tunnel's header to the next IP header. WEIR_SEGMENT: it is TCP's; WEIR_ON: it is not. */
WEIR_INLINE int weir_enter_tunnel(struct weir_look *l)
{
	int result;

	if (l->segment.fragment == WEIR_LATER_FRAGMENT)
		return WEIR_NOT_OURS;
	if (l->offset + 20 > l->have)
		return weir_beyond(l, l->frame_size);
	result = weir_open_tunnel(l);
	if (result)
		return result;
	if (l->segment.fragment)
		return WEIR_SPLIT;
	/* Beyond what is read; or what is inside is shorter than any TCP segment. */
	if (l->offset + 40 > l->have)
		return weir_beyond(l, l->frame_size);
	if (l->layers++ >= WEIR_LAYERS)
		return WEIR_TOO_DEEP;
	result = weir_is_ip(l->type) ? 0 : weir_open_headers(l);
	if (result)
		return result == WEIR_TOO_DEEP ? weir_beyond(l, l->frame_size) : result;
	result = weir_read_network(l, l->frame_size);
	return result ? result : l->type == 6 ? WEIR_SEGMENT : weir_is_datagram(l) ? WEIR_DATAGRAM : WEIR_ON;
}

WEIR_STEP long weir_enter_next(__u32 turn, void *context)
{
	struct weir_look *l = WEIR_LOOK(context);

	(void)turn;
	l->entered = weir_enter_tunnel(l);
	return l->entered != WEIR_ON;
}

/* From an IP header that is not TCP's into tunnels, until one is. */
WEIR_ONCE int weir_enter_tunnels(struct weir_look *l, __u32 frame_size)
{
	struct weir_look *look = l;

	if (!l)
		return WEIR_NOT_OURS;
	l->layers = 1;
	l->frame_size = frame_size;
	WEIR_LOOP(WEIR_LAYERS, weir_enter_next, &look);
	return l->entered;
}
#endif
