/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is odd about Initials besides their hellos. Tables are direct-mapped: a newer entry takes the place of an older one. Nothing here
 * accuses an address that nobody has proven: what belongs to a connection goes with it, a flood is told of its destination.
 */
#include "connection.h"

#include <stdlib.h>
#include <string.h>

static __u64 hash_bytes(const void *from, size_t size)
{
	const __u8 *bytes = from;
	__u64 hash = 0xcbf29ce484222325ull;

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3ull;
	return hash ^ hash >> 32;
}

int quic_is_recorded(const struct weir_engine *engine, enum weir_anomaly anomaly)
{
	return engine->config.recorded >> anomaly & 1;
}

/* A verdict without a hello, for whoever asks next. */
static struct weir_handshake *add_flow(struct weir_initials *r)
{
	struct weir_handshake *flow;

	if (r->flow_count == WEIR_INITIALS_FLOWS) {
		r->counts.untold++;
		return 0;
	}
	flow = &r->flows[r->flow_count++];
	memset(flow, 0, sizeof(*flow));
	flow->wire_version = WEIR_WIRE_VERSION;
	flow->kind = WEIR_KIND_FLOW;
	flow->transport = WEIR_TRANSPORT_UDP;
	flow->completeness = WEIR_COMPLETE;
	flow->proof = WEIR_UNPROVEN;
	flow->reach = WEIR_REACH_DESTINATION;
	return flow;
}

/*
 * A version that no one speaks. Every version that is known has the fixed bit set, and none is 0: without that it may be another protocol's
 * datagram altogether. Told once in ten seconds of a path; its client is nobody who was proven, and cannot become it.
 */
void quic_note_version(struct weir_initials *r, const struct weir_engine *engine, const struct weir_handshake *seen, __u8 first,
		       __u32 version)
{
	__u64 hash, ports = (__u64)seen->source_port << 48 | (__u64)seen->destination_port << 32, now = seen->seen_ns ? seen->seen_ns : 1;
	struct weir_handshake *flow;
	struct quic_told *told;

	r->counts.unknown++;
	if (!version || !(first & 0x40) || !quic_is_recorded(engine, WEIR_QUIC_VERSION_UNKNOWN))
		return;
	/* Source and destination lie behind each other. */
	hash = hash_bytes(seen->source, 32) ^ (ports | version) * 0x9e3779b97f4a7c15ull;
	told = &r->versions[hash >> 32 & (QUIC_TOLD - 1)];
	if (told->hash == hash && now - told->seen_ns < 10 * WEIR_SECOND)
		return;
	flow = add_flow(r);
	if (!flow)
		return;
	told->hash = hash;
	told->seen_ns = now;
	*flow = *seen;
	flow->kind = WEIR_KIND_FLOW;
	flow->completeness = WEIR_COMPLETE;
	flow->anomalies = 1ULL << WEIR_QUIC_VERSION_UNKNOWN;
	flow->proof = WEIR_UNPROVEN;
	flow->raw_length = 0;
	flow->hello_length = 0;
	flow->fingerprint = 0;
}

/*
 * Two proven connections chose one id for their server, on two paths and for two hellos: ids of eight bytes and more are drawn at random
 * (RFC 9000 section 7.2). The same hello may well come twice: lost and sent again, or from a new address. And a client whom the server told
 * to take another version may keep its id on the same path.
 */
void quic_recall_id(struct weir_initials *r, struct connection *c)
{
	__u64 id, path, random;
	struct quic_original *known;

	if (!c->is_proven || c->is_given || c->original.size < 8 || c->need < 38 || c->base)
		return;
	id = hash_bytes(c->original.bytes, c->original.size);
	path = hash_bytes(&c->flow, sizeof(c->flow));
	random = hash_bytes(c->bytes + 6, 32);
	known = &r->originals[id >> 20 & (QUIC_ORIGINALS - 1)];
	if (known->id == id && known->path != path && known->random != random && c->last_ns - known->seen_ns < 60 * WEIR_SECOND)
		c->seen.anomalies |= 1ULL << WEIR_QUIC_BAD_INITIAL;
	known->id = id;
	known->path = path;
	known->random = random;
	known->seen_ns = c->last_ns;
}

static struct quic_destination *destination_of(struct weir_initials *r, const struct weir_flow_key *flow)
{
	__u64 hash = hash_bytes(flow->server, 16) ^ (__u64)flow->server_port << 48;

	return &r->destinations[(hash ^ hash >> 20) & (QUIC_DESTINATIONS - 1)];
}

static int is_to(const struct quic_destination *d, const struct weir_flow_key *flow)
{
	return d->start_ns && d->port == flow->server_port && !memcmp(d->address, flow->server, 16);
}

/*
 * A window is over: was it a flood? Many connections, of which less than a fifth was ever proven, while servers here did answer. Where none
 * answers it is an outage, or a capture of one direction.
 */
static void judge_destination(struct weir_initials *r, const struct weir_engine *engine, struct quic_destination *d, __u64 now)
{
	struct weir_handshake *flow;

	if (!quic_is_recorded(engine, WEIR_QUIC_UNVALIDATED_FLOOD) || d->begun < QUIC_FLOOD_LEAST || (__u64)d->proven * 5 >= d->begun)
		return;
	if ((r->answers - d->answers) * 2 < d->begun || (d->told_ns && now - d->told_ns < 60 * WEIR_SECOND))
		return;
	flow = add_flow(r);
	if (!flow)
		return;
	d->told_ns = now;
	flow->seen_ns = now;
	flow->first_ns = d->start_ns;
	flow->anomalies = 1ULL << WEIR_QUIC_UNVALIDATED_FLOOD;
	memcpy(flow->destination, d->address, 16);
	flow->destination_port = d->port;
	flow->hello_length = d->begun - d->proven;
}

void quic_note_begun(struct weir_initials *r, const struct weir_engine *engine, struct connection *c, const struct weir_handshake *seen,
		     const struct quic_packet *packet)
{
	struct quic_destination *d = destination_of(r, &c->flow);
	__u64 now = seen->seen_ns;

	c->is_given = seen->proof || packet->has_token;
	if (packet->to.size < 8) {
		/* A client's own is never shorter; a server's, behind its Retry, may be. */
		r->counts.small_id++;
		if (!c->is_given && quic_is_recorded(engine, WEIR_QUIC_BAD_INITIAL))
			c->seen.anomalies |= 1ULL << WEIR_QUIC_BAD_INITIAL;
	}
	if (!is_to(d, &c->flow)) {
		/* Whoever is counted goes on being counted; others' turn comes when it is quiet. */
		if (d->start_ns && now - d->start_ns < 2 * QUIC_WINDOW_NS) {
			r->counts.uncounted++;
			return;
		}
		memset(d, 0, sizeof(*d));
		memcpy(d->address, c->flow.server, 16);
		d->port = c->flow.server_port;
	}
	if (!d->begun) {
		d->start_ns = now ? now : 1;
		d->proven = 0;
		d->answers = r->answers;
	}
	d->begun++;
}

void quic_note_heard(struct weir_initials *r, struct connection *c)
{
	struct quic_destination *d = destination_of(r, &c->flow);

	if (c->is_heard)
		return;
	c->is_heard = 1;
	if (is_to(d, &c->flow))
		d->proven++;
}

void quic_note_retried(struct weir_initials *r, const struct connection *before)
{
	struct quic_destination *d = destination_of(r, &before->flow);

	if (is_to(d, &before->flow) && d->begun && !before->is_heard)
		d->begun--;
}

void quic_sweep_destinations(struct weir_initials *r, const struct weir_engine *engine, __u64 now, int end)
{
	for (__u32 i = 0; i < QUIC_DESTINATIONS; i++) {
		struct quic_destination *d = &r->destinations[i];

		if (!d->begun || (!end && now - d->start_ns < QUIC_WINDOW_NS))
			continue;
		judge_destination(r, engine, d, now);
		d->begun = 0;
	}
}

int weir_initials_flow(struct weir_initials *r, struct weir_handshake *out)
{
	if (!r->flow_count)
		return 0;
	*out = r->flows[0];
	memmove(r->flows, r->flows + 1, --r->flow_count * sizeof(*out));
	return 1;
}
