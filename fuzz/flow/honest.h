/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Honest clients: one stream of bytes each, with a name, in whatever pieces, order and number; and those who send in their name without
 * having heard their server. A client gives no more holes than its stack would make of one window.
 */
#ifndef HONEST_H
#define HONEST_H

#define HOLES 6
#define PATIENCE (9 * WEIR_SECOND)	/* what pauses longer is given up, by design (hello_timeout_ns) */

static void append(struct client *c, enum text_kind kind, __u32 number)
{
	struct text text;

	write_text(&text, kind, number);
	put_all(&c->stream, text.bytes, text.size);
}

static void honest_open(struct client *c)
{
	if (c->is_open)
		return;
	c->is_open = 1;
	c->stream.size = 0;
	if (has_preamble)
		append(c, TEXT_PROXY2, 0);
	append(c, in_records ? TEXT_NAMED_RECORDS : TEXT_NAMED, c->port * 64u);
	if (has_early_data && !stack.retry)
		append(c, TEXT_DATA_RECORD, 0);
	c->began = now;
	open_client(c);
}

/* After a HelloRetryRequest: the second hello, behind what a middlebox wants to see. */
static void honest_retry(struct client *c)
{
	if (!stack.retry || c->has_retried || !c->server.hellos || c->seen != c->server.iss + 1 + c->server.queued)
		return;
	c->has_retried = 1;
	c->front = c->stream.size;
	append(c, TEXT_CIPHER_CHANGE, 0);
	append(c, TEXT_NAMED, c->port * 64u);
}

static void honest_send(struct client *c, __u32 from, __u32 size, int is_lost)
{
	if (!c->is_open || now - c->began > PATIENCE || from >= c->stream.size)
		return;
	if (!size || size > c->stream.size - from)
		size = c->stream.size - from;
	/* What the server has acknowledged is not sent again with anything new. */
	if (from < c->acknowledged && from + size > c->acknowledged)
		return;
	/* A balancer writes its header at once. */
	if (has_preamble && from < NESTED) {
		size += from;
		from = 0;
		if (size < NESTED)
			size = NESTED;
	}
	/* What is lost on the way, but after Weir, is sent again; what is never sent nobody waits for. */
	if (from > c->front && ++c->ahead > HOLES)
		return;
	if (from <= c->front && from + size > c->front) {
		c->front = from + size;
		c->ahead = 0;
	}
	client_frame(c, c->numbers[0].isn + 1 + from, c->seen, ACK, 0, c->stream.bytes + from, size, !is_lost, 0);
}

/* Somebody who knows addresses and ports sends in a client's name: its numbers are far off. */
static void blind(struct client *c, const __u8 *a)
{
	struct text text;
	__u32 sequence = c->numbers[0].isn + 0x40000000u + a[0] * 0x00400000u, acknowledged = c->numbers[0].iss + 0x30000000u + a[1] * 0x00500000u;

	write_text(&text, a[2] % TEXT_KINDS, a[2]);
	if (a[3] & 8)
		text.size = 0;
	client_frame(c, sequence, acknowledged, a[3] & 1 ? RST : a[3] & 2 ? ACK | FIN : a[3] & 4 ? ACK | URG : ACK, 1, text.bytes, text.size, 1, 0);
}

static void honest_step(__u8 what, const __u8 *a)
{
	for (int i = ATTACKERS; i < ATTACKERS + HONEST; i++) {
		struct client *c = &clients[i];

		now += 20000;
		switch (what) {
		case STEP_HONEST_OPEN: honest_open(c); break;
		case STEP_HONEST_WHOLE:
			honest_retry(c);
			honest_send(c, 0, 0, a[0] & 1);
			break;
		case STEP_HONEST_PART:
			honest_retry(c);
			honest_send(c, a[0], a[1], a[2] & 1);
			break;
		case STEP_HONEST_ACK:
			honest_retry(c);
			/* A keep-alive of one byte, before anything was said. */
			if (c->is_open && a[0] & 2 && !c->front)
				client_frame(c, c->numbers[0].isn, c->seen, ACK, 0, (const __u8 *)"", 1, 1, 0);
			else if (c->is_open)
				client_frame(c, c->numbers[0].isn + 1 + c->front, c->seen, ACK, 0, 0, 0, !(a[0] & 1), 0);
			break;
		case STEP_HONEST_END:
			if (c->is_open && c->front == c->stream.size)
				client_frame(c, c->numbers[0].isn + 1 + c->front, c->seen, ACK | FIN, 0, 0, 0, 1, 0);
			break;
		case STEP_BLIND: blind(c, a); break;
		}
	}
}
#endif
