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
	look(skb, WEIR_HOOK_OUT, 0);
	return TC_ACT_UNSPEC;
}

/* Frames of a capture, which go either way. Never attached. */
SEC("tc")
int replay_probe(struct __sk_buff *skb)
{
	look(skb, WEIR_HOOK_ANY, 0);
	return TC_ACT_UNSPEC;
}
