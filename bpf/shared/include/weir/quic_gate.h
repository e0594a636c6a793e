/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * A QUIC server's first answer to a connection. User space says which connections are clean; all others are counted, in a window of their
 * source's, because nothing proves their clients yet.
 */
#ifndef WEIR_QUIC_GATE_H
#define WEIR_QUIC_GATE_H

#include <weir/verdict.h>

/*
 * A connection id on its path, as 60 bits of a keyed hash; `whose` tells a client's from a server's. Of a long id the middle is left out:
 * who knows both ends was told.
 */
WEIR_ONCE __u64 weir_quic_hash(struct weir_look *l, __u32 at, __u32 size, __u32 whose)
{
	const struct weir_flow_key *flow;
	__u64 first, last, kept;

	if (!l)
		return 0;
	flow = &l->segment.flow;
	kept = size >= 8 ? ~0ULL : (1ULL << 8 * (size & 7)) - 1;
	first = WEIR_LE64(l->head + (at & (WEIR_HEAD_CAP - 1))) & kept;
	last = size < 8 ? 0 : WEIR_LE64(l->head + ((at + size - 8) & (WEIR_HEAD_CAP - 1)));
	first = weir_mix_keyed(first ^ weir_hash_flow(flow, flow->client_port));
	return weir_mix_keyed(first ^ last ^ (__u64)(size | whose << 5) << 56 ^ flow->server_port) & ~WEIR_QUIC_STATE;
}

/* The path of a client's with this id of its own. Its key is left in the look. */
WEIR_INLINE struct weir_quic_path *weir_quic_path(weir_frame *frame, struct weir_look *l, __u32 at, __u32 size)
{
	l->quic.path = weir_quic_hash(l, at, size, 1) | 1;
	return weir_quic_path_at(frame, (__u32)(l->quic.path >> 40));
}

/* Has the window of those that nothing shows to be clean room for one more of this source's? At most eight a second. */
WEIR_ONCE int weir_quic_admits(weir_frame *frame, struct weir_scratch *s, __u32 per_second)
{
	const struct weir_config *config = weir_policy(frame);
	struct weir_limit_key key __attribute__((aligned(8))) = {};
	struct weir_limit *window;
	__u64 hash;
	int admitted;

	WEIR_USED(frame);
	if (!s)
		return 0;
	weir_mask_address(&key, s->record.source, weir_mapped(s->record.source) ? config->prefix4 : config->prefix6);
	hash = weir_mix_keyed(*(const __u64 *)key.address ^ weir_mix(*(const __u64 *)(key.address + 8)));
	window = weir_quic_window_at(frame, (__u32)(hash >> 40));
	if (!window)
		return 0;
	/* Two prefixes of one hash share it: their stamps are of one second, and older ones count nothing. */
	WEIR_LOCK(window);
	admitted = weir_admit_one(&window->answers, per_second < WEIR_STAMPS ? per_second : WEIR_STAMPS, s->record.seen_ns);
	WEIR_UNLOCK(window);
	return admitted;
}

/* The first answer to a connection. True if it may leave. */
WEIR_INLINE int weir_quic_answer(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	const struct weir_config *config = weir_policy(frame);
	struct weir_quic_path *path = weir_quic_path(frame, l, 6, l->quic.to_size);
	__u32 mark = 0, state = WEIR_QUIC_UNJUDGED, refused = 0;
	__u64 limiting;

	if (path && path->key == l->quic.path) {
		mark = path->mark;
		refused = path->state & WEIR_QUIC_REFUSED;
		if (!(path->state & WEIR_QUIC_MIXED) && WEIR_QUIC_IS_OF(mark, path->count))
			state = WEIR_QUIC_OPINION_OF(mark);
	}
	weir_begin(s, &l->segment.flow, l->now);
	s->record.proof = WEIR_TRACKED;
	s->record.transport = WEIR_TRANSPORT_UDP;
	s->record.anomalies = 1ULL << (state == WEIR_QUIC_ANOMALOUS ? WEIR_QUIC_RULE_OF(mark) : WEIR_UNJUDGED_HELLO);
	if (state == WEIR_QUIC_CLEAN)
		s->record.anomalies = 0;
	s->is_answer = WEIR_ANSWER_PROVEN;
	s->only_standing = 1;
	limiting = s->record.anomalies & config->limiting;
	/* Nothing proves the client yet: what is counted here is in a window of its own, and makes no limit. */
	if (refused)
		s->record.action = WEIR_DROPPED;
	else
		weir_decide(frame, s, l->now);
	if (limiting && (s->record.action == WEIR_PASSED || s->record.action == WEIR_ADMITTED) &&
	    !weir_quic_admits(frame, s, weir_rule_of(config, limiting)->per_second))
		s->record.action = WEIR_DROPPED;
	if (s->record.action != WEIR_DROPPED && s->record.action != WEIR_RESET) {
		weir_count(frame, limiting ? WEIR_COUNT_QUIC_COUNTED : WEIR_COUNT_QUIC_ANSWERS);
		return 1;
	}
	weir_count(frame, WEIR_COUNT_QUIC_REFUSED);
	if (path && path->key == l->quic.path && state == WEIR_QUIC_ANOMALOUS)
		path->state |= WEIR_QUIC_REFUSED;	/* sent again, it is refused again */
	return 0;
}
#endif
