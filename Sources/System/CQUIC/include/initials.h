/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opens QUIC clients' Initials (RFC 9000 section 17.2.2) and puts their ClientHellos together. The probe gives datagrams; what comes out is
 * a whole handshake message, with what proves its source. One reader belongs to one thread. It allocates only when it is made.
 */
#ifndef WEIR_INITIALS_H
#define WEIR_INITIALS_H

#include <weir/engine.h>

#define WEIR_INITIALS_PLACES 2048	/* connections whose hello is not told yet, or was told a moment ago */
#define WEIR_INITIALS_FLOWS 64		/* verdicts without a hello that wait to be asked for */
#define WEIR_INITIALS_HELLO 4096	/* bytes of a hello: browsers' are up to 2.5 KB with post-quantum key shares */

struct weir_initials;

/* What became of the datagrams, since the reader was made. */
struct weir_initials_counts {
	__u64 opened;			/* Initials whose tag is right */
	__u64 bad;			/* with a wrong tag, or what contradicts itself (RFC 9001 section 5.2) */
	__u64 small_id;			/* first Initials whose connection id is shorter than eight bytes (RFC 9000 section 7.2) */
	__u64 foreign;			/* of versions that are known but nobody's to open, or that are made to be refused (RFC 9287, bait) */
	__u64 unknown;			/* of versions that no one speaks */
	__u64 too_long;			/* hellos longer than what is kept */
	__u64 incomplete;		/* that never were whole */
	__u64 evicted;			/* whose place others took before anything was told */
	__u64 ambiguous;		/* proofs that may be another connection's: they prove none */
	__u64 told;			/* hellos handed out */
	__u64 untold;			/* verdicts without a hello for which there was no room */
	__u64 uncounted;		/* connections to servers beyond those that floods are looked for at */
};

/* A whole hello. The bytes are the reader's, and stay until it is asked again. */
struct weir_initials_hello {
	struct weir_handshake seen;	/* when, whose, how proven */
	const __u8 *message;
	__u32 size;
	__u32 version;			/* QUIC's */
};

/* NULL when memory is short, or libcrypto has no AES-128-GCM. */
struct weir_initials *weir_initials_create(void);
void weir_initials_destroy(struct weir_initials *reader);

/*
 * One datagram, or its start where `seen` is told for what it proves. Returns 1 where there is now an opinion of its path: the hello is
 * whole, and `engine` has looked at it under its policy.
 */
int weir_initials_take(struct weir_initials *reader, struct weir_engine *engine, const struct weir_handshake *seen, const __u8 *bytes,
		       __u32 size, struct weir_quic_opinion *opinion);

/*
 * What nothing proves after three seconds is told as unproven, what is not whole is forgotten; all of it at the `end`. `answers` is how
 * many answers servers here have given since the start: a flood is none where nobody answers.
 */
void weir_initials_sweep(struct weir_initials *reader, const struct weir_engine *engine, __u64 answers, __u64 now, int end);

/* The next verdict without a hello, a record of kind `flow`; 0 when there is none. */
int weir_initials_flow(struct weir_initials *reader, struct weir_handshake *out);

/* The next hello that is to be told; 0 when there is none. */
int weir_initials_next(struct weir_initials *reader, struct weir_initials_hello *out);

const struct weir_initials_counts *weir_initials_counts(const struct weir_initials *reader);
#endif
