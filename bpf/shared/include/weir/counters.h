/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What the probe counts, each by its number. */
#ifndef WEIR_COUNTERS_H
#define WEIR_COUNTERS_H

/*
 * Per-CPU counters. Hellos: seen = emitted + lost. Frames:
 * seen = other + foreign_port + watched. Names in Wire/Counter.swift.
 */
enum weir_counter {
	WEIR_COUNT_FRAMES = 0,		/* frames on a watched port */
	WEIR_COUNT_SEEN = 1,		/* verdicts reached */
	WEIR_COUNT_EMITTED = 2,		/* records in the ring */
	WEIR_COUNT_LOST = 3,		/* the ring was full */
	WEIR_COUNT_UNPROVEN = 4,	/* verdicts without proof */
	WEIR_COUNT_ALLOWED = 5,
	WEIR_COUNT_PASSED = 6,
	WEIR_COUNT_OBSERVED = 7,
	WEIR_COUNT_ADMITTED = 8,
	WEIR_COUNT_RESET = 9,
	WEIR_COUNT_DROPPED = 10,
	WEIR_COUNT_REFLEX = 11,		/* entries that the kernel made or renewed */
	WEIR_COUNT_LIMITS_FULL = 12,	/* entries that did not fit: strangers share one limit */
	WEIR_COUNT_ASSEMBLED = 13,	/* hellos that spanned segments */
	WEIR_COUNT_DEEP_HEADERS = 14,	/* TCP header beyond what is read */
	WEIR_COUNT_RESET_FAILED = 15,	/* could not be turned into a RST: dropped instead */
	WEIR_COUNT_ANSWERS_HELD = 16,	/* of Fast Open, until their client is heard */
	WEIR_COUNT_EVICTED = 17,	/* hellos whose memory others took */
	WEIR_COUNT_FRAGMENTS = 18,	/* IP fragments looked at */
	WEIR_COUNT_FRAGMENTS_LOST = 19,	/* IP fragments whose first was not seen */
	WEIR_COUNT_OUT_OF_STEP = 20,	/* flows whose records after the hello could not be followed */
	WEIR_COUNT_SYN_DATA = 21,	/* bytes in a SYN (RFC 7413), not looked at */
	WEIR_COUNT_ANSWERS = 22,	/* first answers that left, to clean hellos */
	WEIR_COUNT_ANSWERS_COUNTED = 23, /* to others, within the limit */
	WEIR_COUNT_ANSWERS_REFUSED = 24, /* to others, over it: both sides were told */
	WEIR_COUNT_ANSWERS_UNSEEN = 25,	/* of flows that no table knew */
	WEIR_COUNT_REFUSED_AGAIN = 26,	/* frames of refused connections, either way */
	WEIR_COUNT_OUT_OF_REACH = 27,	/* segments that can be no part of the hello, ignored */
	WEIR_COUNT_SHARED = 28,		/* hellos and answers counted against the limit that strangers share, the table being full */
	WEIR_COUNT_MULTIPATH = 29,	/* SYNs whose Multipath TCP option was taken away */
	WEIR_COUNT_UNREADABLE = 30,	/* frames dropped because nobody could tell what they bear */
	WEIR_COUNT_TRANSLATED = 31,	/* hellos seen once more, behind a translation of their server's address */
	WEIR_COUNT_QUIC_TOLD = 32,	/* QUIC datagrams given to user space */
	WEIR_COUNT_QUIC_LOST = 33,	/* for which their ring had no room */
	WEIR_COUNT_QUIC_SMALL = 34,	/* Initials in datagrams so small that servers discard them */
	WEIR_COUNT_QUIC_ANSWERS = 35,	/* connection ids that servers chose */
	WEIR_COUNT_QUIC_PROVEN = 36,	/* of these, the ones that their clients bore */
	WEIR_COUNT_QUIC_RETRIES = 37,
	WEIR_COUNT_QUIC_NEGOTIATIONS = 38,
	WEIR_COUNT_QUIC_COUNTED = 39,	/* first answers that left for connections not known to be clean */
	WEIR_COUNT_QUIC_REFUSED = 40,	/* answers that did not leave */
	WEIR_COUNT_TUNNELS_SEALED = 41,	/* tunnels whose inside nobody can read: encrypted, compressed, of an unknown form */
	WEIR_COUNT_TUNNELS_SPLIT = 42,	/* tunnels' packets in IP fragments, looked into by nobody */
	WEIR_COUNT_NAMED = 43,		/* PROXY headers of trusted proxies that named their client */
	WEIR_COUNT_UNNAMED = 44,	/* other PROXY headers: they name nobody, or their sender is not trusted */
	WEIR_COUNT_QUIC_OPENED = 45,	/* Initials that were opened in the packet: their tags are right */
	WEIR_COUNT_QUIC_BAD = 46,	/* with a wrong tag, or with what no Initial may bear */
	WEIR_COUNT_QUIC_JUDGED = 47,	/* hellos that were judged in the packet */
	WEIR_COUNT_QUIC_LEFT = 48,	/* datagrams that were not judged in the packet, but left to user space */
	WEIR_COUNT_QUIC_OVER_BUDGET = 49, /* strangers' Initials that were dropped: the budget was spent */
	WEIR_COUNT_QUIC_EVICTED = 50,	/* unfinished hellos whose place others took */
	WEIR_COUNT_QUIC_OPENING_NS = 51, /* nanoseconds spent on opening */
	WEIR_COUNT_COUNT = 52,
};
#endif
