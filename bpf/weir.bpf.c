// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The object: one set of tables, and the programs over them. */
#include "kernel.h"
#include <weir/watch.h>
#include <weir/quic_open.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What every program does with a frame. Returns the look at it when it was worth one. */
WEIR_INLINE struct weir_look *look(struct __sk_buff *skb, enum weir_hook hook, int enforcing)
{
	__u32 zero = 0, have = skb->len, interface = skb->ifindex & 1023;
	__u64 *frames = hook == WEIR_HOOK_OUTGOING ? 0 : bpf_map_lookup_elem(&interfaces, &interface);
	__u32 *raw;
	struct weir_scratch *s;
	struct weir_look *l;
	int is_raw;

	if (frames)
		(*frames)++;
	raw = bpf_map_lookup_elem(&raw_interfaces, &interface);
	is_raw = raw && *raw == skb->ifindex;
	if (!is_raw && weir_glance(weir_policy(skb), (__u8 *)(long)skb->data, (__u8 *)(long)skb->data_end) == WEIR_FOREIGN)
		return 0;
	s = bpf_map_lookup_elem(&scratches, &zero);
	l = bpf_map_lookup_elem(&looks, &zero);
	if (have > WEIR_HEAD_PLAIN)
		have = weir_policy(skb)->decap && have > WEIR_HEAD_CAP ? WEIR_HEAD_CAP : weir_policy(skb)->decap ? have : WEIR_HEAD_PLAIN;
	if (!s || !l || !have || weir_read_head(skb, l, have))
		return 0;
	l->is_raw = (__u8)is_raw;
	weir_watch(skb, l, s, have, hook, enforcing);
	return l;
}

#include "tls_probe.bpf.c"
#include "limiter.bpf.c"
#include "quic_opener.bpf.c"
#include "sweep.bpf.c"
#include "bench.bpf.c"
