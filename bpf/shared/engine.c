/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The probe outside the kernel, over the tables of native.h. */
#include "native.h"

#include <weir/engine.h>
#include <weir/platform.h>

#include <stdlib.h>
#include <string.h>

#include <weir/watch.h>
#include <weir/quic_open.h>

/* A flow is wanted until its hello is judged. */
static int still_waits(const void *value)
{
	const struct weir_flow *flow = value;

	return flow->state <= WEIR_FLOW_ASSEMBLING;
}

/* The limits that strangers share when the table is full: of no address, and ended until somebody needs them. */
static void make_shared_limits(struct weir_engine *e)
{
	for (__u8 limit_class = 0; limit_class <= WEIR_CLASS_WIDE; limit_class++) {
		struct weir_limit_key key = { .limit_class = limit_class };
		struct weir_limit limit = { .origin = WEIR_ORIGIN_AGENT };

		weir_table_store(e->limits, &key, &limit, BPF_ANY);
	}
}

struct weir_engine *weir_engine_create(void)
{
	struct weir_engine *e = calloc(1, sizeof(*e));

	if (!e)
		return 0;
	e->flows = weir_table_create(WEIR_TABLE_LRU, sizeof(struct weir_flow_key), sizeof(struct weir_flow), 16384);
	e->half_open = weir_table_create(WEIR_TABLE_LRU, sizeof(struct weir_flow_key), sizeof(struct weir_flow), 16384);
	e->strangers = weir_table_create(WEIR_TABLE_LRU, sizeof(struct weir_flow_key), sizeof(struct weir_flow), WEIR_STRANGERS);
	e->limits = weir_table_create(WEIR_TABLE_HASH, sizeof(struct weir_limit_key), sizeof(struct weir_limit), 16384);
	e->allow = weir_table_create(WEIR_TABLE_PREFIX, sizeof(struct weir_allow_key), sizeof(__u8), 8192);
	e->vouched = weir_table_create(WEIR_TABLE_PREFIX, sizeof(struct weir_allow_key), sizeof(__u8), 1024);
	e->proxies = weir_table_create(WEIR_TABLE_PREFIX, sizeof(struct weir_allow_key), sizeof(__u8), 1024);
	e->datagrams = weir_table_create(WEIR_TABLE_LRU, sizeof(struct weir_datagram_key), sizeof(struct weir_datagram), 1024);
	e->denied = weir_table_create(WEIR_TABLE_HASH, sizeof(__u64), sizeof(__u8), 4096);
	/* A slot's reader may read a word past a slot's end, never past the slab's. */
	e->slots = calloc(WEIR_ENGINE_SLOTS + 2, WEIR_SLOT);
	e->assemblies = calloc(WEIR_ENGINE_SLOTS, sizeof(*e->assemblies));
	e->owners = calloc(WEIR_ENGINE_SLOTS, sizeof(*e->owners));
	e->randoms = calloc(WEIR_RANDOMS, sizeof(*e->randoms));
	e->buckets = calloc(WEIR_BUCKETS, sizeof(*e->buckets));
	e->fingerprints = calloc(WEIR_FINGERPRINTS, sizeof(*e->fingerprints));
	if (e->flows && e->half_open && e->strangers && e->assemblies && e->limits && e->allow && e->vouched && e->proxies && e->datagrams &&
	    e->denied && e->slots && e->owners && e->randoms && e->buckets && e->fingerprints) {
		weir_table_mourn(e->flows, still_waits);
		weir_table_mourn(e->half_open, still_waits);
		weir_table_mourn(e->strangers, still_waits);
		make_shared_limits(e);
		return e;
	}
	weir_engine_destroy(e);
	return 0;
}

void weir_engine_destroy(struct weir_engine *e)
{
	if (!e)
		return;
	weir_table_destroy(e->flows);
	weir_table_destroy(e->half_open);
	weir_table_destroy(e->strangers);
	weir_table_destroy(e->limits);
	weir_table_destroy(e->allow);
	weir_table_destroy(e->vouched);
	weir_table_destroy(e->proxies);
	weir_table_destroy(e->datagrams);
	weir_table_destroy(e->denied);
	free(e->slots);
	free(e->assemblies);
	free(e->owners);
	free(e->randoms);
	free(e->buckets);
	free(e->fingerprints);
	free(e->records);
	free(e->quic_opener);
	free(e);
}

void weir_engine_use(struct weir_engine *e, const struct weir_config *config)
{
	e->config = *config;
	/* Without memory for it nothing is opened in the packet, and every answer counted. */
	if (config->quic_in_packet && !e->quic_opener)
		e->quic_opener = calloc(1, sizeof(*e->quic_opener));
}

enum weir_order weir_engine_at(struct weir_frame *frame, enum weir_hook hook, int enforcing)
{
	struct weir_engine *e = frame->engine;
	__u32 most = e->config.decap ? WEIR_HEAD_CAP : WEIR_HEAD_PLAIN, have = frame->size < most ? frame->size : most;

	e->now = frame->now;
	if (!have || (!frame->is_raw && weir_glance(&e->config, frame->bytes, frame->bytes + frame->size) == WEIR_FOREIGN))
		return WEIR_PASS;
	memcpy(e->look.head, frame->bytes, have);
	e->look.is_raw = frame->is_raw;
	weir_watch(frame, &e->look, &e->scratch, have, hook, enforcing);
	/* What runs behind the tail call, over the same look. */
	if (e->look.order == WEIR_DO_OUTGOING)
		weir_watch(frame, &e->look, &e->scratch, have, WEIR_HOOK_OUTGOING, 0);
	if (e->look.order == WEIR_DO_OPEN)
		weir_quic_open_buffer(frame, &e->look, &e->scratch);
	return e->look.order;
}

void weir_engine_frame(struct weir_frame *frame, int enforcing)
{
	weir_engine_at(frame, WEIR_HOOK_ANY, enforcing);
}

void weir_engine_hello(struct weir_engine *e, const struct weir_handshake *seen, const __u8 *message, __u32 size)
{
	struct weir_frame frame = { .engine = e, .now = seen->seen_ns, .ifindex = seen->ifindex };
	struct weir_scratch *s = &e->scratch;

	if (size - 4 > WEIR_BODY_CAP)
		return;
	e->now = seen->seen_ns;
	memset(&e->look.segment, 0, sizeof(e->look.segment));
	s->record = *seen;
	s->record.kind = WEIR_KIND_HELLO;
	s->record.raw_length = 0;
	s->record.hello_length = size;
	s->is_answer = WEIR_NO_ANSWER;
	s->is_told = 0;
	s->is_vouched = seen->reach == WEIR_REACH_SOURCE;
	memcpy(s->bytes, message, size);
	weir_read_client_hello(s, size);
	if (s->record.transport == WEIR_TRANSPORT_UDP && s->record.fingerprint)
		s->record.fingerprint = weir_mix(s->record.fingerprint) | 1;
	weir_conclude(&frame, &e->look, s, 0, size);
}

__u64 weir_engine_glance(struct weir_engine *e, const __u8 *message, __u32 size)
{
	struct weir_scratch *s = &e->scratch;

	memset(&s->record, 0, sizeof(s->record));
	if (size - 4 > WEIR_BODY_CAP)
		return 1ULL << WEIR_MALFORMED_HELLO;
	memcpy(s->bytes, message, size);
	weir_read_client_hello(s, size);
	return s->record.anomalies;
}

void weir_engine_push_out(struct weir_engine *e)
{
	weir_table_clear(e->flows);
	weir_table_clear(e->half_open);
	weir_table_clear(e->strangers);
}

struct sweep {
	struct weir_frame frame;
	__u64 now;
	int end;
};

static void sweep_hello(struct sweep *sweep, struct weir_assembly *a)
{
	struct weir_engine *e = sweep->frame.engine;

	if (!weir_is_over(a, sweep->now, e->config.hello_timeout_ns, sweep->end))
		return;
	weir_give_up(&sweep->frame, &e->scratch, a, sweep->now);
}

static void sweep_flow(void *context, const void *key, void *value)
{
	struct sweep *sweep = context;
	struct weir_engine *e = sweep->frame.engine;
	struct weir_flow_key flow;

	if (!weir_is_silent(value, sweep->now, e->config.hello_timeout_ns))
		return;
	memcpy(&flow, key, sizeof(flow));
	weir_tell_silence(&sweep->frame, &e->scratch, &flow, value, sweep->now);
}

void weir_engine_sweep(struct weir_engine *e, __u64 now, int end)
{
	struct sweep sweep = { .frame = { .engine = e }, .now = now, .end = end };

	/* In the order of their beginning, the oldest first. */
	for (__u32 i = 0; i < WEIR_ENGINE_SLOTS; i++)
		sweep_hello(&sweep, weir_assembly_at(&sweep.frame, weir_id(e->next_assembly[0] + i, 0)));
	for (__u32 i = 0; i < WEIR_ENGINE_SLOTS / 4; i++)
		sweep_hello(&sweep, weir_assembly_at(&sweep.frame, weir_id(e->next_assembly[1] + i, 1)));
	if (!end)
		weir_table_each(e->flows, sweep_flow, &sweep);
}

void weir_engine_pushed_out(const struct weir_engine *e, struct weir_pushed_out *out)
{
	out->flows = weir_table_losses(e->flows);
	out->half_open = weir_table_losses(e->half_open) + weir_table_losses(e->strangers);
}

void weir_engine_reset(struct weir_engine *e)
{
	weir_table_clear(e->flows);
	weir_table_clear(e->half_open);
	weir_table_clear(e->strangers);
	weir_table_clear(e->limits);
	weir_table_clear(e->allow);
	weir_table_clear(e->vouched);
	weir_table_clear(e->proxies);
	weir_table_clear(e->datagrams);
	weir_table_clear(e->denied);
	memset(e->assemblies, 0, WEIR_ENGINE_SLOTS * sizeof(*e->assemblies));
	memset(e->randoms, 0, WEIR_RANDOMS * sizeof(*e->randoms));
	memset(e->buckets, 0, WEIR_BUCKETS * sizeof(*e->buckets));
	memset(e->fingerprints, 0, WEIR_FINGERPRINTS * sizeof(*e->fingerprints));
	e->denied_bits = 0;
	make_shared_limits(e);
	memset(e->unplaced, 0, sizeof(e->unplaced));
	memset(e->openings, 0, sizeof(e->openings));
	memset(e->syn_acks, 0, sizeof(e->syn_acks));
	memset(e->quic_ids, 0, sizeof(e->quic_ids));
	memset(e->quic_paths, 0, sizeof(e->quic_paths));
	memset(e->quic_windows, 0, sizeof(e->quic_windows));
	if (e->quic_opener)
		memset(e->quic_opener, 0, sizeof(*e->quic_opener));
	e->work_ns = 0;
	memset(e->counters, 0, sizeof(e->counters));
	e->records_size = 0;
}

void weir_engine_forget(struct weir_engine *e)
{
	e->records_size = 0;
}

int weir_engine_limit(struct weir_engine *e, const struct weir_limit_key *key, const struct weir_limit *limit)
{
	struct weir_frame frame = { .engine = e };
	struct weir_limit_order order = {
		.key = *key,
		.per_second = limit->per_second,
		.answer = limit->answer,
		.origin = limit->origin,
		.until_ns = limit->until_ns,
	};

	return weir_set_limit(&frame, &order, e->now);
}

int weir_engine_release(struct weir_engine *e, const struct weir_limit_key *key)
{
	struct weir_frame frame = { .engine = e };
	struct weir_limit_order order = { .key = *key, .what = WEIR_ORDER_END };

	return weir_set_limit(&frame, &order, e->now);
}

void weir_engine_tidy(struct weir_engine *e, const struct weir_limit_key *key, enum weir_order_kind what)
{
	struct weir_frame frame = { .engine = e };
	struct weir_limit_order order = { .key = *key, .what = (__u8)what };

	weir_set_limit(&frame, &order, e->now);
}

int weir_engine_deny(struct weir_engine *e, __u64 fingerprint)
{
	const __u8 one = 1;

	e->denied_bits |= 1ULL << (fingerprint & 63);
	return weir_table_store(e->denied, &fingerprint, &one, BPF_ANY);
}

void weir_engine_undeny(struct weir_engine *e, __u64 fingerprint)
{
	weir_table_remove(e->denied, &fingerprint);
}

int weir_engine_allow(struct weir_engine *e, const struct weir_allow_key *key)
{
	const __u8 one = 1;

	return weir_table_store(e->allow, key, &one, BPF_ANY);
}

void weir_engine_disallow(struct weir_engine *e, const struct weir_allow_key *key)
{
	weir_table_remove(e->allow, key);
}

int weir_engine_vouch(struct weir_engine *e, const struct weir_allow_key *key)
{
	const __u8 one = 1;

	return weir_table_store(e->vouched, key, &one, BPF_ANY);
}

void weir_engine_forget_vouched(struct weir_engine *e)
{
	weir_table_clear(e->vouched);
}

int weir_engine_trust_proxy(struct weir_engine *e, const struct weir_allow_key *key)
{
	const __u8 one = 1;

	return weir_table_store(e->proxies, key, &one, BPF_ANY);
}

void weir_engine_forget_proxies(struct weir_engine *e)
{
	weir_table_clear(e->proxies);
}

int weir_window_admit(struct weir_window *window, __u32 number, __u64 now)
{
	return weir_admit_one(window, number, now);
}

void weir_window_restamp(struct weir_window *window, __u32 before, __u32 number)
{
	weir_restamp(window, before, number);
}
