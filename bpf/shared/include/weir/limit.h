/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a verdict to what becomes of it: allow-list, limits, the reflex. In observe mode nothing calls it. */
#ifndef WEIR_LIMIT_H
#define WEIR_LIMIT_H

#include <weir/admission.h>
#include <weir/platform.h>
#include <weir/scratch.h>

/* The mask's half of 64 bits, in network order; a shift of 64 is nothing C or BPF defines. */
WEIR_INLINE __u64 weir_mask(__u32 bits)
{
	__u64 mask = ~0ULL;

	if (!bits)
		return 0;
	if (bits < 64)
		mask <<= 64 - bits;
	return __builtin_bswap64(mask);
}

/* Both addresses are 8-byte aligned. */
WEIR_INLINE void weir_mask_address(struct weir_limit_key *key, const __u8 *from, __u32 length)
{
	const __u64 *in = (const __u64 *)from;
	__u64 *out = (__u64 *)key->address;

	out[0] = in[0] & weir_mask(length);
	out[1] = in[1] & weir_mask(length > 64 ? length - 64 : 0);
	key->length = (__u8)length;
}

/* What anybody may have proved limits the source towards that destination only. */
WEIR_INLINE void weir_bind(struct weir_limit_key *key, const struct weir_handshake *r)
{
	const __u64 *in = (const __u64 *)r->destination;
	__u64 *out = (__u64 *)key->towards;

	if (r->reach == WEIR_REACH_SOURCE)
		return;
	out[0] = in[0];
	out[1] = in[1];
}

WEIR_INLINE int weir_mapped(const __u8 *address)
{
	const __u64 *words = (const __u64 *)address;
	const __u32 *halves = (const __u32 *)address;

	return !words[0] && halves[2] == __builtin_bswap32(0xffff);
}

/* Counts the hello, or the answer, against one limit. Returns 1 if it applied, and notes on the record what came of it. */
WEIR_INLINE int weir_apply(weir_frame *frame, struct weir_scratch *s, struct weir_limit *limit, __u64 now, const struct weir_rule *renew)
{
	struct weir_handshake *r = &s->record;
	enum weir_admission admission;
	struct weir_window *window;
	__u8 answer, per_second;
	__u64 until;

	window = s->is_answer ? &limit->answers : &limit->hellos;
	WEIR_LOCK(limit);
	admission = weir_admit(limit, window, now);
	if (admission == WEIR_EXPIRED && renew) {
		/* The same source again, after its end: the entry is the kernel's anew, its stamps still count. */
		limit->until_ns = now + renew->for_ns;
		weir_restamp(&limit->hellos, limit->per_second, renew->per_second);
		weir_restamp(&limit->answers, limit->per_second, renew->per_second);
		limit->per_second = renew->per_second;
		limit->answer = renew->answer;
		limit->origin = WEIR_ORIGIN_KERNEL;
		admission = weir_admit(limit, window, now);
		r->flags |= WEIR_FLAG_REFLEX;
	}
	until = limit->until_ns;
	answer = limit->answer;
	per_second = limit->per_second;
	WEIR_UNLOCK(limit);

	if (admission == WEIR_EXPIRED)
		return 0;
	r->until_ns = until;
	r->per_second = per_second;
	if (admission == WEIR_ADMIT)
		r->action = WEIR_ADMITTED;
	else
		r->action = answer == WEIR_ANSWER_DROP ? WEIR_DROPPED : WEIR_RESET;
	return 1;
}

/* The number of the lowest bit, of which there is one: a de Bruijn sequence tells them apart without a branch. */
WEIR_INLINE __u32 weir_lowest(__u64 bits)
{
	static const __u8 numbers[64] = {
		0, 1, 2, 53, 3, 7, 54, 27, 4, 38, 41, 8, 34, 55, 48, 28, 62, 5, 39, 46, 44, 42, 22, 9, 24, 35, 59, 56, 49, 18, 29, 11,
		63, 52, 6, 26, 37, 40, 33, 47, 61, 45, 43, 21, 23, 58, 17, 10, 51, 25, 36, 32, 60, 20, 57, 16, 50, 31, 19, 15, 30, 14, 13, 12,
	};

	return numbers[(bits & -bits) * 0x022fdd63cc95386dULL >> 58];
}

/* The lowest limiting anomaly's rule; callers know that there is one. */
WEIR_INLINE const struct weir_rule *weir_rule_of(const struct weir_config *config, __u64 anomalies)
{
	__u32 lowest = weir_lowest(anomalies);

	__asm__ volatile("" : "+r"(lowest));	/* the compiler knows the table, the verifier does not */
	return &config->rules[lowest & 63];
}

/* What every entry begins as: ended, so that whoever needs it first makes it his, under its lock. */
static const struct weir_limit weir_no_limit;

/* The limit's entry, made if there is none, once, whoever else may be making it. 0 when the table is full. */
WEIR_INLINE struct weir_limit *weir_make_limit(weir_frame *frame, const struct weir_limit_key *key)
{
	WEIR_STORE(frame, limits, key, &weir_no_limit, BPF_NOEXIST);
	return WEIR_LOOKUP(frame, limits, key);
}

/* Has it nothing more to say: it has ended, or the kernel made it, and no stamp of the last second counts? The caller holds its lock. */
WEIR_INLINE int weir_is_spent(const struct weir_limit *limit, __u64 now, int ended_only)
{
	__u64 latest = 0;

	if ((__s64)(limit->until_ns - now) >= 0 && (ended_only || limit->origin != WEIR_ORIGIN_KERNEL))
		return 0;
	for (__u32 i = 0; i < WEIR_STAMPS; i++) {
		if (limit->hellos.stamps[i] > latest)
			latest = limit->hellos.stamps[i];
		if (limit->answers.stamps[i] > latest)
			latest = limit->answers.stamps[i];
	}
	if (limit->per_second > WEIR_STAMPS)
		latest = ((latest >> 16) + 1) * WEIR_PART;
	return (__s64)(now - latest) > (__s64)WEIR_SECOND;
}

/* Does what an order says. 0, or -1 when the table is full. */
WEIR_INLINE int weir_set_limit(weir_frame *frame, const struct weir_limit_order *order, __u64 now)
{
	struct weir_limit *limit = WEIR_LOOKUP(frame, limits, &order->key);
	int is_spent = 0;

	if (!limit && order->what == WEIR_ORDER_SET)
		limit = weir_make_limit(frame, &order->key);
	if (!limit)
		return order->what == WEIR_ORDER_SET ? -1 : 0;
	WEIR_LOCK(limit);
	if (order->what == WEIR_ORDER_END) {
		limit->until_ns = 0;		/* its stamps stay: whatever limits this source next counts them */
	} else if (order->what != WEIR_ORDER_SET) {
		is_spent = weir_is_spent(limit, now, order->what == WEIR_ORDER_FORGET_ENDED);
	} else {
		weir_restamp(&limit->hellos, limit->per_second, order->per_second);
		weir_restamp(&limit->answers, limit->per_second, order->per_second);
		limit->per_second = order->per_second;
		limit->answer = order->answer;
		limit->origin = order->origin;
		limit->until_ns = order->until_ns;
	}
	WEIR_UNLOCK(limit);
	if (is_spent)
		WEIR_REMOVE(frame, limits, &order->key);
	return 0;
}

/* The limit of one class for the source's prefix of one length. True when it does not admit. */
WEIR_ONCE int weir_ask_limit(weir_frame *frame, struct weir_scratch *s, __u32 limit_class, __u32 length)
{
	struct weir_limit_key key __attribute__((aligned(8))) = {};
	struct weir_limit *limit;

	WEIR_USED(frame);
	if (!s)
		return 0;
	weir_mask_address(&key, s->record.source, length);
	key.limit_class = (__u8)limit_class;
	limit = WEIR_LOOKUP(frame, limits, &key);
	if (!limit || !weir_apply(frame, s, limit, s->deciding_ns, 0))
		return 0;
	s->record.limit_class = (__u8)limit_class;
	if (s->record.action != WEIR_ADMITTED)
		return 1;
	if (length == s->own)
		s->counted |= 1u << (limit_class & 31);
	return 0;
}

/*
 * A wide IPv6 block's window: whoever has a /48 has 65,536 sources. Returns 1 when it does not admit. (`wide` is 0 or 1.)
 */
WEIR_ONCE int weir_ask_wide(weir_frame *frame, struct weir_scratch *s, __u32 wide)
{
	struct weir_limit_key key __attribute__((aligned(8))) = { .limit_class = WEIR_CLASS_WIDE };
	const struct weir_config *config = weir_policy(frame);
	struct weir_limit *limit;
	__u8 per_second, length;
	int admitted;

	WEIR_USED(frame);
	if (!s)
		return 0;
	length = config->wide_lengths[wide & 1];
	per_second = config->wide_per_second[wide & 1];
	if (!length || length >= s->own)
		return 0;
	weir_mask_address(&key, s->record.source, length);
	weir_bind(&key, &s->record);
	limit = weir_make_limit(frame, &key);
	if (!limit)
		return 0;			/* full: the source's own window counts it all the same */
	WEIR_LOCK(limit);
	weir_restamp(&limit->hellos, limit->per_second, per_second);
	weir_restamp(&limit->answers, limit->per_second, per_second);
	limit->per_second = per_second;
	limit->until_ns = s->wide_until_ns;
	admitted = weir_admit_one(s->is_answer ? &limit->answers : &limit->hellos, per_second, s->deciding_ns);
	if (admitted)
		limit->admitted++;
	else
		limit->refused++;
	WEIR_UNLOCK(limit);
	return !admitted;
}

/* The limits of one prefix length. True when one does not admit. */
WEIR_INLINE int weir_ask_length(weir_frame *frame, struct weir_scratch *s, __u64 anomalous, __u8 length)
{
	return weir_ask_limit(frame, s, WEIR_CLASS_ALL, length) || (s->record.anomalies & anomalous && weir_ask_limit(frame, s, WEIR_CLASS_ANOMALOUS, length));
}

/* A function of its own: the stack of those that decide is short (512 bytes for all, and Linux 6.1 rounds each up to 32). */
WEIR_ONCE int weir_is_allowed(weir_frame *frame, struct weir_scratch *s)
{
	struct weir_allow_key source = { .prefix_length = 128 };

	WEIR_USED(frame);
	if (!s)
		return 0;
	__builtin_memcpy(source.address, s->record.source, 16);
	return WEIR_LOOKUP(frame, allow, &source) != 0;
}

/* Sets the record's action. The caller has a complete hello on ingress and the limiter is in force. */
WEIR_ONCE int weir_decide(weir_frame *frame, struct weir_scratch *s, __u64 now)
{
	const struct weir_config *config = weir_policy(frame);
	struct weir_limit_key key __attribute__((aligned(8))) = {};
	const struct weir_rule *rule;
	struct weir_handshake *r;
	struct weir_limit *limit;
	__u64 limiting;
	__u8 limit_class;

	WEIR_USED(frame);
	if (!s)
		return -1;
	r = &s->record;
	limiting = r->anomalies & config->limiting;
	r->action = WEIR_PASSED;
	s->wide_until_ns = 0;
	if (r->proof < config->proof && !s->is_answer)
		return 0;
	if (weir_is_allowed(frame, s)) {
		r->action = WEIR_ALLOWED;
		return 0;
	}
	s->own = weir_mapped(r->source) ? config->prefix4 : config->prefix6;
	s->counted = 0;
	s->deciding_ns = now;
	/* Every limit that applies has to admit: a generous one for a block gives no source in it more than its own. */
	for (__u32 i = 0; i < WEIR_LENGTHS && s->is_answer <= WEIR_ANSWER_PROVEN; i++)
		if (!config->lengths[i] || weir_ask_length(frame, s, config->anomalous, config->lengths[i]))
			break;
	if (r->action != WEIR_PASSED && r->action != WEIR_ADMITTED)
		return 0;
	rule = limiting && !s->only_standing ? weir_rule_of(config, limiting) : 0;
	if (!rule)
		return 0;
	limit_class = s->is_answer == WEIR_ANSWER_UNSEEN ? WEIR_CLASS_UNSEEN : s->is_answer == WEIR_ANSWER_UNPROVEN ? WEIR_CLASS_UNPROVEN : rule->limit_class;
	/* Class `all` is for what a source did, not for what somebody may have said of it. */
	if (r->reach && limit_class == WEIR_CLASS_ALL)
		limit_class = WEIR_CLASS_ANOMALOUS;
	if (!r->reach && s->counted >> (limit_class & 31) & 1)
		return 0;
	weir_mask_address(&key, r->source, s->own);
	weir_bind(&key, r);
	key.limit_class = limit_class;
	limit = WEIR_LOOKUP(frame, limits, &key);
	if (!limit)
		limit = weir_make_limit(frame, &key);
	if (!limit) {
		/* Full, of sources that were here within this second: strangers share one limit, rather than have none. */
		r->flags |= WEIR_FLAG_NO_ENTRY;
		weir_count(frame, WEIR_COUNT_LIMITS_FULL);
		__builtin_memset(&key, 0, sizeof(key));
		key.limit_class = limit_class;
		limit = WEIR_LOOKUP(frame, limits, &key);
		if (!limit)
			return 0;		/* user space makes it before the first frame is seen */
		weir_count(frame, WEIR_COUNT_SHARED);
	}
	r->limit_class = limit_class;
	weir_apply(frame, s, limit, now, rule);
	if (r->flags & WEIR_FLAG_REFLEX)
		weir_count(frame, WEIR_COUNT_REFLEX);
	if (r->action == WEIR_ADMITTED && !weir_mapped(r->source))
		s->wide_until_ns = now + rule->for_ns;
	return 0;
}

/* What an IPv6 source's own limit has admitted, its wider blocks have to admit as well. */
WEIR_INLINE void weir_decide_wide(weir_frame *frame, struct weir_scratch *s)
{
	if (s->wide_until_ns && (weir_ask_wide(frame, s, 0) || weir_ask_wide(frame, s, 1)))
		s->record.action = WEIR_RESET;
}
#endif
