/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * From the wire to a TCP segment: IPv4, IPv6 with extension headers, fragments of both, and on request what is inside of
 * tunnels. Pure.
 */
#ifndef WEIR_FRAME_H
#define WEIR_FRAME_H

#include <weir/network.h>
#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_TCP_FIN 0x01
#define WEIR_TCP_SYN 0x02
#define WEIR_TCP_RST 0x04
#define WEIR_TCP_ACK 0x10
#define WEIR_TCP_URG 0x20

WEIR_INLINE int weir_watched(const struct weir_config *config, __u16 port)
{
	return config->ports[port >> 6] >> (port & 63) & 1;
}

/* Whether the policy looks for QUIC at this UDP port. */
WEIR_INLINE int weir_quic_port(const struct weir_config *config, __u16 port)
{
	__u64 found = 0;

	/* Without a branch: the verifier would follow each way. */
	_Pragma("unroll")
	for (__u32 i = 0; i < WEIR_QUIC_PORTS; i++)
		found |= ((__u64)(config->quic_ports[i] ^ port) - 1) >> 63;
	return (int)(found & (0 - (__u64)port) >> 63);
}

/* The two ports at `p`, of UDP. */
WEIR_INLINE int weir_glance_ports(const struct weir_config *config, const __u8 *p)
{
	return weir_quic_port(config, WEIR_BE16(p)) | weir_quic_port(config, WEIR_BE16(p + 2));
}

enum weir_glance { WEIR_FOREIGN, WEIR_MAYBE };

/*
 * The cheap look at a frame's linear part: is it worth more? Plain frames are settled here; tags, options, fragments,
 * tunnels and extension headers are `WEIR_MAYBE`.
 */
WEIR_INLINE enum weir_glance weir_glance(const struct weir_config *config, const __u8 *p, const __u8 *end)
{
	if (p + 54 > end)
		return WEIR_MAYBE;
	switch (WEIR_BE16(p + 12)) {
	case 0x0800:
		if (p[23] != 6)
			return config->decap || (p[23] == 17 && weir_glance_ports(config, p + 34)) ? WEIR_MAYBE : WEIR_FOREIGN;
		if (p[14] != 0x45 || WEIR_BE16(p + 20) & 0x1fff)
			return WEIR_MAYBE;
		return weir_watched(config, WEIR_BE16(p + 36)) || weir_watched(config, WEIR_BE16(p + 34)) ? WEIR_MAYBE : WEIR_FOREIGN;
	case 0x86dd:
		if (p[20] == 17 || p[20] == 58)	/* UDP, ICMPv6 */
			return config->decap || (p[20] == 17 && p + 58 <= end && weir_glance_ports(config, p + 54)) ? WEIR_MAYBE : WEIR_FOREIGN;
		if (p[20] != 6 || p + 58 > end)
			return WEIR_MAYBE;
		return weir_watched(config, WEIR_BE16(p + 56)) || weir_watched(config, WEIR_BE16(p + 54)) ? WEIR_MAYBE : WEIR_FOREIGN;
	case 0x8100:
	case 0x88a8:
	case 0x9100:
	case 0x8909:
		return WEIR_MAYBE;
	case 0x8847:
	case 0x8848:
	case 0x8864:
		return config->decap ? WEIR_MAYBE : WEIR_FOREIGN;
	}
	return WEIR_FOREIGN;
}

/* The innermost IP header and, on request, the way to it. 0 when the look stands at TCP, or at a fragment of it. */
WEIR_INLINE int weir_find_network(struct weir_look *l, __u32 frame_size, int what)
{
	int result;

	l->segment.vlan_tags = l->segment.tunnels = 0;
	l->reads = (__u8)what;
	l->offset = l->is_raw ? 0 : 14;
	l->type = weir_head16(l, 12);
	if (l->is_raw)
		l->type = weir_head8(l, 0) >> 4 == 4 ? 0x0800 : 0x86dd;
	if (!weir_is_ip(l->type)) {
		result = weir_open_headers(l);
		if (result)
			return result == WEIR_TOO_DEEP ? weir_beyond(l, frame_size) : result;
	}
	result = weir_read_network(l, frame_size);
	if (result || l->type == 6)
		return result;
	if (weir_is_datagram(l))
		return WEIR_DATAGRAM;
	return what & WEIR_READ_TUNNELS ? weir_enter_tunnels(l, frame_size) : WEIR_NOT_OURS;
}

WEIR_INLINE void weir_copy_address(__u8 *to, const __u8 *from)
{
	for (__u32 i = 0; i < 4; i++)
		WEIR_COPY32(to + 4 * i, from + 4 * i);
}

/* The same path, seen from the other end. */
WEIR_INLINE void weir_turn(struct weir_flow_key *turned, const struct weir_flow_key *flow)
{
	__builtin_memcpy(turned->client, flow->server, 16);
	__builtin_memcpy(turned->server, flow->client, 16);
	turned->client_port = flow->server_port;
	turned->server_port = flow->client_port;
}

/* The same in its place, word by word: the stack is short. */
WEIR_INLINE void weir_turn_here(struct weir_flow_key *flow)
{
	__u32 *client = (__u32 *)flow->client, *server = (__u32 *)flow->server;
	__u16 port = flow->client_port;

	for (__u32 i = 0; i < 4; i++) {
		__u32 word = client[i];

		client[i] = server[i];
		server[i] = word;
	}
	flow->client_port = flow->server_port;
	flow->server_port = port;
}

WEIR_INLINE void weir_read_addresses(struct weir_look *l)
{
	__u32 ip = l->segment.network_at;
	struct weir_flow_key *flow = &l->segment.flow;

	if (l->segment.family == 4) {
		__builtin_memset(flow, 0, 32);
		flow->client[10] = flow->client[11] = flow->server[10] = flow->server[11] = 0xff;
		WEIR_COPY32(flow->client + 12, l->head + ((ip + 12) & (WEIR_HEAD_CAP - 1)));
		WEIR_COPY32(flow->server + 12, l->head + ((ip + 16) & (WEIR_HEAD_CAP - 1)));
	} else {
		weir_copy_address(flow->client, l->head + ((ip + 8) & (WEIR_HEAD_CAP - 1)));
		weir_copy_address(flow->server, l->head + ((ip + 24) & (WEIR_HEAD_CAP - 1)));
	}
}

/* UDP's header (RFC 768). The IP header says how much there is: of an offloaded buffer UDP's own length is one datagram's. */
WEIR_INLINE int weir_read_datagram(struct weir_look *l, __u32 have)
{
	struct weir_segment *out = &l->segment;
	__u32 at = l->offset;

	if (at + 8 > l->end)
		return WEIR_NOT_OURS;
	if (at + 8 > have)
		return have < WEIR_HEAD_PLAIN ? WEIR_NOT_OURS : WEIR_TOO_DEEP;
	weir_read_addresses(l);
	out->flow.client_port = weir_head16(l, at);
	out->flow.server_port = weir_head16(l, at + 2);
	out->transport_at = at;
	out->payload_at = at + 8;
	out->payload_size = l->end - out->payload_at;
	return WEIR_DATAGRAM;
}

/*
 * Reads the headers in `head`, of which `have` bytes are valid, into the look's segment; `frame_size` is the
 * frame's own length. `WEIR_SEGMENT` if it is TCP; whether its ports are watched is the caller's to see.
 * `WEIR_FRAGMENT` if it is a later fragment of some TCP segment, which has addresses and payload, but no ports.
 */
WEIR_ONCE int weir_read_frame(struct weir_look *l, __u32 have, __u32 frame_size, int what)
{
	struct weir_segment *out;
	__u32 at, header;
	int result;

	if (!l)
		return WEIR_NOT_OURS;
	out = &l->segment;
	result = weir_find_network(l, frame_size, what);
	if (result == WEIR_DATAGRAM)
		return weir_read_datagram(l, have);
	if (result)
		return result;
	at = l->offset;
	if (out->fragment == WEIR_LATER_FRAGMENT) {
		if (at > have || at > l->end)
			return WEIR_NOT_OURS;
		if (out->fragment_at < 20)
			return WEIR_UNREADABLE;
		weir_read_addresses(l);
		out->payload_at = at;
		out->payload_size = l->end - at;
		return WEIR_FRAGMENT;
	}
	if (out->fragment == WEIR_FIRST_FRAGMENT && at + 20 > l->end)
		return WEIR_UNREADABLE;
	if (at + 20 > have)
		return have < WEIR_HEAD_PLAIN ? WEIR_NOT_OURS : WEIR_TOO_DEEP;
	weir_read_addresses(l);
	out->flow.client_port = weir_head16(l, at);
	out->flow.server_port = weir_head16(l, at + 2);
	out->sequence = weir_head32(l, at + 4);
	out->acknowledged = weir_head32(l, at + 8);
	out->flags = weir_head8(l, at + 13);
	header = (weir_head8(l, at + 12) >> 4) * 4u;
	if (header < 20 || at + header > l->end)
		return out->fragment ? WEIR_UNREADABLE : WEIR_NOT_OURS;
	out->transport_at = at;
	out->payload_at = at + header;
	out->payload_size = l->end - (at + header);
	/* Linux, as most, takes the pointer to be behind the urgent byte (RFC 6093 section 3.1). */
	out->urgent = out->flags & WEIR_TCP_URG && weir_head16(l, at + 18) <= out->payload_size ? weir_head16(l, at + 18) : 0;
	return WEIR_SEGMENT;
}
#endif
