/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model of what stands behind Weir: a TCP stack as Linux has it (with a few knobs for others), and a TLS server on top. It
 * knows nothing of Weir. Each socket is a connection of its own, whatever tuple it has.
 */
#ifndef SERVER_H
#define SERVER_H

#include "texts.h"

#define STREAM 8192			/* client bytes that are modelled; what lies beyond is out of the window */
#define QUEUE 4096
#define TURNS 12

struct stack {
	int last_wins;			/* of two copies of bytes beyond a hole the later is read */
	int old_acks;			/* data with an old acknowledgement is taken (Linux before 6.7) */
	int fast_open;			/* data in a SYN is taken (RFC 7413), without a cookie */
	int cookies;			/* SYN cookies, always */
	int lags;			/* the application runs when it is told to, not at each segment */
	int proxy;			/* PROXY headers are read */
	int connect;			/* CONNECT is answered, and TLS follows */
	int retry;			/* a first hello is answered by a HelloRetryRequest */
	int forwarded;			/* the server is elsewhere: the node has no socket of its */
	int routed;			/* and its frames pass two interfaces */
};

enum socket_state { LISTENING, SYN_RECEIVED, ESTABLISHED };

/* One turn of the server's: it began to be written when its first byte was queued. */
struct turn {
	__u32 at;			/* of its first byte in the queue */
	__u8 speaks_tls;
	__u8 is_clean;			/* it answers hellos with names, and nothing else */
	__u8 has_left;
};

struct server {
	enum socket_state state;
	__u32 irs, rcv_nxt, iss, snd_una, snd_nxt, window;
	__u8 stream[STREAM], has[STREAM];
	__u32 urgent;			/* sequence number of the urgent byte */
	__u8 is_urgent;
	__u8 read[STREAM];		/* what the application got */
	__u32 copied, read_size, read_at;
	__u8 hellos, is_bad, over, finished;	/* application: hellos answered, one of them without a name, closed */
	__u8 is_shifted;		/* a cookie's connection, whose first number is not the SYN's */
	__u8 was_pushed_out;		/* Weir has lost what it knew of this connection */
	__u8 queue[QUEUE];
	__u32 queued;
	struct turn turns[TURNS];
	__u32 turn_count;
	__u64 counted_at;		/* when its last answer was counted; 0: none was */
};

static inline void say(struct server *s, const void *bytes, __u32 size, int speaks_tls, int is_clean)
{
	if (s->queued + size > QUEUE || s->turn_count == TURNS)
		return;
	s->turns[s->turn_count++] = (struct turn){ .at = s->queued, .speaks_tls = (__u8)speaks_tls, .is_clean = (__u8)is_clean };
	memcpy(s->queue + s->queued, bytes, size);
	s->queued += size;
}

static inline void say_hello(struct server *s, int is_retry, __u32 number)
{
	static const __u8 retry[32] = { 0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
					0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c };
	__u8 b[5 + 86 + 6] = { 22, 3, 3, 0, 86, 2, 0, 0, 82, 3, 3 };

	for (int i = 0; i < 32; i++)
		b[11 + i] = is_retry ? retry[i] : (__u8)(number * 37 + i * 11);
	memset(b + 43, 7, 48);
	memcpy(b + 91, "\x14\x03\x03\0\x01\x01", 6);
	say(s, b, sizeof(b), 1, !s->is_bad);
}

static inline void say_alert(struct server *s, __u8 what)
{
	const __u8 b[7] = { 21, 3, 3, 0, 2, 2, what };

	s->is_bad = 1;
	s->over = 1;
	say(s, b, sizeof(b), 1, 0);
}

/* The ClientHello at the front, over as many records as it takes. Its size with headers; 0: not whole yet; -1: wrong. */
static inline int whole_hello(const __u8 *b, __u32 n, __u8 *message, __u32 *size)
{
	__u32 at = 0;

	*size = 0;
	for (;;) {
		__u32 length;

		if (at + 5 > n)
			return 0;
		length = (__u32)b[at + 3] << 8 | b[at + 4];
		if (b[at] != 22 || b[at + 1] != 3 || !length || length > 16384 + 2048)
			return -1;
		for (at += 5; length && at < n; at++, length--) {
			message[(*size)++] = b[at];
			if (message[0] != 1)
				return -1;
			if (*size >= 4 && *size == 4 + ((__u32)message[1] << 16 | (__u32)message[2] << 8 | message[3]))
				return (int)at + 1;
		}
		if (length)
			return 0;
	}
}

static inline int line_end(const __u8 *b, __u32 n)
{
	for (__u32 i = 0; i < n; i++)
		if (b[i] == '\n')
			return (int)i + 1;
	return 0;
}

/* The application reads what there is, and answers. */
static inline void application(struct server *s, const struct stack *k, __u32 number)
{
	__u8 message[STREAM];

	while (s->state != LISTENING && s->copied < s->rcv_nxt - s->irs - 1) {
		__u32 at = s->copied++;

		if (!s->is_urgent || s->urgent != s->irs + 1 + at)
			s->read[s->read_size++] = s->stream[at];
	}
	for (;;) {
		const __u8 *b = s->read + s->read_at;
		__u32 n = s->read_size - s->read_at, size;
		enum hello found;
		int end;

		if (s->over || !n || s->state == LISTENING)
			return;
		if (s->hellos > 1 || (s->hellos && !k->retry)) {
			s->read_at = s->read_size;	/* encrypted, as far as anybody knows */
			return;
		}
		if (s->hellos && b[0] == 20) {
			if (n < 6)
				return;
			s->read_at += 6;
			continue;
		}
		if (b[0] != 22 && s->hellos) {
			say_alert(s, 10);
			return;
		}
		if (b[0] == 22) {
			end = whole_hello(b, n, message, &size);
			if (!end)
				return;
			if (end < 0) {
				say_alert(s, 10);
				return;
			}
			found = look_at_hello(message + 4, size - 4);
			s->read_at += (__u32)end;
			if (found == HELLO_WRONG) {
				say_alert(s, 50);
				return;
			}
			s->is_bad |= found != HELLO_NAMED;
			say_hello(s, k->retry && !s->hellos, number);
			s->hellos++;
			continue;
		}
		if (b[0] & 0x80) {
			if (n < 2 || n < 2u + ((b[0] & 0x7fu) << 8 | b[1]))
				return;
			s->is_bad = 1;
			s->hellos = 2;
			say_hello(s, 0, number);
			return;
		}
		if (k->proxy && b[0] == '\r') {
			if (n < 16)
				return;
			size = 16 + ((__u32)b[14] << 8 | b[15]);
			if (memcmp(b, "\r\n\r\n\0\r\nQUIT\n", 12)) {
				say_alert(s, 10);
				return;
			}
			if (n < size)
				return;
			s->read_at += size;
			continue;
		}
		if ((k->proxy && b[0] == 'P') || (k->connect && b[0] == 'C')) {
			end = line_end(b, n);
			if (!end)
				return;
			if (b[0] == 'C') {
				if (n < 4 || memcmp(b + n - 4, "\r\n\r\n", 4))
					return;
				end = (int)n;
				say(s, "HTTP/1.1 200 OK\r\n\r\n", 19, 0, 1);
			}
			s->read_at += (__u32)end;
			continue;
		}
		s->over = 1;
		/* Behind the byte of a keep-alive, which a cookie can make the stream's first: it is not TLS, and gets nothing, as OpenSSL has it. */
		if (s->is_shifted)
			return;
		if (b[0] == 'G' || b[0] == 'C')
			say(s, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0, 1);
		else if (b[0] != 'P' && b[0] != '\r')
			say_alert(s, 10);	/* to what no TLS server knows as TLS it says nothing, as OpenSSL does, or this */
		return;
	}
}

/* A socket is made for these numbers. */
static inline void open_socket(struct server *s, __u32 irs, __u32 iss, enum socket_state state)
{
	memset(s, 0, sizeof(*s));
	s->state = state;
	s->irs = irs;
	s->rcv_nxt = irs + 1;
	s->iss = iss;
	s->snd_una = s->snd_nxt = iss + 1;
	s->window = 65535;
}

static inline void take_urgent(struct server *s, __u32 sequence, __u16 pointer)
{
	__u32 at = sequence + pointer - (pointer ? 1 : 0);

	if ((__s32)(at - s->rcv_nxt) < 0 || (s->is_urgent && (__s32)(at - s->urgent) <= 0))
		return;
	/* The byte that an older pointer meant is lost if it is the next to be read (tcp_check_urg). */
	if (s->is_urgent && s->urgent == s->irs + 1 + s->copied && s->copied < s->rcv_nxt - s->irs - 1)
		s->copied++;
	s->is_urgent = 1;
	s->urgent = at;
}

static inline void take_data(struct server *s, const struct stack *k, __u32 sequence, const __u8 *bytes, __u32 size)
{
	for (__u32 i = 0; i < size; i++) {
		__u32 at = sequence + i - s->irs - 1;

		if ((__s32)(sequence + i - s->rcv_nxt) < 0 || at >= STREAM || (s->has[at] && !k->last_wins))
			continue;
		s->stream[at] = bytes[i];
		s->has[at] = 1;
	}
	while (s->rcv_nxt - s->irs - 1 < STREAM && s->has[s->rcv_nxt - s->irs - 1])
		s->rcv_nxt++;
}

/* A segment of the client's that has an acknowledgement, at an established socket. False: it was dropped. */
static inline int take_segment(struct server *s, const struct stack *k, __u32 sequence, __u32 acknowledged, __u8 flags, __u16 urgent, __u32 window,
			       const __u8 *bytes, __u32 size)
{
	if (flags & 4) {
		if (sequence == s->rcv_nxt)
			s->state = LISTENING;
		return 0;
	}
	if (flags & 2 || !(flags & 16) || (__s32)(acknowledged - s->snd_nxt) > 0)
		return 0;
	if ((__s32)(acknowledged - s->snd_una) < 0 && (!k->old_acks || s->snd_una - acknowledged > 65535))
		return 0;
	if ((__s32)(sequence + size - s->rcv_nxt) < 0 || (__s32)(sequence - s->rcv_nxt) >= STREAM)
		return 0;
	if ((__s32)(acknowledged - s->snd_una) >= 0) {
		s->snd_una = acknowledged;
		s->window = window;
	}
	if (flags & 32)
		take_urgent(s, sequence, urgent);
	take_data(s, k, sequence, bytes, size);
	if (flags & 1 && sequence + size == s->rcv_nxt)
		s->finished = 1;
	return 1;
}
#endif
