/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Past what stands before a hello: a proxy's header, a request to a proxy, a talk that asks for TLS. */
#ifndef WEIR_PASSING_H
#define WEIR_PASSING_H

#include <weir/platform.h>
#include <weir/preamble.h>
#include <weir/proxy.h>
#include <weir/scratch.h>
#include <weir/upgrade.h>

/* The segment without its first `size` bytes. */
WEIR_INLINE void weir_advance(struct weir_segment *seg, __u32 size)
{
	seg->sequence += size;
	seg->payload_at += size;
	seg->payload_size -= size;
	seg->urgent = seg->urgent > size ? seg->urgent - (__u16)size : 0;
}

/* Bytes of the preamble that the look's first bytes begin, as weir_preamble_size says; its kind becomes the look's. */
WEIR_ONCE int weir_measure_preamble(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, __u32 before)
{
	struct weir_segment *seg;
	enum weir_preamble kind;

	WEIR_USED(frame);
	if (!l || !s)
		return 0;
	seg = &l->segment;
	kind = weir_preamble_of(l->first, seg->payload_size < WEIR_FIRST ? seg->payload_size : WEIR_FIRST, seg->payload_size, (__u8)before);
	l->preamble = (__u8)kind;
	return (int)weir_preamble_size(frame, seg, s, kind, l->first);
}

/* Whom the PROXY header names, with which the segment begins. Of the text form the scratch has the line. */
WEIR_INLINE void weir_name_flow(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	__u32 n = l->segment.payload_size < WEIR_PROXY1_MAX ? l->segment.payload_size : WEIR_PROXY1_MAX;

	if (l->preamble == WEIR_PREAMBLE_PROXY2 && weir_bytes(frame, l->segment.payload_at, s->bytes, n, WEIR_PROXY1_MAX))
		return;
	if (weir_read_proxy(frame, s, &l->segment.flow, l->preamble, n))
		flow->named = s->naming.named;
}

/* Has only a part of a PROXY header come, too little to tell whom it names? */
WEIR_ONCE int weir_is_part_of_proxy(weir_frame *frame, struct weir_look *l, struct weir_scratch *s)
{
	__u32 size;

	WEIR_USED(frame);
	if (!l || !s)
		return 0;
	size = l->segment.payload_size;
	if (!weir_begins_proxy(l->first, size))
		return 0;
	if (size < WEIR_FIRST)
		return 1;
	if (l->first[0] == '\r')
		return size < weir_proxy2_part(16 + ((__u32)l->first[14] << 8 | l->first[15]));
	return size < WEIR_PROXY1_MAX && !weir_bytes(frame, l->segment.payload_at, s->bytes, size, WEIR_PROXY1_MAX) && !weir_line_end(s, size);
}

/* Moves the segment's start past a preamble. 0: nothing is left in it, 1: something is, -1: there was none, -2: it has to be assembled. */
WEIR_ONCE int weir_skip_preamble(weir_frame *frame, struct weir_look *l, struct weir_scratch *s, struct weir_flow *flow)
{
	struct weir_segment *seg;
	const __u8 *first;
	__u32 size;

	WEIR_USED(frame);
	if (!l || !s || !flow)
		return -1;
	seg = &l->segment;
	first = l->first;
	if (first[0] == 22 || !flow->proof || flow->skipped >= WEIR_SKIPS_MAX)
		return -1;
	/* Before a second hello a client may say that it changes its cipher, and does not (RFC 8446 appendix D.4). */
	if (flow->gate_bits & WEIR_GATE_RETRY && first[0] == 20 && first[1] == 3 && !first[3] && first[4] == 1) {
		size = 6;
		goto skip;
	}
	size = !flow->preamble || weir_is_upgrade(flow->preamble) ? (__u32)weir_pass_talk(frame, l, s, flow) : 0;
	if (size)
		goto skip;
	if (!flow->skipped && weir_is_part_of_proxy(frame, l, s))
		return -2;
	size = (__u32)weir_measure_preamble(frame, l, s, flow->preamble);
	/* A request goes on in the next segment, until the proxy has answered. */
	if (!size && flow->preamble >= WEIR_PREAMBLE_CONNECT && seg->acknowledged == flow->next) {
		size = seg->payload_size;
		goto skip;
	}
	if (!size || size > 1u << 16)
		return -1;
	if (!flow->skipped && !(flow->gate_bits & WEIR_GATE_RETRY) && l->preamble <= WEIR_PREAMBLE_PROXY2)
		weir_name_flow(frame, l, s, flow);
	flow->next = seg->acknowledged;
	flow->preamble = l->preamble;
	flow->skipped++;
skip:
	flow->passed = seg->sequence + (size < seg->payload_size ? size : seg->payload_size);
	flow->base += size;
	if (size >= seg->payload_size)
		return 0;
	weir_advance(seg, size);
	return 1;
}
#endif
