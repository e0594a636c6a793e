/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* QUIC's tables in the kernel, and what quic.h asks of its platform. */
#ifndef WEIR_QUIC_MAPS_H
#define WEIR_QUIC_MAPS_H

#include "kernel.h"
#include <weir/quic_opening.h>

/* Connection ids of QUIC servers, direct-mapped: 60 bits of a hash, four that say who chose them and whether their clients bore them. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_QUIC_IDS);
	__type(key, __u32);
	__type(value, __u64);
} quic_ids SEC(".maps");

/* User space writes its marks through its mapping. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_QUIC_PATHS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct weir_quic_path);
} quic_paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_QUIC_WINDOWS);
	__type(key, __u32);
	__type(value, struct weir_locked_limit);
} quic_windows SEC(".maps");

/* QUIC clients' datagrams, for user space to open. A ring of their own: whatever comes takes no room from verdicts. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
} initials SEC(".maps");

/* What opening in the packet needs. User space leaves one place in the largest where no policy asks for it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_QUIC_HELLOS);
	__type(key, __u32);
	__type(value, struct weir_quic_hello);
} quic_hellos SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, WEIR_QUIC_KNOWN);
	__type(key, __u32);
	__type(value, struct weir_quic_known);
} quic_known SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_quic_budget);
} quic_budget SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct weir_opener);
} openers SEC(".maps");

WEIR_PLACES_OF(struct weir_quic_hello, weir_quic_hello_at, quic_hellos, WEIR_QUIC_HELLOS)
WEIR_PLACES_OF(struct weir_quic_known, weir_quic_known_at, quic_known, WEIR_QUIC_KNOWN)
WEIR_PLACES_OF(__u64, weir_quic_id_at, quic_ids, WEIR_QUIC_IDS)
WEIR_PLACES_OF(struct weir_quic_path, weir_quic_path_at, quic_paths, WEIR_QUIC_PATHS)
WEIR_PLACES_OF(struct weir_limit, weir_quic_window_at, quic_windows, WEIR_QUIC_WINDOWS)

WEIR_INLINE struct weir_quic_budget *weir_quic_budget(weir_frame *frame)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&quic_budget, &zero);
}

WEIR_INLINE struct weir_opener *weir_opener(weir_frame *frame)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&openers, &zero);
}

WEIR_INLINE void weir_count_more(weir_frame *frame, __u32 which, __u64 more)
{
	__u64 *count = bpf_map_lookup_elem(&counters, &which);

	if (count)
		*count += more;
}

/* What opening costs is measured, whatever clock the frames have. */
WEIR_INLINE __u64 weir_work_clock(weir_frame *frame)
{
	return bpf_ktime_get_ns();
}

/* Did a UDP socket of this network namespace send it? What is forwarded has none; what comes from another namespace has lost its own. */
WEIR_INLINE int weir_is_local_datagram(weir_frame *frame)
{
	struct bpf_sock *socket = frame->sk;

	if (!socket)
		return 0;
	socket = bpf_sk_fullsock(socket);
	return socket && socket->protocol == 17 && socket->type == 2;	/* IPPROTO_UDP, SOCK_DGRAM: neither raw nor a packet socket */
}

/* Bytes of each datagram in an offloaded buffer; 0: it is one. */
WEIR_INLINE __u32 weir_segment_size(weir_frame *frame)
{
	return frame->gso_size;
}

WEIR_INLINE int weir_put_datagram(weir_frame *frame, struct weir_scratch *s, __u32 raw)
{
	__asm__ volatile("" : "+r"(raw));
	if (raw > WEIR_QUIC_MOST)
		raw = WEIR_QUIC_MOST;
	return (int)bpf_ringbuf_output(&initials, s, sizeof(s->record) + raw, settings.wakeup);
}
#endif
