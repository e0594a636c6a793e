/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The gate at the answer. The server's own stack is the judge of what it accepted; what it answers is counted here. An
 * answer leaves if its connection is clean, or if its source's window for answers has room. Nothing that a client does
 * on the way in can win it more than an answer that is counted.
 */
#ifndef WEIR_GATE_H
#define WEIR_GATE_H

#include <weir/fragments.h>
#include <weir/judge.h>

#define WEIR_ANSWER_LEAST 7		/* an alert's bytes; as many of a ServerHello are nothing else's */
#define WEIR_ANSWER_START 11		/* where a ServerHello's random begins */
#define WEIR_RANDOM_END 43		/* and behind its random */
#define WEIR_URGENT_REACH (1u << 17)	/* an urgent pointer has 16 bits, and a hello that is held is shorter still */
#define WEIR_QUIET_NS (WEIR_SECOND / 10) /* a refused side that says the same again meanwhile is told nothing */

#define WEIR_ENCRYPTED_LEAST 18		/* bytes of an encrypted alert: a tag of 16 at least. One in plain text has two */

/*
 * Could the first `n` of these bytes begin a TLS turn of a server's: a ServerHello, or an alert (RFC 8446 section 5.1), or an
 * SSLv2 SERVER-HELLO? Of a shorter segment, as a client with a window of one byte gets it, as much as there is has to fit.
 * An encrypted alert answers no hello: a ServerHello was before it.
 */
WEIR_INLINE int weir_is_answer(const __u8 *b, __u32 n)
{
	if (b[0] == 21)
		return (n < 2 || b[1] == 3) && (n < 3 || b[2] <= 4) && (n < 4 || !b[3]) && (n < 5 || (b[4] >= 2 && b[4] < WEIR_ENCRYPTED_LEAST));
	if (b[0] == 22)
		return (n < 2 || b[1] == 3) && (n < 3 || b[2] <= 4) && (n < 4 || b[3] <= 0x48) && (n < 6 || b[5] == 2) && (n < 7 || !b[6]) &&
		       (n < 10 || b[9] == 3) && (n < 11 || b[10] <= 4);
	return b[0] & 0x80 && (n < 3 || b[2] == 4) && (n < 4 || b[3] <= 1) && (n < 5 || b[4] <= 3) && (n < 6 || !b[5]) && (n < 7 || b[6] == 2);
}

/* SHA-256("HelloRetryRequest"), the random of one (RFC 8446 section 4.1.3), as two words of it. */
WEIR_INLINE int weir_is_retry(const __u8 *random)
{
	return WEIR_BE32(random) == 0xcf21ad74 && WEIR_BE32(random + 4) == 0xe59a6111 && WEIR_BE32(random + 24) == 0x079e09e2 && WEIR_BE32(random + 28) == 0xc8a8339c;
}

/* What the flow did, in a record of its own. */
WEIR_INLINE void weir_begin_flow(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, const struct weir_flow *flow, __u64 anomalies)
{
	weir_begin_here(frame, l, s, flow);
	s->record.kind = WEIR_KIND_FLOW;
	s->record.anomalies = anomalies;
}

/* What the limiter's verdict means for the frame and its flow. */
WEIR_INLINE void weir_obey(weir_frame *frame, struct weir_look *l, const struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	if (!enforcing || (s->record.action != WEIR_RESET && s->record.action != WEIR_DROPPED))
		return;
	l->order = s->record.action == WEIR_RESET ? WEIR_DO_RESET : WEIR_DO_RESET_SERVER;
	if (s->record.action == WEIR_DROPPED)
		flow->gate_bits |= WEIR_GATE_QUIET;
	if (l->segment.fragment)		/* it cannot become a RST: the rest of its datagram would follow */
		l->order = WEIR_DO_DROP;
	flow->state = WEIR_FLOW_DONE;
	flow->gate = WEIR_GATE_REFUSED;
	flow->first_ns = l->now;
	flow->turn = s->is_answer ? l->segment.acknowledged : l->sequence;
	flow->next = l->client_expects;
}

/* A frame of a refused connection. Both sides were told; whoever goes on is told again, though not for each frame. */
WEIR_INLINE void weir_refuse_again(weir_frame *frame, struct weir_look *l, struct weir_flow *flow, int from_client)
{
	__u32 *last = from_client ? &flow->next : &flow->turn, said = l->segment.acknowledged;

	weir_count(frame, WEIR_COUNT_REFUSED_AGAIN);
	l->now = weir_now(frame);
	l->order = WEIR_DO_DROP;
	if ((*last == said && l->now - flow->first_ns < WEIR_QUIET_NS) || (from_client && flow->gate_bits & WEIR_GATE_QUIET) || l->segment.fragment)
		return;
	*last = said;
	flow->first_ns = l->now;
	if (from_client) {
		l->client_expects = said;
		l->order = WEIR_DO_RESET_CLIENT;
	} else {
		/* If a RST missed, since the client's bytes went on, this acknowledgement says which number does not. */
		l->sequence = said;
		l->client_expects = l->segment.sequence;
		l->order = flow->gate_bits & WEIR_GATE_QUIET ? WEIR_DO_RESET_SERVER : WEIR_DO_RESET;
	}
}

/* The hello's bytes are of no more use. */
WEIR_INLINE void weir_release_kept(weir_frame *frame, struct weir_flow *flow)
{
	struct weir_assembly *a = weir_assembly_at(frame, flow->kept);

	if (flow->kept && a && a->id == flow->kept)
		a->id = 0;
	flow->kept = 0;
}

/* The answer has left. Unless it can only have been a ServerHello, a second hello may follow: it is expected where this one ended. */
WEIR_ONCE int weir_settled(weir_frame *frame, struct weir_look *l, struct weir_flow *flow, __u32 n)
{
	const __u8 *first;
	__u32 size;
	int second;

	WEIR_USED(frame);
	if (!l || !flow)
		return 0;
	first = l->first;
	second = flow->gate_bits & WEIR_GATE_RETRY;
	weir_release_kept(frame, flow);
	flow->reopened = flow->held = 0;
	if (first[0] != 22 || (n >= WEIR_RANDOM_END && !weir_is_retry(first + WEIR_ANSWER_START)) || (second && n >= WEIR_RANDOM_END)) {
		flow->gate = WEIR_GATE_SETTLED;
		return 0;
	}
	/* A second hello cleans no connection that was not clean. */
	if (flow->gate != WEIR_GATE_CLEAN)
		flow->gate_bits |= WEIR_GATE_SPOILT;
	flow->base = flow->gate == WEIR_GATE_CLEAN ? flow->hello_end : l->segment.acknowledged;
	flow->gate = WEIR_GATE_ARMED;
	flow->gate_bits |= WEIR_GATE_RETRY;
	/* A HelloRetryRequest in a record of its own, and what middleboxes want to see behind it (RFC 8446 appendix D.4), or nothing. */
	size = 5 + ((__u32)first[3] << 8 | first[4]);
	flow->split = n < WEIR_RANDOM_END || (l->segment.payload_size != size && l->segment.payload_size != size + 6);
	flow->state = WEIR_FLOW_EXPECTING;
	flow->judged_size = 0;
	flow->bits &= ~WEIR_BITS_OF_RECORDS;
	return 0;
}

/*
 * The server's next bytes on a connection whose answer has not left. A turn that speaks no TLS (a banner, HTTP, CONNECT's 200) is
 * free and leaves the gate armed: the client cannot choose what the server says.
 */
WEIR_INLINE int weir_answer_as(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow, int enforcing)
{
	__u32 size, at, old, n;
	int begins, in_order, is_answer;

	size = l->segment.payload_size;
	at = l->segment.payload_at;
	old = flow->server_next - l->segment.sequence;	/* bytes that have left before */
	begins = l->segment.acknowledged != flow->turn || flow->server_next == flow->server_isn + 1 || flow->reopened;
	/* Numbers before the server's first are another connection's: one tuple may have several SYN cookies. */
	in_order = old <= flow->server_next - flow->server_isn - 1 && !flow->reopened;
	if (!in_order)
		old = 0;			/* something was not seen: it begins here, as far as anybody knows */
	if (old >= size)
		return 0;
	at += old;
	size -= old;
	n = size < WEIR_RANDOM_END ? size : WEIR_RANDOM_END;
	__builtin_memset(l->first, 0, sizeof(l->first));
	if (weir_bytes(frame, at, l->first, n, WEIR_RANDOM_END))
		l->first[0] = 22;		/* what cannot be read is no less an answer */
	/* Within a turn a ServerHello is told by all that tells it; bytes that look like its first alone are in every cipher's. */
	is_answer = weir_is_answer(l->first, n) && (begins || n >= WEIR_ANSWER_LEAST);
	if (!is_answer && (flow->held || (flow->split && flow->gate_bits & WEIR_GATE_RETRY && begins))) {
		/*
		 * A client may acknowledge what it never got: then the server goes on in the middle of what was held. And behind the rest of a first
		 * answer that a small window has cut there may be the second.
		 */
		l->first[0] = 22;
		n = 1;
	} else if (!is_answer) {
		flow->turn = l->segment.acknowledged;
		if (in_order)			/* else what is missing is an answer, maybe, and comes again */
			flow->server_next = l->segment.sequence + l->segment.payload_size;
		return 0;
	}
	if (enforcing && !flow->proof && flow->gate != WEIR_GATE_CLEAN && flow->gate_bits & WEIR_GATE_FAST_OPEN) {
		/* Sent again, it comes when the client has been heard: then it counts for the source, which may be forged until then. */
		weir_count(frame, WEIR_COUNT_ANSWERS_HELD);
		flow->held = 1;
		l->order = WEIR_DO_DROP;
		return 0;
	}
	flow->server_next = l->segment.sequence + l->segment.payload_size;
	flow->turn = l->segment.acknowledged;
	l->now = weir_now(frame);
	/* It answers less than what was judged, or has other numbers than the server has begun with: something else. */
	if (flow->gate == WEIR_GATE_CLEAN && (!in_order || (__s32)(l->segment.acknowledged - flow->hello_end) < 0))
		flow->gate = WEIR_GATE_ARMED;
	/* A second hello that did not wait for the first's answer: both answers may be in these bytes. */
	if (flow->gate == WEIR_GATE_CLEAN && flow->gate_bits & WEIR_GATE_AHEAD && (l->first[0] != 22 || n < WEIR_RANDOM_END || weir_is_retry(l->first + WEIR_ANSWER_START)))
		flow->gate = WEIR_GATE_ARMED;
	if (flow->gate == WEIR_GATE_CLEAN && flow->gate_bits & WEIR_GATE_FRAGMENTED && weir_is_unplaced(frame, l, l->now))
		flow->gate = WEIR_GATE_ARMED;
	if (flow->gate == WEIR_GATE_CLEAN) {
		weir_count(frame, WEIR_COUNT_ANSWERS);
	} else if (!flow->answered_ns || l->now - flow->answered_ns >= WEIR_SECOND) {
		weir_begin_flow(frame, l, s, flow, 1ULL << (flow->gate == WEIR_GATE_ANOMALOUS ? flow->rule & 63 : WEIR_UNJUDGED_HELLO));
		s->record.notes = WEIR_NOTE_ANSWER;
		/* Without Fast Open no server speaks before its client has been heard, though it was not heard here: the same window counts it. */
		s->is_answer = flow->proof || !(flow->gate_bits & WEIR_GATE_FAST_OPEN) ? WEIR_ANSWER_PROVEN : WEIR_ANSWER_UNPROVEN;
		s->is_told = flow->gate == WEIR_GATE_ANOMALOUS;
		s->is_vouched |= weir_first_of_socket(frame) >= 0;	/* SYN cookies are sent without one */
		l->sequence = l->segment.acknowledged;
		l->client_expects = l->segment.sequence;
		weir_conclude(frame, l, s, enforcing, 0);
		weir_obey(frame, l, s, flow, enforcing);
		if (flow->gate == WEIR_GATE_REFUSED) {
			weir_count(frame, WEIR_COUNT_ANSWERS_REFUSED);
			weir_release_kept(frame, flow);
			return 0;
		}
		weir_count(frame, WEIR_COUNT_ANSWERS_COUNTED);
		flow->answered_ns = l->now;
	}
	weir_settled(frame, l, flow, n);
	return 0;
}

/* Payload of a server's, of a flow that no table knows: older than we, or pushed out. Where the server is here its socket is the table. */
WEIR_INLINE int weir_unseen_as(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, int enforcing)
{
	struct weir_flow *fresh;
	__u32 n;
	int first;

	n = l->segment.payload_size < WEIR_RANDOM_END ? l->segment.payload_size : WEIR_RANDOM_END;
	__builtin_memset(l->first, 0, sizeof(l->first));
	if (weir_bytes(frame, l->segment.payload_at, l->first, n, WEIR_RANDOM_END) || !weir_is_answer(l->first, n))
		return 0;
	first = weir_first_of_socket(frame);
	/* Of a forwarded one, or of a socket that has spoken before, they may be any cipher's; an alert of another length is encrypted. */
	if (first <= 0 && (n < WEIR_ANSWER_LEAST || (l->first[0] == 21 && l->first[4] != 2)))
		return 0;
	fresh = weir_draft(frame);
	if (!fresh)
		return 0;
	l->now = weir_now(frame);
	weir_count(frame, WEIR_COUNT_ANSWERS_UNSEEN);
	fresh->first_ns = l->now;
	fresh->server_isn = l->segment.sequence - 1;
	fresh->base = l->segment.acknowledged;
	fresh->server_next = l->segment.sequence + l->segment.payload_size;
	fresh->state = WEIR_FLOW_DONE;
	fresh->gate_bits = WEIR_GATE_SEEN_OUT;
	fresh->proof = first >= 0 ? WEIR_SOCKET : WEIR_UNPROVEN;
	fresh->answered_ns = l->now;
	weir_begin_flow(frame, l, s, fresh, 1ULL << (first >= 0 ? WEIR_UNJUDGED_HELLO : WEIR_UNSEEN_ANSWER));
	s->record.notes = WEIR_NOTE_ANSWER;
	s->is_answer = first >= 0 ? WEIR_ANSWER_PROVEN : WEIR_ANSWER_UNSEEN;
	l->sequence = l->segment.acknowledged;
	l->client_expects = l->segment.sequence;
	weir_conclude(frame, l, s, enforcing, 0);
	weir_obey(frame, l, s, fresh, enforcing);
	weir_count(frame, fresh->gate == WEIR_GATE_REFUSED ? WEIR_COUNT_ANSWERS_REFUSED : WEIR_COUNT_ANSWERS_COUNTED);
	if (fresh->gate != WEIR_GATE_REFUSED)
		weir_settled(frame, l, fresh, n);
	if (enforcing || first >= 0)
		WEIR_STORE(frame, flows, WEIR_KEY(&l->segment.flow), fresh, BPF_ANY);
	return 0;
}

/* Twice, so that the verifier looks at what decides only where something is to be decided. */
WEIR_ONCE int weir_answer_observing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	WEIR_USED(frame);
	return l && s && flow ? weir_answer_as(frame, l, s, flow, 0) : 0;
}

WEIR_ONCE int weir_answer_enforcing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	WEIR_USED(frame);
	return l && s && flow ? weir_answer_as(frame, l, s, flow, 1) : 0;
}

WEIR_ONCE int weir_unseen_observing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	WEIR_USED(frame);
	return l && s ? weir_unseen_as(frame, l, s, 0) : 0;
}

WEIR_ONCE int weir_unseen_enforcing(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	WEIR_USED(frame);
	return l && s ? weir_unseen_as(frame, l, s, 1) : 0;
}

/* Are this segment's bytes at the judged hello's numbers those that were kept? 1: they are, all of them. 0: they differ, or nobody knows. */
WEIR_INLINE int weir_same_as_kept(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_assembly *a = weir_assembly_at(frame, flow->kept);
	__u32 from = l->segment.sequence - flow->base, to = from + l->segment.payload_size, skip = 0, end = flow->hello_end - flow->base;

	if (!flow->kept || !a || a->id != flow->kept || !weir_intact(frame, a))
		return 0;
	if (from >= 1u << 31) {			/* it begins early */
		skip = 0u - from;
		from = 0;
	}
	if (to > end)
		to = end;
	a->conflict = 0;
	a->place_at = from;
	a->place_stop = a->place_end = to;
	a->place_from = l->segment.payload_at + skip;
	if (weir_compare_part(frame, a, s) || a->conflict)
		return 0;
	/* After a SYN-ACK was sent again all of it has to come again, from the front. */
	if (from <= a->have && to > a->have)
		a->have = to;
	if (flow->gate == WEIR_GATE_ARMED && !(flow->gate_bits & WEIR_GATE_SPOILT) && a->have >= end)
		flow->gate = WEIR_GATE_CLEAN;
	return 1;
}

/*
 * Payload of a client's before the answer. A segment that shares a number with the judged hello is compared with it,
 * whatever its flags, acknowledgement or checksum: a server's stack takes more than we would, and what it takes in the
 * hello's place is what it answers. Returns 1 when the segment is the judged hello once more, and nothing else.
 */
WEIR_ONCE int weir_guard(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	int overlaps, is_urgent;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return 0;
	if (l->segment.sequence + l->segment.payload_size - flow->hello_end - 1 < WEIR_FOLLOWED_AHEAD)
		flow->gate_bits |= WEIR_GATE_AHEAD;
	overlaps = flow->hello_end && (__s32)(l->segment.sequence - flow->hello_end) < 0 && (__s32)(l->segment.sequence + l->segment.payload_size - flow->base) > 0;
	if (overlaps && !(l->segment.flags & WEIR_TCP_URG) && weir_same_as_kept(frame, l, s, flow))
		return (__s32)(l->segment.sequence - flow->base) <= 0 && l->segment.sequence + l->segment.payload_size == flow->hello_end;
	/* One whose numbers are nowhere near is somebody's who does not know them. */
	is_urgent = l->segment.flags & WEIR_TCP_URG && l->segment.sequence - flow->base + WEIR_URGENT_REACH < 2 * WEIR_URGENT_REACH;
	if (!overlaps && !is_urgent)
		return 0;
	weir_spoil(flow);
	if (!is_urgent || flow->noted >> WEIR_URGENT_DATA & 1 || !(weir_policy(frame)->recorded >> WEIR_URGENT_DATA & 1))
		return 0;			/* other bytes are told of when they are whole; the answer to either is counted */
	flow->noted |= 1ULL << WEIR_URGENT_DATA;
	l->now = weir_now(frame);
	weir_begin_flow(frame, l, s, flow, 1ULL << WEIR_URGENT_DATA);
	weir_tell(frame, s, 0);
	return 0;
}
#endif
