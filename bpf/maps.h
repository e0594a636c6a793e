/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's tables, under the names that the shared code uses, and what else the shared code asks of its platform. */
#ifndef WEIR_MAPS_H
#define WEIR_MAPS_H

#include <weir/platform.h>
#include <weir/scratch.h>

/* Set before load, constant to the verifier. */
struct weir_settings {
	__u64 wakeup;			/* flags of each ring submission; replay does not wake */
	__u32 capture_clock;		/* the frame's own time stamp instead of the kernel's clock */
	__u32 slots;			/* of stream bytes; a power of two, a multiple of WEIR_SLAB */
	__u64 secret;			/* random: what hashes that index tables are keyed with */
	__u32 opens;			/* the program that opens Initials in the packet is loaded as well */
	__u32 reserved;
};
const volatile struct weir_settings settings SEC(".rodata.settings") = { .slots = 2 * 1024 };

/* Two policies and which one is in force; written by user space through its mapping. */
struct weir_policies {
	__u64 active;
	struct weir_config configs[2];
	__u64 denied;			/* by its last six bits, whether a fingerprint may be denied at all: nearly every list is short or empty */
	/* The kernel's own, for what is proven and for strangers: stream slots are taken in turn, and hellos numbered. */
	__u64 next_slot[2];
	__u64 next_assembly[2];
	__u64 dozing;			/* user space sleeps, and looks at the ring by the clock; it writes 1, and who wakes it 0 */
};
struct weir_policies policies SEC(".data.policies") = {};

/* Programs that others call, put there by user space: for what somebody here says to a server elsewhere, and for Initials to be opened. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} outgoing SEC(".maps");

/* Frames that were looked at, by the last ten bits of their interface's index: which interface is seen at all. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} interfaces SEC(".maps");

/* Segments of watched ports, by the last eight bits: which interface carries one direction only. Few are watched as a rule, and each CPU has a copy. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, struct weir_ways);
} ways SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);		/* frames, the sweep */
	__type(key, __u32);
	__type(value, struct weir_scratch);
} scratches SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_look);
} looks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, WEIR_COUNT_COUNT);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Where a flow's entry is made; too large for the stack. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_flow);
} drafts SEC(".maps");

/* Two tables, so that a SYN flood cannot push out what is proven. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct weir_flow_key);
	__type(value, struct weir_flow);
} flows SEC(".maps"), half_open SEC(".maps");

/* Bytes that nothing proves: mid-stream, or in a SYN. They push out only their like. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WEIR_STRANGERS);
	__type(key, struct weir_flow_key);
	__type(value, struct weir_flow);
} strangers SEC(".maps");

/* Unfinished hellos, taken in turn: as many as there are slots. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2048);
	__type(key, __u32);
	__type(value, struct weir_assembly);
} assemblies SEC(".maps");

/* Stream bytes: slabs of slots. A slab ends with room for a slot and a word more, so that an offset and a size, each within a slot, stay inside. */
#define WEIR_SLAB 1024
struct weir_slab {
	__u8 bytes[WEIR_SLAB * WEIR_SLOT + WEIR_SLOT + 8];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct weir_slab);
} slabs SEC(".maps");

/* Which assembly a slot belongs to. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2 * WEIR_SLAB);
	__type(key, __u32);
	__type(value, __u32);
} owners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weir_datagram_key);
	__type(value, struct weir_datagram);
} datagrams SEC(".maps");

/* When a fragment that nothing placed was last seen, by its addresses. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_UNPLACED);
	__type(key, __u32);
	__type(value, __u64);
} unplaced SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_OPENINGS);
	__type(key, __u32);
	__type(value, struct weir_opening);
} openings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_SYN_ACK_PLACES);
	__type(key, __u32);
	__type(value, struct weir_syn_acks);
} syn_acks SEC(".maps");

/* Interfaces whose frames begin with the IP header, each at the last ten bits of its index; user space knows their kind. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u32);
} raw_interfaces SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_RANDOMS);
	__type(key, __u32);
	__type(value, struct weir_random);
} randoms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_BUCKETS);
	__type(key, __u32);
	__type(value, struct weir_bucket);
} buckets SEC(".maps");

/* Fingerprints that user space has named. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u8);
} denied SEC(".maps");

/* Fingerprints whose hello user space has been given. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_FINGERPRINTS);
	__type(key, __u32);
	__type(value, __u64);
} fingerprints SEC(".maps");

/* The kernel's own struct of weir_limit: BTF has to know the lock by its type. */
struct weir_locked_limit {
	struct bpf_spin_lock lock;
	__u8 rest[4];
	__u64 words[(sizeof(struct weir_limit) - 8) / 8];
};

/* A plain hash, never an LRU: an attacker must not be able to push a limit out. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct weir_limit_key);
	__type(value, struct weir_locked_limit);
} limits SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 8192);	/* the policy's blocks, this node's addresses and pods, and 4,096 addresses of other nodes */
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weir_allow_key);
	__type(value, __u8);
} allow SEC(".maps");

/* Destinations whose answers prove a source to others: those of the policy's scaleOut.targets. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weir_allow_key);
	__type(value, __u8);
} vouched SEC(".maps");

/* Whose PROXY header names the source: the policy's trust.proxies. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weir_allow_key);
	__type(value, __u8);
} proxies SEC(".maps");

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

WEIR_INLINE __u64 *weir_unplaced_at(weir_frame *frame, __u32 hash)
{
	__u32 index = hash & (WEIR_UNPLACED - 1);

	return bpf_map_lookup_elem(&unplaced, &index);
}

WEIR_INLINE struct weir_opening *weir_opening_at(weir_frame *frame, __u32 hash)
{
	__u32 index = hash & (WEIR_OPENINGS - 1);

	return bpf_map_lookup_elem(&openings, &index);
}

WEIR_INLINE struct weir_syn_acks *weir_syn_acks_at(weir_frame *frame, __u32 hash)
{
	__u32 index = hash & (WEIR_SYN_ACK_PLACES - 1);

	return bpf_map_lookup_elem(&syn_acks, &index);
}

WEIR_INLINE struct weir_random *weir_random_at(weir_frame *frame, __u32 hash)
{
	__u32 index = hash & (WEIR_RANDOMS - 1);

	return bpf_map_lookup_elem(&randoms, &index);
}

WEIR_INLINE __u64 *weir_fingerprint_at(weir_frame *frame, __u64 fingerprint)
{
	__u32 index = (__u32)fingerprint & (WEIR_FINGERPRINTS - 1);

	return bpf_map_lookup_elem(&fingerprints, &index);
}

WEIR_INLINE int weir_may_be_denied(weir_frame *frame, __u64 fingerprint)
{
	return policies.denied >> (fingerprint & 63) & 1;
}

WEIR_INLINE struct weir_bucket *weir_bucket_at(weir_frame *frame, __u32 hash)
{
	__u32 index = hash & (WEIR_BUCKETS - 1);

	return bpf_map_lookup_elem(&buckets, &index);
}

#include "ring.h"
#include "sockets.h"
#include "quic_maps.h"
#endif
