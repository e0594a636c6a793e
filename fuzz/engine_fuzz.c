/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The shared probe under libFuzzer. The first byte says what the rest is: frames, each behind its length, or client
 * bytes that are put into TCP segments behind a real handshake, in sizes that the input chooses; and whether the TLS
 * ports are watched or, as `weir replay --all-ports` does, all of them.
 */
#include <weir/engine.h>

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct weir_engine *engine;
static struct weir_config usual, every_port;
static const struct weir_allow_key everybody;	/* each PROXY header is believed */
static __u64 now = 1;

static void run(const __u8 *bytes, __u32 size)
{
	/* On the heap and of its exact size, so that a read past the frame is seen. */
	__u8 *copy = malloc(size ? size : 1);
	struct weir_frame frame = { .engine = engine, .bytes = copy, .size = size, .wire_size = size, .ifindex = 1 };

	memcpy(copy, bytes, size);
	now += 1000000;
	frame.now = now;
	weir_engine_frame(&frame, 1);
	free(copy);
}

static __u16 port;

static void segment(__u8 flags, __u32 sequence, __u32 acknowledged, const __u8 *payload, __u32 size, int from_client)
{
	static __u8 f[54 + 8192];
	const __u8 start[] = { [12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [26] = 203, 0, 113, 66, 198, 51, 100, 2, [34] = (__u8)(port >> 8), (__u8)port, 1, 187 };
	__u32 total = 40 + size;

	memcpy(f, start, sizeof(start));
	if (!from_client) {
		memcpy(f + 26, start + 30, 4);
		memcpy(f + 30, start + 26, 4);
		memcpy(f + 34, start + 36, 2);
		memcpy(f + 36, start + 34, 2);
	}
	f[16] = (__u8)(total >> 8);
	f[17] = (__u8)total;
	for (int i = 0; i < 4; i++) {
		f[38 + i] = (__u8)(sequence >> (24 - 8 * i));
		f[42 + i] = (__u8)(acknowledged >> (24 - 8 * i));
	}
	f[46] = 0x50;
	f[47] = flags;
	memcpy(f + 54, payload, size);
	run(f, 54 + size);
}

#define BIT(anomaly) (1ULL << (anomaly))

/* What is said of how the bytes came, and of what came before them. */
#define OF_THE_WAY (BIT(WEIR_TINY_FRAGMENTS) | BIT(WEIR_RECORD_FRAGMENTATION) | BIT(WEIR_OVERLAP_CONFLICT) | BIT(WEIR_SLOW_HELLO) | \
		    BIT(WEIR_REPLAYED_HELLO) | BIT(WEIR_CLIENT_HELLO_FLOOD))

/* What may be said of a hello that is not whole: nothing that it lacks. */
#define OF_A_PART (OF_THE_WAY | BIT(WEIR_TRUNCATED_HELLO) | BIT(WEIR_OVERSIZED_HELLO))

/* Each record keeps what it promises, and every verdict is accounted for. */
static void check(void)
{
	__u64 outcomes = 0, records = 0;

	for (size_t at = 0; at < engine->records_size; ) {
		struct weir_handshake r;
		__u64 size;

		memcpy(&size, engine->records + at, 8);
		memcpy(&r, engine->records + at + 8, sizeof(r));
		assert(size == sizeof(r) + r.raw_length);
		assert(r.raw_length < WEIR_STREAM_CAP);
		assert(r.wire_version == WEIR_WIRE_VERSION);
		assert(r.raw_length < WEIR_STREAM_CAP && r.server_name_length <= r.raw_length && r.alpn_length <= r.raw_length);
		/* A segment that the capture cut, or that lies beyond what is assembled, brings nothing. */
		assert(r.segments || r.completeness == WEIR_INCOMPLETE);
		assert(!(r.anomalies >> WEIR_ANOMALY_COUNT) && r.proof <= WEIR_TRACKED);
		records++;
		assert(r.completeness != WEIR_INCOMPLETE || (!(r.anomalies & ~OF_A_PART) && !r.raw_length && r.action == WEIR_OBSERVED));
		assert(r.proof || r.action == WEIR_PASSED || r.action == WEIR_OBSERVED);
		/* What could not be read to its end lacks nothing that one could know of. */
		assert(!(r.anomalies >> WEIR_MALFORMED_HELLO & 1) || !(r.anomalies >> WEIR_MISSING_SNI & 1));
		at += 8 + ((size + 7) & ~7ULL);
	}
	for (int i = WEIR_COUNT_ALLOWED; i <= WEIR_COUNT_DROPPED; i++)
		outcomes += engine->counters[i];
	assert(engine->counters[WEIR_COUNT_SEEN] == engine->counters[WEIR_COUNT_EMITTED] + engine->counters[WEIR_COUNT_LOST]);
	assert(engine->counters[WEIR_COUNT_SEEN] == outcomes);
	assert(engine->counters[WEIR_COUNT_EMITTED] == records);
}

/* The first hello's record of a client port; NULL if there is none. */
static const __u8 *record_of(__u16 wanted)
{
	for (size_t at = 0; at < engine->records_size; ) {
		const __u8 *found = engine->records + at + 8;
		struct weir_handshake r;
		__u64 size;

		memcpy(&size, engine->records + at, 8);
		memcpy(&r, found, sizeof(r));
		if (r.source_port == wanted && r.kind == WEIR_KIND_HELLO)
			return found;
		at += 8 + ((size + 7) & ~7ULL);
	}
	return 0;
}

/* How a hello was cut into segments does not matter: the same bytes in one piece and in many get the same verdict. */
static void compare(__u16 whole, __u16 pieces)
{
	const __u8 *one = record_of(whole), *other = record_of(pieces);
	struct weir_handshake a, b;

	if (!one)
		return;
	memcpy(&a, one, sizeof(a));
	/* What is no proper hello is judged by its first bytes, and how many those are depends on the cut. */
	if (a.completeness == WEIR_INCOMPLETE || a.anomalies & (BIT(WEIR_MALFORMED_HELLO) | BIT(WEIR_NOT_TLS) | BIT(WEIR_BAD_RECORD) | BIT(WEIR_SSLV2_HELLO)) || !a.hello_length)
		return;
	assert(other);
	memcpy(&b, other, sizeof(b));
	if (b.completeness == WEIR_INCOMPLETE)
		return;			/* more holes than are tracked, or too long */
	assert(!((a.anomalies ^ b.anomalies) & ~OF_THE_WAY) && a.fingerprint == b.fingerprint && a.version == b.version && a.hello_length == b.hello_length);
	assert(a.server_name_length == b.server_name_length && a.extension_count == b.extension_count && a.cipher_count == b.cipher_count);
	assert(a.raw_length == b.raw_length && !memcmp(one + sizeof(a), other + sizeof(b), a.raw_length));
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	engine = weir_engine_create();
	weir_config_watch(&engine->config, 443);
	weir_config_watch(&engine->config, 8443);
	engine->config.recorded = engine->config.anomalous = ~0ULL;
	engine->config.limiting = 1 << WEIR_MISSING_SNI | 1 << WEIR_MALFORMED_HELLO;
	for (int i = 0; i < 64; i++)
		*weir_config_rule(&engine->config, i) = (struct weir_rule){ .for_ns = WEIR_SECOND, .per_second = 3 };
	engine->config.prefix4 = weir_config_lengths(&engine->config)[0] = 128;
	engine->config.prefix6 = weir_config_lengths(&engine->config)[1] = 64;
	engine->config.proof = WEIR_TRACKED;
	engine->config.capture = WEIR_CAPTURE_ALL;
	engine->config.hello_timeout_ns = 10 * WEIR_SECOND;
	usual = every_port = engine->config;
	for (__u32 port = 1; port <= 65535; port++)
		weir_config_watch(&every_port, (__u16)port);
	return 0;
}

int LLVMFuzzerTestOneInput(const __u8 *data, size_t size)
{
	__u32 client = 7919, server = 104729;

	/* Nothing of the last input is left, so that what an input finds it finds again. */
	weir_engine_reset(engine);
	weir_engine_trust_proxy(engine, &everybody);
	now = 1;
	if (!size)
		return 0;
	weir_engine_use(engine, data[0] & 32 ? &every_port : &usual);
	if (data[0] & 1) {
		for (size_t at = 1; at + 2 <= size; ) {
			__u32 n = (__u32)data[at] << 8 | data[at + 1];

			at += 2;
			if (n > size - at)
				n = (__u32)(size - at);
			run(data + at, n);
			at += n;
		}
	} else if (size > 2) {
		__u32 most = 1 + data[1] * 8u, left = (__u32)size - 2;

		port = 40000;
		segment(2, client, 0, data, 0, 1);
		segment(18, server, client + 1, data, 0, 0);
		segment(24, client + 1, server + 1, data + 2, left > 8000 ? 8000 : left, 1);
		port = 40001;
		segment(2, client, 0, data, 0, 1);
		segment(18, server, client + 1, data, 0, 0);
		for (__u32 at = 0; at < left; at += most) {
			/* Every other pair turned round, and now and then one twice. */
			__u32 here = !(data[0] & 2) ? at : at / most & 1 ? at - most : at + most < left ? at + most : at;
			__u32 n = left - here < most ? left - here : most;

			segment(24, client + 1 + here, server + 1, data + 2 + here, n, 1);
			if (data[0] & 4)
				segment(24, client + 1 + here, server + 1, data + 2 + here, n, 1);
		}
		if (data[0] & 8)
			segment(17, client + 1 + left, server + 1, data, 0, 1);
		compare(40000, 40001);
	}
	if (data[0] & 16)
		weir_engine_sweep(engine, now, 1);
	check();
	return 0;
}
