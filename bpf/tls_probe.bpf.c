// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Observes TLS handshakes in both directions and records each verdict. It never drops and never changes a frame. */

SEC("tc")
int tls_probe(struct __sk_buff *skb)
{
	look(skb, way(skb), 0);
	return TC_ACT_UNSPEC;
}
