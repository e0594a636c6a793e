/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * What a hello's source and its fingerprint have done before. Tables here are direct-mapped: a newer entry takes the
 * place of an older one, so that nothing is searched, nothing is allocated, and a flood of sources costs no more.
 */
#ifndef WEIR_PAST_H
#define WEIR_PAST_H

#include <weir/client_hello.h>
#include <weir/limit.h>
#include <weir/platform.h>
#include <weir/scratch.h>

#define WEIR_REPLAY_NS (60 * WEIR_SECOND)

/*
 * The same 32 random bytes on two flows (RFC 8446 section 4.1.2). True when it is one hello, seen once more behind a translation of
 * its server's address: the client is the same, and it was here a moment ago.
 */
WEIR_INLINE int weir_recall_random(weir_frame *frame, struct weir_scratch *s)
{
	struct weir_handshake *r = &s->record;
	const __u8 *random = s->bytes + 6;
	__u64 hash = weir_mix_keyed(WEIR_LE64(random) ^ weir_mix(WEIR_LE64(random + 8) ^ weir_mix(WEIR_LE64(random + 16) ^ weir_mix(WEIR_LE64(random + 24)))));
	struct weir_random *known = weir_random_at(frame, (__u32)(hash >> 40));
	__u64 client = weir_mix(*(const __u64 *)(r->source + 8) ^ r->source_port);
	__u64 server = weir_mix(*(const __u64 *)(r->destination + 8) ^ r->destination_port);
	int is_known;

	if (!known)
		return 0;
	is_known = known->seen_ns && known->hash == hash && r->seen_ns - known->seen_ns < WEIR_REPLAY_NS;
	if (is_known && known->client == client && known->server != server && r->seen_ns - known->seen_ns < WEIR_SECOND / 10)
		return 1;
	if (is_known && known->client != client)
		WEIR_FOUND(r, WEIR_REPLAYED_HELLO);
	known->hash = hash;
	known->client = client;
	known->server = server;
	known->seen_ns = r->seen_ns;
	return 0;
}

/* A prefix's bucket, by the time at which it will be empty (the generic cell rate algorithm, ITU-T I.371). */
WEIR_INLINE void weir_recall_source(weir_frame *frame, struct weir_scratch *s)
{
	const struct weir_config *config = weir_policy(frame);
	struct weir_handshake *r = &s->record;
	struct weir_limit_key key __attribute__((aligned(8))) = {};
	struct weir_bucket *bucket;
	__u64 hash;

	weir_mask_address(&key, r->source, weir_mapped(r->source) ? config->prefix4 : config->prefix6);
	hash = weir_mix_keyed(*(const __u64 *)key.address ^ weir_mix(*(const __u64 *)(key.address + 8)));
	bucket = weir_bucket_at(frame, (__u32)(hash >> 40));
	if (!bucket)
		return;
	if (bucket->hash != hash || (__s64)(bucket->empty_ns - r->seen_ns) < 0) {
		bucket->hash = hash;
		bucket->empty_ns = r->seen_ns;
	}
	if (bucket->empty_ns - r->seen_ns > config->flood_burst_ns)
		WEIR_FOUND(r, WEIR_CLIENT_HELLO_FLOOD);
	else
		bucket->empty_ns += config->flood_ns;
}

/*
 * Adds what only the past tells. The hello is proven, and whole or no hello at all. True when it was here before, on its way to
 * the translated address: then it is counted and told of once.
 */
WEIR_INLINE int weir_recall(weir_frame *frame, struct weir_scratch *s)
{
	const struct weir_config *config = weir_policy(frame);

	if (s->record.fingerprint && weir_recall_random(frame, s))
		return 1;
	if (config->flood_ns)
		weir_recall_source(frame, s);
	if (s->record.fingerprint && weir_may_be_denied(frame, s->record.fingerprint) && config->recorded >> WEIR_FINGERPRINT_DENIED & 1 &&
	    WEIR_LOOKUP(frame, denied, WEIR_KEY(&s->record.fingerprint)))
		WEIR_FOUND(&s->record, WEIR_FINGERPRINT_DENIED);
	return 0;
}
#endif
