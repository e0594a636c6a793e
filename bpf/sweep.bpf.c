// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Run by user space once a second: hellos that stopped half way, and flows that fell silent, are recorded. It sees no frame. */

struct bpf_map;

struct sweep {
	__u64 now;			/* in the records' clock; 0 asks the kernel's */
	__u64 end;			/* a capture's: hellos stop there, and nobody has fallen silent */
};

static long sweep_hello(struct bpf_map *map, const __u32 *index, struct weir_assembly *a, struct sweep *sweep)
{
	const struct weir_config *config = weir_policy(0);
	struct weir_scratch *s;
	__u32 slot = 1;

	if (!weir_is_over(a, sweep->now, config->hello_timeout_ns, !!sweep->end))
		return 0;
	s = bpf_map_lookup_elem(&scratches, &slot);
	if (!s)
		return 0;
	weir_give_up(0, s, a, sweep->now);
	return 0;
}

static long sweep_flow(struct bpf_map *map, const struct weir_flow_key *key, struct weir_flow *flow, struct sweep *sweep)
{
	struct weir_flow_key copy;
	__u32 slot = 1;
	struct weir_scratch *s;

	if (!weir_is_silent(flow, sweep->now, weir_policy(0)->hello_timeout_ns))
		return 0;
	s = bpf_map_lookup_elem(&scratches, &slot);
	if (!s)
		return 0;
	copy = *key;				/* what a map lends as its key, no function may take as memory */
	weir_tell_silence(0, s, &copy, flow, sweep->now);
	return 0;
}

SEC("syscall")
int sweep(struct sweep *context)
{
	struct sweep here = { context->now ? context->now : bpf_ktime_get_ns(), context->end };

	bpf_for_each_map_elem(&assemblies, sweep_hello, &here, 0);
	if (!here.end)
		bpf_for_each_map_elem(&flows, sweep_flow, &here, 0);
	return 0;
}
