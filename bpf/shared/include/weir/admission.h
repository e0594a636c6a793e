/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Never more than N in any sliding second. A token bucket of rate 3 and burst 3 lets 6 through in one; so the entry
 * keeps the times of its last admissions. Pure: time comes in.
 */
#ifndef WEIR_ADMISSION_H
#define WEIR_ADMISSION_H

#include <weir/platform.h>

enum weir_admission { WEIR_ADMIT, WEIR_REFUSE, WEIR_EXPIRED };

/*
 * The caller holds the limit's lock; no helper may be called under it, so `now` was read before and another CPU's
 * stamp can be later: differences are signed, or an unsigned one would admit.
 */
WEIR_INLINE enum weir_admission weir_admit(struct weir_limit *limit, __u64 now)
{
	__u32 n = limit->per_second, slot = 0;
	__u64 apart = WEIR_SECOND;

	if ((__s64)(limit->until_ns - now) < 0)
		return WEIR_EXPIRED;
	if (n > WEIR_STAMPS)
		apart = WEIR_SECOND / n + 1;	/* one stamp, evenly spaced: no burst to remember */
	else
		slot = limit->next & (WEIR_STAMPS - 1);
	if (n && (!limit->admitted_ns[slot] || (__s64)(now - limit->admitted_ns[slot]) >= (__s64)apart)) {
		limit->admitted_ns[slot] = now;
		limit->next = n > WEIR_STAMPS ? 0 : (__u8)(slot + 1 >= n ? 0 : slot + 1);
		limit->admitted++;
		return WEIR_ADMIT;
	}
	limit->refused++;
	return WEIR_REFUSE;
}
#endif
