/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which bytes of an unfinished hello have arrived: a contiguous front, and ranges beyond holes. */
#ifndef WEIR_RANGES_H
#define WEIR_RANGES_H

#include <weir/platform.h>
#include <weir/scratch.h>

/* Takes into the contiguous front what a closed hole has made contiguous. True when a range was taken. */
WEIR_INLINE int weir_take_range(struct weir_assembly *a, __u32 i)
{
	__u32 start = a->range_start[i & (WEIR_RANGES - 1)], end = a->range_end[i & (WEIR_RANGES - 1)];

	if (start == end || start > a->filled)
		return 0;
	if (end > a->filled)
		a->filled = end;
	a->range_start[i & (WEIR_RANGES - 1)] = a->range_end[i & (WEIR_RANGES - 1)] = 0;
	a->ranges--;
	return 1;
}

#define WEIR_ASSEMBLY(context) (*(struct weir_assembly **)(context))

struct weir_noting {
	struct weir_assembly *a;
	__u32 start, end;		/* what has arrived */
	__u32 before, behind, free;	/* ranges that end where it begins and begin where it ends, and one that is free; WEIR_RANGES: none */
};

/* How does this range lie to what has arrived? Returns 1 behind the last one. */
WEIR_STEP long weir_find_neighbour(__u32 turn, void *context)
{
	struct weir_noting *n = context;
	struct weir_assembly *a = n->a;
	__u32 at = a->scan, start, end;

	(void)turn;
	if (at >= WEIR_RANGES)
		return 1;
	a->scan++;
	start = a->range_start[at & (WEIR_RANGES - 1)];
	end = a->range_end[at & (WEIR_RANGES - 1)];
	if (start == end) {
		n->free = at;
	} else if (start >= n->start && end <= n->end) {
		/* It is within: one range is enough. */
		a->range_start[at & (WEIR_RANGES - 1)] = a->range_end[at & (WEIR_RANGES - 1)] = 0;
		a->ranges--;
		n->free = at;
	} else if (start <= n->start && end >= n->start) {
		n->before = at;
	} else if (start <= n->end && end >= n->end) {
		n->behind = at;
	}
	return 0;
}

/* A range taken may reach one that was passed already: round again until a whole round took none. */
WEIR_STEP long weir_join_range(__u32 turn, void *context)
{
	struct weir_assembly *a = WEIR_ASSEMBLY(context);

	(void)turn;
	if (a->idle >= WEIR_RANGES)
		return 1;
	a->idle = weir_take_range(a, a->scan++) ? 0 : a->idle + 1;
	return 0;
}

/* Notes that [start, end) has arrived, beyond a hole. Ranges that touch become one: there are as many as there are holes. */
WEIR_INLINE int weir_note_beyond(struct weir_assembly *a, __u32 start, __u32 end)
{
	struct weir_noting n = { .a = a, .start = start, .end = end, .before = WEIR_RANGES, .behind = WEIR_RANGES, .free = WEIR_RANGES };
	__u32 before, behind;

	a->scan = 0;
	WEIR_LOOP(WEIR_RANGES + 1, weir_find_neighbour, &n);
	before = n.before & (WEIR_RANGES - 1);
	behind = n.behind & (WEIR_RANGES - 1);
	if (n.before < WEIR_RANGES && n.behind < WEIR_RANGES) {
		a->range_end[before] = a->range_end[behind];
		a->range_start[behind] = a->range_end[behind] = 0;
		a->ranges--;
	} else if (n.before < WEIR_RANGES) {
		if (end > a->range_end[before])
			a->range_end[before] = (__u16)end;
	} else if (n.behind < WEIR_RANGES) {
		a->range_start[behind] = (__u16)start;
	} else {
		if (n.free >= WEIR_RANGES)
			return -1;
		a->range_start[n.free & (WEIR_RANGES - 1)] = (__u16)start;
		a->range_end[n.free & (WEIR_RANGES - 1)] = (__u16)end;
		a->ranges++;
	}
	return 0;
}

/* Notes that [start, end) has arrived. Returns -1 when there are more holes than are tracked. */
WEIR_ONCE int weir_note_range(struct weir_assembly *a, __u32 start, __u32 end)
{
	struct weir_assembly *assembly = a;

	if (!a)
		return -1;
	if (start > a->filled)
		return weir_note_beyond(a, start, end);
	if (end > a->filled)
		a->filled = end;
	a->idle = a->scan = 0;
	WEIR_LOOP(WEIR_RANGES * (WEIR_RANGES + 1), weir_join_range, &assembly);
	return 0;
}
#endif
