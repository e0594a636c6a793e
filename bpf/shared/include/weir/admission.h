/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Never more than N in any sliding second. A token bucket of rate 3 and burst 3 lets 6 through in one; so a window keeps
 * the times of its last admissions, up to 8. A larger N is counted by sevenths of a second: what the last eight of them
 * admitted covers any second that ends now. Pure: time comes in.
 */
#ifndef WEIR_ADMISSION_H
#define WEIR_ADMISSION_H

#include <weir/platform.h>

enum weir_admission { WEIR_ADMIT, WEIR_REFUSE, WEIR_EXPIRED };

#define WEIR_PART (WEIR_SECOND / 7 + 1)	/* seven of them are a second at least */

/* 1 if `age` parts, which may be negative, are fewer than eight either way. Without a branch: the verifier would follow each of 256 ways. */
WEIR_INLINE __u64 weir_is_recent(__u64 age)
{
	__u64 shifted = age + WEIR_STAMPS - 1;

	return (shifted - (2 * WEIR_STAMPS - 1)) >> 63 & ~(shifted >> 63) & 1;
}

/* A stamp of a window that counts: the part's number, and below it how many were admitted in it. */
WEIR_INLINE int weir_admit_counted(struct weir_window *window, __u64 n, __u64 now)
{
	__u64 part = now / WEIR_PART, sum = 0, *here = &window->stamps[part & (WEIR_STAMPS - 1)];

	for (__u32 i = 0; i < WEIR_STAMPS; i++)
		sum += (window->stamps[i] & 0xffff) * weir_is_recent(part - (window->stamps[i] >> 16));
	if (sum >= n)
		return 0;
	*here = *here >> 16 == part ? *here + 1 : part << 16 | 1;
	return 1;
}

/*
 * True if the window has room for one more now. The caller holds the limit's lock; no helper may be called under it, so
 * `now` was read before and another CPU's stamp can be later: differences are signed, or an unsigned one would admit.
 */
WEIR_INLINE int weir_admit_one(struct weir_window *window, __u32 n, __u64 now)
{
	__u32 slot = (__u32)window->next & (WEIR_STAMPS - 1);
	__u64 bound;

	if (n > WEIR_STAMPS)
		return weir_admit_counted(window, n, now);
	/* Of the last eight admissions, the one that was n ago: whatever n is, and was. */
	bound = window->stamps[(slot - n) & (WEIR_STAMPS - 1)];
	if (!n || (bound && (__s64)(now - bound) < (__s64)WEIR_SECOND))
		return 0;
	window->stamps[slot] = now;
	window->next = (slot + 1) & (WEIR_STAMPS - 1);
	return 1;
}

WEIR_INLINE enum weir_admission weir_admit(struct weir_limit *limit, struct weir_window *window, __u64 now)
{
	if ((__s64)(limit->until_ns - now) < 0)
		return WEIR_EXPIRED;
	if (weir_admit_one(window, limit->per_second, now)) {
		limit->admitted++;
		return WEIR_ADMIT;
	}
	limit->refused++;
	return WEIR_REFUSE;
}

/*
 * Another number from now on. Where one of the two is counted by parts of a second, its stamps say nothing under the other: all that the
 * window may have admitted counts as of the latest, so that such a change admits too little for a second rather than too much.
 */
WEIR_INLINE void weir_restamp(struct weir_window *window, __u32 before, __u32 n)
{
	__u64 latest = 0;

	if (before == n || (before <= WEIR_STAMPS && n <= WEIR_STAMPS))
		return;
	for (__u32 i = 0; i < WEIR_STAMPS; i++)
		if (window->stamps[i] > latest)
			latest = window->stamps[i];
	if (before > WEIR_STAMPS)
		latest = (latest >> 16) * WEIR_PART + (latest ? WEIR_PART - 1 : 0);
	window->next = 0;
	for (__u32 i = 0; i < WEIR_STAMPS; i++)
		window->stamps[i] = n > WEIR_STAMPS ? 0 : latest;
	if (n > WEIR_STAMPS && latest)
		window->stamps[latest / WEIR_PART & (WEIR_STAMPS - 1)] = latest / WEIR_PART << 16 | n;
}
#endif
