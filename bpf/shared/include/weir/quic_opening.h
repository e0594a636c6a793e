/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What opening Initials in the packet works with and remembers. Only a policy that asks for it (`inPacket`) pays for any of it. */
#ifndef WEIR_QUIC_OPENING_H
#define WEIR_QUIC_OPENING_H

#include <linux/types.h>

#define WEIR_QUIC_HELLO 4096		/* bytes of a hello that are kept: browsers' are up to 2.5 KB with post-quantum key shares */
#define WEIR_QUIC_PIECE 2048		/* bytes of a frame that are copied at once; of a longer one each by itself */
#define WEIR_QUIC_HELLOS 512
#define WEIR_QUIC_WAYS 4		/* places that a path may take: of these the one that was silent for longest */
#define WEIR_QUIC_PACKETS 8		/* of one datagram (RFC 9000 section 12.2); one with more is left to user space */
#define WEIR_QUIC_KNOWN 4096		/* prefixes of which somebody was proven */
#define WEIR_QUIC_KNOWN_NS (300ULL * 1000000000ULL)
#define WEIR_QUIC_EARNS_NS 1000000ULL	/* the budget earns once a millisecond */

/*
 * Loops whose body is verified once, in every object by bpf_loop: under may_goto Linux 6.12 follows it several times. The body returns 1 to
 * stop, and keeps its state in map memory.
 */
#ifdef __bpf__
#define WEIR_QUIC_STEP static __attribute__((noinline))
#define WEIR_QUIC_LOOP(turns, body, context) bpf_loop(turns, body, context, 0)
#else
#define WEIR_QUIC_STEP static inline
#define WEIR_QUIC_LOOP(turns, body, context) WEIR_LOOP(turns, body, context)
#endif

struct weir_sha {
	__u32 state[8];
	__u32 inner[8], outer[8];	/* HMAC's two states under the present key */
	__u32 v[8], w[16];		/* a block at work */
	__u32 turn, label;
};

struct weir_aes_key {
	__u32 w[44];
};

struct weir_aes_words {
	__u32 w[4];
};

struct weir_aes_counter {
	__u32 first, second[4];
};

struct weir_ghash {
	__u64 h0, h1, h0_reversed, h1_reversed;
	__u64 y0, y1;			/* the sum; while a block is at work, its bits reversed */
	__u64 z[6];			/* products */
};

/* A client's Initial keys (RFC 9001 section 5.2, RFC 9369 section 3.3). */
struct weir_quic_keys {
	struct weir_aes_key data, header;
	__u32 iv[3], reserved;
};

/* A connection id: up to 20 bytes, then zeros; the last byte is its size. */
struct weir_connection_id {
	__u64 words[3];
};

/*
 * A path's hello while it is put together, and after it, for what comes again. Keys stay: once a server has answered, its client's Initials
 * bear the id that the server chose, but their keys still follow from the client's first.
 */
struct weir_quic_hello {
	__u64 path;			/* struct weir_quic_path's key; 0: the place is free */
	struct weir_connection_id id;		/* from which the keys follow */
	__u64 odd;			/* what is odd about its Initials, as bits of enum weir_anomaly */
	__u64 limiting;			/* what the policy limits of the hello and of these, once it is judged */
	__u64 seen_ns;
	__u32 version;
	__u32 busy;			/* a processor is at it: another one leaves it alone */
	__u32 need, got;		/* the hello's size, once known; bytes of it that are there */
	__u8  is_whole, is_spoilt, is_judged, reserved[5];
	struct weir_quic_keys keys;
	__u64 have[WEIR_QUIC_HELLO / 64]; /* a bit for each byte */
	__u8  bytes[WEIR_QUIC_HELLO + WEIR_QUIC_PIECE + 8]; /* so that an offset and a size, each within its bound, stay inside */
};

/* Where the walk over an Initial's frames stands. */
enum weir_quic_walk_state { WEIR_QUIC_FRAME, WEIR_QUIC_NUMBERS, WEIR_QUIC_COUNT, WEIR_QUIC_REASON };

/* One datagram at work; its bytes are the scratch's, and are opened in place. */
struct weir_opener {
	__u64 path;
	struct weir_connection_id to, from;	/* of the packet at hand */
	struct weir_connection_id first_to, first_from;
	__u32 size;			/* of the datagram */
	__u32 number;			/* its number on its path */
	__u32 may_begin;		/* no other hello can have come by the path before */
	__u32 has_begun;
	__u32 proves;			/* it bears an id that its server chose */
	__u32 packet;			/* where the packet at hand begins */
	__u32 version, type, salt, label, to_size, has_token;
	__u32 number_at, end, next;	/* its packet number, its tag, the packet behind it */
	__u32 payload;			/* where its frames begin */
	__u32 mask, first_mask;		/* header protection, to be put back where the keys were wrong */
	__u32 count, opened;		/* counter mode's: its counter, and how far it is */
	__u32 tag_at, tag_end;		/* the tag's walk */
	__u32 at, state, left, kind;	/* the frames' walk */
	__u32 offset, data, data_size;	/* a CRYPTO frame */
	__u32 word, last_word;
	__u32 scan;
	__u32 fresh;			/* bytes that were not there */
	__u32 overlaps, differs;
	__u32 failed;			/* what no Initial may bear */
	__u32 initials;			/* packets of the datagram that are Initials */
	__u32 is_ours;			/* one of them, or all its other packets, belong to the path's hello */
	__u32 is_spoilt;
	__u32 is_left;			/* to user space */
	struct weir_aes_words block, nonce;
	struct weir_aes_counter counter;
	struct weir_ghash ghash;
	struct weir_sha sha;
	struct weir_quic_keys keys;
	__u8  message[32];
};

/* What may be spent on opening, in nanoseconds. Processors share it; a race makes it a little inexact and nothing worse. */
struct weir_quic_budget {
	__s64 all, strangers;
	__u64 earned_ns;		/* when it last earned */
};

/* A prefix of which somebody was proven. */
struct weir_quic_known {
	__u64 hash;
	__u64 seen_ns;
};
#endif
