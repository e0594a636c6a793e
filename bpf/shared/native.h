/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* The platform that platform.h wants, outside the kernel. */
#ifndef WEIR_NATIVE_H
#define WEIR_NATIVE_H

#include "table.h"

#include <weir/engine.h>
#include <weir/platform.h>

#include <stdlib.h>
#include <string.h>

static inline const struct weir_config *weir_policy(struct weir_frame *frame)
{
	return &frame->engine->config;
}

/* A capture has no interfaces that could carry one direction only. */
static inline void weir_count_way(struct weir_frame *frame, int from_client, __u32 payload)
{
	(void)frame, (void)from_client, (void)payload;
}

static inline void weir_count(struct weir_frame *frame, __u32 which)
{
	frame->engine->counters[which]++;
}

static inline void weir_count_more(struct weir_frame *frame, __u32 which, __u64 more)
{
	frame->engine->counters[which] += more;
}

static inline __u64 weir_now(struct weir_frame *frame)
{
	return frame->now;
}

static inline __u32 weir_ifindex(struct weir_frame *frame)
{
	return frame->ifindex;
}

static inline __u32 weir_frame_size(struct weir_frame *frame)
{
	return frame->wire_size;
}

static inline int weir_bytes(struct weir_frame *frame, __u32 from, void *to, __u32 size, __u32 most)
{
	if (size - 1 >= most || from > frame->size || size > frame->size - from)
		return -1;
	memcpy(to, frame->bytes + from, size);
	return 0;
}

static inline struct weir_flow *weir_draft(struct weir_frame *frame)
{
	memset(&frame->engine->draft, 0, sizeof(frame->engine->draft));
	return &frame->engine->draft;
}

static inline __u32 weir_next_assembly(struct weir_frame *frame, int is_stranger)
{
	return weir_id(frame->engine->next_assembly[is_stranger]++, (__u32)is_stranger);
}

static inline struct weir_assembly *weir_assembly_at(struct weir_frame *frame, __u32 id)
{
	return &frame->engine->assemblies[weir_place_of(id, id, WEIR_ENGINE_SLOTS)];
}

static inline __u32 weir_take_slot(struct weir_frame *frame, __u32 id)
{
	__u32 slot = weir_place_of(frame->engine->next_slot[id >> 31]++, id, WEIR_ENGINE_SLOTS);

	frame->engine->owners[slot] = id;
	return slot;
}

static inline __u32 weir_owner(struct weir_frame *frame, __u32 slot)
{
	return frame->engine->owners[slot];
}

static inline __u8 *weir_slot_at(struct weir_frame *frame, __u32 slot, __u32 at)
{
	return slot < WEIR_ENGINE_SLOTS ? frame->engine->slots + (size_t)slot * WEIR_SLOT + at : 0;
}

static inline int weir_copy(struct weir_frame *frame, struct weir_scratch *s, __u32 to, __u32 slot, __u32 at, __u32 size)
{
	const __u8 *from = weir_slot_at(frame, slot, at);

	if (!from || to >= WEIR_MESSAGE_CAP || size - 1 >= WEIR_SLOT)
		return -1;
	memcpy(s->bytes + to, from, size);
	return 0;
}

static inline __u64 *weir_unplaced_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->unplaced[hash & (WEIR_UNPLACED - 1)];
}

static inline struct weir_opening *weir_opening_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->openings[hash & (WEIR_OPENINGS - 1)];
}

static inline struct weir_syn_acks *weir_syn_acks_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->syn_acks[hash & (WEIR_SYN_ACK_PLACES - 1)];
}

static inline __u64 *weir_quic_id_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->quic_ids[hash & (WEIR_QUIC_IDS - 1)];
}

static inline struct weir_quic_path *weir_quic_path_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->quic_paths[hash & (WEIR_QUIC_PATHS - 1)];
}

static inline struct weir_limit *weir_quic_window_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->quic_windows[hash & (WEIR_QUIC_WINDOWS - 1)];
}

static inline struct weir_quic_hello *weir_quic_hello_at(struct weir_frame *frame, __u32 hash)
{
	struct weir_quic_opener *opener = frame->engine->quic_opener;

	return opener ? &opener->hellos[hash & (WEIR_QUIC_HELLOS - 1)] : 0;
}

static inline struct weir_quic_known *weir_quic_known_at(struct weir_frame *frame, __u32 hash)
{
	struct weir_quic_opener *opener = frame->engine->quic_opener;

	return opener ? &opener->known[hash & (WEIR_QUIC_KNOWN - 1)] : 0;
}

static inline struct weir_quic_budget *weir_quic_budget(struct weir_frame *frame)
{
	return frame->engine->quic_opener ? &frame->engine->quic_opener->budget : 0;
}

static inline struct weir_opener *weir_opener(struct weir_frame *frame)
{
	return frame->engine->quic_opener ? &frame->engine->quic_opener->work : 0;
}

/* Outside the kernel opening costs what somebody says that it does: nothing, unless a test does. */
static inline __u64 weir_work_clock(struct weir_frame *frame)
{
	struct weir_engine *e = frame->engine;

	e->work_ns += e->work_cost_ns;
	return e->now + e->work_ns;
}

static inline __u32 weir_segment_size(struct weir_frame *frame)
{
	(void)frame;			/* a capture's frame is one datagram */
	return 0;
}

static inline struct weir_random *weir_random_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->randoms[hash & (WEIR_RANDOMS - 1)];
}

static inline __u64 *weir_fingerprint_at(struct weir_frame *frame, __u64 fingerprint)
{
	return &frame->engine->fingerprints[fingerprint & (WEIR_FINGERPRINTS - 1)];
}

static inline int weir_may_be_denied(struct weir_frame *frame, __u64 fingerprint)
{
	return frame->engine->denied_bits >> (fingerprint & 63) & 1;
}

static inline struct weir_bucket *weir_bucket_at(struct weir_frame *frame, __u32 hash)
{
	return &frame->engine->buckets[hash & (WEIR_BUCKETS - 1)];
}

/* There are no sockets in a capture. */
static inline void weir_prove(struct weir_frame *frame, struct weir_look *l, struct weir_handshake *r)
{
	(void)frame;
	(void)l;
	(void)r;
}

static inline int weir_is_local(struct weir_frame *frame)
{
	return frame->socket != WEIR_FRAME_FORWARDED;
}

static inline int weir_is_local_datagram(struct weir_frame *frame)
{
	return frame->socket != WEIR_FRAME_FORWARDED;
}

static inline int weir_first_of_socket(struct weir_frame *frame)
{
	return frame->socket ? frame->socket == WEIR_FRAME_FIRST : -1;
}

static inline int weir_put(struct weir_frame *frame, struct weir_scratch *s, __u32 raw)
{
	struct weir_engine *e = frame->engine;
	__u64 size = sizeof(s->record) + raw;
	size_t need = e->records_size + 8 + ((size + 7) & ~7ULL);

	if (need > e->records_capacity) {
		size_t capacity = need * 2 < 1 << 16 ? 1 << 16 : need * 2;
		__u8 *more = realloc(e->records, capacity);

		if (!more)
			return -1;
		e->records = more;
		e->records_capacity = capacity;
	}
	memcpy(e->records + e->records_size, &size, 8);
	memcpy(e->records + e->records_size + 8, s, size);
	e->records_size = need;
	return 0;
}

/* One list for both: the kind tells. */
static inline int weir_put_datagram(struct weir_frame *frame, struct weir_scratch *s, __u32 raw)
{
	return weir_put(frame, s, raw);
}
#endif
