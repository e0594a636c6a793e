// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* What bench/ measures the others against; never attached, and loaded by nobody else. */

SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

/*
 * A hello is judged once a flow, and BPF_PROG_TEST_RUN repeats one frame: so its flow is put back before each look.
 * With `WEIR_FLOW_DONE` the look ends at the flow, which is what the other is compared with.
 */
static __attribute__((noinline)) int put_back(struct __sk_buff *skb, __u32 state)
{
	struct weir_flow flow = { .state = (__u8)state, .proof = WEIR_TRACKED };
	__u32 zero = 0, have = skb->len;
	struct weir_look *l = bpf_map_lookup_elem(&looks, &zero);

	if (have > WEIR_HEAD_PLAIN)
		have = WEIR_HEAD_PLAIN;
	if (!l || !have || weir_read_head(skb, l, have) || weir_read_frame(l, have, skb->len, 0))
		return -1;
	flow.base = l->segment.sequence;
	return (int)bpf_map_update_elem(&flows, &l->segment.flow, &flow, BPF_ANY);
}

WEIR_INLINE int rehearse(struct __sk_buff *skb, __u8 state)
{
	if (!put_back(skb, state))
		look(skb, WEIR_HOOK_IN, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int rehearse_hello(struct __sk_buff *skb)
{
	return rehearse(skb, WEIR_FLOW_EXPECTING);
}

SEC("tc")
int rehearse_floor(struct __sk_buff *skb)
{
	return rehearse(skb, WEIR_FLOW_DONE);
}

/*
 * A hello in two segments: the one frame that is run is taken apart, its first 1448 bytes and the rest. Its headers are
 * read once, so what a second frame's cost is to be added.
 */
SEC("tc")
int rehearse_pair(struct __sk_buff *skb)
{
	__u32 zero = 0, first = 1448, rest;
	struct weir_scratch *s = bpf_map_lookup_elem(&scratches, &zero);
	struct weir_look *l = bpf_map_lookup_elem(&looks, &zero);

	if (!s || !l || put_back(skb, WEIR_FLOW_EXPECTING))
		return TC_ACT_UNSPEC;
	l->hook = WEIR_HOOK_IN;
	l->direction = WEIR_INGRESS;
	l->order = WEIR_PASS;
	l->have = WEIR_HEAD_PLAIN;
	if (l->segment.payload_size <= first)
		return TC_ACT_UNSPEC;
	rest = l->segment.payload_size - first;
	l->segment.payload_size = first;
	weir_from_client(skb, l, s, WEIR_HOOK_IN, 0);
	l->segment.sequence += first;
	l->segment.payload_at += first;
	l->segment.payload_size = rest;
	weir_from_client(skb, l, s, WEIR_HOOK_IN, 0);
	return TC_ACT_UNSPEC;
}
