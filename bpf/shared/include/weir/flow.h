/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What is remembered of a connection, and who may change it.
 *
 *   reading (`state`)   what of the client's bytes was read
 *
 *     server's SYN-ACK out      -> SYN_ACK      in the half-open table, which floods may fill
 *     client's ACK of it        -> EXPECTING    proven: in the table of flows; its first byte is the SYN's number + 1
 *     part of a hello           -> ASSEMBLING   a segment that can be no part of it changes nothing
 *     whole hello               -> AFTER        its records are followed until they are encrypted for good, then DONE
 *     no hello, or given up     -> DONE
 *     FIN, RST                  change nothing but how long the rest is waited for: either may be forged
 *
 *   gate (`gate`)   what the server's answer will meet
 *
 *     ARMED        unjudged: the answer is counted. So is every flow at first, and each that was given up
 *     CLEAN        one whole hello, without a limiting anomaly: the answer passes if it acknowledges all of it
 *     ANOMALOUS    judged, and limiting: the answer is counted
 *     SETTLED      answered; nothing is asked any more
 *     REFUSED      both sides were told: no frame of it passes either way, whatever comes
 *
 *     whole hello               ARMED -> CLEAN or ANOMALOUS
 *     other bytes at its numbers, urgent data      CLEAN -> ARMED, for good (WEIR_GATE_SPOILT)
 *     SYN-ACK sent again        CLEAN -> ARMED, until the same bytes come again; once it has answered: everything anew
 *     client's bytes after a RST or a FIN of the server's  -> ARMED, for good: a SYN cookie opens the tuple again without a SYN
 *     answer                    -> SETTLED; after a HelloRetryRequest -> ARMED, with the second hello expected
 *     answer over the limit     -> REFUSED
 *     hello over the limit      -> REFUSED
 *     SYN-ACK with new numbers  everything anew
 */
#ifndef WEIR_FLOW_H
#define WEIR_FLOW_H

#include <linux/types.h>

enum weir_flow_state {
	WEIR_FLOW_SYN = 0,		/* not proven yet; in the half-open table */
	WEIR_FLOW_SYN_ACK = 1,
	WEIR_FLOW_EXPECTING = 2,	/* the next client byte is the first */
	WEIR_FLOW_ASSEMBLING = 3,
	WEIR_FLOW_DONE = 4,		/* judged: what follows is not read */
	WEIR_FLOW_AFTER = 6,		/* judged: its records are followed */
};

enum weir_gate {
	WEIR_GATE_ARMED = 0,
	WEIR_GATE_CLEAN = 1,
	WEIR_GATE_ANOMALOUS = 2,
	WEIR_GATE_SETTLED = 3,
	WEIR_GATE_REFUSED = 4,
};

enum weir_flow_bit {
	WEIR_BIT_CIPHERS_CHANGED = 1 << 0,	/* ChangeCipherSpec seen */
	WEIR_BIT_OLD = 1 << 1,		/* offers TLS 1.2 at most */
	WEIR_BIT_WENT_ON = 1 << 2,	/* a client record after the hello */
	WEIR_BIT_SILENCE = 1 << 3,	/* that it said nothing was told */
	WEIR_BIT_OUT_OF_STEP = 1 << 4,	/* a segment was missed: what looks like a record may be none */
	WEIR_BIT_AGAIN = 1 << 5,	/* bytes of the judged hello came again: they are judged, and told of if they say something else */
	WEIR_BIT_VOUCHED = 1 << 6,	/* what its server answers proves its client to others: a socket of this node sent the SYN-ACK, or the policy says so */
};

/* Those that concern records after the hello; the others outlive it. */
#define WEIR_BITS_OF_RECORDS (WEIR_BIT_CIPHERS_CHANGED | WEIR_BIT_OLD | WEIR_BIT_WENT_ON | WEIR_BIT_SILENCE | WEIR_BIT_OUT_OF_STEP)

enum weir_gate_bit {
	WEIR_GATE_SEEN_OUT = 1 << 0,	/* its SYN-ACK left by an interface of this node: it proves the client */
	WEIR_GATE_SPOILT = 1 << 1,	/* never clean again: its bytes had two versions, were urgent, or lost */
	WEIR_GATE_RETRY = 1 << 2,	/* a HelloRetryRequest may have been the answer: a second hello is expected */
	WEIR_GATE_FAST_OPEN = 1 << 3,	/* its first bytes came with the SYN (RFC 7413) */
	WEIR_GATE_FRAGMENTED = 1 << 5,	/* bytes came in IP fragments: of those that no table places, nobody knows what they said */
	WEIR_GATE_QUIET = 1 << 4,	/* refused without a word to the client: the policy's answer is `drop` */
	WEIR_GATE_CLOSED = 1 << 6,	/* a RST or the server's FIN was seen; a client's RST may be forged */
	WEIR_GATE_AHEAD = 1 << 7,	/* the client has gone on behind its hello before it was answered */
};

/* Whom a trusted proxy's PROXY header named as the client; zeros: nobody, then the peer is the source. */
struct weir_named {
	__u16 port;
	__u8  address[16];
};

struct weir_flow {
	__u64 first_ns;			/* SYN-ACK, then the verdict; of a refused flow, its last RST */
	__u64 noted;			/* anomalies that were told of this flow besides its hello's */
	__u64 answered_ns;		/* when its last counted answer left; 0: none has */
	union {
		__u8  carry[8];		/* WEIR_FLOW_AFTER: the start of a record header at the last segment's end */
		__u32 passed;		/* before that: sequence number behind what has come of a preamble */
	};
	__u32 client_isn;
	__u32 server_isn;
	__u32 base;			/* sequence number of the first client byte */
	__u32 next;			/* WEIR_FLOW_AFTER: sequence number of the next record */
	__u32 ifindex;
	__u32 digest;			/* of what the judged bytes said */
	__u32 assembly;			/* WEIR_FLOW_ASSEMBLING: its number */
	__u32 kept;			/* the assembly that keeps the judged hello's bytes; 0: none does */
	__u32 hello_end;		/* sequence number behind the judged hello's last byte */
	__u32 server_next;		/* sequence number behind the last byte that the server has sent */
	__u32 turn;			/* what the server had acknowledged when its turn began; of a refused flow, its last RST's number */
	__u32 judged_size;		/* client bytes that were judged, from `base` on; 0: none that could come again */
	__u8  state;			/* enum weir_flow_state */
	__u8  proof;
	__u8  bits;			/* enum weir_flow_bit */
	__u8  preamble;
	__u8  skipped;			/* client messages before the hello that were preambles */
	__u8  handshakes;		/* client handshake records since ChangeCipherSpec; before the hello segments in plain text (upgrade.h) */
	__u8  carried;			/* bytes in `carry` */
	__u8  direction;
	__u8  notes;			/* enum weir_note, told */
	__u8  judged;			/* WEIR_BIT_AGAIN: the state that it comes back to if nothing new is said */
	__u8  gate;			/* enum weir_gate */
	__u8  gate_bits;		/* enum weir_gate_bit */
	__u8  rule;			/* WEIR_GATE_ANOMALOUS: the anomaly that limits */
	__u8  reopened : 1;		/* bytes came after a FIN or RST: the server's next numbers are not known */
	__u8  held : 1;			/* an answer was, until its client is heard */
	__u8  split : 1;		/* the first answer did not leave whole: where the second begins its bytes do not tell */
	struct weir_named named;
};
#endif
