/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the shared code asks of its platform, by the kernel's helpers and tables. */
#ifndef WEIR_KERNEL_H
#define WEIR_KERNEL_H

#include "maps.h"

WEIR_INLINE const struct weir_config *weir_policy(weir_frame *frame)
{
	return &policies.configs[policies.active & 1];
}

WEIR_INLINE void weir_count_way(weir_frame *frame, int from_client, __u32 payload)
{
	__u32 interface = frame->ifindex & 255;
	struct weir_ways *seen = bpf_map_lookup_elem(&ways, &interface);
	__u64 bears = (0 - (__u64)payload) >> 63;	/* without a branch, of which the verifier would follow both ways */

	if (!seen)
		return;
	if (from_client) {
		seen->from_clients++;
		seen->client_payloads += bears;
	} else {
		seen->from_servers++;
		seen->server_payloads += bears;
	}
}

WEIR_INLINE void weir_count(weir_frame *frame, __u32 which)
{
	__u64 *count = bpf_map_lookup_elem(&counters, &which);

	if (count)
		(*count)++;
}

WEIR_INLINE __u64 weir_now(weir_frame *frame)
{
	return settings.capture_clock ? frame->tstamp : bpf_ktime_get_ns();
}

WEIR_INLINE __u32 weir_ifindex(weir_frame *frame)
{
	return frame->ifindex;
}

WEIR_INLINE __u32 weir_frame_size(weir_frame *frame)
{
	return frame->len;
}

/* Between 1 and `most` bytes of the frame, or -1. Live frames are non-linear at tc, so a helper reads them. */
WEIR_INLINE int weir_bytes(weir_frame *frame, __u32 from, void *to, __u32 size, __u32 most)
{
	/*
	 * The verifier loses the bounds of what the compiler has moved; an empty asm keeps the test beside the call. Before 6.18 a bound
	 * of `size - 1` in 32 bits says nothing about `size`: so the comparison and the argument are 64 bits wide.
	 */
	__u64 less = size - 1;

	__asm__ volatile("" : "+r"(less));
	if (less >= most)
		return -1;
	return (int)bpf_skb_load_bytes(frame, from, to, less + 1);
}

#define WEIR_HALF (WEIR_HEAD_PLAIN / 2)

WEIR_INLINE void weir_copy_half(__u8 *to, const __u8 *from)
{
	_Pragma("unroll")
	for (__u32 i = 0; i < WEIR_HALF; i += 8)
		*(__u64 *)(to + i) = *(const __u64 *)(from + i);
}

/*
 * The frame's first `have` bytes into the look. Where they lie in its linear part, as drivers leave headers, they are
 * copied here, the first half of a head and the last, which may overlap: a helper is a call, and to return from one
 * costs more than the copying (AMD's SRSO).
 */
WEIR_INLINE int weir_read_head(weir_frame *frame, struct weir_look *l, __u32 have)
{
	const __u8 *first = (const __u8 *)(long)frame->data, *end = (const __u8 *)(long)frame->data_end, *last;
	__u32 rest = have - WEIR_HALF;

	__asm__ volatile("" : "+r"(rest));
	if (rest <= WEIR_HALF && first + WEIR_HALF <= end) {
		last = first + rest;
		if (last + WEIR_HALF <= end) {
			weir_copy_half(l->head, first);
			weir_copy_half(l->head + rest, last);
			return 0;
		}
	}
	return weir_bytes(frame, 0, l->head, have, WEIR_HEAD_CAP);
}

/* An empty flow, to be filled and stored. */
WEIR_INLINE struct weir_flow *weir_draft(weir_frame *frame)
{
	__u32 zero = 0;
	struct weir_flow *flow = bpf_map_lookup_elem(&drafts, &zero);

	if (flow)
		__builtin_memset(flow, 0, sizeof(*flow));
	return flow;
}

WEIR_INLINE __u32 weir_next_assembly(weir_frame *frame, int is_stranger)
{
	return weir_id(__sync_fetch_and_add(&policies.next_assembly[is_stranger], 1), is_stranger);
}

WEIR_INLINE struct weir_assembly *weir_assembly_at(weir_frame *frame, __u32 id)
{
	__u32 index = weir_place_of(id, id, settings.slots);

	return bpf_map_lookup_elem(&assemblies, &index);
}

/* The next slot in turn, whoever has it now. */
WEIR_INLINE __u32 weir_take_slot(weir_frame *frame, __u32 id)
{
	__u32 slot = weir_place_of((__u32)__sync_fetch_and_add(&policies.next_slot[id >> 31], 1), id, settings.slots);
	__u32 *owner = bpf_map_lookup_elem(&owners, &slot);

	if (!owner)
		return ~0u;
	*owner = id;
	return slot;
}

WEIR_INLINE __u32 weir_owner(weir_frame *frame, __u32 slot)
{
	__u32 *owner = bpf_map_lookup_elem(&owners, &slot);

	return owner ? *owner : 0;
}

/* At least a slot's size of memory that may be read and written. */
WEIR_INLINE __u8 *weir_slot_at(weir_frame *frame, __u32 slot, __u32 at)
{
	__u32 slab = slot / WEIR_SLAB;
	struct weir_slab *found = bpf_map_lookup_elem(&slabs, &slab);
	__u64 base = slot & (WEIR_SLAB - 1), inside = at;

	if (!found)
		return 0;
	/* One mask for both would be an OR, whose bound Linux 6.1 forgets. */
	base *= WEIR_SLOT;
	__asm__ volatile("" : "+r"(inside));
	return found->bytes + base + (inside & (WEIR_SLOT - 1));
}

/* `size` bytes of a slot into the message at `to`. (BPF has no other copy of unknown length.) 0 or -1. */
WEIR_INLINE int weir_copy(weir_frame *frame, struct weir_scratch *s, __u32 to, __u32 slot, __u32 at, __u32 size)
{
	const __u8 *from = weir_slot_at(frame, slot, at);

	__u64 less = size - 1, where = to;

	__asm__ volatile("" : "+r"(less), "+r"(where));
	if (!from || where >= WEIR_MESSAGE_CAP || less >= WEIR_SLOT)
		return -1;
	return (int)bpf_probe_read_kernel(s->bytes + where, less + 1, from);
}

/* A direct-mapped table: each hash has its place, and whatever lies there. */
#define WEIR_PLACES_OF(type, name, table, places)						\
	WEIR_INLINE type *name(weir_frame *frame, __u32 hash)					\
	{											\
		__u32 index = hash & ((places) - 1);						\
												\
		return bpf_map_lookup_elem(&table, &index);					\
	}

WEIR_PLACES_OF(__u64, weir_unplaced_at, unplaced, WEIR_UNPLACED)
WEIR_PLACES_OF(struct weir_opening, weir_opening_at, openings, WEIR_OPENINGS)
WEIR_PLACES_OF(struct weir_syn_acks, weir_syn_acks_at, syn_acks, WEIR_SYN_ACK_PLACES)
WEIR_PLACES_OF(struct weir_random, weir_random_at, randoms, WEIR_RANDOMS)
WEIR_PLACES_OF(__u64, weir_fingerprint_at, fingerprints, WEIR_FINGERPRINTS)
WEIR_PLACES_OF(struct weir_bucket, weir_bucket_at, buckets, WEIR_BUCKETS)

WEIR_INLINE int weir_may_be_denied(weir_frame *frame, __u64 fingerprint)
{
	return policies.denied >> (fingerprint & 63) & 1;
}

#include "ring.h"
#include "sockets.h"
#include "quic_maps.h"
#endif
