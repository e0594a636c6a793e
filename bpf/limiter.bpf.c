// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The enforcing twin of the probe: the same look at the frame, then the limit, then a RST or a drop; on the way out
 * it observes only. It never touches a frame that is no hello over a limit. In observe mode it is not attached.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

/* One's complement sum, folded (RFC 1071). */
WEIR_INLINE __u16 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (__u16)~sum;
}

struct pseudo_header {
	__u8 from[16];
	__u8 to[16];
	__be32 length;
	__be32 protocol;
};

/*
 * Turns the hello into a RST towards the server, in place: headers kept, payload gone, both checksums anew. The
 * server's socket is gone at once; the client's retransmission finds none and is answered with a RST by the server's
 * own stack, so both let go (RFC 9293 section 3.10.7). Returns 0, or -1 when the frame could not be changed.
 */
static __attribute__((noinline)) int reset_in_place(struct __sk_buff *skb, const struct weir_look *l)
{
	const struct weir_segment *seg = &l->segment;
	__u32 transport = seg->transport_at, network = seg->network_at;
	struct pseudo_header pseudo = { .length = bpf_htonl(20), .protocol = bpf_htonl(6) };
	struct tcphdr tcp = {
		.source = bpf_htons(seg->flow.client_port),
		.dest = bpf_htons(seg->flow.server_port),
		.seq = bpf_htonl(l->sequence),
		.ack_seq = bpf_htonl(seg->acknowledged),
		.doff = 5,
		.rst = 1,
		.ack = 1,
	};
	__be16 length;
	__u64 sum;

	if (bpf_skb_change_tail(skb, transport + 20, 0))
		return -1;
	__builtin_memcpy(pseudo.from, seg->flow.client, 16);
	__builtin_memcpy(pseudo.to, seg->flow.server, 16);
	if (seg->family == 4) {
		/* The mapped form's ffff would count: the pseudo header has the four bytes alone. */
		__builtin_memset(pseudo.from, 0, 12);
		__builtin_memset(pseudo.to, 0, 12);
	}
	sum = bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0);
	sum = bpf_csum_diff(0, 0, (__be32 *)&tcp, sizeof(tcp), sum);
	tcp.check = fold(sum);
	if (bpf_skb_store_bytes(skb, transport, &tcp, sizeof(tcp), BPF_F_INVALIDATE_HASH))
		return -1;
	if (seg->family == 4) {
		__be16 before;

		length = bpf_htons((__u16)(transport + 20 - network));
		if (bpf_skb_load_bytes(skb, network + 2, &before, 2))
			return -1;
		if (bpf_skb_store_bytes(skb, network + 2, &length, 2, 0))
			return -1;
		return bpf_l3_csum_replace(skb, network + 10, before, length, 2) ? -1 : 0;
	}
	length = bpf_htons((__u16)(transport + 20 - network - 40));
	return bpf_skb_store_bytes(skb, network + 4, &length, 2, 0) ? -1 : 0;
}

/* What the look has ordered. */
WEIR_INLINE int obey(struct __sk_buff *skb, const struct weir_look *l)
{
	if (!l || l->order == WEIR_PASS)
		return TC_ACT_UNSPEC;
	if (l->order == WEIR_DO_DROP)
		return TC_ACT_SHOT;
	if (!reset_in_place(skb, l))
		return TC_ACT_UNSPEC;
	weir_count(skb, WEIR_COUNT_RESET_FAILED);
	return TC_ACT_SHOT;
}

SEC("tc")
int limiter(struct __sk_buff *skb)
{
	return obey(skb, look(skb, WEIR_HOOK_IN, 1));
}

SEC("tc")
int limiter_out(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_OUT, 0);
	return TC_ACT_UNSPEC;
}

/* Frames of a capture, which go either way. Never attached. */
SEC("tc")
int replay_limiter(struct __sk_buff *skb)
{
	return obey(skb, look(skb, WEIR_HOOK_ANY, 1));
}

/*
 * Run by user space with an order as the frame, never attached: a map update would overwrite the entry, stamps and
 * all, between two hellos, and let more through. (A syscall program would sleep, and may take no spin lock.)
 */
SEC("tc")
int set_limit(struct __sk_buff *skb)
{
	struct weir_limit_order order = {};

	if (bpf_skb_load_bytes(skb, 0, &order, sizeof(order)))
		return 1;
	return weir_set_limit(skb, &order) ? 2 : 0;
}
