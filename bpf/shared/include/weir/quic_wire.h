/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What probe and user space have in common about QUIC. */
#ifndef WEIR_QUIC_WIRE_H
#define WEIR_QUIC_WIRE_H

#include <linux/types.h>

/*
 * A QUIC path: addresses, ports, and the id that the client has for itself. `count` are the datagrams of its that may hold an Initial; user
 * space writes into `mark` what it thinks of so many of them. A datagram's record says in `fingerprint` which path, and in `hello_length`
 * which number.
 */
struct weir_quic_path {
	__u64 key;			/* a keyed hash, never 0 */
	__u64 seen_ns;			/* when it began */
	__u32 original;			/* of the id that the client chose for the server: another is another connection's */
	__u32 count;
	__u32 mark;			/* an opinion, its rule, and the last 24 bits of the count that it holds for: WEIR_QUIC_OPINION */
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
	WEIR_QUIC_ANSWERED = 4,		/* by a server whose own id is too short to tell its answers apart */
	/* Of opening in the packet: */
	WEIR_QUIC_FOUL = 8,		/* a hello of the path's was anomalous: no later one makes it clean */
	WEIR_QUIC_BEGUN = 16,		/* a hello has a place, or had one */
	WEIR_QUIC_MISSED = 32,		/* a datagram was not opened: the hello may lie in it, so a later one is not believed */
};

#define WEIR_QUIC_OPINION(opinion, rule, number) ((__u32)(number) << 8 | ((rule) & 63) << 2 | (opinion))
#define WEIR_QUIC_OPINION_OF(mark) ((mark) & 3)
#define WEIR_QUIC_RULE_OF(mark) ((mark) >> 2 & 63)
#define WEIR_QUIC_IS_OF(mark, number) ((mark) >> 8 == ((number) & 0xffffff))

#define WEIR_QUIC_PATHS 32768
#endif
