/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From the wire to a TCP segment: Ethernet with VLAN tags, IPv4, IPv6 with extension headers. Pure. */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_TCP_FIN 0x01
#define WEIR_TCP_SYN 0x02
#define WEIR_TCP_RST 0x04
#define WEIR_TCP_ACK 0x10

WEIR_INLINE int weir_watched(const struct weir_config *config, __u16 port)
{
	return config->ports[port >> 6] >> (port & 63) & 1;
}

enum weir_glance { WEIR_FOREIGN, WEIR_MAYBE };

/*
 * The cheap look at a frame's linear part: is it worth more? Plain frames are settled here; tags, options and
 * extension headers are `WEIR_MAYBE`.
 */
WEIR_INLINE enum weir_glance weir_glance(const struct weir_config *config, const __u8 *p, const __u8 *end)
{
	if (p + 54 > end)
		return WEIR_MAYBE;
	switch (WEIR_BE16(p + 12)) {
	case 0x0800:
		if (p[23] != 6)
			return WEIR_FOREIGN;
		if (p[14] != 0x45)
			return WEIR_MAYBE;
		return weir_watched(config, WEIR_BE16(p + 36)) || weir_watched(config, WEIR_BE16(p + 34)) ? WEIR_MAYBE : WEIR_FOREIGN;
	case 0x86dd:
		if (p[20] == 17 || p[20] == 58)	/* UDP, ICMPv6 */
			return WEIR_FOREIGN;
		if (p[20] != 6 || p + 58 > end)
			return WEIR_MAYBE;
		return weir_watched(config, WEIR_BE16(p + 56)) || weir_watched(config, WEIR_BE16(p + 54)) ? WEIR_MAYBE : WEIR_FOREIGN;
	case 0x8100:
	case 0x88a8:
		return WEIR_MAYBE;
	}
	return WEIR_FOREIGN;
}

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

enum weir_frame_result { WEIR_SEGMENT = 0, WEIR_NOT_OURS = -1, WEIR_TOO_DEEP = -2 };

/* Moves the look's offset past hop-by-hop, routing and destination options (RFC 8200 section 4) and authentication (RFC 4302). */
WEIR_INLINE int weir_skip_extensions(struct weir_look *l, __u8 next)
{
	l->type = next;				/* in map memory, as the offset: see WEIR_TURN */
	for (__u32 i = 0; WEIR_TURNS(i, 8); i++) {
		__u32 at, type;

		WEIR_TURN();
		at = l->offset;
		type = l->type;
		if (type == 6)
			return 0;
		if (at + 20 > WEIR_HEAD_CAP)
			return WEIR_TOO_DEEP;
		l->type = weir_head8(l, at);
		if (type == 0 || type == 43 || type == 60)
			l->offset += (weir_head8(l, at + 1) + 1u) * 8;
		else if (type == 51)
			l->offset += (weir_head8(l, at + 1) + 2u) * 4;
		else
			return WEIR_NOT_OURS;	/* fragments included */
	}
	return WEIR_TOO_DEEP;
}

/* Moves the look's offset past Ethernet and up to two VLAN tags; returns the type of what follows. */
WEIR_INLINE __u16 weir_skip_tags(struct weir_look *l)
{
	l->offset = 12;
	l->segment.vlan_tags = 0;
	for (__u32 i = 0; WEIR_TURNS(i, 3); i++) {
		__u16 type;

		WEIR_TURN();
		type = weir_head16(l, l->offset);
		if ((type != 0x8100 && type != 0x88a8) || l->segment.vlan_tags == 2) {
			l->offset += 2;
			return type;
		}
		l->offset += 4;
		l->segment.vlan_tags++;
	}
	return 0;
}

/*
 * Reads the headers in `head`, of which `have` bytes are valid, into the look's segment; `frame_size` is the
 * frame's own length. `WEIR_SEGMENT` if it is TCP; whether its ports are watched is the caller's to see.
 */
WEIR_ONCE int weir_read_frame(struct weir_look *l, __u32 have, __u32 frame_size)
{
	__u32 at, ip, size, header;
	struct weir_segment *out;
	__u16 type;
	int skipped;

	if (!l)
		return WEIR_NOT_OURS;
	out = &l->segment;
	type = weir_skip_tags(l);
	ip = l->offset;
	out->network_at = ip;
	if (type == 0x0800) {
		out->family = 4;
		header = (weir_head8(l, ip) & 15u) * 4;
		if (weir_head8(l, ip) >> 4 != 4 || header < 20 || weir_head8(l, ip + 9) != 6 || weir_head16(l, ip + 6) & 0x1fff)
			return WEIR_NOT_OURS;	/* of fragments, the first alone has the ports */
		at = ip + header;
		size = weir_head16(l, ip + 2);
	} else if (type == 0x86dd) {
		out->family = 6;
		if (weir_head8(l, ip) >> 4 != 6)
			return WEIR_NOT_OURS;
		size = weir_head16(l, ip + 4);
		size = size ? size + 40 : 0;
		l->offset = ip + 40;
		skipped = weir_skip_extensions(l, weir_head8(l, ip + 6));
		if (skipped)
			return skipped;
		at = l->offset;
	} else {
		return WEIR_NOT_OURS;
	}
	if (at + 20 > have)
		return have < WEIR_HEAD_CAP ? WEIR_NOT_OURS : WEIR_TOO_DEEP;
	if (!size)				/* segmentation offload beyond 64 KiB leaves it out */
		size = frame_size - ip;

	if (out->family == 4) {
		__builtin_memset(&out->flow, 0, 32);
		out->flow.client[10] = out->flow.client[11] = out->flow.server[10] = out->flow.server[11] = 0xff;
		WEIR_COPY32(out->flow.client + 12, l->head + ((ip + 12) & (WEIR_HEAD_CAP - 1)));
		WEIR_COPY32(out->flow.server + 12, l->head + ((ip + 16) & (WEIR_HEAD_CAP - 1)));
	} else {
		const __u8 *addresses = l->head + ((ip + 8) & (WEIR_HEAD_CAP - 1));

		for (__u32 i = 0; i < 4; i++)
			WEIR_COPY32(out->flow.client + 4 * i, addresses + 4 * i);
		addresses = l->head + ((ip + 24) & (WEIR_HEAD_CAP - 1));
		for (__u32 i = 0; i < 4; i++)
			WEIR_COPY32(out->flow.server + 4 * i, addresses + 4 * i);
	}
	out->flow.client_port = weir_head16(l, at);
	out->flow.server_port = weir_head16(l, at + 2);
	out->sequence = weir_head32(l, at + 4);
	out->acknowledged = weir_head32(l, at + 8);
	out->flags = weir_head8(l, at + 13);
	header = (weir_head8(l, at + 12) >> 4) * 4u;
	if (header < 20 || at + header > ip + size)
		return WEIR_NOT_OURS;
	out->transport_at = at;
	out->payload_at = at + header;
	out->payload_size = ip + size - (at + header);
	return WEIR_SEGMENT;
}
#endif
