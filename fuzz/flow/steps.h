/* SPDX-License-Identifier: Apache-2.0 */
/* The program that an input is: its header, and what each step does. */
#ifndef STEPS_H
#define STEPS_H

enum step {
	STEP_OPEN, STEP_WHOLE, STEP_PART, STEP_ACK, STEP_SYN, STEP_END, STEP_TIME, STEP_APPLICATION, STEP_WINDOW, STEP_SHIFT, STEP_PUSH_OUT, STEP_ORDER,
	STEP_FRAGMENTS, STEP_SHUT, STEP_AGAIN, STEP_DECOY,
	STEP_HONEST_OPEN, STEP_HONEST_WHOLE, STEP_HONEST_PART, STEP_HONEST_ACK, STEP_HONEST_END, STEP_BLIND, STEP_COUNT,
};

/* How an honest client's stream is made up. */
static int has_early_data, has_preamble, in_records;

static void begin(void)
{
	__u8 a = take(), b = take();

	stack = (struct stack){
		.last_wins = a & 1, .old_acks = a >> 1 & 1, .fast_open = a >> 2 & 1, .cookies = a >> 3 & 1, .lags = a >> 4 & 1, .proxy = a >> 5 & 1,
		.connect = a >> 6 & 1, .retry = a >> 7, .forwarded = b & 1, .routed = (b & 3) == 3,
	};
	limit = b & 4 ? 3 : 1;
	weir_engine_use(engine, &policies[b >> 3 & 1]);
	for (__u32 i = 0; i < 64; i++)
		*weir_config_rule(&engine->config, i) =
			(struct weir_rule){ .for_ns = 2 * WEIR_SECOND, .per_second = i == WEIR_UNSEEN_ANSWER ? 20 : (__u8)limit, .answer = b >> 4 & 1 };
	has_early_data = b >> 5 & 1;
	has_preamble = stack.proxy && b >> 6 & 1;
	in_records = b >> 7;
	now = 1000 * WEIR_SECOND;
	answer_count = 0;
	was_pushed_out = 0;
	memset(clients, 0, sizeof(clients));
	for (__u16 i = 0; i < ATTACKERS + HONEST; i++) {
		clients[i].source = i >= ATTACKERS;
		clients[i].is_honest = i >= ATTACKERS;
		clients[i].port = 40000 + i;
		clients[i].window = 65535;
		for (int j = 0; j < 2; j++)
			clients[i].numbers[j] = (struct numbers){ .isn = 0x20000000u + i * 0x01000000u };
	}
}

/* The acknowledgements that a client may send. */
static __u32 acknowledgement(const struct client *c, const struct numbers *n, __u8 kind)
{
	switch (kind & 7) {
	case 1: return n->iss + 1;
	case 2: return n->iss;
	case 3: return c->server.snd_nxt + 1000;
	case 4: return c->server.snd_nxt;
	case 5: return n->iss - 4000;
	default: return c->seen && n == &c->numbers[0] ? c->seen : n->iss + 1;
	}
}

/* Distances that matter. */
static __u32 distance(const struct client *c, __u8 which, __u8 byte)
{
	switch (which & 15) {
	case 0: return 0;
	case 1: return byte;
	case 2: return 0u - byte;
	case 3: return c->cursor;
	case 4: return c->server.rcv_nxt - c->server.irs - 1;
	case 5: return c->server.queued;
	case 6: return HELLO;
	case 7: return HELLO + byte;
	case 8: return NESTED + byte;
	case 9: return 41;
	case 10: return MOST;
	case 11: return 0u - MOST;
	case 12: return 70000 + byte;
	case 13: return 20000;
	case 14: return NESTED;
	default: return 3;
	}
}

/* A text's part at an offset; the control byte says what is wrong with it. */
struct part {
	__u8 text, from, size, place, byte, control, urgent;
};

static void send_part(struct client *c, const struct part *p)
{
	const struct numbers *n = &c->numbers[p->control >> 6 & 1];
	struct text text;
	__u8 bytes[32 + TEXT_MAX] = {}, flags = ACK;
	__u32 from, size, at, early = 0;

	write_text(&text, p->text % TEXT_KINDS, c->port * 64u);
	from = p->from < text.size ? p->from : 0;
	size = p->size && p->size < text.size - from ? p->size : text.size - from;
	at = from + distance(c, p->place, p->byte);
	if (p->control >> 7)
		flags = p->urgent >> 5 == 1 ? ACK | FIN : p->urgent >> 5 == 2 ? ACK | RST : p->urgent >> 5 == 3 ? 0 : ACK | URG;
	else
		early = p->urgent & 31;		/* bytes of nothing before it */
	memcpy(bytes + early, text.bytes + from, size);
	client_frame(c, n->isn + 1 + at - early, acknowledgement(c, n, p->control >> 1), flags, p->urgent & 31, bytes, early + size, !(p->control & 1), 0);
	c->cursor = at + size;
}

static void send_fragments(struct client *c, const struct part *p)
{
	const struct numbers *n = &c->numbers[p->control >> 6 & 1];
	struct text text;
	__u32 at = distance(c, p->place, p->byte);

	write_text(&text, p->text % TEXT_KINDS, c->port * 64u);
	fragments(c, n->isn + 1 + at, acknowledgement(c, n, p->control >> 1), text.bytes, text.size, !(p->control & 1), p->control >> 7, p->from);
	c->cursor = at + text.size;
}

static void open_client(struct client *c)
{
	client_frame(c, c->numbers[0].isn, 0, SYN, 0, 0, 0, 1, 0);
	client_frame(c, c->numbers[0].isn + 1, c->numbers[0].iss + 1, ACK, 0, 0, 0, 1, 0);
	c->cursor = 0;
}

static void send_ack(struct client *c, __u8 control)
{
	const struct numbers *n = &c->numbers[control >> 6 & 1];

	client_frame(c, n->isn + 1 + (control & 32 ? c->cursor : 0), acknowledgement(c, n, control >> 1), ACK, 0, 0, 0, !(control & 1), 0);
}

/* A SYN whose number lies at a distance from the other pair's. */
static void send_syn(struct client *c, __u8 control, __u8 which, __u8 byte, __u8 data)
{
	struct numbers *n = &c->numbers[control >> 6 & 1];
	struct text text = { .size = 0 };

	n->isn = c->numbers[~control >> 6 & 1].isn + distance(c, which, byte);
	if (data)
		write_text(&text, data % TEXT_KINDS, c->port * 64u);
	if (control & 2 && text.size > 60)
		text.size = 60;
	client_frame(c, n->isn, 0, control & 4 ? SYN | URG : SYN, 0, text.bytes, text.size, !(control & 1), control >> 4 & 3);
}

static void send_end(struct client *c, __u8 control, __u8 which, __u8 byte)
{
	const struct numbers *n = &c->numbers[control >> 6 & 1];
	__u32 at = which & 16 ? c->server.rcv_nxt : n->isn + 1 + distance(c, which, byte);

	client_frame(c, at, acknowledgement(c, n, control >> 1), control >> 7 ? ACK | FIN : control >> 5 & 1 ? RST : ACK | RST, 0, 0, 0, !(control & 1), 0);
}

/* A server whose client has said that it is through closes as well, and its socket is gone. */
static void shut(struct client *c)
{
	struct server *s = &c->server;

	if (s->state != ESTABLISHED || (!s->finished && !s->over) || s->snd_nxt != s->iss + 1 + s->queued)
		return;
	server_frame(c, s->snd_nxt, s->rcv_nxt, ACK | FIN, 0, 0);
	s->state = LISTENING;
}

static void send_again(struct client *c)
{
	if (c->server.state == SYN_RECEIVED)
		syn_ack(c, c->server.iss, c->server.rcv_nxt);
	if (c->server.state != LISTENING && c->server.snd_una != c->server.snd_nxt)
		send_from(c, c->server.snd_una);
}

static void pass_time(__u8 which)
{
	static const __u32 steps[] = { 1, 20, 300, 999, 1000, 1001, 2500, 11000 };

	now += steps[which & 7] * 1000000ULL;
	weir_engine_sweep(engine, now, 0);
	weir_engine_forget(engine);
	for (int i = 0; i < ATTACKERS + HONEST; i++) {
		if (stack.lags && which & 8)
			run_application(&clients[i]);
		if (which & 16)
			send_again(&clients[i]);
	}
}

/* What user space does with the attacker's limit. */
static void order(__u8 which)
{
	struct weir_limit_order o = { .key = { .address = { [10] = 0xff, 0xff, 203, 0, 113, 10 }, .length = 128 }, .what = which % 3 + 1 };
	struct weir_limit_key key = o.key;

	if (o.what == WEIR_ORDER_END)
		weir_engine_release(engine, &key);
	else
		weir_engine_tidy(engine, &key, o.what);
}

#include "honest.h"

static void push_out(void)
{
	weir_engine_push_out(engine);
	was_pushed_out = 1;
	for (int i = 0; i < ATTACKERS + HONEST; i++) {
		clients[i].server.was_pushed_out = 1;
		clients[i].is_known = 0;
	}
}

static void step(void)
{
	__u8 code = take(), what = (code & 31) % STEP_COUNT, whose = code >> 5, a[7] = {};
	static const __u8 arguments[STEP_COUNT] = {
		[STEP_WHOLE] = 2, [STEP_PART] = 7, [STEP_ACK] = 1, [STEP_SYN] = 4, [STEP_END] = 3, [STEP_TIME] = 1, [STEP_WINDOW] = 1, [STEP_SHIFT] = 3,
		[STEP_ORDER] = 1, [STEP_FRAGMENTS] = 6, [STEP_DECOY] = 1, [STEP_HONEST_WHOLE] = 1, [STEP_HONEST_PART] = 3, [STEP_HONEST_ACK] = 1, [STEP_BLIND] = 4,
	};
	static const __u32 windows[] = { 0, 1, 3, 7, 11, 43, 97, 65535 };

	for (int i = 0; i < arguments[what]; i++)
		a[i] = take();
	if (is_loud)
		fprintf(stderr, "step %d of %d\n", what, whose);
	now += 20000;
	if (what == STEP_TIME)
		pass_time(a[0]);
	else if (what == STEP_PUSH_OUT)
		push_out();
	else if (what == STEP_ORDER)
		order(a[0]);
	if (what >= STEP_HONEST_OPEN) {
		honest_step(what, a);
		return;
	}
	for (int i = 0; i < ATTACKERS; i++) {
		struct client *c = &clients[i];
		struct part whole = { .text = a[0], .control = a[1] }, decoy = { .text = a[0], .control = 1 };
		struct part part = { a[0], a[1], a[2], a[3], a[4], a[5], a[6] };

		/* All, the even ones, the odd ones, one alone, all but it. */
		if ((whose & 1 && i & 1) || (whose & 2 && !(i & 1)) || ((whose & 7) == 4 && i) || ((whose & 7) == 7 && !i))
			continue;
		now += 20000;
		switch (what) {
		case STEP_OPEN: open_client(c); break;
		case STEP_WHOLE: send_part(c, &whole); break;
		case STEP_DECOY: send_part(c, &decoy); break;
		case STEP_PART: send_part(c, &part); break;
		case STEP_FRAGMENTS: send_fragments(c, &part); break;
		case STEP_ACK:
			send_ack(c, a[0]);
			break;
		case STEP_SYN: send_syn(c, a[0], a[1], a[2], a[3]); break;
		case STEP_END: send_end(c, a[0], a[1], a[2]); break;
		case STEP_APPLICATION: run_application(c); break;
		case STEP_WINDOW: c->window = windows[a[0] & 7]; break;
		case STEP_SHIFT: {
			struct numbers *n = &c->numbers[a[0] >> 6 & 1], *other = &c->numbers[~a[0] >> 6 & 1];
			__u32 by = distance(c, a[1], a[2]);

			*n = (struct numbers){ other->isn + by, other->iss + by };
			break;
		}
		case STEP_SHUT: shut(c); break;
		case STEP_AGAIN: send_again(c); break;
		}
	}
}
#endif
