/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flow machine against a model of what stands behind it. The input is a program: what an attacker's clients send, what of it their server
 * sees, what honest clients send meanwhile, how time passes. Each step is done by several connections, so that a trick that wins one
 * answer wins more than the limit allows. The oracle is below and short: what it excepts is named there.
 */
#include "include/flow_fuzz.h"
#include "server.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#define ATTACKERS 8
#define HONEST 4
#define STEPS 96
#define MOST (1u << 20)

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, URG = 32 };

/* What a client believes that the numbers of its connection are. Two at once: a cookie lets it have more than one. */
struct numbers {
	__u32 isn, iss;
};

struct client {
	__u8 source;
	__u8 is_honest;
	__u16 port;
	struct numbers numbers[2];
	__u32 seen;			/* bytes of the server's that have come, as a sequence number */
	__u32 cursor;			/* behind what was sent last, as an offset from the first number */
	__u32 window;
	__u8 is_known;			/* its SYN-ACK has left since Weir's tables were emptied */
	/* Honest ones: */
	struct text stream;
	__u32 acknowledged;		/* bytes that the server has, as its client knows */
	__u32 front, ahead;		/* bytes sent in order; segments sent beyond a hole */
	__u64 began;
	__u8 has_retried, is_open;
	struct server server;
};

static struct weir_engine *engine;
static struct weir_config policies[2];
static struct stack stack;
static struct client clients[ATTACKERS + HONEST];
static __u64 now;
static __u32 limit;
static int was_pushed_out, is_loud;

static const __u8 *input;
static size_t left;

static __u8 take(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

static __u64 answers[256];
static __u32 answer_count;

/* Where a test goes on that an input has broken the oracle for, and what it says then. */
static jmp_buf rescue;
static int is_test;
static char said[128];

static void broken(const char *what, const struct client *c)
{
	snprintf(said, sizeof(said), "%s (port %u, at %llu ms)", what, c->port, (unsigned long long)(now / 1000000));
	if (is_test)
		longjmp(rescue, 1);
	fprintf(stderr, "broken: %s\n", said);
	abort();
}

/*
 * The first byte of a turn of the server's has left. At most `limit` in any sliding second, of one source, may belong to
 * connections that are not clean, as the server's application read them. Excepted, as adversary.md and gate.h state:
 *   - what is no TLS is free;
 *   - a connection's next answer within a second of its last counted one is free;
 *   - a forwarded connection that no table knows has a limit of its own, of 20 a second, and of a local one a segment's first bytes have to tell;
 *   - where the server has said something else before, fewer than seven bytes do not tell what begins.
 */
static void answered(struct client *c, const struct turn *turn, __u32 before, __u32 size)
{
	struct server *s = &c->server;
	__u32 within = 0;

	if (!turn->speaks_tls || turn->is_clean)
		return;
	if (s->counted_at && now - s->counted_at < WEIR_SECOND)
		return;
	s->counted_at = now;
	if ((s->was_pushed_out && (stack.forwarded || before)) || (turn != s->turns && size < 7))
		return;
	answers[answer_count++ & 255] = now;
	for (__u32 i = 0; i < answer_count && i < 256; i++)
		within += now - answers[i] < WEIR_SECOND;
	if (is_loud)
		fprintf(stderr, "  answer counted at %llu ms, %u within a second\n", (unsigned long long)(now / 1000000), within);
	if (within > limit)
		broken("more answers than the limit", c);
}

/* Nothing of an honest client's connection is refused, whatever others do, unless its flow was pushed out of the tables. */
static void judged(const struct client *c, enum weir_order order)
{
	if (c->is_honest && order != WEIR_PASS && order != WEIR_DO_SINGLE_PATH && !was_pushed_out)
		broken("an honest connection is refused", c);
}

#include "wire.h"
#include "steps.h"

static void initialize(void)
{
	const __u64 least = 1ULL << WEIR_MISSING_SNI | 1ULL << WEIR_UNJUDGED_HELLO | 1ULL << WEIR_UNSEEN_ANSWER;

	engine = weir_engine_create();
	is_loud = getenv("LOUD") != 0;
	weir_config_watch(&engine->config, 443);
	engine->config.recorded = engine->config.anomalous = ~0ULL;
	engine->config.prefix4 = weir_config_lengths(&engine->config)[0] = 128;
	engine->config.prefix6 = weir_config_lengths(&engine->config)[1] = 64;
	engine->config.proof = WEIR_TRACKED;
	engine->config.hello_timeout_ns = 10 * WEIR_SECOND;
	policies[0] = policies[1] = engine->config;
	/* The default policy's, and one that limits what it must. */
	policies[1].limiting = least;
	policies[0].limiting = least | 1ULL << WEIR_INVALID_SNI | 1ULL << WEIR_SSLV2_HELLO | 1ULL << WEIR_BAD_RECORD | 1ULL << WEIR_MALFORMED_HELLO |
			       1ULL << WEIR_OVERLAP_CONFLICT | 1ULL << WEIR_DUPLICATE_EXTENSION | 1ULL << WEIR_REPLAYED_HELLO | 1ULL << WEIR_URGENT_DATA;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	if (!engine)
		initialize();
	input = data;
	left = size;
	weir_engine_reset(engine);
	begin();
	for (int i = 0; left && i < STEPS; i++)
		step();
	return 0;
}

const char *weir_flow_try(const __u8 *data, size_t size)
{
	is_test = 1;
	said[0] = 0;
	if (!setjmp(rescue))
		LLVMFuzzerTestOneInput(data, size);
	return said[0] ? said : 0;
}
