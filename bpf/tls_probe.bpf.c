// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* Observes TLS handshakes in both directions and records each verdict. It never drops and never changes a frame. */

/* `nothing` is what bench/ measures the others against. */
SEC("tc")
int nothing(struct __sk_buff *skb)
{
	return TC_ACT_UNSPEC;
}

/*
 * On both hooks. A frame that came in by the interface that it is seen on is on its way in; what this node sends came
 * by none, what it forwards by another. One program for both is one that the verifier reads once.
 */
SEC("tc")
int tls_probe(struct __sk_buff *skb)
{
	look(skb, skb->ingress_ifindex == skb->ifindex ? WEIR_INGRESS : WEIR_EGRESS, 0);
	return TC_ACT_UNSPEC;
}
