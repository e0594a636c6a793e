/* SPDX-License-Identifier: Apache-2.0 */
/* Frames between a client and its server, each past Weir at every interface that it passes. */
#ifndef FLOW_WIRE_H
#define FLOW_WIRE_H

static __u8 frame[54 + 2 * TEXT_MAX];

static __u32 write_frame(const struct client *c, int from_client, __u32 sequence, __u32 acknowledged, __u8 flags, __u16 urgent, const __u8 *payload, __u32 size)
{
	const __u8 start[] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [26] = 203, 0, 113, (__u8)(10 + c->source), 198, 51, 100, 2,
			       [34] = (__u8)(c->port >> 8), (__u8)c->port, 1, 187 };

	memcpy(frame, start, sizeof(start));
	if (!from_client) {
		memcpy(frame + 26, start + 30, 4);
		memcpy(frame + 30, start + 26, 4);
		memcpy(frame + 34, start + 36, 2);
		memcpy(frame + 36, start + 34, 2);
	}
	frame[16] = (__u8)((40 + size) >> 8);
	frame[17] = (__u8)(40 + size);
	for (int i = 0; i < 4; i++) {
		frame[38 + i] = (__u8)(sequence >> (24 - 8 * i));
		frame[42 + i] = (__u8)(acknowledged >> (24 - 8 * i));
	}
	frame[46] = 0x50;
	frame[47] = flags;
	memset(frame + 48, 0, 6);
	frame[52] = (__u8)(urgent >> 8);
	frame[53] = (__u8)urgent;
	if (size)
		memcpy(frame + 54, payload, size);
	return 54 + size;
}

static enum weir_order at_hook(__u32 size, enum weir_hook hook, __u32 ifindex, enum weir_frame_socket socket)
{
	struct weir_frame f = { .engine = engine, .bytes = frame, .size = size, .wire_size = size, .now = now, .ifindex = ifindex, .socket = (__u8)socket };
	enum weir_order order = weir_engine_at(&f, hook, 1);

	weir_engine_forget(engine);
	return order;
}

static int passes(enum weir_order order)
{
	return order == WEIR_PASS || order == WEIR_DO_SINGLE_PATH;
}

/* A frame on its way to the server, or back. What the programs at each interface have to do with it. */
static enum weir_order on_the_way(__u32 size, int from_client, enum weir_frame_socket socket)
{
	enum weir_order order;

	if (!stack.routed)
		return at_hook(size, from_client ? WEIR_HOOK_IN : WEIR_HOOK_OUT, 1, socket);
	order = from_client ? at_hook(size, WEIR_HOOK_IN, 1, socket) : at_hook(size, WEIR_HOOK_IN, 2, socket);
	if (!passes(order))
		return order;
	order = from_client ? at_hook(size, WEIR_HOOK_OUT, 2, socket) : at_hook(size, WEIR_HOOK_OUT, 1, socket);
	return order;
}

static void tell(const char *who, const struct client *c, __u32 sequence, __u32 acknowledged, __u8 flags, __u32 size, enum weir_order order)
{
	if (is_loud)
		fprintf(stderr, "%6llu ms %u %s %s%s%s%s%s seq %d ack %d size %u -> order %d\n", (unsigned long long)(now / 1000000), c->port, who,
			flags & SYN ? "SYN " : "", flags & ACK ? "ACK " : "", flags & RST ? "RST " : "", flags & FIN ? "FIN " : "", flags & URG ? "URG " : "",
			(int)(sequence - c->numbers[0].isn - 1), (int)(acknowledged - c->numbers[0].iss - 1), size, order);
}

/* What a refusal tells the server. */
static void reset_server(struct client *c, enum weir_order order)
{
	if ((order == WEIR_DO_RESET || order == WEIR_DO_RESET_SERVER) && engine->look.sequence == c->server.rcv_nxt)
		c->server.state = LISTENING;
}

static int server_frame(struct client *c, __u32 sequence, __u32 acknowledged, __u8 flags, const __u8 *payload, __u32 size)
{
	enum weir_frame_socket socket = stack.forwarded ? WEIR_FRAME_FORWARDED : c->server.snd_una == c->server.iss + 1 ? WEIR_FRAME_FIRST : WEIR_FRAME_LATER;
	enum weir_order order = on_the_way(write_frame(c, 0, sequence, acknowledged, flags, 0, payload, size), 0, socket);

	tell("<", c, sequence, acknowledged, flags, size, order);
	judged(c, order);
	if (passes(order))
		return 1;
	reset_server(c, order);
	return 0;
}

/* Sends what the client's window has room for; `from` is where to begin. */
static void send_from(struct client *c, __u32 from)
{
	struct server *s = &c->server;
	__u32 end = s->iss + 1 + s->queued;

	while (s->state != LISTENING && (__s32)(end - from) > 0 && (__s32)(s->snd_una + s->window - from) > 0) {
		__u32 size = s->snd_una + s->window - from, at = from - s->iss - 1;
		__u32 ours = s->iss;

		if (size > end - from)
			size = end - from;
		if (size > 536)
			size = 536;
		if (server_frame(c, from, s->rcv_nxt, ACK, s->queue + at, size)) {
			for (__u32 i = 0; i < s->turn_count; i++)
				if (!s->turns[i].has_left && s->turns[i].at >= at && s->turns[i].at < at + size) {
					s->turns[i].has_left = 1;
					answered(c, &s->turns[i], s->turns[i].at - at, size - (s->turns[i].at - at));
				}
			if ((__s32)(from - c->seen) <= 0 && (__s32)(from + size - c->seen) > 0)
				c->seen = from + size;
			c->acknowledged = s->rcv_nxt - s->irs - 1;
		}
		if (s->state == LISTENING || s->iss != ours)
			return;
		from += size;
		if ((__s32)(from - s->snd_nxt) > 0)
			s->snd_nxt = from;
	}
}

static void run_application(struct client *c)
{
	application(&c->server, &stack, c->port);
	send_from(c, c->server.snd_nxt);
}

static void syn_ack(struct client *c, __u32 iss, __u32 acknowledged)
{
	if (!server_frame(c, iss, acknowledged, SYN | ACK, 0, 0))
		return;
	for (int i = 0; i < 2; i++)
		if (acknowledged - c->numbers[i].isn - 1 <= TEXT_MAX)
			c->numbers[i].iss = iss;
	c->seen = iss + 1;
	c->is_known = 1;
}

/* What the kernel gives for a tuple and a client's number: linear in the number, as secure_tcp_syn_cookie is. */
static __u32 cookie(const struct client *c, __u32 isn, __u32 variant)
{
	return 0x5eed0000u + c->port * 0x9e3779u + isn + (variant & 3);
}

/* A client's segment reaches the server's stack. */
static void arrive(struct client *c, __u32 sequence, __u32 acknowledged, __u8 flags, __u16 urgent, const __u8 *payload, __u32 size, __u32 variant)
{
	struct server *s = &c->server;

	if (s->state == LISTENING) {
		if ((flags & (SYN | ACK | RST | FIN)) == SYN) {
			if (stack.cookies && !(stack.fast_open && size)) {
				syn_ack(c, cookie(c, sequence, variant), sequence + 1);
				return;
			}
			open_socket(s, sequence, cookie(c, sequence * 2654435761u, 0), SYN_RECEIVED);
			if (stack.fast_open && size)
				take_data(s, &stack, sequence + 1, payload, size);
			syn_ack(c, s->iss, s->rcv_nxt);
			if (stack.fast_open && size && !stack.lags)
				run_application(c);
			return;
		}
		if (!stack.cookies || (flags & (SYN | ACK | RST)) != ACK || acknowledged - 1 - cookie(c, sequence - 1, 0) > 3)
			return;
		open_socket(s, sequence - 1, acknowledged - 1, ESTABLISHED);
		s->was_pushed_out = !c->is_known;
		s->is_shifted = acknowledged - 1 != cookie(c, sequence - 1, 0);
	}
	if (s->state == SYN_RECEIVED) {
		if (flags & SYN && sequence == s->irs) {
			syn_ack(c, s->iss, s->rcv_nxt);
			return;
		}
		if (flags & RST && sequence == s->rcv_nxt) {
			s->state = LISTENING;
			return;
		}
		/* Its end lies in the window, or it is empty and at its start (tcp_check_req). */
		if (flags & (SYN | RST) || !(flags & ACK) || acknowledged - s->iss - 1 > s->snd_nxt - s->iss - 1 || sequence - s->rcv_nxt + TEXT_MAX > STREAM ||
		    (sequence != s->rcv_nxt && (__s32)(sequence + size - s->rcv_nxt) <= 0))
			return;
		s->state = ESTABLISHED;
	}
	if (s->state == ESTABLISHED && take_segment(s, &stack, sequence, acknowledged, flags, urgent, c->window, payload, size)) {
		if (!stack.lags)
			application(s, &stack, c->port);
		send_from(c, s->snd_nxt);
	}
}

/* A client's segment: past Weir, and to the server if that is to see it. */
static void client_frame(struct client *c, __u32 sequence, __u32 acknowledged, __u8 flags, __u16 urgent, const __u8 *payload, __u32 size, int is_seen, __u32 variant)
{
	enum weir_order order = on_the_way(write_frame(c, 1, sequence, acknowledged, flags, urgent, payload, size), 1, WEIR_FRAME_FORWARDED);

	tell(is_seen ? ">" : "x", c, sequence, acknowledged, flags, size, order);
	judged(c, order);
	if (passes(order)) {
		if (is_seen)
			arrive(c, sequence, acknowledged, flags, urgent, payload, size, variant);
	} else {
		reset_server(c, order);
	}
}

/* The same in two IP fragments, in either order; the server sees the datagram when both have come. */
static void fragments(struct client *c, __u32 sequence, __u32 acknowledged, const __u8 *payload, __u32 size, int is_seen, int is_turned, __u32 cut)
{
	static __u16 id;
	__u8 whole[54 + TEXT_MAX];
	__u32 total = write_frame(c, 1, sequence, acknowledged, ACK, 0, payload, size), first = 24 + (cut & 31) * 8;
	int passed = 1;

	id++;
	if (34 + first >= total) {
		client_frame(c, sequence, acknowledged, ACK, 0, payload, size, is_seen, 0);
		return;
	}
	memcpy(whole, frame, total);
	for (int i = 0; i < 2; i++) {
		int is_later = i ^ is_turned;
		__u32 from = is_later ? first : 0, n = is_later ? total - 34 - first : first;
		enum weir_order order;

		memcpy(frame, whole, 34);
		memcpy(frame + 34, whole + 34 + from, n);
		frame[16] = (__u8)((20 + n) >> 8);
		frame[17] = (__u8)(20 + n);
		frame[18] = (__u8)(id >> 8);
		frame[19] = (__u8)id;
		frame[20] = is_later ? (__u8)(from / 8 >> 8) : 0x20;
		frame[21] = (__u8)(from / 8);
		order = on_the_way(34 + n, 1, WEIR_FRAME_FORWARDED);
		tell(is_later ? "later" : "first", c, sequence, acknowledged, ACK, n, order);
		passed &= passes(order);
		if (!passes(order))
			reset_server(c, order);
	}
	if (passed && is_seen)
		arrive(c, sequence, acknowledged, ACK, 0, payload, size, 0);
}
#endif
