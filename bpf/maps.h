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
	__u32 reserved;
};
const volatile struct weir_settings settings SEC(".rodata.settings") = {};

/* Two policies and which one is in force; written by user space through its mapping. */
struct weir_policies {
	__u64 active;
	struct weir_config configs[2];
};
struct weir_policies policies SEC(".data.policies") = {};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} handshakes SEC(".maps");

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

/* Two tables, so that a SYN flood cannot push out what is proven. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct weir_flow_key);
	__type(value, struct weir_flow);
} flows SEC(".maps"), half_open SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1024);
	__type(key, struct weir_flow_key);
	__type(value, struct weir_assembly);
} assemblies SEC(".maps");

/* What an assembly begins as. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_assembly);
} blank SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u8);
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
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct weir_allow_key);
	__type(value, __u8);
} allow SEC(".maps");

WEIR_INLINE const struct weir_config *weir_policy(weir_frame *frame)
{
	return &policies.configs[policies.active & 1];
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
	/* The verifier loses the bounds of what the compiler has moved; an empty asm keeps the test beside the call. */
	__asm__ volatile("" : "+r"(size));
	if (size - 1 >= most)
		return -1;
	return (int)bpf_skb_load_bytes(frame, from, to, size);
}

WEIR_INLINE int weir_new_assembly(weir_frame *frame, const struct weir_flow_key *key)
{
	__u32 zero = 0;
	void *template = bpf_map_lookup_elem(&blank, &zero);

	return template ? (int)bpf_map_update_elem(&assemblies, key, template, BPF_ANY) : -1;
}

/* The message behind the stream's first record header becomes the scratch's. (BPF has no other copy of unknown length.) */
WEIR_INLINE void weir_become(const struct weir_assembly *a, struct weir_scratch *s, __u32 length)
{
	bpf_probe_read_kernel(s->bytes, length & (WEIR_STREAM_CAP - 1), a->bytes + 5);
}

WEIR_INLINE int weir_put(weir_frame *frame, struct weir_scratch *s, __u32 raw)
{
	raw &= WEIR_STREAM_CAP - 1;
	return (int)bpf_ringbuf_output(&handshakes, s, sizeof(s->record) + raw, settings.wakeup);
}
#endif
