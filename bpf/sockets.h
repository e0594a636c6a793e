/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kernel knows of the socket that sends a frame. */
#ifndef WEIR_SOCKETS_H
#define WEIR_SOCKETS_H

#include "kernel.h"

#define WEIR_TCP_ESTABLISHED 1		/* include/net/tcp_states.h */
#define WEIR_TCP_SYN_RECV 3
#define WEIR_TCP_NEW_SYN_RECV 12

/*
 * Is this SYN-ACK a local socket's? Only TCP itself has sockets in these states; a raw or a packet socket is in none of them, and what is
 * forwarded has none.
 */
WEIR_INLINE int weir_is_local(weir_frame *frame)
{
	struct bpf_sock *socket = frame->sk;

	return socket && (socket->state == WEIR_TCP_NEW_SYN_RECV || socket->state == WEIR_TCP_SYN_RECV);
}

/* Does a local socket send its first bytes here: is nothing acknowledged of what it has said? 1 or 0; -1 where the frame is forwarded. */
WEIR_INLINE int weir_first_of_socket(weir_frame *frame)
{
	struct bpf_sock *socket = frame->sk;
	struct bpf_tcp_sock *tcp;

	if (!socket)
		return -1;
	socket = bpf_sk_fullsock(socket);
	if (!socket)
		return -1;
	tcp = bpf_tcp_sock(socket);
	return tcp ? !tcp->bytes_acked : -1;
}

/* Proof by the kernel's socket, where the handshake was not seen: asymmetric paths, a table that was pushed over, older connections. */
WEIR_INLINE void weir_prove(weir_frame *frame, struct weir_look *l, struct weir_handshake *r)
{
	const struct weir_flow_key *flow = &l->segment.flow;	/* the source of a record may be named by a proxy */
	struct bpf_sock_tuple tuple = {};
	__u32 size = sizeof(tuple.ipv4);
	struct bpf_sock *socket;

	if (l->direction != WEIR_INGRESS || l->segment.tunnels)
		return;
	if (l->segment.family == 4) {
		WEIR_COPY32(&tuple.ipv4.saddr, flow->client + 12);
		WEIR_COPY32(&tuple.ipv4.daddr, flow->server + 12);
		tuple.ipv4.sport = __builtin_bswap16(flow->client_port);
		tuple.ipv4.dport = __builtin_bswap16(flow->server_port);
	} else {
		__builtin_memcpy(tuple.ipv6.saddr, flow->client, 16);
		__builtin_memcpy(tuple.ipv6.daddr, flow->server, 16);
		tuple.ipv6.sport = __builtin_bswap16(flow->client_port);
		tuple.ipv6.dport = __builtin_bswap16(flow->server_port);
		size = sizeof(tuple.ipv6);
	}
	socket = bpf_skc_lookup_tcp(frame, &tuple, size, BPF_F_CURRENT_NETNS, 0);
	if (!socket)
		return;
	if (socket->state == WEIR_TCP_ESTABLISHED)
		r->proof = WEIR_SOCKET;
	bpf_sk_release(socket);
}
#endif
