// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* The object: one set of tables, and the programs over them. */
#include "maps.h"
#include <weir/watch.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

/* What every program does with a frame. Returns its scratch when the frame was worth a second look. */
WEIR_INLINE struct weir_scratch *look(struct __sk_buff *skb, __u8 direction, __u8 enforcing, struct weir_order *order)
{
	const struct weir_config *config = weir_policy(skb);
	__u32 zero = 0, have = skb->len;
	struct weir_watcher watcher = { skb, config, 0, direction, enforcing };

	if (weir_glance(config, (__u8 *)(long)skb->data, (__u8 *)(long)skb->data_end) == WEIR_FOREIGN)
		return 0;
	watcher.scratch = bpf_map_lookup_elem(&scratches, &zero);
	if (have > WEIR_HEAD_CAP)
		have = WEIR_HEAD_CAP;
	if (!watcher.scratch || !have || weir_bytes(skb, 0, watcher.scratch->head, have))
		return 0;
	weir_watch(&watcher, have, order);
	return watcher.scratch;
}

#include "tls_probe.bpf.c"
#include "limiter.bpf.c"
#include "sweep.bpf.c"
