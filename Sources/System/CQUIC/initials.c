/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections and their hellos. A connection is its path, its client's connection id, and the id that its client chose for the server: from
 * the last its keys follow. Somebody else's Initial on the same path, with the same client's id, is another connection.
 */
#include <initials.h>

#include "packet.h"

#include <stddef.h>
#include <stdlib.h>
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
	__u8 is_spoilt;			/* a server may have read something else */
	__u64 limiting;			/* what the policy limits of what is wrong with the hello */
	__u64 have[WEIR_INITIALS_HELLO / 64]; /* a bit for each byte */
	__u8 bytes[WEIR_INITIALS_HELLO];
};

struct weir_initials {
	struct connection *places;
	struct quic_opener *opener;
	__u16 first, last;		/* to be told */
	__u8 payload[QUIC_DATAGRAM + QUIC_TAG];
	struct weir_initials_counts counts;
};

struct weir_initials *weir_initials_create(void)
{
	struct weir_initials *r = calloc(1, sizeof(*r));

	if (!r)
		return 0;
	r->first = r->last = NONE;
	r->places = calloc(WEIR_INITIALS_PLACES, sizeof(*r->places));
	r->opener = quic_opener_create();
	if (r->places && r->opener)
		return r;
	weir_initials_destroy(r);
	return 0;
}

void weir_initials_destroy(struct weir_initials *r)
{
	if (!r)
		return;
	quic_opener_destroy(r->opener);
	free(r->places);
	free(r);
}

const struct weir_initials_counts *weir_initials_counts(const struct weir_initials *r)
{
	return &r->counts;
}

static int same_id(const struct quic_id *a, const struct quic_id *b)
{
	return a->size == b->size && !memcmp(a->bytes, b->bytes, a->size);
}

/* The set of places that a path and a client's id have. */
static struct connection *set_of(struct weir_initials *r, const struct weir_flow_key *flow, const struct quic_id *client)
{
	const __u8 *bytes = (const __u8 *)flow;
	__u64 hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < sizeof(*flow); i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	for (__u32 i = 0; i < client->size; i++)
		hash = (hash ^ client->bytes[i]) * 0x100000001b3ull;
	hash ^= hash >> 32;
	return r->places + hash % (WEIR_INITIALS_PLACES / WAYS) * WAYS;
}

static int is_of(const struct connection *c, const struct weir_flow_key *flow, const struct quic_id *client)
{
	return c->last_ns && !memcmp(&c->flow, flow, sizeof(*flow)) && same_id(&c->client, client);
}

/* Behind those that are to be told already. */
static void tell(struct weir_initials *r, struct connection *c)
{
	__u16 place = (__u16)(c - r->places);

	c->is_told = 1;
	c->next = NONE;
	c->seen.completeness = c->seen.segments > 1 ? WEIR_REASSEMBLED : WEIR_COMPLETE;
	c->seen.proof = c->is_proven ? WEIR_TRACKED : WEIR_UNPROVEN;
	if (r->last == NONE)
		r->first = place;
	else
		r->places[r->last].next = place;
	r->last = place;
	r->counts.told++;
}

static int is_queued(const struct weir_initials *r, const struct connection *c)
{
	return c->is_told && (c->next != NONE || r->last == (__u16)(c - r->places));
}

/* A place in the set: a free one, else the one that was told longest ago, else the oldest. Never one that waits to be told. */
static struct connection *make_room(struct weir_initials *r, struct connection *set)
{
	struct connection *best = 0;

	for (int i = 0; i < WAYS; i++) {
		struct connection *c = set + i;

		if (!c->last_ns)
			return c;
		if (is_queued(r, c))
			continue;
		if (!best || c->is_told > best->is_told || (c->is_told == best->is_told && c->last_ns < best->last_ns))
			best = c;
	}
	if (best && !best->is_told)
		r->counts.evicted++;
	return best;
}

static void begin(struct connection *c, const struct weir_handshake *seen, const struct weir_flow_key *flow, const struct quic_packet *packet,
		  const struct quic_keys *keys)
{
	memset(c, 0, offsetof(struct connection, bytes));
	c->flow = *flow;
	c->client = packet->from;
	c->original = packet->to;
	c->keys = *keys;
	c->version = packet->version;
	c->seen = *seen;
	c->seen.segments = 0;
	c->next = NONE;
}

/* A word's bits from `from` up to `to`, which count from the first word's first. */
static __u64 bits_between(__u32 word, __u32 from, __u32 to)
{
	__u32 start = word * 64;
	__u64 bits = from > start ? ~0ull << (from - start) : ~0ull;

	return to - start < 64 ? bits & ((1ull << (to - start)) - 1) : bits;
}

static int is_whole(const struct connection *c)
{
	if (!c->need || c->got < c->need || c->need > WEIR_INITIALS_HELLO)
		return 0;
	for (__u32 word = 0; word * 64 < c->need; word++) {
		__u64 bits = bits_between(word, 0, c->need);

		if ((c->have[word] & bits) != bits)
			return 0;
	}
	return 1;
}

/* The second hello of a connection whose first was told (RFC 8446 section 4.1.4); there is no third. */
static int begins_second(struct weir_initials *r, struct connection *c, __u64 offset)
{
	if (!c->is_told || is_queued(r, c) || c->base || offset < c->need)
		return 0;
	c->base = c->need;
	c->need = c->got = 0;
	c->is_whole = c->is_told = c->is_judged = 0;
	memset(c->have, 0, sizeof(c->have));
	c->seen.flags |= WEIR_FLAG_RETRY;
	c->seen.segments = 1;
	return 1;
}

/* A CRYPTO frame's bytes to their place. -1 where they contradict what was there, or begin no ClientHello. */
static int place(struct weir_initials *r, struct connection *c, __u64 offset, const __u8 *from, __u32 size)
{
	__u32 at;

	if (!size || offset < c->base)
		return 0;
	if (c->is_whole && !begins_second(r, c, offset) && offset - c->base >= c->need)
		return 0;			/* behind the hello, which is not told yet */
	if (offset - c->base >= WEIR_INITIALS_HELLO)
		return 0;
	at = (__u32)offset - c->base;
	if (size > WEIR_INITIALS_HELLO - at)
		size = WEIR_INITIALS_HELLO - at;
	for (__u32 word = at / 64; word * 64 < at + size; word++) {
		__u64 bits = bits_between(word, at, at + size), both = c->have[word] & bits;

		/* What comes again has to say the same (RFC 9000 section 2.2). */
		for (__u32 i = 0; both >> i && i < 64; i++)
			if (both >> i & 1 && c->bytes[word * 64 + i] != from[word * 64 + i - at])
				return -1;
		c->got += (__u32)__builtin_popcountll(bits & ~both);
		c->have[word] |= bits;
	}
	if (c->is_whole)
		return 0;
	memcpy(c->bytes + at, from, size);
	if (!c->need && (c->have[0] & 15) == 15) {
		if (c->bytes[0] != 1)
			return -1;
		c->need = 4 + ((__u32)c->bytes[1] << 16 | (__u32)c->bytes[2] << 8 | c->bytes[3]);
		if (c->need > WEIR_INITIALS_HELLO)
			r->counts.too_long++;
	}
	c->is_whole = (__u8)is_whole(c);
	return 0;
}

static int skip_numbers(const __u8 *p, __u32 end, __u32 *at, __u64 count)
{
	__u64 value;

	while (count--)
		if (quic_number(p, end, at, &value))
			return -1;
	return 0;
}

/* The frames that an Initial may bear (RFC 9000 section 12.4). -1 for any other. */
static int read_frames(struct weir_initials *r, struct connection *c, __u32 end)
{
	const __u8 *p = r->payload;
	__u64 offset, size, count;
	__u32 at = 0, type;

	while (at < end) {
		type = p[at++];
		switch (type) {
		case 0:				/* PADDING */
		case 1:				/* PING */
			break;
		case 2:				/* ACK: largest, delay, count, first; then a gap and a range for each, and three counts of ECN */
		case 3:
			if (skip_numbers(p, end, &at, 2) || quic_number(p, end, &at, &count) || count > end ||
			    skip_numbers(p, end, &at, 1 + 2 * count + (type == 3 ? 3 : 0)))
				return -1;
			break;
		case 6:				/* CRYPTO */
			if (quic_number(p, end, &at, &offset) || quic_number(p, end, &at, &size) || size > end - at)
				return -1;
			if (place(r, c, offset, p + at, (__u32)size))
				return -1;
			at += (__u32)size;
			break;
		case 0x1c:			/* CONNECTION_CLOSE: error, frame, reason */
			if (skip_numbers(p, end, &at, 2) || quic_number(p, end, &at, &size) || size > end - at)
				return -1;
			at += (__u32)size;
			break;
		default:
			return -1;
		}
	}
	return 0;
}

/*
 * After a Retry a connection begins again under other keys (RFC 9000 section 17.2.5), and is proven from then on: what its client said before,
 * with the same id of its own on the same path, was the same connection.
 */
static void forget_before_retry(struct weir_initials *r, struct connection *kept)
{
	struct connection *set = set_of(r, &kept->flow, &kept->client);

	for (int i = 0; i < WAYS; i++) {
		struct connection *c = set + i;

		if (c != kept && is_of(c, &kept->flow, &kept->client) && !c->is_told && !c->is_proven) {
			kept->seen.first_ns = c->seen.first_ns;
			c->last_ns = 0;
		}
	}
}

/* The connection whose keys open the packet, with its payload opened; a new one, if the packet's own id gives the keys. */
static struct connection *find(struct weir_initials *r, const struct weir_handshake *seen, const struct weir_flow_key *flow,
			       const struct quic_packet *packet, const __u8 *bytes, int *size)
{
	struct connection *set = set_of(r, flow, &packet->from), *c;
	struct quic_keys keys;

	for (int i = 0; i < WAYS; i++) {
		c = set + i;
		if (!is_of(c, flow, &packet->from) || c->version != packet->version || !same_id(&c->original, &packet->to))
			continue;
		*size = quic_open(r->opener, &c->keys, packet, bytes, r->payload);
		return c;			/* opened or not: no server has other keys for it */
	}
	/* Once it has heard the server, a client bears the server's id, and keeps its keys. Only where an id was seen is that looked for. */
	for (int i = 0; i < WAYS; i++) {
		c = set + i;
		if (!is_of(c, flow, &packet->from) || c->version != packet->version)
			continue;
		*size = quic_open(r->opener, &c->keys, packet, bytes, r->payload);
		if (*size >= 0)
			return c;
	}
	quic_derive(&keys, packet->version, &packet->to);
	*size = quic_open(r->opener, &keys, packet, bytes, r->payload);
	if (*size < 0)
		return 0;
	if (packet->to.size < 8)
		r->counts.small_id++;		/* a client's own is never shorter; a server's, behind its Retry, may be */
	c = make_room(r, set);
	if (!c)
		return 0;
	begin(c, seen, flow, packet, &keys);
	if (seen->retried)
		forget_before_retry(r, c);
	return c;
}

static void prove(struct connection *c, const struct weir_handshake *seen)
{
	c->is_proven = 1;
	c->seen.reach = seen->reach;
}

static void settle(struct weir_initials *r, struct connection *c)
{
	if (!c->is_told && c->is_whole && c->is_proven)
		tell(r, c);
}

/* An id was borne, in a packet that is none of ours to open: if there is one connection only that it can belong to, it is that one's. */
static void prove_only(struct weir_initials *r, const struct weir_handshake *seen, const struct weir_flow_key *flow, const struct quic_packet *packet)
{
	struct connection *set = set_of(r, flow, &packet->from), *only = 0;

	for (int i = 0; i < WAYS; i++) {
		struct connection *c = set + i;

		if (!is_of(c, flow, &packet->from) || c->is_proven || seen->seen_ns - c->last_ns > WAIT_NS)
			continue;
		if (only) {
			r->counts.ambiguous++;
			return;
		}
		only = c;
	}
	if (!only)
		return;
	prove(only, seen);
	settle(r, only);
}

/* One Initial. Returns its connection; `opened` says whether its tag was right. */
static struct connection *take_initial(struct weir_initials *r, const struct weir_handshake *seen, const struct weir_flow_key *flow, const struct quic_packet *packet,
			const __u8 *bytes, int *opened)
{
	int size = -1;
	struct connection *c = find(r, seen, flow, packet, bytes, &size);

	if (size < 0)
		r->counts.bad++;
	if (!c || size < 0)
		return c;
	*opened = 1;
	r->counts.opened++;
	c->last_ns = seen->seen_ns ? seen->seen_ns : 1;
	if (!c->is_told) {
		c->seen.seen_ns = seen->seen_ns;
		c->seen.segments += c->seen.segments < 255;
	}
	if (seen->proof)
		prove(c, seen);
	if (read_frames(r, c, (__u32)size)) {
		r->counts.bad++;
		c->seen.anomalies |= 1ULL << WEIR_OVERLAP_CONFLICT;
		c->is_spoilt = 1;
	}
	settle(r, c);
	return c;
}

/* What is thought of a path whose connection is this one, after so many datagrams of it. */
static int think(struct connection *c, struct weir_engine *engine, const struct weir_handshake *seen, struct weir_quic_opinion *out)
{
	__u64 limiting = engine->config.limiting;
	__u32 rule = WEIR_UNJUDGED_HELLO;

	if (!c->is_whole || !seen->fingerprint)
		return 0;
	if (!c->is_judged) {
		c->limiting = weir_engine_glance(engine, c->bytes, c->need);
		c->is_judged = 1;
	}
	limiting &= c->limiting;
	if (limiting && !c->is_spoilt)
		rule = (__u32)__builtin_ctzll(limiting);
	out->path = seen->fingerprint;
	out->mark = (__u32)seen->cipher_count << 16 | rule << 8 | (limiting || c->is_spoilt ? WEIR_QUIC_ANOMALOUS : WEIR_QUIC_CLEAN);
	return 1;
}

int weir_initials_take(struct weir_initials *r, struct weir_engine *engine, const struct weir_handshake *seen, const __u8 *bytes, __u32 size,
		       struct weir_quic_opinion *opinion)
{
	struct connection *c, *last = 0;
	struct weir_flow_key flow;
	struct quic_packet first, packet;
	__u32 at = 0;
	int opened = 0;

	memcpy(flow.client, seen->source, 16);
	memcpy(flow.server, seen->destination, 16);
	flow.client_port = seen->source_port;
	flow.server_port = seen->destination_port;
	if (size > QUIC_DATAGRAM || quic_read_ids(&first, bytes, size, 0))
		return 0;
	switch (quic_version_kind(first.version)) {
	case QUIC_FOREIGN: r->counts.foreign++; return 0;
	case QUIC_UNKNOWN: r->counts.unknown++; return 0;
	case QUIC_SPOKEN: break;
	}
	/* Packets of one datagram (RFC 9000 section 12.2) have one destination; a server that takes another one is told something else. */
	for (; !quic_read_packet(&packet, bytes, size, at); at = packet.end) {
		if (packet.type != QUIC_INITIAL)
			continue;
		c = take_initial(r, seen, &flow, &packet, bytes, &opened);
		if (c && ((last && last != c) || !same_id(&packet.to, &first.to) || !same_id(&packet.from, &first.from)))
			c->is_spoilt = 1;
		if (c && last && last != c)
			last->is_spoilt = 1;
		last = c ? c : last;
	}
	if (seen->proof && !opened)
		prove_only(r, seen, &flow, &first);
	return last ? think(last, engine, seen, opinion) : 0;
}

void weir_initials_sweep(struct weir_initials *r, __u64 now, int end)
{
	for (__u32 i = 0; i < WEIR_INITIALS_PLACES; i++) {
		struct connection *c = r->places + i;

		if (!c->last_ns || is_queued(r, c) || (!end && (__s64)(now - c->last_ns) < (__s64)WAIT_NS))
			continue;
		if (c->is_told || !c->is_whole) {
			r->counts.incomplete += !c->is_told;
			c->last_ns = 0;
		} else {
			tell(r, c);
		}
	}
}

int weir_initials_next(struct weir_initials *r, struct weir_initials_hello *out)
{
	struct connection *c;

	if (r->first == NONE)
		return 0;
	c = r->places + r->first;
	r->first = c->next;
	if (r->first == NONE)
		r->last = NONE;
	c->next = NONE;
	out->seen = c->seen;
	out->message = c->bytes;
	out->size = c->need;
	out->version = c->version;
	return 1;
}
