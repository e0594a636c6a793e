/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the kernel knows of the socket that sends a frame. */
#ifndef WEIR_SOCKETS_H
#define WEIR_SOCKETS_H

#include "maps.h"

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
#endif
