// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Called by the limiter for what comes in for a QUIC port, where the policy asks for it at the start: Initials are opened in the packet. It
 * never changes a datagram, and drops only strangers' Initials once its budget is spent. The look is the one that its caller has made.
 */
SEC("tc")
int quic_opener(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct weir_scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	struct weir_look *l = bpf_map_lookup_elem(&looks, &zero);

	if (!s || !l)
		return TC_ACT_UNSPEC;
	weir_quic_open_buffer(skb, l, s);
	return l->order == WEIR_DO_DROP ? TC_ACT_SHOT : TC_ACT_UNSPEC;
}
