/* SPDX-License-Identifier: BSD-2-Clause */
/* A connection whose hello is put together, and the reader that has them. */
#ifndef WEIR_QUIC_CONNECTION_H
#define WEIR_QUIC_CONNECTION_H

#include <initials.h>

#include "packet.h"

#include <string.h>

#define WAYS 8
#define WAIT_NS (3 * WEIR_SECOND)
#define NONE 0xffffu

struct connection {
	struct weir_flow_key flow;
	struct quic_id client, original;
	struct quic_keys keys;
	__u32 version;
	__u64 last_ns;			/* 0: the place is free */
	struct weir_handshake seen;
	__u32 base;			/* where the hello begins in the stream: the second one, after a HelloRetryRequest, behind the first */
	__u32 need, got;		/* bytes of the hello; 0: not known */
	__u16 next;			/* in the list of those to be told; NONE: the last */
	__u8 is_whole, is_proven, is_told;
	__u8 is_judged;			/* `limiting` is known */
	__u8 is_given;			/* its id may be a server's choice: a Retry's, or a token came with it */
	__u8 is_heard;			/* it was proven, or seems to have heard its server; counted once */
	__u8 is_spoilt;			/* a server may have read something else */
	__u64 limiting;			/* what the policy limits of what is wrong with the hello */
	__u64 have[WEIR_INITIALS_HELLO / 64]; /* a bit for each byte */
	__u8 bytes[WEIR_INITIALS_HELLO];
};

#define QUIC_TOLD 1024
#define QUIC_ORIGINALS 4096
#define QUIC_DESTINATIONS 256
#define QUIC_WINDOW_NS (10 * WEIR_SECOND)
#define QUIC_FLOOD_LEAST 1000		/* connections of a window */

struct quic_told {
	__u64 hash, seen_ns;
};

/* The id that a proven connection's client chose, whose it was. */
struct quic_original {
	__u64 id, path, random, seen_ns;
};

/* What came to one server in the last ten seconds. */
struct quic_destination {
	__u8 address[16];
	__u16 port;
	__u32 begun, proven;
	__u64 answers;			/* of all servers, when the window began */
	__u64 start_ns, told_ns;
};

struct weir_initials {
	struct weir_handshake flows[WEIR_INITIALS_FLOWS];
	__u32 flow_count;
	__u64 answers;
	struct quic_told versions[QUIC_TOLD];
	struct quic_original originals[QUIC_ORIGINALS];
	struct quic_destination destinations[QUIC_DESTINATIONS];
	struct connection *places;
	struct quic_opener *opener;
	__u16 first, last;		/* to be told */
	__u8 payload[QUIC_DATAGRAM + QUIC_TAG];
	struct weir_initials_counts counts;
};

static inline int same_id(const struct quic_id *a, const struct quic_id *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

static inline int is_queued(const struct weir_initials *r, const struct connection *c)
{
	return c->is_told && (c->next != NONE || r->last == (__u16)(c - r->places));
}

int quic_is_recorded(const struct weir_engine *engine, enum weir_anomaly anomaly);
void quic_note_version(struct weir_initials *r, const struct weir_engine *engine, const struct weir_handshake *seen, __u8 first,
		       __u32 version);
void quic_recall_id(struct weir_initials *r, struct connection *c);
/* A connection begins; its client has heard the server; it was the same as another one, from before its Retry. */
void quic_note_begun(struct weir_initials *r, const struct weir_engine *engine, struct connection *c, const struct weir_handshake *seen,
		     const struct quic_packet *packet);
void quic_note_heard(struct weir_initials *r, struct connection *c);
void quic_note_retried(struct weir_initials *r, const struct connection *before);
void quic_sweep_destinations(struct weir_initials *r, const struct weir_engine *engine, __u64 now, int end);

/* Reads the frames of the opened packet, `end` bytes of them. -1 for what no Initial may bear, or what contradicts what came before. */
int quic_read_frames(struct weir_initials *r, struct connection *c, __u32 end);
#endif
