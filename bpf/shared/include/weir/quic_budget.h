/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * How much of a processor opening Initials may take: whoever sends datagrams decides how many there are. Half of it is kept for prefixes of
 * which somebody was proven in the last minutes, so a flood of strangers leaves those who are here their verdicts.
 */
#ifndef WEIR_QUIC_BUDGET_H
#define WEIR_QUIC_BUDGET_H

#include <weir/cursor.h>
#include <weir/quic_opening.h>

/* A /24 or a /64: who shares one is as good as one. */
WEIR_INLINE __u64 weir_quic_prefix(const struct weir_look *l)
{
	const __u32 *client = (const __u32 *)l->segment.flow.client;
	__u64 low = l->segment.family == 4 ? client[3] & 0x00ffffff : 0;	/* of a little-endian machine */

	return weir_mix_keyed(((__u64)client[0] << 32 | client[1]) ^ low << 8 ^ l->segment.family) | 1;
}

WEIR_INLINE void weir_quic_note_known(weir_frame *frame, const struct weir_look *l)
{
	__u64 hash = weir_quic_prefix(l);
	struct weir_quic_known *known = weir_quic_known_at(frame, (__u32)(hash >> 40));

	if (!known)
		return;
	known->hash = hash;
	known->seen_ns = l->now;
}

WEIR_INLINE int weir_quic_is_known(weir_frame *frame, const struct weir_look *l)
{
	__u64 hash = weir_quic_prefix(l);
	struct weir_quic_known *known = weir_quic_known_at(frame, (__u32)(hash >> 40));

	return known && known->hash == hash && l->now - known->seen_ns < WEIR_QUIC_KNOWN_NS;
}

/* Is there something left to spend? What may lie unspent is a tenth of a second's worth. */
WEIR_INLINE int weir_quic_affords(weir_frame *frame, int is_known, __u64 now)
{
	struct weir_quic_budget *b = weir_quic_budget(frame);
	__s64 most, earned;
	__u64 last;
	__s64 passed;

	if (!b)
		return 0;
	last = b->earned_ns;
	passed = (__s64)(now - last);		/* below 0 where another processor was later */
	if (passed >= (__s64)WEIR_QUIC_EARNS_NS && __sync_val_compare_and_swap(&b->earned_ns, last, now) == last) {
		most = (__s64)weir_policy(frame)->quic_budget * 100;
		earned = (__s64)((passed < (__s64)WEIR_SECOND ? (__u64)passed : WEIR_SECOND) / 1000 * weir_policy(frame)->quic_budget / 1000);
		b->all = b->all + earned < most ? b->all + earned : most;
		b->strangers = b->strangers + earned / 2 < most / 2 ? b->strangers + earned / 2 : most / 2;
	}
	return (is_known ? b->all : b->strangers) > 0;
}

/* `spent` nanoseconds. */
WEIR_INLINE void weir_quic_spend(weir_frame *frame, __u64 spent)
{
	struct weir_quic_budget *b = weir_quic_budget(frame);

	if (!b)
		return;
	weir_count_more(frame, WEIR_COUNT_QUIC_OPENING_NS, spent);
	__sync_fetch_and_add(&b->all, -(__s64)spent);
	__sync_fetch_and_add(&b->strangers, -(__s64)spent);
}
#endif
