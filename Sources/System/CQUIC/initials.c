/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Connections and their hellos. A connection is its path, its client's connection id, and the id that its client chose for the server: from
 * the last its keys follow. Somebody else's Initial on the same path, with the same client's id, is another connection.
 */
#include "connection.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

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
	quic_recall_id(r, c);
	if (r->last == NONE)
		r->first = place;
	else
		r->places[r->last].next = place;
	r->last = place;
	r->counts.told++;
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

static void begin(struct connection *c, const struct weir_handshake *seen, const struct weir_flow_key *flow,
		  const struct quic_packet *packet, const struct quic_keys *keys)
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

/*
 * After a Retry a connection begins again under other keys (RFC 9000 section 17.2.5), and is proven from then on: what its client said
 * before, with the same id of its own on the same path, was the same connection.
 */
static void forget_before_retry(struct weir_initials *r, struct connection *kept)
{
	struct connection *set = set_of(r, &kept->flow, &kept->client);

	for (int i = 0; i < WAYS; i++) {
		struct connection *c = set + i;

		if (c != kept && is_of(c, &kept->flow, &kept->client) && !c->is_told && !c->is_proven) {
			kept->seen.first_ns = c->seen.first_ns;
			quic_note_retried(r, c);
			c->last_ns = 0;
		}
	}
}

/* The connection whose keys open the packet, with its payload opened; a new one, if the packet's own id gives the keys. */
static struct connection *find(struct weir_initials *r, const struct weir_engine *engine, const struct weir_handshake *seen,
			       const struct weir_flow_key *flow, const struct quic_packet *packet, const __u8 *bytes, int *size)
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
		if (*size >= 0) {
			/* Of an id that proves nothing, for it can be guessed, that much is believed. */
			if (packet->to.size < 4)
				quic_note_heard(r, c);
			return c;
		}
	}
	quic_derive(&keys, packet->version, &packet->to);
	*size = quic_open(r->opener, &keys, packet, bytes, r->payload);
	if (*size < 0)
		return 0;
	c = make_room(r, set);
	if (!c)
		return 0;
	begin(c, seen, flow, packet, &keys);
	quic_note_begun(r, engine, c, seen, packet);
	if (seen->retried)
		forget_before_retry(r, c);
	return c;
}

static void prove(struct weir_initials *r, struct connection *c, const struct weir_handshake *seen)
{
	quic_note_heard(r, c);
	c->is_proven = 1;
	c->seen.reach = seen->reach;
}

static void settle(struct weir_initials *r, struct connection *c)
{
	if (!c->is_told && c->is_whole && c->is_proven)
		tell(r, c);
}

/* An id was borne, in a packet that is none of ours to open: if there is one connection only that it can belong to, it is that one's. */
static void prove_only(struct weir_initials *r, const struct weir_handshake *seen, const struct weir_flow_key *flow,
		       const struct quic_packet *packet)
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
	prove(r, only, seen);
	settle(r, only);
}

/* One Initial. Returns its connection; `opened` says whether its tag was right. */
static struct connection *take_initial(struct weir_initials *r, const struct weir_engine *engine, const struct weir_handshake *seen,
				       const struct weir_flow_key *flow, const struct quic_packet *packet, const __u8 *bytes, int *opened)
{
	int size = -1;
	struct connection *c = find(r, engine, seen, flow, packet, bytes, &size);

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
		prove(r, c, seen);
	if (quic_read_frames(r, c, (__u32)size)) {
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
	limiting &= c->limiting | c->seen.anomalies;
	if (limiting && !c->is_spoilt)
		rule = (__u32)__builtin_ctzll(limiting);
	out->path = seen->fingerprint;
	out->mark = WEIR_QUIC_OPINION(limiting || c->is_spoilt ? WEIR_QUIC_ANOMALOUS : WEIR_QUIC_CLEAN, rule, seen->hello_length);
	return 1;
}

/*
 * The connection of a datagram that bears no Initial, where all of it is packets that can hold no hello: 0-RTT data, say, which follows its
 * hello at once. What is thought of the path goes on.
 */
static struct connection *only_other(struct weir_initials *r, const struct weir_flow_key *flow, const struct quic_packet *first)
{
	struct connection *set = set_of(r, flow, &first->from);

	for (int i = 0; i < WAYS; i++)
		if (is_of(set + i, flow, &first->from) && set[i].version == first->version && same_id(&set[i].original, &first->to))
			return set + i;
	return 0;
}

int weir_initials_take(struct weir_initials *r, struct weir_engine *engine, const struct weir_handshake *seen, const __u8 *bytes,
		       __u32 size, struct weir_quic_opinion *opinion)
{
	struct connection *c, *last = 0;
	struct weir_flow_key flow;
	struct quic_packet first, packet;
	__u32 at = 0, initials = 0;
	int opened = 0;

	memcpy(flow.client, seen->source, 16);
	memcpy(flow.server, seen->destination, 16);
	flow.client_port = seen->source_port;
	flow.server_port = seen->destination_port;
	if (size > QUIC_DATAGRAM || quic_read_ids(&first, bytes, size, 0))
		return 0;
	switch (quic_version_kind(first.version)) {
	case QUIC_FOREIGN: r->counts.foreign++; return 0;
	case QUIC_UNKNOWN: quic_note_version(r, engine, seen, bytes[0], first.version); return 0;
	case QUIC_SPOKEN: break;
	}
	/* Packets of one datagram (RFC 9000 section 12.2) have one destination; a server that takes another one is told something else. */
	for (; !quic_read_packet(&packet, bytes, size, at); at = packet.end) {
		if (packet.type != QUIC_INITIAL)
			continue;
		initials++;
		c = take_initial(r, engine, seen, &flow, &packet, bytes, &opened);
		if (c && ((last && last != c) || !same_id(&packet.to, &first.to) || !same_id(&packet.from, &first.from)))
			c->is_spoilt = 1;
		if (c && last && last != c)
			last->is_spoilt = 1;
		last = c ? c : last;
	}
	if (seen->proof && !opened)
		prove_only(r, seen, &flow, &first);
	/* Read to its end, or to a packet without a long header, which takes the rest (RFC 9000 section 12.2). */
	if (!initials && at && (at >= size || !(bytes[at] & 0x80)))
		last = only_other(r, &flow, &first);
	return last ? think(last, engine, seen, opinion) : 0;
}

void weir_initials_sweep(struct weir_initials *r, const struct weir_engine *engine, __u64 answers, __u64 now, int end)
{
	r->answers = answers;
	quic_sweep_destinations(r, engine, now, end);
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
