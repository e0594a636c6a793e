/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The kernel's tables, under the names that the shared code uses. */
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

/* Segments of watched ports, by the last eight bits: which interface carries one direction only. Each CPU has a copy. */
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

/*
 * Stream bytes: slabs of slots. A slab ends with room for a slot and a word more, so that an offset and a size, each within a slot,
 * stay inside.
 */
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
#endif
