/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* A record judged again, long after its frame, by the functions that judged it then. Nothing is told and nothing counted but limits. */
#include "native.h"

#include <weir/engine.h>
#include <weir/platform.h>

#include <string.h>

#include <weir/client_hello.h>
#include <weir/limit.h>
#include <weir/past.h>
#include <weir/verdict.h>

/* Whether a limiter would look at this record: whatever cannot be changed, or is another's to stop, it leaves alone. */
static int is_decided(const struct weir_handshake *r, int was_observing)
{
	if (r->action != WEIR_OBSERVED || !was_observing)
		return r->action != WEIR_OBSERVED;
	return r->transport == WEIR_TRANSPORT_TCP && r->direction == WEIR_INGRESS && r->completeness != WEIR_INCOMPLETE && !r->tunnels &&
	       (!(r->flags & WEIR_FLAG_FRAGMENTS) || r->notes & WEIR_NOTE_ANSWER);
}

/* The stack's hash under this engine's key, and what is wrong with the hello by itself. */
static void read_again(struct weir_scratch *s, const __u8 *message, __u32 size, int is_own)
{
	struct weir_handshake was = s->record, *r = &s->record;
	__u64 found, fingerprint;

	memcpy(s->bytes, message, size);
	r->anomalies = 0;
	weir_read_client_hello(s, size);
	found = r->anomalies;
	fingerprint = r->fingerprint;
	if (r->transport == WEIR_TRANSPORT_UDP && fingerprint)
		fingerprint = weir_mix(fingerprint) | 1;
	*r = was;
	r->fingerprint = fingerprint;
	if (is_own)
		r->anomalies |= found;
}

void weir_engine_again(struct weir_engine *e, struct weir_handshake *record, const __u8 *message, __u32 size, int is_own,
		       int was_observing)
{
	struct weir_frame frame = { .engine = e, .now = record->seen_ns, .ifindex = record->ifindex };
	struct weir_scratch *s = &e->scratch;
	struct weir_handshake *r = &s->record;
	int decides = is_decided(record, was_observing);

	e->now = record->seen_ns;
	memset(&e->look.segment, 0, sizeof(e->look.segment));
	*r = *record;
	if (size >= 4 && size - 4 <= WEIR_BODY_CAP)
		read_again(s, message, size, is_own);
	/* What only the past tells is told by this engine's past. The random of another hello tells nothing, so a replay stays what it was. */
	r->anomalies &= ~(1ULL << WEIR_CLIENT_HELLO_FLOOD | 1ULL << WEIR_FINGERPRINT_DENIED);
	r->action = WEIR_OBSERVED;
	r->limit_class = 0;
	r->until_ns = 0;
	r->per_second = 0;
	r->flags &= (__u8)~(WEIR_FLAG_REFLEX | WEIR_FLAG_NO_ENTRY);
	s->is_answer = WEIR_NO_ANSWER;
	if (r->notes & WEIR_NOTE_ANSWER)
		s->is_answer = r->anomalies >> WEIR_UNSEEN_ANSWER & 1 ? WEIR_ANSWER_UNSEEN : r->proof ? WEIR_ANSWER_PROVEN : WEIR_ANSWER_UNPROVEN;
	s->is_told = 0;
	s->only_standing = 0;
	s->is_vouched = r->reach == WEIR_REACH_SOURCE;
	r->reach = (__u8)weir_reach(&frame, s);
	if (r->kind == WEIR_KIND_HELLO && r->proof && r->completeness != WEIR_INCOMPLETE) {
		if (e->config.flood_ns)
			weir_recall_source(&frame, s);
		if (r->fingerprint && weir_table_lookup(e->denied, &r->fingerprint))
			r->anomalies |= 1ULL << WEIR_FINGERPRINT_DENIED;
	}
	r->anomalies &= e->config.recorded;
	if (decides) {
		weir_decide(&frame, s, r->seen_ns);
		weir_decide_wide(&frame, s);
	}
	*record = *r;
}
