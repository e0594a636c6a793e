/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* From a verdict to what becomes of it: allow-list, limits, the reflex. Only the limiter includes this. */
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

WEIR_INLINE int weir_mapped(const __u8 *address)
{
	const __u64 *words = (const __u64 *)address;
	const __u32 *halves = (const __u32 *)address;

	return !words[0] && halves[2] == __builtin_bswap32(0xffff);
}

/* Counts the hello against one limit. Returns 1 if it applied, and notes on the record what came of it. */
WEIR_INLINE int weir_apply(weir_frame *frame, struct weir_handshake *r, struct weir_limit *limit, __u64 now, const struct weir_rule *renew)
{
	enum weir_admission admission;
	__u8 answer, per_second;
	__u64 until;

	WEIR_LOCK(limit);
	admission = weir_admit(limit, now);
	if (admission == WEIR_EXPIRED && renew) {
		/* The same source again, after its end: the entry is the kernel's anew, its stamps still count. */
		limit->until_ns = now + renew->for_ns;
		limit->per_second = renew->per_second;
		limit->answer = renew->answer;
		limit->origin = WEIR_ORIGIN_KERNEL;
		limit->next = 0;
		admission = weir_admit(limit, now);
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

/* Makes the limit's entry, once, whoever else may be making it. */
WEIR_INLINE struct weir_limit *weir_make_limit(weir_frame *frame, struct weir_handshake *r, const struct weir_limit_key *key, const struct weir_rule *rule, __u64 now)
{
	struct weir_limit fresh = {
		.per_second = rule->per_second,
		.answer = rule->answer,
		.origin = WEIR_ORIGIN_KERNEL,
		.until_ns = now + rule->for_ns,
	};

	if (!WEIR_STORE(frame, limits, key, &fresh, BPF_NOEXIST))
		r->flags |= WEIR_FLAG_REFLEX;
	return WEIR_LOOKUP(frame, limits, key);
}

/* Does what an order says. 0, or -1 when the table is full. */
WEIR_INLINE int weir_set_limit(weir_frame *frame, const struct weir_limit_order *order)
{
	struct weir_limit fresh = {
		.per_second = order->per_second,
		.answer = order->answer,
		.origin = order->origin,
		.until_ns = order->until_ns,
	};
	struct weir_limit *limit;

	if (!WEIR_STORE(frame, limits, &order->key, &fresh, BPF_NOEXIST))
		return 0;
	limit = WEIR_LOOKUP(frame, limits, &order->key);
	if (!limit)
		return -1;
	WEIR_LOCK(limit);
	if (limit->per_second != order->per_second) {
		/* Stamps beyond the new number would never be looked at again: all of them count from the latest. */
		__u64 latest = 0;

		for (int i = 0; i < WEIR_STAMPS; i++)
			if (limit->admitted_ns[i] > latest)
				latest = limit->admitted_ns[i];
		for (int i = 0; i < WEIR_STAMPS; i++)
			limit->admitted_ns[i] = latest;
		limit->next = 0;
		limit->per_second = order->per_second;
	}
	limit->answer = order->answer;
	limit->origin = order->origin;
	limit->until_ns = order->until_ns;
	WEIR_UNLOCK(limit);
	return 0;
}

struct weir_deciding {
	weir_frame *frame;
	const struct weir_config *config;
	struct weir_scratch *s;
	__u64 now;
	struct weir_limit_key *key;
};

/* The limit of one class for the key's prefix. True when it does not admit. */
WEIR_INLINE int weir_ask_limit(struct weir_deciding *d, __u8 limit_class, __u8 length)
{
	struct weir_handshake *r = &d->s->record;
	struct weir_limit *limit;

	d->key->limit_class = limit_class;
	limit = WEIR_LOOKUP(d->frame, limits, d->key);
	if (!limit || !weir_apply(d->frame, r, limit, d->now, 0))
		return 0;
	r->limit_class = limit_class;
	if (r->action != WEIR_ADMITTED)
		return 1;
	if (length == d->s->own)
		d->s->counted |= 1 << limit_class;
	return 0;
}

/* The limits of one prefix length. Returns 1 to stop. */
WEIR_STEP long weir_ask_length(__u32 turn, void *context)
{
	struct weir_deciding *d = context;
	struct weir_scratch *s = d->s;
	__u8 length;

	(void)turn;
	if (s->offset >= WEIR_LENGTHS)
		return 1;
	length = d->config->lengths[s->offset++ & (WEIR_LENGTHS - 1)];
	if (!length)
		return 1;
	weir_mask_address(d->key, s->record.source, length);
	return weir_ask_limit(d, WEIR_CLASS_ALL, length) ||
	       (s->record.anomalies & d->config->anomalous && weir_ask_limit(d, WEIR_CLASS_ANOMALOUS, length));
}

/* Sets the record's action. The caller has a complete hello on ingress and the limiter is in force. */
WEIR_ONCE int weir_decide(weir_frame *frame, struct weir_scratch *s, __u64 now)
{
	const struct weir_config *config = weir_policy(frame);
	struct weir_allow_key allowed = { .prefix_length = 128 };
	struct weir_limit_key key __attribute__((aligned(8))) = {};
	struct weir_deciding d = { .frame = frame, .config = config, .s = s, .now = now, .key = &key };
	const struct weir_rule *rule;
	struct weir_handshake *r;
	struct weir_limit *limit;
	__u64 limiting;

	WEIR_USED(frame);
	if (!s)
		return -1;
	r = &s->record;
	limiting = r->anomalies & config->limiting;
	r->action = WEIR_PASSED;
	if (r->proof < config->proof)
		return 0;
	__builtin_memcpy(allowed.address, r->source, 16);
	if (WEIR_LOOKUP(frame, allow, &allowed)) {
		r->action = WEIR_ALLOWED;
		return 0;
	}
	s->own = weir_mapped(r->source) ? config->prefix4 : config->prefix6;
	s->counted = 0;
	/* Every limit that applies has to admit: a generous one for a block gives no source in it more than its own. */
	s->offset = 0;				/* counts the turns, in map memory: see WEIR_TURN */
	WEIR_LOOP(WEIR_LENGTHS, weir_ask_length, &d);
	if (r->action != WEIR_PASSED && r->action != WEIR_ADMITTED)
		return 0;
	rule = limiting ? weir_rule_of(config, limiting) : 0;
	if (!rule || s->counted >> (rule->limit_class & 31) & 1)
		return 0;
	weir_mask_address(&key, r->source, s->own);
	key.limit_class = rule->limit_class;
	limit = WEIR_LOOKUP(frame, limits, &key);
	if (!limit)
		limit = weir_make_limit(frame, r, &key, rule, now);
	if (!limit) {
		r->flags |= WEIR_FLAG_NO_ENTRY;
		weir_count(frame, WEIR_COUNT_LIMITS_FULL);
		return 0;
	}
	r->limit_class = rule->limit_class;
	weir_apply(frame, r, limit, now, rule);
	if (r->flags & WEIR_FLAG_REFLEX)
		weir_count(frame, WEIR_COUNT_REFLEX);
	return 0;
}
#endif
