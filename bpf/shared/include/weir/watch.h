/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * One frame's way: which flow it belongs to, whether that flow's handshake is proven, whether its hello is whole,
 * and what is said about it. Kernel and replay run exactly this.
 */
#ifndef WEIR_WATCH_H
#define WEIR_WATCH_H

#include <weir/from_client.h>

WEIR_INLINE void weir_from_server(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, enum weir_hook hook, int enforcing)
{
	struct weir_flow *flow;

	if ((l->segment.flags & (WEIR_TCP_SYN | WEIR_TCP_ACK)) == (WEIR_TCP_SYN | WEIR_TCP_ACK)) {
		l->now = weir_now(frame);
		weir_syn_ack(frame, l, s);
		return;
	}
	/* A server elsewhere, answering somebody here: its answers are not ours to count. */
	if (hook == WEIR_HOOK_IN && !(l->segment.flags & (WEIR_TCP_FIN | WEIR_TCP_RST)))
		return;
	flow = WEIR_LOOKUP(frame, flows, &l->segment.flow);
	if (!flow && l->segment.payload_size)
		flow = WEIR_LOOKUP(frame, half_open, &l->segment.flow);
	if (!flow) {
		if (hook != WEIR_HOOK_OUT || !l->segment.payload_size)
			return;
		if (enforcing)
			weir_unseen_enforcing(frame, l, s);
		else
			weir_unseen_observing(frame, l, s);
		return;
	}
	if (flow->gate == WEIR_GATE_REFUSED) {
		if (enforcing && hook != WEIR_HOOK_IN && !(l->segment.flags & WEIR_TCP_RST))
			weir_refuse_again(frame, l, flow, 0);
		return;
	}
	if (l->segment.flags & (WEIR_TCP_FIN | WEIR_TCP_RST)) {
		if (hook != WEIR_HOOK_IN)
			flow->gate_bits |= WEIR_GATE_CLOSED;
		l->now = weir_now(frame);
		weir_closed(frame, l, s, flow);
	}
	if (flow->gate == WEIR_GATE_SETTLED)
		flow->turn = l->segment.acknowledged;
	if (!l->segment.payload_size || hook == WEIR_HOOK_IN)
		return;
	if (flow->gate == WEIR_GATE_SETTLED || !(flow->gate_bits & WEIR_GATE_SEEN_OUT)) {
		if ((__s32)(l->segment.sequence + l->segment.payload_size - flow->server_next) > 0)
			flow->server_next = l->segment.sequence + l->segment.payload_size;
		return;
	}
	if (enforcing)
		weir_answer_enforcing(frame, l, s, flow);
	else
		weir_answer_observing(frame, l, s, flow);
}

/*
 * The whole way. `have` header bytes are in the look; its order says what the frame's program has to do. `hook` and
 * `enforcing` are constants.
 */
WEIR_INLINE void weir_watch(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 have, enum weir_hook hook, int enforcing)
{
	int result, from_client = 1;

	l->order = WEIR_PASS;
	l->have = have;
	result = weir_read_frame(l, have, weir_frame_size(frame), weir_wanted(weir_policy(frame)));
	if (result == WEIR_TOO_DEEP || result <= WEIR_SEALED)
		result = weir_read_deeper(frame, l, result);
	if (result == WEIR_DATAGRAM) {
		weir_watch_datagram(frame, l, s, hook, enforcing);
		return;
	}
	/* What we cannot read the server may. Of a tunnel nothing is stopped here. */
	if ((result == WEIR_TOO_DEEP || result == WEIR_UNREADABLE) && !l->segment.tunnels && enforcing && hook == WEIR_HOOK_IN &&
	    !weir_policy(frame)->pass_unreadable) {
		weir_count(frame, WEIR_COUNT_UNREADABLE);
		l->order = WEIR_DO_DROP;
		return;
	}
	if (result == WEIR_FRAGMENT ? weir_later_fragment(frame, l) : result)
		return;
	if (result == WEIR_SEGMENT) {
		from_client = weir_orient(frame, l, hook);
		if (from_client < 0)
			return;
	}
	if (hook == WEIR_HOOK_OUT && from_client) {
		l->order = WEIR_DO_OUTGOING;
		return;
	}
	weir_count(frame, WEIR_COUNT_FRAMES);
	if (hook == (from_client ? WEIR_HOOK_IN : WEIR_HOOK_OUT))
		weir_count_way(frame, from_client, l->segment.payload_size);
	l->hook = hook;
	l->direction = hook == WEIR_HOOK_OUTGOING ? WEIR_EGRESS : WEIR_INGRESS;
	if (!from_client || hook == WEIR_HOOK_OUT) {
		weir_from_server(frame, l, s, hook, enforcing);
		return;
	}
	if (l->segment.fragment == WEIR_FIRST_FRAGMENT)
		weir_first_fragment(frame, l);
	weir_from_client(frame, l, s, hook, enforcing);
}
#endif
