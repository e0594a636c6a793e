// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * Observes TLS handshakes and records each verdict. It never drops and never changes a frame. Each hook has its own
 * program: which way a frame goes is known by where it is seen, whatever route brought it there.
 */

SEC("tc")
int tls_probe(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_IN, 0);
	return TC_ACT_UNSPEC;
}

SEC("tc")
int tls_probe_out(struct __sk_buff *skb)
{
	struct weir_look *l = look(skb, WEIR_HOOK_OUT, 0);

	if (l && l->order == WEIR_DO_OUTGOING)
		bpf_tail_call(skb, &outgoing, 0);
	return TC_ACT_UNSPEC;
}

/* Called by either mode's program for what goes out. No start waits for it: what it records nobody is limited for. */
SEC("tc")
int tls_probe_outgoing(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_OUTGOING, 0);
	return TC_ACT_UNSPEC;
}

/* Frames of a capture, which go either way. Never attached. */
SEC("tc")
int replay_probe(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_ANY, 0);
	return TC_ACT_UNSPEC;
}
