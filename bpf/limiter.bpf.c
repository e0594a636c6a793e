// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * The enforcing twin of the probe: the same look at the frame, then the limit, then a RST to both sides or a drop. On the way in it
 * refuses hellos, on the way out answers. It never touches a frame of a connection within its limit, but for a SYN's
 * Multipath TCP option. In observe mode it is not attached.
 */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <bpf/bpf_endian.h>

/* One's complement sum, folded (RFC 1071), not inverted. */
WEIR_INLINE __u32 fold(__u64 sum)
{
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32 & 0xffff) + (sum >> 48);
	sum = (sum & 0xffff) + (sum >> 16);
	return (sum & 0xffff) + (sum >> 16);
}

struct pseudo_header {
	__u8 from[16];
	__u8 to[16];
	__be32 length;
	__be32 protocol;
};

/* What a RST is made of. On the stack: what is cloned runs our programs again, over the same per-CPU memory. */
struct refusal {
	__u32 network, transport;
	__u32 server_expects, client_expects;
	__u32 pseudo;			/* the pseudo header's sum: the same both ways */
	__be16 client, server;
	__u8 family;
	__u8 has_ethernet;
};

/*
 * Writes the RST's 20 bytes. What the checksum's field has to hold depends on ip_summed, which a program cannot read: with
 * CHECKSUM_PARTIAL the pseudo header's sum P, for whoever sends it on to complete; without, the whole ~(P + T). But
 * bpf_l4_csum_replace without BPF_F_PSEUDO_HDR leaves the field alone exactly when it is PARTIAL. So P goes in, then "the
 * data differ by P + P + T", since ~P + P + P + T = P + T.
 */
WEIR_INLINE int write_rst(struct __sk_buff *skb, const struct refusal *r, int to_server)
{
	struct tcphdr tcp = {
		.source = to_server ? r->client : r->server,
		.dest = to_server ? r->server : r->client,
		.seq = bpf_htonl(to_server ? r->server_expects : r->client_expects),
		.ack_seq = bpf_htonl(to_server ? r->client_expects : r->server_expects),
		.doff = 5,
		.rst = 1,
		.ack = 1,
		.check = (__sum16)r->pseudo,
	};
	__u32 sum;

	tcp.check = 0;
	sum = fold((__u32)bpf_csum_diff(0, 0, (__be32 *)&tcp, sizeof(tcp), 0));
	tcp.check = (__sum16)r->pseudo;
	if (bpf_skb_store_bytes(skb, r->transport, &tcp, sizeof(tcp), BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH))
		return -1;
	return bpf_l4_csum_replace(skb, r->transport + 16, 0, fold((__u64)r->pseudo + r->pseudo + sum), 0) ? -1 : 0;
}

/* Sender and receiver change places. */
WEIR_INLINE int turn_round(struct __sk_buff *skb, const struct refusal *r)
{
	__u32 size = r->family == 4 ? 4 : 16, at = r->network + (r->family == 4 ? 12 : 8);
	__u8 from[16], to[16];

	if (r->has_ethernet && (bpf_skb_load_bytes(skb, 0, from, 6) || bpf_skb_load_bytes(skb, 6, to, 6) ||
				bpf_skb_store_bytes(skb, 0, to, 6, 0) || bpf_skb_store_bytes(skb, 6, from, 6, 0)))
		return -1;
	if (size == 4)
		return bpf_skb_load_bytes(skb, at, from, 4) || bpf_skb_load_bytes(skb, at + 4, to, 4) ||
		       bpf_skb_store_bytes(skb, at, to, 4, BPF_F_RECOMPUTE_CSUM) || bpf_skb_store_bytes(skb, at + 4, from, 4, BPF_F_RECOMPUTE_CSUM) ? -1 : 0;
	return bpf_skb_load_bytes(skb, at, from, 16) || bpf_skb_load_bytes(skb, at + 16, to, 16) ||
	       bpf_skb_store_bytes(skb, at, to, 16, BPF_F_RECOMPUTE_CSUM) || bpf_skb_store_bytes(skb, at + 16, from, 16, BPF_F_RECOMPUTE_CSUM) ? -1 : 0;
}

/* Headers only, and lengths that say so. It copies what a socket keeps for retransmission, ends segmentation offload, and leaves ip_summed as it is. */
WEIR_INLINE int cut(struct __sk_buff *skb, const struct refusal *r)
{
	__be16 before, length;

	if (bpf_skb_change_tail(skb, r->transport + 20, 0))
		return -1;
	if (r->family == 6) {
		length = bpf_htons((__u16)(r->transport + 20 - r->network - 40));
		return bpf_skb_store_bytes(skb, r->network + 4, &length, 2, BPF_F_RECOMPUTE_CSUM) ? -1 : 0;
	}
	length = bpf_htons((__u16)(r->transport + 20 - r->network));
	return bpf_skb_load_bytes(skb, r->network + 2, &before, 2) || bpf_skb_store_bytes(skb, r->network + 2, &length, 2, 0) ||
	       bpf_l3_csum_replace(skb, r->network + 10, before, length, 2) ? -1 : 0;
}

WEIR_INLINE void prepare(struct refusal *r, const struct weir_look *l)
{
	const struct weir_segment *seg = &l->segment;
	struct pseudo_header pseudo = { .length = bpf_htonl(20), .protocol = bpf_htonl(6) };

	r->network = seg->network_at;
	r->transport = seg->transport_at;
	r->family = seg->family;
	r->has_ethernet = seg->network_at != 0;
	r->client = bpf_htons(seg->flow.client_port);
	r->server = bpf_htons(seg->flow.server_port);
	r->server_expects = l->sequence;
	r->client_expects = l->client_expects;
	__builtin_memcpy(pseudo.from, seg->flow.client, 16);
	__builtin_memcpy(pseudo.to, seg->flow.server, 16);
	if (seg->family == 4) {
		/* The mapped form's ffff would count: the pseudo header has the four bytes alone. */
		__builtin_memset(pseudo.from, 0, 12);
		__builtin_memset(pseudo.to, 0, 12);
	}
	r->pseudo = fold((__u32)bpf_csum_diff(0, 0, (__be32 *)&pseudo, sizeof(pseudo), 0));
}

/*
 * The frame becomes a RST to each side that the order names, with the number that side expects (RFC 5961 section 3.2). The side
 * that the frame goes to gets the frame itself; the other a clone that goes back where it came from. If that fails
 * nothing passes: the connection stays refused, and whoever sends again is told again.
 */
WEIR_ONCE int refuse(struct __sk_buff *skb, struct weir_look *l, int to_server)
{
	struct refusal r;
	__u32 order;

	if (!l)
		return TC_ACT_SHOT;
	order = l->order;
	prepare(&r, l);
	if (cut(skb, &r))
		goto failed;
	if (order == WEIR_DO_RESET || order == (to_server ? WEIR_DO_RESET_CLIENT : WEIR_DO_RESET_SERVER)) {
		if (write_rst(skb, &r, !to_server) || turn_round(skb, &r) || bpf_clone_redirect(skb, skb->ifindex, to_server ? 0 : BPF_F_INGRESS) || turn_round(skb, &r))
			goto failed;
	}
	if (order == (to_server ? WEIR_DO_RESET_CLIENT : WEIR_DO_RESET_SERVER))
		return TC_ACT_SHOT;
	if (write_rst(skb, &r, to_server))
		goto failed;
	return TC_ACT_UNSPEC;
failed:
	weir_count(skb, WEIR_COUNT_RESET_FAILED);
	return TC_ACT_SHOT;
}

/*
 * Multipath TCP (RFC 8684) would answer on another connection than the one that asked, and outlives a RST: a SYN's option 30 becomes
 * 254, which nobody knows (RFC 6994), and both sides speak TCP.
 */
WEIR_ONCE int single_path(struct __sk_buff *skb, struct weir_look *l)
{
	__u8 option[2] = {};
	__u32 at, end, transport;

	if (!l)
		return TC_ACT_UNSPEC;
	transport = l->segment.transport_at;
	at = transport + 20;
	end = l->segment.payload_at;
	for (int i = 0; i < 40; i++) {
		if (at + 2 > end || bpf_skb_load_bytes(skb, at, option, 2) || !option[0])
			return TC_ACT_UNSPEC;
		if (option[0] == 30) {
			__u32 odd = (at - transport) & 1;
			__u16 before, after;

			if (bpf_skb_load_bytes(skb, at - odd, &before, 2))
				return TC_ACT_SHOT;
			after = odd ? (before & 0x00ff) | 254 << 8 : (before & 0xff00) | 254;	/* of a little-endian machine */
			if (bpf_skb_store_bytes(skb, at - odd, &after, 2, 0) || bpf_l4_csum_replace(skb, transport + 16, before, after, 2))
				return TC_ACT_SHOT;
			weir_count(skb, WEIR_COUNT_MULTIPATH);
			return TC_ACT_UNSPEC;
		}
		at += option[0] == 1 ? 1 : option[1] < 2 ? 40 : option[1];
	}
	return TC_ACT_UNSPEC;
}

SEC("tc")
int limiter(struct __sk_buff *skb)
{
	struct weir_look *l = look(skb, WEIR_HOOK_IN, 1);

	if (!l || l->order == WEIR_PASS)
		return TC_ACT_UNSPEC;
	if (l->order == WEIR_DO_DROP)
		return TC_ACT_SHOT;
	if (l->order == WEIR_DO_SINGLE_PATH)
		return single_path(skb, l);
	if (settings.opens && l->order == WEIR_DO_OPEN) {
		bpf_tail_call(skb, &outgoing, 1);
		weir_count(skb, WEIR_COUNT_QUIC_LOST);	/* nobody is there: user space loads the program first */
		return TC_ACT_UNSPEC;
	}
	return refuse(skb, l, 1);
}

SEC("tc")
int limiter_out(struct __sk_buff *skb)
{
	struct weir_look *l = look(skb, WEIR_HOOK_OUT, 1);

	if (l && l->order == WEIR_DO_OUTGOING) {
		bpf_tail_call(skb, &outgoing, 0);
		return TC_ACT_UNSPEC;
	}
	if (!l || l->order == WEIR_PASS)
		return TC_ACT_UNSPEC;
	if (l->order == WEIR_DO_DROP)
		return TC_ACT_SHOT;
	return refuse(skb, l, 0);
}

/* Frames of a capture, which go either way; what would have become of them is in the records. Never attached. */
SEC("tc")
int replay_limiter(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_ANY, 1);
	return TC_ACT_UNSPEC;
}

struct bpf_map;

struct room {
	__u64 now;
	__u32 left;			/* entries that stay */
};

/* Each entry that has nothing more to say goes. Those that strangers share stay: they are there before anybody needs them. */
static long make_room(struct bpf_map *map, const struct weir_limit_key *key, struct weir_limit *limit, struct room *room)
{
	struct weir_limit_order order = { .what = WEIR_ORDER_FORGET_SPENT };

	room->left++;
	/* Read without its lock: the order looks again. */
	if (key->length && weir_is_spent(limit, room->now, 0)) {
		order.key = *key;	/* what a map lends as its key, no function may take as memory */
		weir_set_limit(0, &order, room->now);
		room->left--;
	}
	return 0;
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
	if (order.what == WEIR_ORDER_MAKE_ROOM) {
		struct room room = { .now = weir_now(skb) };

		bpf_for_each_map_elem(&limits, make_room, &room, 0);
		return room.left;
	}
	return weir_set_limit(skb, &order, weir_now(skb)) ? 2 : 0;
}
