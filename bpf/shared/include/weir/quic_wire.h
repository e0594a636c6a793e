/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What probe and user space have in common about QUIC. */
#ifndef WEIR_QUIC_WIRE_H
#define WEIR_QUIC_WIRE_H

#include <linux/types.h>

/*
 * A QUIC path: addresses, ports, and the id that the client has for itself. `count` are the datagrams of its that may hold an Initial; user
 * space writes into `mark` what it thinks of so many of them. A datagram's record says in `fingerprint` which path, and in `cipher_count`
 * which number.
 */
struct weir_quic_path {
	__u64 key;			/* a keyed hash, never 0 */
	__u64 seen_ns;			/* when it began */
	__u32 original;			/* of the id that the client chose for the server: another is another connection's */
	__u32 count;
	__u32 mark;			/* enum weir_quic_mark, its rule from bit 8 on, the count that it holds for from bit 16 on */
	__u32 state;			/* enum weir_quic_path_state */
};

enum weir_quic_mark {
	WEIR_QUIC_UNJUDGED = 0,
	WEIR_QUIC_CLEAN = 1,
	WEIR_QUIC_ANOMALOUS = 2,	/* in a way that the policy limits: the rule says which */
};

enum weir_quic_path_state {
	WEIR_QUIC_MIXED = 1,		/* several connections share the path: none of them is clean */
	WEIR_QUIC_REFUSED = 2,		/* no answer has left, and none will */
};

#define WEIR_QUIC_PATHS 32768
#endif
